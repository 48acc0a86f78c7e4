#!/bin/sh
# --report: valid JSON, the keys of the contract and no others, and figures that add up.
. "${0%/*}/lib.sh"
have "$PYTHON" || skip_all 'no python3'
CHECK=$(cd "${0%/*}" && pwd)/report-check.py

# checked FILE [EXPRESSION over r]...: the report holds together, and the expressions are true.
checked() {
	file=$1
	shift
	"$PYTHON" "$CHECK" "$file" "$@" >"$T/check" 2>&1 || fail "$(head -c 600 "$T/check")"
}

begin 'a new file'
data 300000 1 a
expect 0 zcopy --report=r a b
silent
checked r 'r["ok"] and r["exit_code"] == 0' 'r["bytes"]["logical"] == 300000' 'r["bytes"]["data"] == 300000' \
	'r["bytes"].get("holes", 0) == 0' 'r["items"]["files"] == 1' 'r["items"].get("failed", 0) == 0' \
	'r["durability"] == "none"' 'not r.get("errors")'

begin 'replacing, and what durability was used'
data 300000 1 a && data 10 2 b
expect 0 zcopy --report=r a b
checked r 'r["durability"] == "data"'
expect 0 zcopy --report=r --durability=full a b
checked r 'r["durability"] == "full"'
expect 0 zcopy --report=r --durability=none a b
checked r 'r["durability"] == "none"'

begin 'holes are told from data'
{ data 65536 1 x && cp x a && truncate -s 1M a && cat x >>a; }
sync a
expect 0 zcopy --report=r a b
checked r 'r["bytes"]["logical"] == 1048576 + 65536' \
	'r["bytes"]["data"] + r["bytes"].get("holes", 0) == r["bytes"]["logical"]'

begin 'each way of moving bytes is named'
data 70000000 1 a
for how in 'sync buffer' 'uring buffer' '- cfr' '- sendfile' '- splice'; do
	engine=${how% *} route=${how#* }
	case $how in
	uring*) denied io_uring_setup && continue ;;
	*cfr) denied copy_file_range && continue ;;
	*sendfile) denied sendfile && continue ;;
	*splice) no_splice && continue ;;
	esac
	set -- --route="$route" --report=r
	[ "$engine" = - ] || set -- "$@" --engine="$engine"
	rm -f r
	if [ "$route" = splice ]; then
		# shellcheck disable=SC2002
		cat a | zcopy "$@" - - | cmp - a || fail splice
	else
		expect 0 zcopy "$@" a b
	fi
	checked r 'r["bytes"]["data"] == 70000000' "r['routes']['$route']['bytes'] == 70000000"
	if [ "$route" = buffer ]; then
		checked r "r['engine']['name'] == '$engine'" 'r["engine"]["block_bytes"] > 0' \
			'r["engine"]["queue_depth"] > 0' 'r["pool"]["leaked_buffers"] == 0' \
			'r["pool"].get("pages", "base") in ("hugetlb", "thp", "base")' 'r["pool"]["bytes"] > 0'
	fi
done

begin 'on stdout, and only there'
data 100 1 a
expect 0 zcopy --report=- a b
checked "$T/out"
expect 0 zcopy -v --report=r a c
checked r

begin 'what failed is in it'
data 100 1 a && mkdir d
expect 1 zcopy --report=r a missing d
checked r 'not r["ok"]' 'r["exit_code"] == 1' 'r["items"]["failed"] == 1' 'r["items"]["files"] == 1' \
	'r["errors"][0]["errno"] == "ENOENT"' '"missing" in r["errors"][0]["path"]' \
	'r["errors"][0]["side"] == "src"'
mkdir sub
expect 1 zcopy --report=r sub d
checked r 'not r["ok"]'
expect 0 zcopy -n --report=r a d
expect 0 zcopy -n --report=r a d
checked r 'r["items"]["skipped"] == 1'

begin 'no space: where and what'
data 4000000 1 a
if mounted tmpfs "$PWD/m" size=1m; then
	expect 5 zcopy --report=r a m/b
	checked r 'r["exit_code"] == 5' 'r["errors"][0]["errno"] == "ENOSPC"' \
		'r["errors"][0]["side"] == "dst"'
else
	skip 'cannot mount'
fi

begin 'no room for the report itself: the copy is there, and why the report is not'
data 1000 1 a && mkdir d
expect 5 zcopy --report=/dev/full a b
says '/dev/full: cannot write the report: No space left on device'
same a b
set --
for i in 1 2 3 4 5 6 7 8 9; do set -- "$@" "missing-$i-$(printf %0200d 0)" "also-missing-$i-$(printf %0200d 0)"; done
expect 5 zcopy --report=/dev/full "$@" d # longer than a stream's buffer
says 'cannot write the report: No space left on device'

begin 'a mismatch'
expect 4 zcopy --report=r gen:1,100000 gen:2
checked r 'r["exit_code"] == 4'

begin 'names that are no UTF-8, and names with quotes and control bytes'
name=$(printf 'bad\377name')
expect 1 zcopy --report=r "$name" b
checked r 'base64.b64decode(r["errors"][0]["path_b64"]) == b"bad\xffname"' '"path" not in r["errors"][0]'
name=$(printf 'q"\\\t\nx')
expect 1 zcopy --report=r "$name" b
checked r 'r["errors"][0]["path"] == "q\"\\\t\nx"'

begin '--stats is for people, --progress=json one object a line'
data 3000000 1 a
expect 0 zcopy --stats a b
[ -s "$T/err" ] || fail 'says nothing'
expect 0 zcopy --progress=json --route=buffer a b
while IFS= read -r line; do
	printf '%s\n' "$line" | "$PYTHON" -m json.tool >/dev/null || fail "no JSON: $line"
done <"$T/err"
expect 0 zcopy --progress=never a b
silent

done_testing
