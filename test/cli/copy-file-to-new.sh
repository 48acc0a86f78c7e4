#!/bin/sh
# A regular file to a name that does not exist.
. "${0%/*}/lib.sh"

begin 'every small size'
for size in 0 1 2 511 512 513 4095 4096 4097 65535 65536 65537 131073 1048575 1048576 1048577; do
	data "$size" "$size" "a$size"
	expect 0 zcopy "a$size" "b$size"
	silent
	same "a$size" "b$size"
done

begin 'mode of the source less the umask, no suid, no sgid'
data 5000 1 a
for mode in 644 755 600 444 666 777 4755 2755 6711; do
	chmod "$mode" a
	for mask in 022 077 000 027; do
		rm -f b
		(umask "$mask" && zcopy a b) || fail "exit $? with umask $mask"
		want=$(printf '%o' $((0$mode & 0777 & ~0$mask)))
		equal "$(mode_of b)" "$want" "mode of a copy of $mode under umask $mask"
	done
done

begin 'a directory with a default ACL gives what cp gives'
if have setfacl && mkdir d && setfacl -d -m u:1:rwx,g:2:r,o::- d 2>/dev/null; then
	data 100 1 a
	for mode in 644 755 600; do
		chmod "$mode" a
		cp a "d/cp$mode"
		expect 0 zcopy a "d/zc$mode"
		equal "$(getfacl -c "d/zc$mode")" "$(getfacl -c "d/cp$mode")" "ACL of a copy of $mode"
		equal "$(mode_of "d/zc$mode")" "$(mode_of "d/cp$mode")" "mode of a copy of $mode"
	done
else
	skip 'no setfacl, or no ACLs here'
fi

begin 'times are now without -p'
data 100 1 a && touch -d @1000000000 a
expect 0 zcopy a b
[ "$(stat -c %Y b)" -gt 1700000000 ] || fail "mtime $(stat -c %Y b)"

begin '-p keeps mode, owner and both times to the nanosecond'
data 5000 1 a
chmod 2754 a
! is_root || chown 1234:2345 a
chmod 6754 a
touch -a -d @1100000000.987654321 a
touch -m -d @1000000000.123456789 a
want=$(stat -c '%a %u %g %x %y' a)
expect 0 zcopy -p a b
equal "$(stat -c '%a %u %g %x %y' b)" "$want" 'mode, owner, atime, mtime'
same a b

begin '-p keeps what cp -p keeps of ACLs'
data 100 1 a
if have setfacl && setfacl -m u:1:rwx,g:2:r a 2>/dev/null; then
	cp -p a cp
	expect 0 zcopy -p a zc
	equal "$(getfacl -c zc)" "$(getfacl -c cp)" 'ACL'
else
	skip 'no setfacl, or no ACLs here'
fi

begin 'names with a dash, spaces, newlines, bytes that are no UTF-8, and 255 bytes long'
data 3000 1 a
long=$(printf '%255s' '' | tr ' ' n)
for name in -r -- ' ' 'two words' "new
line" "$(printf 'bad\377\200utf8')" "$(printf 'esc\033[31mred')" "$long" '*' '%s%n'; do
	expect 0 zcopy -- a "$name"
	same a "./$name"
	expect 0 zcopy -- "$name" back
	same a back
	rm -f -- "./$name" back
done

begin 'an option may follow the operands, -- ends options, long options may be shortened'
data 100 1 a
expect 0 zcopy a b -v
expect 0 zcopy --verb a c
says "'a' -> 'c'" "$T/out"
expect 0 zcopy -- a -v
same a ./-v

begin 'into a directory that does not exist, under a file, without a name'
data 100 1 a
expect 1 zcopy a none/b
says 'No such file or directory'
expect 1 zcopy a a/b
says 'Not a directory'
expect 1 zcopy a none/
expect '1|2' zcopy a ''
expect 1 zcopy '' b
gone b

begin '--sparse=always makes holes of zeros, --sparse=never makes none'
{ data 65536 1 x && cat x && head -c 1M /dev/zero && cat x; } >a
expect 0 zcopy --sparse=always a holes
same a holes
sync holes
[ "$(blocks_of holes)" -le 400 ] || fail "$(blocks_of holes) blocks: the zeros are there"
truncate -s 1M hole
expect 0 zcopy --sparse=never hole dense
same hole dense
sync dense
[ "$(blocks_of dense)" -ge 2048 ] || fail "$(blocks_of dense) blocks: there are holes"

done_testing
