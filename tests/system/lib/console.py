# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's own testimony: what it wrote on its serial console, and when.

Each QEMU of a VM connects to one UNIX socket as a client, so each connection
is one QEMU process: one life of the guest on one host.  A thread per
connection takes each line at once and stamps it with the monotonic clock.

The line is that of tests/guest/guest.S: milliseconds, completed sweeps, errors.
"""
import dataclasses
import os
import re
import socket
import struct
import threading
import time

from . import procs

LINE = re.compile(rb"T([0-9a-f]{8}) S([0-9a-f]{8}) E([0-9a-f]{8})")
LINE_BYTES = len(b"T00000000 S00000000 E00000000\n")
TAIL_USEC = 100000  # the beginning of a line is taken after so long, when no more comes


@dataclasses.dataclass(frozen=True)
class Line:
    at: float      # monotonic seconds, when its last byte was read
    ticks: int     # milliseconds that the guest has counted
    sweeps: int    # completed
    errors: int    # wrong words found


def line_of(at, match):
    return Line(at, *(int(group, 16) for group in match.groups()))


class Life:
    """One connection: one QEMU process, on one host."""

    def __init__(self, index, pid):
        self.index = index
        self.pid = pid
        self.host = os.path.basename(procs.host_mark(pid) or "?")
        self.lines = []
        self.garbled = []
        self.head = None   # (at, bytes): the end of a line that began in another life
        self.tail = b""    # what has no end yet
        self.is_open = True

    def __str__(self):
        return f"life {self.index} (host {self.host}, pid {self.pid}, {len(self.lines)} lines)"


class Console:
    def __init__(self, path, period_ms=4):
        self.path = str(path)
        self.period_ms = period_ms
        self.lives = []
        self.changed = threading.Condition()
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
                life = Life(len(self.lives), pid)
                self.lives.append(life)
                self.changed.notify_all()
            threading.Thread(target=self._read, args=(sock, life), daemon=True).start()

    def _read(self, sock, life):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, TAIL_USEC))
        while True:
            # Wake for whole lines: QEMU writes byte by byte.  The first line of a
            # life may be the end of one that began on the source.
            missing = LINE_BYTES - len(life.tail) % LINE_BYTES if life.lines else 1
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, missing)
                data = sock.recv(65536)
            except BlockingIOError:  # SO_RCVTIMEO, nothing came
                continue
            except OSError:
                data = b""
            at = time.monotonic()
            with self.changed:
                if data:
                    self._take(life, data, at)
                else:
                    life.is_open = False
                self.changed.notify_all()
            if not data:
                return

    def _take(self, life, data, at):
        *parts, life.tail = (life.tail + data).split(b"\n")
        for part in parts:
            match = LINE.fullmatch(part)
            if match:
                life.lines.append(line_of(at, match))
            elif not life.lines and not life.head:
                life.head = (at, part)
            else:
                life.garbled.append((at, part))

    def _join(self):
        """A line may begin on the source and end on the destination.  The
        source's part is known for certain only later, so this is done when asked."""
        for life in self.lives:
            if not life.head:
                continue
            at, head = life.head
            before = [other for other in self.lives
                      if other is not life and other.lines and other.lines[-1].at < at]
            source = max(before, key=lambda o: o.lines[-1].at, default=None)
            match = LINE.fullmatch(source.tail + head) if source else None
            if match:
                life.lines.insert(0, line_of(at, match))
                life.head, source.tail = None, b""

    # ---- asking ------------------------------------------------------------

    def wait_until(self, what, timeout, predicate):
        """Waits until PREDICATE() is true of what was read, and returns its value."""
        with self.changed:
            if not self.changed.wait_for(predicate, timeout):
                raise AssertionError(f"console: {what} did not come within {timeout} s; "
                                     f"{'; '.join(map(str, self.lives)) or 'nothing connected'}")
            return predicate()

    def all_lines(self):
        """(line, life), in the order of time."""
        with self.changed:
            self._join()
            pairs = [(line, life) for life in self.lives for line in life.lines]
        return sorted(pairs, key=lambda pair: pair[0].at)

    def last(self):
        """The life that spoke last, and its last line."""
        with self.changed:
            pairs = self.newest()
        if not pairs:
            raise AssertionError("console: the guest has not said anything")
        return max(pairs, key=lambda pair: pair[1].at)

    def newest(self):
        return [(life, life.lines[-1]) for life in self.lives if life.lines]

    def wait_line(self, timeout=20, host=None):
        """Waits for one more line (from HOST), and returns its life and the line."""
        since = time.monotonic()

        def fresh():
            return next((pair for pair in self.newest()
                         if pair[1].at >= since and host in (None, pair[0].host)), None)
        return self.wait_until(f"a line from {host or 'the guest'}", timeout, fresh)

    def wait_sweeps(self, count, timeout=60, host=None):
        """Waits until COUNT more whole sweeps are done; the guest has then checked all its memory."""
        _, line = self.wait_line(timeout, host)
        # The sweep under way was begun before: it does not count.
        target = line.sweeps + count + 1

        def done():
            life, now = max(self.newest(), key=lambda pair: pair[1].at)
            return (life, now) if now.sweeps >= target and host in (None, life.host) else None
        life, line = self.wait_until(f"sweep {target}", timeout, done)
        if line.errors:
            raise AssertionError(f"the guest found {line.errors} wrong words in its memory ({life})")
        return life, line

    def running_now(self, window=0.5):
        """The hosts on which the guest says anything within WINDOW seconds."""
        since = time.monotonic()
        time.sleep(window)  # the window is the question, not a wait for luck
        with self.changed:
            return [life.host for life, line in self.newest() if line.at > since]

    def assert_quiet(self, window=0.5):
        hosts = self.running_now(window)
        if hosts:
            raise AssertionError(f"the guest runs on {hosts}, and should be stopped")

    def errors(self):
        return max((line.errors for line, _ in self.all_lines()), default=0)

    # ---- proofs ------------------------------------------------------------

    def assert_sane(self):
        """All that must be true of any history without a reset."""
        self.assert_single_runner()
        self.assert_counter_never_back()
        if self.errors():
            raise AssertionError(f"the guest found {self.errors()} wrong words in its memory")
        garbled = [(life.index, part) for life in self.lives for _, part in life.garbled]
        if garbled:
            raise AssertionError(f"console: lines that the guest does not write: {garbled[:5]}")

    def assert_single_runner(self):
        """No life speaks between the first and the last word of another."""
        with self.changed:
            self._join()
            spans = sorted((life.lines[0].at, life.lines[-1].at, life)
                           for life in self.lives if life.lines)
        for (_, end, one), (start, _, two) in zip(spans, spans[1:]):
            if start <= end:
                raise AssertionError(f"two runners: {one} and {two} overlap by "
                                     f"{(end - start) * 1000:.1f} ms")

    def assert_counter_never_back(self):
        pairs = self.all_lines()
        for (line, life), (after, life_after) in zip(pairs, pairs[1:]):
            if after.ticks <= line.ticks:
                raise AssertionError(f"the counter went from {line.ticks} ({life}) "
                                     f"to {after.ticks} ({life_after})")

    def handovers(self):
        """(last line of one life, first line of the next), in the order of time."""
        pairs = self.all_lines()
        return [(line, after) for (line, life), (after, life_after) in zip(pairs, pairs[1:])
                if life is not life_after]

    def blackouts_ms(self):
        """For how long the guest was silent at each hand-over, beyond its usual period."""
        return [max(0.0, (after.at - line.at) * 1000 - self.period_ms)
                for line, after in self.handovers()]

    def counter_gaps_ms(self):
        """Counted milliseconds at each hand-over of which no line came through."""
        return [after.ticks - line.ticks - self.period_ms for line, after in self.handovers()]
