#!/bin/sh
# A regular file to a name that exists: replaced whole, and what is kept of the old one.
. "${0%/*}/lib.sh"

old_and_new() {
	data 70000 1 new
	data 90001 2 old
	cp old dst
}

begin 'replaced by a new inode, whatever the two sizes'
for pair in '0 0' '0 5000' '5000 0' '1 100000' '100000 1' '65536 65536'; do
	data "${pair% *}" 1 new
	data "${pair#* }" 2 dst
	before=$(inode_of dst)
	expect 0 zcopy new dst
	silent
	same new dst
	[ "$before" != "$(inode_of dst)" ] || fail 'still the same inode: it was written in place'
done

begin 'somebody who has the old file open goes on reading it'
old_and_new
exec 4<dst
expect 0 zcopy new dst
cat <&4 >what-was-read
exec 4<&-
same old what-was-read
same new dst

begin '--inplace keeps the inode and the siblings'
old_and_new
ln dst sibling
before=$(inode_of dst)
expect 0 zcopy --inplace new dst
equal "$(inode_of dst)" "$before" inode
same new dst
same new sibling

begin 'a symlink stays and its target is replaced in its own directory'
old_and_new
mkdir far && mv dst far/target && ln -s far/target link
expect 0 zcopy new link
[ -L link ] || fail 'the link is gone'
equal "$(readlink link)" far/target 'link'
same new far/target
equal "$(find far -type f | wc -l)" 1 'files beside the target'

begin 'a chain of symlinks, relative and absolute'
old_and_new
mkdir x y && mv dst y/target
ln -s ../y/target x/one && ln -s "$PWD/x/one" two
expect 0 zcopy new two
if [ ! -L two ] || [ ! -L x/one ]; then fail 'a link is gone'; fi
same new y/target

begin 'a dangling symlink is refused'
data 100 1 new
ln -s nowhere link
expect 9 zcopy new link
[ -L link ] || fail 'the link is gone'
gone nowhere
expect '1|9' zcopy new link/
gone nowhere

begin 'a symlink to itself is refused'
data 100 1 new
ln -s loop loop
expect '1|9' zcopy new loop
expect '1|9' zcopy loop other
gone other

begin 'hard-linked siblings keep the old file, and -v says so'
old_and_new
ln dst sibling
expect 0 zcopy -v new dst
same new dst
same old sibling
grep -qi link "$T/out" "$T/err" || fail '-v says nothing of the siblings'

begin 'the old mode is kept, suid and sgid are not'
old_and_new
chmod 755 new
for mode in 600 640 644 666 444 751; do
	# what we may not write is refused without -f, as cp does
	if [ "$mode" = 444 ] && ! is_root; then continue; fi
	chmod "$mode" dst
	expect 0 zcopy new dst
	equal "$(mode_of dst)" "$mode" mode
done
chmod 6751 dst
expect 0 zcopy new dst
equal "$(mode_of dst)" 751 'mode after 6751'

begin 'the old owner is kept'
if is_root; then
	old_and_new
	chown 1234:2345 dst && chmod 640 dst
	expect 0 zcopy new dst
	equal "$(stat -c '%u:%g %a' dst)" '1234:2345 640' owner
else
	skip 'needs root'
fi

begin 'the old ACL is kept, also without any named entry'
old_and_new
if have setfacl && setfacl -m u:1:rw,g:2:r,m::rw dst 2>/dev/null; then
	want=$(getfacl -c dst)
	expect 0 zcopy new dst
	equal "$(getfacl -c dst)" "$want" ACL
	# without -p the ACL of the source is nobody's business
	setfacl -m u:3:rwx new
	data 10 3 plain
	want=$(getfacl -c plain)
	expect 0 zcopy new plain
	equal "$(getfacl -c plain)" "$want" ACL
else
	skip 'no setfacl, or no ACLs here'
fi

begin 'a default ACL of the directory does not touch what is replaced'
old_and_new
mkdir d && cp dst d/dst && chmod 644 d/dst
if have setfacl && setfacl -d -m u:1:rwx d 2>/dev/null; then
	want=$(getfacl -c d/dst)
	expect 0 zcopy new d/dst
	equal "$(getfacl -c d/dst)" "$want" ACL
else
	skip 'no setfacl, or no ACLs here'
fi

begin 'the old extended attributes are kept, not the source ones'
old_and_new
if have setfattr && setfattr -n user.old -v 1 dst 2>/dev/null && setfattr -n user.new -v 2 new; then
	want=$(getfattr -d dst)
	expect 0 zcopy new dst
	equal "$(getfattr -d dst)" "$want" attributes
else
	skip 'no setfattr, or no extended attributes here'
fi

begin 'capabilities of the old file are not kept'
old_and_new
if is_root && have setcap && setcap cap_net_raw+ep dst 2>/dev/null; then
	expect 0 zcopy new dst
	equal "$(getcap dst)" '' capabilities
	same new dst
else
	skip 'no setcap, no root, or no capabilities here'
fi

begin '-p: mode, owner and times of the source instead'
old_and_new
chmod 600 dst && chmod 705 new
! is_root || chown 5:6 new
touch -d @1000000000.5 new
want=$(stat -c '%a %u %g %y' new)
expect 0 zcopy -p new dst
equal "$(stat -c '%a %u %g %y' dst)" "$want" 'mode, owner, mtime'

begin 'a destination that was longer, sparse, or has trailing garbage'
data 10000 1 new
truncate -s 100M dst
expect 0 zcopy new dst
same new dst
expect 0 zcopy --inplace new old2
truncate -s 100M old2
expect 0 zcopy --inplace new old2
same new old2
equal "$(stat -c %s old2)" 10000 size

begin '-f replaces what we may not open'
if can_be_nobody; then
	data 5000 1 new
	data 100 2 dst
	chmod 444 dst && chown 65534:65534 . dst
	# shellcheck disable=SC2086
	expect 0 as_nobody $ZCOPY -f new dst
	same new dst
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi

begin 'somebody else is replacing the same file at the same time'
data 200000 1 new1
data 200000 2 new2
cp new1 dst
i=0
while [ $i -lt 8 ]; do
	zcopy new1 dst 2>>err1 &
	one=$!
	zcopy new2 dst 2>>err2
	rc=$?
	judge 0 'zcopy new2 dst, beside another'
	wait "$one"
	rc=$?
	judge 0 'zcopy new1 dst, beside another'
	cmp -s new1 dst || cmp -s new2 dst || fail 'neither the one nor the other'
	i=$((i + 1))
done

begin 'a stale temporary of a killed run is taken away, a foreign file is not'
old_and_new
expect 0 zcopy new dst
: >.zcopy-user-file
: >.zcopy
expect 0 zcopy new dst
if [ ! -e .zcopy-user-file ] || [ ! -e .zcopy ]; then fail 'removed a file that was not ours'; fi
rm .zcopy-user-file .zcopy

done_testing
