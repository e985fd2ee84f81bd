# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parties that are told of a move and do not behave: none keeps it back for longer than it may take
for its answer, and none does anything to the guest."""
import contextlib
import os
import signal
import threading

from faults import Fault
from lib import settings
from lib.party import Parties

TIMEOUT_MS = 1500
HUGE = 1 << 30
PIECE = bytes(64 << 10)
DELAY = {"delay_s": 60, "reason": "it may not count"}


def closes_in_the_middle(handler):
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"delay_s":60')
    handler.close_connection = True


def garbage(handler):
    handler.wfile.write(b"\x00\xff" + os.urandom(4096))
    handler.close_connection = True


def huge_body(handler):
    """Goes on until the other end has had enough."""
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n".encode())
    with contextlib.suppress(OSError):
        for _ in range(HUGE // len(PIECE)):
            handler.wfile.write(PIECE)
    handler.close_connection = True


def endless_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        for number in range(HUGE // 1024):
            handler.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))
    handler.close_connection = True


class PartyMisbehaves(Fault):
    """Parties, each of which does one of KINDS."""
    kinds = {
        "does not answer": None,
        "answers after its time": "late",
        "closes in the middle": closes_in_the_middle,
        "answers with garbage": garbage,
        "answers with something huge": huge_body,
        "answers with headers without an end": endless_headers,
        "has a name that does not resolve": "nowhere",
    }

    def __init__(self, *kinds):
        self.doing = kinds or tuple(self.kinds)
        self.name = f"a party {self.doing[0]}" if kinds else "parties of all kinds"

    def strike(self, s):
        self.in_time = threading.Event()
        self.parties = Parties(s.world.dir)
        sections = dict(self.section(number, kind) for number, kind in enumerate(self.doing))
        before = s.a.api.get("/v1/host").get("reload")
        s.a.write_config(**sections)
        os.kill(s.a.process.pid, signal.SIGHUP)
        s.wait("the reload", lambda: s.a.api.get("/v1/host").get("reload") not in (None, before))
        if "error" in (reload := s.a.api.get("/v1/host")["reload"]) and reload["error"]:
            raise AssertionError(reload["error"])

    def section(self, number, kind):
        name, does = f"p{number}", self.kinds[kind]
        keys = {"timeout_ms": TIMEOUT_MS, "may_delay_s": 600, "when": "before"}
        if does == "nowhere":
            keys["url"] = "https://party.invalid/"
        elif does == "late":
            self.parties.set(name, 200, self.answer_late)
        else:
            self.parties.set(name, 200, does)
        return self.parties.section(name, **keys)

    def answer_late(self, handler):
        self.in_time.wait(60)
        with contextlib.suppress(OSError):
            handler.answer(200, DELAY)

    def verify(self, s):
        self.in_time.set()
        self.parties.close()
        move = s.a.move_state(s.move_id)
        rows = {row["party"]: row for row in move["notices"]}
        for number, kind in enumerate(self.doing):
            row = rows[f"p{number}"]
            if row["before"] != "unheard" or not row["reason"]:
                raise AssertionError(f"a party {kind}: {row}")
        waited_s = move["times"]["parties_ms"] / 1000
        if waited_s > settings.seconds(TIMEOUT_MS / 1000 + 2):
            raise AssertionError(f"memory waited {waited_s:.1f} s for parties")
