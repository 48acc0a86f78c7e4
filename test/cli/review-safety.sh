#!/bin/sh
# What a review of --resume, --on-read-error and the groups of trees found, each as it was found.
. "${0%/*}/lib.sh"
helper mkfile && have prlimit || skip_all 'no helper'
MIB=1048576
export XDG_STATE_HOME="$T/state"
"$HELPERS/mkfile" dense $((24 * MIB)) 5 "$T/source" || skip_all 'no room'

journals() { find "$XDG_STATE_HOME" -type f 2>/dev/null | wc -l; }
partials() { find . -name '.zcopy-*' | wc -l; }
# Ends at byte 18 Mi, by itself: source -> d
interrupted() {
	if denied copy_file_range; then
		skip 'calls are denied here'
		return 1
	fi
	cp -- "$T/source" source
	# shellcheck disable=SC2086 # words
	expect 5 prlimit --fsize=$((18 * MIB)) $ZCOPY --resume --route=cfr source d
	equal "$(partials) $(journals)" '1 1' 'partials and journals'
}

begin 'the source is a small one by now: nothing of the large one stays'
for how in --resume -f; do
	interrupted || break
	echo small >source
	expect 0 zcopy $how source d
	same source d
	equal "$(partials) $(journals)" '0 0' "$how: partials and journals"
	rm d
done

begin 'a name that was begun, and becomes a link of another one: nothing of it stays'
if denied copy_file_range; then
	skip 'calls are denied here'
else
	mkdir s
	cp -- "$T/source" s/a
	ln s/a s/b
	# shellcheck disable=SC2086 # words
	expect 5 prlimit --fsize=$((18 * MIB)) $ZCOPY -a -T --resume --route=cfr s o
	equal "$(partials) $(journals)" '2 2' 'partials and journals'
	expect 0 zcopy -a -T --resume s o
	same s/a o/a
	equal "$(inode_of o/a)" "$(inode_of o/b)" 'the inode of both'
	equal "$(partials) $(journals)" '0 0' 'partials and journals'
fi

begin 'a journal with another name is a file of somebody'
if interrupted; then
	journal=$(find "$XDG_STATE_HOME" -type f)
	rm "$journal"
	echo precious >mine
	ln mine "$journal"
	expect 0 zcopy --resume source d
	same source d
	says 'd: cannot be resumed if it is interrupted: Operation not permitted'
	equal "$(cat mine)" precious 'a file of mine'
	rm -f "$journal" .zcopy-*
fi

begin 'the report of a tree of small files says how durable they are'
mkdir s
echo 1 >s/1
echo 2 >s/2
for how in none data full; do
	expect 0 zcopy -a --durability=$how --report=r s "o-$how"
	says "\"durability\":\"$how\"" r
done

begin 'full: a tree whose directory cannot be listed, so not synced, is refused before a byte moves'
if is_root && ! can_be_nobody; then
	skip 'nobody to be'
else
	as_user() { if is_root; then as_nobody "$@"; else "$@"; fi; }
	mkdir s s/sub d e e/sub
	echo 1 >s/sub/1
	if is_root; then chown 65534 d e e/sub; fi
	chmod 300 d e/sub
	for to in '-T s d' 's d' '-T s e'; do
		# shellcheck disable=SC2086 # words
		expect 1 as_user $ZCOPY -r --durability=full $to
		says 'the directory cannot be synced, as --durability=full wants: Permission denied'
		equal "$(wc -l <"$T/err")" 1 'lines'
	done
	chmod 700 d e/sub
	equal "$(find d e | sort | tr '\n' ' ')" 'd e e/sub ' 'what there is'
fi

begin 'the report of a tree with hard links: each name is counted once, also the second time'
mkdir s
echo 1 >s/a
ln s/a s/b
for how in -u --resume; do
	expect 0 zcopy -aT s o
	expect 0 zcopy -aT -j1 $how --report=r s o
	says '"files":0,.*"hardlinks":1,.*"skipped":1,' r
done

begin 'a hard link that replaces a file its owner may not read'
mkdir s o
echo new >s/a
ln s/a s/b
chmod 004 s/a
if ! can_be_nobody || ! mounted tmpfs "$PWD/o"; then
	skip 'nobody to be'
else
	echo old | tee o/a >o/b
	chown 65534:65534 o o/a o/b
	# shellcheck disable=SC2086 # words
	expect 0 as_nobody $ZCOPY -r --preserve=mode,links -T s o
	same s/a o/a
	equal "$(inode_of o/a)" "$(inode_of o/b)" 'the inode of both'
fi

begin 'a copy that cannot be remembered for its other names: said is why'
mkdir s
: >s/a
ln s/a s/b
# shellcheck disable=SC2086 # words
prlimit --fsize=0 $ZCOPY -aT s o 2>&1 | cat >"$T/err" # which is a file, too
says 'o/[ab]: copied apart from its other names, which cannot be remembered (File too large)'
equal "$(ls o)" "$(ls s)" names

begin 'what a killed run has left of a name goes, whatever the name becomes'
# named NAME: its temporary
named() {
	"$PYTHON" -c 'h = 0xcbf29ce484222325
for byte in b"'"$1"'": h = (h ^ byte) * 0x100000001b3 % 2**64
print(".zcopy-%016x" % h)'
}
for how in -a '-a --durability=data' '-a --resume' -al -as; do
	mkdir s o
	echo 1 >s/a
	ln s/a s/b
	ln -s a s/link
	mkfifo s/fifo
	for name in a b link fifo; do echo part >"o/$(named $name)"; done
	# shellcheck disable=SC2086 # words
	expect 0 zcopy $how -T "$PWD/s" o
	equal "$(ls -A o)" "$(ls s)" "$how: names"
	rm -r s o
done

# bad_tree [SWITCH]...: back as m, of whose file a page is lost
bad_tree() {
	if mountpoint -q "$PWD/m" 2>/dev/null; then umount "$PWD/m"; fi
	fuse "$PWD/back" "$PWD/m" "$@"
}

begin 'a tree: --resume with -u goes on with a map, too'
mkdir back && data 200000 1 back/a
if bad_tree --bad=5:100000:1; then
	expect 1 zcopy -aT --on-read-error=zero m o
	expect 1 zcopy -aT -u --resume m o
	says 'm/a: cannot read 1 range'
	bad_tree
	expect 0 zcopy -aT -u --resume m o
	same back/a o/a
	equal "$(journals)" 0 maps
else
	skip 'no FUSE'
fi

# missing [LAUNCHER]...: back/a as o, a page of it lost, with its map
missing() {
	mkdir back && data 200000 1 back/a
	if ! bad_tree --bad=5:100000:1; then
		skip 'no FUSE'
		return 1
	fi
	# shellcheck disable=SC2086 # words
	expect 1 "$@" $ZCOPY -p --on-read-error=zero m/a o
	map=$(find "$XDG_STATE_HOME" -name '*.map')
	bad_tree
}

begin 'a map is not for a file that got the inode number of the one it was of'
if missing env; then
	data 200000 2 other
	touch -r back/a other
	sed -i "/destination/s/ino=[0-9]*/ino=$(inode_of other)/" "$map"
	mv other o
	expect 0 zcopy -p --on-read-error=zero m/a o
	says 'copied anew: the map .* is of another destination'
	same back/a o
fi

begin 'a map that does not say when its destination was made is not trusted'
if missing env; then
	sed -i 's/ birth=[^ ]*//; s/ ctime=[^ ]*//' "$map"
	expect 0 zcopy -p --on-read-error=zero m/a o
	says 'copied anew: the map .* does not say when its destination was made'
	same back/a o
fi

begin 'what has other names gets them no other bytes by a map'
if missing env; then
	ln o snapshot && cp o old
	expect 0 zcopy -p --on-read-error=zero m/a o
	says 'copied anew: the map .* is of a file with other hard links'
	same back/a o
	same old snapshot
	ln -f snapshot o
	bad_tree --bad=5:100000:1
	expect 1 zcopy -p --inplace --on-read-error=zero m/a o
	bad_tree
	expect 0 zcopy -p --inplace --on-read-error=zero --explain m/a o
	says 'going on with the 1 range'
	same back/a snapshot
fi

begin 'where files have no birth a map is used until anything of its destination has changed'
deny_statx="$HELPERS/deny ENOSYS statx --"
for change in true 'chmod 600 o'; do
	# shellcheck disable=SC2086 # words
	helper deny && missing $deny_statx || break
	inode=$(inode_of o)
	$change
	# shellcheck disable=SC2086 # words
	expect 0 $deny_statx $ZCOPY -p --on-read-error=zero m/a o
	same back/a o
	case $change in
	true) equal "$(inode_of o)" "$inode" 'the inode' && silent ;;
	*) says 'copied anew: the map .* is of another destination' ;;
	esac
	umount m && rm -r back o
done

begin 'a map of which a part could not be written is none'
long=$(printf '%0200d' 0)
mkdir -p "back/$long/$long" && data 200000 1 "back/$long/$long/a"
bad=''
for at in 1 2 3 4 5 6 7 8; do bad="$bad --bad=5:$((at * 20000)):1"; done
# shellcheck disable=SC2086 # words
if [ -n "${ZC_SANITIZED:-}" ]; then
	skip 'a sanitizer makes its own calls'
elif ! have strace || ! strace -o /dev/null -e inject=write:error=EIO:when=99 true 2>/dev/null; then
	skip 'strace is not allowed here'
elif ! bad_tree $bad || ! image ext4 "$PWD/state" 8; then
	skip 'no FUSE'
else # its block is 1 KiB, and so is what is written at a time
	XDG_STATE_HOME=$PWD/state expect 1 strace -f -qq -o /dev/null -e trace=write \
		-e inject=write:error=ENOSPC:when=1 $ZCOPY --on-read-error=zero "m/$long/$long/a" o
	says 'no map of them could be kept'
	equal "$(find state -type f)" '' maps
	umount m
fi
begin 'what a killed run has left goes when the file is written in place'
temp=$(python3 -c 'h = 0xcbf29ce484222325
for c in b"file": h = (h ^ c) * 0x100000001b3 % 2**64
print(".zcopy-%016x" % h)')
data 100000 1 s && data 50 2 file && data 70 3 "$temp"
expect 0 zcopy s file
same s file
[ -e "$temp" ] && fail 'the name of a temporary is another one now'
data 50 2 file && data 70 3 "$temp"
expect 0 zcopy --inplace s file
same s file
gone "$temp"

begin 'a source that changes makes no FIFO older that --resume writes to'
truncate -s 64M s && touch -d 2001-01-01 s && mkfifo out
zcopy --resume s out >said 2>&1 &
exec 7<out
head -c 1 <&7 >first # it is being read, and not to its end
touch -d 2002-01-01 s
cat <&7 >rest
exec 7<&-
wait $!
equal $? 3 'status of a source that changed'
[ "$(stat -c %Y out)" -gt 1100000000 ] || fail "the FIFO is of $(stat -c %y out)"

done_testing
