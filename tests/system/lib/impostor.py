# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs in the place of a QEMU's monitor.

Each listens on one or more UNIX sockets, keeps every byte it is sent, and counts
its callers.
"""
import contextlib
import http.server
import socket
import socketserver
import threading

GREETING = (b'{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 7}, "package": ""}, '
            b'"capabilities": ["oob"]}}\r\n')


class Impostor:
    """Accepts and says nothing, until the caller closes."""

    def __init__(self):
        self.heard = b""
        self.said = 0           # bytes sent
        self.callers = 0
        self.open = 0           # callers that are connected now
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listeners = []

    def listen(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.listen(8)
        self._listeners.append(sock)
        threading.Thread(target=self._accept, args=(sock,), daemon=True).start()

    def close(self):
        self._closing.set()
        for sock in self._listeners:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with self._lock:
            self.callers += 1
            self.open += 1
        with sock, contextlib.suppress(OSError):
            self.talk(sock)
        with self._lock:
            self.open -= 1

    def say(self, sock, data):
        sock.sendall(data)
        with self._lock:
            self.said += len(data)

    def hear(self, sock):
        """Returns the next bytes of the caller, and keeps them; b"" at the end."""
        data = sock.recv(65536)
        with self._lock:
            self.heard += data
        return data

    def hear_all(self, sock):
        while self.hear(sock):
            pass

    def talk(self, sock):
        self.hear_all(sock)


class HttpServer(Impostor):
    """An HTTP server, which waits for a request."""

    def talk(self, sock):
        first = sock.recv(65536, socket.MSG_PEEK)
        with self._lock:
            self.heard += first
        if first:
            http.server.BaseHTTPRequestHandler(sock, ("", 0), socketserver.BaseServer(("", 0), None))


class Dropper(Impostor):
    """A proxy that greets as QEMU does, reads the answer and closes."""

    def talk(self, sock):
        self.say(sock, GREETING)
        self.hear(sock)


class Endless(Impostor):
    """A greeting of 1 GiB."""

    def talk(self, sock):
        threading.Thread(target=self._hear_quietly, args=(sock,), daemon=True).start()
        self.say(sock, b'{"QMP": "')
        for _ in range(1 << 14):
            self.say(sock, b"x" * (1 << 16))

    def _hear_quietly(self, sock):
        with contextlib.suppress(OSError):
            self.hear_all(sock)


class Trickler(Endless):
    """A valid greeting, at ten bytes a second."""

    def talk(self, sock):
        threading.Thread(target=self._hear_quietly, args=(sock,), daemon=True).start()
        for i in range(len(GREETING)):
            self.say(sock, GREETING[i:i + 1])
            if self._closing.wait(0.1):
                return


class Relay(Impostor):
    """Passes all data on to the real monitor at the socket TARGET."""

    def __init__(self, target):
        super().__init__()
        self.target = str(target)

    def talk(self, sock):
        with socket.socket(socket.AF_UNIX) as target:
            target.connect(self.target)
            back = threading.Thread(target=self._back, args=(target, sock), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := self.hear(sock):
                    target.sendall(data)
                target.shutdown(socket.SHUT_RDWR)
            back.join(5)

    def _back(self, target, sock):
        with contextlib.suppress(OSError):
            while data := target.recv(65536):
                self.say(sock, data)
            sock.shutdown(socket.SHUT_RDWR)
