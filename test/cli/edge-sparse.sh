#!/bin/sh
# Holes: where they are kept, made, closed, and what they cost (docs/edge-cases.md, 41 to 49).
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
helper mkfile || skip_all 'no helper'
mkfile() { "$HELPERS/mkfile" "$@"; }
through='--route=buffer --engine=sync'

begin '41 a hole of 1 TiB is no work; nor is one before or behind the data'
truncate -s 1T hole
truncate -s 1T tail && data 5000 1 head && dd if=head of=tail conv=notrunc status=none
truncate -s 1T lead && printf end >>lead
for name in hole tail lead; do
	for how in '' "$through" --sparse=always; do
		rm -f b
		case $name$how in *always) [ $name = hole ] || continue ;; esac
		[ "$how" != --sparse=always ] || continue # it reads them
		# shellcheck disable=SC2086
		expect 0 timeout 60 $ZCOPY $how $name b
		equal "$(stat -c %s b)" "$(stat -c %s $name)" size
		equal "$(blocks_of b)" "$(blocks_of $name)" "blocks of $name"
	done
done
cmp -n 5000 tail b >/dev/null 2>&1 || :
rm -rf d && mkdir s && mv hole tail lead s
expect 0 timeout 60 sh -c "$ZCOPY -a s d"
equal "$(tail -c 3 d/lead)" end 'the last bytes'
cmp -n 5000 head d/tail || fail 'the first bytes'
begin '41 room that was reserved behind the end'
data 5000 1 a
if fallocate -n -l 1M a 2>/dev/null; then
	expect 0 zcopy -a a b
	same a b
	[ "$(blocks_of b)" -lt 100 ] || fail "$(blocks_of b) blocks: more than the data"
else
	skip 'no fallocate'
fi

begin '42 SEEK_DATA cannot say: all of it is read. It fails: an error'
if can_trace; then
	mkfile alt64k 400000 1 a
	for code in EINVAL EOPNOTSUPP ENOSYS ESPIPE; do
		for how in '' "$through"; do
			rm -f b
			# shellcheck disable=SC2086
			inject_all error=$code lseek $how a b
			judge 0 "$code"
			same a b
		done
	done
	# shellcheck disable=SC2086
	inject error=EIO lseek SEEK_DATA $through a c
	judge 1 EIO
	says 'Input/output error'
	gone c
	# a hole up to the end, which ENXIO means
	mkfile trailing 400000 1 t
	rm -f b
	expect 0 zcopy t b
	same t b
	equal "$(blocks_of b)" "$(blocks_of t)" blocks
else
	skip "$no_trace"
fi

begin '43 no SEEK_HOLE: the zeros are data, unless --sparse=always looks for them'
if fuse "$PWD/back" "$PWD/m" --no-seek; then
	mkfile leading 1048576 1 back/a
	expect 0 zcopy --sparse=auto m/a b
	same back/a b
	expect 0 zcopy --sparse=always m/a c
	same back/a c
	equal "$(blocks_of c)" "$(blocks_of back/a)" 'blocks with --sparse=always'
else
	skip 'no FUSE'
fi

begin '44 SEEK_HOLE lies about data: --sparse=never does not ask it'
if can_trace; then
	data 300000 1 a
	for how in '' "$through"; do
		rm -f b
		# shellcheck disable=SC2086
		inject_all error=ENXIO lseek --sparse=never --reflink=never $how a b
		judge 0 'all is said to be a hole'
		same a b
	done
else
	skip "$no_trace"
fi

begin '45 what was there is longer, and has data where the new one has holes'
mkfile alt64k 400000 1 a
mkdir s d && cp --sparse=always a s/a
ln -s "${ZCOPY##* }" cp
for how in '' --inplace "--inplace $through" '--inplace --sparse=always' --sparse=always; do
	data 1000000 2 b
	# shellcheck disable=SC2086
	expect 0 zcopy $how a b
	same a b
	case $how in
	*--inplace | *sync) [ "$(blocks_of b)" -le "$(($(blocks_of a) + 16))" ] || fail "blocks, $how: $(blocks_of b)" ;;
	esac
	data 1000000 2 d/a
	# shellcheck disable=SC2086
	expect 0 zcopy -aT $how s d
	same s/a d/a
done
case $ZCOPY in
*' '*) ;;
*)
	data 1000000 2 b
	expect 0 ./cp a b
	same a b
	;;
esac

begin '46 room that was reserved in advance does not fill the holes'
for fs in xfs ext4; do
	if image $fs "$PWD/$fs" 320; then
		mkfile leading 40000000 1 $fs/a && sync -f $fs
		for how in '' "$through" --direct=always "--inplace"; do
			rm -f $fs/b
			# reserved, as a download tool does; and nothing there at all
			for before in no yes; do
				[ $before = no ] || fallocate -l 40000000 $fs/b
				# shellcheck disable=SC2086
				expect 0 zcopy --reflink=never $how $fs/a $fs/b
				same $fs/a $fs/b
				sync -f $fs
				[ "$(blocks_of $fs/b)" -le "$(($(blocks_of $fs/a) + 256))" ] ||
					fail "$fs $how, reserved: $before: $(blocks_of $fs/b) blocks, not $(blocks_of $fs/a)"
			done
		done
	else
		skip "cannot mount $fs"
	fi
done

begin '47 --sparse=always to what cannot have holes: zeros are written'
mkfile alt4k 300000 1 a
zcopy --sparse=always a - | cmp - a || fail 'to a pipe'
zcopy --sparse=always a - >out || fail "exit $?"
same a out
{ printf head && zcopy --sparse=always a -; } >>out2 && tail -c +5 out2 | cmp - a || fail 'appended'
mkfifo p
cat p >out3 &
expect 0 zcopy --sparse=always a p
wait $!
same a out3
expect 0 zcopy --sparse=always a /dev/null
[ -c /dev/null ] || fail 'no device any more'
data 400000 3 disk
if is_root && loop=$(losetup -f --show disk 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	expect 0 zcopy --sparse=always a "$loop"
	cmp -n 299008 a "$loop" || fail 'holes of the image are what was on the device'
fi

begin '48 zeros in drops: not a write for each KiB'
if can_trace && have "$PYTHON"; then
	"$PYTHON" -c 'open("a", "wb").write((b"x" * 1024 + bytes(1024)) * 2048)'
	for how in --sparse=always "--sparse=always $through"; do
		rm -f b
		# shellcheck disable=SC2086
		strace -f -qq -o calls -e trace=pwrite64,write,lseek,fallocate "$ZCOPY" $how a b || fail "exit $?"
		same a b
		[ "$(wc -l <calls)" -lt 200 ] || fail "$(wc -l <calls) calls for 4 MiB, $how"
	done
else
	skip "$no_trace"
fi

begin '49 many holes: as many questions as there are holes, and no more memory'
pieces=8000
if [ -n "${ZC_LONG:-}" ]; then pieces=1000000; fi
if mounted tmpfs "$PWD/m" size=12g; then
	mkfile alt4k $((pieces * 8192)) 1 m/a
	expect 0 timeout 100 sh -c "$ZCOPY --report=r m/a m/b"
	same m/a m/b
	equal "$(blocks_of m/b)" "$(blocks_of m/a)" blocks
	rss=$(sed -n 's/.*"peak_rss_bytes": *\([0-9]*\).*/\1/p' r)
	[ "${ZC_SANITIZED:+0}${rss:-x}" -lt 100000000 ] || fail "peak_rss_bytes $rss"
	if can_trace && [ $pieces -lt 10000 ]; then
		rm m/b
		strace -f -qq -o calls -e trace=lseek "$ZCOPY" m/a m/b || fail "exit $?"
		[ "$(wc -l <calls)" -lt $((pieces * 4)) ] || fail "$(wc -l <calls) lseeks for $pieces holes"
	fi
else
	skip 'cannot mount'
fi

begin '49 pieces that are not cached between many holes: the disk is asked for those to come'
# cold: nothing of it is cached, or this case cannot tell
cold() { sync a && dd of=a oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null; }
if ! can_trace || [ "$(stat -f -c %T .)" = tmpfs ]; then
	skip "${no_trace:-tmpfs is always in memory}"
else
	mkfile alt64k 67108864 1 a
	cold
	strace -f -qq -o calls -e trace=ioctl,fadvise64 "$ZCOPY" --reflink=never a b || fail "exit $?"
	same a b
	equal "$(($(blocks_of b) / 1000))" "$(($(blocks_of a) / 1000))" 'thousands of blocks'
	asked=$(grep -c 'FADV_WILLNEED) = 0' calls)
	if ! grep -q FIEMAP calls; then
		skip 'this system does not tell what is cached'
	elif ! grep -q 'FIEMAP.* = 0' calls; then
		skip 'no FIEMAP here'
	else
		[ "$asked" -ge 500 ] || fail "$asked pieces asked for of 512"
		[ "$(grep -c FIEMAP calls)" -le 12 ] || fail "$(grep -c FIEMAP calls) lists of pieces"
		cold
		strace -f -qq -o calls -e trace=ioctl -e inject=ioctl:error=EOPNOTSUPP "$ZCOPY" a c || fail "exit $?"
		same a c
		[ "$(grep -c FIEMAP calls)" -le 1 ] || fail 'asked again after a refusal'
	fi
fi
done_testing
