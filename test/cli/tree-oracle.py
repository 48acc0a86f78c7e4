#!/usr/bin/env python3
"""tree-oracle.py [--ignore KEY,...] [--exclude NAME]... [--limit N] [-v] A B: is B a faithful copy of A?

One line a difference, KEY PATH: WHAT; control bytes of names are escaped. Status 0: none, 1: some, 2: it could not be
told. It shares no code and no idea with zcopy: lstat, readlink, listxattr and plain reads, one name at a time below
held directories, so any depth will do. It changes nothing but access times, which it does not compare.

  missing      in A only                        extra        in B only
  type mode uid gid size mtime rdev             as lstat tells them; the size not of a directory
  links        names that are one file here and not there
  target       of a symbolic link
  content      byte by byte
  holes        what SEEK_DATA calls data differs by more than 1 % and a block; reserved room may become data
  blocks       B occupies an eighth and 64 KiB more than A: room that was allocated and is not used
  acl default-acl caps context                  POSIX ACLs, file capabilities, SELinux context
  xattr        all other extended attributes

--exclude leaves out a name directly below A and B. -v tells on stderr how much was compared."""
import argparse
import errno
import os
import resource
import signal
import stat
import sys

KEYS = ("missing extra type mode uid gid size mtime rdev links target content holes blocks "
        "acl default-acl caps context xattr").split()
# XFS shows root its ACLs a second time
MIRRORS = (b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT")
OWN_KEY = {b"system.posix_acl_access": "acl", b"system.posix_acl_default": "default-acl",
           b"security.capability": "caps", b"security.selinux": "context"}
STEP = 1 << 20
READ_WHOLE = 64 << 20  # above this, what both sides call a hole is not read
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "FIFO",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


def shown(name):
    """Bytes as one printable line."""
    return "".join(chr(c) if 0x20 <= c < 0x7f and c != 0x5c else f"\\x{c:02x}" for c in name)


def place(path):
    """A path as one line that can be read, also 1000 levels down."""
    return shown(path) if len(path) <= 1024 else f"{shown(path[:100])}...{shown(path[-300:])}"


def brief(value):
    return "none" if value is None else shown(value) if len(value) <= 40 else f"{shown(value[:24])}... ({len(value)} bytes)"


class Item:
    """One name of one tree, never followed, in a held directory."""

    def __init__(self, dir_fd, name):
        self.dir_fd, self.name = dir_fd, name
        self.st = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        self.kind = stat.S_IFMT(self.st.st_mode)
        self.ident = (self.st.st_dev, self.st.st_ino)

    def open(self, flags=0):
        return os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flags,
                       dir_fd=self.dir_fd)

    def xattrs(self):
        # Python takes no directory with a name here; the magic link is that directory, however deep it lies
        path = self.name if self.dir_fd is None else b"/proc/self/fd/%d/%s" % (self.dir_fd, self.name)
        try:
            names = os.listxattr(path, follow_symlinks=False)
        except OSError as e:
            if e.errno == errno.ENOTSUP:
                return {}
            raise
        return {os.fsencode(n): os.getxattr(path, n, follow_symlinks=False) for n in names}


def extents(fd, size):
    """What SEEK_DATA and SEEK_HOLE call data, as (from, to)."""
    found, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            if e.errno == errno.EINVAL:
                return [(0, size)]
            raise
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        if at <= start:
            break
        found.append((start, at))
    return found


def first_difference(fd_a, fd_b, ranges):
    """The offset of the first byte that differs in these ranges, or None."""
    for start, end in ranges:
        while start < end:
            a, b = (os.pread(fd, min(STEP, end - start), start) for fd in (fd_a, fd_b))
            if a != b:
                return start + next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            if not a:
                return None
            start += len(a)
    return None


class Oracle:
    def __init__(self, ignored, limit):
        self.ignored, self.limit = ignored, limit
        self.differences = self.items = self.bytes = 0
        self.partner = ({}, {})  # of files with several names: A's identity to B's, and back
        self.troubled = False

    def differ(self, key, path, what):
        if key in self.ignored:
            return
        self.differences += 1
        if self.differences <= self.limit:
            print(f"{key} {place(path)}: {what}")

    def trouble(self, path, error):
        self.troubled = True
        print(f"tree-oracle: {place(path)}: {error.strerror}", file=sys.stderr)

    def item(self, a, b, path):
        """Everything about one name but what is below it. True: both are directories."""
        self.items += 1
        if a.kind != b.kind:
            self.differ("type", path, f"{TYPES[a.kind]} | {TYPES[b.kind]}")
            return False
        for key, field, show in (("mode", "st_mode", oct), ("uid", "st_uid", str), ("gid", "st_gid", str),
                                 ("mtime", "st_mtime_ns", str)):
            x, y = getattr(a.st, field), getattr(b.st, field)
            if x != y:
                self.differ(key, path, f"{show(x)} | {show(y)}")
        self.attributes(a.xattrs(), b.xattrs(), path)
        if a.kind == stat.S_IFDIR:
            return True
        fresh = self.links(a, b, path)
        if a.kind in (stat.S_IFCHR, stat.S_IFBLK):
            if a.st.st_rdev != b.st.st_rdev:
                x, y = (f"{os.major(i.st.st_rdev)}:{os.minor(i.st.st_rdev)}" for i in (a, b))
                self.differ("rdev", path, f"{x} | {y}")
        elif a.kind == stat.S_IFLNK:
            x, y = (os.readlink(i.name, dir_fd=i.dir_fd) for i in (a, b))
            if x != y:
                self.differ("target", path, f"{brief(x)} | {brief(y)}")
        elif a.kind == stat.S_IFREG:
            if a.st.st_size != b.st.st_size:
                self.differ("size", path, f"{a.st.st_size} | {b.st.st_size}")
            if fresh and a.st.st_size:
                self.content(a, b, path)
        return False

    def attributes(self, a, b, path):
        for name in sorted((set(a) | set(b)) - set(MIRRORS)):
            if a.get(name) != b.get(name):
                self.differ(OWN_KEY.get(name, "xattr"), path,
                            f"{shown(name)}: {brief(a.get(name))} | {brief(b.get(name))}")

    def links(self, a, b, path):
        """The names fall into the same groups on both sides. False: this very pair was compared already."""
        if a.st.st_nlink == 1 and b.st.st_nlink == 1:
            return True
        fresh = True
        for known, mine, theirs in ((self.partner[0], a, b), (self.partner[1], b, a)):
            first = known.setdefault(mine.ident, (theirs.ident, path))
            if first[0] != theirs.ident:
                self.differ("links", path, f"one file with {place(first[1])} only in {'A' if mine is a else 'B'}")
                return True
            fresh = fresh and first[1] == path
        return fresh

    def content(self, a, b, path):
        fd_a = fd_b = -1
        try:
            fd_a, fd_b = a.open(), b.open()
            end = min(a.st.st_size, b.st.st_size)
            data_a, data_b = self.layouts(a, b, fd_a, fd_b, path)
            ranges = [(0, end)] if end <= READ_WHOLE else [(s, min(e, end)) for s, e in sorted(data_a + data_b)]
            if a.st.st_size == b.st.st_size or "size" in self.ignored:
                at = first_difference(fd_a, fd_b, ranges)
                if at is not None:
                    self.differ("content", path, f"at byte {at}")
            self.bytes += sum(e - s for s, e in data_a)
        finally:
            for fd in (fd_a, fd_b):
                if fd >= 0:
                    os.close(fd)

    def layouts(self, a, b, fd_a, fd_b, path):
        """The extents of both, compared."""
        data = [extents(fd, i.st.st_size) for i, fd in ((a, fd_a), (b, fd_b))]
        if data[0] != data[1]:
            # room that is reserved and not written counts as data while somebody's reading of it is cached
            for fd in (fd_a, fd_b):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            data = [extents(fd, i.st.st_size) for i, fd in ((a, fd_a), (b, fd_b))]
        x, y = (sum(e - s for s, e in d) for d in data)
        most = max(x, min(a.st.st_size, a.st.st_blocks * 512))  # what is reserved may be written
        if y > most + max(most // 100, 4095) or y < x - max(x // 100, 4095):
            self.differ("holes", path, f"{x} | {y} bytes of data")
        x, y = a.st.st_blocks, b.st.st_blocks
        if y > x + x // 8 + 128:
            self.differ("blocks", path, f"{x} | {y} blocks")
        return data

    def tree(self, root_a, root_b, excluded):
        """Both trees at once, by a stack of open directories: recursion would end at a depth."""
        a, b = Item(None, root_a), Item(None, root_b)
        stack = []  # (fd of A's directory, of B's, its path, names still to do)
        if self.item(a, b, b"."):
            self.enter(stack, a, b, b"", excluded)
        while stack:
            fd_a, fd_b, path, names = stack[-1]
            if not names:
                os.close(fd_a)
                os.close(fd_b)
                stack.pop()
                continue
            name = names.pop()
            below = path + name
            try:
                a, b = Item(fd_a, name), Item(fd_b, name)
                if self.item(a, b, below):
                    self.enter(stack, a, b, below + b"/", ())
            except OSError as e:
                self.trouble(below, e)

    def enter(self, stack, a, b, path, excluded):
        fd_a = a.open(os.O_DIRECTORY)
        try:
            fd_b = b.open(os.O_DIRECTORY)
        except OSError:
            os.close(fd_a)
            raise
        names_a, names_b = ({os.fsencode(n) for n in os.listdir(fd)} - set(excluded) for fd in (fd_a, fd_b))
        for name in sorted(names_a - names_b):
            self.differ("missing", path + name, "not in B")
        for name in sorted(names_b - names_a):
            self.differ("extra", path + name, "not in A")
        stack.append((fd_a, fd_b, path, sorted(names_a & names_b, reverse=True)))


def main():
    ask = argparse.ArgumentParser(description="Is B a faithful copy of A?")
    ask.add_argument("a", metavar="A", type=os.fsencode)
    ask.add_argument("b", metavar="B", type=os.fsencode)
    ask.add_argument("--ignore", default="", metavar="KEY,...")
    ask.add_argument("--exclude", action="append", default=[], metavar="NAME", type=os.fsencode)
    ask.add_argument("--limit", type=int, default=50, metavar="N", help="lines at most (50)")
    ask.add_argument("-v", "--verbose", action="store_true")
    args = ask.parse_args()
    ignored = set(filter(None, args.ignore.split(",")))
    if ignored - set(KEYS):
        ask.error(f"no such key: {' '.join(ignored - set(KEYS))}; there are {' '.join(KEYS)}")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # two descriptors a level
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    oracle = Oracle(ignored, args.limit)
    try:
        oracle.tree(args.a, args.b, args.exclude)
    except OSError as e:
        oracle.trouble(b"", e)
    if oracle.differences > oracle.limit:
        print(f"and {oracle.differences - oracle.limit} more")
    if args.verbose:
        print(f"{oracle.items} items, {oracle.bytes} bytes, {oracle.differences} differences", file=sys.stderr)
    return 2 if oracle.troubled else 1 if oracle.differences else 0


if __name__ == "__main__":
    sys.exit(main())
