#!/usr/bin/env python3
"""bench-check.py FILE [EXPRESSION]...: is FILE a zcopy.bench/1 that adds up, and are the EXPRESSIONs true?"""
import json
import math
import statistics
import sys

NEED = {"50": 20, "95": 200, "99": 1000, "99.9": 10000}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    assert text.count("\n") == 1, "more than one line"
    report = json.loads(text)
    assert report["schema"] == "zcopy.bench/1"
    facts, spec, runs, summary = (report[key] for key in ("facts", "spec", "runs", "summary"))
    compare = report["compare"]
    arms = list(dict.fromkeys(run["arm"] for run in runs if run["round"] == 0))
    size = spec.get("size_bytes", spec.get("requests"))
    assert facts["kernel"]["release"] and facts["cpu"]["count"] > 0 and facts["page"]["base"] >= 4096
    assert facts["clock"]["tick_ns"] > 0
    for i, run in enumerate(runs):  # A B, B A, A B ...
        count, turn = len(arms), i % len(arms)
        assert run["round"] == i // count and run["warm_up"] == (run["round"] == 0)
        assert run["arm"] == arms[turn if run["round"] % 2 == 0 else count - 1 - turn], "out of turn"
        assert run["wall_ns"] > 0 and size == run.get("bytes", run.get("requests"))
    starts = [run["start_ns"] for run in runs]
    assert starts == sorted(starts), "not in the order in which they were done"
    if report["complete"]:
        assert len(runs) == len(arms) * (spec["runs"] + 1)
    for one in summary:
        scale = 1e6 if one["metric"] == "Mreq_per_s" else 2.0**30
        values = sorted(size / scale / run["wall_ns"] * 1e9 for run in runs
                        if run["arm"] == one["arm"] and not run["warm_up"])
        assert one["n"] == len(values) and math.isclose(one["median"], statistics.median(values), rel_tol=1e-9)
        assert one["n"] > 5 or "ci95" not in one
        shares = [run["durable_ns"] / run["wall_ns"] for run in runs
                  if run["arm"] == one["arm"] and not run["warm_up"] and "durable_ns" in run]
        assert not shares or math.isclose(one.get("durable_share", 0), statistics.median(shares), rel_tol=1e-9)
        if one["n"] == 6:
            assert all(map(math.isclose, one["ci95"], (values[0], values[-1])))
        for stage in one.get("stages", {}).values():
            assert sum(count for _, count in stage["hist"]) == stage["count"]
            assert set(stage["pct"]) == {p for p, need in NEED.items() if stage["count"] >= need}
            assert all(value <= stage["max_ns"] for value in stage["pct"].values())
    for pair in compare:
        logs = [[math.log(1 / run["wall_ns"]) for run in runs if run["arm"] == pair[end] and not run["warm_up"]]
                for end in "ab"]
        assert math.isclose(math.log(pair["ratio"]), statistics.mean(logs[0]) - statistics.mean(logs[1]), abs_tol=1e-9)
        assert all(0 <= pair[p] <= 1 for p in ("p_welch", "p_mwu", "p_sign_flip"))
    if spec["work"] == "copy" and report["complete"]:
        alone = {one["arm"]: one["median"] for one in summary if one["arm"].endswith(" alone")}
        assert report["ceiling"]["GiB_per_s"] == min(alone.values()) == alone[report["ceiling"]["limit"]]
    names = {"report": report, "facts": facts, "spec": spec, "runs": runs, "summary": summary, "compare": compare,
             "arms": arms, "work": spec["work"], "complete": report["complete"]}
    for expression in sys.argv[2:]:
        assert eval(expression, names), f"{expression} is not true: {arms} {summary and summary[0]}"


main()
