# SPDX-License-Identifier: LGPL-2.1-or-later
"""Background snapshots of guests that write to disks: memory and disks are of one moment."""
import os
import pathlib
import re
import signal
import unittest

from lib import settings
from lib.disks import BLOCK, Disk, MIB
from lib.long_form import only_full
from lib.qmp import Qmp
from lib.uefi import VAR_TICKS, WROTE, Uefi, tick_of
from test_save import CODE, VARS, SaveCase

WRONG = b"\xee" * BLOCK


@unittest.skipIf(settings.qemu_major() < 9, "refused: test_save.test_background_snapshot_is_refused")
class SaveDisksTest(SaveCase):
    timeout_seconds = 400       # a coordinator that dies again and again

    # ---- what the tests are made of --------------------------------------------

    def start_with(self, *disks, **options):
        self.start(disks=list(disks), **{"area": 4, "rate": 32, "memory_mib": 64, **options})

    def stop_guest(self):
        self.guest.console.expect_reset()
        self.a.api.post("/v1/vms/g1/stop")

    def path(self, disk, what, job):
        return disk.path.with_name(f"{disk.path.name}.{what}-{job}")

    def beside(self, disk):
        """The names that begin with that of the image, hidden ones too, but for its own."""
        return sorted(path.name for path in disk.path.parent.iterdir()
                      if disk.path.name in path.name and path.name != disk.path.name)

    def assert_nothing_left(self):
        """QEMU has no job, no node and no capability of it, and the guest runs on."""
        self.guest.assert_runs_on(self.a)
        monitor = Qmp(self.a, self.guest.uuid)
        try:
            nodes = monitor.command("query-named-block-nodes", flat=True)["return"]
            jobs = monitor.command("query-jobs")["return"]
        finally:
            monitor.close()
        self.assertEqual(jobs, [])
        self.assertEqual([node["node-name"] for node in nodes
                          if node["node-name"] in [f"migrd-{disk.id}" for disk in self.guest.disks]], [])

    # ---- save and restore --------------------------------------------------------

    # The guest notices a block that is older or newer than its memory; the host's look at the
    # images shows that it went back.
    def test_guest_goes_back_with_its_memory_and_all_of_its_disks(self):
        disks = [Disk("one", format="qcow2", area=4, rate=8, data=4),
                 Disk("two", area=4, rate=16),
                 Disk("three", format="qcow2", shared=True, area=2, rate=4)]
        self.start_with(*disks)
        pid, started = self.guest.vm(self.a)["pid"], self.guest.console.wait_line()[1].at
        save = self.save(live=True)
        self.assertEqual((save["live"], save["mode"]), (True, "stream"))
        self.assertEqual([(disk["id"], disk["image"], disk["copy"]) for disk in save["disks"]],
                         [(disk.id, str(disk.path), str(self.path(disk, "saved", save["id"])))
                          for disk in disks])
        shown = self.a.migrctl("save", "show", save["id"]).stdout
        for disk in disks:
            self.assertRegex(shown, rf"(?m)^{disk.id} +{re.escape(str(disk.path))} +"
                             rf"{re.escape(str(self.path(disk, 'saved', save['id'])))}$")
        self.guest.assert_runs_on(self.a)
        self.assert_nothing_left()
        self.assertEqual(self.guest.vm(self.a)["pid"], pid)
        self.assertIsNone(self.guest.vm(self.a)["saved_in"])
        lines = [line for line, _ in self.guest.console.all_lines() if line.at >= started]
        self.note(f"longest pause {max(b.at - a.at for a, b in zip(lines, lines[1:])) * 1000:.0f} ms")
        self.guest.console.wait_disk_sweeps(3, host="a")
        last = self.guest.console.last()[1]
        self.stop_guest()
        saved = [disk.assert_stamps(self.path(disk, "saved", save["id"])) for disk in disks]
        present = [disk.assert_stamps() for disk in disks]
        for old, new in zip(saved, present):
            self.assertLess(old[0], new[0])
        restore = self.restore()
        self.assertLess(self.guest.console.wait_line()[1].ticks, last.ticks)
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_memory_right()
        self.guest.console.assert_disks_right()
        for disk, new in zip(disks, present):
            self.assertEqual(self.beside(disk), [f"{disk.path.name}.before-{restore['id']}"])
            self.assertEqual(disk.assert_stamps(self.path(disk, "before", restore["id"])), new)
        self.stop_guest()
        self.assert_refused(["restored from it before, so the copies of its disks are in use"],
                            self.begin_restore)
        self.assert_refused(["the copies of its disks are in use"], self.begin_restore,
                            stale_disks_ok=True)

    # Without this the tests above would prove nothing.
    def test_guest_notices_newer_disks_beside_its_memory(self):
        disk = Disk(area=2, rate=8)
        self.start_with(disk)
        save = self.save(live=True)
        self.guest.console.wait_disk_sweeps(3, host="a")
        self.stop_guest()
        copy = self.path(disk, "saved", save["id"])
        at = copy.stat()
        copy.write_bytes(disk.path.read_bytes())
        self.assert_refused([f"'{copy}', which has the content of disk 'data', was changed"],
                            self.begin_restore)
        os.utime(copy, ns=(at.st_atime_ns, at.st_mtime_ns))
        self.restore()
        self.guest.console.wait_until("a wrong block", 30,
                                      lambda: self.guest.console.wrong_blocks() >= 1)

    def test_overlay_stays_over_its_shared_base_and_another_is_flattened(self):
        over = Disk("over", mib=16, format="qcow2", area=2, rate=4, data=4, base="raw",
                    shared_base=True)
        flat = Disk("flat", mib=16, format="qcow2", area=2, rate=4, data=4, base="qcow2")
        self.start_with(over, flat)
        save = self.save(live=True)
        self.assertEqual(over.backing_file(self.path(over, "saved", save["id"])),
                         str(over.base_path))
        self.assertIsNone(flat.backing_file(self.path(flat, "saved", save["id"])))
        self.guest.wait_sweeps(2, self.a)
        self.stop_guest()
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    def test_paused_guest_stays_paused(self):
        disk = Disk(format="qcow2", area=2, rate=8)
        self.start_with(disk)
        self.a.api.post("/v1/vms/g1/pause")
        self.save(live=True)
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.assert_nothing_left()
        self.stop_guest()
        self.restore()
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    # The copies of a file that is replaced go with it; those of another stay.
    def test_snapshots_follow_each_other(self):
        disk = Disk(area=2, rate=8)
        self.start_with(disk)
        other = self.save(self.a.saved / "other", live=True)["id"]
        self.save(live=True)
        last = self.save(live=True)["id"]
        self.assertEqual(self.beside(disk),
                         sorted(f"{disk.path.name}.saved-{job}" for job in (other, last)))
        self.guest.wait_sweeps(1, self.a)
        self.stop_guest()
        self.restore(self.a.saved / "other")
        self.guest.assert_runs_on(self.a)
        self.stop_guest()
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()
        self.save()
        self.assertEqual([name for name in self.beside(disk) if "saved" in name], [])

    # ---- what is refused ---------------------------------------------------------

    def test_copy_that_is_gone_and_image_that_is_elsewhere(self):
        disk = Disk(area=2, rate=8)
        self.start_with(disk)
        save = self.save(live=True)
        self.assert_refused(["VM 'g1' is running: stop it first"], self.begin_restore)
        self.stop_guest()
        copy = self.path(disk, "saved", save["id"])
        away = copy.with_name("away")
        copy.rename(away)
        self.assert_refused([f"'{copy}', which has the content of disk 'data', cannot be found"],
                            self.begin_restore, stale_disks_ok=True)
        away.rename(copy)
        real = disk.path.with_name("real.raw")
        disk.path.rename(real)
        disk.path.symlink_to(real)
        self.assert_refused([f"the image of disk 'data' is '{real}', and was '{disk.path}'"],
                            self.begin_restore)
        disk.path.unlink()
        real.rename(disk.path)
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    def test_image_behind_a_symbolic_link(self):
        disk = Disk(area=2, rate=8)
        self.guest = self.world.guest(area=4, rate=32, memory_mib=64, disks=[disk])
        self.file = self.a.saved / "g1.save"
        real = disk.path.with_name("real.raw")
        disk.path.rename(real)
        disk.path.symlink_to(real)
        self.guest.start(self.a)
        save = self.save(live=True)
        self.assertEqual(save["disks"][0]["copy"], f"{real}.saved-{save['id']}")
        self.stop_guest()
        self.restore()
        self.assertTrue(disk.path.is_symlink())
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    # ---- faults ------------------------------------------------------------------

    def test_disk_without_room_is_told_of_before_anything_is_copied(self):
        disk = Disk(mib=32, area=4, rate=8, data=16)
        real = pathlib.Path(self.a.images)
        self.a.kill9()
        self.a.prefix = ["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c",
                         f"mount -t tmpfs -o size=24m,mode=0700 migrd-test {real} && exec \"$0\" \"$@\""]
        self.a.start()
        self.guest = self.world.guest(area=4, rate=32, memory_mib=64, disks=[disk])
        self.file = self.a.saved / "g1.save"
        inside = pathlib.Path(f"/proc/{self.a.process.pid}/root")
        with open(disk.path, "rb") as file, open(f"{inside}{disk.path}", "wb") as there:
            while block := file.read(MIB):
                there.seek(len(block), os.SEEK_CUR) if not any(block) else there.write(block)
            there.truncate()
        self.guest.start(self.a)
        failed = self.wait_end(self.begin_save(live=True), "failed")
        self.assertRegex(failed["error"]["detail"],
                         r"its disks cannot be copied: disk 'data': the copies of the images need \d+ MiB in "
                         r"the file system of '.*', and \d+ MiB are free there")
        self.assertEqual(self.names(), [])
        self.assertEqual(os.listdir(f"{inside}{real}"), [disk.path.name])
        self.assert_nothing_left()
        self.guest.console.assert_disks_right()

    def test_cancelled_snapshot_leaves_nothing(self):
        disk = Disk(format="qcow2", area=2, rate=8)
        self.start_with(disk)
        for point in ("qmp.reply.query-jobs", "qmp.reply.query-migrate"):
            with self.subTest(point):
                self.a.restart_with_fault(f"{point}:drop:times=1")
                job = self.begin_save(live=True)
                self.eventually("transfer",
                                lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "transfer")
                self.a.api.post(f"/v1/saves/{job}/cancel")
                self.wait_end(job, "cancelled")
                self.assertEqual((self.names(), self.beside(disk)), ([], []))
                self.assert_nothing_left()

    # While the disks are copied, and while the guest stands still until its memory is protected.
    def test_qemu_that_is_killed_leaves_its_disk_and_no_file(self):
        disk = Disk(area=2, rate=8)
        self.start_with(disk)
        for point, what in (("query-jobs", lambda qmp: qmp.command("query-jobs")["return"]),
                            ("query-migrate", lambda qmp: "status" in
                             qmp.command("query-migrate")["return"])):
            with self.subTest(point):
                self.a.restart_with_fault(f"qmp.reply.{point}:drop:times=1")
                pid, job = self.guest.vm(self.a)["pid"], self.begin_save(live=True)
                monitor = Qmp(self.a, self.guest.uuid)
                try:
                    self.eventually("the step", lambda what=what: what(monitor))
                finally:
                    monitor.close()
                os.kill(pid, signal.SIGKILL)
                self.wait_end(job, "failed")
                self.assertEqual((self.state(), self.names(), self.beside(disk)), ("crashed", [], []))
                disk.assert_stamps()
                self.guest.console.expect_reset()
                self.a.api.post("/v1/vms/g1/start")
                self.guest.wait_sweeps(1, self.a)
                self.guest.console.assert_disks_right()

    def test_coordinator_dies_at_each_step_of_a_snapshot(self):
        disk = Disk(format="qcow2", area=2, rate=8)
        self.start_with(disk)
        first = self.save(live=True)["id"]
        points = ("save.out.begin", "store.save.transfer.after", "qmp.send.query-named-block-nodes",
                  "save.copy.made", "qmp.send.blockdev-add", "qmp.reply.blockdev-add",
                  "qmp.send.blockdev-mirror", "qmp.reply.blockdev-mirror", "qmp.send.query-jobs",
                  "qmp.send.stop", "qmp.reply.stop", "qmp.send.block-job-cancel",
                  "qmp.reply.block-job-cancel", "qmp.send.job-dismiss", "qmp.reply.blockdev-del",
                  "qmp.send.migrate", "qmp.reply.migrate", "qmp.send.cont", "qmp.reply.cont",
                  "save.out.seal", "save.sync", "save.rename", "save.renamed", "save.copy.kept",
                  "store.save.done.before", "save.out.done")
        written = []
        for point in points:
            with self.subTest(point):
                before = self.file.read_bytes()
                job = self.crash(point, lambda: self.begin_save(live=True))
                self.assert_nothing_left()
                self.guest.console.assert_disks_right()
                if job and job["state"] == "done":
                    first = job["id"]
                    written.append(point)
                else:
                    self.assertEqual(self.file.read_bytes(), before, point)
                self.assertEqual(self.names(), ["g1.save"], point)
                self.assertEqual(self.beside(disk), [f"{disk.path.name}.saved-{first}"], point)
        self.stop_guest()
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()
        self.note(f"written at {len(written)} of {len(points)} points, from {written[0]} on")

    def test_coordinator_dies_at_each_step_of_a_restore(self):
        disks = [Disk("one", format="qcow2", area=2, rate=8), Disk("two", area=2, rate=8)]
        self.start_with(*disks)
        ran = []
        points = ("save.in.disks", "store.save.disks.before", "save.place.aside",
                  "save.place.aside:crash:after=2", "save.place.placed", "save.place.placed:crash:after=2",
                  "save.worked", "store.save.load.before", "save.in.load",
                  "qmp.send.migrate-incoming", "store.save.claim.after", "save.in.claim",
                  "store.save.run.before", "store.save.run.after", "save.in.run")
        for point in points:
            with self.subTest(point):
                self.save(live=True)
                self.guest.wait_sweeps(1, self.a)
                self.stop_guest()
                present = [disk.assert_stamps() for disk in disks]
                job = self.crash(point, self.begin_restore)
                if job and job["state"] == "done":
                    ran.append(point)
                else:
                    self.assertEqual([disk.assert_stamps() for disk in disks], present, point)
                    self.restore()
                self.guest.assert_runs_on(self.a)
                self.guest.console.assert_disks_right()
        self.note(f"runs at {len(ran)} of {len(points)} points, from {ran[0]} on")

    # The guest must not be started with some of its disks.
    def test_name_that_somebody_else_takes_holds_the_rollback(self):
        disks = [Disk("one", area=2, rate=8), Disk("two", area=2, rate=8)]
        self.start_with(*disks)
        self.save(live=True)
        self.stop_guest()
        present = [disk.assert_stamps() for disk in disks]
        known = {job["id"] for job in self.a.api.items("/v1/saves")}
        self.a.restart_with_fault("save.place.aside:crash:after=2")
        try:
            self.begin_restore()
        except OSError:
            pass
        self.eventually("the end of the daemon", lambda: not self.a.is_up(), 30)
        self.a.kill9()
        disks[1].path.write_bytes(b"of somebody else")
        self.a.start()
        job = next(job["id"] for job in self.a.api.items("/v1/saves") if job["id"] not in known)
        self.eventually("the reason", lambda: "somebody has made" in
                        self.a.api.get(f"/v1/saves/{job}")["reason"])
        self.assert_api_error(409, "busy", self.a.api.post, "/v1/vms/g1/start")
        disks[1].path.unlink()
        self.wait_end(job, "failed")
        self.assertEqual([disk.assert_stamps() for disk in disks], present)
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    # ---- firmware ------------------------------------------------------------------

    def start_with_firmware(self):
        self.vars = self.a.images / "g1.vars"
        self.start_with(Disk(area=2, rate=8),
                        firmware={"code": CODE, "vars": str(self.vars), "vars_template": VARS})

    def test_variables_of_the_firmware_go_back_too(self):
        self.start_with_firmware()
        save = self.save(live=True)
        copy = self.vars.with_name(f"g1.vars.saved-{save['id']}")
        self.assertEqual(copy.read_bytes(), self.vars.read_bytes())
        self.assert_nothing_left()
        self.stop_guest()
        with open(self.vars, "r+b") as file:        # what the guest might have written since
            file.seek(-BLOCK, os.SEEK_END)
            file.write(WRONG)
        old = copy.read_bytes()
        restore = self.restore()
        self.guest.assert_runs_on(self.a)
        self.assertEqual(self.vars.read_bytes(), old)
        before = self.vars.with_name(f"g1.vars.before-{restore['id']}")
        self.assertEqual(before.read_bytes()[-BLOCK:], WRONG)

    # The answer that is lost holds the save, and the guest, while its memory is written.
    def test_variables_written_while_memory_is_written_end_the_save(self):
        self.start_with_firmware()
        self.a.restart_with_fault("qmp.reply.query-migrate:drop:times=1")
        job = self.begin_save(live=True)
        data = self.world.dir / "block"
        data.write_bytes(WRONG)
        monitor = Qmp(self.a, self.guest.uuid)
        try:
            self.eventually("the migration", lambda: monitor.command("query-migrate")["return"]
                            .get("status") == "completed")
            self.assertEqual(monitor.hmp(f'qemu-io firmware-vars-node "write -s {data} 0 {BLOCK}"'), "")
        finally:
            monitor.close()
        failed = self.wait_end(job, "failed")
        self.assertIn(WROTE, failed["error"]["detail"])
        self.assertEqual((failed["error"]["code"], self.names()), ("busy", []))
        self.assertEqual([path.name for path in self.a.images.iterdir() if "saved" in path.name], [])
        self.assert_nothing_left()

    @only_full
    def test_guest_of_uefi_goes_back_with_its_variables_and_disk(self):
        self.guest = Uefi(self)
        self.guest.start(self.a)
        self.guest.assert_ticks()
        self.file = self.a.saved / "u1"
        for _ in range(10):
            job = self.a.api.post("/v1/vms/u1/save", {"file": str(self.file), "live": True})["id"]
            save = self.wait_end(job, "done", "failed")
            if save["state"] == "done":
                break
            self.assertIn(WROTE, save["error"]["detail"])
        self.assertEqual(save["state"], "done")
        saved = self.guest.ticks()[-1][0]
        self.eventually("later variables", lambda: self.guest.ticks()[-1][0] > saved + 2 * VAR_TICKS, 60)
        self.a.api.post("/v1/vms/u1/stop")
        known, last = len(self.guest.ticks()), self.guest.ticks()[-1][0]
        self.restore()
        self.eventually("it ticks on", lambda: len(self.guest.ticks()) > known + VAR_TICKS + 5, 60)
        self.a.api.post("/v1/vms/u1/stop")
        again = [tick for tick, _ in self.guest.ticks()[known:]]
        self.assertLess(again[0], last)
        self.assertEqual(again, list(range(again[0], again[0] + len(again))))
        self.assertNotIn(b"WRONG", self.guest.console.text())
        self.assertIn(tick_of(self.guest.vars),
                      [(tick - 1) // VAR_TICKS * VAR_TICKS + 1 for tick in (again[-1], again[-1] + 1)])
        self.assertEqual(self.guest.start(self.a)[0], tick_of(self.guest.vars))
