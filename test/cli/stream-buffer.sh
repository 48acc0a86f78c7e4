#!/bin/sh
# --buffer: a store between who reads and who writes.
. "${0%/*}/lib.sh"
CHECK=$(cd "${0%/*}" && pwd)/report-check.py
have "$PYTHON" || skip_all 'no python3'

begin 'the same bytes, whatever the sizes'
data 3000001 1 a
for how in --buffer=4K --buffer=1M --buffer=64M '--buffer=1M --limit=100M' '--buffer=1M --hash=crc32c -q'; do
	# shellcheck disable=SC2002,SC2086
	cat a | zcopy $how - - | cmp - a || fail "$how: pipe to pipe"
	# shellcheck disable=SC2086
	expect 0 zcopy $how a b
	same a b
	# shellcheck disable=SC2002,SC2086
	cat a | zcopy $how - c || fail "$how: exit $?"
	same a c
	# shellcheck disable=SC2086
	zcopy $how a - | cmp - a || fail "$how: file to pipe"
done
: | zcopy --buffer=1M - d || fail "nothing: exit $?"
equal "$(stat -c %s d)" 0 size
expect 0 zcopy --buffer=1M gen:7,5M gen:7
# shellcheck disable=SC2002
cat a | zcopy --buffer=1M --direct=always - e 2>"$T/err" && same a e

begin 'what comes in drops does not wait for more'
mkfifo in out
zcopy --buffer=8M - - <in >out &
pid=$!
exec 5>in 6<out
for i in 1 2 3; do
	echo "line $i" >&5
	IFS= read -r got <&6
	equal "$got" "line $i"
done
exec 5>&-
wait $pid || fail "exit $?"
exec 6<&-

begin 'bursts find room: neither side waits for the other'
cat >turns.py <<'P'
# writes a burst while nobody reads, then reads it while nobody writes: by itself, so one that waits hangs
import subprocess, sys
bursts, burst = 4, bytes(16 << 20)
copy = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
for i in range(bursts):
    todo = memoryview(burst)
    while todo:
        todo = todo[copy.stdin.write(todo):]
    got = 0
    while got < len(burst):
        n = len(copy.stdout.read(min(1 << 20, len(burst) - got)))
        assert n > 0
        got += n
copy.stdin.close()
assert copy.stdout.read() == b""
sys.exit(copy.wait())
P
# shellcheck disable=SC2086
expect 0 timeout -k 1 60 "$PYTHON" turns.py $ZCOPY --buffer=32M --report=r - -
# the pipes hold a MiB each
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['bytes'] == 32 << 20" "r['buffer']['full_seconds'] == 0" \
	"r['buffer']['peak_bytes'] >= 12 << 20"

# A pause begins when the copy is known to wait, and is much longer than what is asked for.
begin 'who is slow is said'
: >err
zcopy --buffer=1M --report=r --progress=json zero:8M - 2>err |
	{ await grep -q '"buffered":1048576,"buffer":1048576' err && sleep 0.7 && cat >/dev/null; }
says '"buffered":1048576,"buffer":1048576' err
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['full_seconds'] > 0.2" "r['buffer']['peak_bytes'] == 1 << 20"
: >got
{ echo && await [ -s got ] && sleep 0.7 && cat ../1/a; } | zcopy --buffer=1M --report=r - - >got
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['empty_seconds'] > 0.2" "r['bytes']['data'] == 3000002"
zcopy --buffer=1M --stats zero:8M null: 2>err
says 'buffer of 1.0 MiB: at most' err

begin 'it ends when either side does'
mkfifo in p
# shellcheck disable=SC2086
timeout 60 $ZCOPY --buffer=1M - /dev/full <in 2>err &
pid=$!
exec 5>in
cat ../1/a >&5 2>/dev/null
wait $pid
rc=$?
exec 5>&-
judge 5 '/dev/full while the producer is silent'
says '/dev/full: cannot write' err
(
	# shellcheck disable=SC2086
	$ZCOPY --buffer=1M zero:1G - 2>err
	echo $? >rc
) | head -c 10 >/dev/null
equal "$(cat err)" ''
equal "$(cat rc)" 141
# shellcheck disable=SC2086
$ZCOPY --buffer=1M - - <p >got &
pid=$!
exec 5>p
echo >&5
await [ -s got ] || fail 'a line is not passed on'
kill -TERM $pid
wait $pid
rc=$?
exec 5>&-
judge 143 'a signal while it waits for the producer'

begin 'what it excludes'
echo x >a && mkdir d
for words in '--route=splice' '--engine=uring' '--sparse=always' '--on-read-error=zero' '--jobs=2' -r; do
	# shellcheck disable=SC2086
	expect 2 zcopy --buffer=1M $words a b
	usage_error
done
expect 2 zcopy --buffer=1 a b

done_testing
