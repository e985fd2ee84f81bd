# SPDX-License-Identifier: LGPL-2.1-or-later
"""A coordinator that is told to stop while requests of every kind wait in it: it ends in order,
and answers or frees what it kept for them (a sanitizer tells).  The next one finds its guests."""
import concurrent.futures
import contextlib
import http.client
import random
import threading

from lib import settings
from lib.api import ApiError
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s
ROUNDS = 6
CALLERS = 6
NOBODY = "018f0000-0000-7000-8000-000000000000"
QMP = {"protocol": "qmp", "command": {"execute": "query-status"}}
HUMAN = {"protocol": "hmp", "command": "info version"}


class StopTest(SystemTest):
    timeout_seconds = 240

    def setUp(self):
        super().setUp()
        self.guest = self.world.guest(guest_agent=True)     # no agent in it answers
        self.guest.start(self.a)
        self.spare = self.world.guest("g2", cdroms=[{"id": "cd0", "bus": "sata"}])
        self.spare.create(self.a)
        self.spare.create(self.b)
        self.image = self.world.dir / "one.img"
        self.image.write_bytes(bytes(64 << 10))
        self.move_id = NOBODY

    def calls(self):
        """Method, path, body."""
        running, spare, move = "/v1/vms/g1", "/v1/vms/g2", f"/v1/moves/{self.move_id}"
        disk = {"kind": "disk", "id": "one", "path": str(self.image), "format": "raw"}
        return [
            ("GET", "/readyz", None),
            ("GET", "/v1/host/check", None),
            ("POST", "/v1/host/check/repair", None),
            ("POST", "/v1/host/backup", {}),
            ("GET", "/v1/peers", None),
            ("POST", "/v1/evacuations", {"dry_run": True}),     # a thread makes its plan
            ("POST", "/v1/vms", {"name": "g3", "machine": "pc-q35-7.2", "memory_mib": 64}),
            ("DELETE", "/v1/vms/g3", None),
            *(("POST", f"{spare}/{action}", None) for action in ("start", "start", "stop", "shutdown", "reset")),
            *(("POST", f"{running}/{action}", None) for action in ("pause", "resume", "resume")),
            *(("POST", f"{running}/agent/{call}", None) for call in ("ping", "info", "freeze")),
            *(("POST", f"{vm}/monitor", body) for vm in (running, spare) for body in (QMP, HUMAN)),
            ("POST", f"{spare}/devices", disk),
            ("DELETE", f"{spare}/devices/one?timeout_ms=500", None),
            ("GET", f"{spare}/devices", None),
            ("PUT", f"{spare}/devices/cd0/medium", {"path": str(self.image)}),
            ("DELETE", f"{spare}/devices/cd0/medium", None),
            ("POST", "/v1/moves", {"vm": "g1", "to": "b", "bandwidth_bytes_per_s": HELD}),
            ("PATCH", move, {"downtime_limit_ms": 400}),
            ("POST", f"{move}/cancel", None),
        ]

    def crowd(self, seed, is_over):
        """Asks until IS_OVER; a caller may be refused, and its answer may never come."""
        chance = random.Random(seed)
        while not is_over.is_set():
            host, call = chance.choice((self.a, self.b)), chance.choice(self.calls())
            with contextlib.suppress(ApiError, OSError, http.client.HTTPException):
                answer = host.api.call(*call, timeout=settings.seconds(10))
                if call[1] == "/v1/moves":
                    self.move_id = answer["id"]

    def test_with_requests_of_every_kind_under_way(self):
        for seed in range(ROUNDS):
            chance = random.Random(seed)
            is_over = threading.Event()
            with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
                try:
                    callers = [pool.submit(self.crowd, seed * CALLERS + i, is_over)
                               for i in range(CALLERS)]
                    is_over.wait(chance.uniform(0.05, 1.0))
                    for host in chance.sample((self.a, self.b), 2):
                        host.stop()
                finally:
                    is_over.set()
            for caller in callers:
                caller.result()
            self.a.start()
            self.b.start()
        with contextlib.suppress(ApiError):
            self.world.cancel(self.a, self.move_id)
        self.eventually("one host has the guest's QEMU",
                        lambda: sum(self.pid(h) is not None for h in (self.a, self.b)) == 1)
        self.guest.console.assert_single_runner()

    def pid(self, host):
        with contextlib.suppress(ApiError):
            return self.guest.vm(host)["pid"]
        return None
