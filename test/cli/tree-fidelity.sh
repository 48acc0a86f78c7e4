#!/bin/sh
# -a and -r on a tree that is made to be hard to copy, onto each file system, by each engine, alone and by several:
# two independent judges, tree-oracle.py and rsync, may find nothing.
#   tree-fidelity.sh [places|shapes|modes]    all of it, or: each file system and engine; ways to say it, what is
#                    there already, other users; modes and links as cp -r makes them
#   ZC_LONG=1        the tree of full size, and /usr
#   ZC_WITHOUT=KIND  leaves that out of the tree (hostile-tree.py --list), to see how a peer does: ZCOPY=cp ZC_WITHOUT=deep
. "${0%/*}/lib.sh"
here=$(cd "${0%/*}" && pwd)
have "$PYTHON" || skip_all 'no python'
part=${1:-all}
scale=small room=1024 as_root=''
if [ -n "${ZC_LONG:-}" ]; then scale=full room=16384; fi
oracle() { "$PYTHON" "$here/tree-oracle.py" "$@"; }
hostile() { "$PYTHON" "$here/../helpers/hostile-tree.py" ${as_root:+--root} --scale $scale "$@"; }
quiet() { [ ! -s "$T/out" ] || fail "says: $(head -c 600 "$T/out")"; }
remove() { rm -rf "$1" 2>/dev/null || { chmod -R u+rwx "$1" && rm -rf "$1"; }; }

# faithful SRC DST [ORACLE-OPTION...]: rsync cannot go as deep, and would read the holes
faithful() {
	src_tree=$1 dst_tree=$2
	shift 2
	expect 0 oracle "$@" "$src_tree" "$dst_tree"
	quiet
	have rsync || return 0
	# XFS shows root its ACLs a second time, as these
	expect 0 rsync -aHAXSni --modify-window=-1 --checksum --delete --exclude=/huge --exclude=/deep \
		${as_root:+--filter='-x trusted.SGI_ACL_*'} "$src_tree/" "$dst_tree/"
	quiet
}

engines='sync'
denied io_uring_setup || engines='uring sync'

# ways SRC DST STATUS [ORACLE-OPTION...]: a new DST by each engine, alone and by several, and as it likes
ways() {
	src_tree=$1 dst_tree=$2 want=$3
	shift 3
	label=$CASE
	for way in '' $(for e in $engines; do echo "--engine=$e,-j1" "--engine=$e,-j4"; done); do
		begin "$label: ${way:-by itself}"
		# shellcheck disable=SC2046
		expect "$want" zcopy -a $(echo "$way" | tr , ' ') "$src_tree" "$dst_tree"
		faithful "$src_tree" "$dst_tree" "$@"
		remove "$dst_tree"
	done
}

wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }

begin 'the source'
at=$T/at
# elsewhere, as in a container, even root may not make all of it
if image ext4 "$at" $room; then as_root=yes; else mkdir -p "$at"; fi
src=$at/src
expect 0 hostile --without "${ZC_WITHOUT:-}" "$src" 42
silent
ln "$src/files/4097" "$at/outside" # a second name that is not copied

if wanted places; then
	begin 'on the same file system'
	ways "$src" "$at/dst" 0
fi
if wanted places && is_root; then
	for fs in tmpfs btrfs xfs; do
		begin "onto $fs"
		if [ $fs = tmpfs ]; then
			mounted tmpfs "$T/$fs" size=12g
		else
			image $fs "$T/$fs" $room
		fi || { skip "cannot mount $fs"; continue; }
		if [ $fs != xfs ]; then
			ways "$src" "$T/$fs/dst" 0
			continue
		fi
		# what cannot be made there fails alone
		expect 1 zcopy -a "$src" "$T/xfs/dst"
		equal "$(grep -c "/limits/" "$T/err")" 2 'messages about what XFS cannot hold'
		expect 1 oracle --ignore blocks "$src" "$T/xfs/dst"
		equal "$(sed 's/:.*//' "$T/out" | tr '\n' ' ')" 'missing limits/4095 missing limits/device ' 'the oracle'
		remove "$T/xfs/dst"
		: >"$at/stamp"
		touch -r "$src" "$at/stamp"
		mv "$src/limits" "$at"
		touch -r "$at/stamp" "$src"
		# it reserves more than is written
		CASE='onto xfs'
		ways "$src" "$T/xfs/dst" 0 --ignore blocks
		mv "$at/limits" "$src"
		touch -r "$at/stamp" "$src"
	done
	for fs in btrfs xfs; do
		begin "on $fs itself, where files share blocks"
		mountpoint -q "$T/$fs" || { skip "cannot mount $fs"; continue; }
		expect 0 hostile --without "limits,${ZC_WITHOUT:-}" "$T/$fs/src" 43
		sync -f "$T/$fs"
		expect 0 zcopy -a "$T/$fs/src" "$T/$fs/dst"
		faithful "$T/$fs/src" "$T/$fs/dst" --ignore blocks
		remove "$T/$fs/src"
		remove "$T/$fs/dst"
	done
fi

cd "$at" || exit 99
begin_at() {
	begin "$@"
	cd "$at" || exit 99
}

shapes() {
	begin_at 'into a directory that is there'
	mkdir -m 750 dir
	expect 0 zcopy -a src dir
	faithful src dir/src
	equal "$(ls dir)" src
	equal "$(mode_of dir)" 750
	remove dir

	begin_at 'a trailing slash changes nothing'
	mkdir dir
	expect 0 zcopy -a src/ dir/
	faithful src dir/src
	remove dir
	expect 0 zcopy -a src/ new/
	faithful src new
	remove new

	begin_at 'SOURCE/. goes into the directory itself, and so does -T; the links are what they were'
	mkdir -m 700 dir
	expect 0 zcopy -a src/. dir
	faithful src dir
	remove dir
	mkdir -m 700 dir
	expect 0 zcopy -aT src dir
	faithful src dir

	begin_at 'a second run over the first'
	is_root || chmod -R u+w dir # what is read-only is not replaced, as with cp
	expect 0 zcopy -aT src dir
	faithful src dir

	begin_at 'over a copy that went wrong in each way that can be put right'
	is_root || chmod -R u+w dir
	cp -p src/files/4097 precious
	ln -sfn "$at/precious" dir/files/4096 # never followed
	ln -f precious dir/files/4097
	echo longer >>dir/files/1048577
	truncate -s 0 dir/sparse/leading
	dd if=/dev/zero of=dir/sparse/hole bs=1M count=5 status=none
	chmod 700 dir/files dir/files/dir1
	chmod 4777 dir/files/512
	cp -p dir/links/a/0 x && mv x dir/links/a/0
	ln -f dir/files/1 dir/files/511
	ln -sfn elsewhere dir/symlinks/0
	rm dir/specials/fifo dir/links/sock
	rm -r dir/times dir/names
	mkfifo -m 600 dir/specials/fifo
	if is_root; then
		chown -h 7:8 dir/files dir/files/4095 dir/symlinks/1
	fi
	setfattr -x user.dir dir/xattrs/dir 2>/dev/null
	setfattr -n user.one -v wrong dir/xattrs/one 2>/dev/null
	setfattr -n user.new -v wrong dir/xattrs/none 2>/dev/null
	setfacl -m u:9:rwx dir/files/dir2 dir/files/65535 2>/dev/null
	setfacl -d -m u:9:rwx dir/files/dir3 2>/dev/null
	echo mine >dir/extra
	expect 0 zcopy -aT src dir
	expect 1 oracle src dir
	equal "$(cat "$T/out")" 'extra extra: not in A'
	equal "$(cat dir/extra)" mine
	same src/files/4097 precious
	rm dir/extra
	touch -r src dir
	faithful src dir
	remove dir
	rm precious

	begin_at 'several sources: one run, one set of links'
	mkdir dir
	expect 0 zcopy -a src/* dir
	touch -r src dir
	faithful src dir
	remove dir

	begin_at 'the report counts what there is'
	expect 0 zcopy -a --report=report src dir
	count() { find src "$@" -printf x | wc -c; }
	expect 0 "$PYTHON" "$here/report-check.py" report \
		"r['items']['directories'] == $(count -type d)" \
		"r['items'].get('failed', 0) == 0" \
		"sum(r['items'].get(k, 0) for k in ('files', 'directories', 'symlinks', 'hardlinks', 'specials')) == $(count)"
	remove dir

	begin_at 'with few descriptors'
	# shellcheck disable=SC2086
	expect 0 sh -c 'ulimit -n 32; exec "$@"' sh $ZCOPY -a -j4 src dir
	faithful src dir
	remove dir

	begin_at 'immutable files'
	if is_root && expect 0 hostile --immutable --without "deep,many,${ZC_WITHOUT:-}" fixed 45 && [ ! -s "$T/err" ]; then
		expect 0 zcopy -a fixed dir
		faithful fixed dir
		remove dir
		# one that cannot be replaced stays, and is the only one
		hostile --without "deep,many,${ZC_WITHOUT:-}" dir 46 && cp -a fixed/immutable dir
		chattr +i dir/files/4097 2>/dev/null && before=$(cksum <dir/files/4097)
		expect 1 zcopy -aT fixed dir
		says 'dir/files/4097'
		equal "$(cksum <dir/files/4097)" "$before"
		expect 1 oracle fixed dir
		grep -vE '^[a-z]+ files/4097: |^links |^extra ' "$T/out" >others
		[ ! -s others ] || fail "others: $(head -c 600 others)"
		chattr -i dir/files/4097
		remove dir
		hostile --cleanup fixed 0
	else
		skip 'no chattr +i here'
	fi
	remove fixed

	begin_at 'by somebody without rights'
	if can_be_nobody && as_nobody "$PYTHON" -c 0; then
		mkdir -m 777 theirs
		expect 0 as_nobody "$PYTHON" "$here/../helpers/hostile-tree.py" --without "${ZC_WITHOUT:-}" theirs/src 47
		for jobs in 1 4; do
			# shellcheck disable=SC2086
			expect 0 as_nobody $ZCOPY -a -j$jobs theirs/src theirs/dst
			silent
			faithful theirs/src theirs/dst
			remove theirs/dst
		done
		# of others' files the contents, not the owner, and then not the rights that would come with it
		# shellcheck disable=SC2086
		expect 1 as_nobody $ZCOPY -a src theirs/dst
		expect 0 oracle --ignore missing,uid,gid,mode,mtime,caps,xattr src theirs/dst
		equal "$(find theirs/dst -path '*/owners/2-*' -prune -o -type f -perm /6000 -print)" '' 'suid or sgid with another owner'
		remove theirs
	else
		skip 'not root'
	fi
}

# -r is judged by cp -r, which cannot go as deep; times are those of the two runs, and reserved room is cp's affair.
like_cp() {
	label=$1
	shift
	for mask in 022 077; do
		begin_at "-r as cp: $label, umask $mask"
		(umask $mask && cp "$@" shallow by_cp) || fail 'cp'
		umask $mask
		expect 0 zcopy "$@" shallow by_zcopy
		umask 022
		expect 0 oracle --ignore mtime,holes,blocks by_cp by_zcopy
		quiet
		remove by_cp
		remove by_zcopy
	done
}
modes() {
	expect 0 hostile --without "deep,many,${ZC_WITHOUT:-}" shallow 44
	like_cp 'a new directory' -r
	like_cp 'with modes' -r --preserve=mode
	like_cp 'with links' -r --preserve=links
	like_cp 'with times' -r --preserve=timestamps
	like_cp 'all but links' -a --no-preserve=links
	like_cp 'all but modes' -a --no-preserve=mode
	# cp makes a directory without the writing of others and gives that back by its umask, which a default list replaces
	find shallow -type d -exec chmod go-w {} +
	if have setfacl && mkdir acl && setfacl -d -m u:9:rwx,g:9:r acl 2>/dev/null; then
		for how in -r -a; do
			begin_at "$how below a default ACL, as cp"
			cp $how shallow acl/by_cp
			expect 0 zcopy $how shallow acl/by_zcopy
			expect 0 oracle --ignore mtime,holes,blocks acl/by_cp acl/by_zcopy
			quiet
			remove acl/by_cp
			remove acl/by_zcopy
		done
		remove acl
	fi
	remove shallow
}

if wanted shapes; then shapes; fi
if wanted modes; then modes; fi

begin_at 'the source is what it was'
rm outside
expect 0 hostile --without "${ZC_WITHOUT:-}" again 42
faithful again src

if [ -n "${ZC_LONG:-}" ]; then
	begin_at '/usr'
	expect 0 zcopy -a /usr dir
	faithful /usr dir
fi
done_testing
