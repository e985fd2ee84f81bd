# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the programs beside the tests share: those that take too long for each run."""
import argparse
import pathlib

from . import procs, settings


def only_full(test):
    """The test runs only by name (run.py -k) and in the full form (run.py --full)."""
    test.is_long = True
    return test


def add_arguments(parser):
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer")
    parser.add_argument("--slot", type=int, default=0, help=argparse.SUPPRESS)


def set_up(args):
    settings.build_dir, settings.slow_factor, settings.slot = \
        args.build.resolve(), args.slow, args.slot
    procs.become_subreaper()
