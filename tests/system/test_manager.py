# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service manager is told, as sd_notify(3) says it, by a socket that this test has."""
import os
import signal
import socket

from lib import settings
from lib.world import SystemTest


class ManagerTest(SystemTest):
    host_ids = ("a",)

    def setUp(self):
        super().setUp()
        self.a.stop()
        path = self.world.dir / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(path))
        self.socket.settimeout(settings.seconds(20))
        self.a.env = {"NOTIFY_SOCKET": str(path)}

    def told(self):
        return self.socket.recv(4096).decode().split("\n")

    # The kernel keeps ten messages that this test has not read (net.unix.max_dgram_qlen): with a
    # watchdog beside them one of these could be lost.
    def test_start_reload_and_stop(self):
        self.a.start()
        self.assertEqual(self.told(), ["READY=1"])
        os.kill(self.a.process.pid, signal.SIGHUP)
        reloading = self.told()
        self.assertEqual(reloading[0], "RELOADING=1")
        self.assertRegex(reloading[1], r"^MONOTONIC_USEC=[1-9][0-9]*$")
        self.assertEqual(self.told(), ["READY=1"])
        self.a.stop()
        self.assertEqual(self.told(), ["STOPPING=1"])

    def test_signs_of_life_and_a_ready_that_was_not_taken_at_first(self):
        self.fill()
        self.a.env["WATCHDOG_USEC"] = "200000"
        self.a.start()
        self.eventually("the log tells of a manager that does not read",
                        lambda: 'state="READY=1"' in self.a.log_tail())
        missing = {"READY=1", "WATCHDOG=1"}
        while missing:
            missing.difference_update(self.told())

    def fill(self):
        """Has the kernel keep as many unread messages as it will."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(self.socket.getsockname())
            try:
                while True:
                    sender.send(b"FILL=1")
            except BlockingIOError:
                pass
