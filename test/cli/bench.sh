#!/bin/sh
# zcopy bench: what it says adds up, it takes the cache as it says, and leaves nothing, however it ends. How fast
# anything is does not matter here.
. "${0%/*}/lib.sh"
check=$(cd "${0%/*}" && pwd)/bench-check.py

# a bench of small files: fits FILE EXPRESSION...: its report is one, and these hold of it
fits() { "$PYTHON" "$check" "$@" >"$T/said" 2>&1 || fail "$(cat "$T/said")"; }
tiny() { zcopy bench --size=1M --runs=6 "$@"; }

begin 'copy: the arms, in turns, and the ceiling'
mkdir d e
expect 0 tiny copy d e --via=auto,sync+qd=4+jobs=2 --report=r
says '^copy sync' "$T/out"
says '^ceiling: .* alone is the slower' "$T/out"
says '^durable: copy auto waits ' "$T/out"
says '^random bytes: ' "$T/out"
fits r 'work == "copy"' 'len(arms) == 4' 'len(compare) == 1' 'complete' \
	'all(r["durable_ns"] > 0 for r in runs if r["arm"] != "read alone")'
silent

begin 'read: a directory is an arm; cached'
mkdir d e
expect 0 tiny --warm --runs=5 read d e --report=r
fits r '[s["arm"] for s in summary] == ["read d", "read e"]' 'len(compare) == 1' 'spec["source"] == "cached"' \
	'all(r["resident_before"] == 100 for r in runs)' 'all(s["stages"]["read"]["count"] > 0 for s in summary)'

begin 'write; a name with a colon is no host'
mkdir a:b
expect 0 tiny --runs=5 write a:b --report=r --durability=none --seed=3
fits r 'spec["seed"] == 3' 'spec["durability"] == "none"' '"resident_before" not in runs[0]'

begin 'the source is not cached, where that can be had'
mkdir d
expect 0 zcopy bench --size=8M --runs=5 read d --report=r
case $(stat -f -c %T d) in
ext2/ext3 | xfs | btrfs) fits r 'all(r["resident_before"] <= 1 for r in runs)' ;;
*) skip "files stay in memory here" ;;
esac

begin 'floors'
expect 0 zcopy bench --size=64K --runs=5 nop --report=r
fits r 'work == "nop"' 'arms == ["nop"]'
expect 0 zcopy bench --size=64K --runs=5 nop --via=sync,sync,sync+qd=2 --report=r
fits r 'arms == ["nop sync", "nop sync #2", "nop sync+qd=2"]'
expect 0 zcopy bench --size=8M --runs=5 mem --report=r
fits r 'arms == ["copy", "fill"]'
expect 0 zcopy bench --size=1M --runs=5 hash --hash=crc32c --report=r
fits r 'arms == ["crc32c"]'

begin 'the report on standard output is alone there'
expect 0 zcopy bench --size=4K --runs=5 nop --report=-
cp "$T/out" r
fits r 'complete'
says '^nop: 4096 requests'
expect 0 zcopy bench --size=4K --runs=5 nop -q
equal "$(cat "$T/out" "$T/err")" ''

begin 'what cannot be had'
expect 1 tiny copy nowhere
says '^zcopy: nowhere: cannot open the directory: No such file or directory$'
gone nowhere
: >file
expect 1 tiny copy file
says '^zcopy: file: cannot open the directory: Not a directory$'
expect 5 zcopy bench --size=16T read .
says 'are needed and .* free'
expect 2 tiny copy . --via=warp
says "^zcopy: --via: 'warp' is none of"
for arm in cfr+direct sync+sendfile qd=2+reflink cfr+bs=4K+buffered; do
	expect 2 tiny copy . --via=auto,$arm
	says "^zcopy: --via: '$arm': .* goes without our buffers"
done
expect 2 tiny copy . --route=splice
says '^zcopy: bench: copy: .*neither end is a pipe or socket'
expect 2 tiny
usage_error
expect 2 zcopy bench nop --warm
usage_error

begin 'interrupted: the files are gone, what was measured is said'
mkdir d
# shellcheck disable=SC2086 # the process itself, no shell around it
$ZCOPY bench --size=4M --runs=1000 copy d --report=r >"$T/out" 2>"$T/err" &
pid=$!
await eval "ls -l /proc/$pid/fd | grep -q '$PWD/d/'" # its files have names now and then only
kill -TERM $pid
wait $pid 2>/dev/null
rc=$?
judge 143 'a bench that was told to stop'
gone d/*
fits r 'not complete'

begin 'killed: what is read has no name'
mkdir d
# shellcheck disable=SC2086
$ZCOPY bench --size=4M --runs=1000 read d >"$T/out" 2>"$T/err" &
pid=$!
await eval "ls -l /proc/$pid/fd | grep -q '$PWD/d/'"
kill -KILL $pid
wait $pid 2>/dev/null
gone d/*

begin 'another file system: its own source; full, it is an error'
mkdir d m
if is_root && mount -t tmpfs -o size=3m none m 2>/dev/null; then
	MOUNTS="$MOUNTS $PWD/m"
	expect 5 zcopy bench --size=2M --runs=5 copy m
	expect 0 zcopy bench --size=1M --runs=5 read m d --report=r
	fits r 'all(r["resident_before"] == 100 for r in runs if r["arm"] == "read m" and "resident_before" in r)'
	case $(stat -f -c %T d) in
	ext2/ext3 | xfs | btrfs) fits r 'all(r["resident_before"] <= 1 for r in runs if r["arm"] == "read d")' ;;
	esac
	says 'NOT AS ASKED\|does not say' "$T/out"
	equal "$(ls -A m)" '' 'left behind'
else
	skip 'cannot mount'
fi

done_testing
