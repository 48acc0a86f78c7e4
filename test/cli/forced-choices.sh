#!/bin/sh
# A forced engine, route or O_DIRECT that cannot be had is exit 2 with the reason; one that can is used.
. "${0%/*}/lib.sh"

# refused WORD OPTION... : exit 2, the reason names WORD, nothing was written.
refused() {
	word=$1
	shift
	expect 2 zcopy "$@"
	says "$word"
}

# engine NAME: the report in r says that this one was used.
engine() {
	have "$PYTHON" || return 0
	equal "$("$PYTHON" -c 'import json; print(json.load(open("r"))["engine"]["name"])')" "$1" engine
}

# took ROUTE: the report in r says that all bytes went that way.
took() {
	have "$PYTHON" || return 0
	got=$("$PYTHON" -c 'import json; r = json.load(open("r"))
print(" ".join(k for k, v in r["routes"].items() if v["bytes"]))')
	equal "$got" "$1" 'route in the report'
}

begin 'file to file'
data 300000 1 a
for route in cfr sendfile buffer; do
	case $route in
	cfr) denied copy_file_range && continue ;;
	sendfile) denied sendfile && continue ;;
	esac
	rm -f b
	expect 0 zcopy --route=$route --report=r a b
	same a b
	took $route
done

begin 'pipes'
data 300000 1 a
if ! no_splice; then
	# shellcheck disable=SC2002
	cat a | zcopy --route=splice --report=r - - | cmp - a || fail 'splice'
	took splice
fi
for route in reflink cfr; do
	# shellcheck disable=SC2002
	cat a | zcopy --route=$route - b 2>"$T/err"
	rc=$?
	judge 2 "cat a | zcopy --route=$route - b"
	gone b
done
refused 'route' --route=reflink a null:
refused 'route' --route=cfr gen:1,1M b
gone b

begin 'reflink where the file system has none'
if mounted tmpfs "$PWD/m" size=2m; then
	data 300000 1 m/a && data 10 2 m/old && cp m/old keep
	refused reflink --route=reflink m/a m/b
	gone m/b
	refused reflink --route=reflink m/a m/old
	same m/old keep
	expect '1|2' zcopy --reflink=always m/a m/b
	gone m/b
	expect 0 zcopy --reflink=auto m/a m/b
	expect 0 zcopy --reflink=never m/a m/b
else
	skip 'cannot mount'
fi

begin 'O_DIRECT where it cannot be'
data 300000 1 a
# shellcheck disable=SC2002
cat a | zcopy --direct=always - - >b 2>"$T/err"
rc=$?
judge 2 'cat a | zcopy --direct=always - -'
expect 2 zcopy --direct=always /proc/version b2
gone b2

begin 'engines'
data 3000000 1 a
expect 0 zcopy --engine=sync --route=buffer --report=r a b
same a b
engine sync
if denied io_uring_setup; then
	expect 2 zcopy --engine=uring --route=buffer a c
	says 'EPERM\|ENOSYS\|not permitted\|not implemented'
	gone c
	expect 0 zcopy --engine=auto --direct=always --report=r a c
	same a c
	says '"from":"uring","to":"sync","op":"io_uring_setup"' r
elif zcopy --engine=uring --route=buffer --report=r a c 2>"$T/err"; then
	same a c
	engine uring
else
	rc=$?
	judge 2 'zcopy --engine=uring'
	skip 'no io_uring here'
fi

begin 'routes the kernel refuses'
data 300000 1 a
if denied copy_file_range; then
	expect 2 zcopy --route=cfr a b
	gone b
fi
if denied sendfile; then
	expect 2 zcopy --route=sendfile a b
	gone b
fi
if no_splice; then
	# shellcheck disable=SC2002
	cat a | zcopy --route=splice - - 2>"$T/err" | cat >b
	equal "$(stat -c %s b)" 0 'bytes of a refused route'
fi
expect 0 zcopy a b
same a b

done_testing
