"""A file system shut down at a step of zcopy-fault, as by a power cut that the journal sees: mounted again, checked,
compared with what the durability promises. The ioctl is xfs_io -c shutdown's; ext4 and XFS have it."""
import collections
import fcntl
import os
import random
import signal
import struct

import disk
from cases import BEFORE, CASES, DONE, RUNNING
from copying import count_steps, finish, rerun, start

FILE_SYSTEMS = ("ext4", "xfs")
GOINGDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
HOW = {"log": 1, "no log": 2}  # whether what its log has in memory still goes to the disk
NEVER = 1 << 30  # a step that no run has: after the end
WORDS = ("Input/output error", "Read-only file system", "Structure needs cleaning")


def chosen(args):
    return [case for case in CASES if not case.in_place and args.case in (None, case.name)]


def jobs(args):
    """(args, seed, fs): a point a case, and one more for those that promise the most."""
    left, seed = args.points, args.seed
    while left > 0:
        for fs in args.file_systems:
            yield args, seed, fs
            left -= sum(1 + (case.level == "full") for case in chosen(args))
        seed += 1


def dirs(case, place):
    at = os.path.join(place, "mnt", case.name)
    return (at if case.inside else os.path.join(place, case.name)) + "/src", at + "/dst"


def prepare(cases, seed, place, at):
    """The sources, those inside too, and the old destinations."""
    for case in cases:
        src, dst = dirs(case, place)
        case.make_source(seed, src)
        case.make_old(seed, dst)


def shut_down(at, how):
    fd = os.open(at, os.O_RDONLY)
    fcntl.ioctl(fd, GOINGDOWN, struct.pack("I", HOW[how]))
    os.close(fd)


def run_until(program, case, place, step, how):
    """Its status and words; the file system goes down at that step, or after the end."""
    process = start(program, case, *dirs(case, place), f"any:{step}:!{int(signal.SIGSTOP)}")
    waited = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if waited.si_code == os.CLD_STOPPED:
        shut_down(place + "/mnt", how)
        process.send_signal(signal.SIGCONT)
        return finish(process) + (True,)
    answer = finish(process)
    shut_down(place + "/mnt", how)
    return answer + (False,)


def one(args, cases, case, base, place, fs, step, how, counts):
    image, at = place + "/image", place + "/mnt"
    disk.copy(base, image)
    mount = disk.Mount(fs, image, at)
    try:
        code, said, stopped = run_until(args.program, case, place, step, how)
        wrong = []
        if code not in (0, 1) or (not stopped and code != 0):
            wrong.append(f"{case.name}: status {code}: {said[:300]}")
        elif code != 0 and not any(words in said for words in WORDS):
            wrong.append(f"{case.name}: no word of the error: {said[:300]}")
        counts[f"shutdown {fs}, {how}"] += 1
        counts[f"shutdown {fs}: " + ("at a step" if stopped else "after the end")] += 1
        counts[f"shutdown {fs}: exit {code}"] += 1
        mount.close()
        mount = disk.Mount(fs, image, at)
        for other in cases:
            state = BEFORE if other is not case else DONE if code == 0 else RUNNING
            wrong += other.judge(dirs(other, place)[1], state, True)
        wrong += rerun(args.program, case, *dirs(case, place), counts, f"shutdown {fs}", True)
    finally:
        mount.close()
    says = disk.check(fs, image)
    return wrong + ([says] if says else [])


def work(job, place):
    args, seed, fs = job
    counts, failures = collections.Counter(), []
    cases, base = chosen(args), place + "/base"
    disk.make(fs, base)
    mount = disk.Mount(fs, base, place + "/mnt")
    prepare(cases, seed, place, place + "/mnt")
    mount.close()
    disk.copy(base, place + "/image")
    mount = disk.Mount(fs, place + "/image", place + "/mnt")
    steps = {case.name: count_steps(args.program, case, *dirs(case, place)) for case in cases}
    mount.close()
    for case in cases:
        draw = random.Random(f"{seed} {fs} {case.name}")
        points = [(draw.randrange(1, steps[case.name] + 2), draw.choice(sorted(HOW)))]
        if case.level == "full":
            points.append((NEVER, "no log"))
        for step, how in points if steps[case.name] else ():
            wrong = one(args, cases, case, base, place, fs, step, how, counts)
            failures += [(f"{fs}: {text}", f"shutdown --seed={seed} --fs={fs} --case={case.name}") for text in wrong]
    return counts, failures
