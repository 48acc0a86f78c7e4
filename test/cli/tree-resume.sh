#!/bin/sh
# --resume: what an earlier run has finished is not copied again, what it has not is; after a signal nothing
# but whole files is there.
here=$(cd "${0%/*}" && pwd)
. "$here/lib.sh"

tree() { # DIR FILES: with hard links over directories, links, holes
	mkdir -p "$1"
	for dir in a b c; do
		mkdir "$1/$dir"
		for n in $(seq "$2"); do
			echo "$dir $n $1" >"$1/$dir/$n"
		done
	done
	ln "$1/a/1" "$1/b/link"
	ln -s ../a/1 "$1/c/sym"
	mkfifo "$1/c/fifo"
	truncate -s 1M "$1/c/hole"
	data 300000 7 "$1/c/big"
}

alike() { # A B
	left=$("$PYTHON" "$here/tree-oracle.py" "$1" "$2") || fail "not alike: $left"
}

for keep in -a -r; do
	begin "with $keep: a second run copies nothing again"
	tree s 20
	expect 0 zcopy $keep s d
	before=$(find d -type f -printf '%P %i\n' | sort)
	expect 0 zcopy $keep -T --resume --report=r s d
	equal "$(find d -type f -printf '%P %i\n' | sort)" "$before" 'inodes'
	grep -q '"files":0' r || fail "copied again: $(cat r)"
	[ $keep = -r ] || alike s d

	begin "with $keep: what is missing or differs is copied, the rest is left"
	tree s 20
	expect 0 zcopy $keep s d
	kept=$(inode_of d/a/3)
	rm d/a/2 d/c/big d/b/link
	echo 'something else' >d/b/5
	ln -sf elsewhere d/c/sym
	expect 0 zcopy $keep -T --resume s d
	equal "$(inode_of d/a/3)" "$kept" 'inode of a file that was complete'
	same s/a/2 d/a/2
	same s/c/big d/c/big
	same s/b/5 d/b/5
	equal "$(readlink d/c/sym)" ../a/1 'the link'
	[ $keep = -r ] || alike s d
done

begin 'into a directory that has no such copy: a new one is made, and what else may have been meant is said'
mkdir s d
echo 1 >s/f
expect 0 zcopy -a --resume s d
says 'd/s: nothing to resume there, it is new; -T would go on in d itself'
expect 0 zcopy -a --resume s d
silent

begin 'interrupted again and again, it ends with the whole tree, and never shows half a file'
tree s 300
data 30000000 3 s/b/huge
rounds=0
while :; do
	rounds=$((rounds + 1))
	# shellcheck disable=SC2086
	timeout -s INT -k 60 "0.0$((rounds % 9 + 1))" $ZCOPY -a -T --resume s d 2>/dev/null
	rc=$?
	[ "$rc" -ne 124 ] || rc=130
	find d -type f ! -name '.zcopy-*' 2>/dev/null | while read -r file; do
		cmp -s "$file" "s/${file#d/}" || echo "$file"
	done >bad
	[ ! -s bad ] || fail "half a file: $(head -3 bad)"
	[ "$rc" -ne 0 ] || break
	[ "$rc" -eq 130 ] || fail "status $rc"
	[ "$rounds" -lt 200 ] || break
done
expect 0 zcopy -a -T --resume s d
alike s d

# The name that a temporary of the file NAME has.
temp_of() {
	"$PYTHON" -c 'import sys
h = 0xcbf29ce484222325
for c in sys.argv[1].encode(): h = (h ^ c) * 0x100000001b3 % 2**64
print(".zcopy-%016x" % h)' "$1"
}

begin 'killed between the temporary name and the last one, of a file that is skipped: nothing is left'
mkdir s && echo new >s/file && ln -s there s/sym && echo 1 >s/one && echo 3 >s/own && mkfifo s/fifo && data 17000000 1 s/big
expect 0 zcopy -a s d
for name in file own big; do echo new >"d/$(temp_of $name)"; done
ln -s there "d/$(temp_of sym)"
ln d/one "d/$(temp_of one)"
mkfifo "d/$(temp_of fifo)"
if is_root; then # it was given away already
	chown 65534 s/own "d/$(temp_of own)"
fi
before=$(find d ! -name '.zcopy-*' -printf '%P %i\n' | sort)
expect 0 zcopy -a -T --resume --dry-run s d
equal "$(find d -name '.zcopy-*' | wc -l)" 6 'temporaries after --dry-run'
expect 0 zcopy -a -T --resume s d
equal "$(find d -printf '%P %i\n' | sort)" "$before" 'inodes'

begin "... but a living neighbour's temporary, and what is no temporary of ours, stays"
mkdir s && echo new >s/file && echo new >s/dir
expect 0 zcopy -a s d
temp=d/$(temp_of file)
echo half >"$temp"
mkdir "d/$(temp_of dir)" # nothing of ours is a directory
exec 9<"$temp"
flock -n 9 || fail 'no lock'
expect 0 zcopy -a -T --resume s d
equal "$(cat "$temp")" half 'what its owner holds'
exec 9<&-
expect 0 zcopy -a -T --resume s d
gone "$temp"
rmdir "d/$(temp_of dir)" || fail 'no directory'

done_testing
