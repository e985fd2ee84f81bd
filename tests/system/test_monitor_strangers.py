# SPDX-License-Identifier: LGPL-2.1-or-later
"""A coordinator that comes back finds another program behind a monitor's socket.  Each stranger is
named in bounded time and is sent nothing (except for the proof that it is the right QEMU), and the
guest goes on."""
import json
import os
import time

from lib import settings
from lib.impostor import Dropper, Endless, HttpServer, Impostor, Relay, Trickler
from lib.world import SystemTest

OPEN_MS = 1000
ASKED = ["qmp_capabilities", "query-uuid"]


class Case:
    def __init__(self, name, stranger, says, asked=()):
        self.name, self.stranger, self.says, self.asked = name, stranger, says, list(asked)
        self.guest = self.directory = None

    def put(self, directory):
        """Takes the place of both monitors of the VM in DIRECTORY."""
        self.directory = directory
        for monitor in ("qmp0.sock", "qmp1.sock"):
            os.rename(directory / monitor, directory / f"{monitor}.real")
            self.stranger.listen(directory / monitor)

    def take_away(self):
        for monitor in ("qmp0.sock", "qmp1.sock"):
            os.rename(self.directory / f"{monitor}.real", self.directory / monitor)
        self.stranger.close()

    def commands(self):
        """The commands that the stranger was sent, each once."""
        lines = self.stranger.heard.decode().splitlines()
        return sorted({json.loads(line)["execute"] for line in lines})


class StrangersTest(SystemTest):
    host_ids = ("a",)

    def prepare(self):
        self.world["a"].write_config(qemu={"start_timeout_ms": OPEN_MS})

    def directory(self, guest):
        return self.a.run_dir / "vms" / guest.uuid

    def fds(self):
        return len(os.listdir(f"/proc/{self.a.process.pid}/fd"))

    def new_guest(self, name, **extra):
        guest = self.world.guest(name, area=0, memory_mib=32, **extra)
        guest.start(self.a)
        self.a.api.post(f"/v1/vms/{name}/pause")    # eight guests share two CPUs
        return guest

    def cases(self):
        hmp, qmp = self.world.dir / "hmp.sock", self.world.dir / "qmp.sock"
        other = self.new_guest("other", guest_agent=True, monitors=[
            {"id": "hmp", "protocol": "hmp", "type": "unix", "path": str(hmp)},
            {"id": "qmp", "protocol": "qmp", "type": "unix", "path": str(qmp)}])
        return [
            Case("silent", Impostor(), "no QMP greeting"),
            Case("http", HttpServer(), "no QMP greeting"),
            Case("agent", Relay(self.directory(other) / "agent.sock"), "no QMP greeting"),
            Case("hmp", Relay(hmp), "this is QEMU's human monitor"),
            Case("twin", Relay(qmp), "belongs to another guest", ASKED),
            Case("dropper", Dropper(), "closed", ASKED[:1]),
            Case("endless", Endless(), "a line of over 65536 bytes"),
            Case("trickle", Trickler(), "no QMP greeting"),
        ]

    def assert_refused(self, case):
        vm = case.guest.vm(self.a)
        self.assertEqual(vm["state"], "unreachable")
        self.assertIn(case.says, vm["reason"])
        self.assertEqual(case.commands(), case.asked)
        self.assert_api_error(409, "conflict", self.a.api.post, f"/v1/vms/{case.name}/resume")

    def wait_found(self, events, names):
        for kind, vm in events:
            if kind == "vm" and (vm["state"], vm["reason"]) == ("paused", ""):
                names.discard(vm["name"])
            if not names:
                return
        self.fail("the stream of events ended")

    def test_strangers_at_a_restart_are_told_and_sent_nothing(self):
        cases = self.cases()
        for case in cases:
            case.guest = self.new_guest(case.name)
        before = self.fds()
        self.a.kill9()
        for case in cases:
            case.put(self.directory(case.guest))
        began = time.monotonic()
        self.a.start()
        self.assertLess(time.monotonic() - began, 4 * OPEN_MS / 1000 + settings.seconds(3))
        for case in cases:
            with self.subTest(case.name):
                self.assert_refused(case)
        with self.subTest("nothing is gathered by trying again"):
            # At most one connection to each stranger, and no other connections.
            callers = {case.name: case.stranger.callers for case in cases}
            self.eventually("each was tried twice more",
                            lambda: all(case.stranger.callers >= callers[case.name] + 2
                                        for case in cases), timeout=20)
            self.assertLessEqual(self.fds(), before)
            self.assertTrue(all(case.stranger.open <= 2 for case in cases))
            self.assertTrue(all(case.stranger.said <= case.stranger.callers << 20
                                for case in cases), "a GiB was taken")
            for case in cases:
                self.assert_refused(case)
        with self.a.api.events(timeout=20) as events:
            for case in cases:
                case.take_away()
            with self.subTest("the right ones are found again, and watchers hear of it"):
                self.wait_found(events, {case.name for case in cases})
        for case in cases:
            with self.subTest(f"{case.name}: the right one is found again"):
                self.assertEqual(case.guest.vm(self.a)["state"], "paused")
                self.assertEqual(case.guest.vm(self.a)["reason"], "")
                self.eventually("its devices were looked at", lambda case=case:
                                not case.guest.vm(self.a)["monitor"]["holder"])
        self.assertEqual(self.a.api.post("/v1/vms/silent/resume")["state"], "running")
        self.eventually("no more descriptors than before", lambda: self.fds() <= before)
        self.eventually("each stranger has seen the end of its connections",
                        lambda: not any(case.stranger.open for case in cases))
        self.assertEqual(len(self.a.qemus()), len(cases) + 1)
