# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a pseudo-terminal, as if a person used it."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

from . import procs, settings
from .limits import OutOfTime
from .vt import Screen


class Terminal:
    def __init__(self, argv, env, size=None):
        """SIZE: (columns, lines), for what fills the screen: `screen' has what it shows then."""
        self.fd, slave = pty.openpty()
        self.screen = Screen(*size) if size else None
        if size:
            self._set_size(*size)
        self.process = procs.Child(
            [str(arg) for arg in argv], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
            env={**os.environ, "TERM": "xterm", **env})
        os.close(slave)
        self.seen = ""      # the whole output
        self._from = 0      # where the output begins that wait() has not passed yet

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        os.close(self.fd)

    def _set_size(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        while self._read(0):
            pass
        self.screen.resize(columns, lines)
        self._set_size(columns, lines)      # the kernel tells the program by SIGWINCH

    def wait_screen(self, what, is_there, timeout=10):
        """Waits until IS_THERE says yes to the lines of the screen, and returns them."""
        deadline = time.monotonic() + settings.seconds(timeout)
        while True:
            lines = self.screen.lines()
            if is_there(lines):
                return lines
            if not self._read(deadline - time.monotonic()):
                raise OutOfTime("\n".join([f"not seen: {what}", *lines, self.seen[-2000:]]))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, text, timeout=10):
        """Waits for TEXT behind the last one that was waited for; returns the output up to
        it."""
        deadline = time.monotonic() + settings.seconds(timeout)
        while text not in self.seen[self._from:]:
            if not self._read(deadline - time.monotonic()):
                raise OutOfTime(f"no {text!r} in {self.seen[self._from:]!r}, after {self.seen[:self._from]!r}")
        end = self.seen.index(text, self._from) + len(text)
        found, self._from = self.seen[self._from:end], end
        return found

    def _read(self, seconds):
        if seconds <= 0 or not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:     # the program has closed the terminal
            return False
        text = data.decode(errors="replace")
        self.seen += text
        if self.screen:
            self.screen.feed(text)
        return bool(data)

    def exit_code(self, timeout=10):
        deadline = time.monotonic() + settings.seconds(timeout)
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(settings.seconds(timeout))
