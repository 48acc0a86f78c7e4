#!/bin/sh
# What others have in the page cache stays there: a copy of several times the memory there is, beside a program that
# reads a hot set. Both are in one memory cgroup, so that they compete for MIB_LIMIT whatever the host has.
#
#   MIB_LIMIT MIB_HOT MIB_COPY       256 128 384; test/run --long: 1024 512 4096
. "${0%/*}/lib.sh"
limit=${MIB_LIMIT:-256} hot=${MIB_HOT:-128} size=${MIB_COPY:-384}

[ -z "${ZC_SANITIZED:-}" ] || skip_all 'a sanitizer takes the memory for itself'
[ -z "${ZC_LAUNCHED:-}" ] || skip_all 'a launcher makes its own calls'
is_root || skip_all 'only root makes a memory cgroup'
[ -x "$(command -v "$PYTHON")" ] || skip_all 'no python'
[ "$(stat -f -c %T .)" != tmpfs ] || skip_all 'tmpfs is always in memory'

# The group's directory and its file of processes, for either version.
group=/sys/fs/cgroup/memory/zc-neutral-$$ procs=cgroup.procs
if mkdir "$group" 2>/dev/null; then
	echo "${limit}M" >"$group/memory.limit_in_bytes" || skip_all 'no memory cgroup here'
else
	group=/sys/fs/cgroup/zc-neutral-$$
	mkdir "$group" 2>/dev/null && echo "${limit}M" 2>/dev/null >"$group/memory.max" ||
		{ rmdir "$group" 2>/dev/null; skip_all 'no memory cgroup here'; }
fi
trap 'rmdir "$group" 2>/dev/null; cleanup' EXIT

# Reads FILE's pages at random until the file "stop" is there; the hot set is read once before "ready" is made.
# Says: percent of it in the cache, P99 of a read in microseconds before the copy, and beside it.
cat >"$T/reader.py" <<'EOF'
import ctypes, mmap, os, random, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
page = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]

def resident():
    at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    said = (ctypes.c_ubyte * (size // page))()
    assert libc.mincore(at, size, said) == 0
    return 100.0 * sum(b & 1 for b in said) / len(said)

def p99(until):
    took = []
    while not until(len(took)):
        for _ in range(64):
            off = random.randrange(size // page) * page
            t = time.perf_counter_ns()
            os.pread(fd, page, off)
            took.append(time.perf_counter_ns() - t)
        time.sleep(0.001)
    took.sort()
    return took[len(took) * 99 // 100] / 1000

for _ in range(2): # the second time makes pages active
    for off in range(0, size, 1 << 20):
        os.pread(fd, 1 << 20, off)
first, second = p99(lambda n: n > 20000), p99(lambda n: n > 20000)
start = resident()
open("ready", "w").close()
beside = p99(lambda n: n > 2000 and os.path.exists("stop"))
print("%.1f %.1f %.1f %.1f %.1f" % (resident(), start, first, second, beside))
EOF

# beside COMMAND...: the reader's words while COMMAND copies, both in the group. Sets kept.
beside() {
	rm -f ready stop copy
	dd of="$T/big" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	dd of="$T/hot" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	sh -c "echo \$\$ >$group/$procs; exec '$PYTHON' '$T/reader.py' '$T/hot'" >said 2>&1 &
	reader=$!
	for _ in $(seq 600); do
		if [ -e ready ] || ! kill -0 $reader 2>/dev/null; then break; fi
		sleep 0.1
	done
	timeout 600 sh -c "echo \$\$ >$group/$procs; exec \"\$@\"" sh "$@" >out 2>&1 || fail "$*: $(head -c 300 out)"
	: >stop
	wait $reader || fail "the reader: $(head -c 300 said)"
	cmp "$T/big" copy || fail "$*: copied wrong"
	kept=$(awk '{ print int($1) }' said)
	awk -v what="$*" '{ printf "%s: %s %% of the hot set is left of %s %%; P99 of a read %s and %s us alone, %s beside\n",
		what, $1, $2, $3, $4, $5 }' said
}

head -c $((hot << 20)) /dev/zero >"$T/hot"
head -c $((size << 20)) /dev/zero >"$T/big"
sync "$T/hot" "$T/big"

for how in --cache=auto --cache=drop '--cache=drop --direct=never'; do
	begin "$how"
	# shellcheck disable=SC2086
	beside $ZCOPY $how "$T/big" copy
	[ "$kept" -ge 98 ] || fail "$kept % of the hot set is left"
done
rm -f "$T/big" "$T/hot"

done_testing
