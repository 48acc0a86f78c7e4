#!/bin/sh
# What a review by experiment found in the copying of trees; each case failed before.
. "${0%/*}/lib.sh"

begin 'a backup is the old version of its own file, also when eight threads make them'
mkdir s t
for n in $(seq 1500); do
	echo "new$n" >"s/f$n" && echo "old$n" >"t/f$n" && echo "older$n" >"t/f$n~"
done
expect 0 zcopy -rT -b --durability=none --jobs=8 s t
for n in $(seq 1500); do
	read -r word <"t/f$n~"
	[ "$word" = "old$n" ] || fail "f$n~ holds $word"
done

begin 'no hard link is made to what merely has the name of a link that was followed'
mkdir -p D/sub
echo data >a && ln a b && ln -s sub/x D/a && echo old >D/sub/x && echo unrelated >D/x
expect 0 zcopy --preserve=links a b D/
equal "$(cat D/b)" data 'the second name'
equal "$(cat D/x)" unrelated 'a stranger'

begin '--dry-run with --parents or --files-from makes nothing'
mkdir -p a/b D && echo f >a/b/f && echo b/f >list
expect 0 zcopy --dry-run --parents a/b/f D
expect 0 zcopy --dry-run -r --files-from=list a D
expect 0 zcopy --dry-run -r --files-from=list a new
equal "$(find D)" D 'in it'
gone new

begin '--parents leaves the mode of a directory that is there, unless modes are kept'
mkdir -p a D/a && chmod 755 a && chmod 700 D/a && echo f >a/f
expect 0 zcopy --preserve=timestamps --parents a/f D
equal "$(mode_of D/a)" 700 mode

begin 'a directory in the place of a symlink is like any new one'
mkdir -p s/d t/s && echo x >s/d/f && ln -s /tmp t/s/d
expect 0 zcopy -rv s t/
equal "$(mode_of t/s/d)" 755 mode
says "'s/d' -> 't/s/d'" "$T/out"

begin 'slashes more than needed do not cost the hard links'
mkdir -p s/d D && echo h >s/d/1 && ln s/d/1 s/d/2
expect 0 zcopy -a --parents s//d D
equal "$(inode_of D/s/d/1)" "$(inode_of D/s/d/2)" inodes

begin 'a bind mount leads from the source into what is being filled'
mkdir -p src/d/y dst/src/d
if is_root && mount --bind dst/src/d src/d/y 2>/dev/null; then
	MOUNTS="$MOUNTS $PWD/src/d/y"
	# shellcheck disable=SC2086
	timeout -k 1 60 $ZCOPY -r src dst/ 2>"$T/err"
	equal "$?" 9 status
	says 'into itself'
	umount src/d/y
else
	skip 'cannot mount'
fi

begin "an interrupted copy's leftover in the source is named, not copied"
mkdir s && echo f >s/f && echo left >s/.zcopy-af63db4c8601ead9
expect 1 zcopy -r s t
says 'zcopy-af63db4c8601ead9: not copied'
same s/f t/f
gone t/.zcopy-af63db4c8601ead9
rm s/.zcopy-af63db4c8601ead9

begin '--attributes-only leaves the contents alone'
mkdir -p s t && echo new >s/f && echo old >t/f && chmod 640 s/f && chmod 600 t/f
expect 0 zcopy -p --attributes-only s/f t/f
equal "$(cat t/f) $(mode_of t/f)" 'old 640' 'contents and mode'
chmod 600 t/f
expect 0 zcopy -aT --attributes-only s t
equal "$(cat t/f) $(mode_of t/f)" 'old 640' 'in a tree'

begin '--inplace in a tree is for files'
mkdir -p s t && echo new >s/f && mkfifo t/f
# shellcheck disable=SC2086
timeout -k 1 60 $ZCOPY -rT --inplace s t || fail "status $?"
equal "$(cat t/f)" new 'the file'

begin '--resume makes anew what a killed run had made and not finished'
mkdir s t && ln -s x s/l && mkfifo s/p && touch -h -d '2001-01-01' s/l s/p
cp -P s/l t/l && mkfifo t/p
expect 0 zcopy -aT --resume s t
equal "$(stat -c %Y t/l t/p | sort -u)" "$(stat -c %Y s/l)" times

begin 'a manifest that lacks names says so'
mkdir s t && echo 1 >s/a && echo 2 >s/b && echo 3 >t/b
expect 0 zcopy -rTn --manifest=m s t
says '1 names are not in it'
equal "$(cut -d' ' -f3 m)" a 'listed'

begin 'a tree leaves the cache with --cache=drop, small files, too'
# cached FILE...: how many of them have their first page in the cache
cached() {
	"$PYTHON" - "$@" <<'PY'
import os, sys
count = 0
for name in sys.argv[1:]:
    try:
        count += os.preadv(os.open(name, os.O_RDONLY), [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        pass
print(count)
PY
}
if image ext4 "$PWD/m" 32; then
	mkdir m/src
	for i in 1 2 3 4; do data 50000 $i m/src/small$i; done
	data 900000 5 m/src/large
	sync -f m
	expect 0 zcopy -a m/src m/kept
	equal "$(cached m/kept/*)" 5 'of five files in the cache'
	# the kernel may hold a page for a moment, in a list of another CPU's: one try in three will do
	for _ in 1 2 3; do
		rm -rf m/new
		expect 0 zcopy -a --cache=drop m/src m/new
		left=$(cached m/src/* m/new/*)
		[ "$left" -gt 0 ] || break
	done
	equal "$left" 0 'of a new tree and its source in the cache'
	for _ in 1 2 3; do
		expect 0 zcopy -aT --cache=drop m/src m/kept # durable, since it replaces
		left=$(cached m/src/* m/kept/*)
		[ "$left" -gt 0 ] || break
	done
	equal "$left" 0 'of a replaced tree in the cache'
	cmp m/src/large m/kept/large || fail 'differ'
else
	skip 'no loop devices'
fi
done_testing
