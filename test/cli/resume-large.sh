#!/bin/sh
# --resume in figures: of a copy that is killed half way at most 256 MiB are copied again, and the next run is at
# work again within 2 s (which the long run judges).
#   MIB=384 size of the file
. "${0%/*}/lib.sh"
helper mkfile || skip_all 'no helper'
mib=${MIB:-384}
XDG_STATE_HOME=$T/state
export XDG_STATE_HOME

# How far the journal is: the end of its last record.
durable_mib() {
	tail -c +121 "$T"/state/zcopy/* 2>/dev/null | od -An -v -tu8 -w32 |
		awk 'NF == 4 { n = ($2 + $3) / 1048576 } END { print int(n) }'
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# What was written, by an upper limit: the temporary's length, where it grows.
length_mib() { find . -name '.zcopy-*' -exec stat -c %s {} + | awk '{ n = $1 } END { print int(n / 1048576) }'; }

for way in --route=cfr --direct=always; do
	begin "$mib MiB, $way"
	"$HELPERS/mkfile" dense $((mib * 1048576)) 5 source || exit 99
	expect '0|2' zcopy $way -T source d
	if [ "$rc" = 2 ]; then
		echo 'O_DIRECT is refused here'
		continue
	fi
	rm d
	# slower, where it has ended before it is killed
	for limit in 100G 200M 50M 10M; do
		rm -f d
		$ZCOPY --resume --limit=$limit $way source d 2>err &
		pid=$!
		until [ "$(durable_mib)" -ge $((mib * 4 / 10)) ] || ! kill -0 $pid 2>/dev/null; do
			sleep 0.01
		done
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
		[ -e d ] || break
	done
	length=$(length_mib)
	before=$(durable_mib)
	gone d
	begun=$(now_ms)
	$ZCOPY --resume $way --report=r source d 2>err &
	pid=$!
	until [ "$(durable_mib)" -gt "$before" ] || ! kill -0 $pid 2>/dev/null; do
		sleep 0.01
	done
	took=$(($(now_ms) - begun))
	wait $pid || fail "the second run: $(cat err)"
	same source d
	again=$(($(sed 's/.*"data":\([0-9]*\).*/\1/' r) / 1048576))
	found=$(($(sed 's/.*"resumed":{"files":1,"bytes":\([0-9]*\).*/\1/' r) / 1048576))
	equal $((again + found)) "$mib" 'MiB copied and found'
	equal "$found" "$before" 'MiB of the journal and taken over'
	echo "$way: killed with $found MiB in the journal, temporary of $length MiB; $took ms to the next record"
	# with O_DIRECT all of its room is allocated first
	[ $way = --direct=always ] || [ $((length - found)) -le 256 ] || fail "$((length - found)) MiB copied again"
	# a time is judged where it would be a long one
	[ $took -lt 2000 ] || [ "$mib" -lt 4096 ] || fail "$took ms until it was at work again"
done

done_testing
