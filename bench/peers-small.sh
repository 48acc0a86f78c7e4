#!/bin/sh
# peers-small.sh [--assert] [CASE...]: zcopy beside cp, in turns, medians of pairs. Cases: small warm cold.
#   small  100 copies of 4 KiB to new names               zcopy may take 1.1 x the time of cp
#   warm   1 GiB in the page cache, on tmpfs and on disk   zcopy is at least as fast
#   cold   2 GiB not cached, durable at the end            zcopy is at least 1.5 x as fast as cp and sync
# Prints a table; --assert exits 1 where a bound does not hold. ZCOPY is the command (default: zcopy),
# BENCH_DIR a directory on the disk to be measured (default: TMPDIR or /tmp), ROUNDS the pairs (default: 9).
# Nothing else should run meanwhile. Needs bash's, coreutils' and awk's; root to empty the page cache.
set -u
zcopy=${ZCOPY:-zcopy}
rounds=${ROUNDS:-9}
small_bytes=4096 warm_bytes=${WARM_BYTES:-1073741824} cold_bytes=${COLD_BYTES:-2147483648}
assert=no
cases=''
for word; do
	case $word in
	--assert) assert=yes ;;
	small | warm | cold) cases="$cases $word" ;;
	*)
		echo "usage: peers-small.sh [--assert] [small] [warm] [cold]" >&2
		exit 2
		;;
	esac
done
: "${cases:= small warm cold}"
disk=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/zc-bench.XXXXXX") || exit 1
memory=''
[ ! -w /dev/shm ] || memory=$(mktemp -d /dev/shm/zc-bench.XXXXXX)
trap 'rm -rf "$disk" ${memory:+"$memory"}' EXIT
trap 'exit 130' INT TERM
missed=0

# timed FILE COMMAND...: appends "wall cpu" in seconds of COMMAND and its children to FILE.
timed() {
	into=$1
	shift
	/usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null' timed "$@" 2>"$disk/time" || {
		cat "$disk/time" >&2
		exit 1
	}
	tail -1 "$disk/time" | awk '{ print $1, $2 + $3 }' >>"$into"
}

# pair NAME BOUND GIB PREPARE PEER OURS: the two in turns, each first every other time; a line of the table.
pair() {
	name=$1 bound=$2 gib=$3 prepare=$4 peer=$5 ours=$6
	rm -f "$disk/peer" "$disk/ours"
	round=0
	while [ "$round" -le "$rounds" ]; do
		# the first pair warms up and is thrown away
		if [ "$round" -eq 1 ]; then rm -f "$disk/peer" "$disk/ours"; fi
		order='peer ours'
		[ $((round % 2)) -eq 0 ] || order='ours peer'
		for who in $order; do
			$prepare
			what=$peer
			[ "$who" = peer ] || what=$ours
			timed "$disk/$who" sh -c "$what"
		done
		round=$((round + 1))
	done
	paste "$disk/peer" "$disk/ours" | awk -v name="$name" -v bound="$bound" -v gib="$gib" '
		function quantile(v, n, q,    at, low) { at = 1 + (n - 1) * q; low = int(at)
			return v[low] + (at - low) * (v[low < n ? low + 1 : n] - v[low]) }
		function sort(v, n,    i, j, t) { for (i = 2; i <= n; i++) { t = v[i]
			for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]
			v[j + 1] = t } }
		function spread(v, n) { return sprintf("%.3f [%.3f %.3f]", quantile(v, n, .5),
			quantile(v, n, .25), quantile(v, n, .75)) }
		{ n++; p[n] = $1; o[n] = $3; pc[n] = $2; oc[n] = $4; r[n] = $3 > 0 ? $1 / $3 : 0 }
		END { sort(p, n); sort(o, n); sort(pc, n); sort(oc, n); sort(r, n)
			ratio = quantile(r, n, .5)
			printf "%-13s cp %s s  zcopy %s s  %s x as fast", name, spread(p, n), spread(o, n), spread(r, n)
			printf "  wanted %.2f", bound
			if (gib > 0) {
				printf "  CPU s/GiB: cp %.2f", quantile(pc, n, .5) / gib
				printf " zcopy %.2f", quantile(oc, n, .5) / gib
			}
			print ""
			exit ratio < bound }' || missed=$((missed + 1))
}

clear_new() { rm -f new*; }
# What is being written back would be paid for by who comes next.
settle() {
	clear_new
	sync
}
empty_cache() {
	settle
	echo 3 >/proc/sys/vm/drop_caches
}
gib_of() { awk -v b="$1" 'BEGIN { print b / 1073741824 }'; }

echo "$($zcopy --version | head -1); $(cp --version | head -1); $(uname -r)"
echo "$rounds pairs, median [quartiles]"
for name in $cases; do
	case $name in
	small)
		cd "$disk" || exit 1
		head -c $small_bytes /dev/urandom >src
		loop="i=0; while [ \$i -lt 100 ]; do %s src new\$i || exit 1; i=\$((i + 1)); done"
		# shellcheck disable=SC2059 # the loop is the format
		pair '100 x 4 KiB' 0.909 0 clear_new "$(printf "$loop" cp)" "$(printf "$loop" "$zcopy")"
		;;
	warm)
		for where in "$memory" "$disk"; do
			[ -n "$where" ] || continue
			cd "$where" || exit 1
			head -c "$warm_bytes" /dev/urandom >src
			cat src >/dev/null
			label='warm, disk'
			[ "$where" = "$disk" ] || label='warm, tmpfs'
			pair "$label" 1.0 "$(gib_of "$warm_bytes")" settle 'cp src new' "$zcopy src new"
			clear_new
			rm src
		done
		;;
	cold)
		if [ ! -w /proc/sys/vm/drop_caches ]; then
			echo 'cold: left out, only root can empty the page cache'
			continue
		fi
		cd "$disk" || exit 1
		head -c "$cold_bytes" /dev/urandom >src
		pair 'cold, durable' 1.5 "$(gib_of "$cold_bytes")" empty_cache 'cp src new && sync' \
			"$zcopy --durability=full src new"
		;;
	esac
done
[ $assert = no ] || [ $missed -eq 0 ]
