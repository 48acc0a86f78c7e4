#!/bin/sh
# The checks themselves: each must see the difference planted for it, or every test here is worth nothing.
. "${0%/*}/lib.sh"

# sees CHECK...: the check must fail here; that failure is what we want and is taken back.
sees() {
	before=$FAILED
	"$@" >/dev/null
	if [ "$FAILED" -eq "$before" ]; then
		fail "blind: $*"
	else
		FAILED=$before
	fi
}

begin 'one wrong byte in the middle, one missing at the end, one too many'
data 100000 1 a
cp a wrong && printf 'X' | dd of=wrong bs=1 seek=50000 conv=notrunc 2>/dev/null
head -c 99999 a >short
{ cat a && printf 'X'; } >long
for bad in wrong short long; do
	sees same a "$bad"
	sees equal "$(sha256sum <a)" "$(sha256sum <"$bad")"
done
cp a right && same a right

begin 'mode, owner, times'
touch -d @1000000000.123456789 a && cp -p a b
equal "$(stat -c '%a %u %g %y' a)" "$(stat -c '%a %u %g %y' b)" 'cp -p'
chmod 640 b
sees equal "$(mode_of a)" "$(mode_of b)"
touch -d @1000000000.123456788 b
sees equal "$(stat -c %y a)" "$(stat -c %y b)"
if is_root; then
	chown 7:8 b
	sees equal "$(stat -c '%u %g' a)" "$(stat -c '%u %g' b)"
fi

begin 'extended attributes'
: >a && : >b
if have setfattr && setfattr -n user.k -v 1 a 2>/dev/null; then
	sees equal "$(getfattr -d a | sed 1d)" "$(getfattr -d b | sed 1d)"
else
	skip 'no setfattr, or no extended attributes here'
fi

begin 'access control lists'
: >a && : >b
if have setfacl && setfacl -m u:1:r a 2>/dev/null; then
	sees equal "$(getfacl -c a)" "$(getfacl -c b)"
else
	skip 'no setfacl, or no ACLs here'
fi

begin 'holes'
truncate -s 1M hole && head -c 1M /dev/zero >full
sync full
cmp -s hole full || fail 'zeros and a hole read alike'
sees equal "$(blocks_of hole)" "$(blocks_of full)"

begin 'status, words, leftovers'
sees expect 0 false
sees expect 1 true
expect 3 sh -c 'echo some words >&2; exit 3'
sees says 'other words'
sees silent
: >.zcopy-0123456789abcdef
sees end_case
rm .zcopy-0123456789abcdef
CASE=again

done_testing
