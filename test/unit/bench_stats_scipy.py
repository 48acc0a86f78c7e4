#!/usr/bin/env python3
"""bench_stats_scipy.py PROGRAM [CASES]: random cases, answered by PROGRAM and by scipy: the same to 1e-9."""
import os
import random
import subprocess
import sys
import warnings

try:
    import numpy as np
    from scipy import stats
except ImportError:
    system = "/usr/bin/python3"  # another python may come first in PATH
    if os.path.realpath(sys.executable) != os.path.realpath(system) and os.access(system, os.X_OK):
        os.execv(system, [system] + sys.argv)
    print("SKIP unit.bench_stats_scipy: no scipy here")
    sys.exit(77)

warnings.filterwarnings("ignore", "Precision loss")  # values that are all but alike
SEED = 20240607
draw = random.Random(SEED)


def times(count, ties):
    middle = draw.choice([1e-6, 0.3, 1.0, 250.0])
    spread = draw.choice([0.001, 0.02, 0.5])
    shift = 1 + draw.choice([0, 0, 0.01, 0.5]) * spread
    values = [middle * shift * np.exp(spread * draw.gauss(0, 1)) for _ in range(count)]
    return [float(f"{v:.2g}") for v in values] if ties else values


def interval(mean, error, freedom):
    reach = stats.t.ppf(0.975, freedom) * error
    return [np.exp(mean), np.exp(mean - reach), np.exp(mean + reach)]


def welch(a, b):
    x, y = np.log(a), np.log(b)
    u, v = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    if not u + v > 0:
        return None
    freedom = (u + v) ** 2 / (u * u / (len(x) - 1) + v * v / (len(y) - 1))
    return interval(x.mean() - y.mean(), np.sqrt(u + v), freedom) + [stats.ttest_ind(x, y, equal_var=False).pvalue]


def paired(a, b):
    off = np.log(np.array(a) / np.array(b))
    error = off.std(ddof=1) / np.sqrt(len(off))
    return interval(off.mean(), error, len(off) - 1) + [stats.ttest_1samp(off, 0).pvalue] if error > 0 else None


def mann_whitney(a, b):
    tied = len(set(a + b)) < len(a + b)
    if max(len(a), len(b)) > 20:
        return [stats.mannwhitneyu(a, b, method="asymptotic").pvalue] if len(set(a + b)) > 1 else None
    if not tied:
        return [stats.mannwhitneyu(a, b, method="exact").pvalue]
    ranks = np.round(2 * stats.rankdata(a + b)).astype(int)
    seen = ranks[: len(a)].sum()
    ways = [{0: 1}] + [{} for _ in a]
    for rank in ranks:  # scipy has no exact distribution of ties
        for k in range(len(a), 0, -1):
            for total, count in ways[k - 1].items():
                ways[k][total + rank] = ways[k].get(total + rank, 0) + count
    counts = ways[-1].items()
    tails = sum(n for s, n in counts if s <= seen), sum(n for s, n in counts if s >= seen)
    return [min(1, 2 * min(tails) / sum(ways[-1].values()))]


def sign_flip(a, _):
    signs = (np.arange(2 ** len(a))[:, None] >> np.arange(len(a))) & 1
    sums = np.abs((1 - 2 * signs) @ np.array(a))
    return [np.mean(sums >= abs(sum(a)) * (1 - 1e-12))]


def quantiles(a, _):
    n, s = len(a), sorted(a)
    k = int(stats.binom.ppf(0.025, n, 0.5))
    k -= stats.binom.cdf(k, n, 0.5) > 0.025
    ends = [s[k], s[n - 1 - k]] if k >= 0 else [np.nan, np.nan]
    return [np.percentile(s, 25), np.median(s)] + ends


def student(a, b):
    return [2 * stats.t.sf(abs(a[0]), a[1]), b[0]]


def case(kind):
    ties = draw.random() < 0.3
    if kind == "m" and ties:
        return times(draw.randint(2, 12), True), times(draw.randint(2, 12), True)
    if kind == "m":
        most = draw.choice([8, 20, 60])
        return times(draw.randint(1, most), False), times(draw.randint(1, most), False)
    if kind == "s":
        return [v - draw.choice([0.3, 1.0]) for v in times(draw.randint(1, 12), ties)], []
    if kind == "q":
        return times(draw.randint(1, 200), ties), []
    if kind == "t":
        return [draw.gauss(0, 1) * 10 ** draw.randint(-3, 2), draw.uniform(1, 60)], [10 ** draw.uniform(-6, -0.01)]
    count = draw.randint(2, 40)
    return times(count, ties), times(count if kind == "p" else draw.randint(2, 40), ties)


JUDGES = {"w": welch, "p": paired, "m": mann_whitney, "s": sign_flip, "q": quantiles, "t": student}


def main():
    cases = [(k, *case(k)) for i in range(int((sys.argv + ["1500"])[2])) for k in "wpmsqt"[i % 6]]
    lines = [f"{k} {len(a)} {' '.join(map(repr, a))} {len(b)} {' '.join(map(repr, b))}\n" for k, a, b in cases]
    told = subprocess.run([sys.argv[1], "cases"], input="".join(lines), capture_output=True, text=True, check=True)
    answers = told.stdout.splitlines()
    judged = wrong = 0
    for (kind, a, b), line, answer in zip(cases, lines, answers, strict=True):
        want = JUDGES[kind](a, b)
        if want is None:
            continue
        judged += 1
        got = [float(v) for v in answer.split()]
        if kind == "t":  # scipy's own inverse is good to 1e-8 only; what it leaves out shows ours
            got[1] = 2 * stats.t.sf(got[1], a[1])
        if not np.allclose(got, want, rtol=1e-9, atol=1e-12, equal_nan=True):
            wrong += 1
            print(f"{line}  says {answer}, scipy {want}")
    print(f"{judged} cases judged, {wrong} wrong (seed {SEED})")
    return 1 if wrong or judged < len(cases) * 0.9 else 0


sys.exit(main())
