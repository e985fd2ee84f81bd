# SPDX-License-Identifier: LGPL-2.1-or-later
"""Media of CD drives over a start, a move and a change while the guest runs."""
import concurrent.futures
import http.client

from lib import settings
from lib.linux import LinuxGuest
from lib.second_monitor import ask
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s
PATIENCE = 40
DRIVES = "modprobe -a virtio_scsi ata_piix sr_mod; until [ -e /dev/sr0 ]; do usleep 50000; done"
READ = "dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | head -n 1"
# The kernel opens the tray when the device is closed, and closes it when the device is opened
# (Documentation/cdrom/cdrom-standard.rst).
OPEN_TRAY = "cd /proc/sys/dev/cdrom; echo 1 >autoeject; : </dev/sr0; echo 0 >autoeject"
CLOSE_TRAY = ": </dev/sr0"


class CdromTest(SystemTest):
    timeout_seconds = 180

    def iso(self, name):
        """Makes a file that the guest takes for a medium; its first line is NAME."""
        path = self.world.dir / f"{name}.iso"
        path.write_bytes(f"{name}\n".encode().ljust(64 << 10, b"\0"))
        return str(path)

    def wait_drive(self, host, guest, path, tray="closed", drive="cd0"):
        """Waits until record and QEMU agree: a look at QEMU may be under way."""
        wanted = (path, tray)
        self.eventually(f"{drive} has {wanted}", lambda: self.in_record(host, guest, drive) == wanted
                        and self.in_qemu(host, guest, drive) == wanted)

    def in_record(self, host, guest, drive="cd0"):
        device = {d["id"]: d for d in host.api.get(f"/v1/vms/{guest.name}/devices")["items"]}[drive]
        return (device.get("path", ""), device.get("tray", "closed"))

    def in_qemu(self, host, guest, drive="cd0"):
        block = next(b for b in ask(host, guest, "query-block") if b["qdev"].split("/")[-1] == drive)
        return (block.get("inserted", {}).get("file", ""), "open" if block["tray_open"] else "closed")

    def linux(self, bus="scsi", **more):
        machine = "pc-i440fx-7.2" if bus == "ide" else "pc-q35-7.2"
        guest = LinuxGuest(self.world, bus, machine=machine, cdroms=[{"id": "cd0", "bus": bus, **more}])
        guest.start(self.a)
        guest.sh(DRIVES, timeout=PATIENCE)
        return guest

    # ---- the definition -------------------------------------------------------

    def test_guest_reads_its_medium_here_and_there(self):
        for bus in ("ide", "scsi"):
            with self.subTest(bus):
                one = self.iso("one")
                guest = self.linux(bus, path=one)
                self.assertEqual(guest.sh(READ), "one\n")
                for source, target in ((self.a, self.b), (self.b, self.a)):
                    self.world.move(guest, source, target)
                    self.wait_drive(target, guest, one)
                    self.assertEqual(guest.sh(f"echo 3 >/proc/sys/vm/drop_caches; {READ}"), "one\n")
                self.a.api.post(f"/v1/vms/{guest.name}/stop")

    def test_sata_drives_empty_and_full_are_moved_there_and_back(self):
        one = self.iso("one")
        guest = self.world.guest(area=0, cdroms=[
            {"id": "cd0", "bus": "sata", "path": one, "boot_index": 7}, {"id": "cd1", "bus": "sata"}])
        guest.start(self.a)
        for source, target in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, target)
            self.wait_drive(target, guest, one)
            self.wait_drive(target, guest, "", drive="cd1")
            guest.assert_runs_on(target)

    # The guest controls the tray, so the tray's state goes with the guest.
    def test_tray_that_the_guest_opens_is_shown_and_moved(self):
        one = self.iso("one")
        guest = self.linux("scsi", path=one)
        guest.sh(OPEN_TRAY)
        self.wait_drive(self.a, guest, one, "open")
        for source, target in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, target)
            self.wait_drive(target, guest, one, "open")
        guest.sh(CLOSE_TRAY)
        self.wait_drive(self.a, guest, one)
        guest.sh(OPEN_TRAY)
        self.wait_drive(self.a, guest, one, "open")
        self.a.api.post(f"/v1/vms/{guest.name}/reset")      # closes it without an event
        self.wait_drive(self.a, guest, one)

    def test_drive_comes_and_goes_only_while_the_vm_is_stopped(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        drive = {"kind": "cdrom", "id": "cd0", "bus": "sata"}
        error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/vms/g1/devices", drive)
        self.assertEqual(error.pointers(), ["/kind"])
        self.a.api.post("/v1/vms/g1/stop")
        self.assertEqual(self.a.api.post("/v1/vms/g1/devices", drive)["unit"], 0)
        guest.start(self.a)
        self.wait_drive(self.a, guest, "")
        self.assert_api_error(409, "conflict", self.a.api.delete, "/v1/vms/g1/devices/cd0")
        self.a.api.post("/v1/vms/g1/stop")
        self.a.api.delete("/v1/vms/g1/devices/cd0")
        guest.start(self.a)

    # ---- eject and change ---------------------------------------------------------

    def change(self, host, guest, path, drive="cd0", **more):
        return host.api.call("PUT", f"/v1/vms/{guest.name}/devices/{drive}/medium",
                             {"path": path, **more})

    def eject(self, host, guest, query="", drive="cd0"):
        host.api.delete(f"/v1/vms/{guest.name}/devices/{drive}/medium{query}")

    def nodes(self, host, guest):
        """Names of the media's block nodes: one for each medium in a drive."""
        return sorted(n["node-name"] for n in ask(host, guest, "query-named-block-nodes")
                      if n["node-name"].startswith("cd"))

    def test_media_are_changed_and_the_latest_is_moved(self):
        one, two = self.iso("one"), self.iso("two")
        guest = self.linux("scsi")
        here, there = self.a, self.b
        for path in (one, two, one):
            drive = self.change(here, guest, path)
            self.assertEqual((drive["kind"], drive["path"]), ("cdrom", path))
            self.assertEqual(self.change(here, guest, path), drive)     # the medium is in the drive
            self.wait_drive(here, guest, path)
            self.world.move(guest, here, there)
            here, there = there, here
            self.wait_drive(here, guest, path)
            self.assertIn(guest.sh(READ).strip(), path)
            self.assertEqual(len(self.nodes(here, guest)), 1)
        self.eject(here, guest)
        self.eject(here, guest)
        self.wait_drive(here, guest, "", "open")
        self.assertEqual(self.nodes(here, guest), [])
        self.world.move(guest, here, there)
        self.wait_drive(there, guest, "", "open")
        guest.sh("! dd if=/dev/sr0 of=/dev/null count=1 2>/dev/null")
        self.change(there, guest, two)
        self.assertEqual(guest.sh(READ), "two\n")
        there.api.post(f"/v1/vms/{guest.name}/stop")
        self.eject(there, guest)
        guest.start(there)
        self.wait_drive(there, guest, "")

    # The guest has the medium mounted, and no program in it handles QEMU's request.
    def test_guest_that_locks_the_tray_is_told_of_and_forced(self):
        one, two = self.iso("one"), self.iso("two")
        guest = self.linux("ide", path=one)
        guest.sh("(sleep 1000 </dev/sr0 >/dev/null 2>&1 & echo $! >/tmp/holder)")
        self.eventually("it is locked", lambda: any(
            b["locked"] for b in ask(self.a, guest, "query-block") if "tray_open" in b))
        for call in (lambda: self.eject(self.a, guest, "?timeout_ms=300"),
                     lambda: self.change(self.a, guest, two, timeout_ms=300)):
            error = self.assert_api_error(504, "timeout", call)
            self.assertIn("use force", error.body["detail"])
            self.wait_drive(self.a, guest, one)
            self.assertEqual(len(self.nodes(self.a, guest)), 1)
        self.change(self.a, guest, two, force=True)
        self.wait_drive(self.a, guest, two)
        guest.sh("kill $(cat /tmp/holder)")
        self.world.move(guest, self.a, self.b)
        self.wait_drive(self.b, guest, two)
        self.assertEqual(guest.sh(f"echo 3 >/proc/sys/vm/drop_caches; {READ}"), "two\n")

    # The guest opens the tray in time, and the change goes on by itself.  It unlocks the tray before
    # it opens it: the medium may be changed in between, and then the tray opens with the new one.
    def test_guest_that_opens_its_tray_late_gets_the_medium(self):
        one, two = self.iso("one"), self.iso("two")
        guest = self.linux("scsi", path=one)
        guest.sh("echo 1 >/proc/sys/dev/cdrom/autoeject;"      # closing opens the tray
                 " (sleep 1000 </dev/sr0 >/dev/null 2>&1 & echo $! >/tmp/holder)")
        self.eventually("it is locked", lambda: any(
            b["locked"] for b in ask(self.a, guest, "query-block") if "tray_open" in b))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            changed = pool.submit(self.change, self.a, guest, two, timeout_ms=20000)
            guest.sh("kill $(cat /tmp/holder)")
            self.assertEqual(changed.result()["path"], two)
        guest.sh("until [ -z \"$(ls /proc/$(cat /tmp/holder)/fd 2>/dev/null)\" ]; do usleep 10000; done;"
                 f" echo 0 >/proc/sys/dev/cdrom/autoeject; {CLOSE_TRAY}")
        self.wait_drive(self.a, guest, two)

    def test_wrong_media_change_nothing(self):
        one = self.iso("one")
        guest = self.world.guest(area=0, cdroms=[{"id": "cd0", "bus": "sata", "path": one}])
        guest.start(self.a)
        before = self.nodes(self.a, guest)
        cases = [
            (502, "qemu-error", lambda: self.change(self.a, guest, "/nowhere/x.iso")),
            (502, "qemu-error", lambda: self.change(self.a, guest, one, format="qcow2")),
            (400, "invalid", lambda: self.change(self.a, guest, "x.iso")),
            (400, "invalid", lambda: self.change(self.a, guest, one, timeout_ms=0)),
            (400, "invalid", lambda: self.eject(self.a, guest, "?force=yes")),
            (404, "not-found", lambda: self.eject(self.a, guest, drive="cd7")),
            (409, "conflict", lambda: self.eject(self.a, guest, drive="boot")),
        ]
        for status, code, call in cases:
            self.assert_api_error(status, code, call)
            self.wait_drive(self.a, guest, one)
            self.assertEqual(self.nodes(self.a, guest), before)
        held = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, held["id"])
        self.assert_api_error(409, "busy", self.eject, self.a, guest)
        self.world.cancel(self.a, held["id"])
        shown = self.a.migrctl("vm", "insert", "g1", "cd0", self.iso("two")).stdout
        self.assertIn("cd0 has", shown)
        self.a.migrctl("vm", "eject", "g1", "cd0", "--force", "--timeout", "1")
        self.wait_drive(self.a, guest, "", "open")
        guest.assert_runs_on(self.a)

    # ---- crashes -----------------------------------------------------------------------

    # The record always names the drive's real medium, and nothing is left beside it.
    def test_coordinator_killed_between_the_steps_of_a_change(self):
        isos = [self.iso("one"), self.iso("two")]
        guest = self.world.guest(area=0, cdroms=[{"id": "cd0", "bus": "sata", "path": isos[0]}])
        guest.start(self.a)
        # The fault point, and the drive's medium after it: the former one, none, the new one.
        points = [("qmp.send.blockdev-add", "former"), ("qmp.reply.blockdev-add", "former"),
                  ("qmp.reply.blockdev-open-tray", "former"),
                  ("qmp.reply.blockdev-remove-medium", "none"),
                  ("qmp.reply.blockdev-insert-medium", "new"),
                  ("qmp.reply.blockdev-close-tray", "new")]
        for point, what in points:
            with self.subTest(point):
                former, new = isos
                self.change(self.a, guest, former)
                self.a.restart_with_fault(f"{point}:crash")
                with self.assertRaises((OSError, http.client.HTTPException)):
                    self.change(self.a, guest, new)
                self.a.process.wait(settings.seconds(10))
                self.a.start()
                wanted = {"former": former, "none": "", "new": new}[what]
                tray = "closed" if point.endswith(("-add", "close-tray")) else "open"
                self.wait_drive(self.a, guest, wanted, tray)
                self.eventually("nothing is left beside it",
                                lambda w=wanted: len(self.nodes(self.a, guest)) == (w != ""))
        self.world.move(guest, self.a, self.b)
        self.wait_drive(self.b, guest, isos[1])
        guest.assert_runs_on(self.b)
