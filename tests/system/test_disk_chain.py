# SPDX-License-Identifier: LGPL-2.1-or-later
"""Local disks whose backing files both hosts have: a move copies the images over them alone."""
import hashlib
import json
import os
import shutil

from lib.disks import MIB, Disk, allocated_bytes, assert_same_image, qemu_img
from lib.long_form import only_full
from lib.world import SystemTest

TOKEN = ".migrd-same-"      # begins the name of what the source leaves for the destination to find


class ChainTest(SystemTest):
    # ---- what the tests are made of ------------------------------------------

    def make(self, *disks):
        self.disks = disks
        self.guest = self.world.guest(area=4, memory_mib=64, disks=disks)

    def disk(self, disk_id="data", base="raw", **options):
        """One of which most is in its backing file."""
        return Disk(disk_id, format="qcow2", base=base, shared_base=True,
                    **{"mib": 48, "area": 4, "data": 24, "rate": 8, **options})

    def image(self, host, disk):
        return host.images / disk.path.name

    def aside(self, host, disk):
        return sorted(host.images.glob(f"{disk.path.name}.moved-to-*"))

    def sums(self):
        return [hashlib.sha256(disk.base_path.read_bytes()).hexdigest() for disk in self.disks]

    def info(self, path):
        return json.loads(qemu_img("info", "--output=json", path))

    def stop(self, host):
        host.api.post(f"/v1/vms/{self.guest.name}/stop")

    def told(self, move, event):
        return [note["detail"] for note in self.a.api.items(f"/v1/moves/{move['id']}/timeline")
                if note["event"] == event]

    def refused(self, *words, **options):
        self.assert_move_refused(self.guest, self.a, self.b, *words, **options)
        self.guest.assert_runs_on(self.a)
        self.assert_gone(self.b, self.guest.name)

    def tokens(self):
        return [path for home in (self.world.dir, self.a.images, self.b.images)
                for path in home.iterdir() if path.name.startswith(TOKEN)]

    def assert_no_tokens(self):
        self.eventually("no token is left", lambda: not self.tokens())

    def assert_image(self, host, disk, base):
        """It has what the guest and the host wrote, is over BASE, and is small."""
        path = self.image(host, disk)
        disk.assert_stamps(path)
        found = self.info(path)
        self.assertEqual((found["full-backing-filename"], found["backing-filename-format"]),
                         (str(base), disk.base))
        self.assertLess(allocated_bytes(path), (disk.work.area + 2) * MIB)

    # ---- moves ---------------------------------------------------------------

    def test_only_the_images_move_there_and_back_while_they_are_written(self):
        raw = self.disk("one", options="cluster_size=128k,lazy_refcounts=on")
        self.make(raw, self.disk("two", base="qcow2"))
        sums = self.sums()
        self.guest.start(self.a)
        for here, there in ((self.a, self.b), (self.b, self.a), (self.a, self.b)):
            move = self.world.move(self.guest, here, there)
            self.guest.assert_runs_on(there)
        self.assertEqual(len(self.told(move, "overlay")), 2)
        self.assertEqual(self.told(move, "flattened"), [])
        for disk in move["progress"]["disks"]:
            self.assertLess(disk["copied_bytes"], 20 * MIB)     # of the 24 MiB of data nothing
        self.guest.console.assert_disks_right()
        self.stop(self.b)
        for disk in self.disks:
            self.assert_image(self.b, disk, disk.base_path)
        self.assertEqual(self.info(self.image(self.b, raw))["cluster-size"], 128 << 10)
        self.assertEqual(self.sums(), sums)
        self.assert_no_tokens()

    # The hosts have copies of the backing file at paths of their own.  The guest writes nothing, so
    # what is put aside is the same; its end leaves the backing file.
    def test_backing_file_at_another_path_is_found_by_the_map(self):
        disk = self.disk(rate=0)
        self.make(disk)
        base, copy = (host.images / "base.raw" for host in (self.a, self.b))
        os.rename(disk.base_path, base)
        shutil.copy2(base, copy)
        disk.path.unlink()
        disk.make_overlay(base.name, disk.path)     # a name beside it, which QEMU looks up there
        self.guest.start(self.a)
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        aside, = self.aside(self.a, disk)
        self.stop(self.b)
        self.assert_image(self.b, disk, copy)
        assert_same_image(aside, self.image(self.b, disk), "qcow2")
        self.assertEqual(base.read_bytes(), copy.read_bytes())
        self.world.move(self.guest, self.b, self.a, remove_source_disks=True)   # it is stopped
        self.assert_image(self.a, disk, base)
        self.eventually("the backing file alone on b", lambda: [
            path.name for path in self.b.images.iterdir()] == [copy.name])
        self.assert_no_tokens()

    # A mirror of QEMU copies the top of a chain or all of it.
    @only_full
    def test_longer_chain_on_shared_storage_is_kept(self):
        disk = self.disk()
        self.make(disk)
        middle = self.world.dir / "middle.qcow2"
        os.rename(disk.path, middle)
        qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, disk.path)
        self.guest.start(self.a)
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        self.stop(self.b)
        disk.base = "qcow2"
        self.assert_image(self.b, disk, middle)

    @only_full
    def test_image_without_a_backing_file_is_copied_whole(self):
        disk = Disk(format="qcow2", area=1, data=4, rate=4, shared_base=True)
        self.make(disk)
        self.guest.start(self.a)
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        self.stop(self.b)
        disk.assert_stamps(self.image(self.b, disk))

    # ---- what is refused, with nothing changed ------------------------------------

    def test_backing_files_that_are_not_the_same_are_refused_with_all_reasons(self):
        other, missing, local = (self.disk(name, area=1, data=2) for name in
                                 ("other", "missing", "local"))
        self.make(other, missing, local)
        for disk in (other, missing):               # both hosts have a directory of their own
            base = self.a.images / disk.base_path.name
            os.rename(disk.base_path, base)
            disk.path.unlink()
            disk.make_overlay(base, disk.path)
        wrong = bytearray((self.a.images / other.base_path.name).read_bytes())
        wrong[-1] ^= 1
        (self.b.images / other.base_path.name).write_bytes(wrong)
        middle = self.a.images / "middle.qcow2"     # is over a shared one, and not shared itself
        os.rename(local.path, middle)
        qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, local.path)
        self.guest.start(self.a)
        self.refused("3 reasons", f"'{self.b.images / other.base_path.name}' has another content",
                     f"'{self.b.images / missing.base_path.name}' is not there",
                     f"'{self.b.images / middle.name}' is not there", "shared_base")
        self.eventually("nothing else on b", lambda: [
            path.name for path in self.b.images.iterdir()] == [other.base_path.name])
        self.assert_no_tokens()
        self.guest.console.assert_disks_right()

    # ---- coordinators -------------------------------------------------------------

    @only_full
    def test_coordinator_killed_before_the_offer_leaves_no_token(self):
        self.make(self.disk())
        self.guest.start(self.a)
        self.a.restart_with_fault("peer.send.prepare:crash")
        self.world.begin_move(self.guest, self.a, self.b)
        self.eventually("the coordinator has crashed", lambda: not self.a.is_up())
        self.assertEqual([path.parent for path in self.tokens()], [self.world.dir])
        self.a.start()
        self.guest.assert_runs_on(self.a)
        self.assert_no_tokens()
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        self.assert_no_tokens()
