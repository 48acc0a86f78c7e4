#!/bin/sh
# Streams of every kind and at every pace: the list of docs/edge-cases.md, "Pipes and rings". A case begins
# with its number there.
. "${0%/*}/lib.sh"
CHECK=$(cd "${0%/*}" && pwd)/report-check.py
have "$PYTHON" || skip_all 'no python3'
is_report() { expect 0 "$PYTHON" "$CHECK" "$@"; }

# dribble SIZE FILE: in pieces of SIZE, each a write of its own
cat >"$T/dribble.py" <<'P'
import os, sys
size, data = int(sys.argv[1]), open(sys.argv[2], "rb").read()
for at in range(0, len(data), size):
    piece = data[at:at + size]
    while piece:
        piece = piece[os.write(1, piece):]
P
dribble() { "$PYTHON" "$T/dribble.py" "$@"; }

begin 'P1 and P2 a producer that dribbles: every byte once, none of a piece before'
for size in 1 7 4095 65537; do
	data $((size < 100 ? 30011 : 700001)) $size a
	for how in '' --route=buffer --buffer=64K '--route=buffer --block-size=4096' --stable --direct=always; do
		# shellcheck disable=SC2086
		dribble $size a | zcopy $how - b 2>"$T/err"
		rc=$?
		case $how$rc in --direct=always2) continue ;; esac # not on this file system
		judge 0 "$size $how"
		same a b
		case $how in --direct*) continue ;; esac
		# shellcheck disable=SC2086
		dribble $size a | zcopy $how - - | cmp - a || fail "$size $how: pipe to pipe"
	done
	dribble $size a | zcopy --tee=c - - | cmp - a || fail "$size: with --tee"
	same a c
done

begin 'P5 a refusal after bytes have moved is final, and says where'
data 3000000 1 a
if have strace && [ -z "${ZC_LAUNCHED:-}" ]; then
	for code in EIO EINVAL ENOSYS; do
		# shellcheck disable=SC2002
		cat a | strace -f -qq -o "$T/log" -e trace=splice -e "inject=splice:error=$code:when=4+" "$ZCOPY" - - 2>"$T/err" >out
		rc=$?
		judge 1 "the fourth splice answers $code"
		says "^zcopy: -: cannot .* at byte [1-9][0-9]*:"
		cmp -n "$(stat -c %s out)" a out || fail 'what was written is not the beginning'
	done
else
	skip 'no strace, or a launcher makes its own calls'
fi

begin 'P6 an error is blamed on its side, with its place, whatever the other one is'
data 3000001 1 a
for how in '' --route=buffer --engine=sync --buffer=1M; do
	# shellcheck disable=SC2086,SC2002
	cat a | zcopy $how - /dev/full 2>"$T/err"
	rc=$?
	judge 5 "$how /dev/full"
	says '^zcopy: /dev/full: cannot write at byte 0: No space left'
	# shellcheck disable=SC2086
	expect 5 zcopy $how zero:1M /dev/full
	says '^zcopy: /dev/full: cannot write'
done
cat >reset.py <<'P'
# a source whose peer resets the connection behind 5000 bytes
import socket, struct, subprocess, sys
listen = socket.create_server(("127.0.0.1", 0))
peer = socket.create_connection(listen.getsockname())
us, _ = listen.accept()
peer.sendall(b"x" * 5000)
proc = subprocess.Popen(sys.argv[1].split() + sys.argv[2:], stdin=us, stdout=subprocess.PIPE)
got = proc.stdout.read(5000)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
peer.close()
rest = proc.stdout.read()
assert got + rest == b"x" * 5000, len(got + rest)
sys.exit(proc.wait())
P
for how in '' --route=buffer --buffer=1M; do
	# shellcheck disable=SC2086
	expect 1 timeout 60 "$PYTHON" reset.py "$ZCOPY" $how - -
	says '^zcopy: -: cannot read at byte 5000: Connection reset'
done

begin 'P7 and P14 sockets both ways, pseudo-terminals, a descriptor of no file'
cat >ends.py <<'P'
import os, socket, subprocess, sys, threading
zcopy, how = sys.argv[1].split(), sys.argv[2:]
data = open("a", "rb").read()

def through(fd_in, fd_out, feed, take):
    proc = subprocess.Popen(zcopy + how + ["-", "-"], stdin=fd_in, stdout=fd_out)
    os.close(fd_in), os.close(fd_out)
    writer = threading.Thread(target=feed)
    writer.start()
    got = take()
    writer.join()
    assert proc.wait() == 0, proc.returncode
    assert got == data, (len(got), len(data))

def drain(fd):
    out = b""
    while piece := os.read(fd, 65536):
        out += piece
    return out

def feed(fd):
    rest = data
    while rest:
        rest = rest[os.write(fd, rest[:70000]):]
    os.close(fd)

left, right = socket.socketpair()
up, down = socket.socketpair()
through(left.detach(), up.detach(), lambda: feed(right.detach()), lambda: drain(down.fileno()))
r, w = os.pipe()
up, down = socket.socketpair()
through(r, up.detach(), lambda: feed(w), lambda: drain(down.fileno()))
left, right = socket.socketpair()
r, w = os.pipe()
through(left.detach(), w, lambda: feed(right.detach()), lambda: drain(r))
up, down = socket.socketpair()  # file to socket
proc = subprocess.Popen(zcopy + how + ["a", "-"], stdout=up.fileno())
up.close()
assert drain(down.fileno()) == data
assert proc.wait() == 0
P
data 1000003 1 a
for how in '' --route=buffer --engine=sync --buffer=256K; do
	# shellcheck disable=SC2086
	expect 0 timeout 60 "$PYTHON" ends.py "$ZCOPY" $how
done
cat >term.py <<'P'
import os, pty, subprocess, sys, tty
zcopy = sys.argv[1].split()
text = b"".join(b"line %d\n" % i for i in range(3000))
main, sub = pty.openpty()
tty.setraw(sub)
proc = subprocess.Popen(zcopy + ["-", "-"], stdin=subprocess.PIPE, stdout=sub)
os.close(sub)
pid = os.fork()
if pid == 0:
    proc.stdin.write(text)
    proc.stdin.close()
    os._exit(0)
proc.stdin.close()
got = b""
while len(got) < len(text):
    got += os.read(main, 4096)
os.waitpid(pid, 0)
assert proc.wait() == 0 and got == text, "to a terminal"
main, sub = pty.openpty()  # cooked: a line at a time, ^D is the end
proc = subprocess.Popen(zcopy + ["-", "-"], stdin=sub, stdout=subprocess.PIPE)
os.write(main, b"one\ntwo\n")
assert proc.stdout.read(8) == b"one\ntwo\n"
os.write(main, b"\x04")
assert proc.stdout.read() == b"" and proc.wait() == 0, "from a terminal"
P
expect 0 timeout 60 "$PYTHON" term.py "$ZCOPY"
cat >event.py <<'P'
# an eventfd takes 8 bytes at a time, no more and no less; a timerfd gives as many
import ctypes, os, struct, subprocess, sys
zcopy = sys.argv[1].split()
libc = ctypes.CDLL(None)
event = libc.eventfd(5, 0)
proc = subprocess.Popen(zcopy + ["-", "-"], stdin=event, stdout=subprocess.PIPE)
assert struct.unpack("<Q", proc.stdout.read(8))[0] == 5
proc.terminate()  # it has no end
proc.wait()
event = libc.eventfd(0, 0)
subprocess.run(zcopy + ["-", f"/dev/fd/{event}"], input=struct.pack("<Q", 7), pass_fds=[event], check=True, timeout=60)
assert struct.unpack("<Q", os.read(event, 8))[0] == 7
P
expect '0|1' timeout 60 "$PYTHON" event.py "$ZCOPY"
[ "$rc" = 0 ] || fail "$(tail -3 "$T/err")"

begin 'P20 a file gets whole blocks, however the source dribbles'
if have strace && [ -z "${ZC_LAUNCHED:-}" ] && [ "${ZCOPY_ENGINE:-}" != uring ]; then
	data 700001 1 a
	dribble 4095 a | strace -f -qq -o "$T/log" -e trace=pwrite64 "$ZCOPY" --route=buffer - b
	same a b
	[ "$(grep -c pwrite64 "$T/log")" -le 7 ] || fail "$(grep -c pwrite64 "$T/log") writes of 700001 bytes"
else
	skip 'no strace, or a launcher makes its own calls'
fi

begin 'P29 a device of 4096-byte sectors'
truncate -s 16M img
if is_root && loop=$(losetup -f --show -b 4096 img 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	data 3000001 1 a
	dribble 65537 a | zcopy - "$loop" || fail "exit $?"
	cmp -n 3000001 a "$loop" || fail 'the device'
	expect 0 zcopy --direct=always --expect-size=16M "$loop" b
	cmp "$loop" b || fail 'read back'
else
	skip 'no loop devices here'
fi

begin 'P26 upstream dies: a short file is none with --expect-size; downstream dies: SIGPIPE, no word'
data 300000 1 a
{ head -c 200000 a && kill -9 "$(sh -c 'echo $PPID')"; } 2>/dev/null | zcopy --expect-size=300000 - b 2>"$T/err"
rc=$?
judge 4 'a producer that was killed'
gone b
for how in '' --route=buffer --buffer=1M --tee=null:; do
	(
		# shellcheck disable=SC2086
		$ZCOPY $how zero:100M - 2>err
		echo $? >rc
	) | head -c 10 >/dev/null
	equal "$(cat rc) $(cat err)" '141 ' "$how"
done

begin 'P27 no more room for pipes: slower, and it is said'
cat >hog.py <<'P'
# takes all the pipe room that one user may have, then runs the command
import fcntl, os, subprocess, sys
F_SETPIPE_SZ = 1031
hoard = []
try:
    while len(hoard) < 400:
        hoard.append(os.pipe())
        fcntl.fcntl(hoard[-1][1], F_SETPIPE_SZ, 1 << 20)
except OSError:
    pass
sys.exit(subprocess.run(sys.argv[1:]).returncode)
P
if can_be_nobody && [ "$(cat /proc/sys/fs/pipe-user-pages-soft)" -gt 0 ]; then
	data 3000001 1 a
	chmod 777 .
	# shellcheck disable=SC2086
	as_nobody "$PYTHON" hog.py sh -c "cat a | $ZCOPY --explain --report=r - - 2>err | cmp - a" || fail 'the bytes'
	no_splice || says 'refused: .*pipe.*F_SETPIPE_SZ answered EPERM' err
	no_splice || says 'pipe: the source.s holds' err
	no_splice || is_report r "any(f['op'] == 'fcntl F_SETPIPE_SZ' and f['reason'] == 'EPERM' for f in r['fallbacks'])"
else
	skip 'not root, who can become somebody with such a limit'
fi

begin 'P32 the file that is read is the one that is written'
data 100000 1 a && cp a keep
expect '1|9' sh -c "$ZCOPY - - <a >>a"
cmp -n 100000 a keep || fail 'the file'
[ "$(stat -c %s a)" -le 200000 ] || fail 'it grew and grew'

begin 'P36 a sandbox that kills for io_uring: a stream, and the sync engine, do not ask for it'
if helper deny && [ -z "${ZC_LAUNCHED:-}" ] && [ "${ZCOPY_ENGINE:-}" != uring ]; then
	data 3000001 1 a
	# shellcheck disable=SC2086
	cat a | "$HELPERS/deny" SIGSYS io_uring_setup io_uring_enter io_uring_register -- $ZCOPY - b || fail "exit $?"
	same a b
	# shellcheck disable=SC2086
	ZCOPY_ENGINE=sync "$HELPERS/deny" SIGSYS io_uring_setup -- $ZCOPY --direct=always a c 2>"$T/err"
	rc=$?
	judge '0|2' 'O_DIRECT by the sync engine' # 2: none on this file system
	# shellcheck disable=SC2086
	"$HELPERS/deny" SIGSYS io_uring_setup -- $ZCOPY --engine=uring a d 2>/dev/null && fail 'the filter does not kill'
else
	skip 'no helper, or a launcher makes its own calls'
fi

if [ -n "${ZC_LONG:-}" ]; then
	begin 'P34 streams longer than 32 bits can count'
	for how in '' --route=buffer --buffer=64M --tee=null: --hash=xxh3; do
		for size in 4294967295 4294967297; do
			# shellcheck disable=SC2086
			zcopy gen:3,$size - | zcopy $how --expect-size=$size - - 2>"$T/err" | zcopy - gen:3 || fail "$how $size: exit $?"
		done
	done
fi

done_testing
