#!/bin/sh
# A server that never answers: a signal ends the run all the same, in bounded time (docs/edge-cases.md, 87).
# shellcheck disable=SC2086 # options are words
. "${0%/*}/lib.sh"
helper after || skip_all 'no helper'

begin '87 a read that is never answered'
mkdir back && data 50 2 keep
if fuse "$PWD/back" "$PWD/m" --stuck=read; then
	server=$!
	runs=0
	waiting=''
	for how in '' '--route=buffer --engine=sync' '--route=buffer --engine=sync --jobs=2' '--route=buffer --engine=uring' \
		-a; do
		case $how in *uring) denied io_uring_setup && continue ;; esac
		runs=$((runs + 1))
		# one each: a second open would wait for the first read where nothing ends it
		mkdir back/$runs && data 100000 1 back/$runs/a
		from=m/$runs/a
		if [ "$how" = -a ]; then
			from=m/$runs
		else
			cp keep out$runs
		fi
		timeout -s KILL 60 "$HELPERS/after" 300000 15 -- $ZCOPY $how $from out$runs >/dev/null 2>err$runs &
		waiting="$waiting $!"
	done
	wait $waiting
	for run in $(seq $runs); do
		says '^after: signal 15$' err$run
		if [ -f out$run ]; then same out$run keep; else gone out$run/a; fi
	done
	data 100000 1 back/a
	timeout --foreground -s KILL 60 "$HELPERS/after" 300000 2 -- $ZCOPY m/a new 2>err
	says '^after: signal 2$' err
	gone new
	kill -9 $server
else
	skip 'no FUSE'
fi
done_testing
