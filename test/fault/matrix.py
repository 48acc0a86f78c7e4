#!/usr/bin/env python3
"""matrix.py ZCOPY-FAULT: each libc call, each of its first three times, each errno, on a copy of 1 MiB.

Whatever fails: the destination is the old file or the whole new one; exit 0 is the new one; no space, quota
or size limit is 5; nothing is left behind; no descriptor and no thread is left. Prints how often each call was
hit, and fails when one that the product needs was never hit.

  --sample=N   every N-th case only (the same ones each time)      --only=CALL   one call
  --seconds=N  more cases are left out when the time is over: that fails, too
A failure prints the command that shows it again."""
import argparse
import concurrent.futures
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ERRNOS = ("EINTR EAGAIN ENOMEM ENOBUFS EIO ENOSPC EDQUOT EFBIG ECANCELED EFAULT EINVAL EOPNOTSUPP EBADF "
          "ESTALE ETIMEDOUT EUCLEAN EREMOTEIO EPIPE ECONNRESET ENOSYS EPERM EXDEV").split()
NO_SPACE = {"ENOSPC", "EDQUOT", "EFBIG"}
# calls that move bytes, by which a short or interrupted result is no failure at all
MOVES = {"pread", "pwrite", "read", "write", "copy_file_range", "sendfile", "splice"}
# calls on the new file: their "no space" is the disk's
GROWS = {"pwrite", "copy_file_range", "sendfile", "splice", "ftruncate", "fdatasync", "fsync", "linkat",
         "renameat", "renameat2"}
# calls that may fail after the new file has got its name: an error is said, the new file is there. And those
# for attributes: as with cp -p, a whole copy that lacks one gets its name, and the status tells
LATE = {"close", "fsync", "unlinkat", "write", "futimens", "utimensat", "fchown", "fchmod", "flistxattr",
        "fgetxattr", "fsetxattr", "fremovexattr"}
ONLY_ENOMEM = {"malloc", "calloc", "posix_memalign", "strdup"}
# without these a copy cannot be what the design says
EXPECTED = {"openat", "fstat", "fstatat", "close", "pread", "pwrite", "copy_file_range", "sendfile", "splice",
            "linkat", "fchmod", "fdatasync", "fsync", "mmap", "pthread_create", "ftruncate", "futimens",
            "fgetxattr", "ioctl"}
BUFFER = ["--route=buffer", "--block-size=64K"]
SIZE = 1 << 20

# name, options, source end, every errno?
CONFIGS = [
    ("auto", [], "file", True),
    ("full", ["-p", "--durability=full"], "file", False),
    ("cfr", ["--route=cfr"], "file", False),
    ("sendfile", ["--route=sendfile"], "file", False),
    ("splice", ["--route=splice"], "fifo", False),
    ("buffer", BUFFER + ["--engine=sync"], "file", True),
    ("threads", BUFFER + ["--engine=sync", "--pool=8M", "--jobs=2"], "file", False),
    ("uring", BUFFER + ["--engine=uring", "--pool=8M", "--queue-depth=4"], "file", False),
    ("inplace", ["--inplace"], "file", False),
]
FEW = "EINTR EAGAIN ENOMEM EIO ENOSPC EINVAL EOPNOTSUPP ENOSYS EPERM".split()


class Place:
    """A directory for one worker, with a source, and a destination that is made anew for each run."""

    def __init__(self, root, number):
        self.dir = os.path.join(root, str(number))
        os.mkdir(self.dir)
        self.new = os.urandom(SIZE)
        self.old = os.urandom(SIZE // 3)
        with open(os.path.join(self.dir, "src"), "wb") as file:
            file.write(self.new)

    def prepare(self, replacing):
        for name in os.listdir(self.dir):
            if name != "src":
                os.unlink(os.path.join(self.dir, name))
        if replacing:
            with open(os.path.join(self.dir, "dst"), "wb") as file:
                file.write(self.old)

    def state(self):
        """new, old, absent, or what else the destination is; and the temporaries."""
        left = [name for name in os.listdir(self.dir) if name.startswith(".zcopy")]
        try:
            with open(os.path.join(self.dir, "dst"), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return "absent", left
        if data == self.new:
            return "new", left
        return "old" if data == self.old else f"a mix of {len(data)} bytes", left


def run(program, place, config, replacing, fault):
    """One copy: exit status, the account of wrap.c as a dict, stderr."""
    place.prepare(replacing)
    log_read, log_write = os.pipe()
    env = dict(os.environ, ZC_FAULT_LOG=str(log_write))
    if fault:
        env["ZC_FAULT"] = fault
    src = "src" if config[2] == "file" else "-"
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    feeder = None
    if config[2] == "fifo":
        feeder = subprocess.Popen(["cat", "src"], cwd=place.dir, stdout=pipe, stderr=null)
    try:
        process = subprocess.Popen([program, *config[1], src, "dst"], cwd=place.dir, env=env,
                                   pass_fds=[log_write], stdin=feeder.stdout if feeder else null,
                                   stdout=null, stderr=pipe)
        os.close(log_write)
        if feeder:
            feeder.stdout.close()
        try:
            words = process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            words = process.communicate()[1]
            return "hangs", {}, words
        account = os.read(log_read, 65536).decode().split()
        return process.returncode, {k: int(v) for k, v in (pair.split("=") for pair in account)}, words
    finally:
        os.close(log_read)
        if feeder:
            feeder.kill()
            feeder.wait()


def judge(config, replacing, call, n, code, rc, account, state, left):
    """What is wrong with a run, as sentences."""
    wrong = []
    if rc == "hangs" or rc < 0 or rc > 9:
        return [f"status {rc}"]
    short = code.startswith("s")
    before = "old" if replacing else "absent"
    if config[0] == "inplace" and replacing:
        if rc == 0 and state != "new":
            wrong.append(f"exit 0, but the destination is {state}")
    elif state not in ("new", before):
        wrong.append(f"the destination is {state}")
    elif rc == 0 and state != "new":
        wrong.append(f"exit 0, but the destination is {state}")
    elif rc != 0 and state == "new" and call not in LATE:
        wrong.append(f"exit {rc}, but the new file is there")
    forced = any(option.startswith(("--route=", "--engine=")) for option in config[1])
    if rc not in (0, 1, 5) and not (forced and rc == 2):
        wrong.append(f"exit {rc}")
    reads = call == "splice" and n == 1  # the first one takes from the source
    if code in NO_SPACE and call in GROWS and rc not in (0, 5) and not reads:
        wrong.append(f"exit {rc}, not 5")
    if code not in NO_SPACE and rc == 5:
        wrong.append("exit 5 without any lack of space")
    if call in MOVES and (short or code == "EINTR") and call != "write" and rc != 0:
        wrong.append(f"exit {rc} for a {'short' if short else 'interrupted'} call")
    if left and call != "unlinkat":
        wrong.append(f"left {left}")
    # told that 0, 1 or 2 is closed, it opens the null device: that one is no leak
    if account.get("fds") and (call, code) != ("fcntl", "EBADF"):
        wrong.append(f"{account['fds']} descriptors leaked")
    if account.get("threads"):
        wrong.append(f"{account['threads']} threads left")
    return wrong


def cases(program, root):
    """Every (config, replacing, call, n, code), and how often each call was hit without any fault."""
    place = Place(root, "baseline")
    hits, plan = {}, []
    for config in CONFIGS:
        for replacing in (True, False):
            rc, account, words = run(program, place, config, replacing, None)
            state, left = place.state() if rc != "hangs" else ("hangs", [])
            if config[0] == "uring" and rc == 2:
                continue  # no ring on this host
            if rc != 0 or state != "new" or left or account.get("fds") or account.get("threads"):
                print(f"FAIL {config[0]} without any fault: status {rc}, {state}, {left}, {account}")
                print(words.decode(errors="replace"))
                plan.append(None)
                continue
            for call, count in account.items():
                if call in ("fired", "fds", "threads", "steps"):
                    continue
                hits[call] = hits.get(call, 0) + count
                for n in range(1, min(count, 3) + 1):
                    codes = ["ENOMEM"] if call in ONLY_ENOMEM else ERRNOS if config[3] else FEW
                    plan += [(config, replacing, call, n, code, "") for code in codes]
                    if call in MOVES and call != "write":
                        plan += [(config, replacing, call, n, short, "") for short in ("s1", "s511", "s4097")]
                    if n == 1 and call not in ONLY_ENOMEM:
                        lasting = ("EIO", "ENOSPC", "ENOSYS", "EPERM")
                        plan += [(config, replacing, call, n, code, "+") for code in lasting]
    return plan, hits


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=170)
    parser.add_argument("--only")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = tempfile.mkdtemp(prefix="zc-fault.", dir=base)
    deadline = time.monotonic() + args.seconds
    failed, tried, fired, late, skipped = [], {}, 0, 0, 0
    lock = threading.Lock()

    def work(place, share):
        nonlocal fired, late, skipped
        for config, replacing, call, n, code, more in share:
            if time.monotonic() > deadline:
                skipped += 1
                continue
            what = code if code.startswith("s") else str(getattr(errno, code))
            fault = f"{call}:{n}:{what}{more}"
            rc, account, words = run(program, place, config, replacing, fault)
            state, left = place.state()
            wrong = judge(config, replacing, call, n, code, rc, account, state, left)
            with lock:
                tried[call] = tried.get(call, 0) + 1
                fired += account.get("fired", 0)
                late += rc not in (0, "hangs") and state == "new"
                if wrong:
                    target = "replacing" if replacing else "new"
                    source = "src" if config[2] == "file" else "- <fifo"
                    said = words.decode(errors="replace").strip()[:200]
                    failed.append((call, f"{config[0]}: {call} no. {n} {code}{more}, {target}: "
                                   f"{'; '.join(wrong)}\n"
                                   f"     | {said}\n"
                                   f"     | ZC_FAULT={fault} zcopy-fault {' '.join(config[1])} {source} dst"))
    try:
        plan, hits = cases(program, root)
        broken = plan.count(None)
        plan = [case for case in plan if case and (not args.only or case[2] == args.only)][::args.sample]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda k: work(Place(root, k), plan[k::2]), range(2)))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for call in sorted(tried):
        bad = sum(name == call for name, _ in failed)
        print(f"{call:18} {hits[call]:4} hits, {tried[call]:4} faults, {bad:4} failures")
    for _, words in failed[:60]:
        print("FAIL", words)
    if len(failed) > 60:
        print(f"... and {len(failed) - 60} more failures")
    missing = sorted(EXPECTED - set(hits)) if not args.only else []
    for call in missing:
        print(f"FAIL {call} was never hit: is it still used, is it still wrapped?")
    if skipped:
        print(f"FAIL {skipped} cases did not fit into {args.seconds} s")
    print(f"{sum(tried.values())} faults, {fired} fired, {late} failed after the new file had its name, "
          f"{len(failed)} failures")
    sys.exit(1 if failed or missing or broken or skipped else 0)


main()
