#!/bin/sh
# Names, paths, and where trees end: depth, bytes, circles, mount points, cases (docs/edge-cases.md, 61 to 71).
# shellcheck disable=SC2086 # options and ZCOPY are words
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"

begin '61 deeper than any path, with few descriptors, alone and by several'
if have "$PYTHON"; then
	cat >deep.py <<'P'
import os, sys
top = os.open(".", os.O_RDONLY)
os.mkdir("s")
os.chdir("s")
for n in range(400):
    name = "d" * 200 + str(n)
    os.mkdir(name)
    os.chdir(name)
with open("bottom", "w") as f:
    f.write("here")
P
	"$PYTHON" deep.py
	for how in -j1 -j4; do
		for limit in 1024 24; do
			rm -rf d
			expect 0 timeout 60 sh -c "ulimit -n $limit; exec $ZCOPY -a $how s d"
			equal "$(find d -name bottom -printf x)" x 'the bottom'
			equal "$(find d -type d -printf x | wc -c)" 401 directories
		done
	done
	# onto itself, where there is a limit for names that are longer than that
	expect 0 timeout 60 $ZCOPY -aT s d
	rm -rf s d
	long=$(printf '%255s' '' | tr ' ' n)
	mkdir -p s/$long && data 10 1 s/$long/$long && ln -s $long s/$long/l
	expect 0 zcopy -a s d
	same s/$long/$long d/$long/$long
else
	skip 'no python'
fi

begin '62 any bytes: kept, one line in messages, and JSON that can be read'
if have "$PYTHON" && can_be_nobody; then
	cat >odd.py <<'P'
import os
os.makedirs(b"s/\xff\xfe dir\n")
for name in b"-rf", b" lead", b"trail ", b"a\nb", b"\x1b[31m", b"\xff", b"q\"'\\", b"\x01\x7f", b"%s%n", b"*", "\u202e".encode():
    for where in b"s/", b"s/\xff\xfe dir\n/":
        open(where + name, "w").close()
        os.chmod(where + name, 0)
P
	"$PYTHON" odd.py
	mkdir -m 777 out && chmod -R go+rX s && find s -type f -exec chmod 0 {} +
	expect 1 as_nobody $ZCOPY -r --report=out/r s out/d # each is said
	equal "$(grep -c '^zcopy: ' "$T/err")" 22 messages
	equal "$(wc -l <"$T/err")" 22 lines
	! LC_ALL=C grep -q "$(printf '[\001-\010\033\177]')" "$T/err" || fail 'control bytes in messages'
	equal "$("$PYTHON" -c '
import base64, json
r = json.load(open("out/r", encoding="utf-8"))
names = {base64.b64decode(e["path_b64"]) if "path_b64" in e else e["path"].encode() for e in r["errors"]}
print(len(names), all(n.startswith(b"s/") for n in names))')" '22 True' 'paths in the report'
	expect 0 zcopy -a s d
	expect 0 diff -r s d
else
	skip 'no python, or not root'
fi

begin '63 a large directory is read in pieces: memory does not grow with it'
many=20000
if [ -n "${ZC_LONG:-}" ]; then many=1000000; fi
if mounted tmpfs "$PWD/m" size=4g,nr_inodes=4m; then
	mkdir m/s && (cd m/s && seq $many | xargs touch)
	expect 0 zcopy -a --report=r m/s m/d
	equal "$(find m/d -type f -printf x | wc -c)" $many files
	rss=$(sed -n 's/.*"peak_rss_bytes": *\([0-9]*\).*/\1/p' r)
	[ "${ZC_SANITIZED:+0}${rss:-x}" -lt 64000000 ] || fail "peak_rss_bytes $rss"
else
	skip 'cannot mount'
fi
begin '63 directories that lie: no types, wrong types, names twice, names that are not there, no end'
for lie in none files dup ghost loop; do
	if fuse "$PWD/back-$lie" "$PWD/m-$lie" --dir=$lie; then
		mkdir -p back-$lie/s/sub/deep back-$lie/s/empty && data 1000 1 back-$lie/s/a && data 300000 2 back-$lie/s/sub/b
		data 10 3 back-$lie/s/again && ln -s a back-$lie/s/link && ln back-$lie/s/a back-$lie/s/sub/a2
		rm -rf d
		case $lie in
		ghost) want='1|3' ;;
		loop) want=1 ;;
		*) want='0|1' ;;
		esac
		expect $want timeout 60 sh -c "$ZCOPY -a -j4 m-$lie/s d"
		same back-$lie/s/again d/again
		[ $lie = loop ] || expect 0 diff -r --no-dereference back-$lie/s d
		case $lie in none | files) equal "$(stat -c %h d/a)" 2 links ;; esac
	else
		skip 'no FUSE'
	fi
done

begin '63 names longer than any may be: said, and the rest is copied and compared'
for lie in long longer; do
	if fuse "$PWD/back-$lie" "$PWD/m-$lie" --dir=$lie; then
		mkdir -p back-$lie/s/sub && data 1000 1 back-$lie/s/sub/a
		# of all lengths, so that a batch of names ends anywhere before a long one
		for len in $(seq 4 4 240); do data 10 "$len" "back-$lie/s/$(printf "%0${len}d" 0)"; done
		ls m-$lie/s >/dev/null 2>&1 || continue # an old kernel
		rm -rf new d
		cp -a back-$lie/s new
		expect 1 timeout 60 sh -c "$ZCOPY -a -j2 m-$lie/s d"
		says 'nnn: cannot open: File name too long'
		equal "$(grep -vc 'File name too long' "$T/err")" 0 'other errors'
		expect 0 diff -r back-$lie/s d
		for pair in "m-$lie/s new" "new m-$lie/s"; do
			# shellcheck disable=SC2086
			expect 1 timeout 60 $ZCOPY verify $pair
			says 'nnn: cannot open: File name too long'
			equal "$(grep -vc 'File name too long' "$T/err")" 0 "other errors of verify $pair"
		done
	else
		skip 'no FUSE'
	fi
done

begin '64 numbers of directory entries that are not those of the files: mount points, overlays'
if mounted tmpfs "$PWD/other" size=4m && mkdir -p s/mp lower upper work merged && data 1000 1 s/a &&
	mount --bind other s/mp; then
	MOUNTS="$PWD/s/mp $MOUNTS"
	data 1000 2 s/mp/b && ln s/mp/b s/mp/c
	expect 0 zcopy -a s d
	expect 0 diff -r s d
	equal "$(stat -c %h d/mp/b)" 2 links
	if [ "$(stat -f -c %T .)" != overlayfs ] && mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" o merged 2>/dev/null; then
		MOUNTS="$PWD/merged $MOUNTS"
		cp -a s/. lower/ && echo more >merged/mp/new && mkdir merged/fresh
		ln merged/mp/new merged/fresh/twin
		expect 0 zcopy -a merged d2
		expect 0 diff -r merged d2
		equal "$(stat -c %h d2/mp/new)" 2 links
		expect 0 zcopy -a s merged/back
		expect 0 diff -r s merged/back
	fi
else
	skip 'cannot mount'
fi

# once it has happened, the next would copy the copies
into_itself() {
	[ "$FAILED" -eq "$good" ] || return
	expect 9 timeout 60 $ZCOPY "$@"
	says 'cannot copy a directory.*into itself\|is the same file'
	equal "$(find . -xdev -printf x | wc -c)" "$before" "names after $*"
}
good=$FAILED
begin '65 a directory into itself, by any way'
mkdir -p s/sub/deeper other && data 10 1 s/a && ln -s s link && ln -s ../s/sub other/in
before=$(find . -xdev -printf x | wc -c)
for how in -r -a '-a -j4' -rL; do
	into_itself $how s s/sub
	into_itself $how s s/sub/new
	into_itself $how s s/new
	into_itself $how s/ s/sub/deeper/new
	into_itself $how s/. s/sub
	into_itself $how s link/sub
	into_itself $how "$PWD/s" other/in/new
	into_itself $how . s/sub
	into_itself $how s s
	into_itself $how -T s s
	into_itself $how s/sub/.. s/sub/new
done
if is_root && mkdir bind && mount --bind s/sub bind 2>/dev/null; then
	MOUNTS="$PWD/bind $MOUNTS"
	before=$(find . -xdev -printf x | wc -c)
	into_itself -a s/sub bind
	into_itself -a s/sub bind/new
	# seen only when the walk gets there, as by cp: what is copied ends there
	expect 9 timeout 60 $ZCOPY -a s bind/new
	says 'cannot copy a directory.*into itself'
	gone s/sub/new/sub/new
else
	skip 'cannot bind mount'
fi
begin '65 the same inode number on another file system is another directory'
if mounted tmpfs "$PWD/one" size=1m && mounted tmpfs "$PWD/two" size=1m; then
	for m in one two; do mkdir -p $m/s/sub && data 10 1 $m/s/a; done
	equal "$(inode_of one/s)" "$(inode_of two/s)" 'inode numbers'
	expect 0 zcopy -a one/s two/s/sub
	same one/s/a two/s/sub/s/a
	data 10 2 one/s/a
	expect 0 zcopy -aT one/s two/s
	same one/s/a two/s/a
else
	skip 'cannot mount'
fi

begin '66 the same source twice, and two of one name: the second is not put over the first'
mkdir -p x y d && data 10 1 x/f && data 10 2 y/f && mkdir x/t y/t && data 10 3 x/t/g && data 10 4 y/t/g
expect 1 zcopy x/f y/f d
same x/f d/f
expect '0|1' zcopy -a x/f x/f ./x/f d
same x/f d/f
rm -r d && mkdir d
expect 0 zcopy -a x/t y/t d # as cp: two directories of one name become one
same y/t/g d/t/g
rm -r d && mkdir d
expect '0|1' zcopy -a x/t x/t d
same x/t/g d/t/g

begin '67 a file system to which A is a: the second is said, not put over the first'
if fuse "$PWD/back" "$PWD/m" --fold-case; then
	mkdir -p s/D s/d && data 10 1 s/F && data 10 2 s/f && data 10 3 s/D/x && data 10 4 s/d/x && data 10 5 s/other && ln -s one s/L && ln -s two s/l
	for how in -r -a '-a -j4' '-r --sparse=always'; do
		rm -rf back/t
		expect 1 zcopy $how s m/t
		cmp -s s/F back/t/f || cmp -s s/f back/t/f || fail 'f is nobody'"'"'s'
		says 'm/t/[Ff]: '
		says 'm/t/[Ll]: '
		says 'm/t/[Dd]'
		same s/other back/t/other
		equal "$(find back -name '.zcopy-*')" '' 'left behind'
	done
	# two operands
	rm -rf back/t && mkdir back/t
	expect 1 zcopy s/F s/f m/t
	same s/F back/t/f
	# a file onto itself by the other case
	data 10 7 back/self
	expect 9 zcopy m/self m/SELF
	expect 9 zcopy m/SELF m/self
else
	skip 'no FUSE'
fi

begin '68 -x: the mount point is made, nothing behind it is read; without it all is'
if mkdir -p s/mp s/z && data 10 1 s/a && data 10 2 s/z/b && mounted tmpfs "$PWD/s/mp" size=1m; then
	data 10 3 s/mp/c && mkdir s/mp/sub && chmod 751 s/mp
	expect 0 zcopy -ax s d
	equal "$(ls -A d/mp)" '' 'behind the mount point'
	same s/z/b d/z/b
	equal "$(mode_of d/mp)" 751 'its mode is that of what is mounted'
	expect 0 zcopy -a s d2
	same s/mp/c d2/mp/c
	# from the mount point itself, below which nothing else is mounted
	expect 0 zcopy -ax s/mp d3
	same s/mp/c d3/c
	# the destination is below the source, on another file system: fine with -x, as cp -rx / /mnt
	expect '0|9' zcopy -ax s s/mp/copy
	if [ "$rc" -eq 0 ]; then same s/a s/mp/copy/a; fi
	gone s/mp/copy/mp/copy
else
	skip 'cannot mount'
fi

begin '69 slashes, dots, nothing'
mkdir -p s/sub d && data 10 1 s/a && data 10 2 s/sub/b
for src in s s/ s// ./s s/sub/.. ; do
	rm -rf d && mkdir d
	expect 0 zcopy -r $src d
	case $src in
	*..) same s/a d/a ;;
	*) same s/a d/s/a ;;
	esac
done
for src in s/. s/./ s/sub/../.; do
	rm -rf d && mkdir d
	expect 0 zcopy -r $src d/
	same s/a d/a
done
rm -rf d && mkdir d
expect 0 zcopy -r --parents s/sub/b d
same s/sub/b d/s/sub/b
mkdir -p in/deeper in/d1/x in/d2/x && data 10 3 in/up
(cd in/deeper && cp --parents ../up ../d1/x && zcopy --parents ../up ../d2/x) || fail 'in a parent'
(cd in/d1 && find .) >gnu
(cd in/d2 && find .) >ours
same ours gnu
expect 1 zcopy '' d
expect '1|2' zcopy s/a ''
expect 1 zcopy -T s/a d
expect 1 zcopy s/a missing/
gone missing

begin '70 links at the destination: dangling, in a circle, made a moment ago, to directories'
data 10 1 a && ln -s nowhere dangling && ln -s loop loop
expect 9 zcopy a dangling
gone nowhere
expect '1|9' zcopy a loop
expect '0|1|9' zcopy -f a loop
mkdir -p s1 s2 d out && ln -s ../out/victim s1/x && data 10 2 s2/x && data 10 3 out/victim && cp out/victim keep
# abuse.sh of coreutils: the second would be written through the first
expect '1|9' zcopy -a s1/x s2/x d
same out/victim keep
rm -rf d && mkdir d
expect '0|1' zcopy -a s1/. s2/. d
same out/victim keep
# what is a link to a directory there is not entered
rm -rf d && mkdir -p d s/t && data 10 4 s/t/new && ln -s ../out d/t
expect '0|1' zcopy -aT s d
gone out/new
rm -rf d && mkdir d && ln -s ../out d/t
expect 0 zcopy -aT --keep-directory-symlink s d
same s/t/new out/new
[ -L d/t ] || fail 'the link is gone'

begin '71 links of the source: -P, -H, -L; circles; long ones; no mode is ever set through one'
mkdir -p s/dir && data 10 1 s/dir/f && ln -s dir/f s/tofile && ln -s dir s/todir && ln -s s operand && ln -s .. s/dir/up && ln -s nowhere s/dang
long=$(printf '%0.sx/' $(seq 500))t
ln -s "$long" s/long && ln -s /etc/passwd s/abs
expect 0 zcopy -r s d1
for name in tofile todir dir/up dang long abs; do equal "$(readlink d1/$name)" "$(readlink s/$name)" "link $name"; done
expect 0 zcopy -rH operand d2
[ -L d2/tofile ] || fail '-H follows links of the tree'
expect 0 zcopy -rP operand d3
equal "$(readlink d3)" s 'the operand with -P'
expect '1|9' timeout 60 $ZCOPY -rL operand d4
says 'dang'
says 'up'
[ ! -L d4/tofile ] || fail '-L makes a link'
same s/dir/f d4/tofile
same s/dir/f d4/todir/f
gone d4/dir/up/dir
if can_trace; then
	rm -rf d1
	strace -f -qq -o calls -e trace=chmod,fchmodat,chown,lchown,fchownat,utimensat,setxattr "$ZCOPY" -a -j1 s d1 || fail "exit $?"
	! grep -E '^[0-9]+ (chmod|chown|setxattr)\(' calls || fail 'a call that follows links'
	! grep -E 'fchmodat\(' calls | grep -v 'SYMLINK_NOFOLLOW\|EMPTY_PATH' || fail 'a mode by name'
	! grep -E '(fchownat|utimensat)\([0-9]+, "[^"]' calls | grep -v SYMLINK_NOFOLLOW || fail 'owner or times by name'
fi
done_testing
