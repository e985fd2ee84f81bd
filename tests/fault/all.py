#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All fault tests, and one table of what came of them: make check-fault and check-fault-full.

    tests/fault/all.py --build DIR [--full] [--markdown FILE]

The short form (at most 10 minutes on two cores) crashes a coordinator once at
each point there is, on the side that passes it first, and once more in the
recovery from every third; makes each point that can fail do so once; strikes
from outside with faults of 5 s; and makes 25 moves with random crashes.  The
full form walks through every passage of every point on the source, on the
destination and on both, and makes 500 moves.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SUMMARY = re.compile(r"^(\d+) cases, (\d+) failed(?:, (\d+) different points)?", re.M)
LONGEST = re.compile(r"^  longest (\w+) +([0-9.]+) s", re.M)

SKIPPED = 77    # as automake has it

# (what, program and arguments)
SHORT = [
    ("crash at each point once", "walk.py --names --side both"),
    ("crash at each point on both sides at once, every third",
     "walk.py --side both --stride 3"),
    ("crash, and again in the recovery, every third",
     "walk.py --side both --stride 3 --from 2 --twice"),
    ("error at each point once", "walk.py --names --side both --action error"),
    ("faults from outside", "outside.py --markdown {table}"),
    ("random crashes in moves to and fro", "random_crashes.py --moves 25"),
]
FULL = [
    *((f"crash at each passage, {side}", f"walk.py --side {side}")
      for side in ("source", "destination", "both")),
    *((f"crash, and again in the recovery, {side}", f"walk.py --side {side} --twice")
      for side in ("source", "destination", "both")),
    *((f"error at each passage, {side}", f"walk.py --side {side} --action error")
      for side in ("source", "destination")),
    ("each request and answer lost once", "walk.py --names --side both --action drop"),
    ("faults from outside", "outside.py --full --markdown {table}"),
    ("network cuts, 5 s and 60 s", "network.py --full --markdown {table}"),
    ("random crashes in moves to and fro", "random_crashes.py --moves 500"),
]


def run(arguments, build, table):
    """(exit code, all that it printed); printed as it comes."""
    words = arguments.format(table=table).split()
    command = [sys.executable, str(HERE / words[0]), "--build", str(build), *words[1:]]
    text = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            text.append(line)
    return process.returncode, "".join(text)


def row(what, code, text, seconds):
    found = SUMMARY.search(text)
    cases, failed, points = found.groups() if found else ("0", "?", None)
    longest = dict(LONGEST.findall(text))
    return (f"| {what} | {cases} | {points or '-'} | {failed if code == 0 or failed != '0' else '?'} | "
            f"{longest.get('silence', '-')} | {longest.get('runs_on', '-')} | "
            f"{longest.get('clean', '-')} | {seconds:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE",
                        help="where the tables go too (default BUILD/fault-table.md)")
    args = parser.parse_args()
    outside = args.build / "fault-outside.md"
    outside.unlink(missing_ok=True)
    rows = ["| what | cases | points | failed | longest standstill (s) | "
            "ran on after restart (s) | clean after (s) | took (s) |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    status = 0
    for what, arguments in FULL if args.full else SHORT:
        began = time.monotonic()
        print(f"\n==== {what}: {arguments}", flush=True)
        code, text = run(arguments, args.build, outside)
        status = status or (0 if code == SKIPPED else code)
        rows.append(row(what, code, text, time.monotonic() - began))
    table = "\n".join(rows)
    if outside.exists():
        table += "\n\n" + outside.read_text(encoding="utf-8").rstrip()
    print(f"\n{table}")
    (args.markdown or args.build / "fault-table.md").write_text(table + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
