# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the results of fault tests, and makes tables of them."""
import json

from libvirt import LIBVIRT

RUNNING = {0: "0", 1: "**1**", 2: "**2: runs twice**"}


def add_common_arguments(parser):
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer")
    parser.add_argument("--logs", metavar="DIR", help="of failed cases (default BUILD/fault-logs)")
    parser.add_argument("--results", metavar="FILE", help="append results there, as JSON")
    parser.add_argument("--what", metavar="TEXT", default="", help="name of this run in them")
    parser.add_argument("--slot", type=int, default=0, metavar="N",
                        help="of ports: of two runs at once each has its own")


def save(path, result):
    if path:
        with open(path, "a", encoding="utf-8") as f:
            f.write(json.dumps(result) + "\n")


def load(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(text) for text in f]


def seconds(result, key):
    return f"{result[key]:.2f}" if result.get(key) is not None else "-"


def line(name, result):
    """One case from outside."""
    times = " ".join(f"{word} {seconds(result, key):>6} s" for word, key in (
        ("still", "stall_s"), ("ran on", "ran_on_s"), ("clean", "clean_s"), ("took", "took_s")))
    return f"{'ok  ' if result['ok'] else 'FAIL'} {name:<62} {result['outcome']:<24} {times}"


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header),
                      *("| " + " | ".join(row) + " |" for row in rows)])


def walks(results):
    def cells(result):
        worst = result["worst"]
        return [result["what"], str(result["cases"]), str(len(result["points"])),
                str(result["failed"]), seconds(worst, "silence_s"), seconds(worst, "runs_on_s"),
                seconds(worst, "clean_s"), f"{result['took_s']:.0f}"]
    points = set().union(*(result["points"] for result in results))
    return table(["what", "cases", "points", "failed", "longest standstill (s)",
                  "ran on after restart (s)", "clean after (s)", "took (s)"],
                 map(cells, results)) + f"\n\n{len(points)} different points in all"


def outside(results):
    def cells(result):
        outcome = result["outcome"] if result["ok"] else f"**FAILED**: not {result['outcome']}"
        return [result["fault"], result["phase"], outcome, seconds(result, "stall_s"),
                seconds(result, "ran_on_s"), seconds(result, "clean_s")]
    return table(["fault", "phase", "outcome", "guest stood still (s)",
                  "ran on after the fault (s)", "clean after the fault (s)"], map(cells, results))


def beside_libvirt(results):
    def ours(result):
        still = f", still {seconds(result, 'stall_s')} s" if "stall_s" in result else ""
        return (f"{result['fault']}, in {result['phase']}",
                f"{RUNNING.get(result.get('running'), '?')} ({result['outcome']}{still})"
                if result["ok"] else "**FAILED**")

    rows = []
    for number, (fault, theirs) in LIBVIRT.items():
        found = [ours(result) for result in results if result["row"] == number]
        for ours_fault, outcome in found or [("-", "only in the full form")]:
            rows.append([number, fault, theirs, ours_fault, outcome])
    return table(["row", "fault, as measured with libvirt 9.0", "libvirt: guests running",
                  "the same here", "migrd: guests running"], rows)

