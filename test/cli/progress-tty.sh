#!/bin/sh
# The bar on a terminal: rate, time left, and read, written and durable bytes apart; nothing where no
# terminal is, nothing from a short copy, and the line is left clean.
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python3'

# on_tty SECONDS WORDS...: zcopy WORDS with stderr on a pseudo-terminal of its own session, interrupted after
# SECONDS; what it showed is in out, the last line of status its exit status or minus its signal
on_tty() {
	"$PYTHON" - "$1" "$ZCOPY" "$@" >out 2>status <<'PY'
import os, pty, select, signal, shlex, sys, time
words = shlex.split(sys.argv[2]) + sys.argv[4:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
until = time.monotonic() + float(sys.argv[1])
while True:
    if not select.select([fd], [], [], 0.1)[0]:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGINT)
            until += 60
        continue
    try:
        block = os.read(fd, 65536)
    except OSError:
        break
    if not block:
        break
    sys.stdout.buffer.write(block)
    if time.monotonic() > until:
        os.kill(pid, signal.SIGINT)
        until += 60
sys.stdout.buffer.flush()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=sys.stderr)
PY
}

begin 'a long copy shows a bar after a second'
on_tty 3 gen:1,1000G null:
equal "$(tail -1 status)" -2 'ended by SIGINT'
for word in '/s' 'ETA' 'read ' 'written ' 'durable 0 B' '[0-9]%'; do
	grep -aq -e "$word" out || fail "no '$word' in: $(tail -c 200 out)"
done

begin 'a short copy shows none'
data 300000 1 a
on_tty 60 a b
equal "$(tail -1 status)" 0 status
equal "$(cat out)" '' 'on the terminal'

begin '--progress=always shows one for every copy, and ends its line'
data 300000 1 a
on_tty 60 --progress=always --durability=data a b
grep -aq 'written 293.0 KiB  durable 293.0 KiB' out || fail "the end is: $(tail -c 200 out)"
equal "$(tail -c 1 out | od -An -tx1 | tr -d ' ')" 0a 'the last byte'

begin '--progress=never and -q show none, also for a stream'
on_tty 60 --progress=never gen:1,300M null:
equal "$(tail -1 status)" 0 status
equal "$(cat out)" '' 'on the terminal'
on_tty 60 -q gen:1,300M null:
equal "$(tail -1 status)" 0 status
equal "$(cat out)" '' 'on the terminal'

begin 'no terminal, no bar'
expect 0 zcopy gen:1,300M null:
silent
begin 'a tree is counted while it is copied, and neither waits for the other'
mkdir -p s/a/b s/c
for n in $(seq 300); do echo "$n" >"s/a/$n" && echo "$n" >"s/a/b/$n" && echo "$n" >"s/c/$n"; done
for round in 1 2 3 4 5 6 7 8; do
	rm -rf d
	# shellcheck disable=SC2086
	timeout -k 1 30 $ZCOPY -a --jobs=3 --progress=json s d 2>lines || fail "round $round: status $?"
	tail -1 lines | grep -q '"items":900,' || fail "not all items: $(tail -1 lines)"
done
# shellcheck disable=SC2086
on_tty 60 -a --progress=always s d2
grep -aq '900 of 900 items' out || fail "the end is: $(tail -c 200 out)"

done_testing
