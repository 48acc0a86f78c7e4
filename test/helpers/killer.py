#!/usr/bin/env python3
"""killer.py SIGNAL KILLS SECONDS ORACLE COMMAND HOW...

Kills COMMAND (words) while it copies src/. to dst, at KILLS random instants or as many as fit into SECONDS, and looks
at dst: every file is whole, the one of src or of old. After a signal that can be handled it has ended within
PATIENCE_MS (a minute) and nothing else lies about; after SIGKILL a rerun ends well and leaves nothing. Every few times the
rerun is compared with src by ORACLE, a program. HOW is OPTIONS:new for an empty dst, or OPTIONS:old for a copy of old.

One line a thing that is wrong, then one line of figures. SEED, another number, gives other instants."""
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time

number, kills, seconds = (int(word) for word in sys.argv[1:4])
oracle, command, hows = sys.argv[4], shlex.split(sys.argv[5]), sys.argv[6:]
draw = random.Random(int(os.environ.get("SEED", "1")))
patience = int(os.environ.get("PATIENCE_MS", "60000")) / 1000
STEP = 4  # of so many reruns one is judged by the oracle


def wrong(how, what):
    print(f"{how}: {what}")


def remove(top):
    for where, _, _ in os.walk(top):
        os.chmod(where, 0o700)
    shutil.rmtree(top, ignore_errors=True)


def prepare(kind):
    remove("dst")
    if kind == "new":
        os.mkdir("dst")
    else:
        subprocess.run(["cp", "-a", "old", "dst"], check=True)


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def look(how):
    """What lies about in dst; says which file is not whole."""
    left = []
    for where, dirs, names in os.walk("dst"):
        os.chmod(where, 0o700)
        left += [name for name in names + dirs if name.startswith(".zcopy-")]
        for name in names:
            path = os.path.join(where, name)
            if os.path.islink(path) or not os.path.isfile(path) or name.startswith(".zcopy-"):
                continue
            have = content(path)
            if have not in (content("src" + path[3:]), content("old" + path[3:])):
                wrong(how, f"{path} is neither old nor new: {len(have)} bytes")
    return left


def start(options):
    return subprocess.Popen(command + options + ["src/.", "dst"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (2, 15)])


def run(how, options):
    """To its end, which must be a good one. Seconds."""
    begun = time.monotonic()
    child = start(options)
    try:
        _, said = child.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        child.kill()
        wrong(how, "does not end")
        return 60
    if child.returncode:
        wrong(how, f"exit {child.returncode}: {said.decode(errors='replace')[:300]}")
    return time.monotonic() - begun


def kill(how, options, after):
    """Whether it was hit."""
    child = start(options)
    try:
        child.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        child.send_signal(number)
        sent = time.monotonic()
        try:
            child.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            wrong(how, f"has not ended 120 s after signal {number}")
            return True
        spans.append(time.monotonic() - sent)
        if spans[-1] > patience:
            wrong(how, f"ended {spans[-1]:.2f} s after signal {number}")
    if child.returncode not in (0, -number):
        wrong(how, f"exit {child.returncode}")
    return child.returncode == -number


def rerun(how, options, judged):
    run(how, options)
    if judged:
        told = subprocess.run([sys.executable, oracle, "src", "dst"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if told.returncode:
            wrong(how, "after a rerun: " + told.stdout.decode()[:400])
    left = look(how)
    if left:
        wrong(how, f"a rerun leaves {left[:3]} behind")


done = hit = 0
spans = [0.0]
begun = time.monotonic()
for index, how in enumerate(hows):
    options, kind = how.rsplit(":", 1)
    options = options.split()
    prepare(kind)
    span = run(how, options)
    while done < kills * (index + 1) // len(hows) and time.monotonic() < begun + seconds * (index + 1) / len(hows):
        prepare(kind)
        if kill(how, options, draw.uniform(0, span * 1.1)):
            hit += 1
        else:
            span *= 0.9  # it is quicker now than when it was measured
        done += 1
        left = look(how)
        if left and number != signal.SIGKILL:
            wrong(how, f"left behind: {left[:3]}")
        if number == signal.SIGKILL or done % STEP == 0:
            rerun(how, options, done % STEP == 0)
remove("dst")
print(f"signal {number}: {done} instants, {hit} hit, ended within {max(spans):.2f} s")
if hit * 4 < done:
    print("most had ended before")
