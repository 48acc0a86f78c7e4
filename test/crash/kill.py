"""kill -9 at the k-th step of zcopy-fault: every name is old or new, a rerun ends well and leaves nothing.

The answers of all three kinds have the same form: (counts, failures); a failure is (words, command)."""
import collections
import os
import random

from cases import CASES, DONE, RUNNING, remove
from copying import count_steps, finish, rerun, start

ROUND = 10  # points of a case with one seed


def jobs(args):
    """(seed, case, how many points); a point beyond those asked for completes the last round."""
    left, seed = args.points, args.seed
    while left > 0:
        for case in CASES:
            if args.case in (None, case.name):
                yield args, seed, case, args.step or 0
                left -= ROUND
        seed += 1


def one(program, seed, case, step, src, dst, counts):
    remove(dst)
    case.make_old(seed, dst)
    code, said = finish(start(program, case, src, dst, f"any:{step}:!9"))
    wrong = []
    if code == 0:
        counts["kill: had ended"] += 1
    elif code == -9:
        counts["kill: hit"] += 1
    else:
        wrong.append(f"{case.name}: status {code}: {said[:300]}")
    counts[f"kill {case.name}"] += 1
    wrong += case.judge(dst, DONE if code == 0 else RUNNING, False)
    if step % 3 == 0:  # and the next run, too
        finish(start(program, case, src, dst, f"any:{step * 2 // 3}:!9"))
        wrong += case.judge(dst, RUNNING, False)
        counts["kill: twice"] += 1
    return wrong + rerun(program, case, src, dst, counts, "kill")


def work(job, place):
    args, seed, case, only = job
    counts, failures = collections.Counter(), []
    src, dst = os.path.join(place, "src"), os.path.join(place, "dst")
    case.make_source(seed, src)
    case.make_old(seed, dst)
    steps = count_steps(args.program, case, src, dst)
    draw = random.Random(f"{seed} {case.name}")
    for number in range(ROUND if steps and not only else 0):
        step = 1 + int((number + draw.random()) * steps / ROUND)
        wrong = one(args.program, seed, case, step, src, dst, counts)
        failures += [(text, f"kill --seed={seed} --case={case.name} --step={step}") for text in wrong]
    if steps and only:
        failures += [(text, "") for text in one(args.program, seed, case, only, src, dst, counts)]
    return counts, failures
