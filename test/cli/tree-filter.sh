#!/bin/sh
# --exclude, --include and --exclude-from through the program: what is taken of a tree is what rsync takes. The
# patterns themselves are tried by the hundred in test/unit/job_filter.c; here it is options, files and walks.
#   FILTER_LISTS=N   random lists of rules; FILTER_SEED=N others
. "${0%/*}/lib.sh"

# The tree every case has as s: every name of a few in every directory of a few.
plant() {
	mkdir -p 's/foo/bar/foo' s/bar/abc 's/a b/[a]' s/abc/foo.c
	for dir in s s/foo s/foo/bar s/foo/bar/foo s/bar s/bar/abc 's/a b' 's/a b/[a]' s/abc s/abc/foo.c; do
		for name in a b.o b.c .ab 'a*' '- a' '#a' 'x\a'; do : >"$dir/$name"; done
	done
	ln -s foo s/link
}

# taken OPTION... OPERAND: what is below o then, directories with a slash
taken() {
	rm -rf o && mkdir o
	expect 0 zcopy -a "$@" o
	silent
	(cd o && find . -mindepth 1 \( -type d -printf '%P/\n' -o -printf '%P\n' \)) | sort
}

# rsync_takes OPTION... OPERAND: the same from rsync, whose "s/" has no s/ in front
rsync_takes() {
	for operand in "$@"; do :; done
	rsync -a --dry-run --out-format=%n "$@" none/ | case $operand in
	*/) sed 's|^\./$||; s|^|s/|' ;;
	*) cat ;;
	esac | sort
}

# takes NAMES OPTION...: of s
takes() {
	names=$1
	shift
	taken "$@" s >got
	equal "$(tr '\n' ' ' <got)" "$names" "$*"
}

begin 'the first rule that matches decides, over all the options in their order'
mkdir -p s/d && touch s/a.c s/a.h s/d/b.c s/d/b.h s/b
takes 's/ s/a.c s/b s/d/ s/d/b.c ' --exclude='*.h'
takes 's/ s/a.c s/d/ s/d/b.c ' --include='*/' --include='*.c' --exclude='/s/**'
takes 's/ ' --include=/s --exclude='*' --include='*.c'
takes 's/ s/a.c s/a.h s/b ' --exclude=d/
takes 's/ s/a.c s/a.h s/b s/d/ s/d/b.c s/d/b.h ' --exclude=b/ --exclude=/a.c --exclude=/b
takes 's/ s/a.c s/a.h s/d/ s/d/b.c s/d/b.h ' --exclude=/s/b
printf '+ b.h\n# all\n\n*.h\r\n' >rules
takes 's/ s/a.c s/b s/d/ s/d/b.c s/d/b.h ' --exclude-from=rules
takes 's/ s/a.c s/b s/d/ s/d/b.c ' --exclude=b.h --exclude-from=rules
takes 's/ s/a.c s/a.h s/b s/d/ s/d/b.c s/d/b.h ' --include='*.h' --exclude-from=rules
takes 's/ s/a.c s/a.h s/b s/d/ s/d/b.c s/d/b.h ' --exclude=b --exclude='!'
printf '*.c\0d/\0' >rules
takes 's/ s/a.h s/b ' --exclude-from=rules -0
takes 's/ s/a.h s/b ' --null --exclude-from=rules
printf 'd/\n' >rules
rm -rf o && mkdir o
expect 0 zcopy -a --exclude-from=- s o <rules
[ -e o/s/a.c ] && gone o/s/d

begin 'where paths begin: at the operand as it was typed, whatever is at the destination'
mkdir -p s/d o && touch s/a s/d/a
takes 's/ s/d/ s/d/a ' --exclude=/s/a
takes 's/ s/a s/d/ s/d/a ' --exclude=/a
taken --exclude=/a s/ >got
equal "$(tr '\n' ' ' <got)" 's/ s/d/ s/d/a ' 'with a slash behind it'
taken --exclude=/a --strip-trailing-slashes s/ >got
equal "$(tr '\n' ' ' <got)" 's/ s/a s/d/ s/d/a ' 'with the slash taken off'
expect 0 zcopy -a --exclude=/s/a s new
gone new/a
[ -e new/d/a ] || fail 'd/a is missing'
expect 0 zcopy -aT --exclude=/s/a --exclude=d/a s newer
gone newer/a
gone newer/d/a

begin 'an operand is asked about, too'
mkdir -p s/d o && touch s/a b
takes '' --exclude=s
takes '' --exclude=/s
expect 0 zcopy --exclude=b b o
gone o/b
expect 0 zcopy -r --exclude=s b s o
gone o/s
[ -e o/b ] || fail 'b is missing'

begin 'what is left out is not so much as opened'
mkdir -p s/d && touch s/a s/d/b
mkfifo s/pipe
chmod 0 s/d
takes 's/ s/a ' --exclude=d --exclude=pipe
chmod 755 s/d

begin 'a pattern that cannot match and a list that cannot be read are usage errors'
mkdir s o
for pattern in 'a[' '[[:nope:]]' '*\' '- '; do
	expect 2 zcopy -a --exclude="$pattern" s o
	usage_error
	expect 2 zcopy -a --include="$pattern" s o
	usage_error
done
printf '#\na[\n' >rules
expect 2 zcopy -a --exclude-from=rules s o
usage_error
says 'rules.* 2:'
expect 2 zcopy -a --exclude-from=none s o
usage_error
says 'none.*No such file'
gone o/s

# random_rules LIST: rules, of which the first saves the operand
random_rules() {
	awk -v seed="$((${FILTER_SEED:-1} * 1000 + $1))" 'function any(n) { x = x * 16807 % 2147483647; return int(x / 16) % n }
		function word(list, a, n) { n = split(list, a, ","); return a[any(n) + 1] }
		BEGIN { x = seed * 7919 % 2147483647; any(2); any(2)
			print "+ /s"
			for (rules = 1 + any(5); rules > 0; rules--) {
				rule = word(",,,,+ ,+ ,- ") word(",,,,/,/s/,**/")
				for (parts = 1 + any(3) * any(2); parts > 0; parts--) {
					if (any(2)) { rule = rule word("foo,bar,a,b.o,.ab,abc,a b,foo.c,- a,link") }
					else { for (n = 1 + any(2); n > 0; n--) { rule = rule word("*,*,**,?,[a-c],[!a],.,a,b,o,\\*,[[:alpha:]]") } }
					rule = rule (parts > 1 ? "/" : word(",,,,/,/***"))
				}
				print rule
			} }'
}

begin 'rsync agrees on random rules'
if have rsync; then
	plant
	list=0 differ=0 some=0
	all=$(find s | wc -l)
	while [ $list -lt "${FILTER_LISTS:-45}" ] && [ $differ -lt 3 ]; do
		list=$((list + 1))
		random_rules $list >rules
		set --
		while IFS= read -r rule; do set -- "$@" --exclude="$rule"; done <rules
		[ $((list % 3)) -ne 0 ] || set -- --exclude-from=rules
		operand=s
		[ $((list % 4)) -ne 0 ] || operand=s/
		taken "$@" $operand >got
		rsync_takes "$@" $operand >want
		lines=$(wc -l <want)
		[ "$lines" -lt 2 ] || [ "$lines" -eq "$all" ] || some=$((some + 1))
		cmp -s want got && continue
		differ=$((differ + 1))
		fail "list $list, $operand: $(tr '\n' ',' <rules) $(diff want got | grep '^[<>]' | head -3 | tr '\n' ' ')"
	done
	# the lists are worth their time
	[ $((some * 3)) -gt $list ] || fail "only $some of $list lists take some and leave some"
else
	skip 'no rsync here'
fi

done_testing
