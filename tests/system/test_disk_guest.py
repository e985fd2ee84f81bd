# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test guest must notice each error on its disks, and so must the look at images that no QEMU
has open."""
import contextlib
import os
import signal
import subprocess

from lib import procs, settings
from lib.disks import BLOCK, MIB, Disk, allocated_bytes, assert_same_image, qemu_img
from lib.long_form import only_full
from lib.qmp import Qmp
from lib.world import SystemTest

WRONG = b"\xee" * BLOCK


class DiskGuestTest(SystemTest):
    def start(self, *disks, **options):
        guest = self.world.guest(area=4, memory_mib=64, disks=disks, **options)
        guest.start(self.a)
        return guest

    def stop(self, guest, host):
        host.api.post(f"/v1/vms/{guest.name}/stop")
        self.assertEqual(guest.vm(host)["state"], "stopped")

    @contextlib.contextmanager
    def still(self, guest):
        """The guest stands still meanwhile, so that at most one visit is under way."""
        self.a.api.post(f"/v1/vms/{guest.name}/pause")
        yield
        self.a.api.post(f"/v1/vms/{guest.name}/resume")

    def spoil(self, guest, disk, blocks):
        """Writes BLOCKS {offset: data} through QEMU's disk."""
        data = self.world.dir / "block"
        with contextlib.closing(Qmp(self.a, guest.uuid)) as monitor:
            for offset, block in blocks.items():
                data.write_bytes(block)
                said = monitor.hmp(f"qemu-io -d /machine/peripheral/{disk.id}/virtio-backend "
                                   f'"write -s {data} {offset} {BLOCK}"')
                self.assertEqual(said, "")      # the rest is in the log of QEMU


class ProofTest(DiskGuestTest):
    host_ids = ("a",)

    def test_raw_and_qcow2_disk_are_right_in_the_guest_and_after_its_end(self):
        raw = Disk("raw", mib=32, area=8, at=4, data=8)
        qcow2 = Disk("qcow2", mib=48, format="qcow2", area=4, at=1, data=12, data_at=30)
        guest = self.start(raw, qcow2)
        guest.console.wait_disk_sweeps(2)
        guest.assert_runs_on(self.a)
        completed = guest.console.last()[1].disk_sweeps
        self.stop(guest, self.a)
        for disk in (raw, qcow2):
            newest, _ = disk.assert_stamps()
            self.assertGreaterEqual(newest, completed)
            used = (disk.work.area + disk.data) * MIB
            self.assertLessEqual(used, allocated_bytes(disk.path))
            self.assertLess(allocated_bytes(disk.path), used + MIB)

    # A killed QEMU takes with it what it keeps of a qcow2 image until it is flushed.
    @only_full
    def test_flushed_disks_are_right_after_a_kill(self):
        disks = [Disk("one", format="qcow2", rate="max", flush=True, cache="unsafe"),
                 Disk("two", rate=64)]
        guest = self.start(*disks)
        pid = guest.vm(self.a)["pid"]
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(procs.wait_gone([pid], 10))
        for disk in disks:
            disk.assert_stamps()

    @only_full
    def test_disk_without_a_rate_is_only_filled(self):
        still, busy = Disk("still", rate=0), Disk("busy", area=1, rate="max")
        guest = self.start(still, busy)
        self.stop(guest, self.a)
        self.assertEqual(still.assert_stamps()[0], 0)
        self.assertGreaterEqual(busy.assert_stamps()[0], 2)

    # A visit that is under way may write over one of them before it is read again.
    def test_wrong_blocks_are_noticed(self):
        for form in ("raw", "qcow2"):
            with self.subTest(form):
                disk = Disk(format=form, area=8)
                guest = self.world.guest(form, area=4, memory_mib=64, disks=[disk])
                guest.start(self.a)
                with self.still(guest):
                    self.spoil(guest, disk, dict.fromkeys((BLOCK, 5 * MIB, 8 * MIB - BLOCK), WRONG))
                guest.console.wait_until("wrong blocks", 30,
                                         lambda: guest.console.wrong_blocks() >= 2)
                self.assertLessEqual(guest.console.wrong_blocks(), 3)
                self.assertEqual(guest.console.failed_requests(), 0)
                self.assertRaisesRegex(AssertionError, "wrong blocks on its disks",
                                       guest.console.assert_sane)
                self.stop(guest, self.a)

    # As if a move had lost two writes.
    @only_full
    def test_block_of_an_older_sweep_is_noticed(self):
        disk = Disk(area=2)
        guest = self.start(disk)
        with self.still(guest):
            old = disk.path.read_bytes()
        guest.console.wait_disk_sweeps(2)
        with self.still(guest):
            self.spoil(guest, disk, {at: old[at:at + BLOCK] for at in (0, MIB)})
        guest.console.wait_until("a wrong block", 30, lambda: guest.console.wrong_blocks() >= 1)
        self.assertEqual(guest.console.failed_requests(), 0)

    def test_wrong_data_of_the_host_are_noticed_in_every_sweep(self):
        disk = Disk(area=2, rate=64, data=2)
        guest = self.start(disk)
        self.spoil(guest, disk, {4 * MIB - BLOCK: WRONG})
        guest.console.wait_until("wrong blocks", 30, lambda: guest.console.wrong_blocks() >= 3)

    def test_failed_requests_and_missing_disks_are_noticed(self):
        guest = self.world.guest(area=4, memory_mib=64,
                                 disks=[Disk(mib=8, area=16), Disk("missing")])
        guest.definition["disks"].pop()
        guest.start(self.a, sweeps=0)
        guest.console.wait_until("a missing disk and a failed request", 30,
                                 lambda: guest.console.failed_requests() >= 2)
        self.assertEqual(guest.console.last()[1].disk_sweeps, 0)

    # Each of these is what a copy of a disk may do wrong.
    def test_wrong_images_are_noticed(self):
        disk = Disk(format="qcow2", area=4, data=2)
        guest = self.start(disk)
        self.stop(guest, self.a)
        newest, count = disk.assert_stamps()
        offsets = disk.area_offsets()
        copy = self.world.dir / "copy.raw"
        older, newer = disk.stamped(offsets[0], newest - 1), disk.stamped(offsets[-1], newest + 1)
        swapped = disk.stamped(offsets[1], newest)
        for what, offset, block in (
                ("older", offsets[count // 2], disk.stamped(offsets[count // 2], newest - 1)),
                ("first older", offsets[0], older), ("newer", offsets[-1], newer),
                ("swapped", offsets[0], swapped), ("spoilt", offsets[count // 2], WRONG),
                ("torn", offsets[0], older[:512] + disk.stamped(offsets[0], newest)[512:]),
                ("data", 4 * MIB, bytes(BLOCK)), ("data, last block", 6 * MIB - 1, b"\0")):
            with self.subTest(what):
                qemu_img("convert", "-f", "qcow2", "-O", "raw", disk.path, copy)
                assert_same_image(disk.path, copy, "qcow2", "raw")
                self.assertEqual(disk.assert_stamps(copy, "raw"), (newest, count))
                with open(copy, "r+b") as file:
                    file.seek(offset)
                    file.write(block)
                self.assertRaisesRegex(AssertionError, "wrong blocks",
                                       disk.assert_stamps, copy, "raw")
                self.assertRaisesRegex(AssertionError, "exit 1", assert_same_image, disk.path, copy,
                                       "qcow2", "raw")

    @only_full
    def test_mkguest_refuses_areas_that_it_cannot_prove(self):
        for text in ("at=4", "area=4,static=8", "area=8,static=4,static-at=7", "area=4,chunk=24",
                     "area=4,rate=-1", "area=4,colour=5"):
            with self.subTest(text):
                done = subprocess.run([settings.MKGUEST, "/dev/null", "--disk", text], check=False,
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, done.stderr)


class MoveTest(DiskGuestTest):
    def test_shared_disks_move_there_and_back_with_all_writes(self):
        disks = [Disk("one", format="qcow2", shared=True, area=8, rate=32, data=4),
                 Disk("two", shared=True, area=4, rate="max")]
        guest = self.start(*disks)
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            guest.assert_runs_on(destination)
        self.stop(guest, self.a)
        for disk in disks:
            disk.assert_stamps()
