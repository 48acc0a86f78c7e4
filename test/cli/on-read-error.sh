#!/bin/sh
# --on-read-error: what a disk has lost, by a file system of ours that answers EIO for some bytes. zero and skip
# copy all the rest, say what is missing, keep a map of it, and the next run asks for nothing else.
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
export XDG_STATE_HOME="$T/state"
P=$(getconf PAGESIZE)
A=$((25 * P)) B=$((500 * P)) SIZE=$((1000 * P + 77)) # a bad byte in page 25, and bad pages from 500 on

engines=uring\ sync
if denied io_uring_setup; then engines=sync; fi

# disk [SWITCH]...: back, which was there before, as m; anew when it is mounted.
disk() {
	if mountpoint -q "$PWD/m" 2>/dev/null; then umount "$PWD/m"; fi
	fuse "$PWD/back" "$PWD/m" "$@" || skip_all 'no FUSE'
}
bad_disk() { disk "--bad=5:$((A + 100)):1" "--bad=61:$B:$((2 * P))" "$@"; }
setting() {
	begin "$1"
	shift
	rm -rf "$XDG_STATE_HOME"
	mkdir back && data "$SIZE" 1 back/a
	cp back/a holed
	dd if=/dev/zero of=holed bs="$P" seek=25 count=1 conv=notrunc 2>/dev/null
	dd if=/dev/zero of=holed bs="$P" seek=500 count=2 conv=notrunc 2>/dev/null
	bad_disk "$@"
}
maps() { find "$XDG_STATE_HOME" -name '*.map' 2>/dev/null | wc -l; }
map() { sed '/^#/d' "$XDG_STATE_HOME"/zcopy/*.map | sed 1d | awk '{ print $1, $2, $3 }' | tr '\n' ','; }
mapped() { # FROM PAGES ...: these are missing, and nothing else
	want='' at=0
	while [ $# -gt 0 ]; do
		want=$want$(printf '0x%08X 0x%08X +,0x%08X 0x%08X -,' "$at" $(($1 - at)) "$1" $(($2 * P)))
		at=$(($1 + $2 * P))
		shift 2
	done
	equal "$(map)" "$want$(printf '0x%08X 0x%08X +,' "$at" $((SIZE - at)))" 'the map'
}
is_report() { expect 0 "$PYTHON" "$here/report-check.py" "$@"; }

setting 'fail: as ever'
expect 1 zcopy m/a out
says 'cannot read.*Input/output error'
gone out
equal "$(maps)" 0 maps

for how in zero skip; do
	for engine in $engines; do
		setting "$how, $engine: all but what is lost, and then just that"
		expect 1 zcopy -p "--on-read-error=$how" "--engine=$engine" --report=r m/a out
		says "m/a: cannot read 2 ranges.* at byte $A: .*zeros in out; the same command.*\.map)"
		same holed out
		mapped "$A" 1 "$B" 2
		is_report r "r['exit_code'] == 1 and r['items']['files'] == r['items']['failed'] == 1" \
			"[(e['offset'], e['length'], e['errno'], e['side'], e['op']) for e in r['errors']] == \
			[($A, $P, 'EIO', 'src', 'read'), ($B, 2 * $P, 'ENODATA', 'src', 'read')]" \
			"r['bytes']['unread'] == 3 * $P"
		# one of them comes back: were anything else asked for, it would fail
		inode=$(inode_of out)
		disk "--bad=5:0:$B" "--bad=5:$((B + 2 * P)):$SIZE"
		expect 1 zcopy -p "--on-read-error=$how" "--engine=$engine" --report=r --explain m/a out
		says 'going on with the 2 ranges'
		dd if=back/a of=holed bs="$P" skip=500 seek=500 count=2 conv=notrunc 2>/dev/null
		same holed out
		mapped "$A" 1
		is_report r "r['bytes'] == {'logical': 3 * $P, 'data': 2 * $P, 'holes': 0, 'unread': $P}"
		disk "--bad=5:0:$A" "--bad=5:$((A + P)):$SIZE"
		expect 0 zcopy -p "--on-read-error=$how" "--engine=$engine" m/a out
		silent
		same back/a out
		equal "$(inode_of out)" "$inode" 'the same file'
		equal "$(stat -c %y out)" "$(stat -c %y back/a)" mtime
		equal "$(maps)" 0 maps
	done
done

begin 'no byte is left to be shared or copied unread'
data 300000 1 a
expect 0 zcopy --on-read-error=skip --explain a b
says 'route: buffer first: read errors are to be got around'
same a b
rm -rf "$XDG_STATE_HOME"
expect 0 zcopy --on-read-error=skip --dry-run a b
gone "$XDG_STATE_HOME"

setting '--resume goes on, too, and then knows that it is complete'
expect 1 zcopy -p --on-read-error=zero m/a out
expect 1 zcopy -p --resume m/a out
mapped "$A" 1 "$B" 2
disk "--bad=5:0:$A" "--bad=5:$((A + P)):$((B - A - P))" "--bad=5:$((B + 2 * P)):$SIZE"
expect 0 zcopy -p --resume m/a out
same back/a out
equal "$(maps)" 0 maps

setting 'going on ends halfway: what is there by then stays, and only the rest is missing'
expect 1 zcopy --on-read-error=zero m/a out
disk
expect 5 sh -c "ulimit -f $((B / 1024)); exec $ZCOPY --on-read-error=zero m/a out"
says 'cannot write'
mapped "$B" 2
disk "--bad=5:0:$B" "--bad=5:$((B + 2 * P)):$SIZE"
expect 0 zcopy --on-read-error=zero m/a out
same back/a out

setting 'a source, a destination that is another by now; a map that is none: copied anew'
for what in source destination garbage; do
	expect 1 zcopy --on-read-error=skip m/a out
	same holed out
	disk
	case $what in
	source) sleep 0.01 && touch back/a ;;
	destination) echo x >>out ;;
	*) echo x >>"$(echo "$XDG_STATE_HOME"/zcopy/*.map)" ;;
	esac
	inode=$(inode_of out)
	expect 0 zcopy --on-read-error=skip m/a out
	case $what in
	garbage) says 'copied anew: the map .* cannot be used: line' ;;
	*) says "copied anew: the map .* is of another $what" ;;
	esac
	same back/a out
	equal "$(maps)" 0 maps
	[ "$(inode_of out)" != "$inode" ] || fail "$what: the same file"
	bad_disk
done
expect 1 zcopy --on-read-error=skip m/a out # a complete file gets no better by a map
[ "$(maps)" -eq 1 ] || fail 'no map'

setting 'in place: skip leaves what was there, zero does not; both with --verify and --manifest'
awk -v n=$SIZE 'BEGIN { while (n-- > 0) printf "x" }' >old && cp old out
cp back/a mixed
dd if=old of=mixed bs="$P" skip=25 seek=25 count=1 conv=notrunc 2>/dev/null
dd if=old of=mixed bs="$P" skip=500 seek=500 count=2 conv=notrunc 2>/dev/null
expect 1 zcopy --inplace --on-read-error=zero --verify m/a out
says 'zeros in out'
same holed out
cp old out
expect 1 zcopy --inplace --on-read-error=skip --verify --hash=sha256 --manifest=sums m/a out
says 'left as they were in out'
same mixed out
sha256sum -c sums >/dev/null 2>&1 || fail 'the manifest is wrong'
expect 1 zcopy --inplace --on-read-error=zero --verify --hash=sha256 --manifest=sums m/a out
says 'zeros in out'
same holed out
sha256sum -c sums >/dev/null 2>&1 || fail 'the manifest is wrong'
mapped "$A" 1 "$B" 2
disk "--bad=5:$B:$SIZE"
expect 1 zcopy --on-read-error=skip --verify --hash=sha256 --manifest=sums m/a out
mapped "$B" 2
sha256sum -c sums >/dev/null 2>&1 || fail 'the manifest is wrong'
disk
expect 0 zcopy --on-read-error=skip --verify --hash=sha256 --manifest=sums --stats m/a out
says 'verified'
same back/a out
sha256sum -c sums >/dev/null 2>&1 || fail 'the manifest is wrong'

setting 'a stream has zeros in place of what is lost, whatever was asked for'
for how in zero skip; do
	zcopy --on-read-error=$how m/a - 2>"$T/err" | cat >out
	says 'zeros in -; no map'
	same holed out
	expect 1 zcopy --on-read-error=$how m/a - >/dev/null
done
expect 1 zcopy --on-read-error=zero m/a null:
equal "$(maps)" 0 maps

setting 'past the page cache; with holes; found zeros; no holes'
for how in --direct=always --sparse=always --sparse=never --queue-depth=16 '-j4 --block-size=64K' --verify; do
	for engine in $engines; do
		rm -f out
		# shellcheck disable=SC2086
		expect 1 zcopy --on-read-error=zero --engine=$engine $how m/a out
		[ "$rc" -ne 2 ] || continue # no O_DIRECT here
		same holed out
	done
done
truncate -s 100M back/a && cp --sparse=always back/a want
dd if=/dev/zero of=want bs="$P" seek=25 count=1 conv=notrunc 2>/dev/null
dd if=/dev/zero of=want bs="$P" seek=500 count=2 conv=notrunc 2>/dev/null
rm -f out
expect 1 zcopy --on-read-error=skip m/a out
same want out
[ "$(blocks_of out)" -lt 20000 ] || fail 'the holes are filled'

setting 'in a tree each file has its own; -u and --resume do not pass it by'
rm -f holed && mkdir back/d && data $((27 * P)) 2 back/d/small && data 300 3 back/d/tiny && : >back/d/empty
cp back/a back/d/b
disk --dir=files --bad=5:0:1
expect 1 zcopy -a --on-read-error=zero --report=r m out
is_report r "r['items']['failed'] == 4 and r['items']['files'] == 5 and r['bytes']['unread'] == 3 * $P + 300"
for file in a d/small d/tiny d/b d/empty; do
	equal "$(tail -c +$((P + 1)) out/$file | cksum)" "$(tail -c +$((P + 1)) back/$file | cksum)" "the rest of $file"
done
equal "$(maps)" 4 maps
expect 1 zcopy -a --resume --on-read-error=zero -T m out
equal "$(maps)" 4 maps
disk
expect 0 zcopy -a -u --on-read-error=zero -T m out
equal "$(maps)" 0 maps
expect 0 diff -r back out

setting 'too many lost blocks to try each: the rest in larger pieces, for the next run'
data $((5000 * P)) 4 back/a
disk "--bad=5:$((10 * P)):$((4900 * P))"
expect 1 zcopy --on-read-error=skip m/a out
map | grep -q '\*' || fail "none is wide: $(map)"
equal "$(map | tr ',' '\n' | grep -c '+')" 2 'good ranges'
disk
expect 0 zcopy --on-read-error=skip m/a out
same back/a out

begin 'a block device: single sectors'
rm -rf "$XDG_STATE_HOME"
mkdir back && data 1048576 5 back/a
disk --bad=5:524288:1
if have losetup && loop=$(losetup -f --show -r m/a 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	cp back/a want
	expect 1 zcopy --on-read-error=zero "$loop" out
	says '1 range'
	lost=$(map | tr ',' '\n' | awk '$3 == "-" { print $2 }')
	dd if=/dev/zero of=want bs=1 seek=524288 count=$((lost)) conv=notrunc 2>/dev/null
	same want out
	[ $((lost)) -le "$P" ] || fail "$lost bytes are lost"
	expect 1 zcopy --on-read-error=zero --explain "$loop" out
	says 'going on'
else
	skip 'no loop devices'
fi

begin 'btrfs: a checksum that is wrong is one block; a clone would not have read it'
if image btrfs "$PWD/b" 128; then
	rm -rf "$XDG_STATE_HOME"
	data 400000 6 want
	printf 'a word that nothing else here is' | dd of=want bs=1 seek=200000 conv=notrunc 2>/dev/null
	cp want b/a
	umount b
	at=$(grep -obUa 'a word that nothing else here is' "$loop" | head -1 | cut -d: -f1)
	printf 'A' | dd of="$loop" bs=1 seek="$at" conv=notrunc 2>/dev/null
	mount "$loop" b
	expect 1 zcopy --on-read-error=skip --report=r b/a b/copy
	is_report r "[e['offset'] <= 200000 < e['offset'] + e['length'] for e in r['errors']] == [True]" \
		"r['bytes']['unread'] <= 65536"
	lost=$(map | tr ',' '\n' | awk '$3 == "-" { print $1, $2 }')
	dd if=/dev/zero of=want bs=1 seek=$((${lost% *})) count=$((${lost#* })) conv=notrunc 2>/dev/null
	same want b/copy
else
	skip 'no btrfs image can be made here'
fi

setting 'other errors of storage count, those of others do not; no state, no map'
disk "--bad=74:$A:1"
expect 1 zcopy m/a out
says 'Bad message'
expect 1 zcopy --on-read-error=zero m/a out
says 'cannot read 1 range'
disk "--bad=13:$A:1" # EACCES
rm -f out
expect 1 zcopy --on-read-error=zero m/a out
gone out
bad_disk
expect 1 env -u HOME XDG_STATE_HOME=relative sh -c "$ZCOPY --on-read-error=zero m/a out"
says 'no map of them could be kept'
same holed out
expect 2 zcopy --on-read-error=zero --route=cfr m/a out
expect 2 zcopy --on-read-error=zero --reflink=always m/a out
done_testing
