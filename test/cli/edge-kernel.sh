#!/bin/sh
# What the kernel's calls for copying answer on a bad day: copy_file_range, FICLONE, splice, pipes
# (docs/edge-cases.md, 11 to 30).
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
can_trace || skip_all "$no_trace"
# the calls of the last traced run
calls() { grep -c -e "$1" "$T/inject.log"; }

begin '11 copy_file_range says 0 though there are data'
data 300000 1 a
inject retval=0 copy_file_range 'copy_file_range(' a b
judge 0 'the first says 0'
same a b
rm b
inject_all retval=0 copy_file_range a b
judge 0 'each says 0'
same a b

begin '13, 14, 16 and 17 copy_file_range refuses before a byte has moved: reads and writes instead'
data 300000 1 a
for code in ENOSYS EPERM EACCES EINVAL EBADF EXDEV EOPNOTSUPP ETXTBSY ENOTTY ENOENT EIO ESTALE; do
	rm -f b
	inject_all error=$code copy_file_range a b
	judge 0 "$code"
	same a b
	[ "$(calls 'copy_file_range(')" -lt 3 ] || fail "asked $(calls 'copy_file_range(') times for $code"
done

# three spans of data, each with a call of its own
holes() { "$HELPERS/mkfile" alt64k 400000 1 "$1"; }
begin '13 refused in the middle: goes on at that byte, as the rest of the file can be read'
if helper mkfile && holes a; then
	for code in EXDEV EIO EINVAL; do
		rm -f b
		inject_all error=$code:when=2+ copy_file_range --sparse=auto a b
		judge 0 "$code at the second"
		same a b
	done
	rm -f b
	inject_all retval=0:when=2+ copy_file_range --sparse=auto a b
	judge 0 '0 at the second'
	same a b
else
	skip 'no helper'
fi

begin '15 a file that ends at the last byte there can be'
if mounted tmpfs "$PWD/m" size=64m && truncate -s 9223372036854771712 m/a 2>/dev/null; then
	printf x | dd of=m/a bs=1 seek=9000000000000000000 conv=notrunc status=none
	expect 0 timeout 60 "$ZCOPY" m/a m/b
	equal "$(stat -c %s m/b)" 9223372036854771712 size
	equal "$(dd if=m/b bs=1 skip=9000000000000000000 count=2 status=none | od -An -c | tr -d ' ')" 'x\0' byte
	inject_all error=EFBIG copy_file_range --route=cfr m/a m/c
	judge 5 EFBIG
	gone m/c
else
	skip 'cannot mount'
fi

begin '18 and 23 no call asks for more than 1 GiB'
truncate -s 5G a
for call in copy_file_range sendfile; do
	case $call in
	sendfile) route=sendfile word=4 ;;
	*) route=cfr word=5 ;;
	esac
	# it is told that all of it is data, and gets no further than the first call
	strace -f -qq -o "$T/inject.log" -e trace=lseek,$call -e inject=lseek:retval=0 -e inject=$call:error=ENOSPC \
		"$ZCOPY" --route=$route a b 2>"$T/err"
	rc=$?
	judge 5 "$call"
	len=$(sed -n "s/.* $call(\(.*\)) *= .*/\1/p" "$T/inject.log" | head -1 | tr -d '[] ' | cut -d, -f$word)
	if [ -z "$len" ] || [ "$len" -gt 1073741824 ]; then fail "asked for '$len' bytes"; fi
done

begin '19 no space and no quota are never taken for "not supported"; an interruption is none'
data 300000 1 a && data 50 2 old && cp old keep
for code in ENOSPC EDQUOT; do
	for how in '' old; do
		inject_all error=$code copy_file_range a ${how:-b}
		judge 5 "$code"
		equal "$(grep -c -v '^$' "$T/err")" 1 'one line'
		gone b
		same old keep
	done
done
inject error=EINTR copy_file_range 'copy_file_range(' a b
judge 0 EINTR
same a b
equal "$(calls 'EINTR')" 1 'interruptions'

begin '20 FICLONE fails for a reason that is no refusal: an error, and the old file stays'
data 300000 1 a && data 50 2 old && cp old keep
for code in EIO ENOSPC EDQUOT EINTR ESTALE; do
	inject error=$code ioctl FICLONE a old
	case $code in
	ENOSPC | EDQUOT) judge 5 $code ;;
	EINTR) judge '0|1' $code ;;
	*) judge 1 $code ;;
	esac
	[ "$rc" -eq 0 ] || same old keep
	no_temps
done
for code in EOPNOTSUPP ENOTTY EXDEV EINVAL EPERM ETXTBSY ENOSYS EBADF EACCES; do
	rm -f b
	inject error=$code ioctl FICLONE a b
	judge 0 "$code"
	same a b
done
inject error=EXDEV ioctl FICLONE --explain a b
says 'route: not reflink: ioctl FICLONE: EXDEV'
says 'direct: '

begin '20 the same for a small file of a tree'
mkdir s && data 5000 1 s/a && data 5000 2 s/b
for code in EIO ENOSPC; do
	rm -rf d
	inject_all error=$code ioctl -j1 -a s d
	# each is refused, also when asked again
	case $code in ENOSPC) judge 5 $code ;; *) judge 1 $code ;; esac
	gone d/a
	gone d/b
done

begin '21 --reflink=never shares nothing in other ways; --reflink=always leaves nothing'
data 300000 1 a
for fs in xfs btrfs; do
	if image $fs "$PWD/$fs" 320; then
		cp a $fs/a && sync -f $fs
		expect 0 zcopy --reflink=never $fs/a $fs/b
		same $fs/a $fs/b
		expect 0 zcopy $fs/a $fs/c
		sync -f $fs
		if have filefrag; then
			filefrag -v $fs/b | grep -q shared && fail "$fs: --reflink=never shares blocks"
			filefrag -v $fs/c | grep -q shared || fail "$fs: the default does not share blocks"
		fi
		# what is cached is counted page by page, which takes longer than a clone: not asked for one
		truncate -s 40M $fs/large
		expect 0 zcopy --explain $fs/large $fs/cloned
		says 'route: reflink first'
		if grep -q 'cache:\|route: .*copy\|direct:' "$T/err"; then fail "$fs: asked for more: $(cat "$T/err")"; fi
		if have strace && strace -o calls "$ZCOPY" $fs/large $fs/traced 2>/dev/null; then
			if grep 'cachestat\|syscall_0x1c3\|preadv2' calls; then fail "$fs: asked what is cached"; fi
		fi
	else
		skip "cannot mount $fs"
	fi
done
if mounted tmpfs "$PWD/m" size=4m; then
	expect 2 zcopy --reflink=always a m/b
	gone m/b
	cp a m/old && cp a keep && data 10 1 a
	expect 2 zcopy --reflink=always a m/old
	same m/old keep
fi

begin '22 holes are ours to keep, whichever call copies what is between'
if helper mkfile && holes a; then
	for how in '' --reflink=never --route=cfr --route=sendfile '--route=buffer --engine=sync'; do
		rm -f b
		# shellcheck disable=SC2086
		expect 0 zcopy $how a b
		same a b
		equal "$(blocks_of b)" "$(blocks_of a)" "blocks, $how"
	done
fi

begin '24 append-only files, and one that is swapped to'
data 100 1 a && data 50 2 b && cp b keep
if is_root && have chattr && chattr +a b 2>/dev/null; then
	for how in '' -f --remove-destination -b; do
		expect 1 zcopy $how a b
		same b keep
	done
	expect 0 zcopy b c # reading is allowed
	same b c
	chattr -a b && chattr +i a
	expect 0 zcopy -p a d
	same a d
	chattr -i a
else
	skip 'no chattr +i here'
fi
data 300000 3 swap
inject error=ETXTBSY openat '", O_WRONLY' --inplace a swap
judge 1 'written in place while it is swapped to'
says 'Text file busy'

begin '25 ranges of one file that overlap: there is no way to ask for it'
data 70000 1 a && cp a keep
expect 9 zcopy --inplace a a
# shellcheck disable=SC2094
zcopy - /dev/stdout <a 1<>a 2>"$T/err"
rc=$?
judge 9 'a to itself at the same offset'
same a keep

begin '26 splice cannot be had for these two: reads and writes'
data 300000 1 a
for code in EINVAL ENOSYS EPERM EBADF ESPIPE; do
	# shellcheck disable=SC2002
	cat a | strace -f -qq -o "$T/inject.log" -e trace=splice -e inject=splice:error=$code "$ZCOPY" - b 2>"$T/err"
	rc=$?
	judge 0 $code
	same a b
	strace -f -qq -o "$T/inject.log" -e trace=splice,sendfile -e inject=splice,sendfile:error=$code "$ZCOPY" a - 2>"$T/err" |
		cmp - a || fail "$code to a pipe"
	rm b
done

begin '27 no page is given to a pipe that is written to again: vmsplice is not used'
data 3000000 1 a
for how in '' --route=splice '--route=buffer --engine=sync'; do
	# shellcheck disable=SC2086,SC2002
	cat a | strace -f -qq -o "$T/inject.log" -e trace=vmsplice,splice "$ZCOPY" $how - - 2>"$T/err" | cmp - a || fail "$how"
	equal "$(calls vmsplice)" 0 'calls of vmsplice'
done

begin '28 a larger pipe is refused: the usual one does'
data 3000000 1 a
for code in EPERM EBUSY ENOMEM; do
	# what fcntl is for shows in its second word only: all are counted, from the first F_SETPIPE_SZ on
	# shellcheck disable=SC2002
	at=$(cat a | strace -f -qq -e trace=fcntl "$ZCOPY" --route=splice - b 2>&1 >/dev/null | grep 'fcntl(' | grep -n -m1 SETPIPE | cut -d: -f1)
	[ -n "$at" ] || { fail 'no F_SETPIPE_SZ'; break; }
	# shellcheck disable=SC2002
	cat a | strace -f -qq -o "$T/inject.log" -e trace=fcntl -e "inject=fcntl:error=$code:when=$at" "$ZCOPY" --route=splice - b 2>"$T/err"
	rc=$?
	judge 0 $code
	grep -q "SETPIPE.*$code" "$T/inject.log" || fail 'nothing was refused'
	same a b
	silent
done

begin '29 the reader of a pipe goes: quiet, and by the signal'
data 3000000 1 a
for how in '' --route=splice --route=sendfile '--route=buffer --engine=sync'; do
	# shellcheck disable=SC2086
	{ zcopy $how a - 2>"$T/err"; echo $? >status; } | head -c 1000 >/dev/null
	equal "$(cat status)" 141 "status, $how"
	silent
done

begin '30 standard output that does not block: waited for, not asked again and again'
data 300000 1 a
if helper nonblock; then
	for how in '' '--route=buffer --engine=sync' --route=splice; do
		# shellcheck disable=SC2086
		timeout 60 "$HELPERS/nonblock" 1 -- strace -f -qq -o "$T/inject.log" -e trace=write,splice,sendfile,poll,ppoll \
			"$ZCOPY" $how a - | { sleep 0.4 && cat; } >out
		same a out
		[ "$(calls EAGAIN)" -lt 40 ] || fail "EAGAIN $(calls EAGAIN) times, $how"
	done
else
	skip 'no helper'
fi
done_testing
