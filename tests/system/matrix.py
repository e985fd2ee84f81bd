#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves a guest in each way between each two versions of QEMU, and prints a table.

    tests/system/matrix.py --build DIR [--covering] [--qemu NAME=PROGRAM]... [--way WAY]...

Default: the QEMU of this host, and those of tests/qemu (as root, with mmdebstrap).  The machine
type is the oldest one's.  Total and blackout are of one move each, in milliseconds; a blackout
that matters is measured by tests/bench.  With --covering two ways of each pair, so that each pair and
each way is there: "-" is not tried.
"""
import argparse
import itertools
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import long_form, settings  # noqa: E402
from lib.world import World  # noqa: E402

WAYS = {
    "plain": {},
    "multifd": {"multifd": {"channels": 4}},
    "zlib": {"multifd": {"channels": 4, "compression": "zlib"}},
    "zstd": {"multifd": {"channels": 4, "compression": "zstd"}},
    "xbzrle": {"xbzrle": True},
    "auto-converge": {"auto_converge": True},
}


def later_qemu(version):
    return subprocess.run([HERE.parent / "qemu", version], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def move(world, name, options):
    """Starts a guest on a, moves it, checks it there, and ends it.  Returns a cell of the table."""
    a, b = world["a"], world["b"]
    guest = world.guest(name)
    guest.start(a)
    ended = world.move(guest, a, b, **options)
    guest.assert_runs_on(b)
    times = a.move_state(ended["id"])["times"]
    b.api.post(f"/v1/vms/{name}/stop")
    return f"{times['total_ms']:.0f} / {times['blackout_ms']:.0f}"


def row(source, destination, ways):
    """Returns the cells of one pair; a failure is a cell, too, and a way that is None is left out."""
    world, cells = World(("a", "b")), []
    try:
        world["a"].write_config(qemu={"binary": source})
        world["b"].write_config(qemu={"binary": destination})
        world.start()
        for number, way in enumerate(ways):
            if way is None:
                cells.append("-")
                continue
            try:
                cells.append(move(world, f"g{number}", WAYS[way]))
            except Exception as error:  # every error is this cell's failure
                cells.append(f"FAIL {error}")
    finally:
        cells += [f"FAIL {fault}" for fault in world.close()]
        world.remove()
    return cells


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--covering", action="store_true")
    parser.add_argument("--qemu", action="append", default=[], metavar="NAME=PROGRAM")
    parser.add_argument("--way", action="append", default=[], choices=WAYS)
    long_form.add_arguments(parser)
    return parser.parse_args()


def main():
    args = parse_arguments()
    long_form.set_up(args)
    programs = dict(word.split("=", 1) for word in args.qemu) or {
        "7.2": settings.qemu, "10.0": later_qemu("10.0"), "11.1": later_qemu("11.1")}
    ways = args.way or list(WAYS)
    failed = 0
    print(f"| from, to | {' | '.join(ways)} |\n|{' --- |' * (len(ways) + 1)}", flush=True)
    for number, (source, destination) in enumerate(itertools.product(programs, repeat=2)):
        tried = {ways[(number + offset) % len(ways)] for offset in (0, len(ways) // 2)}
        cells = row(programs[source], programs[destination],
                    [way if way in tried or not args.covering else None for way in ways])
        failed += sum(cell.startswith("FAIL") for cell in cells)
        print(f"| {source}, {destination} | {' | '.join(cells)} |", flush=True)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
