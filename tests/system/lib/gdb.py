# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a guest's memory through QEMU's gdb stub; the monitor cannot.

The protocol: $PACKET#CHECKSUM, each acknowledged by '+' (GDB manual, Remote
Serial Protocol).  The guest stands still from connect to detach.
"""
import re
import socket

PACKET = re.compile(rb"\$([^#]*)#..")

CHUNK_BYTES = 1024  # QEMU's stub takes packets of at most 4096 characters


def chunks(address, size):
    for at in range(address, address + size, CHUNK_BYTES):
        yield at, min(CHUNK_BYTES, address + size - at)


class Gdb:
    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(10)
        self._sock.connect(str(path))
        self._buffer = b""

    def command(self, text):
        packet = text.encode()
        self._sock.sendall(b"$%b#%02x" % (packet, sum(packet) & 0xFF))
        while True:
            answer = self._packet()
            if not answer.startswith("T"):  # QEMU reports the stop, too, unasked
                return answer

    def _packet(self):
        while not (match := PACKET.search(self._buffer)):
            data = self._sock.recv(4096)
            if not data:
                raise AssertionError("QEMU closed the connection of gdb")
            self._buffer += data
        self._buffer = self._buffer[match.end():]
        self._sock.sendall(b"+")
        return match[1].decode()

    def read(self, address, size):
        return b"".join(bytes.fromhex(self.command(f"m{at:x},{count:x}"))
                        for at, count in chunks(address, size))

    def write(self, address, data):
        for at, count in chunks(address, len(data)):
            part = data[at - address:at - address + count]
            answer = self.command(f"M{at:x},{count:x}:{part.hex()}")
            if answer != "OK":
                raise AssertionError(f"gdb stub: {answer}")

    def detach(self):
        """Lets the guest go on."""
        self.command("D")
        self._sock.close()
