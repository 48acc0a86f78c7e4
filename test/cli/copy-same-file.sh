#!/bin/sh
# A file to itself, by whatever name: refused (9) before anything is written.
. "${0%/*}/lib.sh"

untouched() {
	expect 9 zcopy "$@"
	says 'same file'
	same keep a
	equal "$(inode_of a)" "$before" inode
}

fresh() {
	begin "$@"
	data 70000 1 a && cp a keep
	before=$(inode_of a)
}

fresh 'by the same name'
untouched a a
untouched a ./a
untouched ./a "$PWD/a"
untouched -f a a
untouched --inplace a a
untouched -p a a
untouched a .

fresh 'by a hard link'
ln a b
untouched a b
untouched b a
untouched --inplace a b

fresh 'by a symlink'
ln -s a b
untouched a b
untouched b a
[ -L b ] || fail 'the link is gone'
ln -s b c
untouched c b

fresh 'by a symlinked directory'
mkdir d && mv a d && ln d/a a && ln -s d e
untouched e/a d/a
untouched a e

fresh 'by a bind mount'
mkdir d e && ln a d/a
if is_root && mount --bind d e 2>/dev/null; then
	MOUNTS="$PWD/e $MOUNTS"
	untouched d/a e/a
	untouched a e
else
	skip 'cannot bind mount'
fi

fresh 'through an inherited descriptor'
# shellcheck disable=SC2094 # the very thing to be refused
expect 9 zcopy - a <a
same keep a

fresh 'among several sources the others are copied'
mkdir d && ln a d/a && data 100 2 b
expect 9 zcopy a b d
same b d/b
same keep a

done_testing
