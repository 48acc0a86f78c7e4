#!/bin/sh
# A source that changes while it is read: noticed, copied once more, and never passed off as still.
# strace stops it between the look at the source and the first read, so that the change surely falls there.
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
can_trace || skip_all "$no_trace"

# held WORDS...: zcopy WORDS, stopped before its first read; go_on
held() { stop_after lseek SEEK_HOLE --engine=sync --route=buffer "$@"; }

begin 'one change: copied again from the start, and all is well'
data 100000 1 a && data 50000 2 new && data 10 3 b
held a b
cat new >a
go_on 0
same a b
silent

begin 'one change: the second pass begins at 0, and no rate is beyond reason for it'
data 300000 1 a
# the dynamic loader and a sanitizer read too, before anything of ours does
first=$(($(strace -f -e trace=pread64 "$ZCOPY" --version 2>&1 >/dev/null | grep -c 'pread64(') + 1))
find_call lseek SEEK_HOLE --engine=sync --route=buffer a b
: >calls
strace -qq -f -o calls -e trace=lseek,pread64 -e "inject=lseek:signal=STOP:when=$AT" \
	-e "inject=pread64:delay_enter=500000:when=$first+" \
	"$ZCOPY" --engine=sync --route=buffer --progress=json a b 2>"$T/err" &
pid=$!
await eval "grep -q 'stopped by SIGSTOP' calls || ! kill -0 $pid 2>/dev/null"
printf more >>a
kill -CONT "$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' calls | head -1)"
wait "$pid" || fail "exit $?"
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
wait $pid || fail "exit $?"
sum=$(cat d/*/* | wc -c)
says "\"read\":$sum,\"written\":$sum,.*\"items\":240,"

begin 'one change, --on-change=warn: published as it was read, status 3'
data 100000 1 a
held --on-change=warn a b
printf more >>a
go_on 3
says 'changed while it was read'
[ -s b ] || fail 'nothing was published'

begin 'one change, --on-change=fail: the old file stays'
data 100000 1 a && data 10 2 b && cp b keep
held --on-change=fail a b
printf more >>a
go_on 3
says 'changed while it was read'
same b keep

begin 'it shrinks: no longer than what was read, no hang'
data 100000 1 a
held --on-change=warn a b
: >a
go_on 3
[ "$(stat -c %s b)" -le 100000 ] || fail "$(stat -c %s b) bytes"

begin 'a log that never stops growing: status 3, and an end'
data 100000 1 a
: >calls
strace -qq -f -o calls -e trace=pread64 -e "inject=pread64:signal=STOP:when=$first+" \
	"$ZCOPY" --engine=sync --route=buffer a b 2>"$T/err" &
pid=$!
lines=0
while kill -0 $pid 2>/dev/null && [ $lines -lt 100 ]; do
	if [ "$(grep -c 'stopped by SIGSTOP' calls)" -gt $lines ]; then
		lines=$((lines + 1))
		echo 'one more line' >>a
		kill -CONT "$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' calls | head -1)"
	else
		sleep 0.02
	fi
done
[ $lines -lt 100 ] || fail 'still copying after 100 lines'
kill $pid 2>/dev/null # strace lets it go
wait $pid
rc=$?
judge 3 'a growing log'
size=$(stat -c %s b)
head -c "$size" a >prefix
same prefix b
[ "$size" -ge 100000 ] || fail "$size bytes of a growing 100000"

begin 'a new link, a chmod: ctime alone is no change'
data 100000 1 a
held a b
chmod 600 a && ln a other
go_on 0
same a b
silent

begin 'a source that vanishes while it is read is read to its end'
data 100000 1 a && cp a keep
held a b
rm a
go_on 0
same b keep
done_testing
