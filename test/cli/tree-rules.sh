#!/bin/sh
# zcopy under its own name: what may take the place of what, in trees and of operands, and what that is called.
# As cp the same rules are compared with GNU's by the hundred: cp-diff.sh.
. "${0%/*}/lib.sh"
HERE=$(cd "${0%/*}" && pwd)

# The tree that is copied
plant() {
	mkdir -p s/sub/deep s/empty
	echo f >s/f && echo g >s/sub/g && echo h >s/sub/deep/h && : >s/none
	ln -s f s/l && ln -s nothere s/dangling && ln -s sub s/ld && mkfifo s/p
	echo linked >s/h1 && ln s/h1 s/sub/h2
	find s -exec touch -h -d @1000000000 {} +
}
content() { equal "$(cat "$2")" "$1" "$2"; }
link_to() { equal "$(readlink "$2")" "$1" "$2"; }
said() { equal "$(cat "$T/out")" "$1" 'said'; }
# shellcheck disable=SC2317 # run by expect
oracle() { "$PYTHON" "$HERE/tree-oracle.py" "$@"; }

begin 'merged into a tree that is there'
plant
mkdir -p d/s/sub && echo old >d/s/f && echo mine >d/s/mine && echo old >d/s/sub/g && ln -s mine d/s/l
chmod 700 d/s/sub && chmod 600 d/s/f
kept=$(inode_of d/s/mine)
expect 0 zcopy -r s d
silent
content f d/s/f
content mine d/s/mine
equal "$(inode_of d/s/mine)" "$kept" inode
link_to f d/s/l
[ -p d/s/p ] || fail 'no FIFO'
# without -p what is replaced keeps its rights, directories too
equal "$(mode_of d/s/f)" 600 mode
equal "$(mode_of d/s/sub)" 700 mode
expect 0 zcopy -a s d
expect 1 oracle s d/s
grep -v -e ' mine: ' -e '^size \.' "$T/out" | grep . && fail 'differs'
expect 0 zcopy -aT s new
expect 0 oracle s new

begin '-n, -u, --update in trees'
plant
mkdir -p d/s/sub && echo old >d/s/f && echo young >d/s/sub/g && touch -d @900000000 d/s/f && ln -s mine d/s/l
expect 0 zcopy -rn s d
content old d/s/f
link_to mine d/s/l
content h d/s/sub/deep/h
expect 1 zcopy -r --update=none-fail s d
says 'd/s/f: not replacing it'
rm d/s/none
expect 1 zcopy -r --update=none-fail s d
[ -e d/s/none ] || fail 'what is not there is not copied'
expect 0 zcopy -ru s d
content f d/s/f
content young d/s/sub/g
expect 0 zcopy -r --update=all s d
content g d/s/sub/g
expect 0 zcopy -au s d
expect 0 zcopy -auv s d
said ''

begin '-i asks, and a no is a failure'
plant
mkdir -p d && expect 0 zcopy -r s d
echo old >d/s/f
echo n | expect 1 zcopy -i s/f d/s/f
says "zcopy: overwrite 'd/s/f'? "
content old d/s/f
expect 1 zcopy -i s/f d/s/f </dev/null
content old d/s/f
echo y | expect 0 zcopy -i s/f d/s/f
content f d/s/f
yes y | expect 0 zcopy -ri s d
equal "$(grep -o 'overwrite' "$T/err" | wc -l)" 10 questions
yes n | expect 1 zcopy -ri s d
expect 0 zcopy -i s/f new </dev/null
silent

begin 'kinds that clash'
plant
mkdir -p d/s/f && expect 1 zcopy -r s d
says 'd/s/f: cannot overwrite a directory with a file'
content g d/s/sub/g # the rest is there
rm -rf d && mkdir -p d/s && echo x >d/s/sub && expect 1 zcopy -r s d
says 'd/s/sub: cannot overwrite a file with a directory'
content x d/s/sub
content f d/s/f
for option in -f --remove-destination -b; do
	expect 1 zcopy -r $option s d
	content x d/s/sub
done
rm -rf d && mkdir -p d/s && echo x >d/s/p && echo x >d/s/l && mkfifo d/s/f && expect 0 zcopy -r s d
[ -p d/s/p ] || fail 'no FIFO in the place of a file'
link_to f d/s/l
expect 1 zcopy -T s/f d
expect 1 zcopy -rT s d/s/none
expect 1 zcopy s new
says 'omitting directory'
gone new

begin 'a symlink in the destination tree is replaced; an operand is followed'
plant
mkdir -p d/s out && echo out >out/f && ln -s ../../out d/s/sub && ln -s ../../out/f d/s/f && ln -s nowhere d/s/none
expect 0 zcopy -r s d
silent
equal "$(find out -type f -exec cat {} +)" out 'outside'
equal "$(find out | wc -l)" 2 'outside'
for name in sub f none; do [ ! -L d/s/$name ] || fail "$name is a symlink yet"; done
rm -rf d/s/sub && ln -s ../../out d/s/sub
expect 0 zcopy -r --keep-directory-symlink s d
content g out/g
[ -L d/s/sub ] || fail 'the symlink is gone'
ln -s out/f to && expect 0 zcopy s/f to
link_to out/f to
content f out/f
ln -s nothere lost && expect 9 zcopy s/f lost
says 'dangling'
expect 0 zcopy --remove-destination s/f lost
[ ! -L lost ] || fail 'it is a symlink yet'

begin 'a directory into itself, and onto itself'
plant
before=$(find s | sort)
for there in s s/new s/sub s/sub/new; do
	expect 9 zcopy -r s $there
	says 'itself'
done
expect 9 zcopy -rT s s
ln -s s same && expect 9 zcopy -r s same
expect 9 zcopy -rT s same
mkdir d && expect 9 zcopy -r . d
equal "$(find s | sort)" "$before" 'the tree'
equal "$(find d | wc -l)" 1 'the other'

begin 'the same source twice, and two of one name'
plant
mkdir d && echo a >a && mkdir e && echo e >e/a
expect 0 zcopy a ./a d
says "warning: source file './a' specified more than once"
expect 0 zcopy -r s s/ d
says "warning: source directory 's/' specified more than once"
rm -rf d/* && expect 1 zcopy a e/a d
says 'not overwriting what this run has just made'
content a d/a
rm -rf d/* && expect 0 zcopy --backup=numbered a e/a d
content a d/a.~1~
content e d/a
rm -rf d/* && ln -s ../a e/b && echo b >b && expect 9 zcopy -P e/b b d
says 'through a symlink that this run has just made'
content a a
link_to ../a d/b

begin 'symlinks: -P, -H, -L, and round and round'
plant
mkdir d && expect 0 zcopy -rP s/ld d
link_to sub d/ld
expect 0 zcopy -rH s/ld d/H
content g d/H/g
rm s/dangling s/p && expect 0 zcopy -rL s d/L
[ ! -L d/L/ld ] && content g d/L/ld/g
[ ! -L d/L/l ] && content f d/L/l
expect 0 zcopy -rL --preserve=links s d/LL
equal "$(inode_of d/LL/l)" "$(inode_of d/LL/f)" 'one file'
ln -s .. s/sub/up && expect 9 zcopy -rL s d/loop
says 'leads to a directory above it'
content h d/loop/sub/deep/h
ln -s nothere s/lost && expect 9 zcopy -rL s d/lost
says 's/lost: cannot stat: No such file'
content f d/lost/f

begin '-x'
if [ "$(id -u)" -eq 0 ] && plant && mounted tmpfs "$PWD/s/empty"; then
	echo m >s/empty/m
	expect 0 zcopy -rx s d
	equal "$(find d/empty | wc -l)" 1 'the other file system'
	content g d/sub/g
	expect 0 zcopy -rT s d
	content m d/empty/m
else
	skip 'cannot mount'
fi

begin '--parents'
plant
mkdir d && chmod 711 s/sub && chmod 700 s/sub/deep
expect 0 zcopy --parents -v s/sub/deep/h d
said "'s' -> 'd/s'
's/sub' -> 'd/s/sub'
's/sub/deep' -> 'd/s/sub/deep'
's/sub/deep/h' -> 'd/s/sub/deep/h'"
equal "$(mode_of d/s/sub)" 711 mode
equal "$(mode_of d/s/sub/deep)" 700 mode
expect 0 zcopy -p --parents s/sub/g d
equal "$(stat -c %Y d/s/sub/g)" 1000000000 time
rm -rf d/s && mkdir out && ln -s ../out d/s && expect 1 zcopy --parents s/f d
equal "$(find out | wc -l)" 1 outside
rm d/s && expect 1 zcopy --parents s/nothere d
gone d/s
expect 2 zcopy --parents s/f new

begin '-l and -s'
plant
rm s/dangling # -l follows, too
expect 0 zcopy -rl s d
for name in f none sub/g h1; do equal "$(inode_of d/$name)" "$(inode_of s/$name)" inode; done
equal "$(inode_of d/l)" "$(inode_of s/f)" 'the link is followed'
expect 0 zcopy -al s a
link_to f a/l
echo other >other && expect 0 zcopy -l s/f other
equal "$(inode_of other)" "$(inode_of s/f)" inode
expect 0 zcopy -rs "$PWD/s" e
link_to "$PWD/s/sub/g" e/sub/g
expect 1 zcopy -rs s e2
says 'only in the working directory'
expect 0 zcopy -s s/f here
link_to s/f here

begin 'backups, and never a moment without a file'
plant
mkdir d && expect 0 zcopy -r s d && echo old >d/s/f && ln -sfn old d/s/l
expect 0 zcopy -rb s d
content old d/s/f~
content f d/s/f
link_to old d/s/l~
expect 0 zcopy -b --backup=numbered s/f d/s/f
content f d/s/f.~1~
mkdir b && echo 1 >b/f && echo 2 >b/new
(
	while [ ! -e stop ]; do
		cat b/f >/dev/null 2>&1 || { echo missing >>missed; }
	done
) &
watcher=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	expect 0 zcopy -b b/new b/f
	[ $((i % 3)) -ne 0 ] || expect 0 zcopy --backup=numbered b/new b/f
done
: >stop
wait $watcher
gone missed
echo one >x~ && echo two >x && expect 9 zcopy -b x~ x
content one x~
content two x
expect 0 zcopy -fb x x
content two x~
# a backup that cannot be made is a failure before anything is changed
echo three >y && mkdir y~ && expect 1 zcopy -b x y
content three y

expect 0 zcopy --backup=simple -v b/new b/f
said "'b/new' -> 'b/f' (backup: 'b/f~')"

begin 'exit statuses: the highest of those that occurred'
plant
mkdir d
expect 1 zcopy -r s nothere d
content f d/s/f
if can_be_nobody; then
	chmod 000 s/sub/g && chmod 777 d && mkdir -m 777 n && chmod 755 .
	expect 1 as_nobody sh -c "exec $ZCOPY -r s n"
	says 's/sub/g: cannot open: Permission denied'
	content h n/s/sub/deep/h
	chmod 644 s/sub/g
fi
if mounted tmpfs "$PWD/full" size=128k; then
	data 300000 1 s/big
	expect 5 zcopy -r s full
	says 'No space left'
	gone full/s/big
	expect 5 zcopy -r nothere s full
	content f full/s/f
fi
ln -s .. s/sub/up && rm s/dangling s/p && expect 9 zcopy -rL nothere s d
expect 2 zcopy -r --route=nope s d

begin 'a set-group-ID bit that new directories inherit: gone only where the mode is the source'"'"'s'
mkdir -p src/sub shared bin
case $ZCOPY in *' '*) ;; *) ln -s "$ZCOPY" bin/cp ;; esac
chmod 2775 shared
# shellcheck disable=SC2086 # options are words
for program in zcopy bin/cp; do
	[ $program = zcopy ] || [ -x bin/cp ] || continue
	for line in '2755 -r' '755 -a' '755 -r --preserve=mode' '755 -a --no-preserve=ownership' '2755 -r --no-preserve=mode' \
		'2755 -a --no-preserve=mode' '2755 -r --preserve=ownership' '2755 -r --preserve=timestamps'; do
		expect 0 $program ${line#* } src shared/dst
		equal "$(mode_of shared/dst) $(mode_of shared/dst/sub)" "${line%% *} ${line%% *}" "$program ${line#* }"
		rm -rf shared/dst
	done
done

done_testing
