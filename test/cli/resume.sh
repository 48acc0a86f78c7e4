#!/bin/sh
# shellcheck disable=SC2086 # options and ZCOPY are words
# --resume of a large file: whatever ended the earlier run and whatever happened since, the result is the source,
# what had been made durable is not copied again, and what cannot be trusted is not.
#   KILLS=30 how many instants
. "${0%/*}/lib.sh"
helper mkfile && helper after && have prlimit && have flock || skip_all 'no helper'
MIB=1048576
size=$((26 * MIB))
image ext4 "$T" 250 || : # quick to flush, where that can be had
XDG_STATE_HOME=$T/state
export XDG_STATE_HOME
src=$T/source
"$HELPERS/mkfile" dense $size 5 "$src" || exit 99
touch -d '2001-02-03 04:05:06' "$src"

journals() { find "$T/state" -type f 2>/dev/null | wc -l; }
partials() { find . -name '.zcopy-*' | wc -l; }
case_of() { # NAME: begin, with room
	end_case
	find "$T" -mindepth 2 -type f -size +1M -delete
	begin "$@"
}
# Bytes that the last run, whose report is r, copied and found.
copied() { sed 's/.*"data":\([0-9]*\).*/\1/' r; }
taken() { grep -o '"resumed":{"files":1,"bytes":[0-9]*' r | sed 's/.*://' | grep . || echo 0; }

# Ends at byte 25 Mi, by itself; the journal has records of 8 and of 16 MiB then, where the disk is not slow.
interrupted() { # SOURCE DEST OPTION...
	from=$1 to=$2
	shift 2
	expect 5 prlimit --fsize=$((25 * MIB)) $ZCOPY --resume --route=cfr "$@" "$from" "$to"
	says 'are kept, --resume goes on there'
	equal "$(partials) $(journals)" '1 1' 'partials and journals'
}

# goes_on OPTION...: a run to the end, of which nothing is left; what the journal says is not copied again.
goes_on() {
	expect 0 zcopy --resume --report=r "$@" "$src" d
	same "$src" d
	[ "$(taken)" -ge $((${least:-20} * MIB)) ] || fail "taken over: $(taken)"
	equal $(($(copied) + $(taken))) $size 'bytes copied and found'
	equal "$(partials) $(journals)" '0 0' 'partials and journals'
}

# starts_over OPTION...: nothing of the earlier run is used.
starts_over() {
	expect 0 zcopy --resume --report=r "$@" "$src" d
	same "$src" d
	equal "$(taken)" 0 'taken over'
	equal "$(copied)" $size 'bytes copied'
	equal "$(partials) $(journals)" '0 0' 'partials and journals'
}

case_of 'interrupted once, by each way'
for way in '' --route=cfr --route=sendfile --route=buffer --engine=uring --engine=sync --direct=always; do
	case "$way" in
	*uring) denied io_uring_setup && continue ;;
	*cfr) denied copy_file_range && continue ;;
	*sendfile) denied sendfile && continue ;;
	*direct*) expect '0|2' zcopy --direct=always "$src" d && [ "$rc" = 0 ] || continue ;;
	esac
	rm -f d
	interrupted "$src" d
	gone d
	goes_on $way
done

case_of 'kill -9 at random instants'
[ -z "${ZC_SANITIZED:-}" ] || KILLS=12 # which is slow
kills=${KILLS:-30} hit=0 more=0 random=${SEED:-7}
for way in '' --route=cfr --engine=sync --route=buffer --sparse=always '--verify'; do
	tries=$((kills / 6))
	begun=$(date +%s%N)
	rm -f d
	expect 0 zcopy --resume $way "$src" d
	span=$((($(date +%s%N) - begun) / 1000))
	while [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		random=$(((random * 1103515245 + 12345) % 2147483648))
		rm -f d
		"$HELPERS/after" $((span * (random / 65536) / 32768)) 9 -- $ZCOPY --resume $way "$src" d 2>"$T/err"
		# one that has ended is quicker now than when it was measured
		if grep -q 'signal 9' "$T/err"; then hit=$((hit + 1)); else span=$((span * 9 / 10)); fi
		[ ! -e d ] || same "$src" d
		expect 0 zcopy --resume --report=r $way "$src" d
		same "$src" d
		equal "$(partials) $(journals)" '0 0' "$way: partials and journals"
		[ "$(taken)" = 0 ] || more=$((more + 1))
	done
done
echo "$hit killed, $more gone on with"
[ $hit -ge $((kills / 3)) ] || fail 'most had ended before they were killed'

case_of 'SIGINT, SIGTERM: what is durable is kept, and it is said; without --resume nothing is'
span=$(($(date +%s%N) / 1000))
expect 0 zcopy --resume --route=cfr "$src" d
span=$(($(date +%s%N) / 1000 - span))
for sig in 2 15; do
	for part in 3 6; do
		rm -f d
		"$HELPERS/after" $((span * part / 8)) $sig -- $ZCOPY --resume --route=cfr "$src" d 2>"$T/err"
		if [ "$(partials)" = 1 ]; then
			says 'are kept, --resume goes on there'
			says "after: signal $sig"
			least=0 goes_on
		fi
		equal "$(partials) $(journals)" '0 0' 'partials and journals'
		rm -f d
		"$HELPERS/after" $((span * part / 8)) $sig -- $ZCOPY --route=cfr "$src" d 2>"$T/err"
		equal "$(partials) $(journals)" '0 0' 'partials and journals'
	done
done

case_of 'a run without --resume takes what is left away'
interrupted "$src" d
expect 0 zcopy "$src" d
same "$src" d
equal "$(partials) $(journals)" '0 0' 'partials and journals'

case_of 'a journal that is damaged says less, or nothing'
extent_at() { od -An -tu8 -j $((120 + 32 * $1 + 8)) -N 8 "$journal" | tr -d ' '; }
for at in 0 119 125 last; do
	rm -f d
	interrupted "$src" d
	journal=$(find "$T/state" -type f)
	bytes=$(stat -c %s "$journal")
	[ $at != last ] || at=$((bytes - 1))
	good=0
	[ $at -lt 120 ] || good=$(extent_at $(((at - 120) / 32)))
	byte=$(od -An -tu1 -j $at -N 1 "$journal" | tr -d ' ')
	awk -v byte=$(((byte + 1) % 256)) 'BEGIN { printf "%c", byte }' | dd of="$journal" bs=1 seek=$at conv=notrunc 2>/dev/null
	# what it said of the bytes behind must not be used: they are not the source's any more
	dd if=/dev/zero of="$(find . -name '.zcopy-*')" bs=$MIB seek=$((good / MIB)) count=16 conv=notrunc 2>/dev/null
	expect 0 zcopy --resume --report=r "$src" d
	same "$src" d
	equal "$(taken)" "$good" "taken over with byte $at of $bytes changed"
done
for cut in 1 32 33; do
	rm -f d
	interrupted "$src" d
	journal=$(find "$T/state" -type f)
	bytes=$(($(stat -c %s "$journal") - cut))
	good=$(extent_at $(((bytes - 120) / 32)))
	[ $cut != 32 ] || good=$(extent_at $(((bytes + 32 - 152) / 32)))
	truncate -s $bytes "$journal"
	expect 0 zcopy --resume --report=r "$src" d
	same "$src" d
	equal "$(taken)" "$good" "taken over without the last $cut bytes"
done

case_of 'the source changed: from the start'
cp -p "$src" mine
for change in 'touch mine' 'truncate -s -1 mine' 'cp -p mine other && mv other mine' \
	'printf x | dd of=mine bs=1 seek=99999 conv=notrunc 2>/dev/null'; do
	rm -f d
	interrupted mine d
	eval "$change"
	expect 0 zcopy --resume --report=r --explain mine d
	same mine d
	equal "$(taken)" 0 "taken over after $change"
	says 'from the start: the source is not what it was'
done

case_of 'its data was changed and its time set back: compared, and found'
cp -p "$src" mine
for keep in 1 0; do
	rm -f d
	interrupted mine d
	[ $keep = 1 ] || printf x | dd of=mine bs=1 seek=$((3 * MIB)) conv=notrunc 2>/dev/null
	touch -r "$src" mine # ctime moves in any case
	expect 0 zcopy --resume --report=r --explain mine d
	same mine d
	says 'are as the source has them'
	if [ $keep = 1 ]; then
		[ "$(taken)" -ge $((20 * MIB)) ] || fail "taken over: $(taken)"
	else
		equal "$(taken)" $((3 * MIB)) 'taken over'
	fi
done

case_of 'the temporary changed: --resume=verify finds it'
interrupted "$src" d
printf x | dd of="$(find . -name '.zcopy-*')" bs=1 seek=$((5 * MIB + 5)) conv=notrunc 2>/dev/null
expect 0 zcopy --resume=verify --report=r "$src" d
same "$src" d
equal "$(taken)" $((5 * MIB)) 'taken over'
rm d
interrupted "$src" d
printf x | dd of="$(find . -name '.zcopy-*')" bs=1 seek=5 conv=notrunc 2>/dev/null
starts_over --resume=verify --explain
says 'from the start: nothing there is as the source has it'
rm d
interrupted "$src" d
goes_on --resume=verify

case_of 'the temporary is another one, shorter, or gone: from the start'
for change in 'cp $partial x; rm $partial; mv x $partial' 'rm $partial' ': >$partial' 'truncate -s 1M $partial' \
	'ln $partial x'; do
	rm -f d x
	interrupted "$src" d
	partial=$(find . -name '.zcopy-*')
	inode=$(inode_of $partial)
	eval "$change"
	starts_over
	[ ! -e x ] || equal "$(inode_of x) $(stat -c %h x)" "$inode 1" 'the other name of what was left'
done

case_of 'two at once: the second is told, whichever lock it meets'
for held in journal temporary; do
	rm -f d
	interrupted "$src" d
	file=$(find "$T/state" -type f)
	[ $held = journal ] || file=$(find . -name '.zcopy-*')
	expect 1 flock "$file" $ZCOPY --resume "$src" d
	says "another run is copying it: "
	gone d
	goes_on
done

case_of 'no place for the journal: said, and copied all the same'
for state in /proc/none /dev/null; do
	XDG_STATE_HOME=$state expect 0 zcopy --resume "$src" d
	says 'no journal can be kept'
	same "$src" d
	rm d
done
XDG_STATE_HOME='' HOME='' expect 0 zcopy --resume "$src" d
says 'XDG_STATE_HOME and HOME: no journal can be kept'
same "$src" d

case_of "root leaves nothing in a user's home"
if ! can_be_nobody; then
	skip 'nobody to be'
else
	export XDG_STATE_HOME=''
	mkdir home
	chown 65534:65534 home
	for there in '' .local/state .local/state/zcopy; do
		as_nobody mkdir -p "home/$there"
		before=$(find home | sort)
		HOME=$PWD/home expect 0 zcopy --resume "$src" d
		says 'home/.local/state/zcopy: no journal can be kept'
		same "$src" d
		rm d
		equal "$(find home | sort)" "$before" "what is in the home with '$there'"
	done
	rmdir home/.local/state/zcopy
	mkdir state
	as_nobody ln -s "$PWD/state" home/.local/state/zcopy
	HOME=$PWD/home expect 0 zcopy --resume "$src" d
	says 'no journal can be kept'
	rm -r home/.local d
	# shellcheck disable=SC2086 # words
	HOME=$PWD/home expect 0 as_nobody $ZCOPY --resume "$src" home/d
	silent
	equal "$(stat -c %u home/.local/state/zcopy)" 65534 'whose it is'
	export XDG_STATE_HOME="$T/state"
fi

case_of 'the place is made, for its owner alone'
mkdir home
XDG_STATE_HOME='' HOME=$PWD/home expect 5 prlimit --fsize=$((25 * MIB)) $ZCOPY --resume --route=cfr "$src" d
equal "$(mode_of home/.local/state/zcopy)" 700 mode
equal "$(stat -c %a home/.local/state/zcopy/*)" 600 'mode of the journal'
equal "$(stat -c %a .zcopy-*)" 600 'mode of the temporary'
XDG_STATE_HOME='' HOME=$PWD/home expect 0 zcopy --resume "$src" d
same "$src" d
equal "$(ls home/.local/state/zcopy)" '' 'left there'

case_of 'a file that is replaced is whole all the time, and keeps its mode'
echo old >d
chmod 640 d
interrupted "$src" d
equal "$(cat d)" old 'what is there meanwhile'
goes_on
equal "$(mode_of d)" 640 mode

case_of 'holes'
truncate -s 100M mine
dd if="$src" of=mine bs=$MIB count=25 seek=10 conv=notrunc 2>/dev/null
dd if="$src" of=mine bs=$MIB count=10 seek=75 conv=notrunc 2>/dev/null
for part in 2 4 6; do
	rm -f d
	"$HELPERS/after" $((span * part / 8)) 9 -- $ZCOPY --resume mine d 2>"$T/err"
	expect 0 zcopy --resume --report=r mine d
	same mine d
	[ "$(blocks_of d)" -le $(($(blocks_of mine) + 2048)) ] || fail "holes are filled: $(blocks_of d) blocks"
done

case_of 'what is verified and listed is all of it'
interrupted "$src" d
expect 0 zcopy --resume --verify --hash=sha256 --manifest=list --report=r "$src" d
same "$src" d
[ "$(taken)" -ge $((8 * MIB)) ] || fail "taken over: '$(taken)'"
expect 0 sha256sum -c list
interrupted "$src" d2
printf x | dd of="$(find . -name '.zcopy-*')" bs=1 seek=$((3 * MIB)) conv=notrunc 2>/dev/null
expect '0|4' zcopy --resume --verify "$src" d2
equal "$(partials) $(journals)" '0 0' 'partials and journals'
[ ! -e d2 ] || same "$src" d2

case_of 'in a tree'
mkdir s
cp -p "$src" s/large
echo small >s/small
expect 5 prlimit --fsize=$((25 * MIB)) $ZCOPY -r -T --resume --route=cfr s t
equal "$(partials) $(journals)" '1 1' 'partials and journals'
expect 0 zcopy -r -T --resume --report=r s t
[ "$(taken)" -ge $((8 * MIB)) ] || fail "taken over: '$(taken)'"
same s/large t/large
same s/small t/small
equal "$(partials) $(journals)" '0 0' 'partials and journals'

case_of 'no room, then room'
if mounted tmpfs "$T/little" size=25m; then
	expect 5 zcopy --resume --route=sendfile "$src" "$T/little/d"
	says 'are kept'
	mount -o remount,size=100m "$T/little"
	expect 0 zcopy --resume --report=r "$src" "$T/little/d"
	same "$src" "$T/little/d"
	[ "$(taken)" -ge $((8 * MIB)) ] || fail "taken over: '$(taken)'"
else
	skip 'needs root'
fi

case_of 'not for what is written in place'
expect 2 zcopy --inplace --resume "$src" d
usage_error
expect 2 zcopy --resume=no "$src" d
usage_error
expect 0 zcopy --resume "$src" null:
expect 0 zcopy --resume zero:1M d
equal "$(partials) $(journals)" '0 0' 'partials and journals'

rm -f "$src"
done_testing
