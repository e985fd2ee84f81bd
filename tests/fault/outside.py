#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults from outside, each at a named phase of a move with real QEMUs: processes and
hosts that die or stop, disks, clocks, certificates, what the guest does, the network.

    tests/fault/outside.py --build DIR [--full] [--qemu PROGRAM] [-k TEXT] [GROUP...]

One line for each fault and phase (rows.py).  Root is needed for network namespaces
and small disks; --no-root leaves those cases out, and says so.
"""
import argparse
import os
import re
import sys
import time
import traceback

import report
from arena import set_up
from backup_rows import BACKUP_PHASES
from backup_scene import BackupScene
from evacuation_phases import EVACUATION_PHASES
from evacuation_scene import EvacuationScene
from lib import settings
from lib.world import end_open_worlds
from phases import PHASES
from rows import GROUPS
from scene import GO_ON_SECONDS, Scene

STALL_SECONDS = 1.5         # a longer silence is a stopped guest, not a busy machine
RUNS_ON_SECONDS = 3         # limit after the fault's end, for a guest that the fault stopped


class Case:
    phases = PHASES

    def __init__(self, at, fault, phase_name, outcome):
        self.fault, self.phase, self.outcome = fault, self.phases[phase_name], outcome
        self.options = {**self.fault.options, **self.phase.options}
        self.name = f"{fault.name}, in {phase_name}"
        self.result = {"kind": "outside", "at": at, "fault": fault.name, "phase": phase_name,
                       "outcome": outcome.words, "row": outcome.row, "ok": False, "error": ""}

    def may_stand_still_s(self, scene):
        """Returns the limit; None: the guest stands still until a user resumes it."""
        if self.outcome.stall_s is not None:
            return self.outcome.stall_s
        if self.outcome.state != "running" or self.outcome.runs_on is None or \
                scene.healed_at is None:
            return None
        if not self.phase.stands_still and not self.fault.stalls:
            return STALL_SECONDS
        return scene.healed_at - scene.fault_at + self.phase.holds_s + RUNS_ON_SECONDS

    def happen(self, scene):
        self.phase.enter(scene)
        scene.fault_at = time.monotonic()
        self.fault.strike(scene)
        if not self.phase.ends_with_fault:
            self.phase.release(scene)
        time.sleep(self.fault.lasts(scene.full))    # the fault's own length, not a wait
        self.fault.mend(scene)
        scene.healed_at = time.monotonic()
        if self.phase.ends_with_fault:
            self.phase.release(scene)
        self.phase.after(scene)

    def verify(self, scene):
        result = self.result
        result["clean_s"] = scene.settle(self.outcome)
        self.fault.verify(scene)
        runners = scene.runners(self.outcome.runs_on)
        if runners != [side for side in [self.outcome.runs_on] if side]:
            raise AssertionError(f"runs on {runners}")
        result["running"] = len(runners)
        if runners and self.outcome.state == "running":
            result["stall_s"], result["ran_on_s"] = scene.stall_s(), scene.ran_on_s()
        allowed = self.may_stand_still_s(scene)
        if allowed is not None and result["stall_s"] > settings.seconds(allowed):
            raise AssertionError(f"the guest stood still for {result['stall_s']:.1f} s "
                                 f"(at most {allowed:.1f} s)")

        if scene.move.get("postcopy") and self.outcome.runs_on == "b":
            self.verify_goes_on(scene)

    def verify_goes_on(self, scene):
        """With post-copy the guest runs soon after the fault's end, and then without a break: it is
        not enough that it does not stand still for longer than the fault."""
        limit = settings.seconds(self.phase.holds_s + GO_ON_SECONDS)
        first, later = scene.late_s()
        if first > limit or later > settings.seconds(STALL_SECONDS):
            raise AssertionError(f"the guest went on {first:.1f} s after the fault's end (at most "
                                 f"{limit:.1f} s), and stood still for {later:.1f} s later")

    def open(self, full):
        return Scene(full, **self.options)

    def close(self, scene, directory):
        """Keeps the logs of a case that has failed; returns what was wrong at the end."""
        return scene.close(None if self.result["ok"] else directory)

    def run(self, full, logs):
        directory = logs / re.sub(r"[^a-z0-9]+", "-", self.name.lower())
        scene, began = None, time.monotonic()
        try:
            scene = self.open(full)
            self.happen(scene)
            self.verify(scene)
            self.result["ok"] = True
        except Exception as error:  # every error is this case's failure
            self.result["error"] = f"{type(error).__name__}: {error}"
            if not isinstance(error, AssertionError):
                self.result["error"] += "\n" + "".join(traceback.format_tb(error.__traceback__, -4))
        if not scene:           # what it has begun must not be beside the next case
            end_open_worlds()
        else:
            scene.let_go()
            scene.thaw()
            faults = self.close(scene, directory)
            if faults:
                self.result |= {"ok": False, "error": self.result["error"] + "; ".join(faults)}
        self.result["took_s"] = time.monotonic() - began
        print(report.line(self.name, self.result), flush=True)
        if not self.result["ok"]:
            print(f"     {self.result['error']}\n     logs: {directory}", flush=True)
        return self.result


class KeptCase(Case):
    """A case that went well leaves all as it was, so the next one has the same hosts and guests."""
    make_scene = None
    kept = None     # (make_scene, options, scene)

    def open(self, full):
        kept, KeptCase.kept = KeptCase.kept, None
        if kept and kept[:2] == (self.make_scene, self.options):
            kept[2].next_case()
            return kept[2]
        faults = kept[2].close() if kept else None
        if faults:
            raise AssertionError(f"of the cases before this one: {faults}")
        return self.make_scene(full, **self.options)

    def close(self, scene, directory):
        if not self.result["ok"]:
            return super().close(scene, directory)
        KeptCase.kept = self.make_scene, self.options, scene
        return []

    @classmethod
    def end(cls):
        kept, KeptCase.kept = KeptCase.kept, None
        return kept[2].close() if kept else []


class EvacuationCase(KeptCase):
    phases = EVACUATION_PHASES
    make_scene = EvacuationScene

    def verify(self, scene):
        self.result["clean_s"] = scene.settle(self.outcome)
        self.result["stall_s"] = scene.stall_s()
        allowed = STALL_SECONDS
        if self.fault.stalls:
            allowed = scene.healed_at - scene.fault_at + RUNS_ON_SECONDS
        if self.result["stall_s"] > settings.seconds(allowed):
            raise AssertionError(f"a guest stood still for {self.result['stall_s']:.1f} s "
                                 f"(at most {allowed:.1f} s)")
        self.fault.verify(scene)


class BackupCase(KeptCase):
    phases = BACKUP_PHASES
    make_scene = BackupScene

    def verify(self, scene):
        self.result["clean_s"] = scene.settle(self.outcome)
        if self.outcome.ends_guest:
            return
        self.result["stall_s"] = scene.stall_s()
        allowed = RUNS_ON_SECONDS
        if self.fault.stalls:
            allowed += scene.healed_at - scene.fault_at
        if self.result["stall_s"] > settings.seconds(allowed):
            raise AssertionError(f"the guest stood still for {self.result['stall_s']:.1f} s "
                                 f"(at most {allowed:.1f} s)")


CASES = {"evacuation": EvacuationCase, "backup": BackupCase}      # of a group; others: Case


def cases_of(args):
    """Returns (cases to run, cases left out because they need root)."""
    rows = [(group, fault, phase, outcome) for group, faults in GROUPS.items()
            for fault, outcomes in faults for phase, outcome in outcomes.items()]
    chosen, left_out = [], []
    for at, (group, fault, phase, outcome) in enumerate(rows):
        case = CASES.get(group, Case)(at, fault, phase, (args.full and outcome.long) or outcome)
        if (args.groups and group not in args.groups) or \
                (outcome.only_full and not args.full) or \
                (args.only and not any(text in case.name for text in args.only)):
            continue
        (left_out if args.no_root and case.fault.needs_root else chosen).append(case)
    return chosen, left_out


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP",
                        help=f"some of {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("-k", action="append", default=[], metavar="TEXT", dest="only",
                        help="only cases with this in their name; may be repeated")
    parser.add_argument("--full", action="store_true", help="all cases, with long faults")
    parser.add_argument("--no-root", action="store_true", help="without those that need root")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("--qemu", metavar="PROGRAM", help="default: that of the host")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="only each Nth case")
    report.add_common_arguments(parser)
    args = parser.parse_args()
    for name in args.groups:
        if name not in GROUPS:
            parser.error(f"no group '{name}': there are {', '.join(GROUPS)}")
    return args


def main():
    args = parse_arguments()
    chosen, left_out = cases_of(args)
    first, step = map(int, args.part.split("/"))
    chosen = chosen[first - 1::step]
    if args.list:
        print("\n".join(case.name for case in chosen))
        return 0
    if any(case.fault.needs_root for case in chosen) and os.geteuid() != 0:
        print("FAIL network namespaces and small disks need root: run this as root, "
              "or with --no-root to leave those cases out")
        return 1
    for case in left_out:
        print(f"left out for want of root: {case.name}")
    logs = set_up(args.build, args.logs, args.slow, args.slot)
    settings.qemu = args.qemu or settings.qemu
    began = time.monotonic()
    results = []
    for case in chosen:
        results.append(case.run(args.full, logs))
        report.save(args.results, results[-1])
    failed = [result for result in results if not result["ok"]]
    at_the_end = KeptCase.end()
    if at_the_end:
        print(f"FAIL at the end: {'; '.join(at_the_end)}")
    print(f"\n{len(results)} cases, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed or at_the_end or not results else 0


if __name__ == "__main__":
    sys.exit(main())
