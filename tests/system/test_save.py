# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are saved to files and restored from them."""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import struct
import unittest

from lib import settings
from lib.api import ApiError
from lib.disks import Disk
from lib.qmp import Qmp
from lib.world import SystemTest

DATA_AT = 1 << 20
# The test guest is booted by SeaBIOS, which leaves the variables as they are.
CODE = "/usr/share/seabios/bios-256k.bin"
VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"


class SaveCase(SystemTest):
    host_ids = ("a",)

    # ---- what the tests are made of --------------------------------------------

    def start(self, **options):
        self.guest = self.world.guest(**{"area": 8, "rate": 64, "memory_mib": 96, **options})
        self.guest.start(self.a)
        self.file = self.a.saved / "g1.save"

    def begin_save(self, file=None, **options):
        return self.a.api.post("/v1/vms/g1/save", {"file": str(file or self.file), **options})["id"]

    def begin_restore(self, file=None, **options):
        return self.a.api.post("/v1/vms/restore", {"file": str(file or self.file), **options})["id"]

    def wait_end(self, job, *states):
        def ended():
            save = self.a.api.get(f"/v1/saves/{job}")
            return save if save["final"] else None
        save = self.eventually("the end of the job", ended, 60)
        self.assertIn(save["state"], states or ("done",), save)
        return save

    def save(self, file=None, **options):
        return self.wait_end(self.begin_save(file, **options))

    def restore(self, file=None, **options):
        return self.wait_end(self.begin_restore(file, **options))

    def has_mapped_ram(self):
        return settings.qemu_major() >= 9

    def names(self):
        """The files of saved guests, as the daemon sees them (small_disk())."""
        saved = pathlib.Path(f"/proc/{self.a.process.pid}/root/{self.a.saved}")
        return sorted(path.name for path in saved.iterdir())

    def start_behind(self, namespaces, script):
        """Starts a guest on a daemon behind SCRIPT in NAMESPACES of its own (unshare(1))."""
        self.a.kill9()
        self.a.prefix = ["unshare", *namespaces, "sh", "-c", script + ' && exec "$0" "$@"']
        self.a.start()
        self.start()

    @contextlib.contextmanager
    def small_disk(self):
        """A guest on a daemon whose saved guests are on a disk of 3 MiB, in a mount namespace of its
        own; another user than root gets it in a user namespace."""
        self.start_behind(["-m"] if os.geteuid() == 0 else ["-rm"],
                          f"mount -t tmpfs -o size=3m,mode=0700 migrd-test {self.a.saved}")
        yield

    def state(self):
        return self.guest.vm(self.a)["state"]

    def assert_refused(self, words, call, *args, **options):
        """CALL is refused with WORDS, and changes neither files nor the VM."""
        before = self.names(), self.state(), self.file.read_bytes() if self.file.exists() else b""
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        for word in words:
            self.assertIn(word, caught.exception.body["detail"])
        after = self.names(), self.state(), self.file.read_bytes() if self.file.exists() else b""
        self.assertEqual(before, after)

    def crash(self, point, begin):
        """Lets BEGIN() begin a job in a daemon that dies at POINT, which may be a whole plan; the job
        after a restart."""
        known = {save["id"] for save in self.a.api.items("/v1/saves")}
        self.a.restart_with_fault(point if ":" in point else f"{point}:crash")
        with contextlib.suppress(OSError, http.client.HTTPException):
            begin()
        self.eventually(f"the end of the daemon at {point}", lambda: not self.a.is_up(), 30)
        self.a.kill9()
        self.a.start()
        new = [save for save in self.a.api.items("/v1/saves") if save["id"] not in known]
        return self.wait_end(new[0]["id"], "done", "failed") if new else None


class SaveTest(SaveCase):

    # ---- save and restore --------------------------------------------------------

    def test_guest_that_changes_its_memory_goes_on_where_it_was(self):
        self.start()
        save = self.save()
        vm = self.guest.vm(self.a)
        self.assertEqual((vm["state"], vm["saved_in"], vm["pid"]), ("stopped", str(self.file), None))
        self.assertEqual(self.a.qemus(), [])
        self.assertEqual(self.names(), ["g1.save"])
        self.assertEqual(save["mode"], "mapped-ram" if self.has_mapped_ram() else "stream")
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_single_runner()
        self.assertIsNone(self.guest.vm(self.a)["saved_in"])
        self.save(self.a.saved / "second")
        self.restore(self.a.saved / "second", remove=True)
        self.guest.assert_runs_on(self.a)
        self.assertEqual(self.names(), ["g1.save"])

    # Faster than any disk: the guest is stopped when its memory was written once.
    def test_guest_that_changes_its_memory_without_end_is_saved(self):
        self.start(area=48, rate="max", memory_mib=160)
        self.save()
        self.restore()
        self.guest.assert_runs_on(self.a)

    def test_disks_are_as_the_guest_left_them(self):
        self.start(disks=[Disk(format="qcow2", area=4, rate=8)], area=4, rate=16)
        self.save()
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_disks_right()

    def test_paused_guest_stays_paused(self):
        self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.save()
        self.restore()
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.a)

    def test_restore_that_is_to_be_paused(self):
        self.start()
        self.save()
        self.restore(paused=True)
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.a)

    def test_former_file_of_the_name_is_replaced_at_the_end(self):
        self.start()
        first = self.save()["id"]
        self.restore()
        second = self.save()["id"]
        self.assertEqual(self.names(), ["g1.save"])
        self.assertNotEqual(first, second)
        self.restore()
        self.guest.assert_runs_on(self.a)

    def test_migrctl(self):
        self.start()
        self.assertIn("done", self.a.migrctl("vm", "save", "g1", self.file, "--watch").stdout)
        self.assertIn(str(self.file), self.a.migrctl("vm", "show", "g1").stdout)
        self.assertIn("done", self.a.migrctl("vm", "restore", self.file, "--watch").stdout)
        self.guest.assert_runs_on(self.a)
        kinds = [job["kind"] for job in self.a.migrctl_json("job", "list")["items"]]
        self.assertEqual(kinds, ["RESTORE", "SAVE"])
        stale = self.a.migrctl("vm", "restore", self.file, check=False)
        self.assertEqual(stale.returncode, 5)
        self.assertIn("stop it first", stale.stderr)

    # ---- what is refused -----------------------------------------------------------

    def test_stale_file_is_refused_unless_the_user_vouches(self):
        self.start()
        self.save()
        self.a.api.post("/v1/vms/g1/start")
        self.guest.console.expect_reset()
        self.a.api.post("/v1/vms/g1/stop")
        self.assert_refused(["stale", "was started since"], self.begin_restore)
        self.restore(stale_disks_ok=True)
        self.guest.console.expect_reset()
        self.guest.wait_sweeps(2, self.a)
        self.a.api.post("/v1/vms/g1/stop")
        self.assert_refused(["was restored from it before"], self.begin_restore)

    def test_older_of_two_saves_is_stale(self):
        self.start()
        self.save()
        self.restore()
        self.save(self.a.saved / "newer")
        self.assert_refused(["restored from it before", "saved again since"], self.begin_restore)
        self.restore(self.a.saved / "newer")
        self.guest.assert_runs_on(self.a)

    def test_restore_over_a_guest_that_runs(self):
        self.start()
        self.save()
        self.restore()
        self.assert_refused(["VM 'g1' is running: stop it first", "restored from it before"],
                            self.begin_restore)
        self.guest.assert_runs_on(self.a)

    def test_definition_that_has_changed(self):
        self.start()
        self.save()
        self.a.api.post("/v1/vms/g1/devices", {"kind": "nic", "id": "n1", "type": "user"})
        self.assert_refused(["the definition of the VM is not that of the save"],
                            self.begin_restore)
        self.a.api.delete("/v1/vms/g1/devices/n1")
        self.restore()
        self.guest.assert_runs_on(self.a)

    def describe_anew(self, change):
        """Lets CHANGE() change the description of the file, as another migrd would write it."""
        data = self.file.read_bytes()
        description = json.loads(data[4096:4096 + struct.unpack_from("<I", data, 12)[0]])
        change(description)
        text = json.dumps(description).encode()
        first = data[:8] + struct.pack("<II", 1, len(text))
        head = first + hashlib.sha256(first + text).hexdigest().encode()
        head += data[len(head):4096] + text
        self.file.write_bytes(head + data[len(head):])

    # Whatever the description says: the guest has written to its disk since.
    def test_background_snapshot_beside_a_writable_disk_is_stale(self):
        self.start(disks=[Disk(area=4, rate=8)], area=4, rate=16)
        self.save()
        self.describe_anew(lambda description: description.update(live=True))
        self.a.api.post("/v1/vms/g1/start")
        self.guest.console.expect_reset()
        self.a.api.post("/v1/vms/g1/stop")
        self.assert_refused(["is stale: the guest ran on when it was written", "disk 'data'"],
                            self.begin_restore)

    def test_files_that_are_no_saved_guest(self):
        self.start()
        self.save()
        good = self.file.read_bytes()
        for what, words, change in (
                ("cut", "was cut or changed", lambda b: b[:-1]),
                ("cut in the description", "cut or damaged", lambda b: b[:4100]),
                ("a changed description", "cut or damaged", lambda b: b[:4200] + b"\x01" + b[4201:]),
                ("foreign", "no guest that migrd has saved", lambda b: b"QEVM" + b[4:]),
                ("empty", "no guest that migrd has saved", lambda b: b""),
                ("newer", "has the format 2", lambda b: b[:8] + struct.pack("<I", 2) + b[12:])):
            with self.subTest(what):
                self.file.write_bytes(change(good))
                self.assert_refused([words], self.begin_restore)
        self.file.write_bytes(good)
        self.restore()
        self.guest.assert_runs_on(self.a)

    # The description says that all is there; QEMU finds that it is not.
    def test_data_that_qemu_refuses_leave_the_file_current(self):
        self.start()
        self.save()
        good = self.file.read_bytes()
        self.file.write_bytes(good[:DATA_AT] + b"\0" * 64 + good[DATA_AT + 64:])
        failed = self.wait_end(self.begin_restore(), "failed")
        self.assertEqual(failed["error"]["code"], "qemu-error", failed)
        self.assertEqual(self.a.qemus(), [])
        self.assertEqual(self.guest.vm(self.a)["saved_in"], str(self.file))
        self.file.write_bytes(good)
        self.restore()
        self.guest.assert_runs_on(self.a)

    def test_places_where_nothing_may_be_saved(self):
        self.start()
        outside = self.world.dir / "elsewhere.save"
        self.file.write_bytes(b"somebody else's")
        os.symlink(self.world.dir, self.a.saved / "link")
        for file, words in ((outside, "'save_dirs' of [storage]"),
                            (self.a.saved / "link" / "x", "'save_dirs' of [storage]"),
                            (self.a.saved / ".." / "x", "no path for a saved guest"),
                            (self.a.saved / "none" / "x", "is not there: make it"),
                            (self.file, "is no saved guest: it is not replaced")):
            with self.subTest(str(file)):
                self.assert_refused([words], self.begin_save, file)
        self.assertFalse(outside.exists())
        self.guest.assert_runs_on(self.a)
        self.a.api.post("/v1/vms/g1/stop")
        self.assert_refused(["only a guest that runs or is paused", "is not replaced"],
                            self.begin_save)
        self.assert_api_error(404, "not-found", self.begin_restore, self.a.saved / "nothing")

    # The guest of the other VM would be lost.
    def test_file_of_another_vm_is_not_replaced_by_another_path(self):
        self.start()
        (self.a.saved / "real").mkdir()
        os.symlink("real", self.a.saved / "alias")
        self.save(self.a.saved / "real" / "g")
        other = self.world.guest("g2", area=4, rate=16, memory_mib=64)
        other.start(self.a)
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/vms/g2/save", {"file": str(self.a.saved / "alias" / "g")})
        self.assertIn("VM 'g1' is saved in", caught.exception.body["detail"])
        self.restore(self.a.saved / "alias" / "g")
        self.guest.assert_runs_on(self.a)

    # QEMU 7.2 can leave the guest hanging.
    @unittest.skipUnless(settings.qemu_major() < 9, "of a QEMU before 9.0")
    def test_background_snapshot_is_refused(self):
        self.start(disks=[Disk(area=4, rate=8)], tpm={"model": "tpm-crb"})
        self.assert_refused(["can leave the guest hanging", "its TPM"], self.begin_save, live=True)
        self.guest.assert_runs_on(self.a)

    # ---- ends ------------------------------------------------------------------------

    # QEMU has written all by then, and the guest stands still until the cancel.
    def test_cancelled_save_leaves_the_guest_and_the_former_file(self):
        self.start()
        self.save()
        self.restore()
        before = self.file.read_bytes()
        self.a.restart_with_fault("qmp.reply.query-migrate:drop:times=1")
        job = self.begin_save()
        self.eventually("transfer", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "transfer")
        self.a.api.post(f"/v1/saves/{job}/cancel")
        self.wait_end(job, "cancelled")
        self.assertEqual(self.names(), ["g1.save"])
        self.assertEqual(self.file.read_bytes(), before)
        self.guest.assert_runs_on(self.a)
        late = self.assert_api_error(409, "too-late", self.a.api.post, f"/v1/saves/{job}/cancel")
        self.assertIn("cancelled", late.body["detail"])
        self.save()
        self.restore()
        self.guest.assert_runs_on(self.a)

    def test_cont_that_never_reaches_qemu_after_a_restore_is_the_reason_of_the_vm(self):
        self.start()
        self.save()
        self.a.restart_with_fault("qmp.send.cont:error:times=0")
        self.restore()
        vm = self.guest.vm(self.a)
        self.assertEqual(vm["state"], "paused")
        self.assertIn("the guest shall run and does not", vm["reason"])

    # A guest with firmware stands still before it is written.
    def test_cont_that_does_not_reach_qemu_after_a_failed_save_is_said_again(self):
        self.start(firmware={"code": CODE, "vars": str(self.a.images / "g1.vars"),
                             "vars_template": VARS})
        self.a.restart_with_fault("qmp.send.migrate:error,qmp.send.cont:error:times=3")
        self.wait_end(self.begin_save(), "failed")
        self.guest.assert_runs_on(self.a)
        self.assertEqual(self.names(), [])

    def test_cancelled_restore_leaves_the_file_current(self):
        self.start()
        self.save()
        self.a.restart_with_fault("qmp.reply.migrate-incoming:drop:times=1")
        job = self.begin_restore()
        self.eventually("load", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "load")
        self.a.api.post(f"/v1/saves/{job}/cancel")
        self.wait_end(job, "cancelled")
        self.assertEqual(self.a.qemus(), [])
        self.assertEqual(self.guest.vm(self.a)["saved_in"], str(self.file))
        self.restore()
        self.guest.assert_runs_on(self.a)

    # ---- the coordinator dies ------------------------------------------------------------

    def assert_saved_or_running(self, point, save, before):
        """The guest is in the file alone, or runs and the former file is as it was."""
        vm = self.guest.vm(self.a)
        if vm["saved_in"]:
            self.assertEqual((vm["state"], vm["saved_in"], save["state"]),
                             ("stopped", str(self.file), "done"), point)
            self.assertEqual(self.a.qemus(), [])
        else:
            self.guest.assert_runs_on(self.a)
            self.assertTrue(save is None or save["state"] == "failed", point)
            self.assertEqual(self.file.read_bytes(), before, point)
        self.assertEqual(self.names(), ["g1.save"], point)
        self.guest.console.assert_single_runner()
        return bool(vm["saved_in"])

    def test_coordinator_dies_in_each_state_of_a_save(self):
        self.start()
        self.save()
        saved = []
        points = ("store.save.begin.before", "save.out.begin", "save.worked",
                      "store.save.transfer.after", "save.out.transfer",
                      "qmp.send.add-fd" if self.has_mapped_ram() else "qmp.send.getfd",
                      "qmp.send.migrate", "qmp.reply.migrate",
                      "save.out.seal", "save.sync", "save.rename",
                      "save.renamed", "store.save.end.before", "store.save.end.after",
                      "save.out.end", "qmp.send.quit", "qemu.exited", "save.out.done")
        for point in points:
            if self.guest.vm(self.a)["saved_in"]:
                self.restore()
            with self.subTest(point):
                before = self.file.read_bytes()
                save = self.crash(point, self.begin_save)
                if self.assert_saved_or_running(point, save, before):
                    saved.append(point)
        self.restore() if self.guest.vm(self.a)["saved_in"] else None
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_sane()
        self.note(f"saved at {len(saved)} of {len(points)} points, from {saved[0]} on")

    def test_coordinator_dies_in_each_state_of_a_restore(self):
        self.start()
        ran = []
        points = ("store.save.begin.before", "save.in.begin", "save.worked", "qemu.spawn",
                      "qemu.spawned", "store.save.load.before", "save.in.load",
                      "qmp.send.migrate-incoming", "qmp.reply.migrate-incoming",
                      "qmp.send.query-migrate", "store.save.claim.after", "save.in.claim",
                      "store.save.run.before", "store.save.run.after", "save.in.run",
                      "qmp.send.cont", "qmp.reply.cont", "save.in.done")
        for point in points:
            if not self.guest.vm(self.a)["saved_in"]:
                self.save()
            with self.subTest(point):
                job = self.crash(point, self.begin_restore)
                if self.guest.vm(self.a)["saved_in"]:
                    self.assertEqual(self.a.qemus(), [], point)
                    self.assertTrue(job is None or job["state"] == "failed", job)
                else:
                    self.assertEqual(job["state"], "done", point)
                    self.guest.assert_runs_on(self.a)
                    ran.append(point)
                self.guest.console.assert_single_runner()
        self.restore() if self.guest.vm(self.a)["saved_in"] else None
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_sane()
        self.note(f"runs at {len(ran)} of {len(points)} points, from {ran[0]} on")

    def test_full_disk_leaves_the_guest_and_the_former_file(self):
        with self.small_disk():
            failed = self.wait_end(self.begin_save(), "failed")
            self.note(failed["error"]["detail"])
            self.assertEqual(self.names(), [])
            self.guest.assert_runs_on(self.a)
            self.guest.console.assert_single_runner()


@unittest.skipIf(settings.qemu_major() < 9, "refused: test_background_snapshot_is_refused")
class LiveSaveTest(SaveCase):
    """Background snapshots: the guest runs on while its memory is written as it was."""

    def capability(self, name):
        qmp = Qmp(self.a, self.guest.uuid)
        try:
            every = qmp.command("query-migrate-capabilities")["return"]
        finally:
            qmp.close()
        return next(item["state"] for item in every if item["capability"] == name)

    def stop_guest(self):
        self.guest.console.expect_reset()
        self.a.api.post("/v1/vms/g1/stop")

    def assert_goes_on(self):
        """The guest runs, nothing is saved, and a later move finds nothing that was left on."""
        self.guest.assert_runs_on(self.a)
        self.assertIsNone(self.guest.vm(self.a)["saved_in"])
        self.assertFalse(self.capability("background-snapshot"))

    # The blackout is that of the guest's devices being written; the rest is the guest's wait for
    # pages.
    def test_guest_runs_on_and_its_file_is_restored_again_and_again(self):
        self.start(area=32, rate=64)
        pid = self.guest.vm(self.a)["pid"]
        before = self.guest.console.wait_line()[1]
        save = self.save(live=True)
        self.assertEqual((save["live"], save["mode"]), (True, "stream"))
        self.guest.assert_runs_on(self.a)
        self.assertEqual(self.guest.vm(self.a)["pid"], pid)
        after = self.guest.console.wait_line()[1]
        lines = [line for line, _ in self.guest.console.all_lines() if before.at <= line.at <= after.at]
        self.note(f"longest pause {max(b.at - a.at for a, b in zip(lines, lines[1:])) * 1000:.0f} ms")
        self.assert_goes_on()
        self.assertEqual(self.names(), ["g1.save"])
        for _ in range(2):
            self.assert_refused(["VM 'g1' is running: stop it first"], self.begin_restore)
            self.stop_guest()
            self.restore()
            ticks = self.guest.console.wait_line()[1].ticks
            self.assertGreater(ticks, before.ticks)
            self.guest.assert_runs_on(self.a)
            self.guest.console.assert_memory_right()

    def test_paused_guest_stays_paused(self):
        self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.save(live=True)
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/stop")
        self.restore()
        self.assertEqual(self.state(), "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.a)

    def test_guest_is_moved_saved_and_snapshotted_after_it(self):
        self.start()
        for _ in range(3):
            self.save(live=True)
        self.save(self.a.saved / "whole")
        self.assert_refused(["is saved in", "would make stale"], self.begin_restore)
        self.restore(self.a.saved / "whole")
        self.save(live=True)
        self.assert_goes_on()

    def test_guest_with_anything_that_is_not_in_the_file_is_refused(self):
        self.start(shared_memory=[{"id": "m0", "path": str(self.world.dir / "shm"), "size_mib": 1}],
                   tpm={"model": "tpm-crb"})
        self.assert_refused(["its TPM", "shared memory 'm0'", "save it without live"],
                            self.begin_save, live=True)
        self.guest.assert_runs_on(self.a)

    # QEMU is asked when migrd looks at the program: as a user who is none of the host's.
    def test_host_that_gives_no_userfaultfd_is_said(self):
        device = pathlib.Path("/dev/userfaultfd")
        self.start_behind(["-rm"], f"mount --bind /dev/null {device}" if device.exists() else "true")
        self.assert_refused(["QEMU refuses a background snapshot on this host: Background-snapshot "
                             "is not supported by host kernel"], self.begin_save, live=True)
        self.guest.assert_runs_on(self.a)

    # Nothing of it is in the definition's disks.
    def test_disk_of_a_raw_option_is_found_in_qemu(self):
        image = self.world.dir / "raw.img"
        image.write_bytes(bytes(1 << 20))
        self.start(extra_args=["-drive", f"file={image},format=raw,if=none,id=d9",
                               "-device", "virtio-blk-pci,drive=d9"])
        failed = self.wait_end(self.begin_save(live=True), "failed")
        self.assertIn("the guest may write to 'd9'", failed["error"]["detail"])
        self.assertEqual(self.names(), [])
        self.assert_goes_on()

    def test_cancelled_snapshot_leaves_the_guest_and_the_former_file(self):
        self.start()
        self.save(live=True)
        before = self.file.read_bytes()
        self.a.restart_with_fault("qmp.reply.query-migrate:drop:times=1")
        job = self.begin_save(live=True)
        self.eventually("transfer", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "transfer")
        self.assert_api_error(409, "busy", self.a.api.post, "/v1/vms/g1/pause")
        self.a.api.post(f"/v1/saves/{job}/cancel")
        self.wait_end(job, "cancelled")
        self.assertEqual((self.names(), self.file.read_bytes()), (["g1.save"], before))
        self.assert_goes_on()

    def test_coordinator_dies_in_each_state(self):
        self.start()
        self.save(live=True)
        written = []
        points = ("store.save.begin.before", "save.out.begin", "save.worked",
                  "store.save.transfer.after", "save.out.transfer",
                  "qmp.send.migrate-set-capabilities", "qmp.send.add-fd", "qmp.send.query-block",
                  "qmp.send.migrate", "qmp.reply.migrate", "qmp.reply.query-migrate",
                  "save.out.seal", "save.sync", "save.rename", "save.renamed",
                  "store.save.done.before", "store.save.done.after", "save.out.done")
        for point in points:
            with self.subTest(point):
                before = self.file.read_bytes()
                job = self.crash(point, lambda: self.begin_save(live=True))
                self.guest.assert_runs_on(self.a)
                self.assertIsNone(self.guest.vm(self.a)["saved_in"], point)
                self.assertEqual(self.names(), ["g1.save"], point)
                if job and job["state"] == "done":
                    written.append(point)
                elif point not in ("save.renamed",):
                    self.assertEqual(self.file.read_bytes(), before, point)
        self.stop_guest()
        self.restore()
        self.guest.assert_runs_on(self.a)
        self.note(f"written at {len(written)} of {len(points)} points, from {written[0]} on")

    def test_full_disk_leaves_the_guest_running(self):
        with self.small_disk():
            failed = self.wait_end(self.begin_save(live=True), "failed")
            self.assertEqual(self.names(), [])
            self.note(failed["error"]["detail"])
            self.assert_goes_on()


class SaveAndMoveTest(SystemTest):
    """What a save sets in QEMU must not stay there."""

    def test_guest_is_moved_after_a_save_that_was_cancelled(self):
        guest = self.world.guest(area=8, rate=32, memory_mib=64)
        guest.start(self.a)
        self.a.restart_with_fault("qmp.reply.query-migrate:drop:times=1")
        job = self.a.api.post("/v1/vms/g1/save", {"file": str(self.a.saved / "g1")})["id"]
        self.eventually("transfer", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "transfer")
        self.assert_api_error(409, "busy", self.world.begin_move, guest, self.a, self.b)
        self.a.migrctl("save", "cancel", job)
        self.world.move(guest, self.a, self.b)
        self.world.move(guest, self.b, self.a, multifd={"channels": 2})
        guest.assert_runs_on(self.a)

    # As after a crash between QEMU's end of the save and the tidying: a move with mapped-ram fails.
    def test_guest_is_moved_after_a_save_that_could_not_be_tidied(self):
        guest = self.world.guest(area=8, rate=32, memory_mib=64)
        guest.start(self.a)
        self.a.restart_with_fault("qmp.reply.query-migrate:drop:times=1,"
                                  "qmp.send.migrate-set-capabilities:error:after=2:times=1")
        job = self.a.api.post("/v1/vms/g1/save", {"file": str(self.a.saved / "g1")})["id"]
        self.eventually("transfer", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "transfer")
        self.a.migrctl("save", "cancel", job)
        self.world.move(guest, self.a, self.b)
        self.world.move(guest, self.b, self.a)
        guest.assert_runs_on(self.a)

    # The host that has the guest saved does not know that another host has it by now.
    def test_file_of_a_guest_that_was_elsewhere_since_is_stale(self):
        guest = self.world.guest(area=4, rate=16, memory_mib=64)
        guest.start(self.a)
        file = str(self.a.saved / "g1")
        for verb, body in (("g1/save", {"file": file}), ("restore", {"file": file})):
            job = self.a.api.post(f"/v1/vms/{verb}", body)["id"]
            self.eventually("its end", lambda job=job: self.a.api.get(f"/v1/saves/{job}")["final"])
        self.world.move(guest, self.a, self.b)
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/vms/restore", {"file": file})
        self.assertIn("this host has no VM with the uuid", caught.exception.body["detail"])
        self.world.move(guest, self.b, self.a)
        self.a.api.post("/v1/vms/g1/stop")
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/vms/restore", {"file": file})
        self.assertIn("was on another host since", caught.exception.body["detail"])


if __name__ == "__main__":
    unittest.main()
