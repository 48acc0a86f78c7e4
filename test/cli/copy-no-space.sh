#!/bin/sh
# No space, no quota, a size limit, few descriptors, little memory to lock: 5 or no difference.
# shellcheck disable=SC3045 # dash, bash and busybox have ulimit -n, -l and -v
. "${0%/*}/lib.sh"

# full OPTION...: the source does not fit where the old file is.
full() {
	cp m/old keep
	expect 5 zcopy "$@" "$big" m/old
	same m/old keep
	expect 5 zcopy "$@" "$big" m/new
	gone m/new
	equal "$(find m -type f ! -name big | wc -l)" 1 'files left'
}

begin 'a full tmpfs, by every route'
big=big
if mounted tmpfs "$PWD/m" size=1m; then
	data 4000000 1 big && data 100000 2 m/old
	full
	says 'No space left on device'
	full --engine=sync --route=buffer
	denied io_uring_setup || full --engine=uring --route=buffer
	denied sendfile || full --route=sendfile
	data 100000 3 small
	expect 0 zcopy small m/old
	same small m/old
	expect 5 zcopy gen:1,4M m/new
	gone m/new
	zcopy - m/new <big 2>"$T/err"
	rc=$?
	judge 5 'zcopy - m/new'
	gone m/new
	# shellcheck disable=SC2002 # a pipe is what is wanted
	cat big | zcopy - m/new 2>"$T/err"
	rc=$?
	judge 5 'cat | zcopy - m/new'
	gone m/new
else
	skip 'cannot mount'
fi

begin 'a full tmpfs, from the same one'
if mounted tmpfs "$PWD/m" size=5m; then
	big=m/big
	data 4000000 1 m/big && data 100000 2 m/old
	full
	denied copy_file_range || full --route=cfr
else
	skip 'cannot mount'
fi

begin 'a full ext4'
big=big
if image ext4 "$PWD/m" 16; then
	data 30000000 1 big && data 100000 2 m/old && rmdir m/lost+found
	full
else
	skip 'no loop devices or no mkfs.ext4'
fi

begin 'a full disk for --inplace says so, whatever is in the file then'
if mounted tmpfs "$PWD/m" size=1m; then
	data 4000000 1 big && data 100000 2 m/old
	expect 5 zcopy --inplace big m/old
else
	skip 'cannot mount'
fi

begin 'quota'
if have btrfs && image btrfs "$PWD/m" 128 && btrfs subvolume create m/s >/dev/null 2>&1 &&
	btrfs quota enable m 2>/dev/null && btrfs qgroup limit 8M m/s 2>/dev/null; then
	data 30000000 1 big && data 100000 2 m/s/old && cp m/s/old keep && sync -f m
	expect 5 zcopy big m/s/old
	says 'Disk quota exceeded'
	same m/s/old keep
	expect 5 zcopy --durability=data big m/s/new
	gone m/s/new
else
	skip 'no btrfs with quota'
fi

begin 'a file size limit is an error, not the end by SIGXFSZ'
data 100000 1 a && data 3000 2 old && cp old keep
for how in '' --route=buffer --engine=sync --inplace; do
	(
		ulimit -f 16
		# shellcheck disable=SC2086
		zcopy $how a new 2>"$T/err"
	)
	rc=$?
	judge 5 "ulimit -f 16; zcopy $how a new"
	[ -n "$how" ] || says 'File too large'
	[ "$how" = --inplace ] || gone new
	rm -f new
done
(
	ulimit -f 16
	zcopy a old 2>"$T/err"
)
rc=$?
judge 5 'ulimit -f 16; zcopy a old'
same old keep

begin '16 descriptors are enough'
data 2000000 1 a && data 10 2 old
for how in '' --route=buffer --engine=sync; do
	(
		ulimit -n 16
		# shellcheck disable=SC2086
		zcopy $how a old 2>"$T/err"
	)
	rc=$?
	judge 0 "ulimit -n 16; zcopy $how a old"
	same a old
done
# shellcheck disable=SC2002
(
	ulimit -n 16
	cat a | zcopy - - 2>"$T/err" | cmp - a
) || fail '16 descriptors, pipe to pipe'

begin 'no memory to lock, little address space'
data 3000000 1 a
for limit in 'l 0' 'l 64' 'v 300000'; do
	case ${ZC_SANITIZED:-}$limit in
	?*v*) continue ;; # a sanitizer needs terabytes of address space
	esac
	if [ -n "${ZC_LAUNCHED:-}" ]; then
		skip 'a launcher makes its own calls'
		break
	fi
	rm -f b
	(
		# shellcheck disable=SC2229,SC2086 # two words
		ulimit -$limit 2>/dev/null || exit 0
		zcopy --route=buffer a b 2>"$T/err" && cmp -s a b
	)
	rc=$?
	judge 0 "ulimit -$limit; zcopy --route=buffer a b; cmp a b"
done

begin 'stdout takes nothing more'
data 100000 1 a
expect 5 sh -c "$ZCOPY a - >/dev/full"
expect '1|5' sh -c "$ZCOPY -v a b >/dev/full"
expect '1|5' sh -c "$ZCOPY --report=- a c >/dev/full"
expect '1|5' sh -c "$ZCOPY --help >/dev/full"
expect '1|5' sh -c "$ZCOPY --version >/dev/full"

done_testing
