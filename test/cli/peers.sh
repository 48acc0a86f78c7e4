#!/bin/sh
# bench/peers works: it measures, judges what was copied, and its results name nobody. Speed is not tested here.
. "${0%/*}/lib.sh"
peers=$(cd "${0%/*}/../.." && pwd -P)/bench/peers
have "$PYTHON" || skip_all 'needs python3'
# one program, by its path: the bench calls it by other names, too
case $ZCOPY in *' '*) skip_all 'a launcher is no program of its own' ;; esac
TMPDIR=$T
export TMPDIR

# bench ROWS [OPTION]...: the rows with tiny sizes
bench() {
	only=$1
	shift
	"$PYTHON" "$peers" --quick --out=out --row="$only" "$@"
}
# program LINE...: a program that is used in place of zcopy
program() {
	printf '%s\n' '#!/bin/sh' "$@" >program
	chmod 755 program
	ZCOPY=$PWD/program
}
zcopy_here=$ZCOPY

begin 'a table and its figures'
rows='memory-cold mid-cold small sparse verified warm-tmpfs'
expect 0 bench "$(echo "$rows" | tr ' ' ,)"
says '^## .* cells below their bound' "$T/out"
# shellcheck disable=SC2086 # the rows are words
expect 0 "$PYTHON" - out/*.json "$(is_root && echo root)" $rows <<'END'
import json, sys
path, root, *rows = sys.argv[1:]
results = json.load(open(path))
assert results["schema"] == "zcopy.peers/1" and sorted(results["rows"]) == rows, sorted(results["rows"])
for name, row in results["rows"].items():
    for cell in row["cells"]:
        if cell["ours"] + cell["peer"] in ("zcopycp", "zcopyallowed") and "ratio" not in cell:
            assert row["where"] != "the disk" and "mount" in cell["why"] + root[:0], cell
            print("no figure:", name, cell["why"])
    if row["where"] == "the disk":
        assert len(row["arms"]["zcopy"].get("wall", "1")) == 1, row["arms"]
low, high = results["rows"]["verified"]["facts"]["resident"]
assert 0 <= low <= high <= 0.01, (low, high)
END
if grep -l -e "$T" -e "$(uname -n)" out/*; then fail 'the results name this machine'; fi
expect 0 bench small
equal "$(grep -c '^| small: ' out/*.md)" 1 'lines of a row that was run again'
equal "$(grep -c '^| memory-cold, memory: ' out/*.md)" 1 'lines of a row that was not'
equal "$(find "$T" -name 'zc-bench.*')" '' 'left behind'

begin 'a wrong copy is noticed'
program 'for to; do :; done' 'cp src "$to" && printf x | dd of="$to" bs=1 seek=1000 conv=notrunc status=none'
expect 1 bench small
says 'WRONG COPY: small: zcopy: .*differ'

begin 'a bound that does not hold'
program 'sleep 0.5' 'cp src "$2"'
expect 1 bench small --assert
says '^| small: zcopy : cp | .* | 0.91 |' "$T/out"

begin 'wrong words'
ZCOPY=$zcopy_here
expect 2 bench nonsense
says 'no row is called nonsense'
done_testing
