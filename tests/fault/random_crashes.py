#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves a guest to and fro, with a coordinator crashing at a random point of each move.

    tests/fault/random_crashes.py --build DIR [--moves N] [--seed S] [--only I]

The seed is printed; the same seed chooses the same crashes.  --only I repeats
the I-th of them alone.
"""
import argparse
import random
import sys

import report
from arena import WAYS, set_up
from walk import Case, Walk

SIDES = ("source", "destination", "both")
POINTS_MAX = 90     # a little more than a move passes on one side
RECOVERY_MAX = 30   # and a little more than a recovery passes
SECOND_CRASH = 0.3  # share of the recoveries that are crashed too


def cases(seed, count):
    chance = random.Random(seed)
    for index in range(1, count + 1):
        side, n = chance.choice(SIDES), chance.randint(1, POINTS_MAX)
        second = chance.randint(1, RECOVERY_MAX) if chance.random() < SECOND_CRASH else 0
        label = f"#{index} {n}" + (f"+{second}" if second else "")
        yield Case(side, f"any:crash:after={n}", label,
                   f"any:crash:after={second}" if second else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--moves", type=int, default=500, metavar="N")
    parser.add_argument("--seed", type=int, default=None, metavar="S")
    parser.add_argument("--only", type=int, metavar="I")
    parser.add_argument("--way", choices=sorted(WAYS), default="precopy")
    report.add_common_arguments(parser)
    args = parser.parse_args()
    args.action = "crash"
    args.logs = set_up(args.build, args.logs, args.slow, args.slot)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    walk = Walk(args)
    try:
        for index, case in enumerate(cases(seed, args.moves), 1):
            if args.only in (None, index):
                walk.run(case)
    finally:
        faults = walk.close()
    if faults:
        walk.failed.append("the end: " + "; ".join(faults))
    walk.summary()
    print(f"seed {seed}")
    return 1 if walk.failed else 0


if __name__ == "__main__":
    sys.exit(main())
