#!/bin/sh
# TCP ends: both directions, with peers of other make, peers that vanish, and peers that do nothing.
. "${0%/*}/lib.sh"
# leaks cannot be looked for by a process that may not be traced
[ -z "${ZC_SANITIZED:-}" ] || export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
have "$PYTHON" && "$PYTHON" -c 'import socket; socket.socket().bind(("127.0.0.1", 0))' 2>/dev/null ||
	skip_all 'no python3, or no TCP here'

# A peer that is not told that all is over would wait for ever.
zcopy() {
	# shellcheck disable=SC2086
	timeout 60 $ZCOPY "$@"
}

# port FILE: waits for the line that names it.
port() {
	waited=0 number=''
	while [ -z "$number" ] && [ $waited -lt 6000 ]; do
		waited=$((waited + 1))
		number=$(sed -n 's/.*listening on .*:\([0-9][0-9]*\)$/\1/p' "$1")
		[ -n "$number" ] || sleep 0.01
	done
	echo "${number:-1}"
}

# peer MODE [FILE]: a server in Python that takes one connection; it says its port as zcopy does, in peer.err.
peer() {
	: >peer.err
	"$PYTHON" - "$@" <<-'PY' 2>peer.err &
		import socket, struct, sys, time
		mode = sys.argv[1]
		listener = socket.socket()
		listener.bind(("127.0.0.1", 0))
		listener.listen(1)
		print("listening on 127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
		peer = listener.accept()[0]
		def reset():
		    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    peer.close()
		if mode == "reset":            # at once
		    reset()
		elif mode == "give-and-reset": # some bytes, then a reset
		    peer.sendall(b"x" * 300000)
		    time.sleep(0.2)
		    reset()
		elif mode == "take-and-go":    # closes with bytes unread: the kernel resets
		    peer.recv(1000)
		    time.sleep(0.2)
		    peer.close()
		elif mode == "late":           # takes nothing until the writer has said that it is done
		    time.sleep(0.5)
		    peer.close()
		elif mode == "give-and-stop":
		    peer.sendall(b"x" * 1000)
		    time.sleep(600)
		elif mode == "stop":
		    time.sleep(600)
		elif mode == "talk":           # talks itself, then takes everything
		    peer.sendall(b"welcome\n" * 100)
		    with open(sys.argv[2], "wb") as out:
		        while True:
		            block = peer.recv(65536)
		            if not block:
		                break
		            out.write(block)
		            peer.sendall(b"ok")
		elif mode == "dribble":        # 1, 7, 4095, 65537 ... bytes
		    data, at = open(sys.argv[2], "rb").read(), 0
		    for size in [1, 7, 4095, 65537, 300000, 1] * 1000:
		        if at >= len(data):
		            break
		        peer.sendall(data[at:at + size])
		        at += size
		    peer.close()
	PY
	PEER=$!
	PORT=$(port peer.err)
}

# server ARG...: zcopy in the background, its words in server.err.
server() {
	: >server.err
	# shellcheck disable=SC2086
	timeout 60 $ZCOPY "$@" 2>server.err >/dev/null &
	SERVER=$!
	PORT=$(port server.err)
}
ended() {
	wait $SERVER
	rc=$?
	[ "$rc" -eq "$1" ] || fail "the other side: exit $rc, not $1: $(cat server.err)"
}

begin 'file to file, by sendfile'
for size in 0 1 4096 131073 5000001; do
	data "$size" 1 a
	server tcp-listen://:0 out
	expect 0 zcopy --report=r a "tcp://127.0.0.1:$PORT"
	ended 0
	same a out
done
if have jq && ! denied sendfile && [ -z "${ZCOPY_ENGINE:-}" ]; then
	equal "$(jq .routes.sendfile.bytes r)" 5000001 'bytes by sendfile'
fi

begin 'the other way round: the writer listens'
data 5000001 2 a
server a tcp-listen://127.0.0.1:0
expect 0 zcopy "tcp://localhost:$PORT" out
ended 0
same a out

begin 'IPv6'
if "$PYTHON" -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; then
	data 300000 3 a
	server 'tcp-listen://[::1]:0' out
	expect 0 zcopy a "tcp://[::1]:$PORT"
	ended 0
	same a out
	server tcp-listen://:0 out # both at once
	expect 0 zcopy a "tcp://[::1]:$PORT"
	ended 0
	same a out
else
	skip 'no IPv6 here'
fi

begin 'pipes at both ends'
data 5000001 4 a
: >server.err
# shellcheck disable=SC2086
timeout 60 $ZCOPY tcp-listen://:0 - 2>server.err | cat >out &
SERVER=$!
PORT=$(port server.err)
# shellcheck disable=SC2002
cat a | expect 0 zcopy - "tcp://127.0.0.1:$PORT"
wait $SERVER
same a out

begin 'from socket to socket'
data 5000001 5 a
server tcp-listen://:0 out
last=$SERVER
: >middle.err
# shellcheck disable=SC2086
timeout 60 $ZCOPY tcp-listen://:0 "tcp://127.0.0.1:$PORT" 2>middle.err &
middle=$!
expect 0 zcopy a "tcp://127.0.0.1:$(port middle.err)"
wait $middle || fail "the middle: exit $?: $(cat middle.err)"
SERVER=$last
ended 0
same a out

begin 'pieces of odd sizes'
data 1500000 6 a
peer dribble a
expect 0 zcopy "tcp://127.0.0.1:$PORT" out
same a out

begin 'synthetic ends, and a digest'
server tcp-listen://:0 gen:7
expect 0 zcopy gen:7,3000001 "tcp://127.0.0.1:$PORT"
ended 0
server tcp-listen://:0 gen:8
expect '0|6' zcopy gen:7,3000001 "tcp://127.0.0.1:$PORT"
ended 4
data 300000 7 a
server --expect-hash="sha256:$(sha256sum <a | cut -d' ' -f1)" tcp-listen://:0 out
expect 0 zcopy a "tcp://127.0.0.1:$PORT"
ended 0
server --expect-size=300001 tcp-listen://:0 short
expect 0 zcopy a "tcp://127.0.0.1:$PORT"
ended 4
gone short

begin 'a peer beside a file'
data 3000001 16 a
server tcp-listen://:0 out
expect 0 zcopy --tee="tcp://127.0.0.1:$PORT" a new
ended 0
same a out
same a new
peer take-and-go
expect 6 zcopy --tee="tcp://127.0.0.1:$PORT,fail" gen:1,30M new2
expect 2 zcopy --tee=tcp-listen://:0 a b
usage_error

begin 'a writer that is reset: no file'
peer reset
expect 6 zcopy "tcp://127.0.0.1:$PORT" out
says 'reset'
gone out
peer give-and-reset
expect 6 zcopy "tcp://127.0.0.1:$PORT" out
gone out
printf old >out
peer give-and-reset
expect 6 zcopy "tcp://127.0.0.1:$PORT" out
equal "$(cat out)" old 'the old file'

begin 'a reader that goes away: an error, also when all was written'
data 30000000 8 a
peer take-and-go
expect 6 zcopy a "tcp://127.0.0.1:$PORT"
equal "$(wc -l <"$T/err")" 1 'lines'
head -c 5000 a >small
peer late
expect 6 zcopy small "tcp://127.0.0.1:$PORT"
peer late
# shellcheck disable=SC2002
cat small | expect 6 zcopy - "tcp://127.0.0.1:$PORT"

begin 'a peer that talks while it listens'
data 3000000 9 a
peer talk out
expect 0 zcopy a "tcp://127.0.0.1:$PORT"
wait $PEER
same a out

begin '--io-timeout: nobody comes, nobody gives, nobody takes'
expect 6 zcopy --io-timeout=200ms tcp-listen://:0 out
says 'timed out'
gone out
peer give-and-stop
expect 6 zcopy --io-timeout=300ms "tcp://127.0.0.1:$PORT" out
says 'io-timeout'
equal "$(wc -l <"$T/err")" 1 'lines'
gone out
kill $PEER
peer stop
expect 6 zcopy --io-timeout=300ms gen:1,50M "tcp://127.0.0.1:$PORT"
says 'io-timeout\|timed out' # on a busy machine the kernel may be the first to see it
kill $PEER

begin '--io-timeout does not mean slow ends'
server tcp-listen://:0 out
{
	printf a
	sleep 3.5
	printf b
} | expect 0 zcopy --io-timeout=3s - "tcp://127.0.0.1:$PORT"
ended 0
equal "$(cat out)" ab bytes

begin 'a signal while it waits'
if helper after; then
	# shellcheck disable=SC2086
	expect 130 timeout 60 "$HELPERS/after" 200000 2 -- $ZCOPY tcp-listen://:0 out
	says 'after: signal 2'
	peer stop
	# shellcheck disable=SC2086
	expect 130 timeout 60 "$HELPERS/after" 200000 2 -- $ZCOPY "tcp://127.0.0.1:$PORT" out
	gone out
	kill $PEER
else
	skip 'no helper'
fi

begin 'refused, not found, in use'
data 10 10 a
server tcp-listen://127.0.0.1:0 out
expect 1 zcopy "tcp-listen://127.0.0.1:$PORT" out2
says 'in use'
kill $SERVER
wait $SERVER
expect 6 zcopy a "tcp://127.0.0.1:$PORT"
says 'refused'
equal "$(wc -l <"$T/err")" 1 'lines'
expect 6 zcopy a tcp://host.invalid:9
equal "$(wc -l <"$T/err")" 1 'lines'
expect 1 zcopy nothing "tcp://127.0.0.1:$PORT"
for end in tcp://h tcp://:1 tcp://h:0 tcp://h:65536 tcp://::1:9 tcp://h:1/x; do
	expect 2 zcopy a $end
	usage_error
done
expect 2 zcopy -r a tcp://h:1
usage_error
expect 2 zcopy -a tcp-listen://:1 a
usage_error

begin 'the port is said when nobody can know it, or with -v; again at once on the same port'
data 10 11 a
server tcp-listen://:0 out
first=$PORT
expect 0 zcopy a "tcp://127.0.0.1:$PORT"
ended 0
server -v "tcp-listen://:$first" out
equal "$PORT" "$first" 'the port'
expect 0 zcopy a "tcp://127.0.0.1:$PORT"
ended 0
same a out

begin 'nc'
data 3000001 12 a
if have nc && nc -h 2>&1 | grep -q -e '-N'; then
	server tcp-listen://:0 out
	nc -N 127.0.0.1 "$PORT" <a >/dev/null || fail "nc: exit $?"
	ended 0
	same a out
	server a tcp-listen://:0
	nc -d 127.0.0.1 "$PORT" >out2 || fail "nc: exit $?"
	ended 0
	same a out2
else
	skip 'no nc'
fi

begin 'socat'
if have socat; then
	data 3000001 13 a
	server tcp-listen://:0 out
	socat -u OPEN:a "TCP:127.0.0.1:$PORT" || fail "socat: exit $?"
	ended 0
	same a out
	server a tcp-listen://:0
	socat -u "TCP:127.0.0.1:$PORT" CREATE:out2 || fail "socat: exit $?"
	ended 0
	same a out2
else
	skip 'no socat'
fi

begin 'mbuffer'
if have mbuffer; then
	data 3000001 14 a
	server tcp-listen://:0 out
	mbuffer -q -m 1M -i a -O "127.0.0.1:$PORT" 2>/dev/null || fail "mbuffer: exit $?"
	ended 0
	same a out
else
	skip 'no mbuffer'
fi

begin 'confined'
data 300000 15 a
if [ "${ZCOPY_ENGINE:-}" = uring ]; then
	skip 'a sandbox has no io_uring'
else
	server --sandbox tcp-listen://:0 out
	expect 0 zcopy --sandbox a "tcp://127.0.0.1:$PORT"
	ended 0
	same a out
fi

done_testing
