#!/usr/bin/env python3
"""matrix.py ZCOPY-FAULT: the whole program, and one call or one request of it that fails.

Each call of wrap.h, its first, second, ... time until a run ends in which it did not come to it; each errno, each
short length; once, and from then on. Whatever fails: the destination is the old file or the whole new one; exit 0 is
the new one; no space, quota or size limit is 5; the words name the end and the reason; nothing is left behind; no
descriptor, thread or buffer is left; it ends. Prints how often each kind of fault struck and how often each outcome
was seen, and fails where that is never.

  --complete    also what is otherwise drawn by --seed=N: trees, pipes, holes, --resume, the in-kernel routes
  --sample=N    every N-th case only, drawn by the seed
  --only=WORD   configurations and calls whose name has WORD in it
  --replay=CASE one case, in all its words
  --jobs=N      so many at once                      --seconds=N  cases left out for lack of time are a failure
A failure prints the command that shows it again."""
import argparse
import array
import collections
import errno
import fcntl
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ERRNOS = ("EINTR EAGAIN ENOMEM ENOBUFS EIO ENOSPC EDQUOT EFBIG ECANCELED EFAULT EINVAL EOPNOTSUPP EBADF "
          "ESTALE ETIMEDOUT EUCLEAN EREMOTEIO EPIPE ECONNRESET ENOSYS EPERM EXDEV").split()
FEW = "EINTR EAGAIN ENOMEM EIO ENOSPC EINVAL EOPNOTSUPP ENOSYS EPERM".split()
RING_ERRNOS = ERRNOS + ["EBUSY", "EBADR"]
SHORTS = "s0 s1 s511 s512 s-1".split()
CLASSES = {"interrupted": "EINTR EAGAIN EBUSY", "resources": "ENOMEM ENOBUFS", "space": "ENOSPC EDQUOT EFBIG",
           "refused": "ENOSYS EPERM EOPNOTSUPP EINVAL EXDEV", "short": " ".join(SHORTS)}
CLASS = {code: name for name, codes in CLASSES.items() for code in codes.split()}  # others: "broken"
NO_SPACE = set(CLASSES["space"].split())
# calls that move bytes, by which a short or interrupted result is no failure at all
MOVES = {"pread", "pwrite", "read", "write", "copy_file_range", "sendfile", "splice", "ring_read", "ring_write"}
# calls on the new file: their "no space" is the disk's
GROWS = {"pwrite", "ring_write", "copy_file_range", "sendfile", "splice", "ftruncate", "fdatasync", "fsync",
         "linkat", "renameat", "renameat2", "mkdirat", "mknodat", "symlinkat"}
# calls that may fail after the new file has got its name: an error is said, the new file is there. And those
# for attributes: as with cp -p, a whole copy that lacks one gets its name, and the status tells
LATE = {"close", "fsync", "unlinkat", "write", "futimens", "utimensat", "fchown", "fchmod", "flistxattr",
        "fgetxattr", "fsetxattr", "fremovexattr", "fchmodat", "fchownat"}
# what fails here is lost, and may not be asked for again; of --resume, a journal's flush may fail
FLUSHES = {"fdatasync", "fsync", "syncfs"}
ONLY_ENOMEM = {"malloc", "calloc", "posix_memalign", "strdup"}
# what is called of liburing; a lasting fault is tried eight times there, for up to a second
RING_CALLS = {"ring_setup", "ring_probe", "ring_buffers", "ring_submit", "ring_submit_wait", "ring_wait"}
LEAKS = {"fds", "threads", "buffers"}
ACCOUNT = LEAKS | {"fired", "steps"}
# without these a copy cannot be what the design says
EXPECTED = {"openat", "fstat", "fstatat", "close", "pread", "pwrite", "copy_file_range", "sendfile", "splice",
            "linkat", "fchmod", "fdatasync", "fsync", "mmap", "pthread_create", "ftruncate", "futimens",
            "fgetxattr", "ioctl", "mkdirat", "symlinkat", "mknodat", "utimensat"}
EXPECTED_OF_RINGS = RING_CALLS | {"ring_read", "ring_write", "ring_opcode"}
SYNC = ["--route=buffer", "--block-size=128K", "--engine=sync"]
URING = ["--route=buffer", "--block-size=128K", "--engine=uring", "--pool=2M", "--queue-depth=4"]
SIZE = 1 << 20
LIMIT_SECONDS = 60

# name, what is copied, options, which times of a call (ALL of them; the FIRST three; DRAWN by the seed, one in
# that many), and which errnos
ALL, FIRST, DRAWN = "all", "first", "drawn"
Config = collections.namedtuple("Config", "name shape options times codes")
CONFIGS = [Config(*line) for line in [
    ("sync", "file", SYNC, ALL, ERRNOS),
    ("uring", "file", URING, ALL, ERRNOS),
    ("auto", "file", [], FIRST, ERRNOS),
    ("full", "file", ["-p", "--durability=full"], FIRST, FEW),
    ("cfr", "file", ["--route=cfr"], FIRST, FEW),
    ("sendfile", "file", ["--route=sendfile"], FIRST, FEW),
    ("splice", "in", ["--route=splice"], FIRST, FEW),
    ("threads", "file", SYNC + ["--pool=8M", "--jobs=2"], FIRST, FEW),
    ("inplace", "file", ["--inplace"], FIRST, FEW),
    ("sparse-sync", "sparse", SYNC, DRAWN, ERRNOS),
    ("sparse-uring", "sparse", URING, DRAWN, ERRNOS),
    ("in-sync", "in", SYNC, DRAWN, ERRNOS),
    ("in-uring", "in", URING, DRAWN, ERRNOS),
    ("out-sync", "out", SYNC, DRAWN, ERRNOS),
    ("out-uring", "out", URING, DRAWN, ERRNOS),
    ("tree", "tree", ["-a", "-j1"], DRAWN, ERRNOS),
    ("tree-sync", "tree", ["-a", "-j1"] + SYNC, DRAWN, ERRNOS),
    ("tree-uring", "tree", ["-a", "-j1"] + URING, DRAWN, ERRNOS),
    ("resume-sync", "resume", ["--resume"] + SYNC, DRAWN, ERRNOS),
    ("resume-uring", "resume", ["--resume"] + URING, DRAWN, ERRNOS),
    ("report", "file", ["--report=/dev/null"], DRAWN, FEW),
]]
DRAWN_ONE_IN = 20
# what is called around the moving of bytes is what sync and auto call: with an old file is enough
LIKE_OTHERS = {"uring", "cfr", "sendfile", "splice", "threads"}
# were wrong once: tried in any case
ONCE_WRONG = """tree:old:calloc:4:ENOMEM sendfile:new:sendfile:1:EAGAIN+ sync:old:pread:8:s0 threads:new:pread:3:s0+
    resume-sync:new:ftruncate:1:ECANCELED resume-sync:old:fstatat:4:EREMOTEIO+ resume-uring:new:fstatat:4:EFBIG+
    resume-sync:old:openat:21:EAGAIN+ inplace:old:fstat:4:EIO inplace:old:fcntl:5:EIO report:new:calloc:1:ENOMEM"""
Case = collections.namedtuple("Case", "config replacing call n code lasting")


def words_of(case):
    """How --replay names it."""
    return ":".join([case.config.name, "old" if case.replacing else "new", case.call, str(case.n),
                     case.code + ("+" if case.lasting else "")])


def case_of(words):
    name, before, call, n, code = words.split(":")
    config = next(config for config in CONFIGS if config.name == name)
    return Case(config, before == "old", call, int(n), code.rstrip("+"), code.endswith("+"))


def plan_of(case):
    """What wrap.c reads."""
    code = case.code if case.code.startswith("s") else str(getattr(errno, case.code))
    return f"{case.call}:{case.n}:{code}{'+' if case.lasting else ''}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


class Server:
    """zcopy-fault, which starts runs of itself (serve.c)."""

    def __init__(self, program, root):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = open(os.path.join(root, "log"), "w+b", buffering=0)
        self.err = open(os.path.join(root, "err"), "w+b", buffering=0)
        for file in (self.log, self.err):
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        self.state = os.path.join(root, "state")
        env = dict(os.environ, XDG_STATE_HOME=self.state, ZC_FAULT_SERVE=str(theirs.fileno()), ZC_FAULT_LOG=str(self.log.fileno()))
        self.process = subprocess.Popen([program], env=env, pass_fds=[theirs.fileno(), self.log.fileno()],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.err)
        theirs.close()

    def run(self, where, fault, argv, stdin, stdout):
        """Exit status, or "hangs"; the account of wrap.c as a dict; stderr."""
        self.log.truncate(0)
        self.err.truncate(0)
        request = "\0".join([where, fault, "zcopy", *argv, ""]).encode()
        self.sock.sendmsg([request],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stdin, stdout]))])
        self.sock.settimeout(None)
        pid = int.from_bytes(self.sock.recv(4), sys.byteorder)
        self.sock.settimeout(LIMIT_SECONDS)
        hangs = False
        try:
            status = self.sock.recv(4)
        except TimeoutError:
            hangs = True
            os.kill(pid, signal.SIGKILL)
            self.sock.settimeout(None)
            status = self.sock.recv(4)
        rc = os.waitstatus_to_exitcode(int.from_bytes(status, sys.byteorder))
        self.log.seek(0)
        self.err.seek(0)
        account = dict(pair.split("=") for pair in self.log.read().decode().split())
        return "hangs" if hangs else rc, {k: int(v) for k, v in account.items()}, self.err.read()

    def close(self):
        self.sock.close()
        self.process.wait()


class Place:
    """A directory for one worker, with sources, and a destination that is made anew for each run."""

    def __init__(self, program, root, number):
        self.dir = os.path.join(root, str(number))
        os.mkdir(self.dir)
        self.server = Server(program, self.dir)
        draw = random.Random(1)
        self.new = draw.randbytes(SIZE)
        self.old = draw.randbytes(SIZE // 8)
        self.null = os.open("/dev/null", os.O_RDWR)
        self.path = lambda *names: os.path.join(self.dir, *names)
        write(self.path("src"), self.new)
        self.holes = b"".join(self.new[i:i + (1 << 17)] if i & (1 << 17) else bytes(1 << 17)
                              for i in range(0, SIZE, 1 << 17))
        with open(self.path("sparse"), "wb") as file:
            for i in range(1 << 17, SIZE, 1 << 18):
                os.pwrite(file.fileno(), self.holes[i:i + (1 << 17)], i)
        # large enough for a journal, with little in it
        self.large = bytearray(17 << 20)
        with open(self.path("large"), "wb") as file:
            file.truncate(len(self.large))
            for i in range(9):
                self.large[i << 21:(i << 21) + (1 << 17)] = self.new[i << 16:(i << 16) + (1 << 17)]
                os.pwrite(file.fileno(), self.new[i << 16:(i << 16) + (1 << 17)], i << 21)
        self.plant("tree", self.new)
        self.tree_new = self.list("tree")

    def plant(self, name, data):
        os.makedirs(self.path(name, "d"))
        for name_in, size in (("small", 3000), ("large", 300000), ("d/inner", 10000)):
            write(self.path(name, name_in), data[:size])
        os.link(self.path(name, "small"), self.path(name, "twin"))
        os.symlink("small", self.path(name, "link"))
        os.mkfifo(self.path(name, "fifo"))

    def list(self, name):
        """What a tree holds: by path the bytes, or what else it is."""
        found = {}
        for where, dirs, names in os.walk(self.path(name)):
            rest = os.path.relpath(where, self.path(name))
            for entry in dirs:
                found[os.path.normpath(os.path.join(rest, entry))] = "directory"
            for entry in names:
                path = os.path.join(where, entry)
                found[os.path.normpath(os.path.join(rest, entry))] = \
                    os.readlink(path) if os.path.islink(path) else read(path) if os.path.isfile(path) else "fifo"
        return found

    def prepare(self, case):
        for name in os.listdir(self.dir):
            if name == "dst" or name.startswith(".zcopy"):
                path = self.path(name)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        if case.replacing and case.config.shape == "tree":
            self.plant("dst", self.old)
        elif case.replacing:
            write(self.path("dst"), self.old)
        shutil.rmtree(self.server.state, ignore_errors=True)
        if case.config.shape == "resume" and case.replacing:  # and what an earlier run has left
            self.copy(case, f"{'ring_write' if 'uring' in case.config.name else 'pwrite'}:9:{errno.EIO}+")

    def copy(self, case, fault):
        """One run: as Server.run, and what came out of it, if anything was to."""
        shape = case.config.shape
        source = {"in": "-", "sparse": "sparse", "tree": "tree", "resume": "large"}.get(shape, "src")
        into = ["-"] if shape == "out" else ["-T", "dst"] if shape == "tree" else ["dst"]
        argv = [*case.config.options, source, *into]
        if shape not in ("in", "out"):
            return self.server.run(self.dir, fault, argv, self.null, self.null), None
        pipe = os.pipe()
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, SIZE)  # room for all of it
        if shape == "in":
            os.write(pipe[1], self.new)
            os.close(pipe[1])
            result = self.server.run(self.dir, fault, argv, pipe[0], self.null)
            os.close(pipe[0])
            return result, None
        got = []
        reader = threading.Thread(target=lambda: got.extend(iter(lambda: os.read(pipe[0], SIZE), b"")))
        reader.start()
        result = self.server.run(self.dir, fault, argv, self.null, pipe[1])
        os.close(pipe[1])
        reader.join()
        os.close(pipe[0])
        return result, b"".join(got)

    def state(self, case, out):
        """new, old, absent, part, or what else the destination is; and the temporaries."""
        left = [name for name in os.listdir(self.dir) if name.startswith(".zcopy")]
        want = {"sparse": self.holes, "resume": self.large}.get(case.config.shape, self.new)
        if case.config.shape == "out":
            state = "new" if out == want else "part" if want.startswith(out) else "other bytes"
        elif case.config.shape == "tree":
            return self.state_of_tree(case)
        elif not os.path.exists(self.path("dst")):
            state = "absent"
        else:
            data = read(self.path("dst"))
            state = "new" if data == want else "old" if data == self.old else f"a mix of {len(data)} bytes"
        return state, left

    def state_of_tree(self, case):
        got = self.list("dst") if os.path.lexists(self.path("dst")) else None
        if got is None:
            return "absent", []
        left = [name for name in got if ".zcopy" in name]
        old = {name: {3000: self.old[:3000], 300000: self.old, 10000: self.old[:10000]}.get(len(data), data)
               for name, data in self.tree_new.items()} if case.replacing else {}
        for name, data in got.items():
            if name not in left and data not in (self.tree_new.get(name), old.get(name)):
                return f"{name} is neither old nor new", left
        return "new" if got == self.tree_new else "part", left


def expects(case, fired):
    """The exit statuses that are right for a fault, besides the rules on what is where."""
    config, call, code = case.config, case.call, case.code
    if not fired:
        return {0, -signal.SIGPIPE} if config.shape == "out" and code == "EPIPE" else {0}
    if config.shape == "tree" and code in ("ESTALE", "s0"):
        return {0, 1, 2, 3}  # another directory, or another length, than it was
    if config.shape == "out" and code == "EPIPE":
        return {0, 1, 2, -signal.SIGPIPE}
    forced = any(option.startswith(("--route=", "--engine=")) for option in config.options)
    right = {0, 1}
    if code in NO_SPACE:
        right.add(5)
    if forced:
        right.add(2)
    reads = call in ("read", "pread", "ring_read") or call == "splice" and case.n == 1
    if code in NO_SPACE and call in ("pwrite", "ring_write") and config.shape != "out":
        # the ring tries its registered buffers first: no room for that is no error
        return {5} if call == "pwrite" or case.n > 1 else {0, 5}
    if code in NO_SPACE and call in GROWS and not reads and config.shape != "out":
        return {0, 5}
    if call in MOVES and call != "write" and code in SHORTS[1:] + ["EINTR"]:
        return {0}
    if call in MOVES and call != "write" and code in ("EAGAIN", "ENOMEM") and not case.lasting:
        return {0} if call.startswith(("ring", "p")) else right
    if code == "s0" and reads:
        return {0, 3}  # the end of the file, as far as one can tell: it is read again
    return right


def names_the_matter(case, text):
    """Are the end and the reason in the words?"""
    ends = ("src", "dst", "sparse", "large", "tree", "-:", "standard output", "the report")
    return "out of memory" in text or "other names" in text or "hard links" in text or \
        text.startswith("zcopy: ") and any(end in text for end in ends) and text.count(": ") >= 2


def judge(case, result, state, left):
    """What is wrong with a run, as sentences."""
    rc, account, err = result
    config = case.config
    before = "old" if case.replacing else "absent"
    wrong = []
    if rc == "hangs":
        return ["hangs"]
    # what is only kept in mind is lost: names of one file are copies; the next run begins at the start
    kept = rc == 1 and (b"hard links" in err or b"other names" in err) or \
        rc == 0 and (b"journal" in err or b"cannot be resumed" in err)
    if rc not in expects(case, account.get("fired")) and not kept:
        return [f"exit {rc}"]
    asked = case.call == "syncfs" and case.n == 1  # of no descriptor: is it to be had?
    if rc == 0 and account.get("fired") and case.call in FLUSHES and config.shape != "resume" and not asked and \
            CLASS.get(case.code) != "refused":
        wrong.append("exit 0, though a flush failed")
    may_be_part = config.shape in ("tree", "out") or config.name == "inplace" or rc == 3
    if rc == 0 and state != "new":
        wrong.append(f"exit 0, but the destination is {state}")
    elif state not in ("new", before) and not (may_be_part and (state == "part" or rc == 3 or config.shape != "tree")):
        wrong.append(f"the destination is {state}")
    elif rc not in (0, 3) and state == "new" and case.call not in LATE and not may_be_part and \
            b": cannot keep its" not in err:
        wrong.append(f"exit {rc}, but the new file is there")
    if rc > 0 and not names_the_matter(case, err.decode(errors="replace")):
        wrong.append("the words do not name the end and the reason")
    if left and case.call != "unlinkat" and config.shape != "resume":
        wrong.append(f"left {left}")
    # told that 0, 1 or 2 is closed, it opens the null device: that one is no leak
    if account.get("fds") and (case.call, case.code) != ("fcntl", "EBADF"):
        wrong.append(f"{account['fds']} descriptors leaked")
    if account.get("threads"):
        wrong.append(f"{account['threads']} threads left")
    # a broken ring keeps what the kernel may still write to
    if account.get("buffers") and case.call not in RING_CALLS:
        wrong.append(f"{account['buffers']} buffers left")
    return wrong


def try_case(place, case):
    """Runs it. Did it fire, the exit status, the state, what is wrong, stderr."""
    place.prepare(case)
    result, out = place.copy(case, plan_of(case))
    state, left = place.state(case, out)
    wrong = judge(case, result, state, left)
    if case.config.shape == "resume" and not wrong:
        (rc, _, err), out = place.copy(case, "")
        after, left = place.state(case, out)
        left += [name for _, _, names in os.walk(place.server.state) for name in names]
        if rc != 0 or after != "new" or left:
            wrong.append(f"the next run: exit {rc}, {after}, left {left}: {err.decode(errors='replace').strip()}")
    return result[1].get("fired", 0), result[0], state, wrong, result[2].decode(errors="replace").strip()


# ---- workers

Unit = collections.namedtuple("Unit", "config replacing call code lasting count must")
work = {}


def worker_start(program, root, options):
    work.update(options, place=Place(program, root, os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def times_of(unit):
    """Which times of a call are tried; None is: until it does not come to it any more."""
    draw = random.Random(f"{work['seed']} {words_of(Case(*unit[:3], 0, *unit[3:5]))}")
    one_in = work["sample"]
    if unit.config.times == DRAWN and not work["complete"]:
        one_in *= DRAWN_ONE_IN
    last = unit.count
    if unit.config.times == FIRST and not work["complete"]:
        last = min(last, 1 if unit.lasting else 3)
    if unit.lasting and unit.call in RING_CALLS:
        last = 1
    if one_in == 1:
        # what it comes to before the fault does not depend on the fault: one number shows where the calls end
        return None if last == unit.count and unit.code == "EIO" else range(1, last + 1)
    return [n for n in range(1, last + 1) if draw.randrange(one_in) == 0 or n == unit.must]


def try_unit(unit):
    """All the times of one fault: (seconds, case, fired, status, state, what is wrong, stderr) of each; left out."""
    times = times_of(unit)
    results = []
    n = 0
    while times is None or n < len(times):
        case = Case(unit.config, unit.replacing, unit.call, n + 1 if times is None else times[n], unit.code,
                    unit.lasting)
        if time.monotonic() > work["deadline"]:
            return results, 1
        began = time.monotonic()
        fired, *rest = try_case(work["place"], case)
        results.append((time.monotonic() - began, words_of(case), fired, *rest))
        n += 1
        if times is None and (not fired or n > 2000):
            break
    return results, 0


# ---- the whole

def units_once_wrong(counted):
    cases = [case_of(words) for words in ONCE_WRONG.split()]
    return [Unit(*case[:3], case.code, case.lasting, case.n, case.n) for case in cases
            if counted["ring_setup"] or "uring" not in case.config.name]


def units_of(config, replacing, call, count):
    # Left out: data that is interrupted for ever, or a stream that is never ready, has no right end; a byte at a time
    # takes a million calls; a stream that says it has ended has ended; a ring that is busy for ever is given up after
    # seconds: once is enough.
    if call == "ring_opcode":
        plans = [("EINVAL", False)]
    elif call in ONLY_ENOMEM:
        plans = [("ENOMEM", False), ("ENOMEM", True)]
    elif call in RING_CALLS:
        plans = [(code, False) for code in RING_ERRNOS] + [(code, True) for code in ("EINVAL", "EAGAIN")
                                                              if code == "EINVAL" or config.name == "uring" and replacing]
    else:
        codes = config.codes + (SHORTS if call in MOVES and call != "write" else [])
        endless = ("EINTR", "EAGAIN") if config.shape in ("in", "out") else ("EINTR",)
        if config.shape == "in" and call in ("read", "ring_read", "splice"):
            codes = [code for code in codes if code != "s0"]
        lasting_codes = [code for code in (codes if config.times != FIRST else FEW)
                         if code != "s1" and (call not in MOVES or code not in endless)]
        plans = [(code, False) for code in codes] + [(code, True) for code in lasting_codes]
    return [Unit(config, replacing, call, code, lasting, count, 0) for code, lasting in plans]


def with_musts(units):
    """Of each kind of fault the first time of one is tried in any case."""
    seen = set()
    for i, unit in enumerate(units):
        kind = unit.call, CLASS.get(unit.code, "broken")
        units[i] = unit._replace(must=int(kind not in seen))
        seen.add(kind)


def baseline(place, configs, counted):
    """What each configuration calls without any fault: units, and what is wrong."""
    units, wrong = [], []
    for config in configs:
        for replacing in (True, False):
            if config.shape == "out" and replacing:
                continue
            case = Case(config, replacing, "", 0, "", False)
            place.prepare(case)
            (rc, account, err), out = place.copy(case, "")
            state, left = place.state(case, out)
            if "uring" in config.name and rc == 2:
                print(f"{config.name} is left out: {err.decode(errors='replace').strip()}")
                continue
            if rc != 0 or state != "new" or left or any(account.get(key) for key in LEAKS):
                wrong.append(f"{config.name} without any fault: status {rc}, {state}, {left}, {account} {err}")
                continue
            for call in sorted(account.keys() - ACCOUNT):
                counted[call] += account[call]
                if config.name in LIKE_OTHERS and not replacing and call not in MOVES and call[:5] != "ring_":
                    continue
                units += units_of(config, replacing, call, account[call])
    return units, wrong


def table(struck):
    """How often each kind of fault has struck."""
    classes = [*CLASSES, "broken"]
    print(f"{'':17}" + "".join(f"{name:>12}" for name in classes))
    for call in sorted({call for call, _ in struck}):
        print(f"{call:17}" + "".join(f"{struck[call, name] or '-':>12}" for name in classes))


def never(struck, outcomes, counted):
    """What should have been seen and was not."""
    rings = EXPECTED_OF_RINGS if counted["ring_setup"] else set()
    missing = [f"{call} was never hit: is it still used, is it still wrapped?"
               for call in sorted((EXPECTED | rings) - {call for call, n in counted.items() if n})]
    for call in sorted(call for call, n in counted.items() if n and call not in ONLY_ENOMEM | {"ring_opcode"}):
        for name in [*CLASSES, "broken"]:
            wanted = name != "short" or call in MOVES - {"write"}
            if wanted and not struck[call, name]:
                missing.append(f"no fault of the kind {name} has struck {call}")
    for outcome in ("0 new", "1 old", "1 absent", "5 old", "5 absent", "2 absent", "1 new", "1 part", "5 part", "3 "):
        if not any(key.startswith(outcome) for key in outcomes):
            missing.append(f"no run ended as {outcome}")
    return missing


def replay(program, root, words):
    place = Place(program, root, 0)
    case = case_of(words)
    fired, rc, state, wrong, err = try_case(place, case)
    place.server.close()
    print(f"{words}: zcopy {' '.join(case.config.options)} with ZC_FAULT={plan_of(case)}\n"
          f"{'struck' if fired else 'did not strike'}; exit {rc}; the destination is {state}\n{err}\n"
          f"{'; '.join(wrong) or 'nothing is wrong'}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=750)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--complete", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--replay")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = tempfile.mkdtemp(prefix="zc-fault.", dir=base)
    try:
        if args.replay:
            sys.exit(replay(program, root, args.replay))
        sys.exit(1 if whole(program, root, args) else 0)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def whole(program, root, args):
    """All of it; how much was wrong."""
    counted, struck, outcomes = collections.Counter(), collections.Counter(), collections.Counter()
    began = time.monotonic()
    place = Place(program, root, "baseline")
    units, wrong = baseline(place, CONFIGS, counted)
    place.server.close()
    units = [unit for unit in units if args.only in unit.config.name or args.only in unit.call]
    random.Random(args.seed).shuffle(units)
    with_musts(units)
    if not args.only:
        units = units_once_wrong(counted) + units
    options = {"seed": args.seed, "sample": args.sample, "complete": args.complete,
               "deadline": began + args.seconds}
    tried = skipped = 0
    by_config, slowest = collections.Counter(), []
    with multiprocessing.Pool(args.jobs, worker_start, (program, root, options)) as pool:
        for results, lost in pool.imap_unordered(try_unit, units, chunksize=4):
            skipped += lost
            for seconds, words, fired, rc, state, what, err in results:
                case = case_of(words)
                slowest = sorted(slowest + [(seconds, words)])[-5:]
                tried += 1
                by_config[case.config.name] += 1
                struck[case.call, CLASS.get(case.code, "broken")] += fired
                outcomes[f"{rc} {state if ' ' not in state else 'mix'}"] += fired
                if what:
                    wrong.append(f"{words}: {'; '.join(what)}\n     | {err[:200]}\n"
                                 f"     | {sys.argv[0]} {args.program} --replay={words}")
    table(struck)
    print("outcomes:", ", ".join(f"{key} {n}" for key, n in sorted(outcomes.items())))
    print("cases:", ", ".join(f"{key} {n}" for key, n in by_config.items()))
    print("slowest:", ", ".join(f"{words} {seconds:.1f} s" for seconds, words in reversed(slowest)))
    if not args.only and args.sample == 1:
        wrong += never(struck, outcomes, counted)
    if skipped:
        wrong.append(f"{skipped} faults did not fit into {args.seconds} s")
    for words in wrong[:60]:
        print("FAIL", words)
    print(f"{tried} runs, {sum(struck.values())} struck, {time.monotonic() - began:.0f} s, {len(wrong)} failures")
    return len(wrong)


if __name__ == "__main__":
    main()
