#!/bin/sh
# Pipes: a stage in a pipeline, whoever is slow, and whoever leaves early.
. "${0%/*}/lib.sh"

begin 'pipe to pipe, pipe to file, file to pipe'
data 5000000 1 a
for how in '' --engine=sync --route=buffer --route=splice; do
	case $how in *splice) no_splice && continue ;; esac
	# shellcheck disable=SC2086,SC2002
	cat a | zcopy $how - - | cmp - a || fail "$how pipe to pipe"
	# shellcheck disable=SC2086,SC2002
	cat a | zcopy $how - b || fail "$how exit $?"
	same a b
	# shellcheck disable=SC2086
	zcopy $how a - | cmp - a || fail "$how file to pipe"
	# shellcheck disable=SC2086,SC2094
	zcopy $how - - <a | cmp - a || fail "$how stdin from a file"
done

begin 'three stages'
data 5000000 1 a
zcopy a - | zcopy - - | zcopy - - | zcopy - b
same a b

begin 'nothing at all, and one byte'
: | zcopy - b || fail "exit $?"
equal "$(stat -c %s b)" 0 size
: | zcopy - - >c || fail "exit $?"
equal "$(stat -c %s c)" 0 size
printf x | zcopy - d
equal "$(cat d)" x
zcopy - e </dev/null || fail "exit $?"
equal "$(stat -c %s e)" 0 size

begin 'what comes in drops goes out in drops, at once'
mkfifo in out
zcopy - - <in >out &
pid=$!
exec 5>in 6<out
i=0
while [ $i -lt 5 ]; do
	echo "line $i" >&5
	IFS= read -r got <&6
	equal "$got" "line $i"
	i=$((i + 1))
done
exec 5>&-
wait $pid || fail "exit $?"
exec 6<&-

begin 'a producer in odd pieces, a slow consumer'
data 1000003 1 a
{
	head -c 1 a && sleep 0.02 && tail -c +2 a | head -c 4095 && sleep 0.02 && tail -c +4097 a
} | zcopy - - | { sleep 0.1 && cat; } | cmp - a || fail 'bytes'
dd if=a bs=777 2>/dev/null | zcopy --route=buffer - b
same a b

begin 'a reader that leaves: killed by SIGPIPE, silently'
if helper after; then
	truncate -s 4G long
	for how in '' --route=buffer '--engine=sync --route=buffer' --route=splice; do
		case $how in *splice) no_splice && continue ;; esac
		# shellcheck disable=SC2086
		"$HELPERS/after" 120000000 9 -- $ZCOPY $how long - 2>err | head -c 10 >/dev/null
		equal "$(cat err)" 'after: signal 13' "stderr with $how"
	done
else
	skip 'no helper'
fi

begin 'a reader that leaves while SIGPIPE is ignored: an error, not success'
(trap '' PIPE && zcopy zero:1G - 2>err; echo $? >rc) | head -c 10 >/dev/null
case $(cat rc) in
0) fail 'exit 0' ;;
esac

begin 'a pipe to an existing file replaces it only at the end'
data 300000 1 a && data 50 2 b && cp b keep
{
	head -c 200000 a
	cmp -s b keep && : >kept
	tail -c +200001 a
} | zcopy - b || fail "exit $?"
[ -e kept ] || fail 'the old file was touched before the end'
same a b

begin 'standard input into a directory has no name'
mkdir d
# GNU cp has no word for it; it must not create d/-
printf x | zcopy - d 2>"$T/err"
rc=$?
judge '1|2' 'zcopy - d'
equal "$(find d | wc -l)" 1 'files'

done_testing
