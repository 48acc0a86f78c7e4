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
