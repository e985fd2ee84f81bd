# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NBD server, qemu-nbd, on a UNIX socket, and its one export, which is a raw file; it flushes
nothing, which tests would only wait for."""
import contextlib
import os
import signal
import socket
import subprocess
import time

from . import settings

MIB = 1 << 20


class NbdServer:
    """HOME: a directory for the file and the socket.  The export is full of other bytes first.
    OPTIONS: further ones of qemu-nbd; IMAGE_OPTS: instead of the file as it is."""

    def __init__(self, home, name="vda", mib=32, options=(), image_opts=None):
        self.path, self.socket, self.name = home / f"{name}.export", home / f"{name}.sock", name
        self.options, self.image_opts = options, image_opts
        self.uri = f"nbd+unix:///{name}?socket={self.socket}"
        self.path.write_bytes(b"old!" * (mib * MIB // 4))
        self.process = None
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)    # of one that was killed
        # A long path has no room in the address of a socket; and what names the world's directory
        # is taken for something that a host has left behind.
        home = os.open(self.socket.parent, os.O_RDONLY)
        what = (["--image-opts", self.image_opts] if self.image_opts
                else ["--cache=unsafe", "-f", "raw", f"/proc/self/fd/{home}/{self.path.name}"])
        self.process = subprocess.Popen(
            ["qemu-nbd", "-t", "-e", "0", "-x", self.name, "-k", f"/proc/self/fd/{home}/{self.socket.name}",
             *self.options, *what], pass_fds=[home], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        os.close(home)
        end = time.monotonic() + settings.seconds(10)
        while not self._answers():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"qemu-nbd does not listen at {self.socket}")
            time.sleep(0.02)

    def _answers(self):
        home = os.open(self.socket.parent, os.O_RDONLY)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"/proc/self/fd/{home}/{self.socket.name}")
                return client.recv(8) == b"NBDMAGIC"
        except OSError:
            return False
        finally:
            os.close(home)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """It stands still, and has all connections."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


class OtherServer:
    """A server of something else: it says WORDS, and no more."""

    def __init__(self, path, words):
        self.uri = f"nbd+unix:///x?socket={path}"
        self.listener = socket.socket(socket.AF_UNIX)
        home = os.open(path.parent, os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{home}/{path.name}")
        os.close(home)
        self.listener.listen(4)
        self.words = words

    def serve_one(self):
        """Returns all that a caller said."""
        caller, _ = self.listener.accept()
        with caller:
            caller.sendall(self.words)
            heard = b""
            with contextlib.suppress(ConnectionResetError):     # it has not read all
                while data := caller.recv(4096):
                    heard += data
        return heard
