#!/bin/sh
# shellcheck disable=SC2086 # options and ZCOPY are words
# Trees that are to survive a power cut: files are synced many at once, and none has its name before.
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)

# To a file system where syncfs can be trusted: tmpfs, or what is here.
place() {
	if mounted tmpfs "$PWD/m" size=100m; then
		:
	else
		mkdir -p m
	fi
	case $(stat -f -c %T m) in
	ext2/ext3 | xfs | btrfs | tmpfs | f2fs) ;;
	*) return 1 ;;
	esac
}

# 120 files, of two sizes, some with two names; links and directories beside them
plant() {
	for dir in a a/b c; do
		mkdir -p "$1/$dir"
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			echo "$2 $dir $i" >"$1/$dir/f$i"
			ln -s "f$i" "$1/$dir/link$i"
		done
		for i in 1 2 3 4 5; do
			data 200000 $i "$1/$dir/large$i"
			echo "$2 $dir $i" >"$1/$dir/one$i"
			ln "$1/$dir/one$i" "$1/$dir/two$i"
		done
	done
	find "$1" -exec touch -h -d '2001-02-03 04:05:06' {} +
}

faithful() {
	expect 0 "$PYTHON" "$here/tree-oracle.py" "$@"
	[ ! -s "$T/out" ] || fail "says: $(head -c 600 "$T/out")"
}

# ready: a place, and its calls can be seen; else the case is skipped
ready() {
	case $ZCOPY in
	*' '*) skip 'a launcher makes its own calls' && return 1 ;;
	esac
	if [ -n "${ZC_SANITIZED:-}" ]; then
		skip 'a sanitizer makes its own calls'
	elif ! have strace || ! strace -o /dev/null -e inject=syncfs:error=EIO:when=99 true 2>/dev/null; then
		skip 'strace is not allowed here'
	elif ! place; then
		skip 'cannot mount'
	else
		return 0
	fi
	return 1
}

# traced ARGS...: each thread's calls in $T/trace.*
traced() {
	rm -f "$T"/trace.*
	expect 0 strace -ff -o "$T/trace" "$ZCOPY" "$@"
}

# Each thread names what itself has made. Prints what had a name before its bytes were synced; then how many names
# there were, and how many calls of each kind that syncs.
order() {
	for trace in "$T"/trace.*; do
		awk '
		/O_TMPFILE/ && / = [0-9]+$/ { dirty[$NF] = 1 }
		/^(p?write(64)?|pwritev2?|sendfile|ftruncate|fallocate)\(/ { fd = $0; sub(/^[^(]*\(/, "", fd)
			sub(/[^0-9].*/, "", fd); if (fd in dirty) dirty[fd] = 1 }
		/^syncfs\(.* = 0$/ { all++; for (fd in dirty) dirty[fd] = 0 }
		/^(fdatasync|fsync)\(.* = 0$/ { match($0, /[0-9]+/); fd = substr($0, RSTART, RLENGTH)
			if (fd in dirty) { one++; dirty[fd] = 0 } }
		/^linkat\(.* = 0$/ { line = $0; sub(/^linkat\(AT_FDCWD, "\/proc\/self\/fd\//, "linkat(", line)
			match(line, /[0-9]+/); fd = substr(line, RSTART, RLENGTH)
			if (fd in dirty) { names++; if (dirty[fd]) print "not synced: " $0 } }
		/^close\(/ { match($0, /[0-9]+/); delete dirty[substr($0, RSTART, RLENGTH)] }
		END { print "names", names + 0, "syncfs", all + 0, "each", one + 0 }' "$trace"
	done | awk '/^not/ { print; next } { n += $2; all += $4; one += $6 } END { print "names", n, "syncfs", all, "each", one }'
}

begin 'no name before its sync'
plant src new && plant old old
if ready; then
	for jobs in 1 4; do
		for level in data full; do
			traced -a -j$jobs --durability=$level -T src m/dst
			order >orders
			equal "$(sed -n 's/^names \([0-9]*\) .* each \([0-9]*\)$/\1 \2/p' orders)" '90 0' "names, files synced alone ($(head -3 orders))"
			most=$((jobs * 3 + 1))
			[ "$(sed -n 's/.*syncfs \([0-9]*\) .*/\1/p' orders)" -le $most ] || fail "-j$jobs $level: $(cat orders)"
			faithful src m/dst
			rm -rf m/dst

			cp -a old m/dst
			traced -a -j$jobs --durability=$level -T src m/dst
			order >orders
			equal "$(sed -n 's/^names \([0-9]*\) .* each \([0-9]*\)$/\1 \2/p' orders)" '90 0' "replaced ($(head -3 orders))"
			faithful src m/dst
			rm -rf m/dst
		done
	done
fi

begin 'replacing is durable without being told'
plant src new && plant old old
if ready; then
	cp -a old m/dst
	traced -a -T src m/dst
	order >orders
	says '^names 90 syncfs [1-9][0-9]* each 0$' orders
	rm -rf m/dst
	traced -a -T src m/dst
	order >orders
	says '^names .* syncfs 0 each 0$' orders
fi

begin 'full: after the last name comes a sync'
plant src new
if ready; then
	traced -a -j1 --durability=full -T src m/dst
	last=$(cat "$T"/trace.* | grep -E '^(linkat|symlinkat|mkdirat|syncfs|utimensat)\(' | tail -1)
	equal "${last%%(*}" syncfs 'the last of the calls that make or keep names'
fi

begin 'an error of syncfs is that of all who waited'
plant src new && plant old old
if ready; then
	for level in data full; do
		expect 1 strace -qq -f -o /dev/null -e trace=syncfs -e inject=syncfs:error=EIO:when=2+ \
			"$ZCOPY" -a -j1 --durability=$level --report="$T/r" -T src m/dst
		equal "$(find m/dst -name 'f*')" '' 'have a name'
		says 'f1: cannot be made durable: Input/output error'
		equal "$(find m/dst -name '.zcopy-*')" '' 'left behind'
		rm -rf m/dst
	done
	cp -a old m/dst
	expect 1 strace -qq -f -o /dev/null -e trace=syncfs -e inject=syncfs:error=EIO:when=2+ \
		"$ZCOPY" -a -j1 -T src m/dst
	find m/dst -name 'f*' -exec grep -l '^new' {} + >found
	equal "$(cat found)" '' 'replaced all the same'
	# (the first call only asks whether there is such a call)
	# nobody is asked again; the second name of a file is another try, and alone
	rm -f src/*/two* src/*/*/two*
	expect 1 strace -qq -f -o trace -e trace=syncfs,fdatasync,fsync -e inject=syncfs:error=EIO:when=2 \
		"$ZCOPY" -a -j1 -T src m/dst
	equal "$(grep -c '(' trace)" 2 'syncs of any kind'
fi

begin 'syncfs refused: each is synced by itself'
plant src new
if ready; then
	for level in data full; do
		expect 0 strace -qq -f -o trace -e trace=syncfs,fdatasync,fsync -e inject=syncfs:error=ENOSYS \
			"$ZCOPY" -a -j4 --durability=$level -T src m/dst
		[ "$(grep -c -E 'f(data)?sync\(' trace)" -ge 90 ] || fail "$level: $(grep -c sync trace) syncs for 90 files"
		faithful src m/dst
		rm -rf m/dst
	done
fi

begin 'with few descriptors'
plant src new && plant old old
place || :
for limit in 16 24 40 100; do
	cp -a old m/dst
	(ulimit -n $limit && exec $ZCOPY -a -j2 --durability=full -T src m/dst) 2>err || fail "limit $limit: $(cat err)"
	faithful src m/dst
	rm -rf m/dst
done

begin 'another file system below the destination'
plant src new && plant old old
if ready && cp -a old m/dst && { mounted tmpfs "$PWD/m/dst/c" size=10m || ! skip 'cannot mount'; }; then
	cp -a old/c/. m/dst/c/.
	traced -a -j1 -T src m/dst
	order >orders
	says '^names 90 syncfs [1-9][0-9]* each 30$' orders
	faithful src m/dst
	umount "$PWD/m/dst/c"
fi

begin 'a directory that is lost while its files wait: who waits for them ends'
mkdir -p src/a src/b
for i in 1 2 3 4 5 6 7 8; do
	echo $i >src/a/x$i
	ln src/a/x$i src/b/y$i
done
if ready; then
	for from in 22 26 30 34 37 40 43 46 50; do
		timeout -s KILL 60 strace -qq -f -o /dev/null -e trace=openat -e "inject=openat:error=EIO:when=$from+" \
			"$ZCOPY" -a -j1 --durability=data -T src m/dst >/dev/null 2>&1
		rc=$?
		judge '0|1|127' "all openat from number $from on"
		rm -rf m/dst
	done
fi

begin 'two names of one file, when the first waits for its group'
mkdir src
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	mkdir src/$i
	echo $i >src/$i/a
	ln src/$i/a src/$i/b
	ln src/$i/a src/c$i
done
place || :
for jobs in 1 2 4; do
	expect 0 timeout 60 $ZCOPY -a -j$jobs --durability=data -T src m/dst
	faithful src m/dst
	rm -rf m/dst
done

begin 'a name that waits for a slow copy keeps no other name waiting'
if ready; then
	mkdir m/src
	data 200000 1 m/src/large
	for i in $(seq 80); do
		mkdir m/src/d$i
		[ "$i" -gt 4 ] && continue
		ln m/src/large m/src/d$i/slow1 # some list the first one first, some last
		echo $i >m/src/d$i/a
		ln m/src/d$i/a m/src/d$i/b
		ln m/src/large m/src/d$i/slow2
	done
	# shellcheck disable=SC2046,SC2016 # words
	strace -qq -f -o /dev/null $(find "$PWD/m/src" -size +100k -printf '-P %p ') -e trace=copy_file_range \
		-e inject=copy_file_range:delay_enter=600000000:when=1 \
		sh -c '"$@" 2>err; echo $? >status' sh "$ZCOPY" -a -j2 --durability=data --route=cfr -T m/src m/dst &
	# whoever copies the large one has the rest of a directory with it
	await eval '[ "$(find m/dst -name "[ab]" 2>/dev/null | wc -l)" -ge 6 ]' ||
		fail "only $(find m/dst -name "[ab]" | wc -l) names are there"
	[ "$(find m/dst -name 'slow*' -o -name large | wc -l)" -eq 0 ] || fail 'the large one was not slow'
	kill -9 $! # what strace held back goes on
	await [ -s status ]
	equal "$(cat status)" 0 'exit'
	faithful m/src m/dst
fi
done_testing
