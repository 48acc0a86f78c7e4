#!/bin/sh
# Nothing is allocated between a lane's start and its end: counted during copies of a GiB, by every route.
#   ZCOPY is zcopy-mallocs here.
. "${0%/*}/../cli/lib.sh"

# none ARG...: zcopy ARG... succeeds without an allocation in its lane.
none() {
	rm -f log
	expect 0 env ZC_MALLOCS_LOG="$PWD/log" "$ZCOPY" "$@" || return 0
	says 'runs=[1-9]' log
	says ' in_lane=0 ' log
	# the counter is not blind
	says ' all=[1-9]' log
}

begin 'a generated GiB into a checking sink'
none --engine=sync gen:1,1G null:
none --engine=sync zero:1G null:
none gen:1,1G gen:1
denied io_uring_setup || none --engine=uring gen:1,300M null:

begin 'file to file'
data 200000000 1 a
for how in 'auto auto' 'buffer sync' 'buffer uring' 'cfr auto' 'sendfile auto'; do
	case $how in *uring) denied io_uring_setup && continue ;; esac
	rm -f b
	none --route="${how% *}" --engine="${how#* }" a b
	same a b
	none --route="${how% *}" --engine="${how#* }" a b
done

begin 'O_DIRECT, its requests tuned on the way'
data 300000000 1 a
if "$ZCOPY" --direct=always a b 2>refused; then
	none --direct=always a b
	same a b
else
	skip 'no O_DIRECT here'
fi

begin 'pipes'
data 200000000 1 a
mkfifo p
for route in splice buffer; do
	cat a >p &
	none --route=$route p b
	wait $!
	same a b
done

done_testing
