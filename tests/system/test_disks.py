# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that only one host has: a move copies them."""
import json
import os
import signal

from lib import settings
from lib.api import ApiError
from lib.disks import MIB, Disk, allocated_bytes, assert_same_image, qemu_img
from lib.long_form import only_full
from lib.world import SystemTest

SLOW = 8 << 20      # bytes/s: so that a copy takes its time
VERY_SLOW = 4 << 20 # less than a guest writes that writes all the time, on any host


class DisksTest(SystemTest):
    # ---- what the tests are made of ------------------------------------------

    def start(self, *disks, **options):
        self.guest = self.world.guest(**{"area": 4, "memory_mib": 64, "disks": disks, **options})
        self.guest.start(self.a)
        self.disks = disks

    def stop(self, host):
        host.api.post(f"/v1/vms/{self.guest.name}/stop")

    def image(self, host, disk):
        return host.images / disk.path.name

    def names(self, host):
        return sorted(path.name for path in host.images.iterdir())

    def assert_images_only_on(self, host):
        """Both hosts have the guest's images where it is, and nothing else but what was put aside."""
        ours = sorted(disk.path.name for disk in self.disks)
        for one in (self.a, self.b):
            self.eventually(f"images of {one}", lambda one=one: [
                name for name in self.names(one) if ".moved-to-" not in name] == (
                    ours if one is host else []))

    def begin(self, **options):
        return self.world.begin_move(self.guest, self.a, self.b, **options)["id"]

    def wait_copying(self, move_id):
        """Waits until disks are being copied, and memory is not sent yet."""
        return self.world.wait_move(
            self.a, move_id, lambda m: m["state"] == "transfer" and any(
                disk["copied_bytes"] for disk in m["progress"].get("disks", ())))

    def fails(self, move_id, words):
        move = self.world.wait_state(self.a, move_id, "failed", "cancelled")
        self.assertIn(words, json.dumps(move["error"]))
        self.guest.assert_runs_on(self.a)
        self.eventually("no image on b", lambda: not self.names(self.b))
        self.assert_images_only_on(self.a)

    # ---- moves ---------------------------------------------------------------

    def test_raw_and_qcow2_disk_there_and_back_while_they_are_written(self):
        raw = Disk("raw", mib=64, area=8, data=8, rate=8)
        qcow2 = Disk("qcow2", mib=96, format="qcow2", area=4, data=8, rate=8)
        self.start(raw, qcow2)
        for here, there in ((self.a, self.b), (self.b, self.a), (self.a, self.b)):
            move = self.world.move(self.guest, here, there)
            self.assertLess(move["times"]["blackout_ms"], settings.seconds(300))
            self.guest.assert_runs_on(there)
            self.assert_images_only_on(there)
        self.guest.console.assert_disks_right()
        self.stop(self.b)
        for disk in (raw, qcow2):
            path = self.image(self.b, disk)
            disk.assert_stamps(path)
            used = (disk.work.area + disk.data) * MIB
            self.assertLess(allocated_bytes(path), used + 2 * MIB, disk.id)
        self.assertEqual(json.loads(qemu_img("info", "--output=json", self.image(self.b, qcow2)))[
            "virtual-size"], 96 * MIB)

    def test_image_of_the_source_is_put_aside_with_what_it_had(self):
        disk = Disk(format="qcow2", area=1, data=4, rate=0)
        self.start(disk)
        move = self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        aside = self.a.images / f"{disk.path.name}.moved-to-b-{move['id']}"
        self.assertEqual(self.names(self.a), [aside.name])
        self.stop(self.b)
        assert_same_image(aside, self.image(self.b, disk), "qcow2")

    def test_image_of_the_source_is_removed_if_that_is_asked_for(self):
        self.start(Disk(area=1, rate=4))
        self.world.move(self.guest, self.a, self.b, remove_source_disks=True)
        self.guest.assert_runs_on(self.b)
        self.assertEqual(self.names(self.a), [])

    def start_behind_a_link(self):
        """The path of the definition is a symbolic link; returns the image."""
        disk = Disk(format="qcow2", area=1, rate=4)
        self.guest, self.disks = self.world.guest(area=4, memory_mib=64, disks=[disk]), [disk]
        image = self.a.images / "of-another-name"
        os.rename(disk.path, image)
        os.symlink(image.name, disk.path)
        self.guest.start(self.a)
        return image

    def test_image_behind_a_link_is_removed_with_the_link(self):
        self.start_behind_a_link()
        self.world.move(self.guest, self.a, self.b, remove_source_disks=True)
        self.guest.assert_runs_on(self.b)
        self.assertEqual(self.names(self.a), [])
        self.assertFalse(self.image(self.b, self.disks[0]).is_symlink())

    def test_link_is_put_aside_and_its_image_stays(self):
        image = self.start_behind_a_link()
        move = self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        aside = self.a.images / f"{self.disks[0].path.name}.moved-to-b-{move['id']}"
        self.assertEqual(self.names(self.a), sorted([aside.name, image.name]))
        self.assertTrue(aside.samefile(image))

    @only_full
    def test_options_of_a_qcow2_image_are_kept(self):
        disk = Disk(format="qcow2", area=1, rate=4,
                    options="cluster_size=128k,extended_l2=on,lazy_refcounts=on,refcount_bits=32")
        self.start(disk)
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        self.stop(self.b)
        info = json.loads(qemu_img("info", "--output=json", self.image(self.b, disk)))
        data = info["format-specific"]["data"]
        self.assertEqual((info["cluster-size"], data["extended-l2"], data["lazy-refcounts"],
                          data["refcount-bits"]), (128 << 10, True, True, 32))

    # A chain is copied into one image: the destination needs no backing file.
    def test_overlay_arrives_with_the_content_of_its_backing_file(self):
        disk = Disk(format="qcow2", area=1, data=4, rate=4)
        guest = self.world.guest(area=4, memory_mib=64, disks=[disk])
        base = self.a.images / "base.qcow2"
        os.rename(disk.path, base)
        qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk.path)
        self.guest, self.disks = guest, [disk]
        guest.start(self.a)
        move = self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)
        self.stop(self.b)
        disk.assert_stamps(self.image(self.b, disk))
        notes = self.a.api.items(f"/v1/moves/{move['id']}/timeline")
        self.assertTrue([note for note in notes if note["event"] == "flattened"])

    def test_paused_guest_arrives_paused_and_runs_on(self):
        self.start(Disk(format="qcow2", area=4, rate=8))
        self.a.api.post("/v1/vms/g1/pause")
        for here, there in ((self.a, self.b), (self.b, self.a)):
            self.world.move(self.guest, here, there)
            self.assertEqual(self.guest.vm(there)["state"], "paused")
            self.assert_images_only_on(there)
        self.a.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    @only_full
    def test_guest_that_writes_faster_than_is_copied_is_slowed_down_if_that_is_allowed(self):
        self.start(Disk(mib=64, area=8, rate="max"))
        move_id = self.begin(bandwidth_bytes_per_s=VERY_SLOW)
        self.world.wait_move(self.a, move_id, lambda m: "faster than they are copied" in m["reason"])
        self.world.cancel(self.a, move_id)
        self.fails(move_id, "cancelled on request")
        move_id = self.begin(bandwidth_bytes_per_s=VERY_SLOW, auto_converge=True)
        self.world.wait_move(self.a, move_id, lambda m: m["progress"]["ram_transferred_bytes"])
        self.a.api.patch(f"/v1/moves/{move_id}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move_id, "done")
        notes = self.a.api.items(f"/v1/moves/{move_id}/timeline")
        self.assertTrue([note for note in notes if note["event"] == "limit"])
        self.guest.assert_runs_on(self.b)
        # The limit was the source's alone; and there was none left by the move before.
        self.world.move(self.guest, self.b, self.a)
        self.guest.assert_runs_on(self.a)

    # ---- what ends a move early --------------------------------------------------

    def test_cancelled_while_disks_are_copied(self):
        self.start(Disk(mib=64, area=4, data=48, rate=16))
        move_id = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(move_id)
        self.world.cancel(self.a, move_id)
        self.fails(move_id, "cancelled on request")
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)

    @only_full
    def test_what_carries_the_copy_is_killed(self):
        self.start(Disk(mib=64, area=4, data=48, rate=16))
        for what in ("source's stream", "destination's stream", "destination's QEMU"):
            with self.subTest(what):
                move_id = self.begin(bandwidth_bytes_per_s=SLOW)
                self.wait_copying(move_id)
                host = self.a if what.startswith("source") else self.b
                pid, = host.streams() if what.endswith("stream") else host.qemus()
                os.kill(pid, signal.SIGKILL)
                self.fails(move_id, "")
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)

    # ---- what is refused, with nothing changed ------------------------------------

    def refused(self, *words, **options):
        self.assert_move_refused(self.guest, self.a, self.b, *words, **options)
        self.guest.assert_runs_on(self.a)

    def test_image_that_cannot_be_made_is_refused_with_all_reasons(self):
        disks = [Disk("taken", area=1, rate=4), Disk("elsewhere", area=1, rate=4)]
        guest = self.world.guest(area=4, memory_mib=64, disks=disks)
        other = self.world.dir / "elsewhere.raw"
        os.rename(disks[1].path, other)
        guest.definition["disks"][2]["path"] = str(other)
        self.guest = guest
        guest.start(self.a)
        occupied = self.image(self.b, disks[0])
        occupied.write_text("somebody's", encoding="ascii")
        self.refused("2 reasons", str(occupied), "dirs")
        self.assertEqual(occupied.read_text(encoding="ascii"), "somebody's")
        self.eventually("nothing else on b", lambda: self.names(self.b) == [occupied.name])

    def test_snapshots_are_told_and_not_lost(self):
        disk = Disk(format="qcow2", area=1, rate=4)
        self.guest, self.disks = self.world.guest(area=4, memory_mib=64, disks=[disk]), [disk]
        qemu_img("snapshot", "-c", "before", disk.path)
        self.guest.start(self.a)
        self.refused("1 snapshots", "remove_source_disks", remove_source_disks=True)
        move = self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        notes = self.a.api.items(f"/v1/moves/{move['id']}/timeline")
        self.assertTrue([note for note in notes if note["event"] == "left-behind"])
        aside, = self.a.images.iterdir()
        self.assertIn("before", qemu_img("snapshot", "-l", aside))

    def test_shared_disk_with_an_unsafe_cache_is_refused_unless_that_is_vouched_for(self):
        self.start(Disk(shared=True, area=1, rate=4, cache="unsafe"))
        with self.assertRaises(ApiError) as caught:
            self.begin()
        self.assertEqual(caught.exception.status, 409)
        self.assertIn("assert_safe_cache", str(caught.exception))
        self.world.move(self.guest, self.a, self.b, assert_safe_cache=True)
        self.guest.assert_runs_on(self.b)

    def test_post_copy_with_a_local_disk_is_refused(self):
        self.start(Disk(area=1, rate=4))
        self.refused("post-copy", postcopy={"start": "at-once"})
        self.assert_images_only_on(self.a)

    # ---- coordinators -------------------------------------------------------------

    def test_coordinator_killed_while_disks_are_copied(self):
        self.start(Disk(mib=64, area=4, data=48, rate=16))
        here, there = self.a, self.b
        for side in ("source", "destination"):
            with self.subTest(side):
                move_id = self.world.begin_move(self.guest, here, there,
                                                bandwidth_bytes_per_s=32 << 20)["id"]
                self.world.wait_move(here, move_id, lambda m: m["progress"].get("disks") and
                                     m["progress"]["disks"][0]["copied_bytes"])
                host = here if side == "source" else there
                host.kill9()
                host.start()
                self.world.wait_state(here, move_id, "done")
                self.guest.assert_runs_on(there)
                self.assert_images_only_on(there)
            here, there = there, here
        self.guest.console.assert_disks_right()
