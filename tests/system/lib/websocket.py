# SPDX-License-Identifier: LGPL-2.1-or-later
"""A WebSocket (RFC 6455) as a byte stream, for what is spoken inside of it."""
import base64
import contextlib
import os
import re
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The answer is no 101."""

    def __init__(self, status, text):
        self.status = status
        super().__init__(text)


class Closed(Exception):
    """The server has ended it: with a code and a reason, or (None, "") without a word."""

    def __init__(self, code=None, reason=""):
        self.code, self.reason = code, reason
        super().__init__(f"{code}: {reason}")


def cut(data, size):
    """The first SIZE bytes of a bytearray, which loses them."""
    first = bytes(data[:size])
    del data[:size]
    return first


class WebSocket:
    """SOCK: connected, TLS done; it becomes this object's."""

    def __init__(self, sock, path, headers=()):
        self.sock = sock
        self.stream = bytearray()   # what has come in messages and was not read yet
        self.raw = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: migrd", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}",
                 *(f"{name}: {value}" for name, value in dict(headers).items())]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.raw:
            self._more()
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        self.head = head.decode()
        status = int(self.head.split()[1])
        if status != 101:
            length = int(re.search(r"(?i)content-length: *(\d+)", self.head).group(1))
            while len(self.raw) < length:
                self._more()
            sock.close()
            raise Refused(status, self.raw.decode())

    def close(self):
        self.sock.close()

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed()
        self.raw += data

    def _take(self, size):
        while len(self.raw) < size:
            self._more()
        return cut(self.raw, size)

    def _frame(self):
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack(">H", self._take(2))
        elif size == 127:
            size, = struct.unpack(">Q", self._take(8))
        return first & 0x0F, self._take(size)

    def send_frame(self, opcode, data):
        mask = os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += struct.pack(">BH", 0x80 | 126, size)
        else:
            head += struct.pack(">BQ", 0x80 | 127, size)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        with contextlib.suppress(ConnectionError):  # recv() tells why it has ended
            self.sock.sendall(head + mask + masked)

    def send(self, data):
        self.send_frame(BINARY, data)

    def recv(self, size):
        """SIZE bytes of what comes in messages."""
        while len(self.stream) < size:
            opcode, data = self._frame()
            if opcode == PING:
                self.send_frame(PONG, data)
            elif opcode == CLOSE:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else None
                raise Closed(code, data[2:].decode())
            elif opcode in (BINARY, TEXT, CONTINUATION):
                self.stream += data
        return cut(self.stream, size)


class Plain:
    """The same of a socket with nothing around the bytes."""

    def __init__(self, sock):
        self.sock = sock

    def close(self):
        self.sock.close()

    def send(self, data):
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def recv(self, size):
        data = bytearray()
        while len(data) < size:
            try:
                part = self.sock.recv(size - len(data))
            except ConnectionError:
                part = b""
            if not part:
                raise Closed()
            data += part
        return bytes(data)
