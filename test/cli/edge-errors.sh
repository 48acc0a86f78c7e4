#!/bin/sh
# No room, no descriptors, no memory, no ring, no more time, and a disk that goes: mostly in trees, where one file's
# trouble must not become the others' (docs/edge-cases.md, 50 to 60).
# shellcheck disable=SC3045,SC2086 # ulimit -n and -v are known to every shell we meet; options are words
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
through='--route=buffer --engine=sync'

# s: small ones, and one in the middle that is too much for somebody
tree() {
	mkdir -p s/d && data 1000 1 s/1 && data 300000 2 s/2 && data "${1:-3000000}" 3 s/3 && data 1000 4 s/4 && data 300000 5 s/d/5
}
others() {
	for name in 1 2 4 d/5; do same s/$name "$1/$name"; done
	gone "$1/3"
	no_temps
}

begin '50 a tree onto a disk that is too small: what fits is whole, what does not is not there'
if mounted tmpfs "$PWD/m" size=2m; then
	tree
	for how in '' -j1 "$through" -j4; do
		rm -rf m/d
		expect 5 zcopy -a $how s m/d
		says 'm/d/3.*No space left'
		equal "$(grep -c . "$T/err")" 1 messages
		others m/d
	done
	rm -rf m/d
	mkdir m/d && data 10 9 m/d/3 && cp m/d/3 keep
	expect 5 zcopy -aT s m/d
	same m/d/3 keep
	cp keep m/d/3 && rm m/d/3
	others m/d
else
	skip 'cannot mount'
fi
begin '50 the same with quota'
if have btrfs && image btrfs "$PWD/m" 128 && btrfs subvolume create m/s >/dev/null 2>&1 &&
	btrfs quota enable m 2>/dev/null && btrfs qgroup limit 8M m/s 2>/dev/null; then
	tree 30000000
	sync -f m
	expect 5 zcopy -a s m/s/d
	says 'm/s/d/3.*Disk quota exceeded'
	gone m/s/d/3
else
	skip 'no btrfs with quota'
fi
begin '50 a size limit, in a tree'
tree
for how in '' "$through" -j4; do
	rm -rf d
	expect 5 sh -c "ulimit -f 1000; exec $ZCOPY -a $how s d"
	says 'd/3.*File too large'
	others d
done

begin '51 what is said only at the end is an error of that file: at close, at fsync'
for fault in flush:28 flush:122 fsync:5; do
	rm -rf s d
	name=${fault%:*}${fault#*:}
	if fuse "$PWD/b$name" "$PWD/m$name" --fail=$fault; then
		tree
		case $fault in
		flush*) want=5 more='' ;;
		*) want=1 more=--durability=data ;;
		esac
		expect $want zcopy -a $more s "m$name/d"
		case $want in
		5) says 'no room for 4 more' ;; # a full disk is said once
		*) [ "$(grep -c . "$T/err")" -ge 5 ] || fail "$(grep -c . "$T/err") messages for five files" ;;
		esac
		equal "$(find "b$name" -type f | wc -l)" 0 'files that look complete'
	else
		skip 'no FUSE'
	fi
done

begin '51 written out piece by piece before the sync: what is said there is not said again'
if can_trace; then
	data 40000000 1 a
	for code in ESTALE EUCLEAN EIO; do
		data 10 2 b && cp b keep
		inject_all "error=$code:when=3+" sync_file_range a b
		judge '1|5' "$code"
		same b keep
	done
	rm b
	inject_all error=EIO sync_file_range --cache=drop a b
	judge 1 '--cache=drop'
	gone b
	inject_all error=ENOSYS sync_file_range --cache=drop a b
	judge 0 'not to be had'
	same a b
else
	skip "$no_trace"
fi

begin '52 an unreadable place: where it is, a status, never a shorter file'
if fuse "$PWD/back" "$PWD/m" --fail=read:5:200000; then
	mkdir back/s && tree && cp -r s/. back/s
	for how in '' "$through" -j4; do
		rm -rf d
		expect 1 zcopy -a $how --report=r m/s d
		equal "$(grep -c 'Input/output error' "$T/err")" 3 messages
		says 'm/s/3: cannot read at byte'
		same s/1 d/1
		same s/4 d/4
		gone d/2
		gone d/3
		equal "$(grep -o '"side": *"src"' r | wc -l)" 3 'errors in the report'
	done
	expect 1 zcopy m/s/3 x
	says 'at byte'
	gone x
else
	skip 'no FUSE'
fi

begin '53 few descriptors: slower, not wrong'
tree && mkdir -p s/1d/2/3/4/5/6/7/8 && data 10 1 s/1d/2/3/4/5/6/7/8/f
for limit in 32 20; do
	for how in -j1 -j4 "-j4 $through"; do
		rm -rf d
		expect 0 timeout 60 sh -c "ulimit -n $limit; exec $ZCOPY -a $how s d"
		expect 0 diff -r s d
	done
done
begin '53 none at all: said, no hang'
if can_trace; then
	for code in EMFILE ENFILE; do
		rm -rf d
		mkdir -p s && data 300000 2 s/2
		inject error=$code openat '"2", O_RDONLY' -j1 -a s d
		judge '0|1' $code
		[ "$rc" -eq 0 ] || says 's/2'
	done
else
	skip "$no_trace"
fi

begin '54 a thousand descriptors are open already'
if have "$PYTHON"; then
	tree
	cat >many.py <<'P'
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
for _ in range(1200):
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execvp(sys.argv[1], sys.argv[1:])
P
	for how in '' "$through" -j4; do
		rm -rf d
		expect 0 timeout 60 "$PYTHON" many.py $ZCOPY -a $how s d
		expect 0 diff -r s d
	done
	cat s/3 | timeout 60 "$PYTHON" many.py $ZCOPY - - | cmp - s/3 || fail 'pipe to pipe'
else
	skip 'no python'
fi

begin '55 little memory: smaller pools, the same result'
group=/sys/fs/cgroup/memory/zc-test-$$
if is_root && [ -z "${ZC_SANITIZED:-}" ] && mkdir $group 2>/dev/null && echo 24M >$group/memory.limit_in_bytes; then
	data 40000000 1 a
	for how in '' --direct=always "$through"; do
		rm -f b
		expect 0 sh -c "echo \$\$ >$group/tasks; exec $ZCOPY $how a b"
		same a b
	done
	rmdir $group
else
	skip 'no memory cgroup of version 1'
fi
begin '55 no room for a stack, for a pool, for a ring'
tree
for limit in 'v 200000' 'l 0' 'u 1'; do
	case ${ZC_SANITIZED:-}$limit in ?*v*) continue ;; esac
	[ -z "${ZC_LAUNCHED:-}" ] || continue
	for how in '' "$through" -j4; do
		rm -rf d
		expect 0 timeout 60 sh -c "ulimit -$limit 2>/dev/null; exec $ZCOPY -a $how s d"
		expect 0 diff -r s d
	done
done

begin '56 killed in a tree: no name with half a file'
if helper after; then
	mkdir s && for i in 1 2 3 4 5 6 7 8; do data 3000000 $i s/$i; done
	killed=0
	for when in 500 3000 8000 15000 40000; do
		rm -rf d
		"$HELPERS/after" $when 9 -- $ZCOPY -a s d 2>"$T/err"
		! grep -q 'signal 9' "$T/err" || killed=$((killed + 1))
		for file in d/[1-8]; do
			[ ! -f "$file" ] || same "s/${file#d/}" "$file"
		done
	done
	[ $killed -gt 0 ] || fail 'never hit'
	# the next run takes away what the killed ones left
	expect 0 zcopy -aT s d
	expect 0 diff -r s d
else
	skip 'no helper'
fi

begin '57 no io_uring: the same result from the same words'
tree 70000000
if [ -n "${ZC_LAUNCHED:-}" ] || ! helper deny; then
	skip 'a launcher makes its own calls'
else
	for code in EPERM ENOSYS EACCES ENOMEM; do
		rm -rf d
		expect 0 "$HELPERS/deny" $code io_uring_setup io_uring_enter io_uring_register -- $ZCOPY -a --direct=auto s d
		silent
		expect 0 diff -r s d
	done
fi

begin '59 stopped and continued; the second Ctrl-C ends it at once'
if helper after && have "$PYTHON"; then
	cat >keys.py <<'P'
import os, signal, subprocess, sys, time
def start(*words):
    return subprocess.Popen(sys.argv[1].split() + list(words), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
for stop in signal.SIGTSTP, signal.SIGSTOP:
    p = start("--route=buffer", "-", "out")
    p.stdin.write(b"x" * 50000)
    p.stdin.flush()
    for _ in range(3):
        p.send_signal(stop)
        time.sleep(0.03)
        p.send_signal(signal.SIGCONT)
    p.stdin.write(b"y" * 50000)
    p.stdin.close()
    print(p.wait(60), open("out", "rb").read() == b"x" * 50000 + b"y" * 50000)
# a reader that never reads, and a writer that never writes: the first signal need not be waited for
p = start("-", "new")
time.sleep(0.3)
p.send_signal(signal.SIGINT)
p.send_signal(signal.SIGINT)
print(p.wait(60), os.path.exists("new"))
P
	expect 0 timeout 60 "$PYTHON" keys.py "$ZCOPY"
	equal "$(tr '\n' ' ' <"$T/out")" '0 True 0 True -2 False ' 'ends'
else
	skip 'no helper'
fi

begin '60 what is durable when: data before its name, the directory after it'
if can_trace; then
	mkdir s && data 300000 1 s/a && data 300000 2 b
	order() {
		strace -f -qq -o calls -e trace=fsync,fdatasync,syncfs,linkat,renameat,renameat2 "$ZCOPY" "$@" || fail "exit $?"
		sed 's/^[0-9]* *//; s/(.*//' calls | tr '\n' ' '
	}
	equal "$(order --durability=none s/a n1)" 'linkat ' none
	equal "$(order --durability=full s/a n2)" 'fsync linkat fsync fsync ' full
	equal "$(order s/a b | sed 's/renameat2/renameat/')" 'fdatasync linkat renameat ' 'replacing'
	case $(order --durability=full -j1 -a s d) in
	*sync*linkat*sync*) ;;
	*) fail "a tree: $(cat calls)" ;;
	esac
	case $(order -j1 -aT s d) in
	*'sync '*rename*) ;;
	*) fail "replacing in a tree: $(cat calls)" ;;
	esac
else
	skip "$no_trace"
fi

begin '85 the destination goes away in the middle: an error for each, an end, no hang'
if is_root && helper mkfile && have "$PYTHON" && can_trace && image ext4 "$PWD/m" 64; then
	tree
	if stop_after openat '"[1234]", O_RDONLY' -j1 -a s m/d; then
		"$PYTHON" -c '
import array, fcntl, os
fd = os.open("m", os.O_RDONLY)
fcntl.ioctl(fd, 0x8004587d, array.array("I", [2]))' || fail 'no shutdown' # EXT4_IOC_SHUTDOWN, at once
		go_on 1
		says 'Input/output error'
	fi
else
	skip 'no loop devices or no mkfs.ext4'
fi
begin '85 it becomes read-only'
if can_trace && mounted tmpfs "$PWD/m" size=20m; then
	mkdir s && for i in 1 2 3 4; do data 1000 $i s/$i; done
	mkdir m/d
	if stop_after openat '"[1234]", O_RDONLY|O_NOCTTY' -j1 -aT s m/d; then
		mount -o remount,ro m || fail 'remount'
		go_on 1
		says 'Read-only file system'
		no_temps
	fi
else
	skip 'cannot mount'
fi
begin '85 the server goes: every call fails'
if can_trace && fuse "$PWD/back" "$PWD/m"; then
	server=$!
	tree
	if stop_after openat '"[1234]", O_RDONLY' -j1 -a s m/d; then
		kill -9 $server
		go_on 1
		says 'm/d'
	fi
else
	skip 'no FUSE'
fi

begin '86 several runs into one directory: each name is some run'"'"'s, whole'
mkdir s1 s2 s3 && for i in 1 2 3 4 5 6; do
	for s in 1 2 3; do data $((1000 + i * 70000)) $((i + s * 10)) s$s/$i; done
done
for round in 1 2 3; do
	mkdir d$round
	for s in 1 2 3; do
		zcopy -aT s$s d$round 2>>errors &
		runs="${runs:-} $!"
	done
	for run in $runs; do
		wait "$run" || fail "round $round: exit $?: $(tail -2 errors)"
	done
	runs=''
	for i in 1 2 3 4 5 6; do
		cmp -s s1/$i d$round/$i || cmp -s s2/$i d$round/$i || cmp -s s3/$i d$round/$i || fail "d$round/$i is nobody's"
	done
	no_temps
done
done_testing
