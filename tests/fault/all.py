#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs all fault tests and prints tables of their results: make check-fault and check-fault-full.

    tests/fault/all.py --build DIR [--full] [--no-root] [--jobs N] [-k TEXT]
        [--slow FACTOR] [--markdown FILE]

The short form (at most 10 minutes on two cores) crashes a coordinator once at
each point there is, on the side that passes it first, and once more in the
recovery from every fourth, and at some with a paused guest, a stopped VM, post-copy, memory over
four connections, local disks, a save, a restore and a refresh; makes each point that can fail do so once;
strikes from outside with faults of 5 s; and makes 25 moves with random crashes, the same in each
run.  The full form walks through every passage of every point on the source, on the destination and
on both, makes 500 moves, and stops and cuts for 30 and 60 s.
Some parts run at a time (--jobs, 2).
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

import report

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from lib import settings  # noqa: E402
MAX_JOBS = 4    # each has ports of its own
SLOTS = 15      # from 16 on: the system tests have the lower ones
SIDES = ("source", "destination", "both")

# (what, program and arguments).  Parts that wait run beside parts that compute.
SHORT = [
    ("faults from outside: network", "outside.py network"),
    ("faults from outside: post-copy", "outside.py postcopy"),
    ("crash at each point once", "walk.py --names --side both"),
    ("faults from outside: coordinators", "outside.py coordinators"),
    ("error at each point once", "walk.py --names --side both --action error"),
    ("faults from outside: files, clocks, certificates", "outside.py hosts"),
    ("crash at each point on both sides at once, every fourth", "walk.py --side both --stride 4"),
    ("faults from outside: processes, hosts", "outside.py processes"),
    ("crash, and again in the recovery, every fourth",
     "walk.py --side both --stride 4 --from 2 --twice"),
    ("crash with a guest that stays paused, every twelfth",
     "walk.py --side both --stride 12 --way paused"),
    ("crash with a stopped VM, every sixteenth",
     "walk.py --side both --stride 16 --way stopped"),
    ("crash with memory over four connections, every twelfth",
     "walk.py --side both --stride 12 --from 3 --way multifd"),
    ("crash with post-copy, every twelfth",
     "walk.py --side both --stride 12 --from 5 --way postcopy"),
    ("crash with local disks, every sixteenth",
     "walk.py --side both --stride 16 --from 4 --way disks"),
    ("faults from outside: local disks", "outside.py disks"),
    ("crash with the queue, every thirty-second",
     "walk.py --side source --stride 32 --from 28 --way queued"),
    ("crash while a host is emptied, every fortieth",
     "walk.py --side both --stride 40 --from 15 --way evacuated"),
    ("crash in a save, every sixth", "walk.py --stride 6 --from 2 --way save"),
    ("crash in a restore, every seventh", "walk.py --stride 7 --from 3 --way restore"),
    ("faults from outside: stopped VM, TPM, parties, probe",
     "outside.py stopped tpm party probe"),
    ("crash in a refresh, every eighth", "walk.py --stride 8 --from 30 --way refresh"),
    ("crash in a refresh with a TPM, every tenth",
     "walk.py --stride 10 --from 31 --way refresh-tpm"),
    ("faults from outside: guest, users", "outside.py guest"),
    ("faults from outside: the queue", "outside.py queue"),
    ("faults from outside: a host that is emptied", "outside.py evacuation"),
    ("faults from outside: backups", "outside.py backup"),
    ("faults from outside: memory over several connections", "outside.py multifd"),
    ("random crashes in moves to and fro", "random_crashes.py --moves 25 --seed 25"),
]
FULL = [
    ("faults from outside: network, 1st half", "outside.py --full network --part 1/2"),
    ("faults from outside: the queue", "outside.py --full queue"),
    ("faults from outside: a host that is emptied", "outside.py --full evacuation"),
    ("faults from outside: policies", "outside.py --full policy"),
    ("random crashes in moves to and fro", "random_crashes.py --moves 500"),
    ("faults from outside: network, 2nd half", "outside.py --full network --part 2/2"),
    ("faults from outside: coordinators", "outside.py --full coordinators"),
    *((f"each message lost, {side}", f"walk.py --side {side} --action drop")
      for side in SIDES[:2]),
    *((f"crash at each passage, {side}", f"walk.py --side {side}") for side in SIDES),
    *((f"crash, and again in the recovery, {side}", f"walk.py --side {side} --twice")
      for side in SIDES),
    *((f"crash with a stopped VM, {side}", f"walk.py --side {side} --way stopped")
      for side in ("source", "destination", "both")),
    *((f"crash with a guest that stays paused, {side}", f"walk.py --side {side} --way paused")
      for side in SIDES),
    *((f"crash with memory over four connections, {side}", f"walk.py --side {side} --way multifd")
      for side in SIDES),
    ("random crashes with memory over four connections",
     "random_crashes.py --moves 500 --way multifd"),
    *((f"crash with flash memory and a TPM, {side}", f"walk.py --side {side} --way beside")
      for side in SIDES),
    *((f"crash with post-copy, {side}", f"walk.py --side {side} --way postcopy")
      for side in SIDES),
    ("random crashes with post-copy", "random_crashes.py --moves 500 --way postcopy"),
    *((f"faults from outside: post-copy, part {part} of 3",
       f"outside.py --full postcopy --part {part}/3") for part in (1, 2, 3)),
    *((f"crash with local disks, {side}", f"walk.py --side {side} --way disks")
      for side in SIDES),
    *((f"crash with the queue, {side}", f"walk.py --side {side} --way queued")
      for side in SIDES),
    *((f"crash while a host is emptied, {side}", f"walk.py --side {side} --way evacuated")
      for side in SIDES),
    *((f"crash while a host is emptied and gets its guest back, {side}",
       f"walk.py --side {side} --way evacuated-back") for side in SIDES),
    *((f"crash while a guest of another host gives way, {side}",
       f"walk.py --side {side} --way evacuated-room --stride 4") for side in SIDES),
    *((f"crash in a maintenance of both hosts, {side}",
       f"walk.py --side {side} --way maintenance --stride 4") for side in SIDES),
    *((f"crash with a move that is held, {side}", f"walk.py --side {side} --way held")
      for side in SIDES),
    ("crash with a move that a party is told of", "walk.py --side source --way told"),
    *((f"crash with a link that is measured first, {side}", f"walk.py --side {side} --way probed")
      for side in SIDES),
    *((f"faults from outside: {group}", f"outside.py --full {group}")
      for group in ("party", "probe")),
    *((f"error at each passage with local disks, {side}",
       f"walk.py --side {side} --way disks --action error") for side in SIDES[:2]),
    *((f"faults from outside: local disks, part {part} of 2",
       f"outside.py --full disks --part {part}/2") for part in (1, 2)),
    ("crash in a refresh of a guest with a tap", "walk.py --way refresh-tap"),
    ("crash in a backup", "walk.py --way backup"),
    ("crash in an incremental backup", "walk.py --way backup-next"),
    ("crash in a refresh of a guest with a TPM", "walk.py --way refresh-tpm"),
    *((f"faults from outside: {group}", f"outside.py --full {group}")
      for group in ("hosts", "processes", "guest", "multifd", "stopped", "tpm", "backup")),
    *((f"error at each passage, {side}", f"walk.py --side {side} --action error")
      for side in SIDES[:2]),
]


class Run:
    def __init__(self, args):
        self.args = args
        self.results = args.build / "fault-results.jsonl"
        self.printing = threading.Lock()
        self.running = set()
        self.slots = queue.SimpleQueue()
        # Another run may use ports at the same time.
        first = 16 + os.getpid() % (SLOTS // MAX_JOBS) * MAX_JOBS
        for slot in range(first, first + args.jobs):
            self.slots.put(slot)

    def say(self, text):
        with self.printing:
            print(text, flush=True)

    def command(self, what, arguments, slot):
        program, *words = arguments.split()
        if program == "outside.py":
            words += ["--no-root"] if self.args.no_root else []
        return [sys.executable, str(HERE / program), "--build", str(self.args.build), "--slot",
                str(slot), "--slow", str(self.args.slow), "--results", str(self.results), "--what", what, *words]

    def part(self, what, arguments):
        """Runs one program and prints its output; returns its exit status."""
        slot, began = self.slots.get(), time.monotonic()
        self.say(f"==== {what}: {arguments}")
        code, failed, lost = self.one(what, arguments, slot)
        if code and failed == lost:
            self.say(f"==== {what}: again, QEMU may have lost what its guest wrote")
            code, *_ = self.one(what, arguments, slot)
        self.slots.put(slot)
        self.say(f"==== {what}: {'failed' if code else 'passed'} in {time.monotonic() - began:.0f} s")
        return code

    def one(self, what, arguments, slot):
        """Returns the exit status, how many cases failed, and how many of these as by lost writes."""
        failed = lost = 0
        with subprocess.Popen(self.command(what, arguments, slot), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            self.running.add(process)
            for line in process.stdout:
                if line.strip():
                    self.say(line.rstrip())
                failed += line.startswith("FAIL ")
                lost += settings.is_like_lost_writes(line)
        self.running.discard(process)
        return process.returncode, failed, lost

    def parts(self, parts):
        """Returns the names of the parts that failed."""
        self.results.unlink(missing_ok=True)
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            try:
                codes = list(pool.map(lambda part: self.part(*part), parts))
            except BaseException:   # such as a signal: start no more parts, end the guests
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(self.running):
                    process.terminate()
                raise
        return [what for (what, _), code in zip(parts, codes) if code]

    def tables(self, parts):
        found = report.load(self.results)
        names = [what for what, _ in parts]
        walks = sorted((r for r in found if r["kind"] == "walk"),
                       key=lambda r: names.index(r["what"]))
        outside = sorted((r for r in found if r["kind"] == "outside"), key=lambda r: r["at"])
        return "\n\n".join(["## The walk", report.walks(walks),
                            "## Faults from outside", report.outside(outside),
                            "## Beside libvirt", report.beside_libvirt(outside)]) + "\n"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--no-root", action="store_true",
                        help="leave out what needs root: network cuts, full disks")
    parser.add_argument("--jobs", type=int, choices=range(1, MAX_JOBS + 1), default=2, metavar="N",
                        help="so many parts at a time (default 2)")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer")
    parser.add_argument("-k", metavar="TEXT", dest="only", default="",
                        help="only parts with this in their name")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE",
                        help="where the tables go too (default BUILD/fault-table.md)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if os.geteuid() != 0 and not args.no_root:
        sys.exit("check-fault: network cuts and full disks need root: run this as root, or leave "
                 "them out: make check-fault FAULT_ARGS=--no-root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    run = Run(args)
    parts = [part for part in (FULL if args.full else SHORT) if args.only in part[0]]
    failed = run.parts(parts)
    tables = run.tables(parts)
    (args.markdown or args.build / "fault-table.md").write_text(tables, encoding="utf-8")
    print(f"\n{tables}\n{len(parts) - len(failed)} parts passed, {len(failed)} failed, "
          f"{time.monotonic() - began:.0f} s")
    for what in failed:
        print(f"  FAILED {what}")
    return 1 if failed or not parts else 0


if __name__ == "__main__":
    sys.exit(main())
