#!/bin/sh
# Standard descriptors that are closed, non-blocking, appending, or a file in the middle.
. "${0%/*}/lib.sh"

begin 'all three closed'
data 100000 1 a && data 10 2 old
zcopy a b <&- >&- 2>&- || fail "exit $?"
same a b
zcopy a old <&- >&- 2>&- || fail "exit $?"
same a old
zcopy --engine=sync --route=buffer a old <&- >&- 2>&- || fail "exit $?"
same a old
zcopy missing c <&- >&- 2>&- && fail 'exit 0 for a missing source'

begin 'one of them closed: data never ends up where messages go'
data 100000 1 a
for close in 0 1 2; do
	rm -f b
	eval "zcopy -v a b $close>&- >out 2>err" || :
	same a b
done
zcopy -v a b >&- 2>err && fail '-v with stdout closed is exit 0'
same a b
zcopy a - >&- 2>err && fail 'exit 0 with nowhere to write to'
zcopy - c <&- 2>err && fail 'exit 0 with nothing to read from'
gone c

begin 'stdin and stdout are files in the middle: read and written from there on, and left behind the data'
data 100000 1 a
{
	dd bs=7 count=1 of=/dev/null 2>/dev/null
	zcopy - b || fail "exit $?"
	cat >rest
} <a
tail -c +8 a >want
same b want
equal "$(stat -c %s rest)" 0 'left in stdin'
{
	printf 'head\n'
	zcopy a - || fail "exit $?"
	printf 'tail\n'
} >out
{ printf 'head\n' && cat a && printf 'tail\n'; } >want
same out want
{ dd bs=7 count=1 2>/dev/null && zcopy - -; } <a >out
same out a

begin 'stdout appends'
data 100000 1 a
{ printf 'head\n' && cat a && printf 'tail\n'; } >want
for how in '' --engine=sync --route=buffer; do
	printf 'head\n' >out
	# shellcheck disable=SC2086
	zcopy $how a - >>out || fail "exit $? with $how"
	printf 'tail\n' >>out
	same out want
done

begin 'stdout is a longer file that is not truncated'
data 100000 1 a && data 200000 2 out && cp out keep
zcopy a - 1<>out || fail "exit $?"
cmp -n 100000 a out || fail 'the bytes'
cmp -i 100000 keep out || fail 'the rest'

begin 'non-blocking stdin and stdout, slow at both ends'
if helper nonblock; then
	data 3000000 1 a
	for how in '' --route=buffer '--engine=sync --route=buffer' --route=splice; do
		case $how in *splice) no_splice && continue ;; esac
		# shellcheck disable=SC2086
		{ head -c 100000 a && sleep 0.05 && tail -c +100001 a; } |
			timeout 60 "$HELPERS/nonblock" 0 1 -- $ZCOPY $how - - |
			{ sleep 0.1 && head -c 70000 && sleep 0.05 && cat; } >out
		same a out
	done
	# shellcheck disable=SC2002,SC2086
	cat a | timeout 60 "$HELPERS/nonblock" 0 -- $ZCOPY - b || fail "exit $?"
	same a b
	# shellcheck disable=SC2086
	timeout 60 "$HELPERS/nonblock" 1 -- $ZCOPY a - | { sleep 0.1 && cat; } >out
	same a out
else
	skip 'no helper'
fi

begin 'O_NONBLOCK of a shared descriptor is left as it was'
if have "$PYTHON"; then
	cat >check.py <<'P'
import fcntl, os, subprocess, sys
for flags in (0, os.O_NONBLOCK):
    r, w = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(w, fcntl.F_SETFL, flags)
    subprocess.run(sys.argv[1].split() + ["a", "-"], stdout=w, check=True)
    assert fcntl.fcntl(w, fcntl.F_GETFL) & os.O_NONBLOCK == flags, "stdout"
    assert fcntl.fcntl(r, fcntl.F_GETFL) & os.O_NONBLOCK == 0, "reader"
    os.close(w)
    fcntl.fcntl(r, fcntl.F_SETFL, flags)
    subprocess.run(sys.argv[1].split() + ["-", "b"], stdin=r, check=True)
    assert fcntl.fcntl(r, fcntl.F_GETFL) & os.O_NONBLOCK == flags, "stdin"
P
	data 5000 1 a
	expect 0 "$PYTHON" check.py "$ZCOPY"
	same a b
else
	skip 'no python3'
fi

done_testing
