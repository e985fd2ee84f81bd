# SPDX-License-Identifier: LGPL-2.1-or-later
"""CD drives of an adopted QEMU: their present media go with the guest."""
from lib import settings
from lib.foreign import PLAIN, AdoptBase
from lib.linux import BOOT_SECONDS, READY, LinuxGuest

PATIENCE = 60
DRIVES = "modprobe -a virtio_scsi sr_mod; until [ -e /dev/sr0 ]; do usleep 50000; done"
READ = "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | head -n 1"


class AdoptCdromTest(AdoptBase):
    timeout_seconds = 180

    def iso(self, name):
        """Makes a medium whose first line is NAME."""
        path = self.world.dir / f"{name}.iso"
        path.write_bytes(f"{name}\n".encode().ljust(64 << 10, b"\0"))
        return str(path)

    def with_disk(self, guest, *args, **kwargs):
        """The guest boots from its own image, whatever is in other drives."""
        boot = guest.definition["disks"][0]["path"]
        foreign = self.foreign(*PLAIN, *args, guest=guest, disk=(
            "-drive", f"file={boot},if=none,id=boot,format=raw,readonly=on",
            "-device", "virtio-blk-pci,id=boot,drive=boot,bootindex=0"), **kwargs)
        guest.console.wait_line(20, "a")      # the firmware moves trays
        return foreign

    def do(self, foreign, name, **arguments):
        self.assertNotIn("error", foreign.command(name, **arguments), name)

    def in_record(self, host, guest):
        return {d["id"]: (d["bus"], d.get("unit"), d.get("path", ""), d.get("tray", "closed"))
                for d in host.api.get(f"/v1/vms/{guest.name}/devices")["items"]
                if d["kind"] == "cdrom"}

    def do_ask(self, host, guest, command, **arguments):
        return host.api.post(f"/v1/vms/{guest.name}/monitor", {
            "protocol": "qmp", "command": {"execute": command, "arguments": arguments}})["return"]

    def in_qemu(self, host, guest):
        """The drives in QEMU, by the definition's ids, which QEMU has from the first move on."""
        blocks = self.do_ask(host, guest, "query-block")
        return {b["qdev"].split("/")[-1]: (b.get("inserted", {}).get("file", ""),
                                           "open" if b["tray_open"] else "closed")
                for b in blocks if "tray_open" in b}

    def assert_drives(self, host, guest, drives):
        """Record and QEMU must agree, perhaps after a look at QEMU that is under way."""
        self.eventually(f"the record has {drives}", lambda: self.in_record(host, guest) == drives)
        self.assertEqual(self.in_qemu(host, guest), {
            name: (path, tray) for name, (_, _, path, tray) in drives.items()})

    def there_and_back_with(self, guest, drives):
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            guest.assert_runs_on(destination)
            self.assert_drives(destination, guest, drives)

    def change(self, guest, drive, path):
        self.a.api.call("PUT", f"/v1/vms/{guest.name}/devices/{drive}/medium", {"path": path})

    # ---- what it has in it --------------------------------------------------------

    # Each form of a CD drive on a command line, with a disk whose place counts beside it.
    def test_drives_of_all_forms_keep_place_and_medium_there_and_back(self):
        guest = self.world.guest(area=0)
        one, two, three = self.iso("one"), self.iso("two"), self.iso("three")
        foreign = self.with_disk(
            guest, "-cdrom", one,
            "-drive", f"if=none,id=d1,media=cdrom,file={one},format=raw",
            "-device", "ide-cd,id=cd1,drive=d1,bus=ide.1,bootindex=5",
            "-blockdev", f"driver=file,filename={one},node-name=p",
            "-blockdev", "driver=raw,file=p,node-name=f,read-only=on",
            "-device", "ide-cd,drive=f,bus=ide.3", "-device", "ide-cd,id=cd4,bus=ide.4",
            "-device", "virtio-scsi-pci,id=s0,addr=0x9", "-drive", f"if=none,id=d5,media=cdrom,file={one}",
            "-device", "scsi-cd,id=cd5,drive=d5,bus=s0.0")
        vm, _ = foreign.adopt()
        self.assertNotIn(".iso", str(vm["definition"].get("extra_args")))
        self.assertEqual([(d.get("boot_index"), d.get("pci_address"), d.get("device_id"))
                          for d in vm["definition"]["cdroms"]],
                         [(None, None, None), (5, None, None), (None, "0x9", "d5"),
                          (None, None, None), (None, None, None)])
        drives = {"ide2-cd0": ("sata", 2, one, "closed"), "cd1": ("sata", 1, one, "closed"),
                  "cd0": ("sata", 3, one, "closed"), "cd4": ("sata", 4, "", "closed"),
                  "cd5": ("scsi", None, one, "closed")}
        self.assertEqual(self.in_record(self.a, guest), drives)
        # Two of the drives have no id in QEMU, and are found all the same.
        for drive, path in (("ide2-cd0", two), ("cd0", three), ("cd4", two)):
            self.change(guest, drive, path)
            drives[drive] = (*drives[drive][:2], path, "closed")
            self.assertEqual(self.in_record(self.a, guest), drives)
        self.a.api.delete(f"/v1/vms/{guest.name}/devices/cd1/medium")
        drives["cd1"] = ("sata", 1, "", "open")
        self.there_and_back_with(guest, drives)
        guest.console.assert_single_runner()

    def test_media_that_were_changed_and_taken_out_are_those_of_now(self):
        guest = self.world.guest(area=0)
        one, two = self.iso("one"), self.iso("two")
        foreign = self.with_disk(
            guest, "-drive", f"if=ide,index=1,media=cdrom,file={one}", "-cdrom", one,
            "-drive", f"if=none,id=d3,media=cdrom,file={one},format=raw",
            "-device", "ide-cd,id=cd3,drive=d3,bus=ide.1,unit=1",
            "-drive", f"if=none,id=d0,media=cdrom,file={one},format=raw",
            "-device", "ide-cd,id=cd0,drive=d0,bus=ide.0,unit=0", machine="pc")
        self.do(foreign, "blockdev-change-medium", device="ide1-cd0", filename=two, format="raw")
        self.do(foreign, "blockdev-change-medium", id="cd3", filename=two, format="raw")
        self.do(foreign, "eject", device="ide0-cd1", force=True)
        self.do(foreign, "blockdev-open-tray", id="cd0", force=True)
        _, found = foreign.adopt()
        self.assertEqual(sum("QEMU counts" in note["note"] for note in found["notes"]), 3)
        drives = {"ide0-cd1": ("ide", 1, "", "open"), "ide1-cd0": ("ide", 2, two, "closed"),
                  "cd3": ("ide", 3, two, "closed"), "cd0": ("ide", 0, one, "open")}
        self.assertEqual(self.in_record(self.a, guest), drives)
        self.there_and_back_with(guest, drives)

    # The drive that QEMU adds by itself; the daemon restarts between adoption and move.
    def test_default_drive_is_found_again_after_a_restart(self):
        guest = self.world.guest(area=0)
        foreign = self.foreign("-display", "none", guest=guest)
        one = self.iso("one")
        self.do(foreign, "blockdev-change-medium", device="ide2-cd0", filename=one, format="raw")
        foreign.adopt()
        self.a.kill9()
        self.a.start()
        drives = {"ide2-cd0": ("sata", 2, one, "closed")}
        self.assertEqual(self.in_record(self.a, guest), drives)
        self.there_and_back_with(guest, drives)

    # The guest itself reads the medium, and keeps its name for the drive, which QEMU made of
    # -drive.
    def test_guest_reads_the_medium_of_now_here_and_there(self):
        guest = LinuxGuest(self.world)
        one, two = self.iso("one"), self.iso("two")
        foreign = self.foreign(
            *PLAIN, "-device", "virtio-scsi-pci,id=s0", "-drive", f"if=none,id=d0,media=cdrom,file={one}",
            "-device", "scsi-cd,id=cd0,drive=d0,bus=s0.0", *guest.definition["extra_args"],
            guest=guest, disk=())
        guest.console.wait(READY, 0, BOOT_SECONDS, "the end of the boot")
        guest.sh(DRIVES, timeout=PATIENCE)
        self.do(foreign, "blockdev-change-medium", id="cd0", filename=two, format="raw")
        foreign.adopt()
        drives = {"cd0": ("scsi", None, two, "closed")}
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            self.assertEqual(guest.sh(READ), "two\n")
            self.assert_drives(destination, guest, drives)
            self.assertEqual(self.do_ask(destination, guest, "qom-get", path="/machine/peripheral/cd0",
                                         property="device_id"), "d0")

    # ---- what has no form in a definition ---------------------------------------------

    def test_drives_that_cannot_be_repeated_are_refused_by_name(self):
        guest = self.world.guest(area=0)
        one = self.iso("one")
        foreign = self.with_disk(
            guest, "-device", "ahci,id=ahci0", "-device", "ide-cd,id=far,bus=ahci0.0",
            "-device", "virtio-scsi-pci,id=s0", "-device", "scsi-cd,id=first,bus=s0.0",
            "-device", "scsi-cd,id=second,bus=s0.0", "-device", "ide-cd,id=wwn,bus=ide.0,wwn=7",
            "-drive", f"if=none,id=u,media=cdrom,file={one}", "-device", "qemu-xhci",
            "-device", "usb-storage,drive=u",
            "-drive", "if=none,id=remote,media=cdrom,file.driver=null-co,file.read-zeroes=on",
            "-device", "ide-cd,id=odd,drive=remote,bus=ide.1")
        error = self.refused(foreign, 400, "invalid")
        said = [fault["detail"] for fault in error.body["errors"]]
        for drive, words in (("far", "on 'ahci0.0'"), ("first", "not alone"), ("second", "not alone"),
                             ("wwn", "has 'wwn'"), ("u", "neither ide-cd nor scsi-cd"),
                             ("odd", "eject it")):
            self.assertTrue(any(f"'{drive}'" in text and words in text for text in said), (drive, said))
        self.assertEqual(len(said), 6, said)
