#!/bin/sh
# matrix.sh ext4|xfs|btrfs|tmpfs|overlay|fuse|cross: every size, layout of holes, engine and route there, byte
# for byte, holes kept. Big files are sampled, always the same ones; ZC_LONG=1: all, and 1 GiB + 7 on ext4.
. "${0%/*}/lib.sh"
fs=${1:?a file system}
small='0 1 511 512 513 4095 4096 4097'
middle='65535 65536 65537 1048575 1048576 1048577'
big=67108871
layouts='dense leading trailing hole alt4k alt64k'
helper mkfile || skip_all 'no helper'

begin "$fs"
there=$PWD/fs
case $fs in
ext4) image ext4 "$there" 1024 ;;
xfs) image xfs "$there" 1024 ;;
btrfs) image btrfs "$there" 1024 ;;
tmpfs) mounted tmpfs "$there" size=3g || { [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] &&
	there=$(mktemp -d /dev/shm/zc-cli.XXXXXX) && OWN_SHM=$there; } ;;
overlay)
	image ext4 "$PWD/up" 1024 && mkdir -p low up/up up/work &&
		mounted overlay "$there" "lowerdir=$PWD/low,upperdir=$PWD/up/up,workdir=$PWD/up/work"
	;;
fuse) mounted tmpfs "$PWD/back" size=3g && fuse "$PWD/back/d" "$there" ;;
cross) image ext4 "$PWD/ext4" 512 && image xfs "$PWD/xfs" 512 && image btrfs "$PWD/btrfs" 512 &&
	mounted tmpfs "$PWD/tmpfs" size=1g ;;
*) skip_all 'an unknown file system' ;;
esac || skip_all "cannot have $fs: root, loop devices, mkfs and the kernel's help are needed"
[ -z "${OWN_SHM:-}" ] || trap 'rm -rf "$OWN_SHM"; cleanup' EXIT

tried=0

# copied SRC DST WANT ZCOPY-OPTION...: the copy, the bytes, the holes.
copied() {
	src=$1 dst=$2 want=$3
	shift 3
	tried=$((tried + 1))
	expect "$want" zcopy "$@" "$src" "$dst" || return 0
	if [ "$rc" -ne 0 ]; then
		[ ! -e "$dst" ] || fail "exit $rc, but $dst is there: $*"
		return 0
	fi
	cmp -s "$src" "$dst" || fail "$src by $*: $(cmp "$src" "$dst" 2>&1)"
	have_blocks=$(blocks_of "$dst")
	# what a file system adds for its own reasons: an eighth, and 64 KiB
	if [ "$have_blocks" -gt $((src_blocks + src_blocks / 8 + 128)) ]; then
		fail "$src by $*: $have_blocks blocks of $src_blocks, the holes are lost"
	fi
	rm -f "$dst"
}

# May the route be forced from file to file here? 0: yes, 2: no, 0|2: as it likes.
fits() {
	case $1 in
	reflink)
		case $fs in
		xfs | btrfs) fit=0 ;;
		*) fit=2 ;;
		esac
		;;
	cfr) if denied copy_file_range; then fit=2; else fit=0; fi ;;
	sendfile) if denied sendfile; then fit=2; else fit=0; fi ;;
	splice) fit='0|2' ;;
	*) fit=0 ;;
	esac
	# nothing is moved of an empty file, nor of a hole: refusing or not, both are right
	[ "$2" = some ] || [ $fit != 2 ] || fit='0|2'
}

# every ENGINES ROUTES: all ways for the source in $src_file.
every() {
	src_blocks=$(blocks_of "$src_file")
	for engine in $1; do
		[ "$engine" != uring ] || ! denied io_uring_setup || continue
		for route in $2; do
			fits "$route" "$content"
			copied "$src_file" "$there/dst" "$fit" --engine="$engine" --route="$route"
		done
	done
}

make_source() {
	src_file=$there/$1-$2
	"$HELPERS/mkfile" "$1" "$2" "$2" "$src_file" || fail 'mkfile'
	content=some
	if [ "$2" -eq 0 ] || [ "$1" = hole ]; then content=none; fi
	[ "$fs" != btrfs ] || sync -f "$there" # inline extents and delayed allocation count blocks late
}

if [ "$fs" = cross ]; then
	for pair in 'tmpfs ext4' 'ext4 xfs' 'xfs btrfs' 'btrfs tmpfs' 'xfs ext4'; do
		for size in 4097 1048577 20000003; do
			for layout in dense alt64k; do
				there=$PWD/${pair% *}
				make_source $layout $size
				src_blocks=$(blocks_of "$src_file")
				for how in auto buffer sendfile; do
					[ $how != sendfile ] || ! denied sendfile || continue
					copied "$src_file" "$PWD/${pair#* }/dst" 0 --route=$how
				done
				copied "$src_file" "$PWD/${pair#* }/dst" 2 --route=reflink
				rm -f "$src_file"
			done
		done
	done
	echo "$tried copies"
	done_testing
fi

routes='auto reflink cfr sendfile splice buffer'
for size in $small; do
	make_source dense "$size"
	every 'uring sync' "$routes"
done
for size in $middle; do
	for layout in $layouts; do
		make_source "$layout" "$size"
		if [ "$layout" = dense ] || [ -n "${ZC_LONG:-}" ]; then
			every 'uring sync' "$routes"
		else
			# the engines matter to the buffer route only
			every 'uring' "$routes"
			every 'sync' 'buffer'
		fi
		rm -f "$src_file"
	done
done
number=0
for layout in $layouts; do
	make_source "$layout" $big
	for engine in uring sync; do
		for route in $routes; do
			number=$((number + 1))
			# every fifth, so that each route and each layout has its turn
			if [ -n "${ZC_LONG:-}" ] || [ $((number % 5)) -eq 0 ] || [ "$route" = buffer ]; then
				every "$engine" "$route"
			fi
		done
	done
	rm -f "$src_file"
done
if [ -n "${ZC_LONG:-}" ] && [ "$fs" = ext4 ]; then
	there=$PWD/big
	image ext4 "$there" 4096 || fail 'no image for 1 GiB + 7'
	make_source dense 1073741831
	every uring 'auto cfr sendfile splice buffer'
	every sync buffer
fi
echo "$tried copies"
done_testing
