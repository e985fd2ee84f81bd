# SPDX-License-Identifier: LGPL-2.1-or-later
"""CD drives: what is in them, over a start, a move, and a change while the guest runs."""
from lib.linux import LinuxGuest
from lib.second_monitor import ask
from lib.world import SystemTest

PATIENCE = 40
DRIVES = "modprobe -a virtio_scsi ata_piix sr_mod; until [ -e /dev/sr0 ]; do usleep 50000; done"
READ = "dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | head -n 1"
# The kernel's own means (Documentation/cdrom/cdrom-standard.rst): what closes the device
# opens the tray, what opens the device closes it.
OPEN_TRAY = "cd /proc/sys/dev/cdrom; echo 1 >autoeject; : </dev/sr0; echo 0 >autoeject"
CLOSE_TRAY = ": </dev/sr0"


class CdromTest(SystemTest):
    timeout_seconds = 180

    def iso(self, name):
        """What looks like a medium to the guest: its first line is NAME."""
        path = self.world.dir / f"{name}.iso"
        path.write_bytes(f"{name}\n".encode().ljust(64 << 10, b"\0"))
        return str(path)

    def wait_drive(self, host, guest, path, tray="closed", drive="cd0"):
        """Until the record and QEMU both say so: a look at QEMU may be under way."""
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

    # The tray is the guest's: its state is on its way with the guest.
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
        self.a.api.post(f"/v1/vms/{guest.name}/reset")      # closes it, and says nothing
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
