#!/bin/sh
# kill -9 at random instants while replacing: always the old or the new file, and a rerun cleans up.
#   KILLS=200 how many instants, KILL_SECONDS=60 at most how long
. "${0%/*}/lib.sh"
helper after || skip_all 'no helper'
kills=${KILLS:-200} deadline=$(($(date +%s) + ${KILL_SECONDS:-60}))
random=${SEED:-20261121}

# The next number below $1, the same ones every run.
below() {
	random=$(((random * 1103515245 + 12345) % 2147483648))
	drawn=$((random / 65536 % $1))
}

begin "$kills instants"
data 90001 2 old
data 4096 11 new1 && data 2000003 12 new2 && data 30000000 13 new3
case $PWD in
/dev/shm/*) ;;
*) sync new3 old ;;
esac
done_kills=0 hit=0 survived=0 shown_new=0
for new in new1 new2 new3; do
	for how in '' '--route=buffer --engine=uring' '--route=buffer --engine=sync' --durability=full; do
		case $how in *uring) denied io_uring_setup && continue ;; esac
		cp old dst
		begun=$(date +%s%N)
		# shellcheck disable=SC2086
		expect 0 zcopy $how $new dst
		span=$((($(date +%s%N) - begun) / 1000))
		tries=$((kills / 12 + 1))
		least=$((tries - 3)) # on a slow machine, too
		while [ $tries -gt 0 ] && { [ $tries -gt $least ] || [ "$(date +%s)" -lt $deadline ]; }; do
			tries=$((tries - 1)) done_kills=$((done_kills + 1))
			cp old dst
			below 32768
			when=$((span * drawn / 27000))
			# shellcheck disable=SC2086
			"$HELPERS/after" $when 9 -- $ZCOPY $how $new dst 2>err
			if cmp -s dst $new; then
				shown_new=$((shown_new + 1))
			else
				cmp -s dst old || fail "$how $new after $when us: neither old nor new"
			fi
			case $(tail -1 err) in
			'after: signal 9') hit=$((hit + 1)) ;;
			'after: exit 0')
				survived=$((survived + 1)) span=$((span * 9 / 10)) # it is quicker now than when it was measured
				cmp -s dst $new || fail "$how $new: exit 0 without the new file"
				;;
			*) fail "$how $new: $(tail -1 err)" ;;
			esac
		done
		# shellcheck disable=SC2086
		expect 0 zcopy $how $new dst
		same dst $new
		no_temps
	done
done
echo "$done_kills instants: $hit killed, $survived had ended, $shown_new showed the new file"
[ $hit -gt $((done_kills / 3)) ] || fail 'most had ended before they were killed'

begin 'a new name killed: no file of that name, or all of it'
data 30000000 1 a
tries=20
while [ $tries -gt 0 ]; do
	tries=$((tries - 1))
	below 20000
	# shellcheck disable=SC2086
	"$HELPERS/after" $drawn 9 -- $ZCOPY a new 2>err
	if [ -e new ]; then
		same a new
		rm new
	fi
done
expect 0 zcopy a new
same a new

done_testing
