#!/bin/sh
# shellcheck disable=SC2086 # options and ZCOPY are words
# A tree that changes while it is copied. Names that turn into symlinks and back, on either side: nothing outside of
# the two trees is read, written, or touched in any other way. Files that grow, shrink, move and go: every file that
# is called good holds what some file of that name held.
#   FLIPS=6000 how many exchanges in all, ROUNDS=5 how many rounds of changes, SEED=1
. "${0%/*}/lib.sh"
helper flipper || skip_all 'no helper'
flips=${FLIPS:-6000} rounds=${ROUNDS:-5} seed=${SEED:-1}
made_flips=0 runs=0

# A tree: directories in one another, small files, two names of one file, and one for the long way.
plant() {
	mkdir -p "$1/a/b/c" "$1/a/d" "$1/e"
	for dir in a a/b a/b/c a/d e; do
		for i in 1 2 3 4 5 6; do
			echo "$2 $dir $i" >"$1/$dir/f$i"
		done
		data 200000 7 "$1/$dir/big"
		ln -s f1 "$1/$dir/link"
		ln "$1/$dir/f6" "$1/$dir/twin"
	done
}

# What nobody may touch: the same names below outside/, where the symlinks lead. Its files say CANARY, and are
# somebody else's.
plant_outside() {
	plant outside CANARY
	for dir in a a/b a/b/c a/d e; do
		printf 'CANARY' >"outside/$dir/big"
	done
	find outside -type f -exec chmod 640 {} +
	chmod 710 outside/a outside/a/b outside/a/d outside/e
	if is_root; then
		chown -hR 4242:4343 outside
		! have setfattr || find outside ! -type l -exec setfattr -n user.canary -v CANARY {} + 2>/dev/null
	fi
	state_of outside >outside.want
}

# Any change of an inode shows in its ctime.
state_of() {
	find "$1" -printf '%p %y %i %n %m %U %G %s %T@ %C@\n' | sort
}

# traps SIDE NAME...: the words of the flipper for these names below SIDE
traps() {
	side=$1 words=''
	shift
	mkdir -p traps junk
	for name in "$@"; do
		words="$words $side/$name traps/$(echo "$name" | tr / _) $PWD/outside/$name"
	done
}

flip() {
	"$HELPERS/flipper" junk $words >flips 2>flip-errors &
	flipper=$!
}

flip_end() {
	kill -TERM $flipper
	wait $flipper 2>/dev/null
	read -r _ count <flips
	made_flips=$((made_flips + count))
	case_flips=$((case_flips + count))
}

# escaped WHERE: says how anything got out of, or into, WHERE
escaped() {
	state_of outside >outside.have
	if ! cmp -s outside.want outside.have; then
		echo "outside was touched: $(diff outside.want outside.have | head -4)"
	fi
	if grep -rqs CANARY "$1"; then
		echo "copied from outside: $(grep -rls CANARY "$1" | head -3)"
	fi
	if is_root; then
		find "$1" traps junk \( -uid 4242 -o -gid 4343 -o -perm 640 -o -perm 710 \) -print 2>/dev/null |
			sed 's/^/attributes from outside: /' | head -3
	fi
}

every='a a/b a/b/c a/d e a/f1 a/f6 a/twin a/big a/b/f1 a/b/c/f1 a/b/c/big e/f1 e/twin e/big a/link'
dirs='a a/b a/b/c a/d e'

# race SOURCE|DEST WHICH COMMAND...: COMMAND copies from src into dst again and again while names are exchanged
race() {
	where=$1 which=$2 case_flips=0 case_runs=0
	shift 2
	found=''
	rm -rf src outside
	plant src good
	plant_outside
	until [ $case_flips -ge $quota ] && [ $case_runs -ge 6 ]; do
		rm -rf dst traps junk
		if [ "$where" = DEST ]; then
			plant dst old
			traps dst $which
		else
			mkdir dst
			traps src $which
		fi
		flip
		for how in '' "$slow" "$slow"; do
			$how "$@" >"$T/out" 2>"$T/err"
			rc=$?
			runs=$((runs + 1)) case_runs=$((case_runs + 1))
			case $rc in
			[0-5] | 9) ;;
			*) fail "exit $rc: $* $(tail -n 2 "$T/err")" ;;
			esac
			[ "$where" = SOURCE ] || continue
			found=$(escaped dst)
			[ -z "$found" ] || break
			rm -rf dst/*
		done
		flip_end
		[ -n "$found" ] || found=$(escaped dst)
		[ -z "$found" ] || return 1
	done
}

# safe SOURCE|DEST WHICH ARGS...: no way out
safe() {
	if race "$1" "$2" timeout 60 $ZCOPY $3; then
		[ -z "$case_flips" ] || echo "$CASE: $case_flips exchanges, $case_runs runs"
	else
		fail "$found"
	fi
	equal "$(cat flip-errors)" '' 'the flipper says'
}

# Half of the runs are slowed down, so that there is time between a look and a use.
slow=''
if have strace && [ -z "${ZC_SANITIZED:-}" ] && strace -f -o /dev/null -e inject=openat:delay_enter=1 true 2>/dev/null; then
	calls=openat,linkat,unlinkat,mkdirat,renameat,renameat2,fchownat,utimensat,symlinkat,newfstatat,readlinkat,fchmodat
	slow="strace -qq -f -o /dev/null -e trace=$calls -e inject=$calls:delay_enter=400"
fi
quota=$((flips / 14 + 1))
for args in '-a -j1 src/. dst' '-a -j4 src/. dst' '-r -j2 src/. dst' '-a --parents -j2 src/a src/e dst' '-r -l -P -j2 src/. dst' \
	'-a --route=buffer src/. dst'; do
	begin "the source's names are exchanged: $args"
	safe SOURCE "$every" "$args"
done
for args in '-a -j1 src/. dst' '-a -j4 src/. dst' '-r -j2 src/. dst' '-a -b -j2 src/. dst' \
	'-a --remove-destination -j2 src/. dst' '-a -u -j2 src/. dst' '-r -l -P -b -j2 src/. dst' '-a --durability=none -j4 src/. dst'; do
	begin "the destination's names are exchanged: $args"
	safe DEST "$every" "$args"
done
case $ZCOPY in
*' '*) ;;
*)
	begin 'called as cp: directories only, since cp writes through links to files'
	ln -s "$ZCOPY" cp
	if race DEST "$dirs" timeout 60 ./cp -a src/. dst && race SOURCE "$every" timeout 60 ./cp -a src/. dst; then
		:
	else
		fail "$found"
	fi
	;;
esac
[ $made_flips -ge "$flips" ] || fail "only $made_flips exchanges"
echo "$made_flips exchanges during $runs runs"

begin 'the test sees what leaves by paths'
if cp --version 2>/dev/null | grep -q 'GNU coreutils'; then
	tries=0 quota=500
	while race SOURCE "$dirs" cp -a src/. dst && [ $tries -lt 15 ]; do
		tries=$((tries + 1))
	done
	[ -n "$found" ] || fail "cp -a never left the tree in $((tries * 4)) runs"
	echo "$found" | head -1
else
	skip 'no GNU cp here'
fi

begin "a source that changes: $rounds rounds"
have "$PYTHON" || skip_all 'no python'
round=0 shown=0 changes=0
while [ $round -lt "$rounds" ]; do
	rm -rf work && mkdir -p work/src && cd work || exit 99
	round=$((round + 1))
	"$HELPERS/mutator" make $((seed + round)) src
	"$HELPERS/mutator" run $((seed + round)) 300 src >mutations &
	mutator=$!
	until [ -s mutations ]; do sleep 0.01; done
	case $((round % 5)) in
	0) how='-a -j4' ;;
	1) how='-a -j1' ;;
	2) how='-r -j4 --route=buffer' ;;
	3) how='-a -j3 --on-change=fail' ;;
	4) how='-r -j2' ;;
	esac
	for dst in dst1 dst2; do
		timeout 60 $ZCOPY $how --report=$dst.json src $dst >out 2>err
		rc=$?
		judge '0|1|3' "round $round: zcopy $how"
		"$HELPERS/mutator" check $dst >bad 2>counted
		"$PYTHON" - $dst <<'PY' >unsaid || fail "round $round: $(cat unsaid)"
import json, sys
dst = sys.argv[1]
report = json.load(open(dst + ".json"))
said = set()
for error in report.get("errors", []):
    path = error.get("path", "")
    said.add(path.split("/", 1)[-1])
    said.add(path)
bad = [line.rstrip("\n") for line in open("bad")]
unsaid = [line for line in bad if line.split(": ")[0] not in said]
if unsaid:
    print(len(unsaid), "files are wrong and not said to be:", *unsaid[:3], sep="\n  ")
    sys.exit(1)
if bool(report.get("errors")) != (report["exit_code"] != 0):
    print("exit", report["exit_code"], "with", len(report.get("errors", [])), "errors")
    sys.exit(1)
PY
		read -r _ count <counted
		shown=$((shown + count))
	done
	wait $mutator
	changes=$((changes + $(sed -n 's/CHANGES //p' mutations)))
	cd ..
done
echo "$changes changes, $shown copied files looked at"
[ $shown -gt $((rounds * 100)) ] || fail 'hardly anything was copied'

begin 'the number of a deleted file that is used again is no second name of it'
if [ -n "$slow" ]; then
	mkdir -p src/d1 src/d2 aside
	# what is read first
	first=$(find src -mindepth 1 -type d | head -1)
	second=$(find src -mindepth 1 -type d | tail -1)
	echo 'the first' >"$first/a" && ln "$first/a" aside/a
	old=$(inode_of aside/a)
	# stopped when the second is open and not yet read
	: >calls
	strace -qq -f -o calls -P "$PWD/dst/${second#*/}" -e trace=newfstatat,fstat \
		-e inject=newfstatat,fstat:signal=STOP:when=1 $ZCOPY -a -j1 src dst 2>"$T/err" &
	await eval "grep -q 'stopped by SIGSTOP' calls || ! kill -0 $! 2>/dev/null"
	[ -e "dst/${first#*/}/a" ] || fail 'the first is not copied yet'
	rm "$first/a" aside/a
	for i in 1 2 3; do
		echo "another $i" >"$second/c$i" && ln "$second/c$i" "aside/c$i"
		[ "$(inode_of "aside/c$i")" != "$old" ] || echo "the number $old is used again"
	done
	kill -CONT "$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' calls | head -1)"
	wait $!
	equal $? 0 'exit'
	for i in 1 2 3; do same "$second/c$i" "dst/${second#*/}/c$i"; done
elif [ -n "${ZC_SANITIZED:-}" ]; then
	skip 'a sanitizer makes its own calls'
else
	skip 'strace is not allowed here'
fi

begin 'the test sees a file that was cut and one that was mixed up'
mkdir src && "$HELPERS/mutator" make 1 src && cp -r src dst
expect 0 "$HELPERS/mutator" check dst
# shellcheck disable=SC2046
set -- $(find dst -type f -size +5k | sort)
truncate -s 20 "$1"
printf x | dd of="$2" bs=1 seek=4500 conv=notrunc 2>/dev/null
mv "$3" "${3%/*}/p99"
expect 1 "$HELPERS/mutator" check dst
equal "$(wc -l <"$T/out")" 3 'files found wrong'
done_testing
