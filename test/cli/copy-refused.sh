#!/bin/sh
# What cannot be done, and what is said about it. Nothing may be changed by the attempt.
. "${0%/*}/lib.sh"

begin 'a directory without -r'
mkdir d && data 10 1 d/a
expect 1 zcopy d e
says "^zcopy: -r not specified; omitting directory 'd'$"
gone e

begin 'a missing source'
expect 1 zcopy missing b
says '^zcopy: .*missing.*: No such file or directory$'
equal "$(wc -l <"$T/err")" 1 'lines'
gone b
data 100 1 old && cp old keep
expect 1 zcopy missing old
same old keep

begin 'control bytes in names do not reach the terminal'
expect 1 zcopy "$(printf 'a\033[31m\nb')" b
if tr -d '\n' <"$T/err" | grep -q "$(printf '\033')"; then fail 'an escape byte'; fi
equal "$(wc -l <"$T/err")" 1 'lines'

begin 'names too long'
expect 1 zcopy "$(printf '%300s' '' | tr ' ' n)" b
says 'File name too long'
data 10 1 a
expect 1 zcopy a "$(printf '%300s' '' | tr ' ' n)"
says 'File name too long'

begin 'a source we may not read'
if can_be_nobody; then
	data 100 1 a && chmod 600 a && chown 65534 .
	# shellcheck disable=SC2086
	expect 1 as_nobody $ZCOPY a b
	says 'Permission denied'
	gone b
	# an old file stays as it was
	data 50 2 old && chown 65534 old && cp -p old keep
	# shellcheck disable=SC2086
	expect 1 as_nobody $ZCOPY a old
	same old keep
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi

begin 'a directory we may not write: a new name fails, an old one hints at --inplace, which works'
if can_be_nobody; then
	data 100 1 a && data 50 2 b && cp b keep && chmod 666 b
	# shellcheck disable=SC2086
	expect 1 as_nobody $ZCOPY a new
	says 'Permission denied'
	# shellcheck disable=SC2086
	expect 1 as_nobody $ZCOPY a b
	says 'inplace'
	same b keep
	# shellcheck disable=SC2086
	expect 0 as_nobody $ZCOPY --inplace a b
	same a b
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi

begin 'an owner we cannot restore: hint, never silently another owner'
if can_be_nobody; then
	data 100 1 a && data 50 2 b && cp b keep && chmod 666 b && chmod 777 .
	# shellcheck disable=SC2086
	expect 1 as_nobody $ZCOPY a b
	says 'inplace'
	same b keep
	equal "$(stat -c %u b)" 0 owner
	# shellcheck disable=SC2086
	expect 0 as_nobody $ZCOPY --inplace a b
	same a b
	equal "$(stat -c %u b)" 0 owner
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi

begin 'a read-only file system'
data 100 1 a
if mounted tmpfs "$PWD/m" size=1m; then
	data 50 2 m/b && cp m/b keep && mount -o remount,ro m
	expect 1 zcopy a m/new
	says 'Read-only file system'
	expect 1 zcopy a m/b
	says 'Read-only file system'
	same m/b keep
else
	skip 'cannot mount'
fi

begin 'an immutable file'
data 100 1 a && data 50 2 b && cp b keep
if is_root && have chattr && chattr +i b 2>/dev/null; then
	expect 1 zcopy a b
	says 'inplace'
	same b keep
	chattr -i b
else
	skip 'no chattr +i here'
fi

begin 'a file that is a mount point'
data 100 1 a && data 50 2 b && data 60 3 c && cp b keep
if is_root && mount --bind b c 2>/dev/null; then
	MOUNTS="$PWD/c $MOUNTS"
	expect 1 zcopy a c
	says 'inplace'
	same b keep
	expect 0 zcopy --inplace a c
	same a b
else
	skip 'cannot bind mount'
fi

begin 'in a sticky directory everybody may write, a stranger plants a symlink'
if is_root; then
	data 100 1 a && mkdir s && chmod 1777 s && ln -s ../a s/link && chown -h 1234 s/link
	expect '1|9' zcopy s/link b
	gone b
	chown -h 0 s/link
	expect 0 zcopy s/link b
	same a b
	# the owner of the directory may
	chown 1234 s && chown -h 1234 s/link
	expect 0 zcopy s/link c
	same a c
	# and outside of such directories anybody may
	chmod 755 s && chown 0 s
	expect 0 zcopy s/link d
	same a d
else
	skip 'needs root'
fi

begin 'a source that is a symlink is followed, a dangling one is not found'
data 100 1 a && ln -s a l && ln -s nothing dangling
expect 0 zcopy l b
[ ! -L b ] || fail 'copied the link'
same a b
expect 1 zcopy dangling c
gone c

done_testing
