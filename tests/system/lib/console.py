# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collects what the guest writes on its serial console, and when.

Each QEMU of a VM connects to one UNIX socket as a client, so each connection
is one QEMU process: one life of the guest on one host.  A thread per
connection takes each line at once and stamps it with the monotonic clock.
"""
import os
import socket
import struct
import threading
import time

from . import procs, settings
from .history import MEMORY, History, Life
from .limits import OutOfTime

TAIL_USEC = 100000  # how long the rest of a line may take before its beginning is taken alone


class Console(History):
    def __init__(self, path, period_ms=4, on_data=None, form=MEMORY):
        """ON_DATA(life, data, at) is called for all data; FORM: that of the guest's lines."""
        super().__init__(period_ms)
        self._form = form
        self._on_data = on_data
        self.path = str(path)
        self.changed = threading.Condition(threading.RLock())
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for sock in [self._listener, *self._sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    # ---- collecting --------------------------------------------------------

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            pid = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            self._sockets.append(sock)
            with self.changed:
                life = Life(len(self.lives), pid, os.path.basename(procs.host_mark(pid) or "?"),
                            self._form)
                self.lives.append(life)
                self.changed.notify_all()
            threading.Thread(target=self._read, args=(sock, life), daemon=True).start()

    def _read(self, sock, life):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, TAIL_USEC))
        data = b"?"
        while data:
            # Wake for whole lines: QEMU writes byte by byte.  The first line of a
            # life may be the end of one that began on the source.
            size = self._form.bytes
            missing = size - len(life.tail) % size if life.lines else 1
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, missing)
                data = sock.recv(65536)
            except BlockingIOError:  # SO_RCVTIMEO, nothing came
                continue
            except OSError:
                return
            at = time.monotonic()
            with self.changed:
                life.take(data, at)
                if self._on_data and data:
                    self._on_data(life, data, at)
                self.changed.notify_all()

    def forget(self):
        """Drops the lines that were checked, but the last of each life that goes on."""
        with self.changed:
            for life in self.lives:
                del life.lines[:-1]
                life.garbled.clear()
            self.lives[:] = [life for life in self.lives if procs.is_running(life.pid)]

    def all_lines(self):
        with self.changed:
            return super().all_lines()

    def write_log(self, path):
        with open(path, "w", encoding="utf-8") as f:
            for line, life in self.all_lines():
                f.write(f"{line.at:.4f} life={life.index} host={life.host} pid={life.pid} "
                        f"T={line.ticks} S={line.sweeps} E={line.errors}")
                if self._form is not MEMORY:
                    f.write(f" D={line.disk_sweeps} W={line.wrong_blocks} "
                            f"F={line.failed_requests}")
                f.write("\n")

    def assert_single_runner(self):
        with self.changed:
            super().assert_single_runner()

    # ---- waiting -----------------------------------------------------------

    def wait_until(self, what, timeout, predicate):
        """Waits until PREDICATE() is true of the data read so far, and returns its value.  TIMEOUT
        and those below are in seconds of a quiet machine."""
        with self.changed:
            if not self.changed.wait_for(predicate, settings.seconds(timeout)):
                raise OutOfTime(f"console: {what} did not come within {timeout} s; "
                                f"{'; '.join(map(str, self.lives)) or 'nothing connected'}")
            return predicate()

    def wait_counted(self, ms=250, timeout=20):
        """Waits until the guest has counted so far that a reset is surely seen: the first lines
        after one may break off or come late, and the first lines of all count hardly more."""
        self.wait_until(f"a counter of {ms} ms", timeout,
                        lambda: any(line.ticks >= ms for _, line in self.newest()))

    def wait_reset(self, timeout=60):
        """Waits until the guest, which was reset, has booted and counts from 0."""
        self.expect_reset()
        self.wait_until("a counter that begins anew", timeout, self.is_reset_seen)

    def wait_line(self, timeout=20, host=None):
        """Waits for one more line (from HOST), and returns its life and the line."""
        since = time.monotonic()

        def fresh():
            return next((pair for pair in self.newest()
                         if pair[1].at >= since and host in (None, pair[0].host)), None)
        return self.wait_until(f"a line from {host or 'the guest'}", timeout, fresh)

    def wait_sweeps(self, count, timeout=60, host=None):
        """Waits for COUNT more whole sweeps; the guest has then checked all its memory."""
        return self._wait_sweeps("sweeps", count, timeout, host)

    def wait_disk_sweeps(self, count, timeout=60, host=None):
        """The same for its disks."""
        return self._wait_sweeps("disk_sweeps", count, timeout, host)

    def _wait_sweeps(self, kind, count, timeout, host):
        _, line = self.wait_line(timeout, host)
        # The sweep under way began earlier and does not count.
        target = getattr(line, kind) + count + 1

        def done():
            life, now = self.last()
            if now.errors or now.wrong_blocks or now.failed_requests:
                self.assert_memory_right()
                self.assert_disks_right()
            is_there = getattr(now, kind) >= target and host in (None, life.host)
            return (life, now) if is_there else None
        return self.wait_until(f"{kind} {target}", timeout, done)

    def running_now(self, window=0.5):
        """The hosts on which the guest writes anything within WINDOW seconds."""
        since = time.monotonic()
        time.sleep(window)  # the window is what is asked for, not a wait for luck
        with self.changed:
            return [life.host for life, line in self.newest() if line.at > since]

    def assert_quiet(self, window=0.5):
        # Data from before the stop may still be on its way: then the check is repeated once.
        hosts = self.running_now(window) and self.running_now(window)
        if hosts:
            raise AssertionError(f"the guest runs on {hosts}, and should be stopped")
