#!/bin/sh
# --explain: change a fact of this host and the line that rests on it changes; else nothing changes.
. "${0%/*}/lib.sh"

# explained FILE COMMAND...: what COMMAND says on stderr.
explained() {
	into=$1
	shift
	"$@" >"$T/out" 2>"$into" || fail "exit $?: $*"
	[ -s "$into" ] || fail "no word: $*"
}

# changed WHAT [PATTERN]: before and after differ, and what is new has the PATTERN.
changed() {
	if cmp -s before after; then
		fail "$1 changed, --explain did not: $(head -c 400 after)"
	elif [ -n "${2:-}" ]; then
		diff before after | grep '^>' >news
		grep -qi -e "$2" news || fail "$1 changed; no '$2' in: $(cat news)"
	fi
}

begin 'the same run says the same'
data 3000000 1 a
explained warm zcopy --explain --route=buffer a b
explained before zcopy --explain --route=buffer a b
explained after zcopy --explain --route=buffer a b
cmp -s before after || fail "$(diff before after)"

begin 'the route taken is named'
data 3000000 1 a
explained before zcopy --explain a b
for route in cfr sendfile buffer; do
	case $route in
	cfr) denied copy_file_range && continue ;;
	sendfile) denied sendfile && continue ;;
	esac
	rm -f b
	explained after zcopy --explain --route=$route a b
	says "$route" after
done

begin 'without --explain there is no word'
data 3000000 1 a
expect 0 zcopy a b
silent

# O_DIRECT is what a ring is for; a warm file may well be copied without one
begin 'memlock'
data 70000000 1 a && : >b
if ! denied io_uring_setup && can_be_nobody; then
	chown 65534:65534 . a b
	# shellcheck disable=SC2086,SC3045
	explained before sh -c "ulimit -l 8192; exec setpriv --reuid=65534 --regid=65534 --clear-groups \
		--inh-caps=-all $ZCOPY --explain --direct=always --pool=4M a b"
	# shellcheck disable=SC2086,SC3045
	explained after sh -c "ulimit -l 64; exec setpriv --reuid=65534 --regid=65534 --clear-groups \
		--inh-caps=-all $ZCOPY --explain --direct=always --pool=4M a b"
	[ "${ZCOPY_ENGINE:-}" = sync ] || changed 'ulimit -l' 'memlock\|ENOMEM\|regist'
else
	skip 'io_uring denied, or no root'
fi

begin 'io_uring denied'
data 70000000 1 a && : >b
if helper deny && ! denied io_uring_setup && [ "${ZCOPY_ENGINE:-}" != sync ]; then
	explained before zcopy --explain --direct=always --pool=4M a b
	for errno in EPERM ENOSYS; do
		# shellcheck disable=SC2086
		explained after "$HELPERS/deny" $errno io_uring_setup -- \
			$ZCOPY --explain --direct=always --pool=4M a b
		changed "io_uring_setup: $errno" $errno
	done
else
	skip 'no helper, or denied already'
fi

begin 'copy_file_range denied'
data 3000000 1 a && : >b
if helper deny && ! denied copy_file_range; then
	explained before zcopy --explain --durability=none a b
	# shellcheck disable=SC2086
	explained after "$HELPERS/deny" EPERM copy_file_range -- $ZCOPY --explain --durability=none a b
	if grep -q cfr before; then changed 'copy_file_range: EPERM' EPERM; fi
else
	skip 'no helper, or denied already'
fi

begin 'reserved huge pages'
pages=/proc/sys/vm/nr_hugepages
if is_root && had=$(cat $pages 2>/dev/null) && [ "$had" -eq 0 ] && [ -z "${ZC_SHARED_HOST:-}" ]; then
	data 70000000 1 a && : >b
	explained before zcopy --explain --route=buffer --hugepages=2M a b
	echo 128 >$pages 2>/dev/null
	if [ "$(cat $pages)" -ge 64 ]; then
		explained after zcopy --explain --route=buffer --hugepages=2M a b
		echo "$had" >$pages
		changed 'nr_hugepages' 'huge'
	else
		echo "$had" >$pages
		skip 'no memory for huge pages'
	fi
else
	skip 'not root, or huge pages are in use'
fi

begin 'the source in the page cache, or not'
# tmpfs is always cached: this needs the disk
if [ "$(stat -f -c %T .)" != tmpfs ] && ! denied cachestat; then
	data 200000000 1 a && sync a && cat a >/dev/null && : >b
	explained before zcopy --explain --durability=none a b
	dd of=a oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	explained after zcopy --explain --durability=none a b
	changed 'what is cached' 'cold\|cache\|resident'
	rm -f a b
else
	skip 'on tmpfs, or cachestat denied'
fi

begin 'small pieces between holes: one after the other is nothing for O_DIRECT'
if [ "$(stat -f -c %T .)" != tmpfs ] && ! denied cachestat && [ "${ZCOPY_ENGINE:-auto}" = auto ]; then
	truncate -s 1G a
	for at in 100 300 500 700 900; do data 5000 "$at" p && dd if=p of=a bs=1M seek="$at" conv=notrunc 2>/dev/null; done
	: >b
	explained cached zcopy --explain --durability=none a b
	says 'cache: 100 % of the source' cached
	dd of=a oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	explained cold zcopy --explain --durability=none a b
	says 'cache: [0-9] % of the source' cold
	says 'direct: off: small pieces' cold
	says 'ahead: the next 64 pieces' cold
	! grep 'ahead:' cached || fail 'what is cached is asked for'
	same a b
	rm -f a b
else
	skip 'on tmpfs, or cachestat denied'
fi

begin 'a part of the source in the page cache: read from there, the rest past it'
if [ "$(stat -f -c %T .)" != tmpfs ] && ! denied cachestat && [ "${ZCOPY_ENGINE:-auto}" = auto ]; then
	data 268435456 1 a
	sync a
	dd of=a oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	head -c 67108864 a >/dev/null
	expect 0 zcopy --explain --durability=none a b
	if grep -q 'cache: 2[0-9] % of the source' "$T/err" && grep -q 'direct: source on' "$T/err"; then
		says 'direct: not where 64 MiB of the source are cached'
		expect 0 zcopy --explain --durability=none a c
		says 'cache: 2[0-9] % of the source' # what was not in the cache was not put there, what was is
		if have strace && [ -z "${ZC_SANITIZED:-}" ] && [ "$ZCOPY" = "${ZCOPY% *}" ] && strace -o /dev/null true 2>/dev/null; then
			# shellcheck disable=SC2086
			strace -f -qq -o calls -e trace=fcntl $ZCOPY --durability=none a d || fail "exit $?"
			equal "$(grep 'F_SETFL.* = 0' calls | head -n 4 | sed 's/.*DIRECT.*/on/; s/.*F_SETFL.*/off/' | tr '\n' ' ')" \
				'on on off on ' 'O_DIRECT of both ends, not of the first part, of the rest'
		fi
	else
		skip 'this system does not tell what is cached'
	fi
	for copy in b c d; do [ ! -e $copy ] || same a $copy; done
	rm -f a b c d
else
	skip 'on tmpfs, or cachestat denied'
fi

begin 'CPUs'
if [ "$(stat -f -c %T .)" = ext2/ext3 ] && ! denied cachestat && have taskset && [ "$(nproc)" -ge 2 ] &&
	[ "${ZCOPY_ENGINE:-auto}" = auto ]; then
	data 70000000 1 a
	explained before zcopy --explain a b
	says 'lanes: 2' before
	rm -f b
	# shellcheck disable=SC2086
	explained after taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" $ZCOPY --explain a b
	changed 'the number of CPUs' 'lanes: 1: one CPU'
else
	skip 'not ext4, one CPU, or nobody says what is cached'
fi

begin 'what the tuner tried, and what the report says of it'
data 300000000 1 a
if [ -z "${ZCOPY_ENGINE:-}" ] && "$ZCOPY" --direct=always a b 2>refused; then
	explained before zcopy --explain --direct=always --report=report a b
	says 'tune: .* MB/s, .*: ' before
	found=$(sed -n 's/.*tune: \([0-9]*\)[.]0 \([KM]\)iB x \([0-9]*\) from here on, .*/\1 \2 \3/p' before)
	if [ -n "$found" ]; then
		echo "$found" | sed 's/ K / * 1024 /; s/ M / * 1048576 /' >wanted
		says "\"block_bytes\":$(($(sed 's/ [0-9]*$//' wanted))),\"queue_depth\":${found##* }," report
	fi
	explained after zcopy --explain --direct=always --block-size=1M --queue-depth=16 a b
	if grep 'tune:' after; then fail 'both are pinned, and something was tried'; fi
else
	skip 'no O_DIRECT here'
fi

begin 'the file system'
data 3000000 1 a && : >b
if mounted tmpfs "$PWD/m" size=20m; then
	cp a m/a && : >m/b
	explained before zcopy --explain a b
	explained after zcopy --explain m/a m/b
	sed -i 's,m/,,g' after
	if [ "$(stat -f -c %T .)" != tmpfs ]; then changed 'the file system' 'tmpfs'; fi
else
	skip 'cannot mount'
fi

begin 'what the user forced is said to be forced'
data 3000000 1 a
explained before zcopy --explain --route=buffer a b
explained after zcopy --explain --route=buffer --block-size=128K --queue-depth=3 a b
changed '--block-size and --queue-depth' '128\|131072'

done_testing
