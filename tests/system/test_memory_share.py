# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose memory is shared, so that another QEMU of the host can go on with it."""
import json
import pathlib
import subprocess

from lib import procs, settings
from lib.qmp import Qmp
from lib.second_monitor import ask
from lib.world import SystemTest

CAPABILITIES = [{"capability": name, "state": True} for name in ("return-path", "events")]
# Memory of each kind that a definition can have.
SHARED = {"memory_share": True, "memory_slots": 1, "max_memory_mib": 1024,
          "memory_devices": [{"id": "m", "size_mib": 128}]}


class Successor:
    """A second QEMU with the command line of PID, which waits for that one's guest and memory."""

    def __init__(self, pid, directory):
        directory.mkdir()
        self.main, self.cpr, monitor = (directory / name for name in ("main", "cpr", "qmp"))
        words = procs.cmdline(pid)
        words = words[words.index("-name"):]
        for i, word in enumerate(words):
            if word.startswith("socket,id=mon0,"):
                words[i] = f"socket,id=mon0,path={monitor},server=on,wait=off"
            elif word.startswith("socket,id=mon1,"):
                words[i] = "null,id=mon1"
            elif words[i - 1] == "-pidfile":
                words[i] = str(directory / "pid")
        environ = dict(pair.split("=", 1) for pair in
                       pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in pair)
        self.process = subprocess.Popen(
            [settings.qemu, *words, "-incoming", "defer",
             "-incoming", json.dumps(self.channel("cpr", self.cpr))],
            env=environ, stdin=subprocess.DEVNULL, stderr=(directory / "stderr").open("w"))
        self.monitor_path = monitor

    def channel(self, kind, path):
        return {"channel-type": kind,
                "addr": {"transport": "socket", "type": "unix", "path": str(path)}}

    def take_over(self, test, old):
        """Brings the guest of the QEMU with the monitor OLD here."""
        test.eventually("the new QEMU waits for the memory", self.cpr.exists)
        old.command("migrate-set-parameters", mode="cpr-transfer")
        old.command("migrate-set-capabilities", capabilities=CAPABILITIES)
        channels = [self.channel("main", self.main), self.channel("cpr", self.cpr)]
        test.eventually("the new QEMU takes a connection",
                        lambda: "return" in old.command("migrate", channels=channels))
        test.eventually("the new QEMU has a monitor", self.monitor_path.exists)
        new = Qmp(path=self.monitor_path)
        new.command("migrate-set-parameters", mode="cpr-transfer")
        new.command("migrate-set-capabilities", capabilities=CAPABILITIES)
        new.command("migrate-incoming", channels=channels[:1])
        for monitor in (new, old):
            test.eventually("the guest is over", lambda m=monitor: m.command("query-migrate")
                            ["return"].get("status") == "completed")
        test.assertEqual(new.command("cont"), {"return": {}})
        old.close()
        return new


class MemoryShareTest(SystemTest):
    def assert_shared(self, host, guest):
        self.assertEqual({memory["id"]: memory["share"] for memory in ask(host, guest, "query-memdev")},
                         {"pc.ram": True, "m-mem": True})
        if settings.qemu_major() >= 10:
            self.assertTrue(ask(host, guest, "qom-get", path="/machine",
                                property="aux-ram-share"))

    # Shared memory is moved page by page as private memory is, with and without multifd.
    def test_move_of_a_guest_with_shared_memory_keeps_memory_and_sharing(self):
        guest = self.world.guest(**SHARED)
        guest.start(self.a)
        self.assert_shared(self.a, guest)

        self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)
        self.assert_shared(self.b, guest)
        self.world.move(guest, self.b, self.a, multifd={"channels": 4})

        guest.assert_runs_on(self.a)
        self.assert_shared(self.a, guest)

    # What the option is for.  The coordinator is away, so that it does not take part.
    def test_qemu_gives_shared_memory_to_another_qemu_and_the_guest_counts_on(self):
        if settings.qemu_major() < 10:
            self.skipTest("QEMU before 10.0 cannot hand memory over")
        guest = self.world.guest(**SHARED)
        guest.start(self.a)
        pid = guest.vm(self.a)["pid"]
        self.a.kill9()
        successor = Successor(pid, self.a.run_dir / "next")
        self.addCleanup(successor.process.wait)
        self.addCleanup(successor.process.kill)

        monitor = successor.take_over(self, Qmp(self.a, guest.uuid))
        self.eventually("the new QEMU has the console",
                        lambda: guest.console.lives[-1].pid == successor.process.pid)
        guest.wait_sweeps(2, self.a)

        self.assertEqual(monitor.command("query-status")["return"]["status"], "running")
        guest.console.assert_sane()
        print(f"stop of {guest.console.blackouts_ms()} ms")
        monitor.close()
