#!/bin/sh
# What a stage in a pipeline can see to: rate, size, digest, and who is waited for.
. "${0%/*}/lib.sh"
CHECK=$(cd "${0%/*}" && pwd)/report-check.py

# seconds COMMAND...: how long it takes, in hundredths
took() {
	from=$(date +%s%N)
	"$@"
	rc=$?
	took=$((($(date +%s%N) - from) / 10000000))
	return $rc
}

begin 'a limit holds, by every route'
data 6000000 1 a
for how in '' --route=buffer --engine=sync --direct=always '--route=buffer --engine=sync -j8 --queue-depth=128 --block-size=64K'; do
	rm -f b
	# shellcheck disable=SC2086
	took zcopy $how --reflink=never --limit=10MB a b || { # O_DIRECT may not be had
		[ "$how" = --direct=always ] && continue
		fail "$how: exit $?"
	}
	same a b
	[ "$took" -ge 55 ] || fail "$how: 6 MB at 10 MB/s took $took hundredths of a second"
	[ "$took" -le 6000 ] || fail "$how: $took hundredths of a second: too slow"
done
# shellcheck disable=SC2002
took sh -c "cat a | $ZCOPY --limit=10MB - - | cmp - a" || fail 'the bytes of a pipe'
[ "$took" -ge 55 ] || fail "a pipe took $took hundredths of a second"

begin 'idle time earns a quarter of a second, no more'
data 5000000 1 a
took sh -c "{ sleep 1; cat a; } | $ZCOPY --limit=10MB - - | cmp - a" || fail 'the bytes'
[ "$took" -ge 120 ] || fail "$took hundredths of a second after 100 of silence"

begin 'files of a tree share one limit'
mkdir d
for i in 1 2 3 4; do data 100000 $i d/$i; done
took zcopy -r --jobs=2 --limit=1MB d e || fail "exit $?"
same d/3 e/3
[ "$took" -ge 30 ] || fail "400 kB at 1 MB/s took $took hundredths of a second"

begin 'a limit that is waited for can be stopped'
# shellcheck disable=SC2086
$ZCOPY --limit=1 zero:1M null: &
pid=$!
sleep 0.2
kill -TERM $pid
wait $pid
rc=$?
judge 143 'a limit'

begin 'the expected size'
data 100000 1 a && data 50 2 old && cp old keep
expect 0 zcopy --expect-size=100000 a b
same a b
expect 4 zcopy --expect-size=99999 a old
same old keep
says 'has 100000 bytes, not 99999 as expected'
for size in 99999 100001; do
	# shellcheck disable=SC2002
	cat a | zcopy --expect-size=$size - old 2>"$T/err"
	rc=$?
	judge 4 "a stream, $size expected"
	same old keep
	zcopy --expect-size=$size - new 2>"$T/err" <a
	rc=$?
	judge 4 "stdin a file, $size expected"
	gone new
done
# shellcheck disable=SC2002
cat a | zcopy --expect-size=100000 - c || fail "exit $?"
same a c
expect 4 sh -c "yes | timeout 60 $ZCOPY --expect-size=5M - new"
says 'more than the expected 5242880'
gone new
: | zcopy --expect-size=0 - d || fail "nothing expected: exit $?"

begin 'the expected digest: upstream that dies gives no file'
data 300000 1 a && data 50 2 old && cp old keep
sum=$(sha256sum <a | cut -c1-64)
# shellcheck disable=SC2002
cat a | zcopy --expect-hash=sha256:"$sum" - b || fail "exit $?"
same a b
head -c 299999 a | zcopy --expect-hash=sha256:"$sum" - old 2>"$T/err"
rc=$?
judge 4 'a byte is missing'
says 'has the sha256 .* not .* as expected'
same old keep
upper=$(printf %s "$sum" | tr a-f A-F)
for how in '' --route=buffer --engine=sync --reflink=auto; do
	# shellcheck disable=SC2086
	expect 0 zcopy $how --expect-hash=sha256:"$upper" a c
	same a c
	# shellcheck disable=SC2086
	expect 4 zcopy $how --expect-hash=crc32c:00000000 a d
	gone d
done

begin 'a digest alone is said, and in the report'
data 300000 1 a
sum=$(sha256sum <a | cut -c1-64)
expect 0 zcopy --hash=sha256 a b
equal "$(cat "$T/out")" "$sum  b"
# shellcheck disable=SC2002
cat a | zcopy --hash=sha256 - - 2>"$T/err" | cmp - a || fail 'the bytes'
equal "$(cat "$T/err")" "$sum  -"
expect 0 zcopy -q --hash=sha256 --report=r a null:
silent
if have "$PYTHON"; then
	expect 0 "$PYTHON" "$CHECK" r "r['hash']['digest'] == '$sum'" "r['hash']['algorithm'] == 'sha256'"
fi

begin 'what cannot be asked'
data 10 1 a && mkdir d
for words in '--hash=sha256 -r d e' '--expect-size=1 a a d' '--expect-hash=sha256:12 a b' \
	'--expect-hash=md5:00 a b' '--expect-hash=00 a b' '--expect-hash=crc32c:0000000g a b' \
	'--hash=sha256 --expect-hash=crc32c:00000000 a b' '--hash=sha256 --route=cfr a b' '--stable --route=splice a -' \
	'--limit=0 a b' '--limit=-1 a b' '--limit=x a b' '--expect-size=x a b' '--expect-size=1 -l a b'; do
	# shellcheck disable=SC2086
	expect 2 zcopy $words
	usage_error
	gone b && gone e
done

begin '--stable: what the reader has not read yet is what the file was'
data 200000 1 a
cp a keep
mkfifo p
for how in '' --sparse=never; do
	# shellcheck disable=SC2086
	zcopy $how --stable --report=r a - >p &
	exec 5<p
	await eval "pipe_full p || ! kill -0 $! 2>/dev/null" # it takes what fits
	data 200000 2 b && dd if=b of=a conv=notrunc bs=4096 count=8 2>/dev/null
	head -c 4096 <&5 >got
	cat <&5 >/dev/null
	wait $! # changed: status 3, perhaps
	exec 5<&-
	head -c 4096 keep | cmp - got || fail 'a page was passed on'
	if have "$PYTHON"; then
		expect 0 "$PYTHON" "$CHECK" r "'splice' not in r['routes']"
	fi
	cp keep a
done

# asked PATTERN: SIGUSR1 until err has it
asked() { await eval "sleep 0.05 && kill -USR1 $pid && grep -q '$1' err"; }

begin 'SIGUSR1 says how far it is and whom it waits for, and changes nothing'
data 3000000 1 a
for how in '' --route=buffer --engine=sync; do
	mkfifo in out
	# shellcheck disable=SC2086
	$ZCOPY $how - - <in >out 2>err &
	pid=$!
	exec 5>in 6<out
	printf x >&5
	asked '1 bytes read, 1 written in .* waiting for producer$'
	says '1 bytes read, 1 written in .* waiting for producer$' err
	{ cat a >&5 && exec 5>&-; } &
	exec 5>&-
	asked 'waiting for consumer$'
	i=0
	while [ $i -lt 50 ]; do kill -USR1 $pid && i=$((i + 1)); done 2>/dev/null
	says 'waiting for consumer$' err
	{ printf x && cat a; } | cmp - /dev/fd/6 6<&6 || fail "$how: the bytes"
	exec 6<&-
	wait $pid || fail "$how: exit $?"
	rm in out err
done

begin 'progress names the side that is waited for'
: >err
{ await grep -q '"waiting_for":"producer"' err && echo; } | zcopy --progress=json - - 2>err >/dev/null
says '"waiting_for":"producer"' err
: >err
zcopy --progress=json zero:8M - 2>err | { await grep -q '"waiting_for":"consumer"' err && cat >/dev/null; }
says '"waiting_for":"consumer"' err

done_testing
