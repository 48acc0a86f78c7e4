#!/bin/sh
# peers-tree.sh [--assert] [--fs=LIST] [CASE...]: trees, zcopy beside cp and rsync, in turns. Cases, all by default:
#   tree    57000 files as found in /usr/share, in some thousand directories
#   flat    100000 files of 0 to 4 KiB in one directory
#   deep    40 chains of 250 directories, four files of 1 KiB in each
#   large   4 files of 256 MiB
#   again   tree over a complete copy of itself: nothing is to be done (-u)
# Cells: zcopy -a beside cp -a and rsync -a; zcopy called as cp beside cp; with -u for again. LIST names file systems:
# ext4 (default), xfs, btrfs, each made anew for a case on a loop device over tmpfs, and `here`: BENCH_DIR as it is.
# Every run starts from a new destination, all written back, the source in the page cache (rounds before have read it).
# A round runs everyone once, first is someone else each time, and the first round is thrown away. A ratio is the median
# of the rounds' ratios. After every run files and bytes are counted; after the first and the last
# `rsync -aHAXSni --checksum --delete` must find nothing to do for what zcopy made. Peers' differences are only shown:
# rsync -a is asked for less than cp -a (no hard links, ACLs, attributes).
# Prints Markdown, losing cells first; progress is on stderr. Status 1: zcopy made a wrong copy, or, with --assert, a
# cell where it is slower than the peer or has no figure.
# ZCOPY is the command (zcopy), ROUNDS the rounds (9), CPUS the CPUs to run on (the first two allowed; `all`: no limit),
# BENCH_DIR where to work (TMPDIR or /tmp), TREE where the files of `tree` are taken from, TREE_FILES FLAT_FILES
# DEEP_CHAINS DEEP_LEVELS LARGE_FILES LARGE_BYTES the sizes, CALLS=no leaves out the counting of calls (by strace,
# CALLS_SECONDS for each command at most: 90).
# Needs bash, coreutils, findutils, tar, awk; root and about 8 GiB of memory but for `here`. Nothing else should run.
set -u
LC_ALL=C
export LC_ALL
rounds=${ROUNDS:-9} tree=${TREE:-/usr/share}
tree_files=${TREE_FILES:-57000} flat_files=${FLAT_FILES:-100000}
deep_chains=${DEEP_CHAINS:-40} deep_levels=${DEEP_LEVELS:-250}
large_files=${LARGE_FILES:-4} large_bytes=${LARGE_BYTES:-268435456}
patience=${CALLS_SECONDS:-90}
assert=no systems=ext4 cases=''

usage() {
	echo 'usage: peers-tree.sh [--assert] [--fs=ext4,xfs,btrfs,here] [tree] [flat] [deep] [large] [again]' >&2
	exit 2
}
for word; do
	case $word in
	--assert) assert=yes ;;
	--fs=*) systems=$(echo "${word#--fs=}" | tr , ' ') ;;
	tree | flat | deep | large | again) cases="$cases $word" ;;
	*) usage ;;
	esac
done
for fs in $systems; do
	case $fs in ext4 | xfs | btrfs | here) ;; *) usage ;; esac
done
: "${cases:=tree flat deep large again}"

have() { command -v "$1" >/dev/null 2>&1; }
note() { echo "peers-tree: $*" >&2; }
die() {
	note "$*"
	exit 1
}

zcopy=$(command -v "${ZCOPY:-zcopy}") || die "${ZCOPY:-zcopy}: not here"
zcopy=$(readlink -f "$zcopy")
work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/zc-bench.XXXXXX") || exit 1
leave() {
	cd /
	! mountpoint -q "$work/fs" || umount "$work/fs" || umount -l "$work/fs"
	! mountpoint -q "$work/memory" || umount "$work/memory" || umount -l "$work/memory"
	rm -rf --one-file-system "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/fs" "$work/memory" "$work/runs"
ln -s "$zcopy" "$work/bin/cp"
: >"$work/rows"

# the CPUs to run on: the first two of those that are allowed here
cpus=${CPUS:-$(taskset -cp $$ 2>/dev/null | sed 's/.*: *//' | tr , '\n' |
	awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1) && n < 2; i++) printf "%s%d", n++ ? "," : "", i }')}
pinned="taskset -c $cpus"
have taskset && [ -n "$cpus" ] && [ "$cpus" != all ] || pinned='' cpus=all

# fresh_fs TYPE: an empty file system at $work/fs, and we are in it. Status 1: not to be had.
fresh_fs() {
	cd "$work" || exit 1
	! mountpoint -q fs || umount fs || die 'cannot unmount what this bench mounted'
	if [ "$1" = here ]; then
		rm -rf fs/src fs/new
	else
		have "mkfs.$1" || return 1
		mountpoint -q memory || mount -t tmpfs -o size=90% zc-bench memory || return 1
		rm -f memory/disk
		truncate -s 12G memory/disk || return 1
		case $1 in
		ext4) mkfs.ext4 -q -i 8192 -E lazy_itable_init=0,lazy_journal_init=0 memory/disk ;;
		*) "mkfs.$1" -q memory/disk ;;
		esac >/dev/null && mount -o loop memory/disk fs || return 1
	fi
	cd fs || exit 1
}

# as many files as wanted, from the head of TREE's sorted names, over again where it has fewer
make_tree() {
	left=$tree_files number=0
	while [ "$left" -gt 0 ]; do
		mkdir src/$number || return 1
		(cd "$tree" && find . -xdev ! -type d -print0 | sort -z | head -z -n "$left" | tar --null -T - -cf -) |
			tar -xpf - -C src/$number || return 1
		got=$(find src/$number ! -type d | wc -l)
		[ "$got" -gt 0 ] || die "$tree: nothing there to copy"
		left=$((left - got)) number=$((number + 1))
	done
}
make_flat() {
	head -c 6144 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$work/noise"
	awk -v n="$flat_files" 'BEGIN { srand(7) } { for (i = 0; i < n; i++) {
		name = sprintf("src/%08x-%d", rand() * 4294967295, i)
		printf "%s", substr($0, 1 + int(rand() * 8000), int(rand() * 4097)) >name
		close(name) } }' "$work/noise"
}
make_deep() {
	awk -v c="$deep_chains" -v l="$deep_levels" 'BEGIN { for (i = 0; i < c; i++) { at = "src/chain" i
		for (j = 1; j < l; j++) at = at "/d" j % 10
		print at } }' | xargs mkdir -p || return 1
	find src -mindepth 1 -type d | awk '{ for (i = 0; i < 4; i++) { name = $0 "/file" i
		printf "%1024d", NR * 4 + i >name
		close(name) } }'
}
make_large() {
	number=0
	while [ $number -lt "$large_files" ]; do
		head -c "$large_bytes" /dev/urandom >src/large$number || return 1
		number=$((number + 1))
	done
}
make_again() { make_tree && cp -a src new; }

# command_of WHO CASE: what WHO is asked to do
command_of() {
	case $1 in
	zcopy) what="$zcopy -a" ;;
	as-cp) what="$work/bin/cp -a" ;;
	cp) what="cp -a" ;;
	rsync)
		echo 'rsync -a src/ new/'
		return
		;;
	esac
	[ "$2" != again ] || what="$what -u -T"
	echo "$what src new"
}
label_of() { # WHO CASE
	label=$1
	[ "$1" != as-cp ] || label='zcopy as cp'
	label="$label -a"
	[ "$2" != again ] || [ "$1" = rsync ] || label="$label -u"
	echo "$label"
}

# tally DIR: how many of which type, and the bytes of the files
tally() {
	find "$1" -printf '%y %s\n' |
		awk '{ n[$1]++ } $1 == "f" { b += $2 } END { printf "%d %d %d %.0f\n", n["f"], n["d"], n["l"], b }'
}
differences() {
	if have rsync; then
		rsync -aHAXSni --checksum --delete src/ new/ | tee "$work/differs" | wc -l
		head -3 "$work/differs" >&2
	else
		echo '?'
	fi
}
clear_new() { # CASE
	[ "$1" = again ] || rm -rf new
	# what is being written back would be paid for by who comes next
	sync -f .
}

# run WHO CASE ROUND: one run, its "wall cpu" goes to runs/WHO. Status 1: it failed or copied something else.
run() {
	clear_new "$2"
	# shellcheck disable=SC2046 # a command and its words
	$pinned /usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; { time "$@" >/dev/null 2>"$0"; } 2>&1' "$work/said" \
		$(command_of "$1" "$2") >"$work/time" || {
		head -1 "$work/said" | tr '|' ' ' | sed "s|$work/||g" >"$work/runs/$1.failed"
		note "$2: $1: $(cat "$work/runs/$1.failed")"
		return 1
	}
	[ "$3" -eq 0 ] || awk '{ print $1, $2 + $3 }' "$work/time" >>"$work/runs/$1"
	[ "$(tally new)" = "$wanted" ] || {
		echo "wrong copy: $(tally new), not $wanted" >"$work/runs/$1.failed"
		note "$2: $1: $(cat "$work/runs/$1.failed")"
		echo 1 >"$work/runs/$1.differs"
		return 1
	}
	[ "$3" -ne 0 ] && [ "$3" -ne "$rounds" ] || {
		now=$(differences) before=$(cat "$work/runs/$1.differs" 2>/dev/null || echo 0)
		[ "$now" = '?' ] || [ "$now" -ge "$before" ] || now=$before
		echo "$now" >"$work/runs/$1.differs"
	}
}

# calls WHO CASE: system calls per item, of all its processes. None where that takes too long (rsync in deep).
calls() {
	if [ "${CALLS:-yes}" = no ] || ! have strace; then return; fi
	clear_new "$2"
	# shellcheck disable=SC2046
	timeout "$patience" strace -I2 -f -c -qq -o "$work/calls" $(command_of "$1" "$2") >/dev/null 2>&1 || return
	awk -v items="$items" '$1 ~ /^[0-9.]+$/ && $NF != "total" { n += $4 } END { printf "%.1f\n", n / items }' \
		"$work/calls" >"$work/runs/$1.calls"
}

# row FS CASE OURS PEER: a line of the table behind the key it is sorted by
row() {
	name="$1 $2: $(label_of "$3" "$2") beside $(label_of "$4" "$2")"
	for who in "$3" "$4"; do
		why=$(cat "$work/runs/$who.failed" 2>/dev/null) || continue
		echo "0 | $name | no figure: $(label_of "$who" "$2"): $why | | | | | |" >>"$work/rows"
		return
	done
	extra() { cat "$work/runs/$1.$2" 2>/dev/null || echo '?'; }
	paste "$work/runs/$3" "$work/runs/$4" | awk -v name="$name" -v calls="$(extra "$3" calls), $(extra "$4" calls)" \
		-v differs="$(extra "$3" differs), $(extra "$4" differs)" '
		function quantile(v, n, q,    at, low) { at = 1 + (n - 1) * q; low = int(at)
			return v[low] + (at - low) * (v[low < n ? low + 1 : n] - v[low]) }
		function sort(v, n,    i, j, t) { for (i = 2; i <= n; i++) { t = v[i]
			for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]
			v[j + 1] = t } }
		function spread(v, n) { return sprintf("%.3f [%.3f %.3f]", quantile(v, n, .5),
			quantile(v, n, .25), quantile(v, n, .75)) }
		{ n++; o[n] = $1; oc[n] = $2; p[n] = $3; pc[n] = $4; r[n] = $1 > 0 ? $3 / $1 : 0 }
		END { sort(o, n); sort(p, n); sort(oc, n); sort(pc, n); sort(r, n)
			printf "%.4f | %s | %s | %s | %s | %.2f, %.2f | %s | %s |\n", quantile(r, n, .5), name, spread(r, n),
				spread(o, n), spread(p, n), quantile(oc, n, .5), quantile(pc, n, .5), calls, differs }' >>"$work/rows"
}

# bench FS CASE
bench() {
	rm -f "$work"/runs/*
	if ! fresh_fs "$1"; then
		echo "0 | $1 $2 | no figure: $1 cannot be had here (root, mkfs.$1, loop devices) | | | | | |" >>"$work/rows"
		return
	fi
	mkdir src && "make_$2" || die "$1: cannot make the source of $2"
	wanted=$(tally src) items=$(find src | wc -l)
	echo "$wanted" | awk -v what="$1 $2" '{ printf "- %s: %d files, %d directories, %d links, %.1f MiB\n",
		what, $1, $2, $3, $4 / 1048576 }' >>"$work/facts"
	contenders='zcopy cp rsync as-cp'
	have rsync || echo 'not here' >"$work/runs/rsync.failed"
	round=0
	while [ "$round" -le "$rounds" ]; do
		note "$1 $2: round $round of $rounds"
		for who in $contenders; do
			[ -e "$work/runs/$who.failed" ] || run "$who" "$2" "$round"
		done
		contenders="${contenders#* } ${contenders%% *}"
		round=$((round + 1))
	done
	for who in $contenders; do
		[ -e "$work/runs/$who.failed" ] || calls "$who" "$2"
	done
	row "$1" "$2" zcopy cp
	row "$1" "$2" zcopy rsync
	row "$1" "$2" as-cp cp
	for who in zcopy as-cp; do
		case $(cat "$work/runs/$who.differs" 2>/dev/null) in '' | 0 | '?') ;; *) wrong=$((wrong + 1)) ;; esac
	done
}

facts() {
	echo "- $($zcopy --version 2>/dev/null | head -1); $(cp --version | head -1); $(rsync --version 2>/dev/null | head -1)"
	echo "- Linux $(uname -r), $(sed -n 's/^model name.*: *//p' /proc/cpuinfo | head -1), $(nproc --all) CPUs, run on: $cpus;" \
		"$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
	echo "- file systems: $systems; ext4, xfs and btrfs on a loop device over tmpfs; sources cached, destinations new," \
		"all written back before each run, no fsync in the time"
	echo "- $rounds rounds, median [quartiles]; load before $load, after $(cut -d' ' -f1 /proc/loadavg)"
}

wrong=0 load=$(cut -d' ' -f1 /proc/loadavg)
for fs in $systems; do
	for case in $cases; do
		bench "$fs" "$case"
	done
done
facts
cat "$work/facts" 2>/dev/null
echo
echo '| work | x as fast | zcopy s | peer s | CPU s: zcopy, peer | calls/item: zcopy, peer | differences: zcopy, peer |'
echo '|---|---|---|---|---|---|---|'
sort -n "$work/rows" | sed 's/^[^|]*//'
slower=$(awk '$1 < 1' "$work/rows" | wc -l)
[ "$wrong" -eq 0 ] || die "$wrong of zcopy's copies are wrong"
[ $assert = no ] || [ "$slower" -eq 0 ] || die "$slower cells where zcopy does not win"
