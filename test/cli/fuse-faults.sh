#!/bin/sh
# A file system that lies, refuses and fails late: what FUSE, NFS and CIFS do on a bad day.
. "${0%/*}/lib.sh"

# There is an old file in every case; new is what replaces it.
setting() {
	begin "$1"
	shift
	fuse "$PWD/back" "$PWD/m" "$@" || skip_all 'no FUSE'
	data 300000 1 new && data 50000 2 back/old && cp back/old keep && cp new back/new
}

# fails STATUS WORDS ZCOPY-ARGUMENT...: and the old file stays.
fails() {
	want=$1 words=$2
	shift 2
	expect "$want" zcopy "$@" new m/old
	says "$words"
	same back/old keep
	expect "$want" zcopy "$@" new m/name
	gone back/name
	equal "$(find back -name '.zcopy-*')" '' 'left behind'
}

# durable says: exit 0 without the sync that fails is right, with it it is not.
setting 'nothing special'
for how in '' --engine=sync --route=buffer --route=sendfile --durability=full; do
	case $how in *sendfile) denied sendfile && continue ;; esac
	# shellcheck disable=SC2086
	expect 0 zcopy $how new m/old
	same new back/old
	# shellcheck disable=SC2086
	expect 0 zcopy $how m/new out
	same new out
	# shellcheck disable=SC2086
	expect 0 zcopy $how m/new m/inside
	same new back/inside
	rm -f back/inside
done

setting 'copy_file_range, fallocate, hard links and rename flags refused' \
	--refuse=copy_file_range,fallocate,link,rename2
expect 0 zcopy m/new m/old
same new back/old
expect 0 zcopy new m/name
same new back/name
expect 0 zcopy --durability=full new m/name2
same new back/name2
expect 0 zcopy -n new m/old

setting 'extended attributes refused' --refuse=xattr
expect 0 zcopy new m/old
same new back/old
expect 0 zcopy -p new m/name
same new back/name

setting 'the owner cannot be changed' --refuse=chown
expect 0 zcopy new m/name
same new back/name
if is_root; then
	chown 1:1 back/old
	expect 1 zcopy new m/old
	says inplace
	same back/old keep
fi

setting 'every file says it is empty' --size0
for how in '' --engine=sync --route=buffer --sparse=always; do
	rm -f out
	# shellcheck disable=SC2086
	expect 0 zcopy $how m/new out
	same new out
done

setting 'short reads' --short-reads=1000
for how in '' --engine=sync --route=buffer '--engine=sync --route=buffer'; do
	rm -f out
	# shellcheck disable=SC2086
	expect 0 timeout 60 $ZCOPY $how m/new out
	same new out
done

setting 'it lies about holes: --sparse=never reads everything, and nothing loops' --lying-holes
expect 0 timeout 60 sh -c "$ZCOPY --sparse=never m/new out"
same new out
expect 0 timeout 60 sh -c "$ZCOPY m/new out2"
equal "$(stat -c %s out2)" 300000 size

setting 'no SEEK_HOLE at all' --no-seek
expect 0 zcopy m/new out
same new out
expect 0 zcopy new m/old
same new back/old

setting 'EIO on read' --fail=read:5:100000
expect 1 zcopy --sparse=never m/new out
says 'm/new.*Input/output error'
gone out
for how in --engine=sync --route=buffer '--engine=sync --route=buffer'; do
	# shellcheck disable=SC2086
	expect 1 zcopy $how m/new out
	says 'm/new'
	gone out
done

setting 'EIO on write' --fail=write:5:100000
fails 1 'Input/output error'
fails 1 'Input/output error' --engine=sync --route=buffer
denied io_uring_setup || fails 1 'Input/output error' --engine=uring --route=buffer
expect 1 zcopy m/new m/name
gone back/name

setting 'ENOSPC on write' --fail=write:28:100000
fails 5 'No space left'
fails 5 'No space left' --engine=sync --route=buffer
expect 5 zcopy m/new m/name
gone back/name

setting 'EDQUOT on write' --fail=write:122:0
fails 5 'quota'

setting 'EFBIG on write' --fail=write:27:200000
fails 5 'File too large'

# NFS and quotas answer at close
setting 'ENOSPC on close' --fail=flush:28
fails 5 'No space left'

setting 'EIO on close' --fail=flush:5
fails 1 'Input/output error'

setting 'EIO on fsync: final, never tried again' --fail=fsync:5
fails 1 'Input/output error' --durability=data
expect 0 zcopy --durability=none new m/old
same new back/old

setting 'EIO on rename' --fail=rename:5
expect 1 zcopy new m/old
same back/old keep
equal "$(find back -name '.zcopy-*')" '' 'left behind'

setting 'ENOSPC on create' --fail=create:28
expect 5 zcopy new m/old
same back/old keep
expect 5 zcopy new m/name
gone back/name

setting 'EPERM on chmod' --fail=chmod:1
chmod 640 back/old
expect '0|1' zcopy new m/old
if [ "$rc" -eq 0 ]; then
	same new back/old
	equal "$(mode_of back/old)" 640 mode
else
	same back/old keep
fi

setting '-p where times cannot be set' --fail=utimens:1
expect 1 zcopy -p new m/name
equal "$(find back -name '.zcopy-*')" '' 'left behind'

# What is written under its own name, as cp does, goes the short way here: no O_TMPFILE.
for fault in flush:5 write:5; do
	setting "small files of a tree: EIO on ${fault%:*}" --fail=$fault
	mkdir -p s/sub && echo 1 >s/1 && echo 2 >s/sub/2
	case $ZCOPY in
	*' '*) skip 'a launcher makes its own calls' ;;
	*)
		ln -s "$ZCOPY" cp
		expect 1 ./cp -r s m/d
		equal "$(grep -c 'cp: .* .m/d.*[12].: Input/output error' "$T/err")" 2 'files that failed'
		equal "$(wc -l <"$T/err")" 2 'lines'
		;;
	esac
	expect 1 zcopy -r --report=r s m/e
	says 'm/e/1: .*Input/output error'
	says 'm/e/sub/2: .*Input/output error'
	grep -q '"files":0' r || fail "copied: $(cat r)"
	equal "$(find back/e -type f)" '' 'files under their names'
done

done_testing
