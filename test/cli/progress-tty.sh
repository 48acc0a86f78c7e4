#!/bin/sh
# The bar on a terminal: rate, time left, and read, written and durable bytes apart; nothing where no
# terminal is, nothing from a short copy, and the line is left clean.
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python3'

# on_tty SEEN WORDS...: zcopy WORDS with stderr on a pseudo-terminal of its own session, interrupted when it has shown
# all of SEEN, regular expressions with spaces between; ! is never shown. What it showed is in out, the last line of
# status its exit status or minus its signal
on_tty() {
	"$PYTHON" - "$1" "$ZCOPY" "$@" >out 2>status <<'PY'
import os, pty, re, signal, shlex, sys
seen = [word.encode() for word in sys.argv[1].split()]
words = shlex.split(sys.argv[2]) + sys.argv[4:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
shown, told = b"", False
while True:
    try:
        block = os.read(fd, 65536)
    except OSError:
        break
    if not block:
        break
    shown += block
    if not told and all(re.search(word, shown) for word in seen):
        os.kill(pid, signal.SIGINT)
        told = True
sys.stdout.buffer.write(shown)
sys.stdout.buffer.flush()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=sys.stderr)
PY
}

begin 'a long copy shows a bar after a second'
on_tty '/s ETA read written durable.0.B [0-9]%' gen:1,1000G null:
equal "$(tail -1 status)" -2 'ended by SIGINT'

begin 'a short copy shows none'
data 300000 1 a
# what was not short on this machine is tried again
for try in $(seq 30); do
	on_tty '!' --report=r a b
	equal "$(tail -1 status)" 0 status
	if "$PYTHON" -c 'import json, sys; sys.exit(json.load(open("r"))["seconds"]["total"] > 0.7)'; then break; fi
done
[ "$try" -lt 30 ] || fail 'no copy was short'
equal "$(cat out)" '' 'on the terminal'

begin '--progress=always shows one for every copy, and ends its line'
data 300000 1 a
on_tty '!' --progress=always --durability=data a b
grep -aq 'written 293.0 KiB  durable 293.0 KiB' out || fail "the end is: $(tail -c 200 out)"
equal "$(tail -c 1 out | od -An -tx1 | tr -d ' ')" 0a 'the last byte'

begin '--progress=never and -q show none, also for a stream'
on_tty '!' --progress=never gen:1,300M null:
equal "$(tail -1 status)" 0 status
equal "$(cat out)" '' 'on the terminal'
on_tty '!' -q gen:1,300M null:
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
	timeout -k 1 60 $ZCOPY -a --jobs=3 --progress=json s d 2>lines || fail "round $round: status $?"
	tail -1 lines | grep -q '"items":900,' || fail "not all items: $(tail -1 lines)"
done
# shellcheck disable=SC2086
on_tty '!' -a --progress=always s d2
grep -aq '900 of 900 items' out || fail "the end is: $(tail -c 200 out)"

done_testing
