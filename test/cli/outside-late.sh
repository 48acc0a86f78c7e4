#!/bin/sh
# Errors as file systems really make them: no room, quota, a size limit, a disk that fails when it is too late, a
# checksum that is wrong. Whatever it is: its status, its words, the old file as it was, nothing left, no buffer lost.
# shellcheck disable=SC3045,SC2086 # ulimit -f is known to every shell we meet; options are words
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python'

# fact KEY: its values in the last report
fact() { grep -o "\"$1\": *[^,}]*" "$T/r" | sed 's/.*: *//; s/"//g' | tr '\n' ' '; }

# refused STATUS WORDS DIR ARG...: zcopy ARG... big does not fit, be there an old file in DIR or not
refused() {
	want=$1 words=$2 dir=$3
	shift 3
	for name in old new; do
		expect "$want" timeout 60 $ZCOPY --report="$T/r" "$@" big "$dir/$name"
		says "$dir/$name.*$words"
		equal "$(fact exit_code)$(fact side)" "$want dst " 'status and side'
		case $(fact leaked_buffers) in '' | '0 ') ;; *) fail "$(fact leaked_buffers) buffers lost" ;; esac
		CASES_OF_FAULTS=$((CASES_OF_FAULTS + 1))
	done
	same "$dir/old" keep
	gone "$dir/new"
	equal "$(find "$dir" -name '.zcopy*')" '' 'left behind'
}
CASES_OF_FAULTS=0

# ways DIRECT: options for each way that bytes move here; with O_DIRECT where that can be had
ways() {
	echo
	denied copy_file_range || [ "$1" != same ] || echo --route=cfr
	denied sendfile || echo --route=sendfile
	echo --route=buffer --engine=sync
	denied io_uring_setup || echo --route=buffer --engine=uring
	[ "$1" != direct ] || echo --direct=always
	echo --sparse=always
	echo --durability=full
	echo --verify
}

# room DIR BYTES: leaves about so much
room() {
	free=$(($(stat -f -c '%a*%S' "$1")))
	fallocate -l $((free - $2)) "$1/filler" 2>/dev/null && sync -f "$1"
}

begin 'no room left'
data 6000000 1 big && data 100000 2 keep
for fs in tmpfs ext4 xfs btrfs; do
	how=direct
	case $fs in
	tmpfs) how='' && mounted tmpfs "$PWD/$fs" size=3m ;;
	ext4) image ext4 "$PWD/$fs" 16 ;;
	xfs) image xfs "$PWD/$fs" 320 ;;
	btrfs) image btrfs "$PWD/$fs" 128 ;;
	esac || {
		skip "cannot mount $fs"
		continue
	}
	cp keep $fs/old
	[ $fs = tmpfs ] || room $fs 3000000
	ways "$how" >"$T/ways"
	while read -r options; do
		refused 5 'No space left' $fs $options
	done <"$T/ways"
	rm -f $fs/filler
	(
		ulimit -f 2000
		while read -r options; do
			refused 5 'File too large' $fs $options
		done <"$T/ways"
		[ $FAILED -eq 0 ]
	) || fail 'with a size limit'
done

begin 'quota'
data 20000000 1 big && data 100000 2 keep
if have btrfs && image btrfs "$PWD/m" 128 && btrfs subvolume create m/s >/dev/null 2>&1 &&
	btrfs quota enable m 2>/dev/null && btrfs qgroup limit 8M m/s 2>/dev/null; then
	cp keep m/s/old && sync -f m
	for options in '' '--route=buffer --engine=sync' --direct=always; do
		refused 5 'Disk quota exceeded' m/s $options
	done
else
	skip 'no btrfs with quota'
fi

# The disk is a file on a file system that is full: writes are accepted, and fail when they reach it.
begin 'a disk that has no room itself'
data 30000000 1 big && data 100000 2 keep
for fs in ext4 xfs; do
	mib=320
	[ $fs = xfs ] || mib=64
	if ! mounted tmpfs "$PWD/under$fs" size=200m || ! ZC_IMAGES=$PWD/under$fs image $fs "$PWD/$fs" $mib; then
		skip "no loop devices or no mkfs.$fs"
		continue
	fi
	cp keep $fs/old && sync -f $fs
	free=$(($(stat -f -c '%a*%S' under$fs)))
	head -c $((free - 4000000)) /dev/zero >under$fs/filler
	# EIO, or what newer kernels know better
	expect '1|5' timeout 60 $ZCOPY big $fs/old
	says "$fs/old: .*: \\(Input/output error\\|No space left on device\\)"
	expect '1|5' timeout 60 $ZCOPY --durability=data big $fs/new
	says "$fs/new"
	expect '1|5' timeout 60 $ZCOPY --durability=full --direct=always big $fs/new2
	# such an error may end the whole file system: what is there is asked after it came back
	rm under$fs/filler
	umount $fs && mount "${LOOPS%% *}" $fs || fail "$fs does not come back"
	same $fs/old keep
	gone $fs/new
	gone $fs/new2
	equal "$(find $fs -name '.zcopy*' -newer keep)" '' 'left behind'
	CASES_OF_FAULTS=$((CASES_OF_FAULTS + 3))
done

# A block that is not what its checksum says cannot be read.
begin 'a block with a wrong checksum'
data 4000000 1 a && data 5000 2 keep && cp keep out
if image btrfs "$PWD/m" 128; then
	loop=${LOOPS%% *}
	cp a m/a && umount m
	"$PYTHON" - a "$loop" <<'P' || fail 'the block is not found'
import mmap, os, sys
mark = open(sys.argv[1], "rb").read()[2000000 & ~4095:][:64]
fd = os.open(sys.argv[2], os.O_RDWR)
size = os.lseek(fd, 0, os.SEEK_END)
at = mmap.mmap(fd, size, access=mmap.ACCESS_READ).find(mark)
os.pwrite(fd, b"?", at)
os.fsync(fd)
sys.exit(at < 0)
P
	mount "$loop" m
	ways direct | grep -v sparse >"$T/ways"
	while read -r options; do
		for name in out new; do
			expect 1 timeout 60 $ZCOPY --report="$T/r" $options m/a $name
			says 'm/a: .* at byte [0-9]*: Input/output error'
			equal "$(fact side)" 'src ' side
			at=$(fact offset)
			[ "$at" -le 1998848 ] && [ $((1998848 - at)) -lt 1048576 ] || fail "offset $at, not 1998848"
			CASES_OF_FAULTS=$((CASES_OF_FAULTS + 1))
		done
		same out keep
		gone new
		no_temps
	done <"$T/ways"
	mkdir s && cp keep s/small
	expect 1 zcopy -a m d
	says 'm/a.*Input/output error'
	gone d/a
else
	skip 'cannot mount btrfs'
fi

echo "$CASES_OF_FAULTS real errors"
done_testing
