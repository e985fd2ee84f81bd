#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the system tests on loopback, with real coordinators, QEMUs and guests.

    tests/system/run.py --build DIR [-k PATTERN] [--jobs N] [--qemu PROGRAM] [--list]

One line per test, once more what failed, then "N passed, N failed, N skipped".  With --jobs each
test has a process of its own; those that measure (`runs_alone') come last, one
by one.  Then a test runs once more whose only fault was a wait that came to its limit (at most two
tests), or a QEMU that may have lost writes; the last lines name it.
"""
import argparse
import faulthandler
import fnmatch
import os
import pathlib
import shutil
import re
import signal
import sys
import tempfile
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import jitter, procs, settings  # noqa: E402
from lib.limits import OutOfTime  # noqa: E402
from lib.world import log_directory  # noqa: E402

DEFAULT_TIMEOUT_SECONDS = 120
MAX_JOBS = 8    # each has ports of its own
OUT_OF_TIME = "each failure is a wait that came to its limit"
MAX_OUT_OF_TIME = 2     # of all tests: where more are late, no chance is at work


class TestTimeout(Exception):
    """A test took longer than it may."""


def on_alarm(*_):
    raise TestTimeout("the test's time is up")


class Result(unittest.TestResult):
    """Prints as it goes; sets a time limit around each test."""

    def __init__(self, keep_logs):
        super().__init__()
        self.keep_logs = keep_logs
        self.passed = 0
        self._trouble = None
        self._reason = ""
        self._out_of_time = True    # each failure of this test, that is

    def startTest(self, test):
        super().startTest(test)
        self._trouble, self._reason, self._out_of_time = None, "", True
        self._started = time.monotonic()
        jitter.begin_test(test.id())
        limit = getattr(test, "timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
        signal.alarm(int(settings.seconds(limit)))

    def stopTest(self, test):
        signal.alarm(0)
        seconds = time.monotonic() - self._started
        verdict = self._trouble or "ok"
        reason = self._reason or getattr(test, "notes", "")
        print(f"{verdict:5} {seconds:7.1f} s  {test.id()}"
              + (f"  ({reason})" if reason else ""), flush=True)
        if verdict == "ok":
            self.passed += 1
        if verdict == "FAIL" and self._out_of_time:
            print(OUT_OF_TIME, flush=True)
        if verdict != "FAIL" and not self.keep_logs:
            shutil.rmtree(log_directory(test), ignore_errors=True)
        super().stopTest(test)

    def _failed(self, test, err):
        self._trouble = "FAIL"
        self._out_of_time = self._out_of_time and issubclass(err[0], (OutOfTime, TestTimeout))
        text = "".join(traceback.format_exception(*err, limit=-4))
        print(f"---- {test.id()}\n{text}logs: {log_directory(test)}\n----", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            print(f"---- {subtest._subDescription()}", flush=True)
            self._failed(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._trouble, self._reason = "skip", reason


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(patterns):
    loader = unittest.TestLoader()
    suite = loader.discover(str(HERE), pattern="test_*.py", top_level_dir=str(HERE))
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    wanted = [p if any(c in p for c in "*?[") else f"*{p}*" for p in patterns]
    return [t for t in flatten(suite)
            if not wanted or any(fnmatch.fnmatch(t.id(), p) for p in wanted)]


def is_long(test):
    return getattr(getattr(test, test._testMethodName, None), "is_long", False)


def parse_arguments():
    parser = argparse.ArgumentParser(description="runs the system tests")
    parser.add_argument("--build", type=pathlib.Path, default=settings.SOURCE_DIR, metavar="DIR",
                        help="where migrd, migrd-stream and migrctl were built")
    parser.add_argument("-k", action="append", default=[], metavar="PATTERN", dest="patterns",
                        help="only tests whose name contains this; may be repeated")
    parser.add_argument("--full", action="store_true", help="also the long ones")
    parser.add_argument("--logs", type=pathlib.Path, metavar="DIR",
                        help="where logs of failed tests are kept (default BUILD/system-logs)")
    parser.add_argument("--keep-logs", action="store_true", help="also those of tests that passed")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer (for sanitizers)")
    parser.add_argument("--qemu", default=settings.qemu, metavar="PROGRAM",
                        help="this QEMU, not the machine's own; see tests/qemu")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many tests at once")
    parser.add_argument("--jitter", metavar="WHO", help="WHO is late on purpose again and again: a "
                        "host's id (a, b), `hosts' for all, or `test'; with --slow 4 or so")
    parser.add_argument("--seed", type=int, default=os.getpid(), metavar="N",
                        help="the numbers of --jitter")
    parser.add_argument("--list", action="store_true", help="only name the tests")
    return parser.parse_args()


TOTAL = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


def run_here(tests, args):
    """Runs the tests in this process; returns how many passed, failed and were skipped."""
    faulthandler.enable()
    procs.become_subreaper()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o077)
    result = Result(args.keep_logs)
    unittest.TestSuite(tests).run(result)
    skipped = len(result.skipped)
    return result.passed, result.testsRun - result.passed - skipped, skipped


class Apart:
    """Runs each test in a process of its own, in a slot with its own ports.  It is a fork of this
    one, which has loaded all tests: a Python that starts anew takes longer than a short test."""

    def __init__(self, args):
        self.args = args
        # Another run may use ports at the same time.
        first = os.getpid() % (settings.SLOTS // (args.jobs + 1)) * (args.jobs + 1) + 1
        self.slots = list(range(first, first + args.jobs))
        self.running = {}       # pid: (test, its slot, its output)
        self.counts, self.failed = [], []
        self.again = {}         # id: (test, why it runs a second time)

    def start(self, test):
        slot, output = self.slots.pop(0), tempfile.TemporaryFile()
        pid = os.fork()
        if pid == 0:
            self.be_child(test, slot, output)
        self.running[pid] = (test, slot, output)

    def be_child(self, test, slot, output):
        """Never returns."""
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for fd in (1, 2):
            os.dup2(output.fileno(), fd)
        settings.slot = slot
        sys.exit(report(*run_here([test], self.args)))

    def wait_for_one(self):
        pid, status = os.wait()
        test, slot, output = self.running.pop(pid)
        self.slots.append(slot)
        with output:
            output.seek(0)
            text = output.read().decode(errors="replace")
        total, text = TOTAL.search(text), TOTAL.sub("", text).rstrip()
        if not total:
            text += f"\nFAIL  {test.id()}: its process ended with {os.waitstatus_to_exitcode(status)}"
        print(text, flush=True)
        why = self.why_again(test, text) if total and int(total[2]) else None
        if why:
            print(f"again, alone: {test.id()}: {why}", flush=True)
            self.again[test.id()] = test, why
            return
        self.counts.append([int(n) for n in total.groups()] if total else [0, 1, 0])
        if self.counts[-1][1]:
            self.failed.append(text)

    def why_again(self, test, text):
        """Why a failed test runs once more; None: it does not."""
        late = [why for _, why in self.again.values() if why == OUT_OF_TIME]
        if test.id() in self.again:
            return None
        if settings.is_like_lost_writes(text):
            return "QEMU may have lost what its guest wrote"
        return OUT_OF_TIME if OUT_OF_TIME in text and len(late) < MAX_OUT_OF_TIME else None

    def run(self, tests, at_once):
        for test in tests:
            while len(self.running) >= at_once:
                self.wait_for_one()
            self.start(test)
        while self.running:
            self.wait_for_one()

    def end(self):
        for pid in self.running:
            os.kill(pid, signal.SIGTERM)


def run_apart(tests, args):
    """Returns how many passed, failed and were skipped."""
    apart, here = Apart(args), os.getpid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.flush()  # not by each child again
    try:
        apart.run([t for t in tests if not getattr(t, "runs_alone", False)], args.jobs)
        apart.run([t for t in tests if getattr(t, "runs_alone", False)], 1)
        apart.run([test for test, _ in apart.again.values()], 1)
    finally:
        if os.getpid() == here:
            apart.end()
    for name, (_, why) in apart.again.items():
        print(f"---- ran twice: {name}: {why}")
    for text in apart.failed: # people may read a long log from its end
        print(f"---- failed:\n{text}")
    return [sum(column) for column in zip(*apart.counts)] if tests else [0, 0, 0]


def report(passed, failed, skipped):
    """Prints the closing line; returns the exit status."""
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or passed == 0 else 0


def main():
    args = parse_arguments()
    args.jobs = min(args.jobs, MAX_JOBS)
    settings.build_dir = args.build.resolve()
    settings.log_dir = (args.logs or settings.build_dir / "system-logs").resolve()
    settings.slow_factor = args.slow
    settings.qemu = args.qemu
    settings.jitter, settings.seed = args.jitter, args.seed
    if args.jitter:
        print(f"--jitter {args.jitter} --seed {args.seed}")
    tests = load(args.patterns)
    if not args.full and not args.patterns:
        everything, tests = tests, [t for t in tests if not is_long(t)]
        print(f"{len(everything) - len(tests)} long tests are left to --full")
    if args.list:
        print("\n".join(t.id() for t in tests))
        return 0
    return report(*(run_apart if args.jobs > 1 else run_here)(tests, args))


if __name__ == "__main__":
    sys.exit(main())
