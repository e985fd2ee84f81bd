# SPDX-License-Identifier: LGPL-2.1-or-later
"""A viewer of a guest's display, as far as tests need one: RFB 3.8 (RFC 6143) without security, with
raw rectangles, and the cells that the test guest draws (tests/guest/guest.S)."""
import struct
import time

from . import settings
from .limits import OutOfTime

SECURITY_NONE = 1
RAW, DESKTOP_SIZE = 0, -223
UPDATE, BELL, CUT_TEXT = 0, 2, 3
RED, GREEN = (0xA8, 0, 0), (0, 0xA8, 0)     # as VGA has them, in six bits
COLUMNS, LINES = 80, 25         # of the text mode


class Viewer:
    """STREAM: send(bytes), recv(size), close(): those of lib/websocket.py."""

    def __init__(self, stream):
        self.stream = stream
        if stream.recv(12) != b"RFB 003.008\n":
            raise AssertionError("it does not speak RFB 3.8")
        stream.send(b"RFB 003.008\n")
        kinds = stream.recv(stream.recv(1)[0])
        if SECURITY_NONE not in kinds:
            raise AssertionError(f"it wants to know who is there: {kinds!r}")
        stream.send(bytes([SECURITY_NONE]))
        if stream.recv(4) != b"\0\0\0\0":
            raise AssertionError("refused")
        stream.send(b"\x01")    # others may stay
        self.width, self.height = struct.unpack(">HH", stream.recv(20)[:4])
        self.name = stream.recv(struct.unpack(">I", stream.recv(4))[0]).decode()
        self._blank()
        # 32 bits a pixel, 24 of them colour, little-endian: blue, green, red, nothing
        stream.send(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        stream.send(struct.pack(">BxHii", 2, 2, RAW, DESKTOP_SIZE))
        self.ask(incremental=False)

    def close(self):
        self.stream.close()

    def _blank(self):
        self.pixels = bytearray(self.width * self.height * 4)

    def ask(self, incremental=True, height=None):
        """For the first line of text, or so many rows of pixels."""
        self.stream.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width,
                                     height or self.height // LINES))

    def _rectangle(self):
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.stream.recv(12))
        if encoding == DESKTOP_SIZE:
            self.width, self.height = width, height
            self._blank()
            return True
        data = self.stream.recv(width * height * 4)
        for line in range(height):
            at = ((y + line) * self.width + x) * 4
            self.pixels[at:at + width * 4] = data[line * width * 4:(line + 1) * width * 4]
        return False

    def take(self):
        """One message; after an update the next one is asked for."""
        kind = self.stream.recv(1)[0]
        if kind == UPDATE:
            count, = struct.unpack(">xH", self.stream.recv(3))
            is_new = any([self._rectangle() for _ in range(count)])
            self.ask(incremental=not is_new)
        elif kind == CUT_TEXT:
            self.stream.recv(struct.unpack(">3xI", self.stream.recv(7))[0])
        elif kind != BELL:
            raise AssertionError(f"unknown message {kind}")

    def colour(self, cell):
        """Of the background of a cell of the first line: (red, green, blue)."""
        x, y = self.width // COLUMNS * cell + 3, self.height // LINES // 2
        at = (y * self.width + x) * 4
        blue, green, red = self.pixels[at:at + 3]
        return red, green, blue

    def wait(self, what, predicate, seconds=20):
        deadline = time.monotonic() + settings.seconds(seconds)
        while not predicate():
            if time.monotonic() > deadline:
                raise OutOfTime(f"{what}: not within {seconds} s; {self.width}x{self.height}, "
                                     f"{[self.colour(cell) for cell in range(4)]}")
            self.take()

    def assert_alive(self):
        """The guest has drawn what it draws once, and goes on drawing what changes."""
        self.wait("a red and a green cell",
                  lambda: self.colour(0) == RED and self.colour(2) == self.colour(3) == GREEN)
        seen = set()
        self.wait("a cell that changes", lambda: seen.add(self.colour(1)) or len(seen) >= 3)
