#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Crashes a coordinator at the 1st, 2nd, 3rd ... fault point that it passes during a move, starts
it again, and checks the result.

    tests/fault/walk.py --build DIR [--side source|destination|both]
        [--action crash|error|drop] [--from N --to M --stride K]
        [--way precopy|paused|stopped|multifd|disks|held|told|probed|beside|postcopy|queued|save|live|restore|
         live-disks|restore-disks|refresh|refresh-paused|refresh-tap|refresh-tpm|backup|backup-next|
         evacuated|evacuated-back|
         evacuated-room|maintenance]
        [--twice]
        [--names] [--qemu PROGRAM]

One line for each case, such as

    ok   source 17 store.move.transfer.before  done  silent  20 ms  ran on 0.00 s ...

The walk ends with the first move in which the fault does not fire any more.
--names: each point by its name, once, on the side that passes it first (short).
--twice: the restarted coordinator crashes too, at a point that changes from case
to case, and is started again.
"""
import argparse
import collections
import sys
import time
import traceback

import report
from arena import Arena, Record, WAYS, set_up
from backup_arena import BackupArena
from evacuation_arena import EvacuationArena
from lib import settings
from maintenance_arena import MaintenanceArena
from refresh_arena import RefreshArena
from room_arena import RoomArena
from save_arena import SaveArena

SIDES = ("source", "destination")
ARENAS = {"save": SaveArena, "live": SaveArena, "restore": SaveArena,  # of one host: side source
          "live-disks": SaveArena, "restore-disks": SaveArena,
          "refresh": RefreshArena, "refresh-paused": RefreshArena,
          "refresh-tap": RefreshArena, "refresh-tpm": RefreshArena,
          "backup": BackupArena, "backup-next": BackupArena,
          "evacuated": EvacuationArena, "evacuated-back": EvacuationArena,
          "evacuated-room": RoomArena, "maintenance": MaintenanceArena}
# A lost request or answer costs a whole deadline (15 s for go).
DROP_SECONDS = 100
# The second crash comes at the (N * 7 mod 23 + 1)th point: a recovery passes about 23.
TWICE_FACTOR, TWICE_MODULUS = 7, 23
# Messages that can be lost.
MESSAGES = ("peer.", "api.", "qmp.", "stream.status.")
# Points that can only lose a message, not fail.
NO_ERROR = ("stream.status.",)


class Case:
    def __init__(self, side, plan, label, second=None):
        self.side, self.plan, self.label, self.second = side, plan, label, second

    def plans(self, arena):
        hosts = {"source": [arena.here], "destination": [arena.there],
                 "both": [arena.here, arena.there]}[self.side]
        return {host: self.plan for host in hosts}


class Walk:
    def __init__(self, args):
        self.args = args
        self.arena = None
        self.failed = []
        self.count = 0
        self.not_fired = 0
        self.outcomes = collections.Counter()
        self.points = set()
        self.worst = {"runs_on_s": (0, ""), "silence_s": (0, ""), "clean_s": (0, "")}
        self.began = time.monotonic()

    def fresh_arena(self):
        if self.arena is None:
            self.arena = ARENAS.get(self.args.way, Arena)(self.args.way)
            if self.args.action == "drop":
                self.arena.final_seconds = DROP_SECONDS
            self.arena.next_case()
        return self.arena

    def close(self, keep_as=None):
        if self.arena:
            arena, self.arena = self.arena, None
            return arena.close(keep_as)
        return []

    def run(self, case):
        """Returns False when the fault did not fire: the walk has come to its end."""
        arena = self.fresh_arena()
        record = Record()
        try:
            arena.pass_faults(case.plans(arena), record, case.second)
            if not record.fired:
                arena.check(record)
                arena.next_case()
                self.not_fired += 1
                return False
            arena.check(record)
            if self.args.action == "crash":
                arena.check_times(record)
            arena.move_on()
            arena.next_case()
        except Exception as error:  # every error is this case's failure
            self.fail(case, record, error)
            return True
        self.note(case, record)
        return True

    def name(self, case, record):
        return f"{case.side} {case.label} {' '.join(record.fired)}"

    def note(self, case, record):
        self.count += 1
        self.outcomes[record.outcome] += 1
        self.points.update(record.fired)
        for key, (value, _) in self.worst.items():
            if getattr(record, key) > value:
                self.worst[key] = (getattr(record, key), self.name(case, record))
        print(f"ok   {self.name(case, record):<58} {record.text()}", flush=True)

    def fail(self, case, record, error):
        self.count += 1
        if not record.fired:  # the case failed before the log was read
            for host in case.plans(self.arena):
                record.fired += self.arena.fired_in(host, 0)[-1:]
        name = self.name(case, record)
        self.failed.append(name)
        logs = self.args.logs / f"{case.side}-{case.label}-{self.args.action}".replace(" ", "-")
        words = error if isinstance(error, AssertionError) else "".join(
            traceback.format_exception(error, limit=-4))
        print(f"FAIL {name}\n     {type(error).__name__}: {words}\n     logs: {logs}", flush=True)
        self.close(logs)

    def summary(self):
        print(f"\n{self.count} cases, {len(self.failed)} failed, "
              f"{len(self.points)} different points, {self.not_fired} moves without a fault, "
              f"{time.monotonic() - self.began:.0f} s; "
              + ", ".join(f"{n} {outcome}" for outcome, n in sorted(self.outcomes.items())))
        for key, (value, name) in self.worst.items():
            print(f"  longest {key.removesuffix('_s'):<8} {value:6.2f} s  {name}")
        for name in self.failed:
            print(f"  FAILED {name}")
        report.save(self.args.results, {
            "kind": "walk", "what": self.args.what, "cases": self.count,
            "failed": len(self.failed), "points": sorted(self.points),
            "worst": {key: value for key, (value, _) in self.worst.items()},
            "took_s": time.monotonic() - self.began})


# ---- which cases -------------------------------------------------------------

def second_plan(args, n):
    return f"any:crash:after={n * TWICE_FACTOR % TWICE_MODULUS + 1}" if args.twice else None


def numbered(args):
    for n in range(args.first, args.last + 1, args.stride):
        yield Case(args.side, f"any:{args.action}:after={n}", f"{n}", second_plan(args, n))


def walk_numbers(walk):
    """Every passage at which the action has an effect, in order."""
    for case in numbered(walk.args):
        if not walk.run(case):
            break


def passages(walk):
    """{side: (points passed until it was ready, points passed in a whole move)}."""
    arena = walk.fresh_arena()
    record = Record()
    sides = {"source": arena.here, "destination": arena.there}
    arena.arm({host: None for host in sides.values()})
    started = {}
    for side, host in sides.items():
        arena.wait_ready(host)
        started[side] = arena.points(host)
    arena.pass_faults({}, record)
    found = {side: (started[side], arena.points(host)) for side, host in sides.items()}
    arena.check(record)
    arena.next_case()
    return found


def can(walk, name):
    """Has the action an effect at this point?"""
    if walk.args.action == "drop":
        return name.startswith(MESSAGES)
    return walk.args.action == "crash" or not name.startswith(NO_ERROR)


def walk_names(walk):
    """Each name once: in the move if it is passed there, otherwise at the start of the
    coordinator."""
    seen = set()
    for side, (started, whole) in passages(walk).items():
        for name in dict.fromkeys(whole):
            at = started.count(name) if whole.count(name) > started.count(name) else 0
            if name in seen or (walk.args.side not in (side, "both")) or not can(walk, name):
                continue
            seen.add(name)
            walk.run(Case(side, f"{name}:{walk.args.action}:after={at + 1}", str(at + 1),
                          second_plan(walk.args, len(seen))))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--side", choices=(*SIDES, "both"), default="source")
    parser.add_argument("--action", choices=("crash", "error", "drop"), default="crash")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="N")
    parser.add_argument("--to", type=int, default=100000, dest="last", metavar="M")
    parser.add_argument("--stride", type=int, default=1, metavar="K")
    parser.add_argument("--way", choices=sorted({*WAYS, *ARENAS}), default="precopy")
    parser.add_argument("--twice", action="store_true", help="crash in the recovery too")
    parser.add_argument("--names", action="store_true", help="each point once")
    parser.add_argument("--qemu", metavar="PROGRAM", help="default: that of the host")
    report.add_common_arguments(parser)
    return parser.parse_args()


def main():
    args = parse_arguments()
    args.logs = set_up(args.build, args.logs, args.slow, args.slot)
    settings.qemu = args.qemu or settings.qemu
    walk = Walk(args)
    try:
        (walk_names if args.names else walk_numbers)(walk)
    finally:
        faults = walk.close()
    if faults:
        walk.failed.append("the end: " + "; ".join(faults))
    walk.summary()
    return 1 if walk.failed or walk.count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
