#!/bin/sh
# A source that changes while it is read: noticed, copied once more, and never passed off as still.
# strace holds the first read back for half a second, so that the change surely falls into it.
. "${0%/*}/lib.sh"
have strace || skip_all 'no strace'
[ -z "${ZC_LAUNCHED:-}" ] || skip_all 'a launcher makes its own calls'
case $ZCOPY in
*' '*) skip_all 'a launcher makes its own calls' ;;
esac
strace -o /dev/null -e inject=pread64:delay_enter=1:when=1 true 2>/dev/null || skip_all 'strace is not allowed here'

# the leak checker does not work under strace
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

# the dynamic loader and a sanitizer read too, before anything of ours does
first=$(($(strace -f -e trace=pread64 "$ZCOPY" --version 2>&1 >/dev/null | grep -c 'pread64(') + 1))

# held WHEN WORDS...: zcopy WORDS with its reads no. WHEN (strace's own: 1, 1+) held back, in the background
held() {
	when=$1
	shift
	strace -qq -f -o /dev/null -e trace=pread64 -e "inject=pread64:delay_enter=500000:when=$when" \
		"$ZCOPY" --engine=sync --route=buffer "$@" 2>"$T/err" &
	pid=$!
	sleep 0.25
}
# finish STATUS WORDS...: and its end
finish() {
	wait "$pid"
	rc=$? # judge's
	export rc
	judge "$@"
}

begin 'one change: copied again from the start, and all is well'
data 100000 1 a && data 50000 2 new && data 10 3 b
held "$first" a b
cat new >a
finish 0 'changed once'
same a b
silent

begin 'one change: the second pass begins at 0, and no rate is beyond reason for it'
data 300000 1 a
held "$first+" --progress=json a b
printf more >>a
finish 0 'changed once'
same a b
jq -es 'length > 2 and all(.[]; .rate < 1e12)' "$T/err" >rates || fail "$(cat "$T/err")"

begin 'one change in a tree: what other threads have copied meanwhile stays counted'
data 140000 1 a && mkdir s
for dir in $(seq 10 39); do
	mkdir "s/$dir"
	for name in 1 2 3 4 5 6 7 8; do cp a "s/$dir/$name"; done
done
strace -qq -f -o /dev/null -P "$PWD/s/20/4" -e inject=pread64:delay_enter=900000:when=1 \
	"$ZCOPY" -r -j3 --engine=sync --route=buffer --progress=json s d 2>"$T/err" &
pid=$!
sleep 0.8
printf more >>s/20/4
finish 0 'changed once'
sum=$(cat d/*/* | wc -c)
says "\"read\":$sum,\"written\":$sum,.*\"items\":240,"

begin 'one change, --on-change=warn: published as it was read, status 3'
data 100000 1 a
held "$first" --on-change=warn a b
printf more >>a
finish 3 --on-change=warn
says 'changed while it was read'
[ -s b ] || fail 'nothing was published'

begin 'one change, --on-change=fail: the old file stays'
data 100000 1 a && data 10 2 b && cp b keep
held "$first" --on-change=fail a b
printf more >>a
finish 3 --on-change=fail
says 'changed while it was read'
same b keep

begin 'it shrinks: no longer than what was read, no hang'
data 100000 1 a
held "$first" --on-change=warn a b
: >a
finish 3 'shrunk to nothing'
[ "$(stat -c %s b)" -le 100000 ] || fail "$(stat -c %s b) bytes"

begin 'a log that never stops growing: status 3, and an end'
data 100000 1 a
(while :; do
	printf 'one more line\n' >>a
	sleep 0.02
done) &
writer=$!
held "$first+" a b
timeout 20 tail --pid="$pid" -f /dev/null || fail 'still copying after 20 seconds'
finish 3 'a growing log'
kill "$writer"
size=$(stat -c %s b)
head -c "$size" a >prefix
same prefix b
[ "$size" -ge 100000 ] || fail "$size bytes of a growing 100000"

begin 'a new link, a chmod: ctime alone is no change'
data 100000 1 a
held "$first" a b
chmod 600 a && ln a other
finish 0 'ctime only'
same a b
silent

begin 'a source that vanishes while it is read is read to its end'
data 100000 1 a && cp a keep
held "$first" a b
rm a
finish 0 'unlinked'
same b keep
done_testing
