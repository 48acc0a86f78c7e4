#!/bin/sh
# A regular file to what is no regular file: always written in place, no option needed.
. "${0%/*}/lib.sh"

begin '/dev/null'
data 200000 1 a
expect 0 zcopy a /dev/null
[ -c /dev/null ] || fail '/dev/null is no device any more'
expect 0 zcopy -p a /dev/null
equal "$(mode_of /dev/null)" 666 'mode of /dev/null'

begin '/dev/full: no space'
data 200000 1 a
expect 5 zcopy a /dev/full
says 'No space left'
[ -c /dev/full ] || fail '/dev/full is no device any more'

begin '/dev/fd/N and /dev/stdout'
data 200000 1 a
expect 0 zcopy a /dev/fd/4 4>out
same a out
zcopy a /dev/stdout >out2 2>"$T/err" || fail "exit $?"
same a out2
zcopy a /dev/fd/1 | cmp - a || fail 'through a pipe'
expect '1|2' zcopy a /dev/fd/77

begin 'what /dev/fd/N pointed to is not replaced'
data 200000 1 a && : >out
before=$(inode_of out)
zcopy a /dev/fd/3 3>out || fail "exit $?"
equal "$(inode_of out)" "$before" inode

begin 'a FIFO with a reader'
data 300000 1 a && mkfifo p
cat p >out &
expect 0 timeout 60 sh -c "$ZCOPY a p"
wait $!
same a out
[ -p p ] || fail 'the FIFO is gone'

begin 'a FIFO as the source waits for its writer and reads to the end'
data 300000 1 a && mkfifo p
{
	sleep 0.1
	cat a
} >p &
expect 0 timeout 60 sh -c "$ZCOPY p out"
wait $!
same a out

begin 'a FIFO to a FIFO'
data 300000 1 a && mkfifo p q
cat a >p &
cat q >out &
reader=$!
expect 0 timeout 60 sh -c "$ZCOPY p q"
wait $reader
same a out

begin 'a FIFO nobody writes to: interruptible'
mkfifo p
if helper after; then
	# shellcheck disable=SC2086
	expect 130 timeout 60 "$HELPERS/after" 200000 2 -- $ZCOPY p out
	says 'after: signal 2'
	gone out
else
	skip 'no helper'
fi

begin 'a terminal'
if have script; then
	printf 'words for people\n' >a
	script -qec "$ZCOPY a /dev/tty" log >/dev/null </dev/null || fail "exit $?"
	grep -q 'words for people' log || fail 'not on the terminal'
	script -qec "$ZCOPY a -" log >/dev/null </dev/null || fail "exit $?"
	grep -q 'words for people' log || fail 'not on the terminal as stdout'
else
	skip 'no script(1)'
fi

begin 'a symlink to a device'
data 100 1 a && ln -s /dev/null n
expect 0 zcopy a n
[ -L n ] || fail 'the link is gone'

begin 'a loop device: the bytes, the rest untouched, too small fails before the first'
loop='' && data 1048576 1 disk && data 300000 2 a
if is_root && have losetup && loop=$(losetup -f --show disk 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	expect 0 zcopy a "$loop"
	[ -b "$loop" ] || fail 'the device node is gone'
	cmp -n 300000 a "$loop" || fail 'the bytes'
	data 1048576 1 disk0
	cmp -i 300000 disk0 "$loop" || fail 'the rest'
	expect 0 zcopy "$loop" image
	equal "$(stat -c %s image)" 1048576 'size of the image'
	cmp image "$loop" || fail 'the image'
	data 2097152 3 big
	before=$(sha256sum <"$loop")
	expect 5 zcopy big "$loop"
	equal "$(sha256sum <"$loop")" "$before" 'the device after a refusal'
else
	skip 'no loop devices'
fi

begin 'a block device that is mounted is refused'
if is_root && image ext4 "$PWD/m" 16; then
	data 1000 1 a
	expect 9 zcopy a "$loop"
	expect 9 zcopy -f a "$loop"
	says 'allow-mounted'
else
	skip 'no loop devices or no mkfs.ext4'
fi

begin 'a socket'
data 100 1 a
if have "$PYTHON" && "$PYTHON" -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")' 2>/dev/null; then
	expect 1 zcopy a s
	[ -S s ] || fail 'the socket is gone'
	expect 1 zcopy s b
	gone b
else
	skip 'no python3'
fi

done_testing
