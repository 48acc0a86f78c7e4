#!/bin/sh
# zcopy verify: equal trees are equal, whatever is changed in one is found and nothing else is said; and
# copies with --verify, whose destination is read back, with --hash and --manifest.
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
# a launcher with a list of denied calls changes nothing here, but a sanitizer is slow: small trees

# keep FILE COMMAND...: runs it; FILE's directory keeps its time
keep() {
	kept=$1
	shift
	touch -r "$(dirname "$kept")" "$T/stamp"
	"$@" || fail "cannot: $*"
	touch -r "$T/stamp" "$(dirname "$kept")"
}

# finds LINE|LINE...: exactly these, in any order
finds() {
	expect 4 zcopy verify src dst
	silent
	printf '%s\n' "$1" | tr '|' '\n' | sort >"$T/want"
	sort "$T/out" | cmp -s - "$T/want" || fail "said: $(cat "$T/out")"
}

# a small tree with one of each kind, and its copy
pair() {
	mkdir -p src/dir/deep src/empty
	data 300000 1 src/file
	data 70000 2 src/dir/inner
	data 10 3 src/dir/deep/ten
	: >src/dir/nothing
	ln -s ../file src/dir/link
	mkfifo src/fifo
	ln src/file src/second
	ln src/dir/inner src/third
	truncate -s 3M src/sparse
	printf x | dd of=src/sparse bs=1 seek=2000000 conv=notrunc 2>/dev/null
	! is_root || mknod src/null c 1 3
	! have setfattr || setfattr -n user.colour -v red src/file src/dir 2>/dev/null
	! have setfacl || setfacl -m u:1234:rwx src/dir/deep/ten 2>/dev/null
	! have setfacl || setfacl -d -m u:1234:rwx src/dir 2>/dev/null
	touch -d '2001-02-03 04:05:06.123456789' src/file src/empty
	expect 0 cp -a src dst
}
has_xattr() { have getfattr && getfattr -n user.colour src/file >/dev/null 2>&1; }
has_acl() { have getfacl && getfacl -c src/dir/deep/ten 2>/dev/null | grep -q 1234; }

begin 'equal trees'
pair
for jobs in 1 4; do
	expect 0 zcopy verify -j$jobs src dst
	silent
	equal "$(cat "$T/out")" '' 'what is said'
done
expect 0 zcopy verify src/ dst/.
expect 0 zcopy verify src src
expect 0 zcopy -a src again
expect 0 zcopy verify src again
equal "$(cat "$T/out")" '' 'what is said'

begin 'bytes'
pair
keep dst/file sh -c 'touch -r dst/file t; printf "\377" | dd of=dst/file bs=1 seek=299999 conv=notrunc 2>/dev/null; touch -r t dst/file; rm t'
finds 'file: contents differ at byte 299999'
keep dst/dir/deep/ten sh -c 'touch -r dst/dir/deep/ten t; printf "\377" | dd of=dst/dir/deep/ten bs=1 conv=notrunc 2>/dev/null; touch -r t dst/dir/deep/ten; rm t'
finds 'file: contents differ at byte 299999|dir/deep/ten: contents differ at byte 0'

begin 'each byte where buffers meet'
data 200000 1 a
for at in 0 65535 65536 65537 131071 131072 199999; do
	cp -p a b
	printf '\377' | dd of=b bs=1 seek=$at conv=notrunc 2>/dev/null
	touch -r a b
	expect 4 zcopy verify a b
	equal "$(cat "$T/out")" "b: contents differ at byte $at" 'what is said'
done

begin 'a byte in the hole of one'
pair
keep dst/sparse sh -c 'touch -r dst/sparse t; printf y | dd of=dst/sparse bs=1 seek=1500000 conv=notrunc 2>/dev/null; touch -r t dst/sparse; rm t'
finds 'sparse: contents differ at byte 1500000'
expect 4 zcopy verify dst src # and the other way round
says 'sparse: contents differ at byte 1500000' "$T/out"

begin 'holes are no difference'
pair
rm dst/sparse
cp --sparse=never -p src/sparse dst/sparse
touch -r src dst
expect 0 zcopy verify src dst

begin 'size'
pair
keep dst/dir/nothing sh -c 'touch -r dst/dir/nothing t; printf y >dst/dir/nothing; touch -r t dst/dir/nothing; rm t'
finds 'dir/nothing: size is 1, not 0'

begin 'mode, of a file and a directory'
pair
chmod 640 dst/dir/nothing
chmod 700 dst/empty
chmod 4755 dst/file
finds 'dir/nothing: mode is 0640, not 0644|empty: mode is 0700, not 0755|file: mode is 4755, not 0644'

begin 'the two directories themselves'
pair
chmod 700 dst
! has_xattr || setfattr -n user.more -v x dst
expect 4 zcopy verify src dst
says '^dst: mode is 0700, not 0755$' "$T/out"
! has_xattr || says '^dst: attribute user.more is not in the source$' "$T/out"

begin 'owner and group'
pair
if is_root; then
	chown 7 dst/dir/nothing
	chown -h :8 dst/dir/link
	finds 'dir/nothing: owner is 7, not 0|dir/link: group is 8, not 0'
else
	skip 'needs root'
fi

begin 'time, to the nanosecond'
pair
touch -d '2001-02-03 04:05:06.123456788' dst/file dst/empty
touch -h -d '2001-02-03 04:05:06' dst/dir/link src/dir/link
touch -h -d '2001-02-03 04:05:07' dst/dir/link
if [ "$(stat -c %y dst/file)" = "$(stat -c %y src/file)" ]; then
	skip 'the file system keeps no nanoseconds'
else
	finds 'file: mtime is 981173106.123456788, not 981173106.123456789|empty: mtime is 981173106.123456788, not 981173106.123456789|dir/link: mtime is 981173107.000000000, not 981173106.000000000'
fi

begin 'where a symlink leads'
pair
keep dst/dir/link ln -sfn ../filf dst/dir/link
touch -h -r src/dir/link dst/dir/link
finds "dir/link: leads to '../filf', not '../file'"

begin 'another type'
pair
keep dst/dir sh -c 'rm dst/dir/nothing dst/empty -r; touch -r dst/dir t; mkdir dst/dir/nothing; ln -s x dst/empty; touch -r src/dir dst/dir; rm t'
finds 'dir/nothing: is a directory, not a file|empty: is a symlink, not a directory'

begin 'device numbers'
pair
if is_root && keep dst/null sh -c 'rm dst/null && mknod dst/null c 1 5 && touch -r src/null dst/null'; then
	finds 'null: device is 1:5, not 1:3'
else
	skip 'needs root'
fi

begin 'hard links'
pair
keep dst/second sh -c 'rm dst/second; cp -p dst/file dst/second'
keep dst/third sh -c 'rm dst/third; ln dst/sparse dst/third'
expect 4 zcopy verify src dst
grep -qE '^(file|second): is one file with other names than in the source$' "$T/out" || fail "no links: $(cat "$T/out")"
grep -qE '^(dir/inner|third|sparse): is one file with other names' "$T/out" || fail "no links: $(cat "$T/out")"

begin 'one file here that is two there, and the other way round'
mkdir src dst
echo x >src/a
cp -p src/a src/b
cp -p src/a dst/a
ln dst/a dst/b
touch -r src/a src/b dst/a
touch -r src dst
expect 4 zcopy verify src dst
equal "$(grep -c 'other names' "$T/out")" 1 'lines'
expect 4 zcopy verify dst src
equal "$(grep -c 'other names' "$T/out")" 1 'lines'

begin 'many hard links'
mkdir src
i=0
while [ $i -lt 300 ]; do
	i=$((i + 1))
	echo $i >src/a$i
	ln src/a$i src/b$i
done
expect 0 zcopy -a src dst
expect 0 zcopy verify src dst
keep dst/b7 sh -c 'rm dst/b7; cp -p dst/a7 dst/b7'
expect 4 zcopy verify src dst
grep -qE '^[ab]7: is one file with other names than in the source$' "$T/out" || fail "said: $(cat "$T/out")"
equal "$(wc -l <"$T/out")" 1 'lines'

begin 'attributes'
pair
if has_xattr; then
	setfattr -n user.colour -v blue dst/file
	setfattr -x user.colour dst/dir
	setfattr -n user.more -v x dst/dir/nothing
	finds 'file: attribute user.colour differs|dir: attribute user.colour is missing|dir/nothing: attribute user.more is not in the source'
else
	skip 'no user attributes'
fi

begin 'access control lists'
pair
if has_acl; then
	setfacl -m u:1234:r dst/dir/deep/ten
	setfacl -k dst/dir
	finds 'dir/deep/ten: mode is 0644, not 0674|dir/deep/ten: attribute system.posix_acl_access differs|dir: attribute system.posix_acl_default is missing'
else
	skip 'no ACLs here'
fi

begin 'capabilities'
pair
if is_root && have setcap && setcap cap_net_raw=ep dst/dir/nothing 2>/dev/null; then
	finds 'dir/nothing: attribute security.capability is not in the source'
else
	skip 'needs root'
fi

begin 'missing and extra names'
pair
keep dst/empty rmdir dst/empty
keep dst/dir/deep rm -r dst/dir/deep
keep dst/dir/new touch dst/dir/new
keep dst/newdir mkdir dst/newdir
touch dst/newdir/below
finds 'empty: is missing|dir/deep: is missing|dir/new: is not in the source|newdir: is not in the source'
expect 0 zcopy verify --exclude=/src/empty --exclude=deep --exclude='new*' src dst
equal "$(cat "$T/out")" '' 'what is said'
expect 4 zcopy verify --include=/src/dir/new --exclude=/src/empty --exclude=deep --exclude='new*' src dst
equal "$(cat "$T/out")" 'dir/new: is not in the source' 'what is said'

begin 'two files, and what is no directory on one side only'
data 200000 5 a
cp -p a b
mkdir d
expect 0 zcopy verify a b
ln -s b link
expect 0 zcopy verify a link # operands are followed
printf x >>b
touch -r a b
expect 4 zcopy verify a b
equal "$(cat "$T/out")" 'b: size is 200001, not 200000' 'what is said'
expect 4 zcopy verify a d
equal "$(cat "$T/out")" 'd: is a directory, not a file' 'what is said'

begin 'names are shown as they are, and escaped'
mkdir -p "src/new
line" dst
touch -r src dst
expect 4 zcopy verify src dst
equal "$(cat "$T/out")" 'new\nline: is missing' 'what is said'

begin 'a long path is not cut'
mkdir src
long=$(printf '%0200d' 0)
(cd src && for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir "$long" && cd "$long" || exit; done; : >end)
expect 0 zcopy -a src dst
expect 0 zcopy verify src dst
(cd dst && for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do cd "$long" || exit; done; chmod 600 end)
expect 4 zcopy verify src dst
equal "$(wc -c <"$T/out")" 3043 'bytes'

begin 'what cannot be read is no difference, and no success'
if can_be_nobody; then
	pair
	chmod 755 .
	chmod 000 dst/dir/nothing src/dir/nothing
	chmod 700 dst/dir/deep src/dir/deep
	expect 1 as_nobody sh -c "$ZCOPY verify src dst"
	equal "$(cat "$T/out")" '' 'what is said'
	says '^zcopy: src/dir/nothing: cannot open: Permission denied$'
	says '^zcopy: src/dir/deep: cannot open: Permission denied$'
	chmod 600 dst/fifo
	expect 4 as_nobody sh -c "$ZCOPY verify src dst"
else
	skip 'needs root, setpriv, and a command that everybody may run'
fi
expect 1 zcopy verify nope "$T"
says '^zcopy: nope: cannot stat: No such file or directory$'

begin 'the command line'
echo x >a
cp -p a b
for bad in 'a' 'a b c' '-a a b' '--verify a b' '- b' 'a null:' '-T a b' ''; do
	# shellcheck disable=SC2086
	expect 2 zcopy verify $bad
	usage_error
done
expect 4 zcopy verify -q a "$T/err"
expect 0 zcopy verify -- a b
: >verify
expect 2 zcopy verify a b
says 'write ./verify, or zcopy -- verify'
expect 0 zcopy -- verify c
expect 0 zcopy ./verify d
same verify d
rm verify
zcopy --help >"$T/out"
says 'zcopy verify' "$T/out"

begin 'quiet, the report and the figures'
pair
chmod 600 dst/dir/nothing
touch -d @5 dst/dir/nothing
expect 4 zcopy verify -q --report=r.json src dst
equal "$(cat "$T/out" "$T/err")" '' 'what is said'
if have jq; then
	equal "$(jq -c '[.verify, .exit_code, .ok, .items.failed, (.errors | map(.op))]' r.json)" \
		'[{"mode":"compare","algorithm":"bytes","mismatches":1},4,false,1,["mode","mtime"]]' 'the report'
fi
expect 4 zcopy verify --stats src dst
says 'compared, 0 skipped, 1 failed'

begin 'nothing is written'
pair
chmod 600 dst/dir/nothing
snapshot() { find src dst -printf '%p %i %C@ %T@ %m %s\n' | sort; }
snapshot >"$T/before"
expect 4 zcopy verify src dst
snapshot | cmp -s - "$T/before" || fail 'something changed'

begin 'a tree that is hard to copy'
if have "$PYTHON"; then
	as_root=''
	! is_root || as_root=--root
	# shellcheck disable=SC2086
	expect 0 "$PYTHON" "$here/../helpers/hostile-tree.py" $as_root --scale small src 42
	expect 0 zcopy -a src dst
	expect 0 zcopy verify -j4 src dst
	equal "$(cat "$T/out")" '' 'what is said'
	find dst -type f -links 1 -size +0 ! -path '*huge*' | sort | awk 'NR % 37 == 0' >victims
	while read -r victim; do
		touch -r "$victim" t
		mode=$(mode_of "$victim")
		printf '\001\377' | dd of="$victim" bs=1 conv=notrunc 2>/dev/null
		chmod "$mode" "$victim"
		touch -r t "$victim"
	done <victims
	expect 4 zcopy verify -j4 src dst
	equal "$(grep -c 'contents differ' "$T/out")" "$(wc -l <victims)" 'files that were changed'
else
	skip 'no python'
fi

# ---- --verify: what was copied is read back

best=xxh3-128
begin 'which digest is the default'
echo x >a
if ! zcopy --hash=xxh3 --manifest=m a b 2>"$T/err"; then
	best=crc32c # a build without libxxhash
	says '--hash=xxh3 is not in this build'
fi
case $(stat -f -c %T .) in tmpfs | ramfs) mode=memory ;; *) mode=storage ;; esac
expect 0 zcopy --verify --stats a c
says "verified ($mode, $best): 0 differ"

begin 'a good copy is one by every digest, size and engine'
for size in 0 1 4095 4096 131072 131073 3000001; do
	data $size 7 "f$size"
done
data 100 8 old
for way in '' --hash=crc32c --hash=sha256 --hash=xxh3 --engine=sync --engine=uring --durability=full --reflink=never \
	--sparse=always --cache=drop '--block-size=64K --queue-depth=8' --direct=always; do
	case $way in --engine=uring) denied io_uring_setup && continue ;; *xxh3) [ $best = crc32c ] && continue ;; esac
	for size in 0 1 4095 4096 131072 131073 3000001; do
		# shellcheck disable=SC2086
		expect '0|2' zcopy --verify $way "f$size" new
		[ "$rc" -eq 0 ] || { case $way in --direct*) continue ;; *) fail "$way" ;; esac; }
		same "f$size" new
		rm -f new
		cp old there
		# shellcheck disable=SC2086
		expect 0 zcopy --verify $way "f$size" there
		same "f$size" there
	done
done
data 40000000 9 large
for way in '' '--direct=always' --engine=sync --reflink=never; do
	# shellcheck disable=SC2086
	expect '0|2' zcopy --verify $way large new
	[ "$rc" -eq 2 ] || same large new
done

begin 'streams, holes, what is in place'
data 300000 1 a
zcopy --verify - b <a || fail "status $?"
same a b
expect 0 zcopy --verify --inplace a b
same a b
truncate -s 20M hole
printf x | dd of=hole bs=1 seek=9999999 conv=notrunc 2>/dev/null
for sparse in auto never always; do
	expect 0 zcopy --verify --sparse=$sparse --hash=sha256 --manifest=m hole hole2
	same hole hole2
	! have sha256sum || expect 0 sha256sum -c m
done
expect 0 zcopy --verify zero:5M z
expect 0 zcopy --verify /proc/self/status p
for end in null: /dev/null gen:1; do
	expect 2 zcopy --verify a $end
	says "^zcopy: ${end%:}: cannot be read back"
done
expect 2 zcopy --verify --route=cfr a c
usage_error
expect 2 zcopy --hash=md5 a c
usage_error

begin 'what it was read back from is said'
data 20000000 5 a
if mounted tmpfs "$PWD/m"; then
	for file in a /proc/self/status; do
		expect 0 zcopy --verify --stats $file m/b
		says "verified (memory, $best): 0 differ"
	done
else
	skip 'needs root'
fi

begin 'a tree'
pair
rm -r dst
expect 0 zcopy -a --verify --report=r.json src dst
expect 0 zcopy verify src dst
if have jq; then
	equal "$(jq -c .verify r.json)" "{\"mode\":\"$mode\",\"algorithm\":\"$best\",\"mismatches\":0}" 'the report'
fi

begin 'a file system that stores another byte'
if fuse "$PWD/back" "$PWD/m" --flip-write=70000; then
	data 300000 1 a
	data 60000 2 short
	data 100 3 back/old
	cp back/old keep
	cp back/old back/link
	for way in '' --hash=crc32c --hash=sha256 --engine=sync --durability=none --direct=never; do
		# shellcheck disable=SC2086
		expect 4 zcopy --verify --report=r.json $way a m/old
		says 'm/old: what was read back is not what was written; not given its name at byte 70000$'
		same back/old keep
		# shellcheck disable=SC2086
		expect 4 zcopy --verify $way a m/new
		gone back/new
		equal "$(cd back && echo ./*)" './link ./old' 'names there'
	done
	if have jq; then
		equal "$(jq -c '[.verify.mismatches, .exit_code, .errors[0].offset]' r.json)" '[1,4,70000]' 'the report'
	fi
	data 20000000 4 large # read back by many requests at a time
	for way in --engine=sync --engine=uring --direct=never; do
		case $way in *uring) denied io_uring_setup && continue ;; esac
		expect 4 zcopy --verify $way large m/large
		says 'm/large: what was read back is not what was written; not given its name at byte 70000$'
	done
	expect 0 zcopy a m/unseen # without --verify nobody knows
	cmp -s a back/unseen && fail 'the file system does not lie'
	expect 0 zcopy --verify --manifest=m/list short m/short # what is not hit is good
	same short back/short
	equal "$(mode_of back/list)" 644 'the mode of the manifest, which had a name from the start'
	expect 4 zcopy --verify --inplace a m/old
	expect 4 zcopy verify a m/unseen
	says 'contents differ at byte 70000' "$T/out"
else
	skip 'no FUSE'
fi

begin 'a tree onto it: what is wrong is not there, the rest is'
if fuse "$PWD/back" "$PWD/m" --flip-write=70000; then
	mkdir src
	for i in 1 2 3 4 5 6 7 8 9 10; do
		data $((i * 10000)) "$i" "src/$i"
	done
	for jobs in 1 4; do
		expect 4 zcopy -r --verify -j$jobs --manifest=m$jobs src m/dst
		equal "$(cd back/dst && echo ./*)" './1 ./2 ./3 ./4 ./5 ./6 ./7' 'names there'
		equal "$(wc -l <m$jobs)" 7 'lines of the manifest'
		equal "$(grep -c 'what was read back' "$T/err")" 3 'messages'
		rm -r back/dst
	done
else
	skip 'no FUSE'
fi

begin 'a file system that reads another byte than it has stored'
if fuse "$PWD/back" "$PWD/m" --flip-read=299999; then
	data 300000 1 a
	expect 4 zcopy --verify a m/new
	gone back/new
else
	skip 'no FUSE'
fi

begin 'it is read from storage, not from the cache'
if [ -n "${ZC_LAUNCHED:-}${ZC_SANITIZED:-}" ] || ! have strace || ! strace -o /dev/null true 2>/dev/null; then
	skip 'strace is not allowed here, or a launcher makes its own calls'
elif image ext4 "$PWD/e" 64; then
	data 300000 1 e/a
	# shellcheck disable=SC2086
	expect 0 strace -f -e trace=openat,fdatasync,linkat -o log $ZCOPY --verify e/a e/b
	calls=$(sed -n 's/.*\(fdatasync\|O_DIRECT[|,)]\|linkat\).*/\1/p' log | tr -d '|,)' | tr '\n' ' ')
	equal "$calls" 'fdatasync O_DIRECT linkat ' 'calls in their order'
else
	skip 'cannot mount ext4'
fi

begin 'what is hashed passes our buffers, or is shared'
data 3000000 1 a
expect 0 zcopy --verify --explain --report=r.json a b
says 'the bytes are hashed as they pass'
! have jq || equal "$(jq -c '.routes | keys - ["reflink"]' r.json)" '["buffer"]' 'the route'
zcopy a - | zcopy --manifest=m --report=r.json - c || fail "status $?"
same a c
! have jq || equal "$(jq -c '.routes | keys' r.json)" '["buffer"]' 'the route of a stream'
expect 0 zcopy --manifest=m2 a c
equal "$(cat m)" "$(cat m2)" 'the digest of a stream'

begin 'a block device is read back, too'
if is_root && have losetup && truncate -s 8M disk && loop=$(losetup -f --show disk 2>/dev/null); then
	LOOPS="$loop $LOOPS"
	data 5000001 1 a
	expect 0 zcopy --verify a "$loop"
	cmp -n 5000001 a disk || fail 'the device differs'
else
	skip 'no loop devices'
fi

# ---- --manifest

begin 'the manifest is what sha256sum makes and reads'
if have sha256sum; then
	mkdir -p src/dir
	data 1000 1 src/a
	data 200000 2 'src/dir/with blank'
	data 300 3 "src/new
line"
	data 10 4 'src/back\slash'
	: >src/empty
	expect 0 zcopy -r --hash=sha256 --manifest=list src dst
	(cd dst && sha256sum -c --quiet ../list) || fail 'sha256sum does not agree'
	(cd dst && find . -type f -exec sha256sum {} + | sed 's|  \./|  |' | sort) >want
	sort list | cmp -s - want || fail "not as sha256sum writes it: $(cat list)"
	equal "$(stat -c %a list)" 644 'its mode'
	# into a directory that is there; the list inside of it
	mkdir into
	expect 0 zcopy -r --hash=sha256 --manifest=into/SUMS src/a src into
	(cd into && sha256sum -c --quiet SUMS) || fail 'sha256sum does not agree'
	equal "$(wc -l <into/SUMS)" 6 'lines'
	expect 0 zcopy -rT --hash=sha256 --manifest=fresh/SUMS src fresh
	(cd fresh && sha256sum -c --quiet SUMS) || fail 'sha256sum does not agree'
	# one file
	expect 0 zcopy --hash=sha256 --manifest=list src/a fresh/one
	(cd fresh && sha256sum -c --quiet ../list) || fail 'sha256sum does not agree'
	expect 0 zcopy --hash=sha256 --manifest=list src/a into
	equal "$(cut -c67- list)" a 'the name'
	# every name of a file with several, also where the first waits to be made durable
	ln src/a src/dir/again && ln src/a src/more
	for how in -a '-a -j4 --durability=data' '-rl'; do
		rm -rf dst
		# shellcheck disable=SC2086 # options are words
		expect 0 zcopy $how --hash=sha256 --manifest=list src dst
		silent
		(cd dst && sha256sum -c --quiet ../list) || fail "$how: sha256sum does not agree"
		equal "$(wc -l <list)" "$(find dst -type f -exec printf x \; | wc -c)" "$how: lines"
	done
else
	skip 'no sha256sum'
fi

begin 'the other digests, and blocks that are shared'
data 100000 1 a
expect 0 zcopy --hash=crc32c --manifest=m a b
equal "$(cut -c9- m)" '  b' 'eight digits'
if have xxh128sum && [ $best = xxh3-128 ]; then
	expect 0 zcopy --manifest=m a b
	equal "$(cut -d' ' -f1 m)" "$(xxh128sum a | cut -d' ' -f1)" 'XXH3'
fi
printf '123456789' >a
expect 0 zcopy --hash=crc32c --manifest=m a b
equal "$(cat m)" 'e3069283  b' 'the check value of CRC-32C'
if have sha256sum && image btrfs "$PWD/x" 256; then
	data 500000 1 x/a
	expect 0 zcopy --reflink=always --verify --hash=sha256 --manifest=m --report=r.json x/a x/b
	(cd x && sha256sum -c --quiet ../m) || fail 'sha256sum does not agree'
	! have jq || equal "$(jq .routes.reflink.files r.json)" 1 'by reflink'
	expect 0 zcopy -a --verify x/a x/c
fi

begin 'an old manifest stays until the new one is complete'
echo old >list
expect 1 zcopy --manifest=list nothing dst
equal "$(cat list)" old 'the list'
echo x >a
expect 0 zcopy --dry-run --manifest=list a b
equal "$(cat list)" old 'the list'
expect 1 zcopy --manifest=no/list a b
says '^zcopy: no/list: cannot write the manifest: No such file or directory$'
mkdir dir
expect 1 zcopy --manifest=dir a c
expect 0 zcopy --manifest=list a d
equal "$(cut -d' ' -f3 list)" d 'the list'
for bad in '' -; do
	expect 2 zcopy --manifest=$bad a b
	usage_error
done

done_testing
