#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Subscribers to the events of a coordinator; a process of its own.

    subscribers.py PORT CA (CERT KEY COUNT)... [SOCKET COUNT]

Prints "ready" when each has its stream, and at the end of its standard input the number of events that
all have got, the smallest number that one has got, and how many streams have ended.
"""
import resource
import selectors
import socket
import ssl
import sys

HEAD = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


class Stream:
    def __init__(self, sock):
        self.sock, self.events, self.is_over, self.tail = sock, 0, False, b""
        sock.sendall(HEAD)
        if not sock.recv(15).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("no stream of events")
        sock.setblocking(False)

    def read(self):
        try:
            while True:
                data = self.sock.recv(1 << 16)
                if not data:
                    self.is_over = True
                    return
                text = self.tail + data
                self.events += text.count(b"\nid:") + text.count(b"\nid :")
                self.tail = text[-3:]
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except OSError:
            self.is_over = True


def connections(args):
    port, ca = int(args[0]), args[1]
    rest = args[2:]
    while len(rest) >= 3:
        cert, key, count = rest[:3]
        rest = rest[3:]
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        context.load_cert_chain(cert, key)
        for number in range(int(count)):
            yield context.wrap_socket(socket.create_connection(
                ("127.0.0.1", port), source_address=(f"127.0.{1 + number % 16}.1", 0)))
    if rest:
        for _ in range(int(rest[1])):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(rest[0])
            yield sock


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    streams = [Stream(sock) for sock in connections(sys.argv[1:])]
    for stream in streams:
        selector.register(stream.sock, selectors.EVENT_READ, stream)
    print("ready", flush=True)
    while True:
        for found, _ in selector.select():
            if found.data is None:
                print(sum(s.events for s in streams), min(s.events for s in streams),
                      sum(s.is_over for s in streams), flush=True)
                return
            found.data.read()
            if found.data.is_over:
                selector.unregister(found.data.sock)


if __name__ == "__main__":
    main()
