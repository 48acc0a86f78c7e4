"""What a power cut may leave of a disk: everything up to its last flush, and of what was written since then any part.

Several cases are copied on a disk that logs (logdisk.c); marks in the log tell when each began and ended. Every state
made from the log is mounted, each case judged by how far it had come, one of them run again, and the file system
checked."""
import collections
import os
import random
import signal
import struct
import subprocess
import time

import disk
from cases import BEFORE, CASES, DONE, RUNNING
from copying import finish, rerun, start

FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
SLICES = 3  # a log has so much of the cases
ROUND = 17  # states of one log
HEAD = struct.Struct("=QQQ")
Record = collections.namedtuple("Record", "kind at data")


def jobs(args):
    left, seed = args.points, args.seed
    while left > 0:
        for fs in args.file_systems:
            yield args, seed, fs
            left -= ROUND
        seed += 1


def chosen(args, seed, fs):
    """In the order they are copied in; all cases within SLICES seeds. One of those that promise most comes last: nobody
    flushes for it afterwards."""
    cases = [case for case in CASES if not case.in_place and args.case in (None, case.name)]
    if args.lie:
        return [case for case in cases if case.level == "full"]
    random.Random(f"{seed // SLICES} {fs}").shuffle(cases)
    cases = cases[seed % SLICES::SLICES] if len(cases) > SLICES else cases
    full = [case for case in cases if case.level == "full"][:1]
    return [case for case in cases if case not in full] + full


def dirs(case, place, at):
    inside = os.path.join(at, case.name)
    return (inside if case.inside else os.path.join(place, case.name)) + "/src", inside + "/dst"


class LogDisk:
    """A file of the host as a disk that logs."""

    def __init__(self, args, image, log, at):
        os.makedirs(at)
        self.at = at
        self.process = subprocess.Popen([args.programs + "/crash/logdisk", image, log, at])
        while not os.path.exists(at + "/disk"):
            if self.process.poll() is not None:
                raise disk.Failed("no FUSE here")
            time.sleep(0.01)

    def mark(self, text):
        with open(self.at + "/mark", "wb", buffering=0) as file:
            file.write(text.encode())

    def close(self):
        disk.unmount(self.at)
        self.process.wait()


def copy_one(args, case, src, dst, at, draw, logger):
    """Runs it; at some step everything that is dirty is written, as happens at any time."""
    first, last = (1, 400) if case.tree else case.large or (1, 60)
    env = {"LD_PRELOAD": args.programs + "/crash/liar.so", "ZC_LIE": args.lie} if args.lie else None
    logger.mark(f"begin {case.name}")
    process = start(args.program, case, src, dst, f"any:{draw.randrange(first, last)}:!{int(signal.SIGSTOP)}", env=env)
    waited = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if waited.si_code == os.CLD_STOPPED:
        if (case.large or draw.random() < 0.5) and not args.lie:
            disk.sync(at)
        process.send_signal(signal.SIGCONT)
    code, said = finish(process)
    if code == 2 and "--engine=uring" in case.options:
        return
    if code != 0:
        raise RuntimeError(f"{case.name}: status {code}: {said}")
    logger.mark(f"end {case.name}")


def record(args, cases, draw, seed, fs, place, options):
    """Leaves place/base and returns the log."""
    image, at = place + "/disk", place + "/mnt"
    disk.make(fs, image)
    mount = disk.Mount(fs, image, at)
    for case in cases:
        src, dst = dirs(case, place, at)
        case.make_source(seed, src)
        case.make_old(seed, dst)
    mount.close()
    disk.copy(image, place + "/base")
    logger = LogDisk(args, image, place + "/log", place + "/logdisk")
    try:
        mount = disk.Mount(fs, place + "/logdisk/disk", at, options, True)
        try:
            for case in cases:
                copy_one(args, case, *dirs(case, place, at), at, draw, logger)
            logger.mark("cut off")
            disk.sync(at)
            logger.mark("over")
        finally:
            mount.close()
    finally:
        logger.close()
    return read_log(place + "/log")


def read_log(path):
    """Up to the mark "over": what unmounting writes is of no interest."""
    records = []
    with open(path, "rb") as file:
        while True:
            head = file.read(HEAD.size)
            if not head:
                return records
            kind, at, size = HEAD.unpack(head)
            records.append(Record(chr(kind), at, file.read(size)))
            if records[-1] == Record("M", 0, b"over"):
                return records


class State:
    """A cut behind records[:end]; of the writes since the last flush before it, those for which keep(write) is true,
    or only the sectors that keep picks."""

    def __init__(self, kind, end, parts):
        self.kind, self.end, self.parts = kind, end, parts

    def build(self, records, base, image):
        disk.copy(base, image)
        flushed = last_flush(records, self.end)
        with open(image, "r+b") as file:
            for number, record in enumerate(records[:self.end]):
                if record.kind == "W":
                    for first, last in [(0, len(record.data))] if number < flushed else self.parts.get(number, ()):
                        file.seek(record.at + first)
                        file.write(record.data[first:last])


def last_flush(records, end):
    return max((number for number in range(end) if records[number].kind == "F"), default=0)


def open_writes(records, end):
    return [number for number in range(last_flush(records, end), end) if records[number].kind == "W"]


def whole(records, numbers):
    return {number: [(0, len(records[number].data))] for number in numbers}


def torn(records, numbers, sector, draw):
    """Some sectors of some."""
    parts = {}
    for number in numbers:
        size = len(records[number].data)
        if draw.random() < 0.5:
            parts[number] = [(at, at + sector) for at in range(0, size, sector) if draw.random() < 0.5]
        elif draw.random() < 0.5:
            parts[number] = [(0, size)]
    return parts


def states(records, fs, draw):
    """At flushes, just behind marks with nothing that was not flushed, and with parts of what was not."""
    flushes = [number + 1 for number, record in enumerate(records) if record.kind == "F"]
    marks = [number + 1 for number, record in enumerate(records) if record.kind == "M"]
    unflushed = [end for end in range(1, len(records) + 1) if open_writes(records, end)]
    found = [State("at a flush", end, {}) for end in sorted(draw.sample(flushes, min(len(flushes), ROUND // 4)))]
    found += [State("at a mark", end, {}) for end in draw.sample(marks, min(len(marks), ROUND // 5))]
    while len(found) < ROUND:
        end = draw.choice(unflushed)
        numbers = open_writes(records, end)
        kind = draw.choice(("all unflushed", "some unflushed", "torn", "torn"))
        if kind == "all unflushed":
            parts = whole(records, numbers)
        elif kind == "some unflushed":
            share = draw.choice((0.1, 0.5, 0.9))
            parts = whole(records, [number for number in numbers if draw.random() < share])
        else:
            parts = torn(records, numbers, disk.KINDS[fs].sector, draw)
        found.append(State(kind, end, parts))
    return found


def progress(records, end, case):
    marks = {record.data.decode() for record in records[:end] if record.kind == "M"}
    return DONE if f"end {case.name}" in marks else RUNNING if f"begin {case.name}" in marks else BEFORE


def look(args, cases, records, state, fs, place, draw, counts):
    """What is wrong in a state."""
    image, at = place + "/image", place + "/mnt"
    state.build(records, place + "/base", image)
    try:
        mount = disk.Mount(fs, image, at)
    except disk.Failed as error:
        return [f"cannot be mounted: {error}"]
    wrong = []
    try:
        for case in cases:
            wrong += case.judge(dirs(case, place, at)[1], progress(records, state.end, case), True)
        started = [case for case in cases if progress(records, state.end, case) != BEFORE]
        again = [case for case in started if progress(records, state.end, case) == RUNNING] or started or cases
        case = draw.choice(again)
        wrong += rerun(args.program, case, *dirs(case, place, at), counts, f"replay {fs}", True)
    finally:
        mount.close()
    says = disk.check(fs, image)
    return wrong + ([says] if says else [])


def work(job, place):
    args, seed, fs = job
    counts, failures = collections.Counter(), []
    draw = random.Random(f"{seed} {fs}")
    cases = chosen(args, seed, fs)
    options = draw.choice(disk.KINDS[fs].options)
    records = record(args, cases, draw, seed, fs, place, options)
    counts[f"replay {fs}: writes"] = sum(record.kind == "W" for record in records)
    counts[f"replay {fs}: flushes"] = sum(record.kind == "F" for record in records)
    for number, state in enumerate(states(records, fs, draw), 1):
        if args.step not in (None, number):
            continue
        wrong = look(args, cases, records, state, fs, place, random.Random(f"{seed} {fs} {number}"), counts)
        counts[f"replay {fs}: states"] += 1
        counts[f"replay {fs}: {state.kind}"] += 1
        if args.lie:
            counts[f"replay {fs}: broken by the lie"] += bool(wrong)
            if wrong:
                break
        else:
            failures += [(f"{fs}, {state.kind}, {state.end} of {len(records)}: {text}",
                          f"replay --seed={seed} --fs={fs} --step={number}") for text in wrong]
    return counts, failures
