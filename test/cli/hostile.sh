#!/bin/sh
# shellcheck disable=SC2086 # ZCOPY may be several words
# What an adversarial reading of the program found, one case each: every one of these failed once.
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"

begin 'the report never overwrites an end'
data 300000 1 a && cp a keep
expect 9 zcopy --report=a a b
same a keep
gone b
expect 9 zcopy --report=c a c
gone c
mkdir d
expect 9 zcopy --report=d/a a d
gone d/a
expect '2|9' sh -c "$ZCOPY --report=/dev/stdout a - >out"
[ ! -s out ] || same out a
expect '2|9' sh -c "$ZCOPY --report=- a /dev/fd/3 >out 3>&1"

begin 'a link to standard output is standard output'
data 300000 1 a
ln -s /dev/stdout link
{ zcopy a link && echo after; } >out
{ cat a && echo after; } >want
same out want
zcopy a link | cmp - a || fail 'into a pipe'

begin "another process's descriptor is written in place, also a file's"
data 300000 1 a
data 10 2 out
exec 7<>out
expect 0 zcopy a /proc/$$/fd/7
exec 7<&-
same a out

begin 'a file that we may write but not read keeps its ACL'
if is_root && have setfacl && have setpriv && data 10 1 a && data 20 2 b && chown 12345 b . &&
	setfacl -m u:1:rwx b 2>/dev/null; then
	chmod u=w b
	getfacl -cn b >want
	chmod 644 a
	expect '0|1' setpriv --reuid 12345 --clear-groups $ZCOPY a b
	getfacl -cn b >got
	same got want
else
	skip 'no root, no setfacl, or no ACLs here'
fi

begin '-p onto a file system without ACLs is an error, not a wider file'
if is_root && have setfacl && data 10 1 a && setfacl -m u:1:rwx a 2>/dev/null && mkdir m &&
	mount -t ramfs none m 2>/dev/null; then
	MOUNTS="$MOUNTS $PWD/m"
	expect 1 zcopy -p a m/b
	same a m/b
	equal "$(($(stat -c %a m/b) & 070))" 0 'what the group may: the mask of a lost ACL is not its right'
else
	skip 'cannot mount, or no ACLs here'
fi

begin 'the mode of a FIFO bounds the new file'
data 1000 1 a
mkfifo -m 600 fifo
cat a >fifo &
expect 0 zcopy fifo b
same a b
equal "$(mode_of b)" 600 mode

begin 'nothing waits for a FIFO that will not be read'
mkfifo fifo && data 10 1 b
expect 0 timeout 60 $ZCOPY --dry-run fifo x
expect 0 timeout 60 $ZCOPY -n fifo b
expect 9 timeout 60 $ZCOPY fifo fifo

begin 'SIGPIPE: blocked, it still ends us with its status; ignored, it is an error'
data 20000000 1 a
if have "$PYTHON"; then
	equal "$("$PYTHON" - "$ZCOPY" <<'PY'
import os, shlex, signal, subprocess, sys
r, w = os.pipe()
os.close(r)
block = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
print(subprocess.run(shlex.split(sys.argv[1]) + ["a", "-"], stdout=w, preexec_fn=block).returncode)
PY
)" -13 'status with SIGPIPE blocked'
fi
(
	trap '' PIPE
	zcopy a - 2>err
	echo $? >status
) | head -c 1 >/dev/null
equal "$(cat status)" 1 'status with SIGPIPE ignored'
says 'Broken pipe' err

begin 'demands that exclude each other are refused, none is dropped'
data 1000 1 a
for words in '--route=cfr --direct=always' '--reflink=always --route=buffer' '--sparse=always --route=cfr' \
	'--reflink=never --route=cfr' '--sparse=never --route=reflink' '--reflink=always --direct=always'; do
	# shellcheck disable=SC2086
	expect 2 zcopy $words a b
	usage_error
	gone b
done

# the leak checker does not work under strace
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

begin '--on-change=fail in place does not say that the old file is there'
if have strace && strace -o /dev/null -e inject=pread64:delay_enter=1:when=1 true 2>/dev/null; then
	case $ZCOPY in
	*' '*) skip 'a launcher makes its own calls' ;;
	*)
		data 100000 1 a && data 10 2 b
		stop_after pread64 '= 100000$' --inplace --engine=sync --route=buffer --on-change=fail a b
		printf more >>a
		go_on 3
		says 'written in place'
		;;
	esac
else
	skip 'strace is not allowed here'
fi

begin 'a ring that breaks gives way to reads and writes'
if [ -n "${ZC_SANITIZED:-}" ]; then
	skip 'a sanitizer makes its own calls'
elif denied io_uring_setup; then
	skip 'io_uring denied'
elif have strace && data 5000000 1 a &&
	strace -f -o calls "$ZCOPY" --engine=uring a b 2>/dev/null && grep -q io_uring_enter calls; then
	for engine in auto sync; do
		rm -f b
		expect 0 strace -qq -f -o /dev/null -e trace=io_uring_enter \
			-e inject=io_uring_enter:error=EFAULT:when=6+ "$ZCOPY" --engine=$engine --direct=always a b
		same a b
	done
	expect 2 strace -qq -o /dev/null -e trace=io_uring_setup -e inject=io_uring_setup:error=ENOMEM \
		"$ZCOPY" --engine=uring a c
	gone c
else
	skip 'no io_uring, or strace is not allowed here'
fi

begin 'a killed ring copy by a named temporary leaves nothing behind a rerun'
if helper fuse_fs && is_root && mkdir back m && fuse "$PWD/back" "$PWD/m" 2>/dev/null; then
	data 100000000 1 big && data 10 2 m/b
	for _ in 1 2 3; do
		zcopy --engine=sync big m/b &
		sleep 0.05
		kill -9 $! 2>/dev/null
		wait $! 2>/dev/null
		# until the FUSE daemon has heard of the death, it answers ESTALE
		await zcopy big m/b 2>"$T/err"
		same big m/b
		equal "$(find back -name '.zcopy-*')" '' 'left behind'
	done
else
	skip 'no FUSE'
fi

begin 'what a failed copy has written into a pipe is in the report'
data 20000000 1 a
(
	ulimit -f 4000
	# shellcheck disable=SC2002
	cat a | zcopy --report=r - b 2>err
)
if have "$PYTHON"; then
	equal "$("$PYTHON" -c 'import json; print(json.load(open("r"))["bytes"]["data"] > 0)')" True 'bytes of a failed copy'
fi

begin 'a source is followed by our rule at every link'
if is_root && have setpriv && [ "$(cat /proc/sys/fs/protected_symlinks)" = 0 ]; then
	mkdir sticky && chmod 1777 sticky && data 10 1 secret
	ln -s ../secret sticky/evil && chown -h 12345 sticky/evil
	ln -s sticky/evil good
	expect 9 zcopy sticky/evil x
	expect 9 zcopy good x
	gone x
else
	skip 'no root, or the kernel has the rule already'
fi
done_testing
