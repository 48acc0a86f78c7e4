#!/bin/sh
# zcopy tune: leaves nothing but what copies read; copies use that, only where it fits, and never write it.
. "${0%/*}/lib.sh"
XDG_CACHE_HOME=$T/cache
export XDG_CACHE_HOME

# reported BLOCK DEPTH: what the report in r says
reported() { says "\"block_bytes\":$1,\"queue_depth\":$2," r; }

direct() { "$ZCOPY" --direct=always "$@" 2>"$T/refused"; }

begin 'usage'
mkdir d
expect 2 zcopy tune
says 'tune: from which directory to which'
expect 2 zcopy tune d
expect 2 zcopy tune d d d
says 'extra operand'
expect 2 zcopy tune --engine=sync d d
expect 1 zcopy tune d nowhere
says '^zcopy: nowhere: cannot open the directory: No such file or directory$'
expect 0 zcopy tune --help
: >tune
expect 2 zcopy tune d d
says 'write ./tune'

begin 'it says what it tried and leaves nothing'
mkdir d e
data 100000 1 a
if direct a b; then
	expect 0 zcopy tune --size=64K d e
	says '^1.0 MiB x 16 .* MB/s, median of [0-9]' "$T/out"
	says 'times as fast as 1.0 MiB x 16 (95 % .*p = .*): .* tells nothing, and is not kept$' "$T/out"
	gone "$XDG_CACHE_HOME"
	equal "$(ls -A d e)" "$(printf 'd:\n\ne:')"
else
	skip 'no O_DIRECT here'
fi

if [ -n "${ZC_LONG:-}" ]; then
	begin 'what is better is kept, and else nothing'
	mkdir d e
	expect 0 zcopy tune --size=64M d e
	case $(tail -1 "$T/out") in
	*' the default stays') gone "$XDG_CACHE_HOME" ;;
	*' copies use it from now on, by '*)
		known=$(sed -n 's/.*copies use it from now on, by //p' "$T/out")
		says "^zcopy-tune/1 .* $(uname -r) $(getconf PAGESIZE) [0-9]* [0-9]*$" "$known"
		rm -rf "$XDG_CACHE_HOME"
		;;
	*) fail "it ends with $(tail -1 "$T/out")" ;;
	esac
fi

begin 'killed, it leaves nothing either'
mkdir d e
data 100000 1 a
if direct a b; then
	"$ZCOPY" tune --size=32M d e >out 2>&1 &
	pid=$!
	sleep 0.5
	kill "$pid"
	wait "$pid"
	equal "$?" 143
	equal "$(ls -A d e)" "$(printf 'd:\n\ne:')"
else
	skip 'no O_DIRECT here'
fi

begin 'what is known is used, what is stale is not, and a copy writes none of it'
data 70000000 1 a
if [ -z "${ZCOPY_ENGINE:-}" ] && direct --explain a b && grep -q 'nothing known' "$T/refused"; then
	rm -rf "$XDG_CACHE_HOME"
	expect 0 zcopy --direct=always --explain --report=r a b
	reported 1048576 16
	gone "$XDG_CACHE_HOME"
	known=$(sed -n 's/.*tune: \(.*\): nothing known$/\1/p' "$T/err")
	mkdir -p "${known%/*}"
	fs=$(sed -n 's/.*explain: source: file on \([^,]*\),.*/\1/p' "$T/err")
	line="zcopy-tune/1 $fs $fs $(uname -r) $(getconf PAGESIZE)"

	echo "$line 262144 8" >"$known"
	expect 0 zcopy --direct=always --explain --report=r a b
	says 'as zcopy tune found out'
	reported 262144 8
	same a b
	expect 0 zcopy --direct=always --block-size=64K --queue-depth=4 --report=r a b
	reported 65536 4

	echo "zcopy-tune/1 $fs $fs 2.6.32 $(getconf PAGESIZE) 262144 8" >"$known"
	expect 0 zcopy --direct=always --explain --report=r a b
	says 'stale, of another kernel, file system or page size: ignored'
	reported 1048576 16
	for bad in "$line 262144 0" "$line 262143 8" "$line 262144 8 " "$line 262144 4097" "$line 1" ''; do
		echo "$bad" >"$known"
		expect 0 zcopy --direct=always --explain --report=r a b
		says 'tune: .*: cannot be used'
		reported 1048576 16
	done
	ln -sf /dev/zero "$known"
	expect 0 zcopy --direct=always --explain --report=r a b
	same a b
	equal "$(ls "${known%/*}")" "${known##*/}"
else
	skip 'no O_DIRECT here'
fi

done_testing
