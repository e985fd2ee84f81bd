# SPDX-License-Identifier: LGPL-2.1-or-later
"""What guests use of CPU, memory, disks and network, by the API and by `migrctl vm top'."""
import datetime
import json
import os
import signal
import subprocess
import time

from lib import settings
from lib.disks import Disk
from lib.world import SystemTest


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def disk(stats, name):
    return next(found for found in stats["disks"] if found["id"] == name)


class VmStatsTest(SystemTest):
    def stats(self, host, name="g1"):
        return host.api.get(f"/v1/vms/{name}/stats")

    def later(self, host, stats, is_reached):
        """Figures of a later look, when they are as is wanted."""
        def look():
            now = self.stats(host)
            return now if now["at"] != stats["at"] and is_reached(now) else None
        return self.eventually("a later look", look)

    def top(self, *words):
        return subprocess.run(
            [settings.program("migrctl"), "--socket", str(self.a.socket), "vm", "top", "-d", "1",
             *words], check=True, capture_output=True, text=True).stdout

    def test_figures_grow_with_what_the_guest_does_and_begin_anew_after_a_move(self):
        guest = self.world.guest(disks=[Disk("work", shared=True)],
                                 nics=[{"id": "net0", "type": "user"}])
        self.world.guest("g2").create(self.a)
        guest.start(self.a)
        first = self.stats(self.a)
        self.assertEqual((first["state"], first["note"], first["disks_note"]),
                         ("running", None, None))
        started = self.a.vm("g1")["started_at"]
        self.assertAlmostEqual(seconds(first["since"]), seconds(started), delta=2)
        self.assertGreater(first["memory"]["resident_bytes"], 8 << 20)
        self.assertEqual(first["memory"]["size_bytes"], 128 << 20)
        self.assertIsNone(first["memory"]["balloon_bytes"])
        self.assertGreater(disk(first, "boot")["read"]["bytes"], 0)
        self.assertEqual([(nic["id"], nic["rx"], nic["tx"]) for nic in first["nics"]],
                         [("net0", None, None)])
        self.assertIn("type user", first["nics"][0]["note"])

        guest.wait_sweeps(1, self.a)
        second = self.later(self.a, first, lambda now: disk(now, "work")["write"]["ops"]
                            > disk(first, "work")["write"]["ops"])
        self.assertAlmostEqual(seconds(second["since"]), seconds(first["since"]), delta=1)
        took = seconds(second["at"]) - seconds(first["at"])
        used = (second["cpu"]["time_ms"] - first["cpu"]["time_ms"]) / 1000
        self.assertGreater(used, 0)
        # One is read after the other, and somebody else may have the CPU in between.
        self.assertLess(second["cpu"]["vcpu_time_ms"], second["cpu"]["time_ms"] + 1000)
        self.assertGreater(second["cpu"]["vcpu_time_ms"], 0)
        self.assertGreater(second["cpu"]["percent"], 0)
        self.assertLessEqual(second["window_ms"], took * 1000 + 2)
        write = disk(second, "work")["write"]
        self.assertGreaterEqual(write["bytes"], disk(first, "work")["write"]["bytes"])
        self.assertGreaterEqual(write["latency_ms"], 0)

        listed = {item["name"]: item for item in self.a.api.get("/v1/stats")["items"]}
        self.assertEqual(sorted(listed), ["g1", "g2"])
        self.assertEqual((listed["g2"]["cpu"], listed["g2"]["since"], listed["g2"]["disks"]),
                         (None, None, []))
        self.assertIn("does not run", listed["g2"]["note"])
        page = self.a.api.get("/v1/stats?limit=1&fields=name")
        self.assertEqual((page["items"], page["next"]), ([{"name": "g1"}], "g1"))
        rest = self.a.api.get("/v1/stats?limit=1&after=g1")
        self.assertEqual(([item["name"] for item in rest["items"]], rest["next"]), (["g2"], None))

        shown = json.loads(self.top("-n", "1", "-o", "json"))["items"]
        self.assertEqual([item["name"] for item in shown], ["g1", "g2"])
        self.assertGreater(shown[0]["cpu"]["percent"], 0)
        lines = self.top("-n", "2", "--sort", "name", "-o", "wide").splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["NAME", "g1", "g2"] * 2)
        self.assertRegex(lines[1], r"running +\d+ %")
        self.assertIn("does not run", lines[2])
        self.assertEqual(self.top("g2").splitlines()[1].split()[0], "g2")

        self.world.move(guest, self.a, self.b)
        there = self.stats(self.b)
        self.assertGreater(seconds(there["since"]), seconds(second["at"]) - 1)
        self.assertLess(disk(there, "boot")["read"]["bytes"], disk(second, "boot")["read"]["bytes"])
        self.assertEqual((there["host"], there["uuid"]), ("b", second["uuid"]))

    def test_qemu_that_hangs_is_told_of_by_the_kernel_alone(self):
        guest = self.world.guest()
        guest.start(self.a)
        first = self.stats(self.a)
        pid = guest.vm(self.a)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            hung = self.later(self.a, first, lambda now: now["disks_note"])
            self.assertEqual(hung["disks_at"], first["disks_at"])
            self.assertEqual(hung["disks"][0]["read"]["bytes"], first["disks"][0]["read"]["bytes"])
            self.assertIsNone(hung["disks"][0]["read"]["bytes_per_s"])
            # It is not asked again at once, and nobody waits for it.
            began = time.monotonic()
            again = self.later(self.a, hung, lambda now: True)
            self.assertIn("did not answer a moment ago", again["disks_note"])
            self.assertLess(time.monotonic() - began, settings.seconds(5))
        finally:
            os.kill(pid, signal.SIGCONT)
        guest.assert_runs_on(self.a)
