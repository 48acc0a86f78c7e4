#!/bin/sh
# What is typed wrong: exit 2, one line that names it and one that says where to look.
. "${0%/*}/lib.sh"

begin 'operands'
expect 2 zcopy
usage_error
expect 2 zcopy a
usage_error
says 'a'
expect 2 zcopy -t d
usage_error

begin 'options nobody knows'
data 10 1 a
for option in --bogus -Q --bogus=1 --no-such-thing -vQ; do
	expect 2 zcopy "$option" a b
	usage_error
	gone b
done
expect 2 zcopy --re a b
usage_error
expect 2 zcopy --verbose=yes a b
usage_error
expect 2 zcopy --engine
usage_error

begin 'words that are not in the list'
data 10 1 a
for option in --engine=warp --route=warp --direct=maybe --cache=x --durability=x --reflink=x --sparse=x \
	--update=x --numa=x --hugepages=x --progress=x --on-change=x --on-read-error=x --engine= --route= --preserve=x,y --preserve= \
	--no-preserve=z --backup=x --backup=n '--exclude=['; do
	expect 2 zcopy "$option" a b
	usage_error
	gone b
done

begin 'options that exclude each other'
data 10 1 a
for options in '-l -s' '-b -n' '-S.x --update=none' '--reflink --sparse=never' '--inplace -b' \
	'--inplace --remove-destination' '--parents' '-T -t.' '-t. -t.' '--files-from=- --exclude-from=-' \
	'--exclude-from=nothere' '--route=cfr --direct=always' '--pool=64K --block-size=1M'; do
	# shellcheck disable=SC2086
	expect 2 zcopy $options a b
	usage_error
	gone b
done
expect 2 zcopy --files-from=list a b c
usage_error

begin 'the words that there are are told'
expect 2 zcopy --engine=warp a b
says "argument 'warp' for '--engine': must be auto, uring or sync$"
expect 2 zcopy --hash=md5 a b
says 'must be xxh3, crc32c or sha256$'
expect 2 zcopy --preserve=x,y a b
says 'must be mode, .* or all$'

begin 'a list of names that cannot be read makes nothing'
mkdir src
expect 1 zcopy --files-from=nothere src D
says 'nothere: cannot open'
gone D
echo name >list
expect 1 zcopy --files-from=list nosrc D
gone D

begin 'a node that is not here is a forced choice that cannot be had'
data 10 1 a
expect 2 zcopy --numa=1023 a b
says 'numa=1023 cannot be had'
gone b
expect 2 zcopy --numa=1023 null: null:
node=$(sed 's/[^0-9].*//' /sys/devices/system/node/has_memory 2>/dev/null)
expect 0 zcopy "--numa=${node:-0}" a b
same a b

begin 'what is short for an option of cp is so here'
data 10 1 a
expect 0 zcopy --pr a b
same a b
expect 0 zcopy --f a b
expect 2 zcopy --pro a b --prog=x
usage_error
says 'progress'

begin 'sizes and counts'
data 10 1 a
for option in --block-size= --block-size=0 --block-size=-1 --block-size=-4K --block-size=1x --block-size=4Kx \
	--block-size=99999999999999999999 --block-size=99999999999G --block-size=x \
	'--block-size= 4K' --pool=-1 --pool=99999999999T --queue-depth=0 --queue-depth=-1 --queue-depth=x \
	--queue-depth=99999999999 --jobs=0 --jobs=-1 --jobs=x -jx; do
	expect 2 zcopy "$option" a b
	usage_error
	gone b
done
for option in --block-size=4K --block-size=4KiB --block-size=64KB --block-size=1M --block-size=512 \
	--queue-depth=1 --jobs=1 -j2 --pool=8M; do
	expect 0 zcopy "$option" a b
	same a b
	rm -f b
done

begin 'a bad size is named'
expect 2 zcopy --block-size=4Q a b
says '4Q'

begin 'the words of the environment'
data 10 1 a
expect 2 env ZCOPY_ENGINE=warp sh -c "$ZCOPY a b"
says 'ZCOPY_ENGINE'
expect 0 env ZCOPY_ENGINE=sync sh -c "$ZCOPY a b"
expect 0 env ZCOPY_ENGINE=warp sh -c "$ZCOPY --engine=sync a b"
expect 2 env VERSION_CONTROL=bogus sh -c "$ZCOPY -b a b"
says 'VERSION_CONTROL'
expect 0 env VERSION_CONTROL=bogus sh -c "$ZCOPY a b"

begin '--help and --version'
expect 0 zcopy --help
silent
says 'Usage: zcopy' "$T/out"
for option in --engine --route --durability --inplace --report --explain --dry-run --sparse --reflink --archive \
	--backup --exclude; do
	says "$option" "$T/out"
done
expect 0 zcopy --version
says '^zcopy [0-9(]' "$T/out"
expect 0 zcopy help
says 'Usage: zcopy' "$T/out"
expect 0 zcopy version
says '^zcopy [0-9(]' "$T/out"

begin 'a command or a file of that name'
data 10 1 version
expect 2 zcopy version b
says '\./version'
expect 0 zcopy ./version b
same version b
expect 0 zcopy -- version c
same version c

begin 'a:b is remote, unless a file of that name is here: then say which'
data 10 1 a:b
expect 2 zcopy a:b c
says '\./a:b'
expect 0 zcopy ./a:b c
same a:b c
expect 0 zcopy c "$PWD/x:y"
same c x:y

begin '--report=- is refused when stdout is an end'
data 10 1 a
expect 2 zcopy --report=- a -
usage_error

done_testing
