# SPDX-License-Identifier: LGPL-2.1-or-later
"""Further monitors of a VM, for an operator's tools."""
import json
import os
import re
import signal
import socket

from lib import settings
from lib.host import free_ports
from lib.world import SystemTest


def connect(where):
    """Connects to a monitor; returns a file to read lines from and to write to."""
    family = socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(settings.seconds(10))
    sock.connect(where)
    return sock.makefile("rw", newline="")


def wait_for(stream, text):
    """Reads until TEXT has come."""
    found = ""
    while text not in found:
        char = stream.read(1)
        if not char:
            raise AssertionError(f"the monitor closed after {found!r}")
        found += char
    return found


class OperatorsMonitorsTest(SystemTest):
    def prepare(self):
        self.path = self.world.dir / "ops.sock"
        self.port = free_ports(10)[-1]     # the hosts have the first ones
        self.guest = self.world.guest(area=0, monitors=[
            {"id": "ops", "protocol": "hmp", "type": "unix", "path": str(self.path)},
            {"id": "tool", "protocol": "qmp", "type": "tcp", "port": self.port},
            {"id": "tty", "protocol": "hmp", "type": "stdio"}])

    def test_three_monitors_work_and_what_is_done_there_is_seen(self):
        self.guest.start(self.a)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        with connect(str(self.path)) as ops:
            ops.write("info name\n")
            ops.flush()
            wait_for(ops, "\r\ng1\r\n")
            with self.a.api.events() as events:
                ops.write("stop\n")
                ops.flush()
                next(vm for kind, vm in events if kind == "vm" and vm["state"] == "paused")
                ops.write("cont\n")
                ops.flush()
                next(vm for kind, vm in events if kind == "vm" and vm["state"] == "running")
        with connect(("127.0.0.1", self.port)) as tool:
            self.assertIn("QMP", json.loads(tool.readline()))
        self.guest.assert_runs_on(self.a)
        with self.subTest("nothing is left of them"):
            self.a.api.post("/v1/vms/g1/stop")
            self.assertFalse(self.path.exists())
        with self.subTest("a killed QEMU leaves a socket, which the next one replaces"):
            pid = self.guest.start(self.a)["pid"]
            self.a.kill9()
            os.kill(pid, signal.SIGKILL)
            self.a.start()
            self.eventually("the socket is removed", lambda: not self.path.exists())
            self.guest.start(self.a)
            connect(str(self.path)).close()

    # A path that is in use is not taken away, as QEMU itself would do.
    def test_place_that_is_taken_is_a_clear_error(self):
        self.guest.create(self.a)
        for what, take in (("a listener", self._take_path), ("a file", self._put_file),
                           ("the port", self._take_port)):
            with self.subTest(what), take() as place:
                error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/g1/start")
                self.assertIn(place, error.body["detail"])
                self.assertEqual(self.a.qemus(), [])
        self.guest.start(self.a)
        with self.subTest("on the destination of a move"):
            move = self.world.begin_move(self.guest, self.a, self.b)
            move = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
            self.assertEqual(move["state"], "failed")
            self.assertRegex(move["error"]["detail"], re.escape(str(self.path)) + ".*in use")
            self.guest.assert_runs_on(self.a)
            self.eventually("no QEMU on b", lambda: not self.b.qemus())
            self.assertTrue(self.path.exists())

    class _Taken:
        def __init__(self, place, give_back):
            self.place, self.give_back = place, give_back

        def __enter__(self):
            return self.place

        def __exit__(self, *_):
            self.give_back()

    def _take(self, family, where, place, give_back):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)     # a closed port may linger
        sock.bind(where)
        sock.listen(1)
        return self._Taken(place, lambda: (sock.close(), give_back()))

    def _take_path(self):
        return self._take(socket.AF_UNIX, str(self.path), str(self.path), self.path.unlink)

    def _take_port(self):
        return self._take(socket.AF_INET, ("127.0.0.1", self.port), f"port {self.port}",
                          lambda: None)

    def _put_file(self):
        self.path.write_text("precious", encoding="utf-8")
        return self._Taken(str(self.path), self.path.unlink)


class MovedMonitorsTest(SystemTest):
    def prepare(self):
        # Both hosts are one machine, but have working directories of their own.
        for host in self.world.hosts.values():
            host.prefix = ["env", "-C", str(host.dir)]

    def test_monitors_are_there_after_a_move(self):
        monitors = [
            {"id": "ops", "protocol": "hmp", "type": "unix", "path": "/proc/self/cwd/ops.sock"},
            {"id": "tty", "protocol": "hmp", "type": "stdio"}]
        guest = self.world.guest(area=0, monitors=monitors)
        guest.start(self.a)
        self.assertTrue((self.a.dir / "ops.sock").exists())
        self.world.move(guest, self.a, self.b)
        with connect(str(self.b.dir / "ops.sock")) as ops:
            ops.write("info chardev\n")
            ops.flush()
            text = wait_for(ops, "(qemu) ") + wait_for(ops, "(qemu) ")
        self.assertRegex(text, r"monitor-tty: filename=pty:/dev/pts/\d+")
        guest.assert_runs_on(self.b)
        self.assertEqual(guest.vm(self.b)["definition"]["monitors"], monitors)
        self.eventually("no monitor is left on a", lambda: not (self.a.dir / "ops.sock").exists())
