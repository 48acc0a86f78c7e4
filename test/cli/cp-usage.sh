#!/bin/sh
# Called as cp: what is typed wrong, or oddly, ends as it does with the cp of this machine: the same status,
# the same words, the same names made. What GNU said in other words before 9.7 is in newer(), what an older
# cp has not at all is compared with the words that a newer one has.
. "${0%/*}/lib.sh"

GNU=$(command -v cp)
"$GNU" --version 2>/dev/null | grep -q 'GNU coreutils' || skip_all 'cp is not of GNU coreutils'
unset VERSION_CONTROL SIMPLE_BACKUP_SUFFIX POSIXLY_CORRECT ZCOPY_ENGINE ZCOPY_JOBS
mkdir "$T/bin"
ln -s "${ZCOPY##* }" "$T/bin/cp"
case $ZCOPY in
*' '*) OURS="${ZCOPY% *} $T/bin/cp" ;; # behind a launcher
*) OURS=$T/bin/cp ;;
esac

# The words of 9.7 for those of an older cp; options that share a beginning in one order; and each program
# calls itself what it was called.
newer() {
	sed -e 's/options --backup and --no-clobber are mutually exclusive/--backup is mutually exclusive with -n or --update=none-fail/' \
		-e "s/target '\(.*\)' is not a directory/target '\1': Not a directory/" -e "s|$GNU|cp|; s|$T/bin/cp|cp|" "$1" |
		awk '/; possibilities:/ { n = split($0, word, " "); line = ""
			for (i = 1; i <= n; i++) if (word[i] ~ /^.--/ && seen) list[++m] = word[i]
				else { line = line " " word[i]; seen = seen || word[i] ~ /possibilities/ }
			for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++) if (list[j] < list[i]) {
				t = list[i]; list[i] = list[j]; list[j] = t }
			for (i = 1; i <= m; i++) line = line " " list[i]
			print line; next } { print }'
}

# one DIR COMMAND...: in a fresh DIR; status, what was said and what is there then, in DIR.*
one() {
	at=$1
	shift
	rm -rf "$at" && mkdir "$at" && cd "$at" || exit 99
	echo one >a
	echo two >b
	mkdir d
	: >-
	: >a:b
	# shellcheck disable=SC2086
	"$@" >"$at.out" 2>"$at.said" </dev/null
	echo $? >"$at.rc"
	cd "$T" || exit 99
	find "$at" -printf '%P %y %s\n' | sort >"$at.there"
	newer "$at.said" >"$at.err"
}

# alike ARG...: both say and do the same.
alike() {
	CASE="cp $*"
	CASES=$((CASES + 1))
	one "$T/gnu" "$GNU" "$@"
	# shellcheck disable=SC2086
	one "$T/ours" $OURS "$@"
	for what in rc err there; do
		cmp -s "$T/gnu.$what" "$T/ours.$what" ||
			fail "$what: $(head -c 400 "$T/ours.$what"), not $(head -c 400 "$T/gnu.$what")"
	done
	CASE=''
}

# status ARG...: the same status; the words are not the command line's.
status() {
	CASE="cp $*"
	CASES=$((CASES + 1))
	one "$T/gnu" "$GNU" "$@"
	# shellcheck disable=SC2086
	one "$T/ours" $OURS "$@"
	equal "$(cat "$T/ours.rc")" "$(cat "$T/gnu.rc")" status
	CASE=''
}

# since OPTION WORDS ARG...: alike, or WORDS and status 1 where this cp does not know OPTION yet.
since() {
	if "$GNU" --help | grep -q -e "$1"; then
		shift 2
		alike "$@"
		return
	fi
	words=$2
	shift 2
	CASE="cp $*"
	CASES=$((CASES + 1))
	# shellcheck disable=SC2086
	one "$T/ours" $OURS "$@"
	equal "$(cat "$T/ours.rc")" "${words:+1}" status
	equal "$(head -n 1 "$T/ours.err")" "$words" words
	CASE=''
}

# operands
alike
alike a
alike 'a b'
alike "it's"
alike 'x$y'
alike -f
alike -t d
alike -T a
alike -T a b c
alike -T a b "it's a"
alike -t d -T a
alike -T -t d
alike -t d -t d a
alike -t
alike --target-directory
alike a b -t
alike --parents a
alike --parents a b
alike --parents a nothere
alike --parents -T a d
alike --path a b
status a b nothere
status a b a
status -t nothere a
status -t a b
status nothere b
status d e
status a
status '' b
status a ''

# options nobody has, and ours
alike --bogus
alike --bogus=1 a b
alike -Q a b
alike -vQ a b
alike -j2 a b
alike -q a b
alike -0 a b
for option in --engine=sync --route=cfr --explain --report=r --progress --stats --dry-run --inplace --exclude=x --include=x \
	--exclude-from=x --files-from=x --null --durability=full --jobs=2 --quiet --allow-mounted --sandbox; do
	alike $option a b
done

# abbreviations
alike --re a b
alike --no a b
alike --ver a b
status --at a b c
alike --s a b
alike --strip=1 a b
alike --force=x a b
alike --fo=x a b
alike --recursive=x a b
alike --no-preserve
alike --sparse
alike --suffix
alike -S
alike --no-p

# words
for option in --reflink=x --reflink= --reflink=a --sparse=x --sparse= --sparse=a --sparse=AUTO --preserve=x,y --preserve= \
	'--preserve=mode,' --preserve=modes --no-preserve=foo --no-preserve= --preserve=mode,,links --backup=x --backup=n \
	--backup=ne,ni; do
	alike $option a b
done
alike --preserve="a b" a b
alike --backup="$(printf 'a\nb')" a b

# what excludes each other
alike -l -s a b
alike -ls -b -n a b
alike -b -n a b
alike -n --backup=none a b
alike -S .x -n a b
alike --backup=x -n a b
alike --reflink --sparse=always a b
alike --reflink=always --sparse=never a b
alike --sparse=never --reflink=always --backup=x a b
alike --backup=x
alike -l -s

# the environment
VERSION_CONTROL=bogus
export VERSION_CONTROL
alike -b a b
alike -S .x a b
alike --backup= a b
alike -b
status a b
VERSION_CONTROL=n
alike -b a b
unset VERSION_CONTROL

# labels, where the kernel has none
if [ ! -d /sys/fs/selinux ]; then
	alike --preserve=context a b
	alike --preserve=all,context a b
	alike --context=foo a b
	alike -Z
fi

# what a newer cp has
since --debug "cp: option '--debug' doesn't allow an argument" --debug=x a b
since --update= "cp: ambiguous argument 'n' for '--update'" --update=n a b
since --update= "cp: invalid argument 'x' for '--update'" --update=x a b
since none-fail "cp: --backup is mutually exclusive with -n or --update=none-fail" -b --update=none-fail a b
since --keep-dir "cp: option '--keep-directory-symlink' doesn't allow an argument" --keep-directory-symlink=x a b

begin '--help and --version go to stdout, with status 0'
for option in --help --version; do
	# shellcheck disable=SC2086
	expect 0 $OURS $option --bogus
	silent
done
says '^cp (zcopy) [0-9]' "$T/out"
# shellcheck disable=SC2086
expect 0 $OURS --help
says '^Usage: cp ' "$T/out"
equal "$(grep -c -e '--engine' "$T/out")" 0 'options of our own'
# shellcheck disable=SC2086
[ ! -w /dev/full ] || expect 1 sh -c "$OURS --help >/dev/full"

begin 'a bad knob of the environment is status 1, too'
data 10 1 a
# shellcheck disable=SC2086
expect 1 env ZCOPY_ENGINE=warp $OURS a b
says "cp: invalid argument 'warp' for 'ZCOPY_ENGINE'"
gone b

done_testing
