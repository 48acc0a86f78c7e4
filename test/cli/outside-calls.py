#!/usr/bin/env python3
"""outside-calls.py ZCOPY: every system call of a run, whoever makes it, answered with an error by strace.

The program as it is installed, with its C library and liburing: what test/fault cannot wrap is met here. Of each call
that is made once the program is loaded, all fail, and the first, with each number. Whatever fails: exit 0 is the
new one, else the destination is the old one (a tree: each file old, new or not there), nothing is left, it ends."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

ERRNOS = ("ENOSYS", "EPERM", "EIO", "ENOMEM")
# the C library ends the program when these fail, or they are its end
FATAL = {"exit", "exit_group", "futex", "execve", "rt_sigreturn", "set_robust_list", "rseq"}
# the new file has its name when these fail; or they say so, and whoever reads that is told of an error
LATE = {"close", "unlinkat", "write", "fsync", "munmap", "fchmod", "fchown", "utimensat", "flistxattr", "fgetxattr",
        "fsetxattr", "fremovexattr"}
RUNS = {  # options, source
    "file": ([], "src"),
    "sync": (["--route=buffer", "--engine=sync", "--jobs=2", "--report=report"], "src"),
    "uring": (["--route=buffer", "--engine=uring"], "src"),
    "tree": (["-a", "-j2", "-T"], "tree"),
}


def content(path):
    """A file's bytes, or a tree's."""
    if os.path.isdir(path):
        return {os.path.relpath(os.path.join(where, name), path): content(os.path.join(where, name))
                for where, _, names in os.walk(path) for name in names}
    with open(path, "rb") as file:
        return file.read()


class Place:
    def __init__(self, number):
        self.dir = tempfile.mkdtemp(prefix=f"{number}.", dir=".")
        self.path = lambda name: os.path.join(self.dir, name)
        with open(self.path("src"), "wb") as file:
            file.write(os.urandom(300000))
        os.makedirs(self.path("tree/d"))
        for name in ("a", "b", "d/c"):
            shutil.copy(self.path("src"), self.path(f"tree/{name}"))
            os.truncate(self.path(f"tree/{name}"), 5000)
        os.link(self.path("tree/a"), self.path("tree/twin"))

    def run(self, zcopy, how, strace):
        """Exit status, what it said."""
        options, source = RUNS[how]
        if os.path.isdir(self.path("dst")):
            shutil.rmtree(self.path("dst"))
        for name in os.listdir(self.dir):
            if name not in ("src", "tree"):
                os.unlink(self.path(name))
        if source == "src":
            with open(self.path("dst"), "wb") as file:
                file.write(b"old")
        try:
            done = subprocess.run(["strace", "-f", "-qq", "-o", "log", *strace, zcopy, *options, source, "dst"],
                                  cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "hangs", b""
        return done.returncode, done.stderr

    def judge(self, how, call, rc):
        """What is wrong."""
        want = content(self.path(RUNS[how][1]))
        got = content(self.path("dst")) if os.path.lexists(self.path("dst")) else None
        left = [name for name in [*os.listdir(self.dir), *(got if isinstance(got, dict) else [])]
                if ".zcopy" in os.path.basename(name)]
        if rc == "hangs" or rc not in (0, 1, 2, 3):
            return f"exit {rc}"
        if rc == 0 and got != want:
            return "exit 0, and it is not the new one"
        if isinstance(want, dict):
            if any(data != want.get(name) for name, data in (got or {}).items() if name not in left):
                return "a file that is neither old nor new"
        elif got not in (b"old", want) or rc == 1 and got == want and call not in LATE:
            return f"exit {rc}, and the destination is " + ("new" if got == want else "a mix")
        if left and call not in ("unlinkat", "flock"):
            return f"left {left}"
        return None


def calls_of(place, zcopy, how):
    """Each system call once the program is loaded: how often it was made before that."""
    rc, said = place.run(zcopy, how, [])
    if rc == 2 and how == "uring":
        return {}
    if rc != 0 or place.judge(how, "", rc):
        sys.exit(f"{how} without any fault: exit {rc}: {said.decode()}")
    with open(place.path("log")) as file:
        names = [found[1] for found in (re.match(r"\d+ +(\w+)\(", line) for line in file) if found]
    start = names.index("fcntl")  # the first thing that main does
    return {call: names[:start].count(call) for call in dict.fromkeys(names[start:]) if call not in FATAL}


def main():
    zcopy = os.path.abspath(sys.argv[1])
    places = [Place(number) for number in range(2)]
    cases, known = [], set()
    for how in RUNS:
        calls = calls_of(places[0], zcopy, how)
        cases += [(how, call, code, f"{before + 1}{more}") for call, before in calls.items() if call not in known
                  for code in ERRNOS for more in ("", "+")]
        known |= set(calls)
    failed, ends = [], []

    def work(place, share):
        for how, call, code, when in share:
            rc, said = place.run(zcopy, how, ["-e", f"inject={call}:error={code}:when={when}"])
            wrong = place.judge(how, call, rc)
            ends.append(rc)
            if wrong:
                failed.append(f"{how}: {call} {code} when={when}: {wrong}: {said.decode(errors='replace')[:200]}")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda k: work(places[k], cases[k::2]), range(2)))
    if not 0.1 < ends.count(1) / len(ends) < 0.9:
        failed.append("nearly all runs ended alike: do the faults strike?")
    for line in failed:
        print("FAIL", line)
    print(f"{ends.count(0)} runs with status 0, {ends.count(1)} with 1, {len(known)} system calls: {' '.join(sorted(known))}")
    sys.exit(1 if failed else 0)


main()
