# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run in which parties are late on purpose (run.py --jitter), for tests that rely on luck.

A host id, or `hosts': that coordinator, or each of them, stands still and goes on in pulses
(SIGSTOP, SIGCONT).  `test': the test itself is late before and after requests."""
import random
import signal
import threading
import time

from . import settings

STILL_S = (0.05, 0.5)
RUNS_S = (0.1, 0.9)
LATE_S = 0.5            # at most, before or after a request
LATE_SHARE = 0.3        # of the requests: a test that polls would take too long otherwise

_late = random.Random()


def begin_test(name):
    """The same pauses for the same seed and test, as far as its requests are the same."""
    _late.seed(f"{settings.seed}/{name}")


def pause():
    """Beside a request of the test."""
    if settings.jitter == "test" and _late.random() < LATE_SHARE:
        time.sleep(_late.uniform(0, LATE_S))


def wants(host):
    return settings.jitter in (host.id, "hosts")


class Pulses:
    """The coordinator of HOST, whichever process that is, stands still now and then until end().
    What the test itself freezes is left alone meanwhile."""

    def __init__(self, host):
        self._host = host
        self._random = random.Random(f"{_late.random()}/{host.id}")
        self._lock = threading.Lock()
        self._is_left_alone = False
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self._over.wait(self._random.uniform(*RUNS_S)):
            self._send(signal.SIGSTOP)
            self._over.wait(self._random.uniform(*STILL_S))
            self._send(signal.SIGCONT)

    def _send(self, signo):
        with self._lock:
            process = self._host.process
            if process and process.returncode is None and not self._is_left_alone:
                process.send_signal(signo)

    def leave_alone(self, is_left_alone):
        with self._lock:
            self._is_left_alone = is_left_alone

    def end(self):
        self._over.set()
