#!/bin/sh
# Block devices as ends. Loop devices over memory stand for disks.
. "${0%/*}/lib.sh"
is_root && have losetup || skip_all 'loop devices are for root'

# disk BYTES [WORD...]: a loop device over a file in memory that nobody sees any more; its path is in $loop.
disk() {
	back=$(mktemp /dev/shm/zc-disk.XXXXXX) || exit 99
	truncate -s "$1" "$back"
	shift
	loop=$(losetup -f --show "$@" "$back" 2>/dev/null)
	made=$?
	rm -f "$back"
	[ "$made" -eq 0 ] || return 1
	LOOPS="$loop $LOOPS"
}
hash_of() { sha256sum <"$1"; }

disk 24M || skip_all 'no loop devices here'
one=$loop
disk 24M || skip_all 'no loop devices here'
two=$loop

begin 'a stream: whole blocks, an unaligned end, what is behind it stays'
data 9000001 1 a && data 12000000 2 under
expect 0 zcopy under "$one"
cat a | expect 0 zcopy - "$one"
cmp -n 9000001 a "$one" || fail 'the bytes'
cmp -i 9000001 -n 2999999 under "$one" || fail 'what is behind them'

begin 'a stream in pieces of odd sizes'
data 3000000 3 a
{
	for piece in 1 7 4095 65537 300000 1000001; do
		dd bs="$piece" count=1 iflag=fullblock status=none
	done
	cat
} <a | expect 0 zcopy --report=r - "$one"
cmp -n 3000000 a "$one" || fail 'the bytes'
if have jq; then
	equal "$(jq -r .engine.direct r)" true 'engine.direct'
	equal "$(jq -r .durability r)" data durability
	[ "$(jq .engine.queue_depth r)" -gt 1 ] || fail 'one write at a time'
fi

begin 'device to device, to a file, and back'
data 25165824 4 a
expect 0 zcopy a "$one"
expect 0 zcopy "$one" "$two"
expect 0 zcopy --verify "$two" image
same image a
expect 0 zcopy "$two" - >/dev/null
zcopy "$two" - 2>"$T/err" | cmp - a || fail 'to a pipe'
zcopy - out <"$two" 2>"$T/err" || fail "from standard input: exit $?"
same out a
(
	head -c 512 >/dev/null
	zcopy - tail
) <"$two" 2>"$T/err" || fail "from a position: exit $?"

begin 'from where an inherited device stands'
data 2000000 5 a && data 4194304 6 under
expect 0 zcopy under "$one"
(
	exec >"$one"
	dd if=/dev/zero bs=1536 count=1 status=none
	zcopy a - 2>"$T/err" || echo "exit $?" >"$T/rc"
	printf 'behind'
)
[ ! -e "$T/rc" ] || fail "$(cat "$T/rc")"
cmp -i 0:1536 -n 2000000 a "$one" || fail 'not at the position'
equal "$(dd if="$one" bs=1 skip=2001536 count=6 status=none)" behind 'the position afterwards'

begin 'too small: not a byte is written'
data 1000 7 small && truncate -s 25M big
before=$(hash_of "$one")
expect 5 zcopy big "$one"
says 'smaller than the source'
equal "$(wc -l <"$T/err")" 1 'lines'
expect 5 zcopy zero:70M "$one"
expect 5 zcopy - "$one" <big
zcopy big - >"$one" 2>"$T/err"
equal $? 5 'exit as standard output'
equal "$(hash_of "$one")" "$before" 'the device'

begin 'a stream that is too long: to the end, and said'
head -c 26000000 /dev/zero | expect 5 zcopy - "$one"
says 'No space left'
says 'is incomplete from byte 25165824'

begin 'a read-only device'
blockdev --setro "$two" 2>/dev/null || losetup -r "$two" 2>/dev/null
data 2000000 8 a
before=$(hash_of "$two")
expect 1 zcopy a "$two"
says 'Read-only file system'
equal "$(hash_of "$two")" "$before" 'the device'
expect 0 zcopy "$two" copy
blockdev --setrw "$two"

begin 'an interrupted stream: how far it is good'
data 20000000 9 a && mkfifo p
$ZCOPY p "$two" 2>"$T/err" &
pid=$!
exec 8>p
cat a >&8
await cmp -s -n 8388608 a "$two"
kill -TERM $pid
wait $pid
equal $? 143 'exit status'
exec 8>&-
good=$(sed -n 's/.*is incomplete from byte \([0-9]*\)$/\1/p' "$T/err")
[ "${good:-0}" -ge 8388608 ] || fail "no place is said: $(cat "$T/err")"
cmp -n "${good:-0}" a "$two" || fail 'what is said to be good'

begin 'holes become zeros by the device itself'
data 25165824 10 dense
expect 0 zcopy dense "$one"
data 1000000 11 a && truncate -s 16M a && data 5000 12 end && cat end >>a
expect 0 zcopy --report=r a "$one"
cmp -n "$(stat -c %s a)" a "$one" || fail 'the bytes'
cmp -i "$(stat -c %s a)" dense "$one" || fail 'what is behind them'
if have jq && ! denied fallocate; then
	[ "$(jq .bytes.holes r)" -gt 14000000 ] || fail "holes: $(jq -c .bytes r)"
fi
expect 0 zcopy dense "$one"
expect 0 zcopy --sparse=never --report=r a "$one"
cmp -n "$(stat -c %s a)" a "$one" || fail 'the bytes with --sparse=never'
if have jq; then
	equal "$(jq .bytes.holes r)" 0 'holes with --sparse=never'
fi
expect 0 zcopy dense "$one"
cat a | expect 0 zcopy --sparse=always --report=r - "$one"
cmp -n "$(stat -c %s a)" a "$one" || fail 'the bytes of a stream'
cmp -i "$(stat -c %s a)" dense "$one" || fail 'what is behind a stream'
if have jq && ! denied fallocate; then
	[ "$(jq .bytes.holes r)" -gt 14000000 ] || fail "holes: $(jq -c .bytes r)"
fi

begin 'a hole that does not end at a block'
printf 'x' | dd of=odd bs=1 seek=1000000 conv=notrunc status=none
truncate -s 3000001 odd
expect 0 zcopy "$T/$((CASES - 1))/dense" "$one"
expect 0 zcopy odd "$one"
cmp -n 3000001 odd "$one" || fail 'the bytes'

# refused WORD TARGET: by every way to name it, and -f changes nothing. The file system is mounted read-only, or the
# kernel itself writes to the device after a while
refused() {
	before=$(hash_of "$2")
	expect 9 zcopy a "$2"
	says "$1"
	says '--allow-mounted'
	equal "$(wc -l <"$T/err")" 1 'lines'
	expect 9 zcopy -f a "$2"
	expect 9 zcopy - "$2" <a
	zcopy a - >"$2" 2>"$T/err"
	equal $? 9 'exit as standard output'
	zcopy a - >>"$2" 2>"$T/err"
	equal $? 9 'exit as standard output for appending'
	if can_be_nobody; then
		# shellcheck disable=SC2086
		as_nobody $ZCOPY - - <a >"$2" 2>"$T/err"
		equal $? 9 'exit as standard output of one who may not open it'
	fi
	[ -b "$2" ] || fail 'the device node is gone'
	equal "$(hash_of "$2")" "$before" 'the device after refusals'
}

begin 'mounted'
data 2000000 13 a
if have mkfs.ext4 && mkfs.ext4 -q -F "$two" && mkdir m && mount -o ro "$two" m 2>/dev/null; then
	MOUNTS="$PWD/m $MOUNTS"
	refused "mounted at $PWD/m" "$two"
	umount m
	expect 0 zcopy --allow-mounted a "$two"
else
	skip 'no mkfs.ext4 or no mounts'
fi

begin 'as cp -f: the node of a mounted device is not taken away'
data 1000 1 a
if have mkfs.ext4 && mkfs.ext4 -q -F "$two" && mkdir m && mount "$two" m 2>/dev/null; then
	MOUNTS="$PWD/m $MOUNTS"
	ln -s "${ZCOPY##* }" cp
	expect 1 ./cp -f a "$two"
	[ -b "$two" ] || fail 'the device node is gone'
	umount m
else
	skip 'no mkfs.ext4 or no mounts'
fi

begin 'swap'
if have mkswap && mkswap "$two" >/dev/null 2>&1 && swapon "$two" 2>/dev/null; then
	data 2000000 14 a
	expect 9 zcopy a "$two"
	says 'used as swap'
	swapoff "$two"
else
	skip 'no swap here'
fi

begin 'a partition is mounted'
data 2000000 15 a
if have sfdisk && disk 24M -P &&
	printf 'start=2048,size=32768\nstart=34816\n' | sfdisk -q "$loop" >/dev/null 2>&1 && partx -u "$loop" 2>/dev/null &&
	[ -b "${loop}p1" ] && mkfs.ext4 -q -F "${loop}p1" && mkdir m && mount -o ro "${loop}p1" m; then
	MOUNTS="$PWD/m $MOUNTS"
	refused "mounted at $PWD/m" "$loop"
	refused "mounted at $PWD/m" "${loop}p1"
	expect 0 zcopy a "${loop}p2"
	umount m
else
	skip 'no partitions of loop devices here'
fi

begin 'O_DIRECT file behind a pipe: whole blocks, the exact length'
for size in 0 1 4096 1048576 70000001; do
	data "$size" 16 a
	cat a | expect '0|2' zcopy --direct=always --report=r - out
	[ "$rc" -eq 2 ] && { skip 'no O_DIRECT here'; break; }
	same a out
done

done_testing
