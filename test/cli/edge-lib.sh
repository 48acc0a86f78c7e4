# shellcheck shell=sh
# What the edge-*.sh have besides lib.sh: a run that is stopped, or lied to, at one certain system call. Which one is
# found out by a trial run to another name, so nothing depends on time. Source it after lib.sh.
#   stop_after CALL REGEX WORD... DST       zcopy WORD... DST in the background, stopped by SIGSTOP when the first CALL
#                                           whose strace line matches REGEX has been made; status 1: it never was
#   go_on STATUS                            continues it, waits, and judges its exit status
#   inject FAULT CALL REGEX WORD... DST     zcopy with strace's FAULT (error=EIO, retval=0) at that call; rc is its
#                                           status, to be judged; 1 from inject: no such call
#   inject_all FAULT CALL WORD...           the same at each CALL
# One thread (-j1) and no ring, or calls cannot be counted. Ask can_trace first.
# $no_trace is why nothing can be traced here, or nothing.
no_trace=''
case ${ZC_LAUNCHED:-}$ZCOPY in
*' '*) no_trace='a launcher makes its own calls' ;;
*)
	[ -z "${ZC_LAUNCHED:-}" ] || no_trace='a launcher makes its own calls'
	strace -o /dev/null -e inject=getppid:error=EIO true 2>/dev/null || no_trace='strace is not allowed here'
	;;
esac
can_trace() { [ -z "$no_trace" ]; }
# the leak checker does not work under strace
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

# find_call CALL REGEX WORD... DST: AT is how many CALLs the first that matches is; status 1: none does
find_call() {
	call=$1 regex=$2
	shift 2
	left=$#
	for word; do
		shift
		left=$((left - 1))
		[ $left -eq 0 ] || set -- "$@" "$word"
	done
	rm -rf "$T/trial"
	mkdir "$T/trial"
	[ ! -e "$word" ] || cp -a "$word" "$T/trial/dst"
	strace -f -qq -o "$T/trial.log" -e trace="$call" -e signal=none "$ZCOPY" "$@" "$T/trial/dst" >/dev/null 2>&1 </dev/null
	AT=$(sed 's/^[0-9]* *//' "$T/trial.log" | grep "^$call(" | grep -n -m 1 -e "$regex" | cut -d: -f1)
	rm -rf "$T/trial" 2>/dev/null
	[ -n "$AT" ]
}

stop_after() {
	find_call "$@" || { fail "no $1 that matches $2"; return 1; }
	call=$1
	shift 2
	: >"$T/stop.log"
	timeout 120 strace -f -qq -o "$T/stop.log" -e trace="$call" -e "inject=$call:signal=STOP:when=$AT" "$ZCOPY" "$@" \
		>"$T/out" 2>"$T/err" </dev/null &
	tracer=$!
	await eval "grep -q 'stopped by SIGSTOP' '$T/stop.log' || ! kill -0 $tracer 2>/dev/null"
	grep -q 'stopped by SIGSTOP' "$T/stop.log" || { fail 'it never stopped'; return 1; }
}

go_on() {
	kill -CONT "$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' "$T/stop.log" | head -1)"
	wait "$tracer"
	rc=$?
	export rc # judge's
	judge "$1" "$CASE"
}

inject() {
	fault=$1
	shift
	find_call "$@" || { fail "no $1 that matches $2"; return 1; }
	call=$1
	shift 2
	timeout 60 strace -f -qq -o "$T/inject.log" -e trace="$call" -e signal=none -e "inject=$call:$fault:when=$AT" \
		"$ZCOPY" "$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
}

inject_all() {
	fault=$1 call=$2
	shift 2
	timeout 60 strace -f -qq -o "$T/inject.log" -e trace="$call" -e signal=none -e "inject=$call:$fault" \
		"$ZCOPY" "$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
}
