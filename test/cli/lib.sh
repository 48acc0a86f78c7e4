# shellcheck shell=sh
# What every test here is written with. Source it first; it wants
#   ZCOPY       the command under test; several words are fine (an emulator, a launcher)
#   ZC_HELPERS  the folder of the programs of test/helpers; tests that need one skip without it
#   ZC_DENIED   the system calls a launcher in ZCOPY denies, for tests that expect otherwise then
# A test is cases: begin NAME, then checks, each of which says what was wrong; done_testing at the end.
# Each case has an empty directory of its own, and none may leave a .zcopy-* file behind.
# Exit status: 0, 1 when a check failed, 77 when nothing could be tried.
set -u
: "${ZCOPY:?set ZCOPY to the command under test}"
HELPERS=${ZC_HELPERS:-/nonexistent}
LC_ALL=C
export LC_ALL
umask 022
T=$(mktemp -d "${TMPDIR:-/tmp}/zc-cli.XXXXXX") || exit 99
chmod 755 "$T"
# the distribution's own: a version manager's shim takes longer than the tests
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=python3
CASE='' CASES=0 FAILED=0 SKIPPED=0 MOUNTS='' LOOPS=''

cleanup() {
	cd /
	for at in $MOUNTS; do umount -l "$at" 2>/dev/null; done
	for loop in $LOOPS; do losetup -d "$loop" 2>/dev/null; done
	chmod -R u+rwx "$T" 2>/dev/null
	rm -rf "$T" 2>/dev/null || { chattr -R -i -a "$T" 2>/dev/null; rm -rf "$T"; }
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The command under test. ZCOPY is split into words on purpose.
zcopy() {
	# shellcheck disable=SC2086
	$ZCOPY "$@"
}

fail() {
	FAILED=$((FAILED + 1))
	printf 'FAIL %s: %s\n' "$CASE" "$*"
}

# Ends the case before: nothing of ours may lie about.
end_case() {
	[ -n "$CASE" ] || return 0
	left=$(find "$T/$CASES" -xdev -name '.zcopy-*' 2>/dev/null)
	[ -z "$left" ] || fail "left behind: $left"
	CASE=''
}

begin() {
	end_case
	CASE=$*
	CASES=$((CASES + 1))
	mkdir "$T/$CASES" && cd "$T/$CASES" || exit 99
}

# skip REASON: this case cannot be tried here.
skip() {
	SKIPPED=$((SKIPPED + 1))
	printf 'SKIP %s: %s\n' "$CASE" "$*"
}

# skip_all REASON: nothing of this file can be tried here.
skip_all() {
	printf 'SKIP %s: %s\n' "${0##*/}" "$*"
	exit 77
}

done_testing() {
	end_case
	printf '%s: %d cases, %d checks failed, %d skipped\n' "${0##*/}" "$CASES" "$FAILED" "$SKIPPED"
	[ "$FAILED" -eq 0 ] || exit 1
	[ "$SKIPPED" -lt "$CASES" ] || exit 77
	exit 0
}

# expect STATUS[|STATUS...] COMMAND...: runs it; what it printed is in $T/out and $T/err.
expect() {
	status=$1
	shift
	"$@" >"$T/out" 2>"$T/err"
	rc=$?
	judge "$status" "$@"
}

# judge STATUS[|STATUS...] WORDS...: the same for a command that has run: rc and $T/err are its result.
judge() {
	status=$1
	shift
	case "|$status|" in
	*"|$rc|"*) return 0 ;;
	esac
	fail "exit $rc, not $status: $*"
	[ ! -s "$T/err" ] || sed 's/^/     | /' "$T/err" | head -5
	return 1
}

same() { cmp -s -- "$1" "$2" || fail "$1 and $2 differ: $(cmp -- "$1" "$2" 2>&1)"; }
gone() { if [ -e "$1" ] || [ -L "$1" ]; then fail "$1 is there"; fi; }
says() { grep -q -e "$1" "${2:-$T/err}" || fail "no '$1' in: $(head -c 300 "${2:-$T/err}")"; }
silent() { [ ! -s "$T/err" ] || fail "stderr is not empty: $(head -c 300 "$T/err")"; }
equal() { [ "$1" = "$2" ] || fail "${3:-value}: '$1', not '$2'"; }
# One line, and where to look (contract, section 2).
usage_error() {
	says "^Try '.*--help' for more information"
	equal "$(wc -l <"$T/err")" 2 'lines of a usage error'
}
no_temps() { equal "$(find . -name '.zcopy-*')" '' 'left behind'; }
mode_of() { stat -c %a -- "$1"; }
inode_of() { stat -c %i -- "$1"; }
blocks_of() { stat -c %b -- "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }
helper() { [ -x "$HELPERS/$1" ]; }
is_root() { [ "$(id -u)" -eq 0 ]; }
denied() {
	case " ${ZC_DENIED:-} " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# A splice wants a pipe of its own, and glibc makes every pipe by pipe2.
no_splice() { denied splice || denied pipe2; }

# data BYTES SEED FILE: the same bytes every time, none of them predictable, without any of our code.
data() {
	if helper mkfile; then
		"$HELPERS/mkfile" dense "$1" "$2" "$3"
	else
		awk -v n="$1" -v s="$2" 'BEGIN { srand(s); while (n > 0) { l = sprintf("%.12f\n", rand());
			l = substr(l, 1, n); n -= length(l); printf "%s", l } }' >"$3"
	fi
}

# await COMMAND...: until it is true. A minute of waiting is a failure (status 1), on any machine.
await() {
	awaited=0
	until "$@"; do
		awaited=$((awaited + 1))
		[ $awaited -le 3000 ] || return 1
		sleep 0.02
	done
}

# pipe_full FIFO: it takes nothing more
pipe_full() {
	"$PYTHON" -c 'import os, select, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
sys.exit(bool(select.select([], [fd], [], 0)[1]))' "$1"
}

# As somebody without rights; ends the case as skipped where that cannot be had.
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"; }
can_be_nobody() {
	is_root && have setpriv && as_nobody true 2>/dev/null &&
		as_nobody sh -c "cd '$T' && $ZCOPY --version" >/dev/null 2>&1
}

# mounted TYPE DIR [OPTIONS]: a fresh file system, unmounted at the end. Status 1: not here.
mounted() {
	is_root || return 1
	mkdir -p "$2"
	# shellcheck disable=SC2086
	mount -t "$1" ${3:+-o "$3"} zc-test "$2" 2>/dev/null || return 1
	MOUNTS="$2 $MOUNTS"
}

# image TYPE DIR MIB: a file system of that type on a loop device. Status 1: not here.
image() {
	is_root && have "mkfs.$1" && have losetup || return 1
	img=$(mktemp "${ZC_IMAGES:-/dev/shm}/zc-img.XXXXXX") || return 1
	truncate -s "$3M" "$img"
	case $1 in
	ext4) set -- "$@" -q -F -E lazy_itable_init=0,nodiscard ;;
	*) set -- "$@" -q -f ;;
	esac
	type=$1 dir=$2
	shift 3
	mkfs."$type" "$@" "$img" >/dev/null 2>&1 && loop=$(losetup -f --show "$img" 2>/dev/null)
	made=$?
	rm -f "$img" # the loop device keeps it
	[ "$made" -eq 0 ] || return 1
	LOOPS="$loop $LOOPS"
	mkdir -p "$dir"
	mount "$loop" "$dir" 2>/dev/null || return 1
	MOUNTS="$dir $MOUNTS"
}

# fuse BACKING DIR [SWITCH]...: BACKING seen through test/helpers/fuse_fs.c. Status 1: not here.
fuse() {
	is_root && helper fuse_fs && [ -w /dev/fuse ] || return 1
	back=$1 dir=$2
	shift 2
	mkdir -p "$back" "$dir"
	"$HELPERS/fuse_fs" "$@" "$back" "$dir" >/dev/null 2>&1 &
	await eval "mountpoint -q '$dir' || ! kill -0 $! 2>/dev/null"
	mountpoint -q "$dir" || return 1
	MOUNTS="$dir $MOUNTS"
}
