#!/bin/sh
# shellcheck disable=SC2086 # ZCOPY may be several words
# Trees at the edge of what a process may have: descriptors, threads, memory, path lengths, numbers of names.
#   ZC_LONG=1  a million names, and how memory grows from 200 000 to 400 000
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
helper manyfiles || skip_all 'no helper'
have "$PYTHON" || skip_all 'no python'
faithful() {
	expect 0 "$PYTHON" "$here/tree-oracle.py" "$1" "$2"
	[ ! -s "$T/out" ] || fail "says: $(head -c 600 "$T/out")"
}
fact() { "$PYTHON" -c 'import json, sys; print(eval(sys.argv[2], {"r": json.load(open(sys.argv[1]))}))' "$1" "$2"; }
count() { find "$@" -printf . | wc -c; }
mounted tmpfs "$T/room" size=4g || mkdir "$T/room"

# A bit of everything, 40 directories deep, on several branches.
plant() {
	"$HELPERS/manyfiles" flat 300 "$1"
	"$HELPERS/manyfiles" pairs 100 "$1/pairs"
	for branch in x y z; do
		"$HELPERS/manyfiles" chain 40 9 "$1/$branch"
		data 300000 3 "$1/$branch/large"
		data 5000 4 "$1/$branch/small"
		ln -s nowhere "$1/$branch/link"
		mkfifo "$1/$branch/fifo"
	done
}

# The sanitizers' own descriptors and memory count, too.
if [ -z "${ZC_SANITIZED:-}" ]; then
	begin 'few descriptors'
	plant src
	for files in 16 ${ZC_LONG:+20 24} 32; do
		for jobs in 1 8; do
			CASE="$files descriptors, -j$jobs"
			expect 0 sh -c "ulimit -n $files; exec $ZCOPY -a -j$jobs src dst"
			faithful src dst
			expect 0 sh -c "ulimit -n $files; exec $ZCOPY -a -j$jobs src/. dst"
			faithful src dst
			expect 0 sh -c "ulimit -n $files; exec $ZCOPY -r -b -j$jobs src/. dst"
			rm -rf dst
		done
	done

	begin 'too few descriptors: refused, never wrong or stuck'
	plant src
	for files in 4 5 6 7 8 9 10 11 12 13 14 15; do
		timeout 60 sh -c "ulimit -n $files; exec $ZCOPY -a -j8 src dst" >"$T/out" 2>"$T/err"
		rc=$?
		judge '0|1|127' "$files descriptors"
		if [ $rc -eq 0 ]; then
			faithful src dst
		else
			[ -s "$T/err" ] || fail "$files descriptors: exit $rc without a word"
			find dst -type f ! -size 0 ! -size 5000c ! -size 300000c >half 2>/dev/null
			[ ! -s half ] || fail "$files descriptors: half a file: $(head -2 half)"
		fi
		rm -rf dst
	done
fi

begin 'directories in one another: 1000, names of 200 bytes'
"$HELPERS/manyfiles" chain 1000 200 src
for jobs in 1 4; do
	expect 0 zcopy -a -j$jobs src dst
	faithful src dst
	expect 0 zcopy -a -j$jobs src/. dst
	rm -rf dst
done

begin 'directories in one another: 20000'
cd "$T/room" || exit 99
"$HELPERS/manyfiles" chain 20000 30 deep
for jobs in ${ZC_LONG:+1} 4; do
	expect 0 timeout 60 $ZCOPY -a -j$jobs --report="$T/r" deep dst
	equal "$(fact "$T/r" 'r["items"]["directories"], r["items"]["files"]')" '(20001, 200)' 'copied'
	equal "$(count dst -type d)" 20001 'directories'
	equal "$(count dst -type f)" 200 'files'
	[ -n "${ZC_SANITIZED:-}" ] || [ "$(fact "$T/r" 'r["peak_rss_bytes"]')" -lt 67108864 ] ||
		fail "resident: $(fact "$T/r" 'r["peak_rss_bytes"]')"
	rm -rf dst
done
rm -rf deep

# resident COUNT ARGS...: what it takes at most, in bytes, for that many names; $T/room/dst is kept
resident() {
	names=$1
	shift
	rm -rf dst
	expect 0 zcopy "$@" --report="$T/r" src dst >/dev/null
	[ "$(count dst -type f)" -eq "$names" ] || fail "$(count dst -type f) files, not $names" >&2
	fact "$T/r" 'r["peak_rss_bytes"]'
}

# as_much COUNT MORE: no more memory for MORE names than for COUNT, and below 64 MiB
as_much() {
	cd "$T/room" || exit 99
	for args in '-r -j1' '-a -j4'; do
		rm -rf src
		"$HELPERS/manyfiles" flat "$1" src
		few=$(resident "$1" $args)
		"$HELPERS/manyfiles" flat "$2" src/more
		many=$(resident $(($1 + $2)) $args)
		echo "$args: $few bytes resident for $1 names, $many for $(($1 + $2))"
		[ -n "${ZC_SANITIZED:-}" ] && continue
		[ "$many" -le 67108864 ] || fail "$args: $many bytes resident"
		[ "$many" -le $((few + 1048576)) ] || fail "$args: memory grows with the names: $few, $many"
	done
	rm -rf src dst
}

begin 'many names in one directory'
as_much 10000 40000
if [ -n "${ZC_LONG:-}" ]; then
	as_much 200000 400000
	as_much 200000 1000000
fi

# lean REPORT: besides the pool no more than 64 MiB, and every buffer given back
lean() {
	beside=$(fact "$1" 'r["peak_rss_bytes"] - r.get("pool", {}).get("bytes", 0)')
	echo "$CASE: $beside bytes beside the pool"
	[ -n "${ZC_SANITIZED:-}" ] || [ "$beside" -le 67108864 ] || fail "$beside bytes beside the pool"
	equal "$(fact "$1" 'r.get("pool", {}).get("leaked_buffers", 0)')" 0 'buffers lost'
}

begin 'a hundred thousand names in ten directories'
cd "$T/room" || exit 99
mkdir src
for i in 0 1 2 3 4 5 6 7 8 9; do "$HELPERS/manyfiles" flat 10000 src/$i; done
expect 0 zcopy -a -j4 --report="$T/r" src dst
equal "$(count dst -type f)" 100000 'files'
lean "$T/r"
rm -rf src dst

begin 'a file of 1 TiB with 2000 pieces of data'
cd "$T/room" || exit 99
"$PYTHON" -c 'import os
fd = os.open("holes", os.O_RDWR | os.O_CREAT)
os.truncate(fd, 1 << 40)
for i in range(2000): os.pwrite(fd, b"%4096d" % i, i * ((1 << 40) // 2000 & ~4095))'
for how in '' '--route=buffer --engine=sync' '--route=buffer --engine=uring' '--inplace'; do
	case $how in *uring) denied io_uring_setup && continue ;; esac
	rm -f copy
	expect 0 timeout 60 $ZCOPY $how --report="$T/r" holes copy
	equal "$(stat -c '%s %b' copy)" "$(stat -c '%s %b' holes)" 'size and blocks'
	lean "$T/r"
done
equal "$("$PYTHON" -c 'import os
fd = os.open("copy", os.O_RDONLY)
print(all(os.pread(fd, 4096, i * ((1 << 40) // 2000 & ~4095)) == b"%4096d" % i for i in range(2000)))')" True 'the pieces'
rm -f holes copy

begin 'many files with two names'
cd "$T/room" || exit 99
pairs=50000
[ -z "${ZC_LONG:-}" ] || pairs=100000
[ -z "${ZC_SANITIZED:-}" ] || pairs=10000
"$HELPERS/manyfiles" pairs $pairs src
for jobs in ${ZC_LONG:+1} 4; do
	rm -rf dst
	expect 0 zcopy -a -j$jobs --report="$T/r" src dst
	equal "$(fact "$T/r" 'r["items"]["files"], r["items"]["hardlinks"]')" "($pairs, $pairs)" 'copied'
	equal "$(count dst -type f -links 2)" $((2 * pairs)) 'names of files with two'
	equal "$(inode_of dst/7f)" "$(inode_of dst/twins/7f)" 'inode of the twin'
	peak=$(fact "$T/r" 'r["peak_rss_bytes"]')
	echo "-j$jobs: $peak bytes resident for $pairs files with two names"
	[ -n "${ZC_SANITIZED:-}" ] || [ "$peak" -lt $((8388608 + 100 * pairs)) ] || fail "$peak bytes resident"
done
rm -rf src dst

begin 'no thread can be started'
if can_be_nobody && have prlimit; then
	# an identity that nobody else has: its processes are counted
	mkdir src dst && "$HELPERS/manyfiles" flat 2000 src/d && chown 47110 dst
	# the leak checker wants a thread of its own
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	export ASAN_OPTIONS
	expect 0 prlimit --nproc=1 setpriv --reuid=47110 --regid=47110 --clear-groups $ZCOPY -r -j8 --report=- src/d dst/d
	cp "$T/out" report
	equal "$(count dst/d -type f)" 2000 'files'
	[ -n "${ZC_SANITIZED:-}" ] ||
		equal "$(fact report '[f["op"] for f in r.get("fallbacks", []) if f["from"] == "thread"]')" "['pthread_create']" 'fallback'
else
	skip 'not root, or no setpriv'
fi

if [ -z "${ZC_SANITIZED:-}" ]; then
	begin 'no memory: less is copied and said, nothing wrong'
	plant src
	room=3000 good=0 bad=0
	# less than that, and it cannot be loaded
	until sh -c "ulimit -v $room; exec $ZCOPY --version" >/dev/null 2>&1 || [ $room -gt 40000 ]; do
		room=$((room + 250))
	done
	while [ $room -lt 40000 ]; do
		timeout 60 sh -c "ulimit -v $room; exec $ZCOPY -a -j4 src dst" >"$T/out" 2>"$T/err"
		rc=$?
		judge '0|1|127' "$room KiB of memory"
		case $rc in
		0)
			good=$((good + 1))
			faithful src dst
			;;
		1)
			bad=$((bad + 1))
			[ -s "$T/err" ] || fail "$room KiB: exit 1 without a word"
			;;
		esac
		rm -rf dst
		room=$((room + room / 8))
	done
	echo "$good times all was copied, $bad times not"
	[ $good -gt 0 ] || fail 'never enough memory'
fi

begin 'btrfs: a new tree of clones by one thread, all else by several'
threads() { # COMMAND... : how many are started
	strace -f -e trace=clone3,clone -o calls "$@" 2>/dev/null || fail "exit $?: $*"
	grep -c 'clone3*(.*CLONE_THREAD' calls
}
if [ -n "${ZC_SANITIZED:-}${ZC_LAUNCHED:-}" ]; then
	skip 'a launcher makes its own calls'
elif ! have strace; then
	skip 'no strace'
elif [ "$(nproc)" -lt 2 ]; then
	skip 'one CPU'
elif image btrfs "$PWD/m" 320; then
	"$HELPERS/manyfiles" flat 3000 m/src && cp -r m/src src && sync -f m
	equal "$(threads $ZCOPY -a m/src m/new)" 0 'threads'
	faithful m/src m/new
	mkdir bin && ln -s "$(command -v $ZCOPY)" bin/cp
	equal "$(threads bin/cp -a m/src m/as-cp)" 0 'threads as cp'
	for more in '-a -u m/src/. m/new' '-a --reflink=never m/src m/bytes' '-a -j2 m/src m/two' '-a src m/from'; do
		[ "$(threads $ZCOPY $more)" -gt 0 ] || fail "by one thread: $more"
	done
else
	skip 'cannot mount btrfs'
fi
rm -rf src

begin 'many operands'
mkdir src dst
"$HELPERS/manyfiles" flat 6000 src
cd src || exit 99
expect 0 sh -c "ulimit -n 24; ls | xargs $ZCOPY -a -t ../dst"
equal "$(count ../dst -type f)" 6000 'files'
expect 0 sh -c "ls | xargs $ZCOPY -t ../dst"
done_testing
