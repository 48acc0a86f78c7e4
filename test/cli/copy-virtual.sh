#!/bin/sh
# Files whose size says nothing: /proc and /sys are read to their end.
. "${0%/*}/lib.sh"

begin '/proc and /sys, by every way of copying'
for how in '' --engine=sync --route=buffer '--route=buffer --engine=sync'; do
	for file in /proc/version /proc/filesystems /proc/cmdline /proc/devices /proc/self/limits \
		/sys/kernel/mm/transparent_hugepage/enabled /sys/devices/system/cpu/online; do
		[ -r "$file" ] || continue
		rm -f b
		# shellcheck disable=SC2086
		expect 0 zcopy $how "$file" b
		cat "$file" >want
		same b want
	done
done

begin 'a long one, in many short reads'
if [ -r /proc/kallsyms ] && cat /proc/kallsyms >want 2>/dev/null && [ -s want ]; then
	# such a file is walked anew for each read that does not follow the one before: many at once take ages
	expect 0 timeout 60 sh -c "$ZCOPY /proc/kallsyms b"
	same b want
	rm b
	expect 0 zcopy --route=buffer --engine=sync /proc/kallsyms b
	same b want
	zcopy /proc/kallsyms - | cmp - want || fail 'to a pipe'
	rm b
	expect 0 zcopy --sparse=always /proc/kallsyms b
	same b want
else
	skip 'no /proc/kallsyms'
fi

begin 'forced in-kernel routes do not lose the content'
for route in cfr sendfile splice; do
	rm -f b
	expect '0|2' zcopy --route=$route /proc/version b
	if [ "$rc" -eq 0 ]; then
		cat /proc/version >want
		same b want
	else
		gone b
	fi
done

begin 'another process, and files that refuse to be read'
expect 0 zcopy "/proc/$$/environ" b
expect 1 zcopy /proc/self/mem c
gone c

begin 'through a descriptor of somebody else'
data 100000 1 a
expect 0 zcopy /proc/self/fd/7 b 7<a
same a b
expect 0 zcopy /dev/stdin c <a
same a c

begin 'a file of /proc that takes values: --inplace is named; one that does not: it is not'
data 10 1 a
for knob in /proc/sys/kernel/domainname /proc/self/comm; do
	[ -e "$knob" ] || continue
	expect 1 zcopy -f a "$knob"
	says '(--inplace would write into'
done
expect 1 zcopy -f a /proc/version
! grep -q inplace "$T/err" || fail "$(cat "$T/err")"

done_testing
