#!/bin/sh
# Called as cp: the same as the cp of this machine, case by case; cp-diff.py runs and compares, the cases and
# where the right answer is another than that of an older cp are in cp-*.cases. The same-file matrix is made
# here: every pair of names that lead to one file, under every option that makes a difference.
#   cp-diff.sh [options|trees|rights|same]...
. "${0%/*}/lib.sh"

HERE=$(cd "${0%/*}" && pwd)
GNU=$(command -v cp)
"$GNU" --version 2>/dev/null | grep -q 'GNU coreutils' || skip_all 'cp is not of GNU coreutils'
"$GNU" --version | awk 'NR == 1 { split($NF, v, "."); exit !(v[1] > 9 || (v[1] == 9 && v[2] >= 1)) }' ||
	skip_all 'this cp is too old: 9.1 is wanted'
have "$PYTHON" || skip_all 'no python3'
unset VERSION_CONTROL SIMPLE_BACKUP_SUFFIX POSIXLY_CORRECT ZCOPY_ENGINE ZCOPY_JOBS

# Both are called cp, found through PATH; behind a launcher ours is a script.
mkdir "$T/gnu" "$T/ours"
ln -s "$GNU" "$T/gnu/cp"
case $ZCOPY in
*' '*)
	mkdir "$T/real"
	ln -s "${ZCOPY##* }" "$T/real/cp"
	printf '#!/bin/sh\nexec %s %s "$@"\n' "${ZCOPY% *}" "$T/real/cp" >"$T/ours/cp"
	chmod 755 "$T/ours/cp"
	;;
*) ln -s "$ZCOPY" "$T/ours/cp" ;;
esac

# compare DIR-OF-CP FILE: what differs is in $T/diff
compare() { TMPDIR=$T "$PYTHON" "$HERE/cp-diff.py" "$T/gnu" "$1" "$2" >"$T/diff" 2>&1; }

# theme NAME FILE
theme() {
	begin "$1"
	compare "$T/ours" "$2"
	rc=$?
	sed -n 's/^SKIP .*: needs //p' "$T/diff" | sort -u >"$T/needs"
	while read -r needs; do echo "SKIP $CASE: needs $needs"; done <"$T/needs"
	[ $rc -eq 0 ] || { grep -v '^SKIP' "$T/diff" | head -100; fail "exit $rc"; }
	tail -n 1 "$T/diff"
}

# file: foo; hardlink: another name of it; sl1, sl2: symlinks to it; linkhl: another name of sl1; sub/foo, and
# linkdir, which leads to sub
same_cases() {
	setup='echo foo >foo; ln foo hardlink; ln -s foo sl1; ln -s foo sl2; ln sl1 linkhl; mkdir sub; echo bar >sub/foo; ln -s sub linkdir; ln -s sl1 slsl; old foo sub/foo'
	for option in '' -f -b -bf -bd -bdf -d -df -P -dp -l -lf -lb -lbf -ld -lbd -lP -s -sf -sb -sbf -sd --rem '--rem -d' '--rem -b' -u -n -dn; do
		for pair in 'foo foo' 'foo ./foo' 'foo hardlink' 'hardlink foo' 'foo sl1' 'sl1 foo' 'sl1 hardlink' 'hardlink sl1' 'sl1 sl1' 'sl1 sl2' 'sl1 linkhl' 'slsl foo' 'slsl sl1' 'sl1 slsl' 'foo slsl' 'sub/foo linkdir/foo' 'linkdir/foo sub' 'foo .'; do
			echo "$setup ;; cp -v $option $pair"
			case $option:$pair in
			--rem:'slsl sl1' | --rem:'sl1 sl1')
				echo '	ours status,err,tree # theirs removes the link that it was to follow, for good' ;;
			*[ds]*:*) ;;
			-*b*:'slsl sl1' | -*b:'sl1 sl1')
				echo '	ours status,out,err,tree # theirs moves away the link that it was to follow' ;;
			esac
			case $option:$pair in
			-*b*:*linkdir*)
				echo '	ours out,err # theirs does not see that the directories are one, and fails later' ;;
			esac
		done
	done
}

begin 'a difference is found'
mkdir other
cat >cases <<'END'
ab ;; cp a c
ab ;; cp -v a b
ab; ln b c ;; cp -l a d
ab ;; cp nothere c
	err s/nothere/nothere/
END
expect 0 compare "$T/gnu" cases
sed -i '/err /d' cases
for fault in 'chmod 600 c' 'touch -d @1 b' 'echo >>a' 'ln -s a new' 'rm b; echo onex >b' 'echo said' 'echo said >&2' 'false'; do
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nPATH=%s:$PATH\ncp "$@"\nstatus=$?\n{ %s; } || status=9\nexit $status\n' "$T/gnu" "$fault" >other/cp
	chmod 755 other/cp
	compare "$PWD/other" cases && fail "not noticed: $fault"
done
# shellcheck disable=SC2016
printf '#!/bin/sh\nPATH=%s:$PATH\ncp "$@"\n' "$T/gnu" >other/cp
expect 0 compare "$PWD/other" cases
printf '\terr s/nothere/other/\n' >>cases
expect 1 compare "$PWD/other" cases
printf '\tours err\n' >>cases
expect 0 compare "$PWD/other" cases

same_cases >"$T/same.cases"
[ $# -gt 0 ] || set -- options trees rights same
for name in "$@"; do
	if [ "$name" = same ]; then
		theme same "$T/same.cases"
	else
		theme "$name" "$HERE/cp-$name.cases"
	fi
done
done_testing
