#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves one guest to and fro for long, over several connections, for errors that are rare.

    tests/system/to_and_fro.py --build DIR [--moves N] [--channels N]... [--qemu PROGRAM]

Default: 3,000 moves, by turns over 4 and 8 channels.  Each is checked: one runner, the
guest's counter, its memory, nothing left over.  One line each 100 moves.
"""
import argparse
import itertools
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import long_form, settings  # noqa: E402
from lib.world import World  # noqa: E402


def one_move(world, guest, here, there, channels):
    """Returns the total and the blackout, in milliseconds."""
    vm = guest.vm(here)
    move = world.move(guest, here, there, multifd={"channels": channels})
    guest.assert_runs_on(there, sweeps=1)
    here.assert_clean_soon(vm, move["id"])
    return move["times"]["total_ms"], move["times"]["blackout_ms"]


def figures(values):
    return f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--moves", type=int, default=3000, metavar="N")
    parser.add_argument("--channels", action="append", type=int, default=[], metavar="N")
    parser.add_argument("--qemu", default=settings.qemu, metavar="PROGRAM")
    long_form.add_arguments(parser)
    return parser.parse_args()


def main():
    args = parse_arguments()
    long_form.set_up(args)
    settings.qemu = args.qemu
    world = World()
    began = time.monotonic()
    try:
        world.start()
        guest = world.guest(area=4, rate=32, static=4, memory_mib=64)
        here, there = world["a"], world["b"]
        guest.start(here)
        totals, blackouts = [], []
        channels = itertools.cycle(args.channels or [4, 8])
        for number in range(1, args.moves + 1):
            total, blackout = one_move(world, guest, here, there, next(channels))
            totals.append(total)
            blackouts.append(blackout)
            guest.console.forget()
            here, there = there, here
            if number % 100 == 0 or number == args.moves:
                print(f"{number} moves in {time.monotonic() - began:.0f} s, min / median / max: total "
                      f"{figures(totals)} ms, blackout {figures(blackouts)} ms", flush=True)
    finally:
        faults = world.close()
        world.remove()
    print("\n".join(faults) or "no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
