#!/bin/sh
# Every system call of a tree's copy that takes a name takes one component of it, below a held directory. The only
# longer ones are /proc/self/fd/N and a name below that, for calls that know no directory.
. "${0%/*}/lib.sh"
have strace || skip_all 'no strace'
[ -z "${ZC_SANITIZED:-}" ] || skip_all 'a sanitizer makes its own calls'
case $ZCOPY in
*' '*) skip_all 'a launcher makes its own calls' ;;
esac
strace -f -o /dev/null true 2>/dev/null || skip_all 'strace is not allowed here'

# Everything that has a name: a bit of each kind, deep enough to be left and come back to.
plant() {
	mkdir -p "$1/a/b/c/d" "$1/a/e"
	for dir in . a a/b a/b/c/d a/e; do
		data 3000 1 "$1/$dir/small"
		data 300000 2 "$1/$dir/large"
		: >"$1/$dir/empty"
		truncate -s 1M "$1/$dir/hole"
		ln "$1/$dir/small" "$1/$dir/twin"
		ln "$1/$dir/large" "$1/a/twin-of-$(echo $dir | tr / _)"
		ln -s /somewhere/else/entirely "$1/$dir/link"
		mkfifo "$1/$dir/fifo"
		if is_root; then
			mknod "$1/$dir/null" c 1 3
			chown -h 1:2 "$1/$dir/link" "$1/$dir/fifo" "$1/$dir/empty"
		fi
		if have setfattr; then setfattr -n user.zc -v value "$1/$dir/large" "$1/$dir" 2>/dev/null; fi
		chmod 640 "$1/$dir/fifo"
		chmod 444 "$1/$dir/empty"
	done
	find "$1" -exec touch -h -d '2001-02-03 04:05:06' {} +
}

# long_names TRACE: the calls, from the reading of the first directory on, that are given more than one component or
# a name that is not below a held directory. A symlink's target is no name.
long_names() {
	awk '
	/getdents64\(/ { begun = 1 }
	!begun || !/"/ || / <\.\.\. | exited | killed |--- / { next }
	{
		line = $0
		sub(/^[0-9]+ +/, "", line)
		call = line
		sub(/\(.*/, "", call)
		if (call !~ /^(open|creat|link|unlink|sym|read[l]|rename|mk|rm|ch|l?ch|f?access|stat|lstat|newfstatat|statx|statfs|fch.*at|ut|l?[gsl].*xattr|l?remove|[gsl].*xattr|truncate|execve|name_to)/) next
		names++
		rest = line
		if (call == "symlinkat" || call == "symlink") sub(/"([^"\\]|\\.)*"/, "", rest)
		if (call ~ /xattr$/) sub(/, .*/, "", rest) # names of attributes
		at_cwd = rest ~ /AT_FDCWD/
		while (match(rest, /"([^"\\]|\\.)*"/)) {
			name = substr(rest, RSTART + 1, RLENGTH - 2)
			before = substr(rest, 1, RSTART - 1)
			rest = substr(rest, RSTART + RLENGTH)
			if (call ~ /^readlink/ && seen == NR) continue # what it answers
			seen = NR
			if (name ~ /^\/proc\/self\/fd\/[0-9]+(\/[^\/]*)?$/) continue
			if (name ~ /\//) print line
			else if (at_cwd && before ~ /AT_FDCWD, $/) print line
			else if (call !~ /at2?$|statx/) print line
		}
	}
	END { if (names < 20) print "blind: only " names + 0 " calls with names" }' "$1"
}

# names_of ARGS...: a run of it, and what is wrong with its names
names_of() {
	want=$1
	shift
	strace -f -s 300 -o calls "$@" >"$T/out" 2>"$T/err"
	rc=$?
	judge "$want" "$@"
	long_names calls >long
	[ ! -s long ] || fail "$(wc -l <long) calls: $(head -4 long)"
}

begin 'a new tree'
plant src
for args in '-a -j1' '-a -j4' '-r -j1' '-a --durability=full'; do
	CASE="a new tree: $args"
	# shellcheck disable=SC2086
	names_of 0 "$ZCOPY" $args src dst
	rm -rf dst
done

begin 'over a tree that is there'
plant src
cp -a src dst
for args in '-a -j1' '-a -j2 --backup=numbered' '-a -b' '-a --remove-destination' '-a -u' '-a --attributes-only' '-r -l -P'; do
	CASE="over a tree that is there: $args"
	find src -type f -name small -exec touch {} +
	# shellcheck disable=SC2086
	names_of 0 "$ZCOPY" $args src/. dst
done

begin 'few descriptors: directories are left and found again'
plant src
names_of 0 sh -c "ulimit -n 20; exec $ZCOPY -a -j1 src dst"

begin 'called as cp'
plant src
ln -s "$ZCOPY" cp
names_of 0 ./cp -a src dst
names_of 0 ./cp -a --parents src/a dst

begin 'the test sees a path'
if cp --version 2>/dev/null | grep -q 'GNU coreutils'; then
	plant src
	strace -f -s 300 -o calls cp -a src dst
	long_names calls >long
	[ "$(wc -l <long)" -gt 50 ] || fail "only $(wc -l <long) paths in the trace of cp -a"
else
	skip 'no GNU cp here'
fi
# behind FIRST THEN: the last call that is like FIRST, and there is one, is followed by one that is like THEN
behind() {
	awk -v first="$1" -v then="$2" '$0 ~ first { there = 1; ok = 0 } $0 ~ then { ok = there } END { exit !ok }' calls ||
		fail "no '$2' behind '$1'"
}

begin 'a second name that replaces a file: what it leads to is flushed first'
mkdir src
data 3000 1 src/a && ln src/a src/b
for old in a b; do # whichever of them is met first is new once
	mkdir dst
	cp src/a dst/$old
	strace -f -y -o calls "$ZCOPY" -a -j1 src/. dst
	equal "$(inode_of dst/a)" "$(inode_of dst/b)" 'the one file'
	behind 'fdatasync[(]|syncfs[(]' 'renameat[(]'
	rm -r dst
done

begin 'full: every directory is synced behind its last name and its attributes, or all of them are'
mkdir -p src/empty src/links
ln -s x src/links/link && mkfifo src/links/pipe
strace -f -y -o calls "$ZCOPY" -a -j1 --durability=full src new
behind 'symlinkat[(]' 'fsync[(][0-9]*<.*/new/links>|syncfs[(]'
behind 'mknodat[(]' 'fsync[(][0-9]*<.*/new/links>|syncfs[(]'
for dir in new new/empty new/links; do
	behind "utimensat[(][0-9]*<.*/$dir>" "fsync[(][0-9]*<.*/$dir>|syncfs[(]"
done
behind 'mkdirat[(].*"new"' "fsync[(][0-9]*<.*/${PWD##*/}>"

begin 'two threads in deep chains keep to one each'
# what the other one went down is as deep again for this one, and its descriptors hold 32 levels
deep=$(printf '%0240d' 0 | sed 's/0/d\//g')
for chain in 1 2 3 4; do mkdir -p "src/$chain/$deep"; done
find src -type d -exec sh -c 'for d; do echo 1 >"$d/f"; done' sh {} +
strace -f -qq -o calls -e trace=openat "$ZCOPY" -a --jobs=2 src new || fail "exit $?"
expect 0 diff -r src new
opened=$(wc -l <calls)
[ "$opened" -lt 9000 ] || fail "$opened names opened for 1930" # about 6,000; by turns 11,000 to 23,000

done_testing
