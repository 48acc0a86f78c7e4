#!/bin/sh
# --tee: further destinations of the same bytes.
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python3'
CHECK=$(cd "${0%/*}" && pwd)/report-check.py
is_report() { expect 0 "$PYTHON" "$CHECK" "$@"; }

begin 'pipes: everybody gets the same bytes'
data 3000001 1 a
mkfifo p q
for how in '' --route=buffer --engine=sync --buffer=1M '--hash=crc32c -q' --limit=50M; do
	cmp - a <p >perr 2>&1 &
	cmpp=$!
	cmp - a <q >qerr 2>&1 &
	cmpq=$!
	# shellcheck disable=SC2002,SC2086
	cat a | zcopy $how --report=r --tee=p --tee=q - - | cmp - a || fail "$how: the destination"
	wait $cmpp || fail "$how: $(cat perr)"
	wait $cmpq || fail "$how: $(cat qerr)"
	is_report r "[t['bytes'] for t in r['tees']] == [3000001] * 2" "all(t['ok'] for t in r['tees'])"
done
cat p >pgot &
cat q >qgot &
# shellcheck disable=SC2002
cat a | zcopy --report=r --tee=p --tee=q - null: || fail "exit $?"
wait
same a pgot
same a qgot
no_splice || denied tee || is_report r "r['routes']['splice']['bytes'] == 3000001"

begin 'files, ends of all kinds, dribbled into'
data 300001 1 a && data 50 2 old
dd if=a bs=777 2>/dev/null | zcopy --tee=b --tee=null: --tee=old --tee=/dev/null - c || fail "exit $?"
same a b
same a c
same a old
expect 0 zcopy --tee=d a e
same a d
same a e
expect 0 zcopy --tee=gen:7 gen:7,3000001 f
{ head -c 200000 f && printf 'no gen' && tail -c +200007 f; } >wrong
expect 4 zcopy --tee=gen:7 wrong g
says '^zcopy: gen:7: a byte differs at byte 200000'
same wrong g
rm g
zcopy --tee=- a null: 2>err | cmp - a || fail 'standard output'
: | zcopy --tee=g - h || fail "nothing: exit $?"
equal "$(stat -c %s g)$(stat -c %s h)" 00
truncate -s 3M holes && printf x >>holes
expect 0 zcopy --tee=i holes j
same holes i
same holes j

begin 'a file appears whole or not at all'
data 300001 1 a && data 50 2 old && cp old keep
{ cat a && cmp -s old keep && : >kept; } | zcopy --tee=old - b || fail "exit $?"
[ -e kept ] || fail 'the old file was touched before the end'
same a old
cp keep old
expect 4 zcopy --tee=old --tee=new --expect-hash=crc32c:00000000 a c
same keep old
gone new
gone c
mkfifo in
# shellcheck disable=SC2086
$ZCOPY --tee=old --tee=new - d <in &
pid=$!
exec 5>in
cat a >&5
kill $pid
wait $pid
rc=$?
exec 5>&-
judge 143 'a signal before the end'
same keep old
gone new

begin 'one that fails keeps nobody from theirs'
data 3000001 1 a
mkfifo p
expect 5 zcopy --tee=/dev/full --tee=b a c
says '/dev/full: cannot write at byte 0: No space'
same a b
same a c
for how in '' --route=buffer; do
	head -c 10 <p >/dev/null &
	# shellcheck disable=SC2002,SC2086
	cat a | zcopy $how --tee=p --tee=b - c 2>"$T/err"
	rc=$?
	judge 1 "$how: a reader that leaves"
	says '^zcopy: p: cannot write at byte [0-9]*: Broken pipe'
	same a b
	same a c
done
expect 1 zcopy --tee=nodir/x a d
gone d

begin 'policies: a slow one is waited for, left out, or given up'
data 3000001 1 a
mkfifo p
# nothing is read of p before the copy has ended: one that waits for it does not end
after_end() { await [ -e ended ] && wc -c; }
for how in '' '--hash=crc32c -q'; do
	{ await pipe_full p && wc -c; } <p >got &
	# shellcheck disable=SC2086,SC2002
	cat a | zcopy $how --report=r --tee=p - null: || fail "$how: exit $?"
	wait
	equal "$(cat got)" 3000001 block
	rm -f ended
	after_end <p >got &
	# shellcheck disable=SC2086,SC2002
	cat a | timeout 60 $ZCOPY $how --report=r --tee=p,drop - b || fail "$how: exit $?"
	: >ended
	same a b
	wait
	is_report r "r['tees'][0]['bytes'] == $(cat got)" "r['tees'][0]['dropped'] == 3000001 - $(cat got)" \
		"r['tees'][0]['dropped'] > 0"
done
rm -f ended
after_end <p >got &
# shellcheck disable=SC2002,SC2086
cat a | timeout 60 $ZCOPY --tee=p,fail - b 2>"$T/err"
rc=$?
: >ended
judge 1 fail
says 'p: did not keep up at byte'
same a b
wait

begin 'a peer of TCP is one of them'
data 3000001 1 a
: >err
# shellcheck disable=SC2086
$ZCOPY tcp-listen://127.0.0.1:0 c 2>err &
pid=$!
await grep -q 'listening on .*:[0-9]' err
expect 0 zcopy --tee=tcp://127.0.0.1:"$(sed -n 's/.*listening on .*://p' err)" a b
wait $pid || fail "exit $?: $(cat err)"
same a b
same a c
expect 6 zcopy --tee=tcp://127.0.0.1:1 a d
gone d

begin 'what it excludes'
echo x >a && mkdir d
for words in '--resume' '--on-read-error=zero' '--sandbox' '--route=cfr' '-r'; do
	# shellcheck disable=SC2086
	expect 2 zcopy --tee=b $words a c
	usage_error
done
expect 2 zcopy --tee= a c
expect 1 zcopy --tee=d a c
gone c
expect 2 zcopy --route=splice --tee=b a -

done_testing
