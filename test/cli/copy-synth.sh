#!/bin/sh
# null: zero: gen: as sources and as sinks.
. "${0%/*}/lib.sh"

begin 'zero:SIZE'
expect 0 zcopy zero:1000001 a
head -c 1000001 /dev/zero >want
same a want
zcopy zero:300K - | cmp - "$T/$CASES/want" 2>/dev/null | grep -q EOF && fail 'bytes'
equal "$(zcopy zero:300K - | wc -c)" 307200 size
expect 0 zcopy zero:0 e
equal "$(stat -c %s e)" 0 size

begin 'gen:SEED,SIZE is the same bytes every time, whatever the size and the way'
expect 0 zcopy gen:7,3000001 a
expect 0 zcopy gen:7,3000001 b
same a b
zcopy --engine=sync --block-size=4096 gen:7,3000001 - | cmp - a || fail 'in a pipe'
expect 0 zcopy gen:7,1000 c
cmp -n 1000 a c || fail 'a prefix'
expect 0 zcopy gen:8,3000001 d
cmp -s a d && fail 'another seed gives the same bytes'
[ "$(gzip -c a 2>/dev/null | wc -c)" -gt 2900000 ] || fail 'gen: is no random data'

begin 'gen:SEED as a sink checks every byte'
expect 0 zcopy gen:7,3000001 a
expect 0 zcopy a gen:7
expect 0 zcopy gen:7,3000001 gen:7
expect 0 zcopy --engine=sync a gen:7
# shellcheck disable=SC2002
cat a | zcopy - gen:7 || fail "exit $? from a pipe"
expect 4 zcopy a gen:8
expect 4 zcopy gen:7,100 gen:8
for at in 0 1 4095 4096 1048575 2999999 3000000; do
	cp a b
	byte=$(dd if=a bs=1 skip=$at count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $(((byte + 1) % 256)))" | dd of=b bs=1 seek=$at conv=notrunc 2>/dev/null
	expect 4 zcopy b gen:7
	says "$at"
done
expect 0 zcopy null: gen:7

begin 'null:'
data 100000 1 a
expect 0 zcopy a null:
expect 0 zcopy gen:1,100M null:
expect 0 zcopy null: b
equal "$(stat -c %s b)" 0 size
expect 0 zcopy null: null:
# shellcheck disable=SC2002
cat a | zcopy - null: || fail "exit $?"
gone null:

begin 'holes count as zeros for a sink that looks'
truncate -s 1M a
expect 4 zcopy a gen:7
zcopy a - | cmp - a || fail 'a hole to a pipe'

begin 'bad ones'
for end in zero: zero:x zero:1Q zero:-1 zero:99999999999G gen: gen:7 'gen:7,' gen:x,1 gen:7,1x gen:-1,1; do
	expect 2 zcopy "$end" b
	usage_error
	gone b
done
data 10 1 a
for end in zero:1M gen: gen:x gen:99999999999999999999999; do
	expect 2 zcopy a "$end"
done

done_testing
