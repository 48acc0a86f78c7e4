"""What is copied when it crashes, and what may be found afterwards.

A Case makes a source and an old destination from a seed, says which command copies the one over the other, and judges
what is there after a crash. A tree is a dict: path -> entry, with "" for the directory itself; an entry is a tuple
(kind, mode, mtime_ns, content, links)."""
import os
import random
import re
import shutil
import stat
import zlib

TEMP = re.compile(r"\.zcopy-[0-9a-f]{16}(-[0-9a-f]+)?$")
BLOCK = 4096
LARGE = 20 << 20  # a journal of --resume gets some records
NOTHING = (None,) * 5
# How far a run had come when it was cut off
BEFORE, RUNNING, DONE = "not begun", "running", "exit 0"


def snapshot(top):
    """The tree below a directory; None for what cannot be read: {path: entry}."""
    tree = {}

    def take(path, relative):
        st = os.lstat(path)
        content, links = None, 1
        if stat.S_ISREG(st.st_mode):
            with open(path, "rb") as file:
                content = file.read()
            links = st.st_nlink
        elif stat.S_ISLNK(st.st_mode):
            content = os.readlink(path)
        tree[relative] = (stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_mtime_ns, content, links)
        if stat.S_ISDIR(st.st_mode):
            for name in os.listdir(path):
                take(os.path.join(path, name), name if not relative else relative + "/" + name)

    take(top, "")
    return tree


def is_temp(path):
    return bool(TEMP.match(path.rsplit("/", 1)[-1]))


def temps(tree):
    return [path for path in tree if is_temp(path)]


def is_part_of(have, want):
    """Each block of it is the new one's or zeros: what a file may be that nobody flushed."""
    content, new = have[3], want[3]
    if not stat.S_ISREG(have[0]) or not stat.S_ISREG(want[0]) or len(content) > len(new):
        return False
    for at in range(0, len(content), BLOCK):
        have, want = content[at:at + BLOCK], new[at:at + BLOCK][:len(content) - at]
        if have != want and have.strip(b"\0"):
            return False
    return True


def describe(entry):
    if entry is None:
        return "absent"
    kind, mode, mtime_ns, content, links = entry
    what = f"{len(content)} bytes, {zlib.crc32(content):08x}" if stat.S_ISREG(kind) else content or oct(kind)
    return f"{what}, mode {mode:o}, time {mtime_ns}, {links} links"


class Case:
    """options: of zcopy. level: what its end promises: none, data, full, or auto: data of what it replaced. large: so
    much that --resume keeps a journal, and from which step to which it does."""

    def __init__(self, name, options, tree=False, replace=False, sparse=False, level="auto", inside=False,
                 backup=False, in_place=False, large=None):
        self.name, self.options = name, options
        self.tree, self.replace, self.sparse, self.inside = tree, replace, sparse, inside
        self.level, self.backup, self.in_place, self.large = level, backup, in_place, large
        self.attributes = "-a" in options or "-p" in options

    # ---- before

    def command(self, src, dst):
        if self.tree:
            return self.options + [src + "/.", dst]
        return self.options + [src + "/file", dst + "/file"]

    def file(self, draw, path, size, mode=0o640):
        with open(path, "wb") as file:
            if self.sparse:
                file.write(draw.randbytes(size // 3))
                file.seek(size // 3 + 40 * BLOCK)
                file.write(draw.randbytes(size - size // 3))
            else:
                file.write(draw.randbytes(size))
        os.chmod(path, mode)
        time = draw.randrange(10**9, 2 * 10**9)
        os.utime(path, (time, time))

    def fill(self, draw, top, old):
        """A source, or an old destination, which has most of the source's names and some of its own."""
        os.makedirs(top)
        if not self.tree:
            size = draw.randrange(60000, 90000) if old else draw.randrange(250000, 330000)
            self.file(draw, top + "/file", size + (LARGE if self.large and not old else 0))
            return
        for where in ("", "/one", "/one/two", "/one/empty", "/last"):
            os.makedirs(top + where, exist_ok=True)
            for name, size in (("a", 0), ("b", 1), ("c", draw.randrange(3000, 9000)), ("d", 140000)):
                if not where.endswith("empty") and (not old or draw.random() < 0.7):
                    self.file(draw, f"{top}{where}/{name}", size // 2 + 7 if old else size, 0o600 + draw.randrange(64))
        if old:
            self.file(draw, top + "/one/own", 700)
        else:
            os.symlink("a" * 50, top + "/last/link")
            os.link(top + "/one/d", top + "/last/second")
            os.mkfifo(top + "/one/pipe")
        for where in ("/one/two", "/one/empty", "/one", "/last", ""):
            os.chmod(top + where, 0o700 + draw.randrange(64))
            os.utime(top + where, (10**9, draw.randrange(10**9, 2 * 10**9)))

    def make_source(self, seed, src):
        self.fill(random.Random(f"{seed} {self.name} new"), src, False)
        self.new = snapshot(src)

    def make_old(self, seed, dst):
        if self.replace:
            self.fill(random.Random(f"{seed} {self.name} old"), dst, True)
        else:
            os.makedirs(dst)
        self.old = snapshot(dst)

    # ---- afterwards

    def judge(self, dst, state, cut):
        """What is wrong, as sentences. state: how far it had come. cut: the power was cut, else it was only killed."""
        wrong = []
        have = snapshot(dst)
        for path in sorted(set(self.old) | set(self.new) | set(have)):
            if is_temp(path) or (self.backup and path.startswith("file.~")) or (not self.tree and path == ""):
                continue
            says = self.judge_one(path, have.get(path), state, cut)
            if says:
                wrong.append(f"{self.name}, {state}: {path or 'the directory'}: {says}: {describe(have.get(path))} "
                             f"(old: {describe(self.old.get(path))}; new: {describe(self.new.get(path))})")
        if self.backup and have.get("file", NOTHING)[3] != self.old["file"][3]:
            if have.get("file.~1~", NOTHING)[3] != self.old["file"][3]:
                wrong.append(f"{self.name}, {state}: replaced, but no backup")
        return wrong

    def judge_one(self, path, have, state, cut):
        old, new = self.old.get(path), self.new.get(path)
        if new is None or state == BEFORE:
            return None if self.equal(have, old) else "changed" if old else "nobody made that"
        if state == DONE and (not cut or self.level == "full"):
            return None if self.equal(have, new, self.attributes) else "not the new one"
        whole = self.attributes and stat.S_ISREG(new[0])  # others get a name first, attributes then
        if self.in_place or self.equal(have, old) or self.equal(have, new, whole, False):
            return None
        if have and stat.S_ISDIR(new[0]) and stat.S_ISDIR(have[0]):
            return None  # it gets its attributes last
        if cut and (self.level == "none" or (self.level == "auto" and old is None)):
            return None if have is None or is_part_of(have, new) else "neither new nor a part of it"
        return "neither old nor new"

    def equal(self, have, want, attributes=True, links=True):
        if have is None or want is None:
            return have is want
        return (have[0] == want[0] and have[3] == want[3] and (not attributes or have[1:3] == want[1:3]) and
                (not links or not self.tree or have[4] == want[4]))


RING = ["--route=buffer", "--engine=uring", "--pool=8M", "--block-size=64K"]
SYNC = ["--route=buffer", "--engine=sync", "--pool=8M", "--block-size=64K"]
FULL, DATA, NONE = ["--durability=full"], ["--durability=data"], ["--durability=none"]

CASES = [
    Case("new", []),
    Case("new-ring", RING),
    Case("new-data", DATA, level="data"),
    Case("new-full", ["-p"] + FULL, level="full"),
    Case("new-full-sync", SYNC + FULL, level="full"),
    Case("replace", [], replace=True),
    Case("replace-ring", RING, replace=True),
    Case("replace-sync", SYNC, replace=True),
    Case("replace-none", NONE, replace=True, level="none"),
    Case("replace-full", FULL, replace=True, level="full"),
    Case("replace-full-ring", RING + FULL, replace=True, level="full"),
    Case("replace-verify", ["--verify"] + FULL, replace=True, level="full"),
    Case("replace-backup", ["--backup=numbered"], replace=True, backup=True),
    Case("sparse", ["--sparse=always"] + FULL, sparse=True, level="full"),
    Case("sparse-replace", DATA, sparse=True, replace=True, level="data"),
    Case("clone", FULL, inside=True, replace=True, level="full"),
    Case("in-place", SYNC + ["--inplace"], replace=True, in_place=True),
    Case("resume", ["--resume", "--route=buffer", "--engine=sync", "--block-size=1M"], large=(55, 105), level="data"),
    Case("resume-replace", ["--resume"], large=(35, 60), level="data", replace=True),
    Case("tree", ["-a"], tree=True),
    Case("tree-full", ["-a"] + FULL, tree=True, level="full"),
    Case("tree-replace", ["-a"], tree=True, replace=True),
    Case("tree-replace-full", ["-a"] + FULL, tree=True, replace=True, level="full"),
    Case("tree-ring", ["-a"] + RING, tree=True, replace=True),
]


def remove(top):
    if os.path.lexists(top):
        for where, _, _ in os.walk(top):
            os.chmod(where, 0o700)
        shutil.rmtree(top)
