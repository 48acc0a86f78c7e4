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
cat >ends.py <<'P'
# writes bursts and pauses, or reads so; says how long it was kept from its own rhythm
import os, sys, time
side, bursts, burst, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
block = b"x" * 65536
kept = 0
if side == "r":
    time.sleep(pause * 2)  # the other phase
for i in range(bursts):
    done = 0
    while done < burst:
        start = time.monotonic()
        n = os.write(1, block) if side == "w" else len(os.read(0, 65536))
        kept += time.monotonic() - start
        assert n > 0
        done += n
    time.sleep(pause)
print(f"{side} {kept:.3f}", file=sys.stderr)
P
"$PYTHON" ends.py w 4 4194304 0.15 2>w | zcopy --buffer=32M --report=r - - | "$PYTHON" ends.py r 4 4194304 0.15 2>rd
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['bytes'] == 32 << 20" "r['buffer']['full_seconds'] == 0" \
	"r['buffer']['peak_bytes'] >= 4 << 20"
kept=$(sed -n 's/^w //p' w)
"$PYTHON" -c "import sys; sys.exit(not float('${kept:-9}') < 0.3)" || fail "the producer was kept for $kept s of 0.6"

begin 'who is slow is said'
zcopy --buffer=1M --report=r zero:8M - | { sleep 0.4 && cat >/dev/null; }
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['full_seconds'] > 0.2" "r['buffer']['peak_bytes'] == 1 << 20"
{ sleep 0.4 && cat ../1/a; } | zcopy --buffer=1M --report=r - null:
expect 0 "$PYTHON" "$CHECK" r "r['buffer']['empty_seconds'] > 0.2" "r['bytes']['data'] == 3000001"
zcopy --buffer=1M --progress=json zero:8M - 2>err | { sleep 0.5 && cat >/dev/null; }
says '"buffered":1048576,"buffer":1048576' err
zcopy --buffer=1M --stats zero:8M null: 2>err
says 'buffer of 1.0 MiB: at most' err

begin 'it ends when either side does'
# shellcheck disable=SC2086
{ sleep 20 & echo $! >sleeper; cat ../1/a; wait; } | timeout 10 $ZCOPY --buffer=1M - /dev/full 2>err &
wait $!
rc=$?
kill "$(cat sleeper)" 2>/dev/null
judge 5 '/dev/full while the producer is silent'
says '/dev/full: cannot write' err
(
	# shellcheck disable=SC2086
	$ZCOPY --buffer=1M zero:1G - 2>err
	echo $? >rc
) | head -c 10 >/dev/null
equal "$(cat err)" ''
equal "$(cat rc)" 141
mkfifo p
# shellcheck disable=SC2086
$ZCOPY --buffer=1M - null: <p &
pid=$!
exec 5>p
sleep 0.2
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
