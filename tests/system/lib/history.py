# SPDX-License-Identifier: LGPL-2.1-or-later
"""All lines that a guest has written, on all its hosts, and proofs from them.

The line is that of tests/guest/guest.S: milliseconds, completed sweeps, errors.  A guest that
proves its disks too (tests/guest/disk.S) adds three numbers.
"""
import dataclasses
import re


class Form:
    """The form of a guest's lines: the letter of each number."""

    def __init__(self, letters):
        self._line = re.compile(b" ".join(rb"%c([0-9a-f]{8})" % letter for letter in letters))
        self.bytes = len(letters) * len("T00000000 ")   # with the line's end

    def line(self, at, text):
        """The Line of TEXT; None if the guest writes no such line."""
        match = self._line.fullmatch(text)
        return match and Line(at, *(int(group, 16) for group in match.groups()))


MEMORY = Form(b"TSE")
DISKS = Form(b"TSEDWF")


@dataclasses.dataclass(frozen=True)
class Line:
    at: float      # monotonic seconds when the line's last byte was read
    ticks: int     # milliseconds that the guest has counted
    sweeps: int    # completed
    errors: int    # wrong words found
    disk_sweeps: int = 0        # completed on all disks
    wrong_blocks: int = 0       # of the disks
    failed_requests: int = 0    # and disks that were not found


class Life:
    """One connection to the console: one QEMU process, on one host."""

    def __init__(self, index, pid, host, form=MEMORY):
        self.index = index
        self.pid = pid
        self.host = host
        self.form = form
        self.lines = []
        self.garbled = []
        self.head = None   # (at, bytes): the end of a line that began in another life
        self.tail = b""    # bytes after the last line end

    def __str__(self):
        return f"life {self.index} (host {self.host}, pid {self.pid}, {len(self.lines)} lines)"

    def take(self, data, at):
        """Adds DATA that came at AT."""
        *parts, self.tail = (self.tail + data).split(b"\n")
        for part in parts:
            line = self.form.line(at, part)
            if line:
                self.lines.append(line)
            elif not self.lines and not self.head:
                self.head = (at, part)
            else:
                self.garbled.append((at, part))


class History:
    def __init__(self, period_ms):
        self.period_ms = period_ms
        self.lives = []
        self._is_reset_awaited = False

    def expect_reset(self):
        """The guest was reset: its counter starts anew, now or soon, maybe on another host.
        Earlier lines prove nothing any more, and one of them may have broken off."""
        self._is_reset_awaited = True

    def is_reset_seen(self):
        if not self._is_reset_awaited:
            return True
        lines = sorted((line for life in self.lives for line in life.lines), key=lambda o: o.at)
        since = next((after.at for line, after in zip(lines, lines[1:])
                      if after.ticks <= line.ticks), None)
        if since:
            for life in self.lives:
                life.lines = [line for line in life.lines if line.at >= since]
                life.garbled, life.head = [], None
            self._is_reset_awaited = False
        return not self._is_reset_awaited

    def _join(self):
        """A line may begin on the source and end on the destination.  The
        source's part is known for certain only later, so this is done when asked."""
        self.is_reset_seen()
        for life in self.lives:
            if not life.head:
                continue
            at, head = life.head
            before = [other for other in self.lives
                      if other is not life and other.lines and other.lines[-1].at < at]
            source = max(before, key=lambda o: o.lines[-1].at, default=None)
            line = life.form.line(at, source.tail + head) if source else None
            if line:
                life.lines.insert(0, line)
                life.head, source.tail = None, b""

    def _put_in_order(self):
        """A thread of this program may read the last lines of one life after the first line of the
        next.  Two that run at once count from the same number, so a count that goes on from one
        life to the other tells which line was written first."""
        lives = sorted((life for life in self.lives if life.lines), key=lambda life: life.lines[0].at)
        for one, two in zip(lives, lives[1:]):
            begin = two.lines[0]
            if one.lines[-1].ticks < begin.ticks:
                one.lines[:] = [dataclasses.replace(line, at=min(line.at, begin.at - 1e-6))
                                for line in one.lines]

    def newest(self):
        """(life, its last line) of every life that has written."""
        return [(life, life.lines[-1]) for life in self.lives if life.lines]

    def last(self):
        """The life that wrote last, and its last line."""
        pairs = self.newest()
        if not pairs:
            raise AssertionError("console: the guest has not said anything")
        return max(pairs, key=lambda pair: pair[1].at)

    def all_lines(self):
        """(line, life), in the order of time."""
        self._join()
        self._put_in_order()
        return sorted(((line, life) for life in self.lives for line in life.lines),
                      key=lambda pair: pair[0].at)

    def errors(self):
        return max((line.errors for life in self.lives for line in life.lines), default=0)

    def wrong_blocks(self):
        return max((line.wrong_blocks for life in self.lives for line in life.lines), default=0)

    def failed_requests(self):
        return max((line.failed_requests for life in self.lives for line in life.lines), default=0)

    # ---- proofs ------------------------------------------------------------

    def assert_sane(self):
        """Checks all rules for a history without a reset."""
        self.assert_single_runner()
        self.assert_counter_never_back()
        self.assert_memory_right()
        self.assert_disks_right()
        garbled = [(life.index, part) for life in self.lives for _, part in life.garbled]
        if garbled:
            raise AssertionError(f"console: lines that the guest does not write: {garbled[:5]}")

    def assert_single_runner(self):
        """No life writes between the first and the last line of another."""
        self._join()
        self._put_in_order()
        spans = sorted(((life.lines[0].at, life.lines[-1].at, life)
                        for life in self.lives if life.lines), key=lambda span: span[0])
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

    def assert_memory_right(self):
        if self.errors():
            raise AssertionError(f"the guest found {self.errors()} wrong words in its memory")

    def assert_disks_right(self):
        wrong, failed = self.wrong_blocks(), self.failed_requests()
        if wrong or failed:
            raise AssertionError(f"the guest found {wrong} wrong blocks on its disks, "
                                 f"and {failed} requests failed")

    def handovers(self):
        """(last line of one life, first line of the next), in the order of time."""
        pairs = self.all_lines()
        return [(line, after) for (line, life), (after, life_after) in zip(pairs, pairs[1:])
                if life is not life_after]

    def blackouts_ms(self):
        """How long the guest was silent at each handover, beyond its usual period."""
        return [max(0.0, (after.at - line.at) * 1000 - self.period_ms)
                for line, after in self.handovers()]

    def counter_gaps_ms(self):
        """Milliseconds that the guest counted at each handover without a line."""
        return [after.ticks - line.ticks - self.period_ms for line, after in self.handovers()]
