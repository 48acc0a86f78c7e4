#!/bin/sh
# What the tests of trees lean on: the judge must see each kind of difference when it is the only one, and call
# nothing else by name; rsync, which judges beside it, must see what it can.
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
oracle=$here/tree-oracle.py hostile=$here/../helpers/hostile-tree.py
have "$PYTHON" || skip_all 'no python'
as_root=''
place=$T/fs
# elsewhere, as in a container, even root may not have all of it
if image ext4 "$place" 512; then as_root=yes; else mkdir -p "$place"; fi
a=$place/a b=$place/b
oracle() { "$PYTHON" "$oracle" "$@"; }
hostile() { "$PYTHON" "$hostile" ${as_root:+--root} "$@"; }
# not root: what is in a read-only directory stays
remove() { rm -rf "$1" 2>/dev/null || { chmod -R u+rwx "$1" && rm -rf "$1"; }; }
rsync_lists() { rsync -aHAXSni --modify-window=-1 --checksum --delete --exclude=/huge --exclude=/deep "$a/" "$b/"; }
quiet() { [ ! -s "$T/out" ] || fail "says: $(head -c 300 "$T/out")"; }

begin 'the same seed, the same tree, 1000 levels deep'
expect 0 hostile "$a" 7
silent # nothing that cannot be made here
expect 0 hostile "$b" 7
expect 0 oracle -v "$a" "$b"
quiet
# an oracle that looks at nothing agrees as well
equal "$(sed 's/ .*//' "$T/err")" "$(find "$a" -printf x | wc -c)" 'items that were compared'
cat >deepest <<'END'
import os, sys
os.chdir(sys.argv[1])
while True:
    below = [e.name for e in os.scandir(".") if e.is_dir(follow_symlinks=False)]
    if not below:
        break
    os.chdir(below[0])
os.remove("link")
with open("bottom", "r+b") as f:
    first = f.read(1)
    f.seek(0)
    f.write(bytes([first[0] ^ 1]))
END
"$PYTHON" deepest "$b/deep" || fail 'cannot get there'
expect 1 oracle "$a" "$b"
says '^missing deep/.*/link: ' "$T/out"
says '^content deep/.*: at byte 0$' "$T/out"
remove "$b"

begin 'another seed, another tree'
expect 0 hostile --without many,deep "$b" 8
expect 1 oracle --exclude many --exclude deep "$a" "$b"
remove "$a"
remove "$b"

begin 'what cannot be judged is no agreement'
expect 2 oracle "$place" "$place/none"
expect 2 oracle --ignore everything "$place" "$place"

begin 'a copy by cp -a is right, and rsync thinks so'
expect 0 hostile --without many,deep,names "$a" 7
data 4096 1 "$a/twin1" && cp -p "$a/twin1" "$a/twin2"
head -c 1048576 /dev/zero >"$a/zeros"
# coreutils 9.1 loses nothing of it where source and destination are of one kind
expect 0 cp -a "$a" "$b"
expect 0 oracle "$a" "$b"
quiet
if have rsync; then
	expect 0 rsync_lists
	quiet
fi

# What is to be tried depends on what this file system took.
with_xattrs=$("$PYTHON" -c 'import os, sys; print(*os.listxattr(sys.argv[1]))' "$a/xattrs/dir")
with_acls=$("$PYTHON" -c 'import os, sys; print(*os.listxattr(sys.argv[1]))' "$a/acls/file0")

# change PATH PYTHON: p is the path in B.
change() {
	"$PYTHON" -c '
import os, sys
p = os.fsencode(sys.argv[2])
def flip(at):
    fd = os.open(p, os.O_RDWR)
    os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 1]), at)
def later(ns):
    old = os.lstat(p)
    os.utime(p, ns=(old.st_atime_ns, old.st_mtime_ns + ns), follow_symlinks=False)
def flip_attribute(name, at):
    old = bytearray(os.getxattr(p, name, follow_symlinks=False))
    old[at] ^= 1
    os.setxattr(p, name, bytes(old), follow_symlinks=False)
def give(name, value):
    os.setxattr(p, name, value, follow_symlinks=False)
def take(name):
    os.removexattr(p, name, follow_symlinks=False)
exec(sys.argv[1])' "$2" "$b/$1"
}

# caught KEY PATH rsync|blind COMMAND...: the oracle names exactly that, and nothing when told to ignore it.
# COMMAND runs in B. Times of PATH and of its directory are put back, unless they are what is tested.
caught() {
	key=$1 path=$2 by_rsync=$3
	shift 3
	begin "$key $path: $*"
	remove "$b"
	cp -a "$a" "$b" || fail 'cp -a'
	(cd "$b" && "$@") || { fail 'the change failed'; return; }
	if [ "$key" != mtime ]; then
		[ "$key" = missing ] || [ "$key" = extra ] || touch -h -r "$a/$path" "$b/$path"
		[ "$path" = . ] || touch -r "$a/$(dirname "$path")" "$b/$(dirname "$path")"
	fi
	if have rsync; then
		rsync_lists >"$T/rsync" || fail "rsync: $?"
		if [ "$by_rsync" = rsync ]; then
			[ -s "$T/rsync" ] || fail 'rsync lists nothing'
		else
			[ ! -s "$T/rsync" ] || fail "rsync lists: $(head -c 300 "$T/rsync")"
		fi
	fi
	expect 1 oracle "$a" "$b" || return
	[ "$(grep -c "^$key $path: " "$T/out")" -eq 1 ] && [ "$(wc -l <"$T/out")" -eq 1 ] ||
		fail "the oracle says: $(head -c 600 "$T/out")"
	case " $ignored " in
	*" $key "*) ;;
	*) expect 0 oracle --ignore "$key" "$a" "$b" && ignored="$ignored $key" ;;
	esac
}
ignored=''
access=system.posix_acl_access default=system.posix_acl_default

caught content files/4097 rsync change files/4097 'flip(4096)'
caught content files/1048577 rsync change files/1048577 'flip(0)'
caught content files/1048577 rsync change files/1048577 'flip(1048576)'
caught content huge/wide blind change huge/wide 'flip(3 << 39)' # rsync is kept from reading that
caught size files/4097 rsync truncate -s 4098 files/4097
caught size files/empty1 rsync truncate -s 1 files/empty1
caught mode files/512 rsync chmod 645 files/512
caught mode modes/6711 rsync chmod u-s modes/6711
caught mode modes/d1777 rsync chmod -t modes/d1777
caught mode specials/fifo rsync chmod 600 specials/fifo
caught mode . rsync chmod 700 .
caught mtime times/f5.1 rsync change times/f5.1 'later(1)'
caught mtime times/d5.1 rsync change times/d5.1 'later(1)'
caught mtime times/s5.1 rsync change times/s5.1 'later(1)'
caught mtime times/p5.1 rsync change times/p5.1 'later(-1)'
caught mtime . rsync change . 'later(1)'
caught links links/b/0 rsync sh -c 'cp -p links/b/0 ../new && mv ../new links/b/0'
caught links links/z/sym rsync sh -c 'cp -a links/sym ../new && mv ../new links/z/sym'
caught links links/z/fifo rsync sh -c 'cp -a links/fifo ../new && mv ../new links/z/fifo'
caught links twin2 blind ln -f twin1 twin2
caught target symlinks/0 rsync ln -sfn nowhere2 symlinks/0
caught type specials/fifo rsync sh -c 'rm specials/fifo && : >specials/fifo'
caught type specials/socket rsync sh -c 'rm specials/socket && mkfifo specials/socket'
caught type symlinks/4 rsync sh -c 'rm symlinks/4 && cp -a symlinks/dir symlinks/4'
caught missing files/empty1 rsync rm files/empty1
caught missing files/dir2/dir rsync rmdir files/dir2/dir
caught extra files/dir2/dir/new rsync sh -c ': >files/dir2/dir/new'
caught extra new rsync mkdir new
caught holes sparse/leading blind dd if=/dev/zero of=sparse/leading bs=64k count=1 conv=notrunc status=none
caught holes sparse/middle blind dd if=/dev/zero of=sparse/middle bs=64k seek=8 count=1 conv=notrunc status=none
caught holes sparse/second blind dd if=/dev/zero of=sparse/second bs=4k count=1 conv=notrunc status=none
caught holes zeros blind sh -c ': >zeros && truncate -s 1M zeros'
if have fallocate; then
	caught blocks files/1 blind fallocate -n -l 1M files/1
fi
begin 'extended attributes'
if [ -n "$with_xattrs" ]; then
	caught xattr xattrs/empty rsync change xattrs/empty 'give("user.empty", b"2")'
	caught xattr xattrs/nul rsync change xattrs/nul 'flip_attribute("user.nul", 4)'
	caught xattr xattrs/many rsync change xattrs/many 'take("user.n39")'
	caught xattr xattrs/none rsync change xattrs/none 'give("user.new", b"")'
	caught xattr xattrs/dir rsync change xattrs/dir 'take("user.dir")'
	caught xattr . rsync change . 'give("user.root", b"")'
else
	skip 'cannot mount a file system with extended attributes'
fi
begin 'access control lists'
if [ -n "$with_acls" ]; then
	# the permissions of the named user, not of its mask
	caught acl acls/file0 rsync change acls/file0 "flip_attribute('$access', 14)"
	caught acl acls/file1 rsync change acls/file1 "take('$access')"
	caught acl acls/dir1 rsync change acls/dir1 "flip_attribute('$access', 14)"
	caught default-acl acls/dir0 rsync change acls/dir0 "flip_attribute('$default', 14)"
	caught default-acl acls/dir0 rsync change acls/dir0 "take('$default')"
	caught default-acl files/dir1 rsync change files/dir1 \
		"give('$default', os.getxattr(p + b'/../../acls/dir0', '$default'))"
else
	skip 'cannot mount a file system with ACLs'
fi
begin 'owners, devices, capabilities, trusted attributes'
if [ -z "$as_root" ]; then
	skip 'not root, or cannot mount'
	done_testing
fi
caught uid files/512 rsync chown 7 files/512
caught gid files/512 rsync chgrp 7 files/512
caught uid symlinks/0 rsync chown -h 7 symlinks/0
caught gid files/dir1 rsync chgrp 7 files/dir1
caught uid specials/socket rsync chown 7 specials/socket
caught uid . rsync chown 7 .
caught rdev specials/c0 rsync sh -c 'rm specials/c0 && mknod -m 644 specials/c0 c 1 7'
caught rdev specials/b5 rsync sh -c 'rm specials/b5 && mknod -m 644 specials/b5 b 259 1'
caught type specials/c2 blind sh -c 'rm specials/c2 && mknod -m 644 specials/c2 b 7 255'
caught caps owners/cap0 rsync change owners/cap0 'flip_attribute("security.capability", 4)'
caught caps owners/cap1 rsync change owners/cap1 'take("security.capability")'
caught caps files/512 rsync change files/512 'give("security.capability", b"\1\0\0\2" + bytes(16))'
caught xattr xattrs/symlink rsync change xattrs/symlink 'take("trusted.symlink")'
caught xattr xattrs/fifo rsync change xattrs/fifo 'flip_attribute("trusted.fifo", 0)'
caught xattr xattrs/dir rsync change xattrs/dir 'give("trusted.dir", b"x")'
done_testing
