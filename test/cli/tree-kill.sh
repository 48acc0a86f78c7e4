#!/bin/sh
# shellcheck disable=SC2086 # options and ZCOPY are words
# A tree's copy that is killed, interrupted, or finds no room: what has a name is whole, and a plain rerun ends well.
#   tree-kill.sh [kill|room]   all of it, or: signals; errors of the file system
#   KILLS=200        instants of each kind
#   KILL_SECONDS=8   at most so long for each kind
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
helper after || skip_all 'no helper'
have "$PYTHON" || skip_all 'no python'
kills=${KILLS:-200} seconds=${KILL_SECONDS:-8}
part=${1:-all}

faithful() {
	expect 0 "$PYTHON" "$here/tree-oracle.py" "$@"
	[ ! -s "$T/out" ] || fail "says: $(head -c 600 "$T/out")"
}

# Small files, two names of one, symlinks, FIFOs, some larger files; not much of it, so that a kill hits all parts.
plant() {
	for dir in a a/b a/b/c d d/e d/e/f; do
		mkdir -p "$1/$dir"
		for i in 1 2 3 4; do
			echo "$2 $dir $i" >"$1/$dir/f$i"
			ln "$1/$dir/f$i" "$1/$dir/twin$i"
			ln -s "f$i" "$1/$dir/link$i"
		done
		data 400000 7 "$1/$dir/large"
		data 100000 8 "$1/$dir/medium"
		mkfifo "$1/$dir/fifo"
	done
	data 6000000 9 "$1/d/e/huge"
	chmod 500 "$1/a/b"
	find "$1" -exec touch -h -d '2001-02-03 04:05:06' {} +
}

# instants SIGNAL HOW...: see killer.py
instants() {
	number=$1
	shift
	"$PYTHON" "$here/../helpers/killer.py" "$number" "$kills" "$seconds" "$here/tree-oracle.py" "$ZCOPY" \
		"$@" >"$T/out" 2>&1
	tail -n 1 "$T/out"
	if [ "$(wc -l <"$T/out")" -ne 1 ]; then fail "$(head -c 1500 "$T/out")"; fi
}

# Fast, where that can be had.
quick() {
	if [ -d "$T/quick" ] || mounted tmpfs "$T/quick" size=1g; then
		mkdir -p "$T/quick/$CASES" && cd "$T/quick/$CASES" || exit 99
	fi
}

if [ "$part" != room ]; then
	begin 'kill -9 at random instants'
	quick
	plant src new && plant old old
	instants 9 '-a -j1:new' '-a -j4:new' '-a -j4 --route=buffer:new' '-a -j1:old' '-a -j4:old' \
		'-a -j4 --remove-destination:old' \
		'-a -j4 --durability=data:new' '-a -j2 --durability=full:old'

	begin 'kill -9 while names without data are replaced'
	quick
	mkdir src
	for i in 1 2 3 4 5 6 7 8 9; do
		for name in a b c d e f g h; do
			ln -s nowhere "src/link-$name$i"
			mkfifo "src/fifo-$name$i"
			[ -e src/file ] || echo 1 >src/file
			ln src/file "src/name-$name$i"
		done
	done
	cp -a src old
	instants 9 '-a -j1:old' '-a -j4:old'

	begin 'SIGINT at random instants'
	quick
	plant src new && plant old old
	instants 2 '-a -j1:new' '-a -j4:new' '-a -j4:old' '-a -j4 --route=buffer:old' '-a -j4 --durability=full:old'

	begin 'SIGTERM at random instants'
	quick
	plant src new && plant old old
	instants 15 '-a -j4:new' '-a -j4:old'

	begin 'the test sees half a file'
	quick
	plant src new && plant old old
	data 60000000 9 src/d/e/huge
	"$PYTHON" "$here/../helpers/killer.py" 9 40 5 "$here/tree-oracle.py" cp -a:new >"$T/out" 2>&1
	says 'is neither old nor new' "$T/out"

	begin 'a FIFO that nobody writes to, read by whichever thread: SIGINT ends it'
	mkdir -p src/d
	for i in 1 2 3 4 5 6 7 8 9 10; do
		mkdir "src/d/$i"
		for j in 1 2 3 4 5 6 7 8 9 10; do echo "$j" >"src/d/$i/$j"; done
		mkfifo "src/d/$i/fifo"
	done
	for jobs in 1 4; do
		"$HELPERS/after" 300000 2 -- timeout --foreground -s KILL 60 $ZCOPY -r --copy-contents -j$jobs src dst 2>err
		equal "$(tail -1 err)" 'after: signal 2' "-j$jobs ended by"
		rm -rf dst
	done
fi
[ "$part" != kill ] || done_testing

# told SRC DST REPORT: each file below SRC is the same in DST, or not there and in the report
told() {
	"$PYTHON" - "$@" <<'PY'
import json, os, sys
src, dst, report, *roots = sys.argv[1:]
report = json.load(open(report))
said = set()
for path in (e.get("path", "") for e in report["errors"]):
    root = max((r for r in [src, dst] + roots if path == r or path.startswith(r + "/")), key=len, default="")
    said.add(path[len(root):].lstrip("/"))
lost = 0
for where, dirs, names in os.walk(src):
    for name in names + dirs:
        rest = os.path.relpath(os.path.join(where, name), src)
        a, b = os.path.join(src, rest), os.path.join(dst, rest)
        above = [rest[:i] for i, c in enumerate(rest) if c == "/"] + [rest]
        if not os.path.lexists(b):
            lost += 1
            if not any(x in said for x in above):
                print(rest, "is missing and nothing was said")
        elif os.path.isfile(a) and not os.path.islink(a) and open(a, "rb").read() != open(b, "rb").read():
            print(rest, "is there and another:", os.path.getsize(b), "bytes of", os.path.getsize(a))
if (report["exit_code"] == 0) != (not said):
    print("exit", report["exit_code"], "with", len(said), "errors")
if not lost and report["exit_code"] == 5:
    print("nothing is missing, and yet no space")
if report["exit_code"] == 0 and lost:
    print("exit 0 with", lost, "missing")
PY
}

# faulty STATUS DST COMMAND...: runs it into the new directory DST, which a fault keeps from being complete. $roots:
# what the two trees are called there
roots=''
faulty() {
	want=$1 into=$2
	shift 2
	timeout 60 "$@" >"$T/out" 2>"$T/err"
	rc=$?
	judge "$want" "$@"
	wrong=$(told src "$into" "$T/r" $roots 2>&1)
	[ -z "$wrong" ] || fail "$*: $(echo "$wrong" | head -4)"
	left=$(find "$into" -name '.zcopy-*' 2>/dev/null)
	[ -z "$left" ] || fail "$*: left behind: $left"
}

begin 'a full tmpfs'
plant src new
if mounted tmpfs "$PWD/m" size=5m; then
	for jobs in 1 4; do
		faulty 5 m/dst $ZCOPY -a -j$jobs --report="$T/r" src m/dst
		says 'No space left on device'
		rm -rf m/dst
	done
	mount -o remount,size=100m,nr_inodes=40 "$PWD/m"
	for jobs in 1 4; do
		faulty 5 m/dst $ZCOPY -a -j$jobs --report="$T/r" src m/dst
		says 'm/dst: no room for [0-9]* more$'
		equal "$(grep -c 'No space left' "$T/err")" 1 'lines of a full disk'
		rm -rf m/dst
	done
	mount -o remount,size=100m,nr_inodes=2000 "$PWD/m"
	expect 0 zcopy -a src m/dst
	faithful src m/dst
else
	skip 'cannot mount'
fi

begin 'a full ext4'
plant src new
if image ext4 "$PWD/m" 6; then
	for jobs in 1 4; do
		faulty 5 m/dst $ZCOPY -a -j$jobs --report="$T/r" src m/dst
		rm -rf m/dst
	done
else
	skip 'no loop devices or no mkfs.ext4'
fi

begin 'quota'
plant src new
if have btrfs && image btrfs "$PWD/m" 128 && btrfs subvolume create m/s >/dev/null 2>&1 &&
	btrfs quota enable m 2>/dev/null && btrfs qgroup limit 5M m/s 2>/dev/null; then
	faulty 5 m/s/dst $ZCOPY -a -j4 --durability=data --report="$T/r" src m/s/dst
	says 'Disk quota exceeded'
else
	skip 'no btrfs with quota'
fi

begin 'errors in the middle'
plant src new
for fault in read:5:50000 write:5:50000 write:28:300000 create:28 release:5 flush:5 rename:5 chmod:5; do # EIO, ENOSPC
	at=$(echo $fault | tr : -)
	fuse "$PWD/back-$at" "$PWD/m-$at" --fail=$fault || { skip 'no FUSE'; break; }
	roots="m-$at src/. m-$at/."
	case $fault in
	read*)
		cp -a src/. "back-$at"
		faulty '1|5' dst $ZCOPY -r -j4 --report="$T/r" "m-$at/." dst
		rm -rf dst
		;;
	chmod* | release*) # the kernel tells nobody of the one, and the other concerns attributes
		expect '0|1' timeout 60 $ZCOPY -a -j4 --report="$T/r" src/. "m-$at"
		;;
	*) faulty '1|5' "back-$at" $ZCOPY -r -j4 --report="$T/r" src/. "m-$at" ;;
	esac
	chmod -R u+rwx "back-$at"
done
roots=''

begin 'each kind of call fails now and then'
plant src new
if [ -n "${ZC_SANITIZED:-}" ]; then
	skip 'a sanitizer makes its own calls'
elif have strace && strace -f -o /dev/null -e inject=linkat:error=EIO:when=9999 true 2>/dev/null; then
	case $ZCOPY in
	*' '*) skip 'a launcher makes its own calls' ;;
	*)
		for call in openat:EIO openat:EMFILE openat:ENOMEM read:EIO write:EIO copy_file_range:EIO linkat:EIO linkat:ENOSPC \
			mkdirat:ENOSPC symlinkat:EIO mknodat:ENOSPC getdents64:EIO newfstatat:EIO fstat:EIO \
			fchown:EPERM fchmod:EIO utimensat:EIO futex:EINTR mmap:ENOMEM; do
			name=${call%:*}
			# where directories cannot be read, what is in them is not known
			strace -qq -f -o /dev/null -e trace="$name" -e "inject=$name:error=${call#*:}:when=60+37" \
				timeout --foreground 60 "$ZCOPY" -a -j4 --report="$T/r" src dst >"$T/out" 2>"$T/err"
			rc=$?
			judge '0|1|3|5|127' "$call"
			if [ $rc -ne 127 ]; then
				wrong=$(told src dst "$T/r" 2>&1 | grep -v 'with .* errors$')
				[ -z "$wrong" ] || fail "$call: $(echo "$wrong" | head -4)"
				left=$(find dst -name '.zcopy-*')
				[ -z "$left" ] || fail "$call: left behind: $left"
			fi
			chmod -R u+rwx dst
			rm -rf dst
		done
		;;
	esac
else
	skip 'strace is not allowed here'
fi
done_testing
