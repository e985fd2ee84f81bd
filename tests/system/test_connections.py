# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API while other clients take all the connections they can get."""
import contextlib
import os
import resource
import socket
import ssl
import subprocess
import threading

from lib import settings
from lib.api import Api
from lib.intruder import blind_context
from lib.world import SystemTest

NETWORKS = 10
EACH_NETWORK = 64           # twice the limit of one network
VIEWER_IDLE = 140           # more than the limit of one viewer
ASKED = 15
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class ConnectionsTest(SystemTest):
    timeout_seconds = 240

    def setUp(self):
        super().setUp()
        self.open = []
        self.addCleanup(lambda: [sock.close() for sock in self.open])

    def connect(self, host, network):
        with contextlib.suppress(OSError):
            self.open.append(socket.create_connection(
                ("127.0.0.1", host.api_port), timeout=settings.seconds(10),
                source_address=(f"127.0.{network}.1", 0)))

    def user(self, name, role):
        """A directory with a certificate, for blind_context()."""
        pki = self.world.dir / "h"
        subprocess.run([settings.program("migrctl"), "pki", "user", name, "--role", role, "--dir",
                        str(pki)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        directory = self.world.dir / name
        directory.mkdir()
        for found, wanted in ((pki / "ca.pem", "ca.pem"),
                              (pki / "users" / f"{name}.pem", "host.pem"),
                              (pki / "users" / f"{name}.key", "host-key.pem")):
            (directory / wanted).write_bytes(found.read_bytes())
        return directory

    def assert_answered(self, sock):
        """Sends one request on an open connection, and reads its whole answer."""
        sock.sendall(HEALTHZ)
        answer = b""
        while not answer.endswith(b"ok\n") and (part := sock.recv(4096)):
            answer += part
        self.assertIn(b" 200 ", answer.partition(b"\r\n")[0])

    def assert_served(self, admin):
        """An administrator of another network, the local socket and the other host are served."""
        remote = Api.with_certificate("127.0.0.1", self.a.api_port, blind_context(admin))
        for _ in range(ASKED):
            self.assertEqual(remote.get("/v1/host", timeout=10)["id"], "a")
        self.assertEqual(self.a.api.get("/v1/host", timeout=10)["id"], "a")
        guest = self.world.guest("g1", area=0, rate=0, memory_mib=32)
        guest.start(self.b, sweeps=0)
        self.world.move(guest, self.b, self.a)

    def test_strangers_who_come_again_and_again_keep_nobody_out(self):
        admin, stop = self.user("ada", "admin"), threading.Event()

        def renew():
            for number in range(10000):
                if stop.is_set():
                    return
                self.connect(self.a, 2 + number % NETWORKS)
                if len(self.open) > NETWORKS * EACH_NETWORK:
                    self.open.pop(0).close()

        for number in range(NETWORKS * EACH_NETWORK):
            self.connect(self.a, 2 + number % NETWORKS)
        self.assertEqual(len(self.open), NETWORKS * EACH_NETWORK)
        renewer = threading.Thread(target=renew, daemon=True)
        renewer.start()
        try:
            self.assert_served(admin)
        finally:
            stop.set()
            renewer.join()

    def test_idle_connections_of_a_viewer_keep_nobody_out(self):
        admin, viewer = self.user("ada", "admin"), blind_context(self.user("vic", "viewer"))
        for number in range(VIEWER_IDLE):
            self.connect(self.a, 2 + number % 8)
            self.open[-1] = viewer.wrap_socket(self.open[-1])
            self.assert_answered(self.open[-1])
        # Its own oldest connection has made room for its last.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.assertEqual(self.open[0].recv(1), b"")
        self.assert_served(admin)
        self.assert_answered(self.open[-1])

    def test_local_socket_answers_at_the_limit_of_descriptors(self):
        pid = self.a.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 6, limits[1]))
        for network in range(30):
            self.connect(self.a, 2 + network)
        for _ in range(ASKED):
            self.assertEqual(self.a.api.get("/v1/host", timeout=5)["id"], "a")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
