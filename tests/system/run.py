#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the system tests: coordinators, QEMU and guests for real, on loopback.

    tests/system/run.py --build DIR [-k PATTERN] [--list]

One line per test, then a line "N passed, N failed, N skipped".
"""
import argparse
import faulthandler
import fnmatch
import os
import pathlib
import shutil
import signal
import sys
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import procs, settings  # noqa: E402
from lib.world import log_directory  # noqa: E402

DEFAULT_TIMEOUT_SECONDS = 120


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

    def startTest(self, test):
        super().startTest(test)
        self._trouble, self._reason = None, ""
        self._started = time.monotonic()
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
        if verdict != "FAIL" and not self.keep_logs:
            shutil.rmtree(log_directory(test), ignore_errors=True)
        super().stopTest(test)

    def _failed(self, test, err):
        self._trouble = "FAIL"
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


def parse_arguments():
    parser = argparse.ArgumentParser(description="runs the system tests")
    parser.add_argument("--build", type=pathlib.Path, default=settings.SOURCE_DIR, metavar="DIR",
                        help="where migrd, migrd-stream and migrctl were built")
    parser.add_argument("-k", action="append", default=[], metavar="PATTERN", dest="patterns",
                        help="only tests whose name contains this; may be repeated")
    parser.add_argument("--logs", type=pathlib.Path, metavar="DIR",
                        help="where logs of failed tests are kept (default BUILD/system-logs)")
    parser.add_argument("--keep-logs", action="store_true", help="also those of tests that passed")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer (for sanitizers)")
    parser.add_argument("--list", action="store_true", help="only name the tests")
    return parser.parse_args()


def main():
    args = parse_arguments()
    settings.build_dir = args.build.resolve()
    settings.log_dir = (args.logs or settings.build_dir / "system-logs").resolve()
    settings.slow_factor = args.slow
    tests = load(args.patterns)
    if args.list:
        print("\n".join(t.id() for t in tests))
        return 0
    faulthandler.enable()
    procs.become_subreaper()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o077)
    result = Result(args.keep_logs)
    unittest.TestSuite(tests).run(result)
    failed = {t.id() for t, _ in result.failures + result.errors}
    print(f"{result.passed} passed, {result.testsRun - result.passed - len(result.skipped)} failed, "
          f"{len(result.skipped)} skipped", flush=True)
    return 1 if failed or result.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
