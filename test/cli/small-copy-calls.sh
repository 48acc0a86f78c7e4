#!/bin/sh
# What a 4 KiB copy to a new name costs: no ring, no thread, no pool, no NUMA, no TLS.
. "${0%/*}/lib.sh"
have strace || skip_all 'no strace'
[ -z "${ZC_SANITIZED:-}" ] || skip_all 'a sanitizer makes its own calls'
[ -z "${ZC_LAUNCHED:-}" ] || skip_all 'a launcher makes its own calls'
case $ZCOPY in
*' '*) skip_all 'a launcher makes its own calls' ;;
esac

# order_of TRACE: what was made durable and named, in that order.
order_of() {
	sed -n 's/^\(.*[ ]\)*\(fdatasync\|fsync\|renameat2*\|rename\)(.*= 0$/\2/p' "$1" | tr '\n' ' '
}

begin 'the calls'
data 4096 1 a
strace -f -o calls "$ZCOPY" a warm 2>/dev/null || skip_all 'strace is not allowed here'
rm warm
expect 0 strace -f -o calls "$ZCOPY" a b
same a b
# checked by a program that does have them
strace -f -o cat-calls cat a >/dev/null
grep -q 'mmap(' cat-calls || fail 'blind: no mmap in the trace of cat'
for call in io_uring_setup io_uring_register clone3 clone fork mbind get_mempolicy move_pages \
	sched_setaffinity memfd_create fsync fdatasync syncfs userfaultfd; do
	if grep -q "[0-9 ]$call(" calls; then fail "$call: $(grep -m1 "$call(" calls)"; fi
done
for library in libnuma libssl libcrypto; do
	if grep -q "$library" calls; then fail "$library: $(grep -m1 "$library" calls)"; fi
done
if grep -q '/sys/devices/system/node\|/proc/meminfo\|/sys/kernel/mm' calls; then
	fail "reads about memory: $(grep -m1 '/sys/\|/proc/meminfo' calls)"
fi
big=$(sed -n 's/.*mmap(NULL, \([0-9]*\), [^,]*, [^,]*MAP_ANONYMOUS.*/\1/p' calls | sort -n | tail -1)
[ "${big:-0}" -lt 1048576 ] || fail "an anonymous mapping of $big bytes"
total=$(wc -l <calls)
echo "$total system calls in all, $(strace -f cp a c 2>&1 | wc -l) of cp"

# cheap FILE DIR: copied to DIR without the ring and without O_DIRECT.
cheap() {
	expect 0 strace -f -e trace=io_uring_setup,fcntl -o calls "$ZCOPY" "$1" "$2/zc-cheap.$$"
	cmp "$1" "$2/zc-cheap.$$" || fail 'copied wrong'
	rm -f "$2/zc-cheap.$$"
	if grep 'io_uring_setup\|F_SETFL.*O_DIRECT' calls; then fail 'a ring or O_DIRECT'; fi
}

begin 'what is cached pays for no ring and no O_DIRECT at any size'
head -c 67108864 /dev/zero >large
cat large >/dev/null
cheap large .
# the same calls are seen where they are right
dd of=large oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
if [ "$(stat -f -c %T .)" != tmpfs ] && ! denied io_uring_setup; then
	expect 0 strace -f -e trace=io_uring_setup,fcntl -o calls "$ZCOPY" large cold
	grep -q 'F_SETFL.*O_DIRECT' calls || fail 'blind: a cold copy without O_DIRECT'
fi

begin 'nor does tmpfs'
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && head -c 67108864 /dev/zero >"/dev/shm/zc-mem.$$"; then
	cheap "/dev/shm/zc-mem.$$" /dev/shm
else
	skip 'no room in /dev/shm'
fi
rm -f "/dev/shm/zc-mem.$$"

# asked_ahead: how many files of tree were asked for before they were read.
asked_ahead() {
	rm -rf copy
	expect 0 strace -f -e trace=fadvise64 -o calls "$ZCOPY" -r -j1 "$@" tree copy
	for file in copy/*; do cmp "$file" "tree/${file#*/}" || fail 'copied wrong'; done
	grep -c WILLNEED calls
}

begin 'small files that are not cached are asked for before they are read, cached ones are not'
mkdir tree
data 200000 1 tree/f
split -b 1000 -a 3 tree/f tree/x
cat tree/* >/dev/null
equal "$(asked_ahead)" 0 'files asked for though cached'
# the kernel may keep a page that it is just busy with
not_cached() {
	for _ in 1 2 3 4 5; do
		for file in tree/x*; do dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0; done 2>/dev/null
		"$PYTHON" -c '
import os, sys
try:
    os.preadv(os.open("tree/xaaa", os.O_RDONLY), [bytearray(1)], 0, os.RWF_NOWAIT)
except BlockingIOError:
    sys.exit(0)
sys.exit(1)' && return 0
	done
	return 1
}
if not_cached; then
	asked=$(asked_ahead)
	if [ "$asked" -lt 150 ] || [ "$asked" -gt 201 ]; then fail "$asked of 200 files were asked for"; fi
	not_cached || :
	[ "$(asked_ahead --exclude='xab*')" -le 175 ] || fail 'files that are left out were asked for'
else
	skip 'this file system does not tell what is cached'
fi

begin 'a new name is never shown half: the name appears by one call, after the data'
data 4096 1 a
expect 0 strace -f -o calls "$ZCOPY" a b
named=$(grep -c '\(linkat\|renameat2*\|rename\)(.*= 0$' calls)
equal "$named" 1 'calls that give the name'
if grep -q 'O_CREAT.*"b"\|"b".*O_CREAT' calls; then fail 'created under its name'; fi

begin 'replacing: data is durable before the name is'
data 4096 1 a && data 10 2 b
expect 0 strace -f -o calls "$ZCOPY" a b
order=$(order_of calls)
case $order in
*sync*rename*) ;;
*) fail "order: $order" ;;
esac

begin '--durability=full: the directory, too, after the name'
data 4096 1 a && data 10 2 b
expect 0 strace -f -o calls "$ZCOPY" --durability=full a b
order=$(order_of calls)
case $order in
*sync*rename*sync*) ;;
*) fail "order: $order" ;;
esac

done_testing
