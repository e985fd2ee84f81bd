# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stopped VM moves, and is stopped where it arrives."""
import json

from lib.api import ApiError
from lib.disks import MIB, Disk, allocated_bytes, assert_same_image
from lib.world import SystemTest

SLOW = 8 << 20      # bytes/s: so that a copy takes its time


class StoppedTest(SystemTest):
    # ---- what the tests are made of ------------------------------------------

    def make(self, *disks, runs_first=True):
        """A VM that has written its disks and was stopped."""
        self.disks = disks
        self.guest = self.world.guest(area=4, memory_mib=64, disks=disks)
        if runs_first:
            self.guest.start(self.a)
            self.a.api.post("/v1/vms/g1/stop")
        else:
            self.guest.create(self.a)
        self.guest.console.forget()

    def image(self, host, disk):
        return host.images / disk.path.name

    def names(self, host):
        return sorted(path.name for path in host.images.iterdir())

    def assert_stopped_on(self, host):
        """The records, the processes and the images say that the VM is stopped on HOST alone."""
        other = self.b if host is self.a else self.a
        vm = self.guest.vm(host)
        self.assertEqual((vm["state"], vm["reason"], vm["job"]), ("stopped", "", None))
        self.assert_gone(other)
        for one in (host, other):
            self.eventually(f"no QEMU on {one}", lambda one=one: not one.qemus())
        ours = sorted(disk.path.name for disk in self.disks)
        for one in (host, other):
            self.eventually(f"images of {one}", lambda one=one: [
                name for name in self.names(one) if ".moved-to-" not in name] == (
                    ours if one is host else []))

    def assert_starts_on(self, host):
        """A life that begins anew finds the data on its disks right."""
        self.guest.console.forget()
        self.guest.start(host)
        self.guest.assert_runs_on(host)
        self.guest.console.assert_disks_right()

    def begin(self, here=None, there=None, **options):
        return self.world.begin_move(self.guest, here or self.a, there or self.b, **options)["id"]

    def wait_copying(self, move_id, here=None):
        return self.world.wait_move(
            here or self.a, move_id, lambda m: m["state"] == "transfer" and any(
                disk["copied_bytes"] for disk in m["progress"].get("disks", ())))

    # ---- moves ---------------------------------------------------------------

    def test_raw_and_qcow2_disk_there_and_back_and_started(self):
        raw = Disk("raw", mib=64, area=4, data=8, rate=8)
        qcow2 = Disk("qcow2", mib=96, format="qcow2", area=4, data=8, rate=8)
        self.make(raw, qcow2)
        for here, there in ((self.a, self.b), (self.b, self.a), (self.a, self.b)):
            move = self.world.move(self.guest, here, there)
            self.assertTrue(move["stopped"])
            self.assertEqual(move["owner"], there.id)
            self.assert_stopped_on(there)
            for disk in (raw, qcow2):
                path = self.image(there, disk)
                disk.assert_stamps(path)
                self.assertLess(allocated_bytes(path), (disk.work.area + disk.data + 2) * MIB)
                aside = here.images / f"{path.name}.moved-to-{there.id}-{move['id']}"
                assert_same_image(aside, path, disk.format)
        self.assert_starts_on(self.b)

    def test_vm_that_has_never_run_and_has_no_disk_of_its_own(self):
        self.make(runs_first=False)
        for here, there in ((self.a, self.b), (self.b, self.a)):
            self.world.move(self.guest, here, there)
            self.assert_stopped_on(there)
        self.assert_starts_on(self.a)

    def test_disk_that_both_hosts_have_stays_as_it_is(self):
        disk = Disk(shared=True, area=4, data=4, rate=8)
        self.make(disk)
        self.disks = ()
        before = disk.assert_stamps()
        self.world.move(self.guest, self.a, self.b)
        self.assert_stopped_on(self.b)
        self.assertEqual(disk.assert_stamps(), before)
        self.assert_starts_on(self.b)

    def test_images_of_the_source_are_removed_if_that_is_asked_for(self):
        self.make(Disk(area=1, data=1, rate=4))
        self.world.move(self.guest, self.a, self.b, remove_source_disks=True)
        self.assertEqual(self.names(self.a), [])
        self.assert_starts_on(self.b)

    # ---- what ends a move early, and what users do meanwhile -------------------

    def test_cancelled_while_disks_are_copied(self):
        self.make(Disk(mib=64, area=4, data=48, rate=16))
        move_id = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(move_id)
        self.world.cancel(self.a, move_id)
        self.world.wait_state(self.a, move_id, "cancelled")
        self.eventually("no image on b", lambda: not self.names(self.b))
        self.assert_stopped_on(self.a)
        self.world.move(self.guest, self.a, self.b)
        self.assert_stopped_on(self.b)
        self.assert_starts_on(self.b)

    def test_user_changes_nothing_while_it_is_moved(self):
        self.make(Disk(mib=64, area=4, data=48, rate=16))
        move_id = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(move_id)
        self.assertEqual(self.guest.vm(self.a)["state"], "stopped")
        self.assertEqual(self.guest.vm(self.b)["state"], "incoming")
        asked = [("POST", f"/v1/vms/g1/{action}") for action in
                 ("start", "resume", "pause", "stop", "reset", "shutdown")]
        for method, path in (*asked, ("DELETE", "/v1/vms/g1")):
            with self.subTest(path), self.assertRaises(ApiError) as refused:
                self.a.api.call(method, path)
            self.assertEqual(refused.exception.code, "busy", path)
            self.assertIn(move_id, str(refused.exception), path)
        with self.assertRaises(ApiError) as refused:
            self.begin()
        self.assertEqual(refused.exception.code, "busy")
        self.world.wait_state(self.a, move_id, "done")
        self.assert_stopped_on(self.b)
        self.assert_starts_on(self.b)

    def test_post_copy_of_a_stopped_vm_is_refused(self):
        self.make(Disk(area=1, data=1, rate=4))
        move = self.world.wait_state(self.a, self.begin(postcopy={"start": "at-once"}), "failed")
        self.assertIn("the VM is stopped", json.dumps(move["error"]))
        self.assertIn("local disks", json.dumps(move["error"]))
        self.assert_stopped_on(self.a)

    def test_image_that_the_destination_cannot_make_is_refused(self):
        disk = Disk(area=1, data=1, rate=4)
        self.make(disk)
        self.image(self.b, disk).write_text("somebody's", encoding="ascii")
        move = self.world.wait_state(self.a, self.begin(), "failed")
        self.assertIn(str(self.image(self.b, disk)), json.dumps(move["error"]))
        self.image(self.b, disk).unlink()
        self.assert_stopped_on(self.a)

    # The source's QEMU is started as a user's start would be: then its host says what is missing.
    def test_image_that_is_missing_is_told_and_nothing_is_changed(self):
        disk = Disk(area=1, data=1, rate=4)
        self.make(disk)
        away = disk.path.with_suffix(".away")
        disk.path.rename(away)
        move = self.world.wait_state(self.a, self.begin(), "failed")
        self.assertIn(disk.path.name, json.dumps(move["error"]))
        away.rename(disk.path)
        self.assert_stopped_on(self.a)
        self.world.move(self.guest, self.a, self.b)
        self.assert_stopped_on(self.b)

    # ---- coordinators -------------------------------------------------------------

    def test_coordinator_killed_while_disks_are_copied(self):
        self.make(Disk(mib=64, area=4, data=48, rate=16))
        here, there = self.a, self.b
        for side in ("source", "destination"):
            with self.subTest(side):
                move_id = self.begin(here, there, bandwidth_bytes_per_s=32 << 20)
                self.wait_copying(move_id, here)
                host = here if side == "source" else there
                host.kill9()
                host.start()
                self.world.wait_state(here, move_id, "done")
                self.world.wait_state(there, move_id, "done")
                self.assert_stopped_on(there)
            here, there = there, here
        self.assert_starts_on(self.a)
