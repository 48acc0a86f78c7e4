#!/usr/bin/env python3
"""hostile-tree.py [--root] [--scale small|full] [--without KIND,...] [--immutable] DIR SEED
hostile-tree.py --cleanup DIR
hostile-tree.py --list

Makes the new directory DIR full of what copiers stumble over, the same for the same SEED. Each KIND is a directory
of DIR; some also reach into others by hard links. --root adds what only root can make. small: 3000 names, 15 MB on
disk, a second or two. --immutable adds files with chattr +i and +a, which --cleanup takes away again so that rm -r
works. What this file system or kernel refuses is one line "no WHAT here: WHY" on stderr, and the rest is made."""
import argparse
import array
import ctypes
import errno
import fcntl
import os
import random
import resource
import stat
import struct
import sys

SEC = 10 ** 9
# seconds that some format cannot hold: the ends of ext4's, what 32 bits hold, what XFS' big times hold
TIMES = [-(1 << 31), -2145916800, -1, 0, 1, 951782400, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 7258118400,
         15032385535, 16299260424]
MODES = [0o4755, 0o2755, 0o6711, 0o7777, 0o1644, 0o444, 0o400, 0o001, 0o666, 0o2644]
SIZES = [1, 511, 512, 4095, 4096, 4097, 65535, 65537, 131071, 131072, 131073, 1048575, 1048576, 1048577]
NAMES = [b"\xff\xfe\x80", b"a\nb\n", b"\x1b[31mred\x1b[0m\x07", b"-rf", b"--", b"-", b"trail ", b" lead", b".hidden",
         b"..x", b"...", b"quote'\"`$(id)", b"back\\slash\\", b"*?[!a]", b"~", b"host:path", b"#x#", b"%s%n%d",
         bytes(range(1, 32)), b"\x7f\xc2\x80\xc2\x9b", "\u00e9".encode(), "e\u0301".encode(), b"A", b"a", b"CON",
         b"null:", "\u202etxt.exe".encode(), b"x" * 255, "\u00e9".encode() * 127 + b"\n"]
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, IMMUTABLE, APPEND = 0x80086601, 0x40086602, 0x10, 0x20
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32  # ACL tags
NO_ID = 0xffffffff
libc = ctypes.CDLL(None, use_errno=True)
KINDS = {}


def kind(make):
    KINDS[make.__name__] = make
    return make


def acl(*entries):
    """system.posix_acl_*: version 2, then tag, permissions, id, ascending."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in sorted(entries, key=lambda e: (e[0], e[2])))


def base_acl(user, group, other, *named):
    return acl((USER_OBJ, user, NO_ID), (GROUP_OBJ, group, NO_ID), (OTHER, other, NO_ID), (MASK, 7, NO_ID), *named)


def cap(bits, root_uid=None):
    """security.capability: revision 2, or 3 for the root of a user namespace; effective."""
    low, high = bits & 0xffffffff, bits >> 32
    words = struct.pack("<IIIII", (0x02000001, 0x03000001)[root_uid is not None], low, 0, high, 0)
    return words if root_uid is None else words + struct.pack("<I", root_uid)


class Tree:
    """Paths are bytes relative to the root; none but deep's is long. Attributes that would be in the way of making
    what is below, and times, are put off to finish()."""

    def __init__(self, root, seed, is_root, full):
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.rng = random.Random(seed)
        self.is_root, self.full = is_root, full
        self.at = b"/proc/self/fd/%d/" % self.fd
        self.later = {}  # path -> [mode or None, {xattr: value}]
        self.times = {}

    def attempt(self, what, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
            return True
        except OSError as e:
            print(f"no {what} here: {e.strerror}", file=sys.stderr)
            return False

    def when(self):
        return self.rng.choice(TIMES) * SEC + self.rng.choice([0, 1, 999999999, self.rng.randrange(SEC)])

    def made(self, path):
        """Each name gets a time of its own, when everything is there."""
        self.times[path] = self.when()
        return path

    def dir(self, path):
        os.mkdir(path, 0o755, dir_fd=self.fd)
        return self.made(path)

    def file(self, path, size=None):
        size = self.rng.choice((0, 1, 17, 300, 5000)) if size is None else size
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=self.fd)
        if size:
            os.pwrite(fd, self.rng.randbytes(size), 0)
        os.close(fd)
        return self.made(path)

    def holes(self, path, size, pieces):
        """A hole of that size with data at the pieces, (offset, length)."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=self.fd)
        self.made(path)
        if self.attempt(f"file of {size} bytes", os.truncate, fd, size):
            for at, length in pieces:
                os.pwrite(fd, self.rng.randbytes(length), at)
        os.close(fd)

    def symlink(self, target, path):
        os.symlink(target, path, dir_fd=self.fd)
        return self.made(path)

    def node(self, path, mode, rdev=0):
        os.mknod(path, mode | 0o644, rdev, dir_fd=self.fd)
        return self.made(path)

    def link(self, old, new):
        os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)

    def mode(self, path, mode):
        self.later.setdefault(path, [None, {}])[0] = mode

    def own(self, path, uid, gid):
        os.chown(path, uid, gid, dir_fd=self.fd, follow_symlinks=False)

    def xattr(self, path, name, value):
        """Now if that can be, so that a refusal is known; the same again at the end, as a chown may clear it."""
        if self.attempt(name, os.setxattr, self.at + path, name, value, follow_symlinks=False):
            if not name.startswith("user."):
                self.later.setdefault(path, [None, {}])[1][name] = value
            return True
        return False

    def finish(self):
        for path, (mode, xattrs) in reversed(self.later.items()):
            if mode is not None:
                os.chmod(path, mode, dir_fd=self.fd)
            for name, value in xattrs.items():
                os.setxattr(self.at + path, name, value, follow_symlinks=False)
        # what is below comes after what it is in
        for path, ns in reversed(self.times.items()):
            os.utime(path, ns=(ns, ns), dir_fd=self.fd, follow_symlinks=False)
        os.utime(self.fd, ns=(1, 1234567890123456789))


@kind
def files(t):
    """Sizes around the borders of blocks, buffers and pages; empty files and directories."""
    t.dir(b"files")
    for size in SIZES + ([4 << 20, (64 << 20) - 1, (64 << 20) + 1] if t.full else []):
        t.file(b"files/%d" % size, size)
    for n in range(10):
        t.file(b"files/empty%d" % n, 0)
        t.dir(b"files/dir%d" % n)
        t.dir(b"files/dir%d/dir" % n)


@kind
def names(t):
    """Bytes that terminals, shells, JSON and option parsers do not like, on every type."""
    for where, make in ((b"names", t.file), (b"names/dirs", t.dir), (b"names/links", lambda p: t.symlink(b"..", p)),
                        (b"names/fifos", lambda p: t.node(p, stat.S_IFIFO))):
        t.dir(where)
        for name in NAMES:
            t.attempt(f"name {name[:20]}", make, where + b"/" + name)
    for name in NAMES:
        t.file(b"names/dirs/" + name + b"/" + name)


@kind
def links(t):
    """Names of one file: pairs, across directories and kinds, a large group, symlinks, FIFOs, sockets."""
    for path in (b"links", b"links/a", b"links/b", b"links/b/c", b"links/z"):
        t.dir(path)
    for n in range(20):
        t.file(b"links/a/%d" % n)
        t.link(b"links/a/%d" % n, (b"links/b/%d", b"links/b/c/%d", b"links/a/x%d", b"links/z/%d")[n % 4] % n)
    t.file(b"links/z/first", 70000)
    for n in range(1000 if t.full else 100):
        t.link(b"links/z/first", (b"links/a/g%d", b"links/b/g%d", b"links/b/c/g%d")[n % 3] % n)
    if b"files/131073" in t.times:
        t.link(b"files/131073", b"links/z/131073")
    t.symlink(b"nowhere", b"links/sym")
    t.link(b"links/sym", b"links/z/sym")
    t.node(b"links/fifo", stat.S_IFIFO)
    t.link(b"links/fifo", b"links/z/fifo")
    t.node(b"links/sock", stat.S_IFSOCK)
    t.link(b"links/sock", b"links/b/sock")


@kind
def sparse(t):
    """Holes of every place, room that was reserved and not used."""
    t.dir(b"sparse")
    meg = 1 << 20
    for name, size, pieces in (
            (b"leading", 2 * meg + 4096, [(2 * meg, 4096)]), (b"middle", 3 * meg, [(0, 5000), (2 * meg, meg)]),
            (b"trailing", 3 * meg + 1, [(0, 4096)]), (b"hole", 5 * meg, []),
            (b"odd", 777777, [(300001, 99)]), (b"last", 4 * meg + 1, [(4 * meg, 1)]),
            (b"one", 1, []), (b"block", 4096, []), (b"first", 8192, [(0, 4096)]), (b"second", 8192, [(4096, 4096)]),
            (b"alternating", 2 * meg, range(0, 2 * meg, 8192)), (b"alternating+1", meg + 1, range(4096, meg, 8192)),
            (b"many", *((256 * meg, range(0, 256 * meg, 8192)) if t.full else (16 * meg, [(0, 1)])))):
        t.holes(b"sparse/" + name, size, [(p, 4096) if isinstance(p, int) else p for p in pieces])
    for name, keep_size in ((b"reserved", 0), (b"beyond", 1)):
        t.file(b"sparse/" + name, 5000)
        fd = os.open(b"sparse/" + name, os.O_WRONLY, dir_fd=t.fd)
        if libc.fallocate(fd, keep_size, ctypes.c_long(0), ctypes.c_long(512 << 10)):
            print(f"no fallocate here: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        os.close(fd)
    t.link(b"sparse/middle", b"sparse/middle-again")


@kind
def huge(t):
    """Holes that take hours for whoever reads them."""
    t.dir(b"huge")
    t.holes(b"huge/hole1g", 1 << 30, [])
    t.holes(b"huge/wide", 1 << 42, [(n << 39, 4096) for n in range(1, 8)])
    t.holes(b"huge/data-hole", (1 << 40) + 1, [(0, 5000)])
    t.holes(b"huge/hole-data", (1 << 40) + 1, [(1 << 40, 1)])


@kind
def xattrs(t):
    """Few, many, empty and large values, odd names; root: trusted ones, also on what cannot have user ones."""
    t.dir(b"xattrs")
    t.file(b"xattrs/none")
    t.xattr(t.file(b"xattrs/one"), "user.one", b"1")
    t.xattr(t.file(b"xattrs/empty", 0), "user.empty", b"")
    t.xattr(t.file(b"xattrs/nul"), "user.nul", b"a\0b\n\xff")
    t.xattr(t.file(b"xattrs/name"), "user.\x1b[m \n" + "n" * 240, b"x")
    path = t.file(b"xattrs/many")
    for n in range(40):
        t.xattr(path, f"user.n{n}", t.rng.randbytes(n))
    path = t.file(b"xattrs/big")
    for size in (65536, 32768, 16000, 3500, 1000):
        try:
            os.setxattr(t.at + path, "user.big", t.rng.randbytes(size))
            break
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.E2BIG, errno.ERANGE):
                break
    t.xattr(t.dir(b"xattrs/dir"), "user.dir", b"of a directory")
    t.mode(b"xattrs/none", 0o600)
    t.mode(t.file(b"xattrs/readonly"), 0o444)
    t.xattr(b"xattrs/readonly", "user.readonly", b"r")
    t.link(b"xattrs/one", b"xattrs/dir/one")
    if t.is_root:
        t.xattr(b"xattrs/one", "trusted.one", b"t")
        t.xattr(t.symlink(b"none", b"xattrs/symlink"), "trusted.symlink", b"s")
        t.xattr(t.node(b"xattrs/fifo", stat.S_IFIFO), "trusted.fifo", b"f")
        t.xattr(b"xattrs/dir", "trusted.dir", b"d")
        t.xattr(b"xattrs/readonly", "security.zc", b"a label")


@kind
def acls(t):
    """Access lists; default lists above children that have none, one, or a directory's own."""
    t.dir(b"acls")
    access, default = "system.posix_acl_access", "system.posix_acl_default"
    for n, named in enumerate(([(USER, 4, 1)], [(GROUP, 6, 100)], [(USER, 7, 65534), (USER, 0, 2), (GROUP, 1, 3)],
                               [(USER, n % 8, 1000 + n) for n in range(100)])):
        t.xattr(t.file(b"acls/file%d" % n), access, base_acl(6, 4, n % 2, *named))
    if t.is_root:
        t.xattr(t.node(b"acls/fifo", stat.S_IFIFO), access, base_acl(6, 4, 0, (USER, 4, 5)))
    for n in range(3):
        path = t.dir(b"acls/dir%d" % n)
        for mode in (0o600, 0o644, 0o666, 0o777):
            t.mode(t.file(path + b"/%o" % mode), mode)
            t.mode(t.dir(path + b"/d%o" % mode), mode | 0o500)
        t.xattr(t.file(path + b"/acl"), access, base_acl(7, 0, 0, (USER, 2, 7)))
        t.xattr(t.dir(path + b"/own"), default, base_acl(7, 1, 0, (GROUP, 5, 9)))
        t.file(path + b"/own/file")
        t.symlink(b"own/file", path + b"/symlink")
        # the children were made before: a copier that sets it too early widens them
        t.xattr(path, default, base_acl(7, 7, 7, (USER, 7, 11), (GROUP, 7, 12)))
        if n:
            t.xattr(path, access, base_acl(7, 5, 0, (USER, 5, 13)))


@kind
def modes(t):
    """suid, sgid, sticky, nothing at all; directories that may not be written, searched or read."""
    t.dir(b"modes")
    dirs = [0o555, 0o2755, 0o1777, 0o700, 0o4755, 0o3770] + ([0, 0o111, 0o311, 0o444] if t.is_root else [])
    for mode in MODES + ([0] if t.is_root else []):
        if mode & 0o400 or t.is_root:
            t.mode(t.file(b"modes/%04o" % mode), mode)
    for mode in dirs:
        path = t.dir(b"modes/d%04o" % mode)
        t.mode(path, mode)
        t.file(path + b"/file")
        t.mode(t.dir(path + b"/below"), 0o555)
        t.mode(t.file(path + b"/below/file"), 0o444)
        t.dir(path + b"/below/dir")
        t.mode(t.node(path + b"/fifo", stat.S_IFIFO), 0o622)
    t.link(b"modes/4755", b"modes/d0555/4755")


@kind
def owners(t):
    """root: other owners, with modes and capabilities that a later chown would clear."""
    if not t.is_root:
        return
    t.dir(b"owners")
    for n, (uid, gid) in enumerate(((1, 0), (0, 1), (65534, 65534), (100000, 100001), (4294967294, 4294967294))):
        for mode in (0o6755, 0o644, 0o2640):
            path = t.file(b"owners/%d-%o" % (n, mode))
            t.own(path, uid, gid)
            t.mode(path, mode)
        t.own(t.dir(b"owners/d%d" % n), uid, gid)
        t.own(t.file(b"owners/d%d/file" % n), gid, uid)
        t.mode(b"owners/d%d" % n, 0o2775)
        t.own(t.symlink(b"x", b"owners/s%d" % n), uid, gid)
        t.own(t.node(b"owners/f%d" % n, stat.S_IFIFO), uid, gid)
        path = t.file(b"owners/cap%d" % n)
        t.own(path, uid, gid)
        t.xattr(path, "security.capability", cap(1 << 10 | n << 33, 100000 if n == 3 else None))
        t.mode(path, 0o755)


@kind
def specials(t):
    """FIFOs and sockets; root: devices, with numbers that old formats cut."""
    t.dir(b"specials")
    t.node(b"specials/fifo", stat.S_IFIFO)
    t.node(b"specials/socket", stat.S_IFSOCK)
    for n, (major, minor) in enumerate(((1, 3), (1, 5), (7, 255), (0, 0), (511, 255), (259, 262143))):
        for letter, form in ((b"c", stat.S_IFCHR), (b"b", stat.S_IFBLK)):
            if t.is_root:
                t.attempt("device", t.node, b"specials/%s%d" % (letter, n), form, os.makedev(major, minor))
    if t.is_root and t.attempt("device", os.link, b"specials/c1", b"specials/c1-again", src_dir_fd=t.fd,
                               dst_dir_fd=t.fd):
        t.mode(b"specials/c1", 0o600)


@kind
def symlinks(t):
    """Dangling, absolute, escaping, to directories, in circles; none may be followed."""
    t.dir(b"symlinks")
    t.dir(b"symlinks/dir")
    t.file(b"symlinks/dir/file")
    for n, target in enumerate((b"nowhere", b"/", b"/etc/passwd", b"../../../../../../etc/passwd", b"dir", b"dir/",
                                b"dir/file", b".", b"..", b"circle1", b"/proc/self/exe", b"/dev/null",
                                b"a\nb\x1b[m\xff", b" ", b"//x//y/.././", b"t" * 255, b"t/" * 511 + b"t")):
        t.symlink(target, b"symlinks/%d" % n)
    t.symlink(b"circle2", b"symlinks/circle1")
    t.symlink(b"circle1", b"symlinks/circle2")
    t.symlink(b"self", b"symlinks/self")


@kind
def limits(t):
    """What XFS cannot hold: symlinks of more than 1024 bytes, device numbers of more than 9 and 18 bits."""
    t.dir(b"limits")
    t.attempt("symlink of 4095 bytes", t.symlink, b"./" * 2047 + b"t", b"limits/4095")
    if t.is_root:
        t.attempt("device 4095:1048575", t.node, b"limits/device", stat.S_IFCHR, os.makedev(4095, 1048575))


@kind
def times(t):
    """Before 1970, after 2038, 2106 and 2446, with nanoseconds, on every type."""
    t.dir(b"times")
    for n, seconds in enumerate(TIMES):
        for ns in (0, 1, 999999999):
            stamp = seconds * SEC + ns
            for path in (t.file(b"times/f%d.%d" % (n, ns)), t.dir(b"times/d%d.%d" % (n, ns)),
                         t.symlink(b"x", b"times/s%d.%d" % (n, ns)), t.node(b"times/p%d.%d" % (n, ns), stat.S_IFIFO)):
                t.times[path] = stamp
        t.file(b"times/d%d.0/file" % n)


@kind
def many(t):
    """One large directory."""
    t.dir(b"many")
    for n in range(100000 if t.full else 2000):
        path = b"many/%d" % (n * 7919)
        if n % 50 == 0:
            t.dir(path)
        elif n % 25 == 1:
            t.symlink(b"%d" % n, path)
        elif n % 20 == 2:
            t.file(path, 4096)
        else:
            t.file(path, 0)


@kind
def deep(t):
    """1000 levels whose path is longer than any call takes, with a file that has a second name at the top."""
    t.dir(b"deep")
    held = [os.open(b"deep", os.O_RDONLY | os.O_DIRECTORY, dir_fd=t.fd)]
    for n in range(1000):
        name = b"level-%d-" % n + b"d" * (180 if n % 3 else 12)
        os.mkdir(name, 0o755, dir_fd=held[-1])
        held.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=held[-1]))
    bottom = held[-1]
    fd = os.open(b"bottom", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=bottom)
    os.write(fd, t.rng.randbytes(5000))
    os.utime(fd, ns=(t.when(),) * 2)
    os.close(fd)
    os.link(b"bottom", b"deep/top", src_dir_fd=bottom, dst_dir_fd=t.fd)
    os.symlink(b"../bottom", b"link", dir_fd=bottom)
    os.utime(b"link", ns=(t.when(),) * 2, dir_fd=bottom, follow_symlinks=False)
    for fd in reversed(held):
        os.utime(fd, ns=(t.when(),) * 2)
        os.close(fd)


def change_flags(fd, clear, add):
    flags = array.array("L", [0])
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags, True)
    if flags[0] & clear or add:
        flags[0] = flags[0] & ~clear | add
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, flags, True)


def immutable(t):
    """When everything else is as it should be. Its time is that of its making."""
    t.dir(b"immutable")
    for name, flag in ((b"i", IMMUTABLE), (b"a", APPEND)):
        for path, opened in ((t.file(b"immutable/" + name, 5000), 0), (t.dir(b"immutable/d" + name), os.O_DIRECTORY)):
            if opened:
                t.file(path + b"/file")
            fd = os.open(path, os.O_RDONLY | opened, dir_fd=t.fd)
            yield lambda fd=fd, flag=flag: t.attempt("chattr", change_flags, fd, 0, flag)


def clean_up(root):
    """In a tree or in its copy."""
    for at, _, files_ in os.walk(os.path.join(root, b"immutable")):
        for path in [at] + [os.path.join(at, name) for name in files_]:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            change_flags(fd, IMMUTABLE | APPEND, 0)
            os.close(fd)


def main():
    ask = argparse.ArgumentParser(description="Makes a tree that is hard to copy.")
    ask.add_argument("dir", metavar="DIR", type=os.fsencode, nargs="?")
    ask.add_argument("seed", metavar="SEED", type=int, nargs="?", default=1)
    ask.add_argument("--root", action="store_true")
    ask.add_argument("--scale", choices=("small", "full"), default="small")
    ask.add_argument("--without", default="", metavar="KIND,...")
    ask.add_argument("--immutable", action="store_true")
    ask.add_argument("--cleanup", action="store_true")
    ask.add_argument("--list", action="store_true")
    args = ask.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if args.list:
        for name, make in KINDS.items():
            print(f"{name:10}{make.__doc__}")
        return 0
    if args.dir is None:
        ask.error("DIR is missing")
    if args.cleanup:
        clean_up(args.dir)
        return 0
    without = set(filter(None, args.without.split(",")))
    if without - set(KINDS):
        ask.error(f"no such kind: {' '.join(without - set(KINDS))}")
    os.umask(0o022)
    os.mkdir(args.dir)
    tree = Tree(args.dir, args.seed, args.root, args.scale == "full")
    for name, make in KINDS.items():
        if name not in without:
            make(tree)
    last = list(immutable(tree)) if args.immutable else []
    tree.finish()
    for flag in last:
        flag()
    return 0


if __name__ == "__main__":
    sys.exit(main())
