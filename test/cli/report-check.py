#!/usr/bin/env python3
"""report-check.py FILE [EXPRESSION]...: is FILE a zcopy.report/1 that adds up, and are the EXPRESSIONs true?

The schema is contract section 3, written down here a second time on purpose: a key that appears, vanishes or
changes its type is a change of the contract."""
import base64  # for expressions
import json
import sys

N, S, B, F = (int,), (str,), (bool,), (int, float)
ROUTE = {"files": N, "bytes": N}
SCHEMA = {
    "schema": S, "version": S, "ok": B, "exit_code": N,
    "bytes": {"logical": N, "data": N, "holes": N,
              "unread": N},  # what --on-read-error has left out
    "items": {"files": N, "directories": N, "symlinks": N, "hardlinks": N, "specials": N,
              "skipped": N, "failed": N, "links_cut": N},  # siblings of replaced files that keep the old one
    "seconds": {"total": F, "copy": F, "durable": F}, "cpu_seconds": {"user": F, "system": F},
    "peak_rss_bytes": N, "minor_faults": N,
    "routes": {name: ROUTE for name in ("reflink", "cfr", "sendfile", "splice", "buffer")},
    "engine": {"name": S, "block_bytes": N, "queue_depth": N, "lanes": N, "direct": B},
    "pool": {"bytes": N, "pages": S, "page_bytes": N, "nodes": [N], "leaked_buffers": N},
    "buffer": {"bytes": N, "peak_bytes": N, "full_seconds": F, "empty_seconds": F},  # --buffer
    "tees": [{"end": S, "end_b64": S, "ok": B, "bytes": N, "dropped": N, "digest": S}],  # --tee
    "fallbacks": [{"from": S, "to": S, "op": S, "reason": S, "count": N}],
    "verify": {"mode": S, "algorithm": S, "mismatches": N},
    "hash": {"algorithm": S, "digest": S},  # --hash alone, --expect-hash
    "durability": S,
    "sandbox": {"landlock": N, "seccomp": B},
    "errors": [{"path": S, "path_b64": S, "op": S, "errno": S, "offset": N,
                "length": N,  # of a range that could not be read
                "side": S}],
}
REQUIRED = ("schema", "version", "ok", "exit_code", "bytes", "items", "seconds", "cpu_seconds", "routes")


def check(value, schema, where):
    """What is wrong with value, as sentences."""
    if isinstance(schema, tuple):
        fits = isinstance(value, schema) and (bool in schema or not isinstance(value, bool))
        return [] if fits else [f"{where}: {value!r} has the wrong type"]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [word for i, item in enumerate(value) for word in check(item, schema[0], f"{where}[{i}]")]
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    wrong = [f"{where}: key {key!r} is not in the contract" for key in value if key not in schema]
    for key in value.keys() & schema.keys():
        wrong += check(value[key], schema[key], f"{where}.{key}")
    return wrong


def sums(r):
    """What does not add up."""
    wrong = []
    routed = sum(route.get("bytes", 0) for route in r["routes"].values())
    if routed != r["bytes"]["data"]:
        wrong.append(f"routes have {routed} bytes, bytes.data is {r['bytes']['data']}")
    if r["ok"] != (r["exit_code"] == 0):
        wrong.append("ok and exit_code disagree")
    if r["schema"] != "zcopy.report/1":
        wrong.append(f"schema {r['schema']!r}")
    if r["ok"] and r.get("errors"):
        wrong.append("ok, with errors")
    if r["seconds"]["total"] < 0 or r["seconds"]["total"] > 3600:
        wrong.append("a strange time")
    return wrong


def strict_pairs(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key twice: {keys}")
    return dict(pairs)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    r = json.loads(text, object_pairs_hook=strict_pairs)
    wrong = check(r, SCHEMA, "report") + [f"no {key}" for key in REQUIRED if key not in r]
    wrong = wrong or sums(r)
    for expression in sys.argv[2:]:
        try:
            if not eval(expression, {"r": r, "base64": base64}):
                wrong.append(f"not true: {expression}")
        except (KeyError, IndexError, TypeError) as error:
            wrong.append(f"{expression}: {error!r}")
    for word in wrong:
        print(word)
    if wrong:
        print(text)
    sys.exit(1 if wrong else 0)


main()
