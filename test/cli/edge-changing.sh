#!/bin/sh
# shellcheck disable=SC2086 # options are words
# A source that changes under the copy, at the very instant that hurts most (docs/edge-cases.md, 1 to 10).
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
can_trace || skip_all "$no_trace"
through='--route=buffer --engine=sync'

tree() {
	mkdir -p s/sub && data 40000 1 s/a && data 40000 2 s/b && data 40000 3 s/sub/c
	touch -d '2001-01-01' s/a s/b s/sub/c
}
# in_batch WORD...: stopped with the names of s read and the first of its two files opened; $next is the other one
in_batch() {
	stop_after openat '"[ab]", O_RDONLY|O_NOCTTY' -j1 -a s d || return 1
	case $(grep -o '"[ab]", O_RDONLY|O_NOCTTY' "$T/stop.log" | tail -1) in
	'"a"'*) next=b ;;
	*) next=a ;;
	esac
}
# the rest of the tree is there
others() {
	for name in a b sub/c; do
		[ "$name" = "$1" ] || same "s/$name" "d/$name"
	done
}

for how in '' "$through" '--sparse=always'; do
	begin "1 shrinks while it is copied: as long as what is left, ${how:-by itself}"
	data 300000 1 a
	head -c 100000 a >want
	# shellcheck disable=SC2086
	if stop_after newfstatat 'a", ' $how a b; then
		truncate -s 100000 a
		go_on 0
		same want b
	fi
	rm -f b
	# shellcheck disable=SC2086
	if stop_after newfstatat 'st_size=100000.*EMPTY' --on-change=warn $how a b; then
		: >a
		go_on 3
		says 'changed while it was read'
		equal "$(stat -c %s b)" 0 'bytes of what was empty when it was read'
	fi
done

begin '1 and 2 in a tree: status 0 after one more try, and the others are copied'
tree
if stop_after newfstatat 'st_size=40000.*EMPTY' -j1 -a s d; then
	: >s/a && : >s/b && printf more >>s/sub/c
	go_on 0
	for name in a b sub/c; do same s/$name d/$name; done
fi

begin '2 grows once: the whole of it'
data 300000 1 a
# shellcheck disable=SC2086
if stop_after pread64 '= [1-9][0-9]*$' $through a b; then
	data 50000 2 more && cat more >>a
	go_on 0
	same a b
fi

begin '3 extents flip while they are asked for: offsets advance all the same'
"$HELPERS/mkfile" alt64k 1000000 1 a 2>/dev/null || data 1000000 1 a
# SEEK_DATA that never leaves the start, SEEK_HOLE that lies behind
for answer in 0 4096 65536 100000000; do
	rm -f b
	inject_all "retval=$answer:when=1+" lseek --sparse=auto $through a b
	judge '0|1' "lseek answers $answer"
	[ "$answer" -ne 0 ] || same a b # more would be trusting what it is told
done
if stop_after lseek SEEK_HOLE --sparse=auto $through a b; then
	fallocate -p -o 0 -l 200000 a
	data 70000 9 patch && dd if=patch of=a bs=1 seek=65536 conv=notrunc status=none
	go_on 0
	same a b
fi

begin '4 vanishes after its directory was read: said, status 3, the others are copied'
tree
if in_batch; then
	rm s/$next
	go_on 3
	says "s/$next.*vanished"
	gone d/$next
	others $next
fi
begin '4 a directory that vanishes'
tree
if in_batch; then
	rm -r s/sub
	go_on 3
	says 's/sub.*vanished'
	others sub/c
fi

begin '5 another file under the name between the look and the open: not copied with the attributes of the first'
data 300000 1 a && data 100 2 new
if stop_after newfstatat '"a", ' a b; then
	mv new a
	go_on 3
	says 'replaced while'
	gone b
fi
begin '5 the same in a tree'
tree
data 100 9 new
if stop_after newfstatat '"a", ' -j1 -a --sparse=always s d; then
	mv new s/a
	go_on 3
	says "s/a.*replaced while"
	gone d/a
	others a
fi

become() {
	rm s/"$1"
	case $kind in
	symlink) ln -s "$PWD/secret" s/"$1" ;;
	fifo) mkfifo s/"$1" ;;
	*) mkdir s/"$1" ;;
	esac
}
for kind in symlink fifo directory; do
	begin "6 it becomes a $kind between the look and the open: fails closed, waits for nothing"
	tree
	echo secret >secret
	if stop_after newfstatat '"a", ' -j1 -a --sparse=always s d; then
		become a
		go_on '1|3'
		says 's/a'
		gone d/a
		others a
	fi
	begin "6 it becomes a $kind after its directory was read: copied as what it is"
	tree
	echo secret >secret
	if in_batch; then
		become $next
		go_on 0
		equal "$(stat -c %F d/$next)" "$(stat -c %F s/$next)" type
		others $next
	fi
done
begin '6 a directory becomes a symlink: what it leads to is not copied'
tree
mkdir out && echo secret >out/secret
if in_batch; then
	rm -r s/sub && ln -s "$PWD/out" s/sub
	go_on '0|3'
	[ ! -d d/sub ] || [ -L d/sub ] || gone d/sub/secret
	others sub/c
fi

begin '7 other bytes, the same size'
data 300000 1 a && data 300000 2 new && touch -d '2001-01-01' a
# shellcheck disable=SC2086
if stop_after pread64 '= [1-9][0-9]*$' $through a b; then
	cat new >a
	go_on 0
	same new b
fi
begin '7 a small file in a tree'
tree
data 40000 5 new
how=preadv2 # where that can be asked not to wait
find_call $how '= 40000$' -j1 -a s d || how=pread64
if stop_after $how '= 40000$' -j1 -a s d; then
	for name in a b sub/c; do cat new >s/$name; done
	go_on 0
	for name in a b sub/c; do same new d/$name; done
fi

begin '8 cut and grown again while several threads read: what it is in the end'
data 3000000 1 a && data 3000000 2 new
# shellcheck disable=SC2086
if stop_after newfstatat 'st_size=3000000.*EMPTY' $through --block-size=64K -j4 a b; then
	: >a && cat new >a
	go_on 0
	same new b
fi

begin '9 the source is moved away during the walk: the copy stays in it and is whole'
tree
if in_batch; then
	mv s elsewhere && ln -s /etc s
	go_on 0
	rm s && mv elsewhere s
	others none
fi
begin '9 a directory of it is moved out while it is read'
tree
if stop_after openat '"sub".*O_DIRECTORY' -j1 -a s d; then
	mv s/sub elsewhere
	go_on '0|3'
	same elsewhere/c d/sub/c
	others sub/c
fi

begin '10 somebody writes through a mapping: an end, and nothing but pages of before or after'
data 4000000 1 a
if have "$PYTHON"; then
	cat >writer.py <<'P'
import mmap, time
with open("a", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    end = time.time() + 3
    while time.time() < end:
        for at in range(0, len(m), 4096):
            m[at] = m[at] ^ 1
P
	cp a before
	"$PYTHON" writer.py &
	writer=$!
	sleep 0.2
	for how in '' "$through" --reflink=never; do
		rm -f b
		# shellcheck disable=SC2086
		expect '0|3' timeout 60 "$ZCOPY" $how a b
		equal "$("$PYTHON" -c '
a, b = open("before", "rb").read(), open("b", "rb").read()
print(len(a) == len(b) and all(x ^ y == 0 or (x ^ y == 1 and i % 4096 == 0) for i, (x, y) in enumerate(zip(a, b)) if x != y))')" \
			True 'pages of before or after'
	done
	kill $writer 2>/dev/null
	wait $writer 2>/dev/null
else
	skip 'no python'
fi
begin 'a special file that somebody exchanges before it gets its attributes: what is there then gets nothing'
for swap in 'ln victim' 'ln file' 'ln -s file'; do
	rm -rf s d victim file
	mkdir s && mkfifo -m 644 s/node victim && data 10 1 file && chmod 600 victim file
	touch -d 2001-01-01 s/node
	! is_root || chown 65534:65534 s/node
	before=$(stat -c '%n %a %u %g %Y %s' victim file)
	stop_after mknodat '"node"' -a -j1 s d || continue
	rm d/node && $swap d/node
	go_on 1
	says 'd/node: cannot keep its owner: .*it is not what was made there'
	equal "$(stat -c '%n %a %u %g %Y %s' victim file)" "$before" "after $swap"
done

done_testing
