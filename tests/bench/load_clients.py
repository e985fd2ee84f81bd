#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that ask a coordinator as fast as it answers; a process of its own.

    load_clients.py PORT CA CERT KEY COUNT METHOD BODY-BYTES PATH...

COUNT connections, from several addresses of 127/8, ask for the paths in turn.  With
BODY-BYTES each request carries an object of this size, full of unknown keys.  Each second
the number of answers so far is printed.  The process runs at nice 19, and ends when its
standard input does.
"""
import contextlib
import json
import os
import selectors
import socket
import ssl
import sys
import time

RECEIVE_BYTES = 1 << 18


def body_of(size):
    keys, length = {}, 2
    while length < size:
        key = f"k{len(keys):06d}"
        keys[key] = 1
        length += len(key) + 6
    return json.dumps(keys).encode()[:size] if size else b""


class Connection:
    def __init__(self, port, context, requests, first):
        self.sock = context.wrap_socket(socket.create_connection(
            ("127.0.0.1", port), source_address=(f"127.0.{1 + first % 16}.1", 0)))
        self.requests, self.number = requests, first
        self.got, self.unsent = b"", b""
        self.answers = 0
        self.sock.setblocking(False)
        self.ask()

    def ask(self):
        self.unsent = self.requests[self.number % len(self.requests)]
        self.number += 1
        self.send()

    def send(self):
        try:
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent[:RECEIVE_BYTES]):]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass

    def receive(self):
        """Returns False at the end of the connection."""
        try:
            while True:
                data = self.sock.recv(RECEIVE_BYTES)
                if not data:
                    return False
                self.got += data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        head = self.got.find(b"\r\n\r\n")
        if head < 0:
            return True
        lower = self.got[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15:].split(b"\r", 1)[0])
        if len(self.got) >= head + 4 + length:
            self.got = self.got[head + 4 + length:]
            self.answers += 1
            self.ask()
        return True

    def wanted(self):
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)


def request_of(method, path, body):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def give_way():
    """Lowers the priority of the whole session: it has a group of its own in the scheduler
    (sched(7), autogroup), and a process's nice value counts only within its group, the group's
    among groups."""
    os.nice(19)
    os.setsid()
    with contextlib.suppress(FileNotFoundError):    # this kernel has no autogroups
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write("19")


def main():
    port, ca, cert, key, count, method, size = sys.argv[1:8]
    give_way()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca)
    context.load_cert_chain(cert, key)
    requests = [request_of(method, path, body_of(int(size))) for path in sys.argv[8:]]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    connections = [Connection(int(port), context, requests, i) for i in range(int(count))]
    for connection in connections:
        selector.register(connection.sock, connection.wanted(), connection)
    told = time.monotonic()
    while True:
        for found, events in selector.select(1):
            connection = found.data
            if connection is None:
                return
            if events & selectors.EVENT_WRITE:
                connection.send()
            if not connection.receive():
                selector.unregister(connection.sock)
                connections.remove(connection)
                continue
            if connection.wanted() != found.events:
                selector.modify(connection.sock, connection.wanted(), connection)
        if time.monotonic() > told + 1:
            told = time.monotonic()
            print(sum(c.answers for c in connections), len(connections), flush=True)


if __name__ == "__main__":
    main()
