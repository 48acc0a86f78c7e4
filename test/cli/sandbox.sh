#!/bin/sh
# --sandbox: what is not to be touched cannot be, even by a zcopy that is somebody else's by then; and what
# works without works with it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
# at its exit the leak checker makes a process that looks into ours
[ -z "${ZC_SANITIZED:-}" ] || export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
: >"$T/a"
zcopy --sandbox=require "$T/a" "$T/b" 2>"$T/err" || {
	grep -q 'sandbox=require: cannot be had' "$T/err" && skip_all "no Landlock here"
	cat "$T/err"
	exit 1
}

# attempt OPTION: copies with escape.so in it; "NAME yes|ERRNO" lines are in tried
attempt() {
	rm -rf out src dst
	mkdir -p out/empty out/mounted src dst
	echo secret | tee out/secret out/victim >out/other
	data 300000 1 src/a
	ESCAPE=$PWD/out ESCAPE_SRC=$PWD/src/a ESCAPE_DST=$PWD/dst/stolen LD_PRELOAD=$HELPERS/escape.so \
		$ZCOPY "$1" --route=cfr src/a dst/b 2>err
	sed -n 's/^escape //p' err >tried
}
begin 'a zcopy that was taken over'
if ! helper escape.so || denied copy_file_range; then
	skip 'nothing can be preloaded here'
else
	attempt --sandbox=off
	[ "$(grep -c ' yes$' tried)" -ge 20 ] || fail "hardly anything was possible before: $(tr '\n' ' ' <tried)"
	total=$(wc -l <tried)
	attempt --sandbox=require
	equal "$(wc -l <tried)" "$total" 'attempts'
	equal "$(grep ' yes$' tried)" '' 'could be done'
	same src/a dst/b
	equal "$(cat out/secret out/victim out/other)" "$(printf 'secret\nsecret\nsecret')" 'what is outside'
	equal "$(ls out)" "$(printf '%s\n' empty mounted other secret victim)" 'names outside'
	equal "$(ls src)" a 'names beside the source'
fi

begin 'a signal ends it as ever: its own it may send'
"$PYTHON" - <<EOF || fail 'not by the signal'
import subprocess, sys, time
run = subprocess.Popen("$ZCOPY --sandbox=require zero:100T null:".split())
time.sleep(0.3)
run.terminate()
sys.exit(run.wait() != -15)
EOF

begin 'said in the report and by --explain'
data 1000 2 a
expect 0 zcopy --sandbox=require --explain --report=r a b
says '^zcopy: explain: sandbox: Landlock [0-9]* and seccomp'
"$PYTHON" "$here/report-check.py" r 'r["sandbox"]["landlock"] >= 2' 'r["sandbox"]["seccomp"]' || fail 'the report'
expect 0 zcopy --sandbox --report=r --sandbox=off a c
"$PYTHON" "$here/report-check.py" r '"sandbox" not in r' || fail 'the report without'
expect 2 zcopy --sandbox=some a d
usage_error

begin 'no ring: what is asked of one passes by the filter'
data 70000000 3 large
if zcopy --direct=always large copy 2>/dev/null; then
	expect 0 zcopy --sandbox=require --direct=always --report=r large copy
	same large copy
	"$PYTHON" "$here/report-check.py" r 'r["engine"]["name"] == "sync"' || fail 'a ring was made'
else
	skip 'no O_DIRECT here'
fi
expect 2 zcopy --sandbox --engine=uring large copy
says 'no io_uring'
rm -f large copy

begin 'a kernel without: none, or nothing'
data 1000 3 a
if ! helper deny || [ -n "${ZC_LAUNCHED:-}" ]; then
	skip 'calls cannot be denied here'
else
	for call in landlock_create_ruleset seccomp; do
		# shellcheck disable=SC2086 # words
		expect 2 "$HELPERS/deny" ENOSYS "$call" -- $ZCOPY --sandbox=require a b
		says '^zcopy: --sandbox=require: cannot be had: Function not implemented'
		gone b
		# shellcheck disable=SC2086
		expect 0 "$HELPERS/deny" ENOSYS "$call" -- $ZCOPY --sandbox --report=r a c
		same a c
		"$PYTHON" "$here/report-check.py" r 'r["fallbacks"][0]["from"] == "sandbox"' \
			"('sandbox' in r) == ('$call' == 'seccomp') and not r.get('sandbox', {}).get('seccomp')" || fail "the report: $call"
		silent
		rm c
	done
fi

begin 'where names and links lead'
mkdir -p far/deep near d t/sub
data 1000 4 far/src
echo old >far/old
ln -s ../far/old near/link
expect 0 zcopy --sandbox=require far/src near/link
same far/src far/old
ln -s ../far/old d/src
expect 0 zcopy --sandbox=require -b far/src near/link
[ -L near/link~ ] || fail 'no backup of the link'
echo old >far/old
expect 0 zcopy --sandbox=require -t d far/src near/link
same far/src far/old
[ -L d/src ] || fail 'the link in the directory is gone'
ln far/src far/deep/again
ln -s ../../far/src t/sub/out
expect 0 zcopy --sandbox=require -a far d
equal "$(inode_of d/far/src)" "$(inode_of d/far/deep/again)" 'hard links of the copy'
expect 0 zcopy --sandbox=require --parents far/deep/again d
expect 0 zcopy --sandbox=require -l far/src near/hard
equal "$(inode_of near/hard)" "$(inode_of far/src)" 'a hard link'
expect 0 zcopy --sandbox=require -rl far d/hard
equal "$(inode_of d/hard/deep/again)" "$(inode_of far/src)" 'a hard link in a tree'
expect 0 zcopy --sandbox=require -s "$PWD/far/src" near/soft
expect 0 zcopy --sandbox=require -rL t d
same far/src d/t/sub/out
expect 0 zcopy --sandbox=require -rT t/ new/
expect 0 zcopy --sandbox=require -rT t d/t
echo deep/again | expect 0 zcopy --sandbox=require --files-from=- far made
same far/src made/deep/again
echo src >list
expect 0 zcopy --sandbox=require --files-from=list far made
expect 0 zcopy --sandbox=require --verify --hash=sha256 --manifest=near/sums far/src made
says '^[0-9a-f]*  src$' near/sums
XDG_STATE_HOME=$PWD/state expect 0 zcopy --sandbox=require --resume far/src made/resumed
same far/src made/resumed

begin 'what only a link within the trees leads to is out of reach'
mkdir -p s/sub d/s far
echo f >s/sub/f
ln -s ../../far d/s/sub
expect 1 zcopy --sandbox=require -r --keep-directory-symlink s d
says 'd/s/sub/f: cannot create: Permission denied'
gone far/f

begin 'devices, and a file that is written in place'
data 1000 5 a
echo old >b
expect 0 zcopy --sandbox=require a /dev/null
echo old >sums
expect 0 zcopy --sandbox=require --inplace --manifest=sums a b
same a b
says '  b$' sums
expect 0 zcopy --sandbox=require - b <a
zcopy --sandbox=require a - | cmp - a || fail 'into a pipe'
done_testing
