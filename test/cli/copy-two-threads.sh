#!/bin/sh
# A cached file of 32 MiB or more, to ext4: two threads and room allocated first, or the plain way where
# either cannot be had. The same bytes, holes, errors and leavings in any case.
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python3'
helper mkfile || skip_all 'no helper'
! denied cachestat || skip_all 'nobody says what is cached'
[ "$(nproc)" -ge 2 ] || skip_all 'one CPU'
begin 'an ext4'
image ext4 "$PWD/m" 400 || skip_all 'root, loop devices and mkfs.ext4 are needed'
m=$PWD/m
rmdir m/lost+found
size=67108871
there() { begin "$@" && cd "$m" && rm -f ./*; }

# lanes N WORD...: what the report says of the copy by WORD...
lanes() {
	want=$1
	shift
	rm -f new
	cat src >/dev/null
	expect 0 "$@" --report="$T/r" src new
	same src new
	"$PYTHON" -c '
import json, sys
r = json.load(open(sys.argv[1]))
got = r.get("engine", {}).get("lanes", 1)
sum = sum(route["bytes"] for route in r["routes"].values())
if got != int(sys.argv[2]) or sum != r["bytes"]["data"] or r["bytes"]["data"] + r["bytes"]["holes"] != '"$(stat -c %s src)"':
    sys.exit(f"{got} lanes: {r}")' "$T/r" "$want" >"$T/said" 2>&1 || fail "$*: $(cat "$T/said")"
}

there 'cached: two threads'
"$HELPERS/mkfile" dense $size 1 src
lanes 2 zcopy
# what was allocated beyond the end is given back
blocks=$(($(blocks_of src) + 256))
[ "$(blocks_of new)" -le $blocks ] || fail "$(blocks_of new) blocks, more than $blocks"
lanes 2 zcopy --sparse=never
lanes 2 zcopy --durability=full
lanes 2 zcopy --block-size=64K
expect 0 zcopy --explain src new
says 'lanes: 2'
says 'room: allocated first'
same src new

there 'asked for, or less than two CPUs: one'
"$HELPERS/mkfile" dense $size 1 src
for how in --jobs=1 --route=cfr --route=buffer --engine=sync --cache=keep; do
	n=1
	[ $how != --cache=keep ] || n=2
	lanes $n zcopy $how
done
# shellcheck disable=SC2086
if have taskset; then lanes 1 taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" $ZCOPY; fi

there 'from an inherited position, into one and to a pipe'
"$HELPERS/mkfile" dense $size 1 src
tail -c +1001 src >want
{
	dd bs=1000 count=1 status=none >/dev/null
	# shellcheck disable=SC2094
	expect 0 zcopy - new
} <src
same want new
expect 0 zcopy src - >/dev/null
zcopy src - | cmp - src || fail 'to a pipe'

there 'holes: only long pieces of data are for two'
"$HELPERS/mkfile" dense 40000000 1 src
truncate -s 42M src
"$HELPERS/mkfile" dense 40000000 2 more
cat more >>src
rm more
lanes 2 zcopy
had=$(blocks_of src)
[ "$(blocks_of new)" -le $((had + had / 8 + 128)) ] || fail "$(blocks_of new) blocks of $had"
for layout in leading trailing alt64k; do
	"$HELPERS/mkfile" $layout $size 3 src
	rm -f new
	expect 0 zcopy src new
	same src new
	had=$(blocks_of src)
	[ "$(blocks_of new)" -le $((had + had / 8 + 128)) ] || fail "$layout: $(blocks_of new) blocks of $had"
done

there 'a full disk: found out at once, the old file stays'
"$HELPERS/mkfile" dense 220000000 1 src
data 1000 2 old && cp old "$T/keep"
for name in old new; do
	expect 5 zcopy src $name
	says 'No space left on device'
done
same old "$T/keep"
gone new
equal "$(find . -type f | wc -l)" 2 'files left'
(
	ulimit -f 1000 # in blocks of 512 bytes or KiB
	zcopy src new 2>"$T/err"
)
rc=$?
judge 5 'ulimit -f; zcopy src new'
gone new

there 'stopped in the middle: nothing stays'
"$HELPERS/mkfile" dense 180000000 1 src
if helper after; then
	for when in 3000 8000 15000 25000 40000; do
		# shellcheck disable=SC2086
		timeout 60 "$HELPERS/after" $when 2 -- $ZCOPY src new >/dev/null 2>"$T/err"
		if grep -q 'signal 2' "$T/err"; then gone new; else same src new; fi
		no_temps
		rm -f new
	done
fi

case $ZCOPY in
*' '*) done_testing ;; # a launcher makes its own calls
esac
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS
# traced INJECTION ARG...: zcopy ARG... under strace
traced() {
	inject=$1
	shift
	strace -qq -f -o "$T/trace" -e trace=pread64,pwrite64,clone3,clone,fallocate,copy_file_range \
		-e inject="$inject" "$ZCOPY" "$@"
}

there 'no thread to be had, or no room beforehand: the plain way'
"$HELPERS/mkfile" dense $size 1 src
if have strace && traced clone3,clone:error=EAGAIN src new 2>/dev/null; then
	lanes 1 traced clone3,clone:error=EAGAIN
	expect 0 traced clone3,clone:error=EAGAIN --explain src new
	says 'pthread_create answered EAGAIN'
	grep -q copy_file_range "$T/trace" || fail 'not by copy_file_range'
	lanes 2 traced fallocate:error=EOPNOTSUPP
	rm -f new
	expect 5 traced fallocate:error=ENOSPC src new
	gone new
else
	skip 'no strace'
fi

there 'to be durable: the first part is on its way to the disk while the last is copied'
"$HELPERS/mkfile" dense 100000000 1 src
if have strace; then
	for how in --durability=data '--durability=data --jobs=1' --durability=none; do
		rm -f new
		# shellcheck disable=SC2086
		strace -qq -f -o "$T/trace" -e trace=pwrite64,copy_file_range,sync_file_range "$ZCOPY" $how src new || fail "$how: exit $?"
		same src new
		first=$(grep -n 'sync_file_range' "$T/trace" | head -n 1 | cut -d: -f1)
		last=$(grep -nE 'pwrite64|copy_file_range.* = [1-9]' "$T/trace" | tail -n 1 | cut -d: -f1)
		case $how in
		*none) equal "$first" '' 'a sync that nobody asked for' ;;
		*) [ "${first:-999999}" -lt "$last" ] || fail "$how: nothing is written out before the end" ;;
		esac
	done
else
	skip 'no strace'
fi
rm -f src new

# fewer WANT ARG...: copies SRC DST (the last two) where there are no threads: was one wanted?
fewer() {
	want=$1
	shift
	for at; do from=$to to=$at; done
	rm -rf "$to"
	expect 0 traced clone3,clone:error=EAGAIN -r --report="$T/r" "$@"
	equal "$(grep -c 'pthread_create' "$T/r")" "$want" "another thread for $*"
	expect 0 diff -r "$from" "$to"
	rm -rf "$to"
	expect 0 zcopy -r "$@"
	expect 0 diff -r "$from" "$to"
	rm -rf "$to"
}

there 'long files of a tree: another thread takes the next, or a part where there is none'
to=''
if have strace && mounted tmpfs "$T/fs" size=240m; then # from where nothing leaves the cache
	mkdir "$T/fs/t" "$T/fs/few"
	for name in t/a t/b few/a; do "$HELPERS/mkfile" dense 33554433 4 "$T/fs/$name"; done
	fewer 0 "$T/fs/few" "$T/fs/new" # to tmpfs a file is never for two
	fewer 1 "$T/fs/few" new
	fewer 1 "$T/fs/t" "$T/fs/new"
	fewer 0 --jobs=1 "$T/fs/t" "$T/fs/new"
	fewer 0 --jobs=1 "$T/fs/few" new
	mkdir "$T/fs/t/sub" && mv "$T/fs/t/b" "$T/fs/t/sub/b"
	fewer 1 "$T/fs/t" new
else
	skip 'no strace'
fi

there 'an error in the middle is an error, whichever thread meets it'
"$HELPERS/mkfile" dense $size 1 src
if have strace && traced pread64:error=EIO:when=60 src new 2>"$T/err"; then
	fail 'EIO, and all is well'
elif have strace; then
	expect 1 traced pread64:error=EIO:when=60+ src new
	says 'cannot read at byte [0-9]*: Input/output error'
	gone new
	expect 5 traced pwrite64:error=ENOSPC:when=40 src new
	says 'cannot write at byte [0-9]*: No space left'
	equal "$(wc -l <"$T/err")" 1 'messages'
	gone new
else
	skip 'no strace'
fi

# changed_meanwhile: $change is done when one of the threads has stopped, and the copy goes on
changed_meanwhile() {
	pid=$!
	await eval "grep -q 'stopped by SIGSTOP' '$T/trace' || ! kill -0 $pid 2>/dev/null"
	copy=$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' "$T/trace" | head -1)
	[ -n "$copy" ] || fail 'it was not stopped'
	sh -c "$change"
	# the other thread stops, too
	while kill -0 $pid 2>/dev/null; do kill -CONT "${copy:-0}" 2>/dev/null || break; sleep 0.02; done
	wait $pid
	rc=$?
	export rc # judge's
}

there 'the source changes meanwhile: once more, or status 3'
"$HELPERS/mkfile" dense $size 1 src
if have strace; then
	for change in 'truncate -s 5242885 src' 'truncate -s 0 src' 'printf more >>src'; do
		"$HELPERS/mkfile" dense $size 1 src
		rm -f new
		: >"$T/trace"
		traced pread64:signal=STOP:when=30 src new >/dev/null 2>"$T/err" &
		changed_meanwhile
		# ext4 sets the time of a file that is cut twice, before and after its pages go: that may be two changes
		judge '0|3' "$change"
		same src new
		"$HELPERS/mkfile" dense $size 1 src
		rm -f new
		: >"$T/trace"
		traced pread64:signal=STOP:when=30 --on-change=warn src new 2>"$T/err" &
		changed_meanwhile
		judge 3 "$change"
		[ "$(stat -c %s new)" -le $((size + 4)) ] || fail "$(stat -c %s new) bytes"
	done
else
	skip 'no strace'
fi

done_testing
