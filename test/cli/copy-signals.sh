#!/bin/sh
# SIGINT, SIGTERM, SIGHUP in the middle: killed by that signal, nothing left, the old file untouched.
. "${0%/*}/lib.sh"
helper after || skip_all 'no helper'

# dies SIGNAL MICROSECONDS ARG...: zcopy ARG... must end by that signal.
dies() {
	signal=$1 when=$2
	shift 2
	# shellcheck disable=SC2086
	timeout 60 "$HELPERS/after" "$when" "$signal" -- $ZCOPY "$@" >"$T/out" 2>"$T/err"
	says "^after: signal $signal$"
}

# Ends what holds the other end of the FIFO, and waits: nobody must meet it there any more.
release() {
	kill $holder 2>/dev/null
	wait $holder 2>/dev/null
}

for signal in 2 15 1; do
	begin "signal $signal while the source has nothing to say"
	data 100000 1 a && data 50 2 old && cp old keep && mkfifo p
	for how in '' --engine=sync --route=buffer; do
		sleep 600 >p &
		holder=$!
		# shellcheck disable=SC2086
		dies $signal 150000 $how - new <p
		release
		gone new
		{ cat a && exec sleep 600; } >p &
		holder=$!
		# shellcheck disable=SC2086
		dies $signal 150000 $how - old <p
		release
		same old keep
		no_temps
	done
done

begin 'while the sink takes nothing more'
mkfifo p
for how in '' --engine=sync --route=buffer; do
	# shellcheck disable=SC2217 # it only holds the other end open
	sleep 600 <p &
	holder=$!
	# shellcheck disable=SC2086
	timeout 60 "$HELPERS/after" 150000 15 -- $ZCOPY $how zero:1G - >p 2>"$T/err"
	says '^after: signal 15$'
	release
done

begin 'at many instants of a copy in full speed: the old file, or all of the new one'
data 50 2 keep && data 300000000 5 src
for how in '' '--route=buffer --engine=uring' '--route=buffer --engine=sync' --route=sendfile; do
	case $how in
	*uring) denied io_uring_setup && continue ;;
	*sendfile) denied sendfile && continue ;;
	esac
	killed=0
	for when in 500 1500 3000 6000 10000 20000 40000 80000; do
		cp keep old
		# shellcheck disable=SC2086
		timeout 60 "$HELPERS/after" $when 2 -- $ZCOPY $how src old 2>"$T/err"
		case $(tail -1 "$T/err") in
		'after: signal 2')
			killed=$((killed + 1))
			cmp -s old keep || same old src
			;;
		'after: exit 0') same old src ;;
		*) fail "$how: $(head -c 200 "$T/err")" ;;
		esac
		no_temps
	done
	[ $killed -gt 0 ] || fail "$how: never hit"
done
rm -f old src

begin 'SIGINT that was ignored from the start stays ignored'
data 100000 1 a && mkfifo p
(
	trap '' INT
	zcopy - b <p 2>"$T/err" &
	pid=$!
	{ sleep 0.2 && kill -INT $pid && sleep 0.1 && cat a; } >p
	wait $pid
) || fail 'nohup-like use is killed'
same a b

begin 'stopped and continued'
data 3000000 1 a
{ head -c 1000000 a && sleep 0.4 && tail -c +1000001 a; } | zcopy --route=buffer - b &
sleep 0.1
pid=$(pgrep -n -f -- '--route=buffer - b' 2>/dev/null) && kill -STOP "$pid" && sleep 0.2 && kill -CONT "$pid"
wait
same a b

done_testing
