# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups of guests' disks: of one moment, whole or not there, and what follows them."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
from unittest import mock

from lib.api import ApiError
from lib.disks import Disk, MIB, assert_same_image, qemu_img
from lib.linux import LinuxGuest, make_disk
from lib.long_form import only_full
from lib.qmp import Qmp
from lib.world import SystemTest

SLOW = 1 << 18      # bytes/s: a copy that is under way for as long as a test wants


class BackupCase(SystemTest):
    host_ids = ("a",)

    def start(self, *disks, **options):
        self.guest = self.world.guest(disks=list(disks),
                                      **{"area": 2, "rate": 16, "memory_mib": 64, **options})
        self.guest.start(self.a)
        self.place = self.a.backups

    def begin(self, host=None, **options):
        return self.ask(host, "backup", **options)["id"]

    def ask(self, host, path, **options):
        target = {"type": "file", "directory": str(self.place)}
        return (host or self.a).api.post(f"/v1/vms/g1/{path}", {"target": target, **options})

    def dry_run(self, **options):
        self.assertFalse(self.ask(None, "backup?dry_run=true", **options))

    def job(self, job, host=None):
        return (host or self.a).api.get(f"/v1/backups/{job}")

    def wait_end(self, job, *states, host=None):
        def ended():
            backup = self.job(job, host)
            return backup if backup["final"] else None
        backup = self.eventually("the end of the backup", ended, 60)
        self.assertIn(backup["state"], states or ("done",), backup)
        return backup

    def wait_copying(self, job, host=None):
        """QEMU's jobs are at work."""
        def is_taken():
            backup = self.job(job, host)
            self.assertFalse(backup["final"], backup)
            return backup if backup["state"] == "copy" and backup["taken_at"] else None
        return self.eventually("the copy", is_taken, 20)

    def backup(self, host=None, **options):
        return self.wait_end(self.begin(host, **options), host=host)

    def image(self, backup, disk):
        return self.place / backup["id"] / f"{disk.id}.qcow2"

    def names(self):
        """What is in the directory, as the daemon sees it."""
        place = pathlib.Path(f"/proc/{self.a.process.pid}/root/{self.place}")
        return sorted(path.name for path in place.iterdir())

    def monitor(self, host, name, **args):
        monitor = Qmp(host, self.guest.uuid)
        try:
            return monitor.command(name, **args)["return"]
        finally:
            monitor.close()

    def bitmaps(self, host=None):
        """{disk: ids of the backups since whose moment its changes are noted}"""
        nodes = self.monitor(host or self.a, "query-named-block-nodes", flat=True)
        found = {disk.id: [] for disk in self.guest.disks}
        for node in nodes:
            for bitmap in node.get("dirty-bitmaps", []):
                if bitmap.get("name", "").startswith("migrd-backup-"):
                    backup, disk = bitmap["name"][13:49], bitmap["name"][50:]
                    found[disk].append(backup)
        return found

    def assert_nothing_left(self, host=None):
        """QEMU has no job and no node of the backup."""
        host = host or self.a
        self.assertEqual(self.monitor(host, "query-jobs"), [])
        nodes = self.monitor(host, "query-named-block-nodes", flat=True)
        self.assertEqual([node["node-name"] for node in nodes
                          if node["node-name"] in [f"migrd-{disk.id}" for disk in self.guest.disks]], [])

    def stop_guest(self, host=None):
        self.guest.console.expect_reset()
        (host or self.a).api.post("/v1/vms/g1/stop")


class BackupTest(BackupCase):
    # The guest writes all the time: a block that is older or newer than the others shows.
    def test_chain_of_a_running_guest_is_of_one_moment_each(self):
        one = Disk("one", format="qcow2", area=4, rate=16, data=4)
        raw = Disk("raw", area=4, rate=16, data=2)
        two = Disk("two", format="qcow2", shared=True, area=2, rate=8)
        self.start(one, raw, two)
        self.dry_run(mode="incremental", disks=["two"])
        said = self.a.migrctl("vm", "backup", "g1", self.place, "--disks", "two", "--dry-run").stdout
        self.assertEqual(said, "g1: a backup would be begun\n")
        wrong = self.a.migrctl("vm", "backup", "g1", self.place, "--disks", "none", "--dry-run", check=False)
        self.assertEqual((wrong.returncode, wrong.stdout), (4, ""))
        self.assertIn("none", wrong.stderr)
        self.assertEqual((self.names(), self.a.api.get("/v1/backups")["items"]), ([], []))
        full = self.backup()
        self.assertEqual([(disk["id"], disk["mode"], disk["why_full"], disk["has_bitmap"])
                          for disk in full["disks"]],
                         [("one", "full", "", True), ("raw", "full", "", False),
                          ("two", "full", "", True)])
        self.assertEqual((full["parent"], full["quiesced"]), (None, "not-frozen"))
        self.assertEqual(self.names(), [full["id"]])
        self.assertEqual(sorted(os.listdir(self.place / full["id"])),
                         ["manifest.json", "one.qcow2", "raw.qcow2", "two.qcow2"])
        self.guest.assert_runs_on(self.a)
        self.assert_nothing_left()
        self.assertEqual(self.bitmaps(), {"one": [full["id"]], "raw": [], "two": [full["id"]]})
        old = [disk.assert_stamps(self.image(full, disk), "qcow2")
               for disk in self.guest.disks]

        self.guest.console.wait_disk_sweeps(2, host="a")
        next_ = self.backup(mode="incremental")
        self.assertEqual([(disk["id"], disk["mode"]) for disk in next_["disks"]],
                         [("one", "incremental"), ("raw", "full"), ("two", "incremental")])
        self.assertIn("raw", next_["disks"][1]["why_full"])
        self.assertEqual(next_["parent"], full["id"])
        self.assertEqual(self.bitmaps(), {"one": [next_["id"]], "raw": [], "two": [next_["id"]]})
        new = [disk.assert_stamps(self.image(next_, disk), "qcow2") for disk in self.guest.disks]
        for before, after in zip(old, new):
            self.assertLess(before[0], after[0])
        # What has not changed is not copied again.
        self.assertLess(self.image(next_, one).stat().st_size, 6 * MIB)
        manifest = json.loads((self.place / next_["id"] / "manifest.json").read_text())
        self.assertEqual((manifest["id"], manifest["parent"], manifest["uuid"], manifest["vm"]),
                         (next_["id"], full["id"], self.guest.uuid, "g1"))
        self.assertEqual(manifest["definition"]["name"], "g1")

        # Of a guest that stands still, the last one is the disk itself.
        self.a.api.post("/v1/vms/g1/pause")
        last = self.backup(mode="incremental", fallback="full")
        self.stop_guest()
        for disk in self.guest.disks:
            assert_same_image(disk.path, self.image(last, disk), disk.format, "qcow2")
        self.check_restore(last)

        # What the image has noted outlives its QEMU.
        self.guest.start(self.a)
        self.assertEqual(self.bitmaps()["one"], [last["id"]])
        again = self.backup(mode="incremental", disks=["two", "one"], fallback="refuse",
                            compress=True)
        self.assertEqual([disk["mode"] for disk in again["disks"]], ["incremental"] * 2)
        for disk in (one, two):
            disk.assert_stamps(self.image(again, disk), "qcow2")
        self.guest.console.assert_disks_right()

    def check_restore(self, backup):
        """The images are the stopped disks; a chain that is not whole is refused, and nothing made."""
        home, images = self.place / backup["id"], self.world.dir / "restored"
        images.mkdir(mode=0o755)
        owner = 65534 if os.geteuid() == 0 else os.geteuid()
        os.chown(images, owner, -1)

        def restore(*options, check=True):
            return self.a.migrctl("vm-backup", "restore", home, "--to", images, *options, check=check)

        parent = self.place / backup["parent"]
        parent.rename(self.place / "away")
        self.assertIn("follows backup", restore(check=False).stderr)
        shutil.copytree(home, parent)
        self.assertIn("is another backup", restore(check=False).stderr)
        shutil.rmtree(parent)
        (self.place / "away").rename(parent)
        base = parent / "one.qcow2"
        os.truncate(base, base.stat().st_size + 512)
        self.assertIn("is not as it was when the backup was complete", restore(check=False).stderr)
        os.truncate(base, base.stat().st_size - 512)
        self.assertEqual(os.listdir(images), [])
        restore()
        for disk in self.guest.disks:
            assert_same_image(disk.path, images / f"{disk.id}.qcow2", disk.format, "qcow2")
        self.assertIn("is there already", restore(check=False).stderr)
        restore("--format", "raw", "--disks", "one")
        assert_same_image(self.guest.disks[0].path, images / "one.raw", "qcow2", "raw")
        self.assertEqual(sorted(os.listdir(images)),
                         ["one.qcow2", "one.raw", "raw.qcow2", "two.qcow2"])
        self.assertEqual({(stat.S_IMODE(image.stat().st_mode), image.stat().st_uid) for image in images.iterdir()},
                         {(0o600, owner)})
        self.check_restore_into_a_directory_of_another(restore, images)

    def check_restore_into_a_directory_of_another(self, restore, images):
        """Its owner puts another file into the place of the image before that is filled, or when it was compared."""
        programs, other = self.world.dir / "programs", self.world.dir / "other"
        programs.mkdir()
        wrapper = programs / "qemu-img"
        for moment in ("after compare", "before convert"):
            other.write_bytes(b"of nobody else")
            (images / "raw.qcow2").unlink(missing_ok=True)
            wrapper.write_text(f"""#!/bin/sh
swap() {{ [ "$1" != "{moment}" ] || mv -f '{other}' '{images}'/.raw.migrd-*; }}
swap "before $1"
{shutil.which("qemu-img")} "$@"
code=$?
swap "after $1"
exit $code
""", encoding="utf-8")
            wrapper.chmod(0o755)
            before = sorted(os.listdir(images))
            with open(other, "rb") as still, \
                    mock.patch.dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}"):
                self.assertIn("another program has changed the image",
                              restore("--disks", "raw", check=False).stderr)
                self.assertEqual((os.fstat(still.fileno()).st_uid, still.read()),
                                 (os.geteuid(), b"of nobody else"))
            self.assertEqual(sorted(os.listdir(images)), before)

    def test_target_that_goes_away_and_comes_back_is_told_of(self):
        """Moved away, or an empty mount point: what was begun cannot be found, and comes back with it."""
        self.start(Disk("one", format="qcow2", area=2, rate=8, data=8))
        away = self.place.parent / "away"
        for makes_another in (False, True):
            job = self.begin(bandwidth_bytes_per_s=SLOW)
            self.wait_copying(job)
            self.place.rename(away)
            if makes_another:
                self.place.mkdir()
            self.a.migrctl("vm-backup", "cancel", job)
            hidden = f".{job}.migrd-backup"
            self.assertIn(f"nothing was found of '{self.place}/{hidden}': if its storage comes back with it, remove it",
                          self.wait_end(job, "cancelled")["error"]["detail"])
            if makes_another:
                self.place.rmdir()
            away.rename(self.place)
            self.assertEqual(self.names(), [hidden])
            shutil.rmtree(self.place / hidden)
            self.assert_nothing_left()

    def test_crash_after_the_removal_tells_of_nothing_that_is_left(self):
        self.start(Disk("one", format="qcow2", area=2, rate=8, data=8))
        # A worker makes the images, and then removes them.
        self.a.restart_with_fault("vmbackup.worked:crash:after=2")
        job = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(job)
        with contextlib.suppress(OSError):      # the crash may be faster than the answer
            self.a.api.post(f"/v1/backups/{job}/cancel")
        self.eventually("the crash", lambda: not self.a.is_up())
        self.assertEqual(os.listdir(self.place), [])
        self.a.start()
        self.assertEqual(self.wait_end(job, "cancelled")["error"]["detail"], "cancelled on request")
        self.assert_nothing_left()

    # QEMU copies on while its coordinator is away; what is cancelled or fails leaves nothing.
    def test_restart_cancel_and_stop_in_the_middle(self):
        disk = Disk("one", format="qcow2", area=2, rate=8, data=8)
        self.start(disk)
        first = self.backup()
        job = self.begin(bandwidth_bytes_per_s=2 * MIB)
        self.wait_copying(job)
        self.a.kill9()
        self.a.start()
        backup = self.wait_end(job)
        disk.assert_stamps(self.image(backup, disk), "qcow2")
        self.assert_nothing_left()
        self.assertEqual(self.bitmaps(), {"one": [job]})

        # What is asked of the VM meanwhile: its guest goes on as one wants, its disks stay.
        job = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(job)
        self.assertEqual(self.names(), sorted([f".{job}.migrd-backup", first["id"], backup["id"]]))
        self.a.api.post("/v1/vms/g1/pause")
        self.a.api.post("/v1/vms/g1/resume")
        target = {"type": "file", "directory": str(self.place)}
        for path, body in (("backup", {"target": target}), ("backup?dry_run=true", {"target": target}),
                           ("refresh", {}),
                           ("save", {"file": str(self.a.saved / "f")}),
                           ("devices", {"type": "disk", "id": "x", "path": str(self.place / "x"),
                                        "format": "raw"})):
            with self.assertRaises(ApiError) as refused:
                self.a.api.post(f"/v1/vms/g1/{path}", body)
            self.assertEqual(refused.exception.status, 409)
            self.assertIn(job, str(refused.exception))
        cancelled = self.a.migrctl("vm-backup", "cancel", job).stdout
        self.assertIn("cancelled", cancelled)
        self.assertEqual(self.job(job)["error"]["detail"], "cancelled on request")
        self.assert_nothing_left()
        self.assertEqual(self.names(), sorted([first["id"], backup["id"]]))
        self.assertEqual(self.bitmaps(), {"one": [backup["id"]]})
        self.assert_api_error(409, "too-late", self.a.api.post, f"/v1/backups/{job}/cancel")

        # A backup that failed has cost nothing, and one whose QEMU is killed costs the bitmap alone.
        disk.assert_stamps(self.image(self.backup(mode="incremental", fallback="refuse"), disk),
                           "qcow2")
        self.stop_guest()
        self.guest.start(self.a)
        before = self.names()
        job = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(job)
        self.guest.console.expect_reset()
        os.kill(self.guest.vm(self.a)["pid"], signal.SIGKILL)
        self.assertIn("has ended", self.wait_end(job, "failed")["error"]["detail"])
        self.assertEqual(self.names(), before)
        self.guest.start(self.a)
        refused = self.wait_end(self.begin(mode="incremental", fallback="refuse"), "failed")
        self.assertEqual(refused["error"]["code"], "conflict")
        self.assertIn("was not closed as it must be", refused["error"]["detail"])
        full = self.backup(mode="incremental")
        self.assertEqual([disk["mode"] for disk in full["disks"]], ["full"])
        self.assertIn("was not closed as it must be", full["disks"][0]["why_full"])
        self.assertEqual(self.bitmaps(), {"one": [full["id"]]})

    # Before QEMU 11.0 a write of the guest fails with the target, and QEMU stops the guest since there
    # is no room; it goes on when nothing is copied any more, and makes the write.
    def test_full_target_ends_the_backup_and_not_the_guest(self):
        disk = Disk("one", format="qcow2", mib=24, area=8, rate="max", data=8)
        self.a.kill9()
        self.a.prefix = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c",
                         f"mount -t tmpfs -o size=3m,mode=0700 migrd-test {self.a.backups} && "
                         'exec "$0" "$@"']
        self.a.start()
        self.start(disk)
        self.assertEqual(self.wait_end(self.begin(), "failed")["error"]["code"], "no-space")
        for _ in range(2):     # what is compressed is not reckoned with beforehand
            failed = self.wait_end(self.begin(compress=True), "failed")
            self.assertIn("No space left on device", failed["error"]["detail"])
            self.assertEqual(self.names(), [])
            self.eventually("the guest runs", lambda: self.guest.vm(self.a)["state"] == "running")
            self.guest.assert_runs_on(self.a)
        self.assert_nothing_left()
        self.assertEqual(self.bitmaps(), {"one": []})
        self.assertEqual(self.guest.console.failed_requests(), 0)
        self.guest.console.assert_disks_right()
        self.stop_guest()
        disk.assert_stamps()

    # What then is still to be done in QEMU is done when the storage answers.
    @only_full
    def test_target_that_hangs_at_the_end_lets_its_guest_go(self):
        disk = Disk("one", format="qcow2", area=2, rate=8)
        self.start(disk)
        self.backup()
        self.a.restart_with_fault("vmbackup.sync:delay:ms=45000")
        job = self.begin(mode="incremental", fallback="refuse")
        self.eventually("it is sealed", lambda: self.job(job)["state"] == "seal", 20)
        self.eventually("the VM is let go", lambda: not self.guest.vm(self.a)["job"], 40)
        sealed = self.job(job)
        self.assertEqual(sealed["state"], "seal")
        self.assertIn("does not answer", sealed["reason"])
        disk.assert_stamps(self.image(self.wait_end(job), disk), "qcow2")
        self.assertEqual(self.bitmaps(), {"one": [job]})

    def test_what_is_refused(self):
        disk = Disk("one", mib=8, area=2, rate=4)
        self.start(disk)
        def refuse(status, code, *asked, **options):
            for ask in asked:
                self.assert_api_error(status, code, ask, **options)

        both = self.begin, self.dry_run
        refuse(404, "not-found", *both, disks=["one", "two"])
        refuse(400, "invalid", *both, mode="most")
        self.place = self.a.images
        refuse(409, "conflict", *both)
        self.place = self.a.backups / "none"
        refuse(409, "conflict", *both)
        self.place = self.a.backups
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/backups/none")
        failed = self.wait_end(self.begin(mode="incremental", fallback="refuse"), "failed")
        self.assertIn("raw", failed["error"]["detail"])
        failed = self.wait_end(self.begin(quiesce="require"), "failed")
        self.assertIn("agent", failed["error"]["detail"])
        self.assertEqual(self.names(), [])
        self.stop_guest()
        refuse(409, "conflict", *both)


class BackupMoveTest(BackupCase):
    """Backups of a guest that is moved; both hosts have the directory of its backups."""

    host_ids = ("a", "b")
    timeout_seconds = 200

    def prepare(self):
        a, b = self.world["a"], self.world["b"]
        b.backups = a.backups
        b.write_config()

    def order(self, to, host, **options):
        return host.api.post("/v1/queue", {"vm": "g1", "to": to, **options})["id"]

    def entry(self, entry, host):
        return host.api.get(f"/v1/queue/{entry}")

    def wait_order(self, entry, host, timeout=60):
        def done():
            now = self.entry(entry, host)
            return now if now["final"] else None
        now = self.eventually("the end of the order", done, timeout)
        self.assertEqual(now["state"], "done", now)

    # A move waits for a backup; one of an evacuation, or that asks for it, ends it.  What is noted in
    # shared images goes along, so the next backup on the other host is incremental and right.
    def test_move_during_a_backup_waits_or_ends_it_and_bitmaps_travel(self):
        one = Disk("one", format="qcow2", shared=True, area=2, rate=8, data=8)
        two = Disk("two", format="qcow2", shared=True, area=2, rate=8)
        self.start(one, two)
        full = self.backup()
        job = self.begin(bandwidth_bytes_per_s=SLOW)
        self.wait_copying(job)
        self.assert_api_error(409, "busy", self.a.api.post, "/v1/moves", {"vm": "g1", "to": "b"})
        entry = self.order("b", self.a)
        now = self.eventually("a reason", lambda: self.entry(entry, self.a)["reason"])
        self.assertIn(f"another job (BACKUP {job}): it waits for its end", now)
        self.a.api.post(f"/v1/queue/{entry}/cancel")
        self.assertFalse(self.job(job)["final"])
        entry = self.order("b", self.a, priority="evacuation")
        ended = self.wait_end(job, "cancelled")
        self.assertIn(f"ended for the move of VM 'g1' (entry {entry} of the queue, priority "
                      "`evacuation')", ended["error"]["detail"])
        self.wait_order(entry, self.a)
        self.guest.assert_runs_on(self.b)
        self.assertEqual(self.bitmaps(self.b), {"one": [full["id"]], "two": [full["id"]]})

        next_ = self.backup(self.b, mode="incremental", fallback="refuse")
        self.assertEqual((next_["parent"], [disk["mode"] for disk in next_["disks"]]),
                         (full["id"], ["incremental"] * 2))
        for disk in (one, two):
            disk.assert_stamps(self.image(next_, disk), "qcow2")

        # One that waits goes when the backup has ended.
        job = self.begin(self.b, bandwidth_bytes_per_s=2 * MIB)
        self.wait_copying(job, self.b)
        entry = self.order("a", self.b, block_jobs="wait", priority="evacuation")
        self.assertIn("waits for its end",
                      self.eventually("a reason", lambda: self.entry(entry, self.b)["reason"]))
        self.wait_end(job, host=self.b)
        self.wait_order(entry, self.b)
        self.guest.assert_runs_on(self.a)
        self.a.api.post("/v1/vms/g1/pause")
        last = self.backup(mode="incremental", fallback="refuse")
        self.assertEqual(last["parent"], job)
        self.stop_guest()
        for disk in (one, two):
            assert_same_image(disk.path, self.image(last, disk), "qcow2", "qcow2")


class BackupAgentTest(BackupCase):
    timeout_seconds = 200

    # The guest's file systems are frozen for the moment of the backup, and not any longer; what a
    # person has frozen stays so.
    @only_full
    def test_file_systems_are_frozen_for_the_moment(self):
        self.guest = LinuxGuest(self.world, "g1", guest_agent=True,
                                disks=[make_disk(self.world, "data")])
        self.place = self.a.backups
        self.guest.start(self.a)
        self.guest.sh("mke2fs /dev/vda && mount /dev/vda /mnt && echo right >/mnt/file")
        self.eventually("the agent", lambda: self.guest.vm(self.a)["agent"]["connected"])
        backup = self.backup(quiesce="require")
        self.assertEqual(backup["quiesced"], "frozen")
        self.eventually("the thaw", lambda: not self.guest.vm(self.a)["agent"]["frozen"])
        self.guest.sh("echo more >>/mnt/file; sync")
        self.a.api.post("/v1/vms/g1/agent/freeze", {"lease_ms": 60000})
        self.assertEqual(self.backup()["quiesced"], "frozen")
        self.assertTrue(self.guest.vm(self.a)["agent"]["frozen"])
        self.a.api.post("/v1/vms/g1/agent/thaw")
        self.assertEqual(self.backup(quiesce="no")["quiesced"], "not-frozen")
        # What was frozen needs no repair.
        image, raw = self.place / backup["id"] / "data.qcow2", self.place / "raw"
        qemu_img("convert", "-O", "raw", image, raw)
        fsck = subprocess.run(["e2fsck", "-fn", raw], check=False, capture_output=True, text=True)
        self.assertEqual(fsck.returncode, 0, fsck.stdout + fsck.stderr)
