#!/usr/bin/env python3
"""Runs each case of a case file twice, with two programs called cp, and compares what came of it.

    cp-diff.py [-j N] [-k WORD] GNU OURS FILE...     GNU, OURS: directories with a cp

A case is a line SETUP ;; SCRIPT, both for sh, in an empty directory (SETUP may be missing; what it can call is
in PRELUDE). Compared are the status of
SCRIPT, what it said on stdout and stderr, and everything that is in the directory afterwards: type, mode,
owner, contents, which names are one file, which files were there before, link targets, extended attributes,
and modification times except those of this run. Lines of a recursive copy may come in any order.

Indented lines behind a case:
    needs root|nobody|ns|acl|xattr|setcap...    else the case is skipped
    gnu SCRIPT              what GNU's cp is to do instead: an option that an older one has not yet
    status N WHY            the right status, where an older cp ends with another
    err SED WHY  out SED    what turns the older words into the right ones
    ours PART,... WHY       not compared: status, out, err, tree
WHY is from " # " on. Lines that begin with # are comments, with @ headings.
"""
import argparse
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

PRELUDE = r'''
umask 022
old() { touch -h -d "@1000000000" -- "$@"; }
ab() { echo one >a; echo twoo >b; old a; touch -d @1100000000 b; }
dirs() { mkdir d e; echo x >e/x; }
tree() {
	mkdir -p s/sub/deep s/empty
	echo f >s/f; echo g >s/sub/g; echo h >s/sub/deep/h; : >s/none
	echo linked >s/h1; ln s/h1 s/sub/h2; chmod 755 s/f; chmod 444 s/sub/g; chmod 750 s/sub
	ln -s f s/l; ln -s nothere s/dangling; ln -s sub s/ld; mkfifo s/p
	find s -exec touch -h -d @1000000000 {} +
}
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"; }
'''
RECURSIVE = re.compile(r"\bcp\b.*\s(-[a-zA-Z]*[rRa]|--recursive|--archive)")
UNTOUCHED = "was "


class Case:
    def __init__(self, line, number):
        self.number = number
        setup, sep, script = line.partition(" ;; ")
        self.setup, self.script = (setup, script) if sep else ("", line)
        self.gnu = None
        self.needs = []
        self.status = None
        self.sed = {}
        self.ours = set()


def parse(path):
    cases = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line[0] in "#@":
                continue
            if line[0] not in " \t":
                cases.append(Case(line, number))
                continue
            key, _, rest = line.strip().partition(" ")
            value = rest.split(" # ")[0].strip()
            case = cases[-1]
            if key == "gnu":
                case.gnu = value
            elif key == "needs":
                case.needs += value.split()
            elif key == "status":
                case.status = int(value)
            elif key in ("err", "out"):
                case.sed[key] = value
            elif key == "ours":
                case.ours.update(value.split(","))
            else:
                sys.exit(f"{path}:{number}: {key}?")
    return cases


def walk(top):
    """Every path below top, the deepest last, links not followed."""
    stack = [(b".", os.lstat(top))]
    while stack:
        path, st = stack.pop()
        yield path, st
        if stat.S_ISDIR(st.st_mode):
            with os.scandir(os.path.join(os.fsencode(top), path)) as entries:
                for entry in sorted(entries, key=lambda e: e.name, reverse=True):
                    stack.append((os.path.join(path, entry.name), entry.stat(follow_symlinks=False)))


def attributes(path):
    found = []
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            value = os.getxattr(path, name, follow_symlinks=False)
            found.append(f"{name}={value.hex()}")
    except OSError:
        pass
    return ",".join(found)


def dump(top, before, started):
    """Lines that say what is there. before: (dev, ino) to the name it had."""
    names = {}
    lines = []
    for path, st in walk(top):
        full = os.path.join(os.fsencode(top), path)
        key = (st.st_dev, st.st_ino)
        kind = stat.filemode(st.st_mode)[0]
        words = [kind, f"{stat.S_IMODE(st.st_mode):o}", f"{st.st_uid}:{st.st_gid}"]
        if kind == "-":
            digest = hashlib.sha1()
            with open(full, "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
            words.append(f"{st.st_size} {digest.hexdigest()[:8]}")
        elif kind == "l":
            words.append(repr(os.readlink(full)))
        elif kind in "bc":
            words.append(f"dev {os.major(st.st_rdev)},{os.minor(st.st_rdev)}")
        if kind != "d":
            words.append(f"is {names.setdefault(key, path)!r}")
        words.append(UNTOUCHED + repr(before[key]) if key in before else "new")
        words.append("now" if st.st_mtime >= started else f"at {st.st_mtime_ns}")
        words.append(attributes(full))
        lines.append(f"{path!r}: " + " ".join(words).rstrip())
    return lines


def clean(top):
    try:
        shutil.rmtree(top)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", top], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", top], stderr=subprocess.DEVNULL, check=False)


def run(base, bin_dir, case, script):
    """What came of it: status, out, err, tree."""
    top = os.path.join(base, "dir")
    os.mkdir(top)
    env = {"PATH": bin_dir + ":" + os.environ["PATH"], "LC_ALL": "C", "TMPDIR": "/tmp", "BIN": bin_dir}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    held = []
    setup = subprocess.run(["sh", "-c", PRELUDE + case.setup], cwd=top, env=env, stdin=subprocess.DEVNULL,
                           capture_output=True, check=False, timeout=60)
    before = {}
    for path, st in walk(top):
        before.setdefault((st.st_dev, st.st_ino), path)
        # a held file's number is not given to another one
        held.append(os.open(os.path.join(os.fsencode(top), path), os.O_PATH | os.O_NOFOLLOW))
    started = time.time() - 3600
    result = {"status": "timed out", "out": [], "err": [], "setup": setup.stderr.decode(errors="replace")}
    try:
        done = subprocess.run(["sh", "-c", PRELUDE + script], cwd=top, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=60)
        result["status"] = done.returncode
        for part, text in (("out", done.stdout), ("err", done.stderr)):
            text = text.replace(os.fsencode(bin_dir) + b"/cp:", b"cp:").replace(os.fsencode(top), b"TOP")
            result[part] = text.decode(errors="backslashreplace").splitlines()
    except subprocess.TimeoutExpired:
        pass
    result["tree"] = dump(top, before, started)
    for fd in held:
        os.close(fd)
    clean(top)
    return result


def sed(script, lines):
    done = subprocess.run(["sed", "-E", script], input="\n".join(lines) + ("\n" if lines else ""), text=True,
                          capture_output=True, check=True)
    return done.stdout.splitlines()


def compare(case, gnu, ours):
    wrong = []
    for part, program in case.sed.items():
        gnu[part] = sed(program, gnu[part])
    if case.status is not None:
        gnu["status"] = case.status
    recursive = RECURSIVE.search(case.script)
    for part in ("status", "out", "err", "tree"):
        left, right = gnu[part], ours[part]
        if part in case.ours or left == right:
            continue
        if part in ("out", "err") and recursive and sorted(left) == sorted(right):
            continue
        if part == "status":
            wrong.append(f"status {right}, not {left}")
        else:
            wrong += [f"{part} -{x}" for x in left if x not in right]
            wrong += [f"{part} +{x}" for x in right if x not in left]
            if sorted(left) == sorted(right):
                wrong.append(f"{part}: order {right}, not {left}")
    if gnu["setup"]:
        wrong.append("setup: " + gnu["setup"])
    return wrong


def have():
    """What can be tried here."""
    found = set()
    if os.geteuid() == 0:
        found.add("root")
        if shutil.which("setpriv"):
            found.add("nobody")
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "x", "/mnt"], check=False,
                          capture_output=True).returncode == 0:
            found.add("ns")
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.setxattr(file.name, "user.x", b"1")
            found.add("xattr")
            if shutil.which("setfacl") and subprocess.run(["setfacl", "-m", "u:1:r", file.name], check=False,
                                                          capture_output=True).returncode == 0:
                found.add("acl")
        except OSError:
            pass
    if shutil.which("setcap"):
        found.add("setcap")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("-k", default="")
    parser.add_argument("gnu")
    parser.add_argument("ours")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    base = tempfile.mkdtemp(prefix="zc-cp-")
    os.chmod(base, 0o755)
    possible = have()
    counts = {"run": 0, "failed": 0, "skipped": 0}

    def one(job):
        path, number, case = job
        if not possible.issuperset(case.needs):
            return path, case, None
        # the two have the same paths one after the other: messages may name them
        at = os.path.join(base, str(number))
        os.mkdir(at)
        try:
            gnu = run(at, args.gnu, case, case.gnu or case.script)
            ours = run(at, args.ours, case, case.script)
        finally:
            clean(at)
        return path, case, compare(case, gnu, ours)

    jobs = [(p, c) for p in args.files for c in parse(p) if args.k in c.setup + " ;; " + c.script]
    jobs = [(p, n, c) for n, (p, c) in enumerate(jobs)]
    try:
        with ThreadPoolExecutor(args.j) as pool:
            for path, case, wrong in pool.map(one, jobs):
                name = os.path.basename(path)
                if wrong is None:
                    counts["skipped"] += 1
                    print(f"SKIP {name}:{case.number}: needs {' '.join(case.needs)}")
                    continue
                counts["run"] += 1
                if wrong:
                    counts["failed"] += 1
                    print(f"FAIL {name}:{case.number}: {case.setup} ;; {case.script}")
                    for line in wrong[:12]:
                        print("     |", line)
    finally:
        clean(base)
    print(f"{counts['run']} cases alike or not, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0 if counts["run"] else 77


if __name__ == "__main__":
    sys.exit(main())
