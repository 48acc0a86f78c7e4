#!/bin/sh
# Files that are not what they seem, or no files at all, most of them in trees (docs/edge-cases.md, 31 to 40).
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"

begin '31 /proc and /sys in a tree: read to their end'
expect '0|1|3' timeout 60 sh -c "$ZCOPY -r /proc/self/net/ net" # some may not be read
if [ -r /proc/net/dev ]; then
	mkdir s && ln -s /proc/version s/version && ln -s /proc/filesystems s/filesystems
	expect 0 zcopy -rL s d
	for name in version filesystems; do
		cat s/$name >want
		same want d/$name
	done
fi
if [ -d /sys/kernel/mm/transparent_hugepage ]; then
	expect '0|1' zcopy -r /sys/kernel/mm/transparent_hugepage thp
	cat /sys/kernel/mm/transparent_hugepage/enabled >want
	same want thp/enabled
fi
begin '31 a file that grows at each read, and one of many short ones'
if fuse "$PWD/back" "$PWD/m" --size0 --short-reads=1000; then
	mkdir back/s && data 300000 1 back/s/a && data 100 2 back/s/b
	expect 0 zcopy -r m/s d
	same back/s/a d/a
	same back/s/b d/b
else
	skip 'no FUSE'
fi

specials() {
	mkdir s && mkfifo s/fifo && data 1000 1 s/a
	"$PYTHON" -c 'import socket; socket.socket(socket.AF_UNIX).bind("s/sock")' 2>/dev/null
	if is_root; then
		mknod s/null c 1 3 && mknod s/blk b 259 262143
	fi
}
for how in -r -a -rp; do
	begin "32 and 33 FIFOs, sockets and devices of a tree are made anew, never opened: $how"
	specials
	expect 0 timeout 60 sh -c "$ZCOPY $how s d"
	for name in fifo sock null blk; do
		[ ! -e s/$name ] || equal "$(stat -c '%F %t %T' d/$name)" "$(stat -c '%F %t %T' s/$name)" $name
	done
	same s/a d/a
done
begin '32 --copy-contents reads them'
mkdir s && mkfifo s/fifo
if is_root; then mknod s/null c 1 3; fi
data 300000 1 a
cat a >s/fifo &
expect 0 timeout 60 sh -c "$ZCOPY -r --copy-contents s d"
wait $!
same a d/fifo
if [ -e s/null ]; then
	[ -f d/null ] || fail 'd/null is no file'
	equal "$(stat -c %s d/null)" 0 size
fi
begin '32 a FIFO of a tree that becomes a regular file, and the other way round'
mkdir s d && mkfifo s/x d/y && data 1000 1 s/y && data 1000 2 d/x
expect 0 timeout 60 sh -c "$ZCOPY -aT s d"
[ -p d/x ] || fail 'd/x is no FIFO'
if [ -f d/y ]; then same s/y d/y; else fail 'd/y is no file'; fi

begin '34 no right to make a device: said, and everything else is copied'
if can_be_nobody; then
	specials && data 10 2 s/z && mkdir -m 777 out && chmod 755 s
	# shellcheck disable=SC2086
	expect 1 as_nobody timeout 60 $ZCOPY -r s out/d
	says 'out/d/null.*Operation not permitted'
	says 'out/d/blk'
	equal "$(grep -c . "$T/err")" 2 messages
	same s/a out/d/a
	same s/z out/d/z
	[ -p out/d/fifo ] || fail 'no FIFO'
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi

begin '35 a FIFO or a device in the way of a backup, of a temporary, of a directory: nothing waits'
data 1000 1 a && data 10 2 b && mkfifo b~ && cp b keep
expect 0 timeout 60 sh -c "$ZCOPY -b a b"
same a b
same b~ keep
mkdir s && data 10 3 s/x && mkdir d && mkfifo d/x
expect 0 timeout 60 sh -c "$ZCOPY -rT -b s d"
same s/x d/x
[ -p d/x~ ] || fail 'the FIFO was not kept'
mkdir s2 && mkdir s2/x
rm d/x && mkfifo d/x
expect 1 timeout 60 sh -c "$ZCOPY -rT s2 d"
says 'directory'
[ -p d/x ] || fail 'the FIFO is gone'

begin '36 holes to a pipe, to a terminal, to a FIFO are zeros'
truncate -s 1M a && printf end >>a
for how in '' --sparse=always --sparse=never --route=splice '--route=buffer --engine=sync'; do
	case $how in *splice) no_splice && continue ;; esac
	# shellcheck disable=SC2086
	zcopy $how a - | cmp - a || fail "$how"
done

begin '37 a block device as a source in place of a file; one that is too small; one in use'
data 1048576 1 disk
if is_root && loop=$(losetup -f --show disk 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	expect 0 zcopy "$loop" image
	same disk image
	expect 1 zcopy "$loop" image/x
	data 2000000 2 big && before=$(cksum <"$loop")
	expect 5 zcopy big "$loop"
	says 'smaller'
	equal "$(cksum <"$loop")" "$before" 'the device'
	# exactly as large, and without a size that is known before: an error at its end
	data 1048576 3 fits
	expect 0 zcopy fits "$loop"
	cmp fits "$loop" || fail 'the bytes'
	# shellcheck disable=SC2002
	cat big | zcopy - "$loop" 2>"$T/err"
	rc=$?
	judge 5 'a stream that is longer'
	rm -f r
	expect 0 zcopy -r "$loop" d
	[ -b d ] || fail 'with -r a device is made anew'
else
	skip 'no loop devices'
fi

begin '38 a directory where a file is meant'
mkdir d && data 10 1 a
for words in 'd b' 'd/ b' 'd/. b' '. b' '-T d b' '/ b'; do
	# shellcheck disable=SC2086
	expect 1 zcopy $words
	says '^zcopy: -r not specified; omitting directory'
	gone b
done
for words in '- b' '/dev/stdin b' '-r - b' '-a /dev/fd/0 b'; do
	expect 1 sh -c "$ZCOPY $words <d"
	says 'Is a directory'
	gone b
done
expect 1 zcopy -T a d
says 'directory'
expect 1 zcopy a/ b
says 'Not a directory'
gone b

begin '39 files without a name: memfd, O_TMPFILE, removed ones, by /proc'
if have "$PYTHON"; then
	data 300000 1 a
	cat >nameless.py <<'P'
import os, subprocess, sys
zcopy, want = sys.argv[1].split(), open("a", "rb").read()
def removed():
    fd = os.open("gone", os.O_RDWR | os.O_CREAT)
    os.unlink("gone")
    return fd
makers = {"memfd": lambda: os.memfd_create("x", 0), "tmpfile": lambda: os.open(".", os.O_TMPFILE | os.O_RDWR),
          "removed": removed}
for kind, make in makers.items():
    for name in ("/proc/self/fd/%d", "/dev/fd/%d", "/proc/" + str(os.getpid()) + "/fd/%d"):
        src, dst = make(), make()
        os.write(src, want)
        os.write(dst, b"y" * 400000)
        os.lseek(src, 0, 0)
        os.lseek(dst, 0, 0)
        # a descriptor is written on from where it is: another's has no such place
        rc = subprocess.run(zcopy + [name % src, "b"], pass_fds=(src,)).returncode
        print(kind, name[:9], "read", rc, open("b", "rb").read() == want)
        rc = subprocess.run(zcopy + ["a", name % dst], pass_fds=(dst,)).returncode
        print(kind, name[:9], "written", rc, os.pread(dst, len(want), 0) == want)
        os.close(src)
        os.close(dst)
        os.unlink("b")
P
	"$PYTHON" nameless.py "$ZCOPY" >said 2>&1
	equal "$(grep -c ' 0 True$' said)" 18 "right answers; others: $(grep -v ' 0 True$' said | head -4)"
else
	skip 'no python'
fi

begin '40 compressed files: blocks say nothing, the content is right'
if image btrfs "$PWD/m" 320 && mount -o remount,compress-force=zstd m 2>/dev/null; then
	mkdir m/s && yes words | head -c 3000000 >m/s/a && head -c 5000 /dev/zero >m/s/zeros && printf x >m/s/inline
	data 200000 1 m/s/dense && sync -f m
	! have filefrag || filefrag -v m/s/a | grep -q encoded || fail 'it is not compressed'
	for how in '' --reflink=never --direct=always '--route=buffer --engine=sync' --sparse=always; do
		for name in a zeros inline dense; do
			rm -f b m/b
			# shellcheck disable=SC2086
			expect '0|2' zcopy $how m/s/$name b
			[ "$rc" -ne 0 ] || same m/s/$name b
			# shellcheck disable=SC2086
			expect '0|2' zcopy $how m/s/$name m/b
			[ "$rc" -ne 0 ] || same m/s/$name m/b
		done
	done
	for there in d m/d; do
		expect 0 zcopy -a m/s $there
		expect 0 diff -r --no-dereference m/s $there
	done
else
	skip 'cannot mount btrfs'
fi
begin '40 encrypted files'
img=$T/enc.img && truncate -s 64M "$img"
if is_root && have mkfs.ext4 && mkfs.ext4 -q -F -O encrypt "$img" 2>/dev/null && mkdir m &&
	loop=$(losetup -f --show "$img" 2>/dev/null) && LOOPS="$loop $LOOPS" &&
	mount -o test_dummy_encryption "$loop" m 2>/dev/null; then
	MOUNTS="$PWD/m $MOUNTS"
	mkdir m/s && data 300000 1 m/s/a && data 1000 2 m/s/b && ln -s target m/s/l && truncate -s 1M m/s/hole
	for how in '' --direct=always '--route=buffer --engine=sync' --sparse=always; do
		rm -rf d m/d
		# shellcheck disable=SC2086
		expect '0|2' zcopy -a $how m/s d
		[ "$rc" -ne 0 ] || expect 0 diff -r --no-dereference m/s d
		# shellcheck disable=SC2086
		expect '0|2' zcopy -a $how m/s m/d
		[ "$rc" -ne 0 ] || expect 0 diff -r --no-dereference m/s m/d
	done
else
	skip 'cannot mount ext4 with encryption'
fi
rm -f "$img"
done_testing
