#!/bin/sh
# Which file is which, who may do what with it, and when it was made: links, owners, attributes, times
# (docs/edge-cases.md, 72 to 84).
# shellcheck disable=SC2086 # options and ZCOPY are words
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"

begin '72 in a tree that is partly its own copy: nothing is truncated'
mkdir -p s/sub d && data 70000 1 s/a && data 70000 2 s/sub/b && cp s/a keep && cp s/sub/b keep2
ln s/a d/a && mkdir d/sub && ln -s ../../s/sub/b d/sub/b
expect '0|9' zcopy -rT s d
same s/a keep
same s/sub/b keep2
expect '0|9' zcopy -aT --inplace s d
same s/a keep
same s/sub/b keep2
ln -s . here && expect 9 zcopy s/a here/s/a
same s/a keep
begin '72 the same as cp'
case $ZCOPY in
*' '*) skip 'a launcher makes its own calls' ;;
*)
	ln -s "$ZCOPY" cp
	mkdir s d && data 70000 1 s/a && cp s/a keep && ln s/a d/a && ln -s ../s/a d/b && cp s/a s/b && cp s/b keepb
	expect '0|1' ./cp -rT s d
	same s/a keep
	same s/b keepb
	expect 1 ./cp s/a d/a
	says 'are the same file'
	expect 1 ./cp -f s/a s/a
	same s/a keep
	;;
esac

begin '73 a backup that would be the source'
data 10 1 a && data 20 2 a~ && cp a keep && cp a~ keep~
expect 9 zcopy -b a~ a
same a keep
same a~ keep~
data 30 3 a.~1~ && cp a.~1~ keep1
expect '0|9' zcopy --backup=numbered a.~1~ a
same a.~1~ keep1
mkdir s d && data 10 4 d/x && data 10 5 s/x && cp d/x old && cp s/x new && ln s/x d/x~
expect '0|1|9' zcopy -rT -b s d # the source has a name of its own, too
same s/x new
if [ "$rc" -eq 0 ]; then
	same d/x~ old
	same d/x new
fi

begin '74 names of one file: by several threads, when no more links can be made, across file systems'
mkdir -p s/a s/b s/c && data 300000 1 s/a/0 && for i in 1 2 3 4 5 6 7 8 9; do ln s/a/0 s/a/$i && ln s/a/0 s/b/$i && ln s/a/0 s/c/$i; done
data 10 2 s/single
for i in 1 2 3; do
	expect 0 zcopy -a -j4 s d$i
	equal "$(find d$i -type f -printf '%i %n\n' | sort -u | wc -l)" 2 'files'
	same s/a/0 d$i/c/9
done
if can_trace; then
	for code in EMLINK EXDEV; do
		rm -rf d
		inject "error=$code" linkat 'linkat([0-9]*, "[0-9]"' -j1 -a s d
		judge 0 $code
		expect 0 diff -r s d
		equal "$(find d -type f ! -name single -printf '%i\n' | sort -u | wc -l)" 2 "files after $code"
	done
	for code in EPERM EACCES EIO; do
		rm -rf d
		inject "error=$code" linkat 'linkat([0-9]*, "[0-9]"' -j1 -a s d
		judge '0|1' $code
		[ "$rc" -ne 0 ] || expect 0 diff -r s d
	done
fi

begin '75 nobody sees more than in the end: 0600 or less until the owner is right, suid last and only with it'
if is_root && can_trace; then
	mkdir s && data 300000 1 s/a && data 100 2 s/b && chown 1234:2345 s/a s/b && chmod 6755 s/a s/b
	for how in "-a" '-a --inplace'; do
		rm -rf d
		strace -f -qq -o calls -e trace=openat,fchown,fchownat,fchmod,fchmodat,setxattr,fsetxattr,linkat,utimensat "$ZCOPY" $how -j1 s d || fail "exit $?"
		for name in a b; do equal "$(stat -c '%u:%g %a' d/$name)" '1234:2345 6755' $name; done
		# of each file: owner, then mode with suid, then the name
		sed 's/^[0-9]* *//' calls | grep -E '^fchown\(|^fchmod\(.*0[0-7]*6755|^linkat' | sed 's/(.*//' | tr '\n' ' ' >order
		equal "$(cat order)" 'fchown fchmod linkat fchown fchmod linkat ' 'order'
	done
	# the owner cannot be had: no suid, no sgid, and no more than it had
	rm -rf d
	inject_all error=EPERM fchown -a -j1 s d
	judge 1 'no chown'
	for name in a b; do
		[ ! -e d/$name ] || equal "$(($(stat -c 0%a d/$name) & 06000))" 0 "suid of $name"
	done
else
	skip "${no_trace:-not root}"
fi
begin '75 an ACL that cannot be read: an error, not a wider file'
if can_trace && have setfacl && mkdir s && data 100 1 s/a && data 300000 2 s/b && setfacl -m u:1:rwx s/a s/b 2>/dev/null; then
	for code in EIO EPERM; do
		rm -rf d
		inject_all error=$code fgetxattr -a -j1 s d
		judge 1 $code
		for name in a b; do
			[ ! -e d/$name ] || equal "$(($(stat -c 0%a d/$name) & 070))" 0 'what the group may: the mask of a lost ACL is not its right'
		done
	done
else
	skip "${no_trace:-no ACLs here}"
fi

begin '76 attributes: where there are none, where there is no room, and from several file systems at once'
if mounted ramfs "$PWD/r" && have setfattr && mkdir s && data 10 1 s/a && setfattr -n user.x -v 1 s/a 2>/dev/null; then
	expect 0 zcopy -p s/a r/p
	silent
	expect 0 zcopy -a s r/d
	same s/a r/d/a
	expect 1 zcopy --preserve=xattr s/a r/x
	says 'extended attributes'
	expect 1 zcopy -r --preserve=xattr s r/d2
else
	skip 'cannot mount, or no attributes'
fi
begin '76 a part of the tree that has no attributes says nothing about the rest'
if have setfattr && mkdir -p none t/1 t/9 && data 10 1 none/a && fuse "$PWD/none" "$PWD/t/0" --refuse=xattr --dir=files; then
	fuse "$PWD/none" "$PWD/t/5" --refuse=xattr --dir=files
	for i in 1 2 3 4 5 6 7 8; do
		data 10 $i t/9/$i && setfattr -n user.x -v $i t/9/$i && setfattr -n user.d -v d t/9
		cp t/9/$i t/1/$i && setfattr -n user.x -v $i t/1/$i
	done
	for how in -j1 -j4; do
		rm -rf d
		expect 0 zcopy -a $how t d
		for where in 1 9; do
			for i in 1 2 3 4 5 6 7 8; do
				equal "$(getfattr --only-values -n user.x d/$where/$i 2>/dev/null)" $i "attribute of $where/$i, $how"
			done
		done
		equal "$(getfattr --only-values -n user.d d/9 2>/dev/null)" d "attribute of a directory, $how"
	done
else
	skip 'cannot mount, or no attributes'
fi
if image xfs "$PWD/x" 320 && image ext4 "$PWD/e" 32 && have "$PYTHON"; then
	data 10 1 x/a
	"$PYTHON" -c 'import os; os.setxattr("x/a", "user.big", b"v" * 65536)'
	expect '0|1' zcopy -a x/a e/a # GNU: a warning
	same x/a e/a
	[ -s "$T/err" ] || [ "$rc" -ne 0 ] || fail 'not a word about an attribute that was lost'
	expect '1|5' zcopy --preserve=xattr x/a e/b
	expect 0 zcopy -a x/a x/b
	equal "$("$PYTHON" -c 'import os; print(len(os.getxattr("x/b", "user.big")))')" 65536 bytes
else
	skip 'cannot mount xfs'
fi

begin '77 directories that may not be written, read, or searched, by somebody without rights'
if can_be_nobody; then
	mkdir -p s/ro/sub s/x && data 10 1 s/ro/a && data 10 2 s/ro/sub/b && data 10 3 s/x/c
	chown -R 65534:65534 s && chmod 555 s/ro/sub s/ro && chmod 711 s/x && mkdir -m 777 out
	for how in -a -r '-a -j4'; do
		as_nobody chmod -R u+w out/d 2>/dev/null
		rm -rf out/d
		expect 0 as_nobody $ZCOPY $how s out/d
		expect 0 diff -r s out/d
		equal "$(mode_of out/d/ro) $(mode_of out/d/ro/sub)" '555 555' modes
	done
	# and again over it: what is in a directory that may not be written cannot be replaced
	expect '0|1' as_nobody $ZCOPY -aT s out/d
	expect 0 diff -r s out/d
	chmod 000 s/x
	as_nobody chmod -R u+w out/d && rm -rf out/d
	expect 1 as_nobody $ZCOPY -a s out/d
	says 's/x.*Permission denied'
	same s/ro/a out/d/ro/a
	# a parent of which one may only know the names
	mkdir -p -m 711 p && mkdir -m 777 p/in && chmod 755 s/x
	expect 0 as_nobody $ZCOPY s/x/c p/in/c
	same s/x/c p/in/c
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi
begin '77 the umask is the one it was started with, for every thread'
mkdir s && for i in $(seq 200); do : >s/$i; done && chmod 666 s/* && mkdir s/d && chmod 777 s/d
(umask 027 && zcopy -r -j4 s d) || fail "exit $?"
equal "$(find d -type f -printf '%m\n' | sort -u)" 640 modes
equal "$(mode_of d/d)" 750 'mode of a directory'

begin '78 times of directories come last; coarse ones are no difference'
mkdir -p s/a/b && for i in $(seq 100); do data 10 $i s/a/b/$i; done
touch -d '1969-12-31 23:59:58.5' s/a/b && touch -d '2040-02-03 04:05:06.789' s/a && touch -d '2200-01-01' s
for how in -j1 -j4; do
	rm -rf d
	expect 0 zcopy -a $how s d
	for name in . a a/b a/b/7; do equal "$(stat -c %y d/$name)" "$(stat -c %y s/$name)" "time of $name"; done
done
if fuse "$PWD/back" "$PWD/m" --coarse-times; then
	expect '0|1' zcopy -a s m/d
	expect '0|1' zcopy -aT -u --report=r s m/d
	equal "$(grep -o '"files": *[0-9]*' r | head -1 | tr -dc 0-9)" 0 'files that were copied again'
else
	skip 'no FUSE'
fi

begin '79 owners that do not exist in this user namespace'
if is_root && unshare -Ur true 2>/dev/null && [ -z "${ZC_LAUNCHED:-}" ]; then
	mkdir s && data 10 1 s/a && data 10 2 s/b && chown 5:6 s/a && chmod 6755 s/a && chown 5 s/b && chmod 644 s/b
	chmod 777 .
	expect 1 unshare -Ur $ZCOPY -a s d
	says 'd/a.*owner.*Invalid argument'
	same s/a d/a
	same s/b d/b
	equal "$(($(stat -c 0%a d/a) & 06000))" 0 'suid of another owner'
	rm -rf d
	expect 0 unshare -Ur $ZCOPY -r s d
	silent
else
	skip 'not root, or no user namespaces'
fi

begin '81 O_DIRECT: odd lengths, odd places, refused by file systems and by requests'
for fs in ext4 xfs btrfs tmpfs ramfs; do
	case $fs in
	tmpfs | ramfs) mounted $fs "$PWD/$fs" size=64m ;;
	*) image $fs "$PWD/$fs" 320 ;;
	esac || { skip "cannot mount $fs"; continue; }
	for size in 1 511 4095 4097 1048577 3000001; do
		data $size 1 $fs/a
		expect '0|2' zcopy --direct=always $fs/a $fs/b
		[ "$rc" -ne 0 ] || same $fs/a $fs/b
		expect 0 zcopy --route=buffer --cache=drop $fs/a $fs/b
		same $fs/a $fs/b
	done
done
if can_trace; then
	data 3000001 1 a
	rm -f b
	# accepted when it is opened, refused by each request
	strace -f -qq -o calls -e trace=fcntl "$ZCOPY" --direct=always --engine=sync a b 2>/dev/null
	if grep -q O_DIRECT calls; then
		for call in pread64 pwrite64; do
			rm -f b
			inject error=EINVAL $call ', 65536, [0-9]*) *= 65536' --direct=auto --route=buffer --engine=sync --block-size=64K a b
			judge '0|1' "$call"
			[ "$rc" -ne 0 ] || same a b
		done
	fi
fi

begin '83 no waiting by the clock on the wall, which may be set back an hour'
if can_trace; then
	for dir in 1/1 1/2 1/3 2/1 2/2 2/3 3/1 3/2 3/3; do
		mkdir -p s/$dir && for i in $(seq 30); do data 5000 $i s/$dir/$i && ln s/$dir/$i s/$dir/l$i; done
	done
	strace -f -qq -o calls -e trace=futex,clock_nanosleep,timer_settime,timerfd_settime "$ZCOPY" -a -j4 s d || fail "exit $?"
	grep -q FUTEX_WAIT_BITSET calls || fail 'nobody ever waited'
	! grep -m 3 'CLOCK_REALTIME.*tv_sec' calls || fail 'a wait until a time of the wall clock'
else
	skip "$no_trace"
fi

begin '84 nobody listens: what -v could not say is an error, the copy is made'
mkdir s && data 10 1 s/a && data 10 2 s/b
rm -rf d
expect '1|5' sh -c "$ZCOPY -av s d >/dev/full"
expect 0 diff -r s d
rm -rf d
expect 1 sh -c "$ZCOPY -av s d >&-"
expect 0 diff -r s d
rm -rf d
expect 0 sh -c "$ZCOPY -a s d >&- 2>&- <&-"
expect 0 diff -r s d
expect 1 sh -c "$ZCOPY -a missing d 2>/dev/full"
expect 1 sh -c "$ZCOPY -a missing d 2>&-"
done_testing
