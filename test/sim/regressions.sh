#!/bin/sh
# Each scene of test/sim/regressions, which failed once, and that a seed's trace is the same every time.
set -u
top=$(cd -- "$(dirname -- "$0")/../.." && pwd -P)
sim=${ZC_SIM:-$top/build/dev/test/sim/zcopy-sim}
bad=0
lines=0
while IFS= read -r line; do
	case $line in '#'* | '') continue ;; esac
	lines=$((lines + 1))
	eval "set -- $line"
	"$sim" "$@" || bad=1
done <"$top/test/sim/regressions"
for seed in 1 6 7 19 1986 2346; do
	first=$("$sim" --seed $seed --hash)
	second=$("$sim" --seed $seed --hash)
	if [ "$first" != "$second" ]; then
		echo "seed $seed is not the same twice: $first, $second"
		bad=1
	fi
done
echo "$lines scenes"
exit $bad
