# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is noted of the changes of local disks over a move: it goes along where QEMU can be told how
fast the link is, which comes to an end all the same; elsewhere it stays, and the move says why."""
import contextlib
import unittest

from lib import settings
from lib.disks import Disk, MIB, assert_same_image
from lib.long_form import only_full
from lib.qmp import Qmp
from test_backup import SLOW, BackupCase

TRAVELS = settings.qemu_major() >= 9    # with avail-switchover-bandwidth, which 8.2 brought
TIB = (1 << 40) // MIB


class MoveBitmapsCase(BackupCase):
    host_ids = ("a", "b")
    timeout_seconds = 240

    def prepare(self):
        a, b = self.world["a"], self.world["b"]
        b.backups = a.backups
        b.write_config()

    def show_link(self, *ways):
        """A move without a limit and of much memory shows how fast it is."""
        guest = self.world.guest("g2", area=64, rate=64, static=64, memory_mib=192)
        guest.start(ways[0][0])
        for here, there in ways:
            self.world.move(guest, here, there)
        guest.console.expect_reset()
        ways[-1][1].api.post("/v1/vms/g2/stop")

    def marks(self, host, start="migrd-move-"):
        """Names of the bitmaps of its QEMU; by default of those that a move has made to be sent."""
        nodes = self.monitor(host, "query-named-block-nodes", flat=True)
        return [bitmap["name"] for node in nodes for bitmap in node.get("dirty-bitmaps", [])
                if bitmap.get("name", "").startswith(start)]

    def note_changes(self):
        """Of the one disk, from now on and for good, as some other program does."""
        node, = (node["node-name"] for node in self.monitor(self.a, "query-named-block-nodes", flat=True)
                 if node["drv"] == "qcow2")
        with contextlib.closing(Qmp(self.a, self.guest.uuid)) as monitor:
            monitor.command("block-dirty-bitmap-add", node=node, name="mine", persistent=True,
                            granularity=1 << 16)
        self.assertEqual(self.marks(self.a, "mine"), ["mine"])

    def begin_held(self, **options):
        """A move whose disks are copied, and whose memory is not sent before it is released."""
        move = self.world.begin_move(self.guest, self.a, self.b, hold={"timeout_s": 600}, **options)["id"]
        self.world.wait_move(self.a, move, lambda m: m["held"])
        return move

    def left_behind(self, move, host=None):
        return [note["detail"] for note in (host or self.a).api.items(f"/v1/moves/{move}/timeline")
                if note["event"] == "left-behind"]

    def plan_row(self, move):
        row, = (row for row in self.a.api.get(f"/v1/moves/{move}/plan")["capabilities"]
                if row["name"] == "dirty-bitmaps")
        return row

    def restore(self, backup, disk, host):
        """What the chain of BACKUP makes is what is on DISK at HOST, whose guest is stopped."""
        images = self.world.dir / f"restored-{backup['id']}"
        images.mkdir()
        host.migrctl("vm-backup", "restore", self.place / backup["id"], "--to", images)
        assert_same_image(host.images / disk.path.name, images / f"{disk.id}.qcow2", "qcow2", "qcow2")


class StayTest(MoveBitmapsCase):
    def test_move_says_why_they_stay_and_the_next_backup_is_full_and_right(self):
        why = "has shown how fast the link is" if TRAVELS else "cannot be told how fast"
        disk = Disk("one", format="qcow2", mib=12, area=1, rate=1, data=8)
        self.start(disk)
        self.backup()
        self.assert_move_refused(self.guest, self.a, self.b, "1 bitmaps", why, "remove_source_disks",
                                 remove_source_disks=True)
        self.guest.assert_runs_on(self.a)
        self.assertIn(why, " ".join(self.a.migrctl("move", "start", "g1", "--to", "b", "--dry-run").stdout.split()))
        move = self.world.move(self.guest, self.a, self.b)["id"]
        self.guest.assert_runs_on(self.b)
        note, = self.left_behind(move)
        self.assertIn("1 bitmaps stay in the images here", note)
        self.assertIn(why, note)
        row = self.plan_row(move)
        self.assertEqual((row["on"], why in row["why"]), (False, True))
        self.assertEqual(self.marks(self.b, ""), [])
        self.b.api.post("/v1/vms/g1/pause")
        next_ = self.backup(self.b, mode="incremental")
        self.assertEqual([(one["mode"], bool(one["why_full"])) for one in next_["disks"]],
                         [("full", True)])
        self.stop_guest(self.b)
        self.restore(next_, disk, self.b)


@unittest.skipUnless(TRAVELS, "QEMU before 8.2: they stay (StayTest)")
class TravelTest(MoveBitmapsCase):
    # A QEMU that has begun to send its own bitmaps does not keep them, also if that is cancelled, which
    # shows when it ends.  The copies that are sent in their place are removed by a coordinator that was
    # not there when they were made.  What is noted in a shared image goes along in that.
    def test_they_go_along_and_outlive_a_cancelled_move_and_the_chain_goes_on(self):
        disk = Disk("one", format="qcow2", mib=12, area=1, rate=1, data=8)
        self.show_link((self.a, self.b), (self.b, self.a))
        shared = Disk("two", format="qcow2", mib=4, shared=True, area=1, rate=1)
        self.start(disk, shared)
        full = self.backup()
        with self.guest.moving(self.a, self.b):
            move = self.begin_held()
            self.assertEqual(self.marks(self.a), ["migrd-move-0"])
            self.a.api.patch(f"/v1/moves/{move}", {"bandwidth_bytes_per_s": SLOW})
            self.a.kill9()
            self.a.start()
            self.a.api.post(f"/v1/moves/{move}/release")
            self.world.wait_flowing(self.a, move)
            self.a.api.post(f"/v1/moves/{move}/cancel")
            self.world.wait_state(self.a, move, "cancelled")
        self.guest.assert_runs_on(self.a)
        self.assertEqual((self.marks(self.a), self.bitmaps()), ([], {"one": [full["id"]], "two": [full["id"]]}))
        self.stop_guest()
        self.guest.start(self.a)
        self.assertEqual(self.bitmaps(), {"one": [full["id"]], "two": [full["id"]]})
        second = self.backup(mode="incremental", fallback="refuse")
        self.assertEqual(second["parent"], full["id"])

        said = self.a.migrctl("move", "start", "g1", "--to", "b", "--dry-run", "--remove-source-disks").stdout
        self.assertNotIn("bitmaps", said)

        # A backup that is taken while the guest is to move, which waits for it.
        job = self.begin(bandwidth_bytes_per_s=2 * MIB)
        self.wait_copying(job)
        entry = self.a.api.post("/v1/queue", {"vm": "g1", "to": "b", "block_jobs": "wait",
                                              "remove_source_disks": True})["id"]
        third = self.wait_end(job)
        disk.assert_stamps(self.image(third, disk), "qcow2")
        self.eventually("the end of the order",
                        lambda: self.a.api.get(f"/v1/queue/{entry}")["state"] == "done", 60)
        self.guest.assert_runs_on(self.b)
        self.assertEqual((self.marks(self.b), self.bitmaps(self.b)), ([], {"one": [job], "two": [job]}))
        fourth = self.backup(self.b, mode="incremental", fallback="refuse")
        self.assertEqual((fourth["parent"], [one["mode"] for one in fourth["disks"]]),
                         (job, ["incremental"] * 2))
        self.assertLess(self.image(fourth, disk).stat().st_size, 4 * MIB)
        for of in (disk, shared):
            of.assert_stamps(self.image(fourth, of), "qcow2")

        # And back, after which it is the disk itself.
        self.world.move(self.guest, self.b, self.a)
        self.guest.assert_runs_on(self.a)
        self.a.api.post("/v1/vms/g1/pause")
        last = self.backup(mode="incremental", fallback="refuse")
        self.assertEqual(last["parent"], fourth["id"])
        self.stop_guest()
        self.restore(last, disk, self.a)
        assert_same_image(shared.path, self.image(last, shared), "qcow2", "qcow2")

    # QEMU takes the bitmap of 1 TiB for 16 MiB yet to be sent, while the guest changes nothing.  What
    # is allowed of downtime was enough when it was planned, and is far less then.
    def test_idle_guest_with_a_large_disk_is_stopped_though_its_downtime_was_lowered(self):
        disk = Disk("big", mib=TIB, format="qcow2", area=1, rate=0)
        self.show_link((self.a, self.b))
        self.start(disk, area=0, rate=0)
        self.note_changes()
        with self.guest.moving(self.a, self.b):
            move = self.begin_held(downtime_limit_ms=40000)
            self.assertEqual(self.marks(self.a), ["migrd-move-0"])
            self.assertTrue(self.plan_row(move)["on"])
            self.a.api.patch(f"/v1/moves/{move}", {"downtime_limit_ms": 50})
            self.a.api.post(f"/v1/moves/{move}/release")
            self.world.wait_state(self.a, move, "done")
        self.guest.assert_runs_on(self.b)
        self.assertEqual(self.marks(self.b, "mine"), ["mine"])
        self.assertEqual(self.left_behind(move), [])

    # So much of it would not be sent in an eighth of the downtime.
    def test_bitmap_that_is_too_large_stays(self):
        disk = Disk("big", mib=TIB, format="qcow2", area=1, rate=0)
        self.show_link((self.a, self.b))
        self.start(disk, area=0, rate=0)
        self.note_changes()
        move = self.world.move(self.guest, self.a, self.b, downtime_limit_ms=8)["id"]
        self.guest.assert_runs_on(self.b)
        self.assertIn("too large for the link", self.left_behind(move)[0])
        self.assertEqual(self.marks(self.b, ""), [])

    @only_full
    def test_they_go_along_with_a_stopped_vm(self):
        disk = Disk("one", format="qcow2", mib=12, area=1, rate=1, data=8)
        self.show_link((self.a, self.b))
        self.start(disk)
        full = self.backup()
        self.a.api.post("/v1/vms/g1/stop")
        self.guest.console.forget()
        self.world.move(self.guest, self.a, self.b)
        self.guest.start(self.b)
        self.assertEqual(self.bitmaps(self.b), {"one": [full["id"]]})
        next_ = self.backup(self.b, mode="incremental", fallback="refuse")
        disk.assert_stamps(self.image(next_, disk), "qcow2")
