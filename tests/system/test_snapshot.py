# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of disks: of a running guest and of a stopped VM, and back to them, also over crashes."""
import contextlib
import json
import os
import signal
import subprocess

from lib import procs, settings
from lib.api import ApiError
from lib.disks import Disk, qemu_img
from lib.world import SystemTest


class SnapshotTest(SystemTest):
    def refused(self, code, method, path, body=None):
        with self.assertRaises(ApiError) as caught:
            self.a.api.call(method, f"/v1/vms/g1{path}", body)
        self.assertEqual(caught.exception.code, code)
        return str(caught.exception)

    def make(self, name, **members):
        return self.a.api.post("/v1/vms/g1/snapshots", {"name": name, **members})

    def names(self, host=None):
        return [found["name"] for found in (host or self.a).api.items("/v1/vms/g1/snapshots")]

    def stop_guest(self, host=None):
        self.guest.console.expect_reset()
        (host or self.a).api.post("/v1/vms/g1/stop")

    def sweeps(self):
        return [disk.assert_stamps()[0] for disk in self.disks]

    def start_with(self, *disks):
        self.disks = list(disks)
        self.guest = self.world.guest(disks=self.disks, area=4, rate=32, memory_mib=64)
        self.guest.start(self.a, sweeps=0)
        self.guest.console.wait_disk_sweeps(1, host="a")

    @contextlib.contextmanager
    def opened_elsewhere(self, path):
        """A QEMU that has the image open, as one of another host would."""
        node = {"driver": "qcow2", "node-name": "n", "file": {"driver": "file",
                                                              "filename": str(path)}}
        pid_file = self.world.dir / "other.pid"
        # It goes into the background when it has opened its images.
        subprocess.run([settings.qemu, "-M", "none", "-nodefaults", "-display", "none",
                        "-daemonize", "-pidfile", str(pid_file), "-blockdev", json.dumps(node)],
                       check=True, stdin=subprocess.DEVNULL)
        other = int(pid_file.read_text(encoding="ascii"))
        try:
            yield
        finally:
            os.kill(other, signal.SIGKILL)
            procs.wait_gone([other], settings.seconds(10))

    # The guest writes in an order that its disks tell: each was as it is after a power cut.
    def test_running_guest_keeps_its_disks_and_gets_them_back_when_it_is_stopped(self):
        self.start_with(Disk("one", format="qcow2", shared=True, area=4, rate=8, data=2),
                        Disk("two", format="qcow2", shared=True, area=2, rate=8))
        self.assertEqual(self.names(), [])
        self.a.api.post("/v1/vms/g1/snapshots?dry_run=true", {"name": "first"})
        self.assertEqual(self.names(), [])
        first = self.make("first", description="as it was made, with ünïcode")
        self.assertEqual((first["name"], first["description"], first["complete"], first["disks"],
                          first["missing"], first["memory_bytes"]),
                         ("first", "as it was made, with ünïcode", True, ["one", "two"], [], 0))
        self.assertIn("has a snapshot 'first' already",
                      self.refused("exists", "POST", "/snapshots", {"name": "first"}))
        self.assertIn("not a letter", self.refused("invalid", "POST", "/snapshots", {"name": "42"}))
        self.assertIn("no channel for a guest agent", self.refused(
            "conflict", "POST", "/snapshots", {"name": "frozen", "freeze": True}))
        self.guest.console.wait_disk_sweeps(2, host="a")
        self.a.migrctl("snapshot", "create", "g1", "second", "--description", "two words")
        self.assertEqual(self.names(), ["first", "second"])
        listed = self.a.migrctl("snapshot", "list", "g1").stdout
        self.assertRegex(listed, r"(?m)^second .* yes +one, two +two words$")
        self.assertIn("stop VM 'g1' first", self.refused("conflict", "POST",
                                                         "/snapshots/first/revert"))
        # What is in a shared image goes where that goes.
        self.world.move(self.guest, self.a, self.b)
        self.assertEqual(self.names(self.b), ["first", "second"])
        self.b.api.delete("/v1/vms/g1/snapshots/second")
        self.assertEqual(self.names(self.b), ["first"])
        self.guest.assert_runs_on(self.b, sweeps=0)
        self.world.move(self.guest, self.b, self.a)
        self.guest.console.wait_disk_sweeps(1, host="a")

        self.stop_guest()
        newest = self.sweeps()
        self.assertEqual(self.names(), ["first"])
        self.assertIn("no snapshot 'other'", self.refused("not-found", "POST",
                                                          "/snapshots/other/revert"))
        self.a.api.post("/v1/vms/g1/snapshots/first/revert?dry_run=true")
        self.assertEqual(self.sweeps(), newest)
        with self.opened_elsewhere(self.disks[1].path):
            self.assertIn("Is another process using the image",
                          self.refused("conflict", "POST", "/snapshots/first/revert"))
        self.assertEqual(self.sweeps(), newest)
        # QEMU would refuse it, since a bitmap does not see it; the next backup is a whole one.
        qemu_img("bitmap", "--add", self.disks[0].path, "old-backup")
        vm = self.a.api.post("/v1/vms/g1/snapshots/first/revert")
        self.assertIn("snapshot 'first'", vm["reason"])
        self.assertNotIn("old-backup", qemu_img("info", self.disks[0].path))
        for before, after in zip(newest, self.sweeps()):
            self.assertLess(after, before)
        for disk in self.disks:
            qemu_img("check", "-q", disk.path)
        self.a.api.post("/v1/vms/g1/start")
        self.guest.console.wait_disk_sweeps(1, host="a")
        self.assertEqual(self.names(), ["first"])
        self.a.api.delete("/v1/vms/g1/snapshots/first")
        self.assertEqual(self.names(), [])
        self.guest.assert_runs_on(self.a, sweeps=0)

    def test_revert_that_a_crash_breaks_off_is_done_again_before_a_start(self):
        self.start_with(Disk("one", format="qcow2", area=2, rate=8),
                        Disk("two", format="qcow2", area=2, rate=8))
        self.make("good")
        self.guest.console.wait_disk_sweeps(2, host="a")
        self.stop_guest()
        newest = self.sweeps()
        # A stopped VM has a snapshot too, of all disks or of none.
        self.a.restart_with_fault("snapshot.create:error:after=1")
        self.refused("internal", "POST", "/snapshots", {"name": "half"})
        self.assertEqual(self.names(), ["good"])
        self.a.restart_with_fault("snapshot.create:crash:after=1")
        with contextlib.suppress(ApiError, OSError, ConnectionError):
            self.make("half")
        self.a.process.wait()
        self.a.start()
        half = next(found for found in self.a.api.items("/v1/vms/g1/snapshots")
                    if found["name"] == "half")
        self.assertFalse(half["complete"] and half["missing"])
        if not half["complete"]:
            self.assertIn("different times", self.refused("conflict", "POST",
                                                          "/snapshots/half/revert"))
        self.a.api.delete("/v1/vms/g1/snapshots/half")
        self.assertEqual(self.names(), ["good"])

        self.a.restart_with_fault("snapshot.revert.disk:crash:after=1")
        with contextlib.suppress(ApiError, OSError, ConnectionError):
            self.a.api.post("/v1/vms/g1/snapshots/good/revert")
        self.a.process.wait()
        self.a.start()
        self.assertIn("was broken off", self.a.vm("g1")["reason"])
        self.assertIn("is not complete", self.refused("conflict", "POST", "/start"))
        self.a.api.post("/v1/vms/g1/snapshots", {"name": "meanwhile"})
        self.a.api.delete("/v1/vms/g1/snapshots/meanwhile")
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/moves", {"vm": "g1", "to": "b"})
        self.assertIn("is not complete", str(caught.exception))
        self.a.api.post("/v1/vms/g1/snapshots/good/revert")
        for before, after in zip(newest, self.sweeps()):
            self.assertLess(after, before)
        self.a.api.post("/v1/vms/g1/start")
        self.guest.console.wait_disk_sweeps(1, host="a")
        self.assertEqual(self.names(), ["good"])

    def test_what_can_have_no_snapshot_is_said(self):
        raw = Disk("raw", area=2)
        self.guest = self.world.guest(disks=[raw])
        self.guest.create(self.a)
        self.assertEqual(self.names(), [])
        self.assertIn("disk 'raw' is raw", self.refused("conflict", "POST", "/snapshots",
                                                        {"name": "x"}))
        self.assertIn("disk 'raw' is raw", self.refused("conflict", "DELETE", "/snapshots/x"))
