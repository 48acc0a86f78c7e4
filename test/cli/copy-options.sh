#!/bin/sh
# Which files are copied where: -n -u --update -T -t -v, several sources, directories as destinations.
. "${0%/*}/lib.sh"

begin '-n skips with status 0'
data 100 1 a && data 50 2 b && cp b keep
expect 0 zcopy -n a b
same b keep
expect 0 zcopy -n a new
same a new

begin '-u and --update'
data 100 1 a && data 50 2 older && data 50 3 newer && cp newer keep
touch -d @1500000000 a && touch -d @1400000000 older && touch -d @1600000000 newer
expect 0 zcopy -u a newer
same newer keep
expect 0 zcopy -u a older
same a older
cp keep same && touch -d @1500000000 same
expect 0 zcopy --update=older a same
same same keep
expect 0 zcopy --update=none a same
same same keep
expect 1 zcopy --update=none-fail a same
same same keep
expect 0 zcopy --update=none-fail a new
same a new
expect 0 zcopy --update=all a newer
same a newer
expect 0 zcopy -u a new2
same a new2
expect 2 zcopy --update=sometimes a new3
gone new3

begin '-u compares nanoseconds'
data 100 1 a && data 50 2 b
touch -d @1500000000.000000002 a && touch -d @1500000000.000000001 b
expect 0 zcopy -u a b
same a b

begin 'into a directory: DEST/name, with and without a slash'
data 100 1 a && mkdir d e
expect 0 zcopy a d
same a d/a
expect 0 zcopy a e/
same a e/a
ln -s d link && rm d/a
expect 0 zcopy ./a link
same a d/a

begin '-T takes the destination as it stands'
data 100 1 a && mkdir d
expect 1 zcopy -T a d
equal "$(find d -type f | wc -l)" 0 'files in d'
expect 0 zcopy -T a b
same a b
expect '1|2' zcopy -T a b c

begin '-t names the directory first'
data 100 1 a && data 200 2 b && mkdir d
expect 0 zcopy -t d a b
same a d/a && same b d/b
expect 0 zcopy --target-directory=d -v a
same a d/a
expect '1|2' zcopy -t a b
expect '1|2' zcopy -t none a
gone none
expect 2 zcopy -t d
expect 2 zcopy -t d -T a b

begin 'several sources into a directory; what fails does not stop the others'
data 100 1 a && data 200 2 b && data 300 3 c && mkdir d sub
expect 0 zcopy a b c d
same a d/a && same b d/b && same c d/c
rm d/*
expect 1 zcopy a missing sub c d
says 'missing'
says 'sub'
same a d/a && same c d/c
expect '1|2' zcopy a b c
expect '1|2' zcopy a b none
gone none

begin 'two sources of one name: the first is not overwritten'
mkdir x y d && data 100 1 x/a && data 100 2 y/a
expect 1 zcopy x/a y/a d
same x/a d/a

begin '-v says what GNU cp says, where GNU cp says it'
data 100 1 a && mkdir d
expect 0 zcopy -v a d
equal "$(cat "$T/out")" "'a' -> 'd/a'" '-v'
silent
expect 0 zcopy a b
[ ! -s "$T/out" ] || fail 'talks without being asked'

begin '-v does not mix with data on stdout'
data 100 1 a
expect 0 zcopy -v a -
same a "$T/out"

begin '--dry-run says what and writes nothing'
data 100 1 a && data 50 2 b && cp b keep && mkdir d
before=$(find . -printf '%p %i %T@\n' | sort)
expect 0 zcopy --dry-run a b
grep -q b "$T/out" "$T/err" || fail 'says nothing'
expect 0 zcopy --dry-run --explain a d
expect 0 zcopy --dry-run a new
expect 1 zcopy --dry-run missing new
equal "$(find . -printf '%p %i %T@\n' | sort)" "$before" 'the tree'

begin '-q is silent but for errors'
data 100 1 a
expect 0 zcopy -q a b
silent
expect 1 zcopy -q missing b
says 'missing'

done_testing
