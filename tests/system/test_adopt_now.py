# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU's command line shows its beginning: adoption takes over the present state."""
import contextlib
import json

from lib.foreign import PLAIN, AdoptBase
from lib.host import free_ports
from lib.qmp import Qmp

SIZE = 1 << 20
IO = 'qemu-io -d /machine/peripheral/{}/virtio-backend "{}"'


class AdoptNowTest(AdoptBase):
    def with_disk(self, guest, *args):
        """The guest boots from its own image, whatever other disks there are."""
        boot = guest.definition["disks"][0]["path"]
        return self.foreign(*PLAIN, *args, guest=guest, disk=(
            "-drive", f"file={boot},if=none,id=boot,format=raw,readonly=on",
            "-device", "virtio-blk-pci,id=boot,drive=boot,bootindex=0"))

    def image(self, name):
        path = self.world.dir / name
        path.write_bytes(bytes(SIZE))
        return path

    def do(self, foreign, name, **arguments):
        reply = foreign.command(name, **arguments)
        self.assertNotIn("error", reply, name)
        return reply.get("return")

    def write(self, foreign, device, byte):
        """Writes as the guest would, to the image that QEMU has open."""
        said = self.do(foreign, "human-monitor-command", **{
            "command-line": IO.format(device, f"write -P {byte} 0 64k")})
        self.assertNotIn("rror", said)

    def opened(self, host, device):
        """The image that QEMU has open in DEVICE."""
        for block in host.api.post("/v1/vms/g1/monitor", {
            "protocol": "qmp", "command": {"execute": "query-block"}})["return"]:
            if device in block.get("qdev", "") or block["device"] == device:
                return block.get("inserted", {}).get("file")
        return self.fail(f"no {device}")

    def assert_pattern(self, host, uuid, device, byte):
        with contextlib.closing(Qmp(host, uuid)) as qmp:
            qmp.command("stop")     # nothing else reads or writes meanwhile
            said = qmp.hmp(IO.format(device, f"read -P {byte} 0 64k"))
            qmp.command("cont")
        self.assertNotIn("failed", said)
        self.assertNotIn("rror", said)

    def adopt_and_move(self, guest, foreign, device, expected, byte):
        """Adopts the QEMU and moves it there and back; the writes must be in the image that each
        QEMU has open."""
        vm, found = foreign.adopt(disks_shared=True)
        self.assertTrue(any("QEMU counts" in note["note"] for note in found["notes"]),
                        found["notes"])
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            guest.assert_runs_on(destination)
            self.assertEqual(self.opened(destination, device), str(expected))
            self.assert_pattern(destination, vm["uuid"], device, byte)
        guest.console.assert_single_runner()
        return vm

    # The base lacks the latest writes: a destination that opened it would lose them.
    def test_drive_with_an_external_snapshot_is_its_overlay_there_and_back(self):
        guest = self.world.guest(area=0)
        base, over = self.image("base.raw"), self.world.dir / "over.qcow2"
        foreign = self.with_disk(guest, "-drive", f"if=none,id=d0,file={base},format=raw",
                               "-device", "virtio-blk-pci,id=vd0,drive=d0")
        self.do(foreign, "blockdev-snapshot-sync", device="d0", **{
            "snapshot-file": str(over), "format": "qcow2"})
        self.write(foreign, "vd0", 0xab)
        vm = self.adopt_and_move(guest, foreign, "vd0", over, 0xab)
        disk = next(d for d in vm["definition"]["disks"] if d["id"] == "vd0")
        self.assertEqual((disk["path"], disk["format"]), (str(over), "qcow2"))

    # As libvirt writes it: nodes over nodes, with an overlay made beside and put on top.
    def test_blockdev_with_a_snapshot_is_its_overlay_there_and_back(self):
        guest = self.world.guest(area=0)
        base = self.image("base.raw")
        over = self.world.dir / "over.qcow2"
        foreign = self.with_disk(
            guest, "-blockdev", json.dumps({"driver": "file", "node-name": "s0",
                                             "filename": str(base)}),
            "-blockdev", json.dumps({"driver": "raw", "node-name": "f0", "file": "s0"}),
            "-device", "virtio-blk-pci,id=vd0,drive=f0")
        self.do(foreign, "blockdev-snapshot-sync", **{
            "node-name": "f0", "snapshot-node-name": "f1", "snapshot-file": str(over)})
        self.write(foreign, "vd0", 0xac)
        self.adopt_and_move(guest, foreign, "vd0", over, 0xac)

    def test_mirror_that_was_pivoted_to_is_the_image_there_and_back(self):
        guest = self.world.guest(area=0)
        old, new = self.image("old.raw"), self.image("new.raw")
        foreign = self.with_disk(guest, "-drive", f"if=none,id=d0,file={old},format=raw",
                               "-device", "virtio-blk-pci,id=vd0,drive=d0")
        with contextlib.closing(Qmp(path=foreign.qmp)) as qmp:
            qmp.command("drive-mirror", device="d0", target=str(new), format="raw", sync="full",
                        mode="existing", **{"job-id": "m"})
            qmp.wait_event("BLOCK_JOB_READY")
        with self.subTest("while the mirror is under way"):
            self.refused(foreign, 400, "invalid", "block job", disks_shared=True)
        with contextlib.closing(Qmp(path=foreign.qmp)) as qmp:
            qmp.command("block-job-complete", device="m")
            qmp.wait_event("BLOCK_JOB_COMPLETED")
        self.write(foreign, "vd0", 0xad)
        self.adopt_and_move(guest, foreign, "vd0", new, 0xad)

    def test_device_added_again_has_its_new_image_there_and_back(self):
        guest = self.world.guest(area=0)
        old, new = self.image("old.raw"), self.image("new.raw")
        foreign = self.with_disk(
            guest, "-S", "-drive", f"if=none,id=d0,file={old},format=raw", "-device",
            "pcie-root-port,id=rp,chassis=1", "-device",
            "virtio-blk-pci,id=vd0,drive=d0,bus=rp")
        # A guest that has not started yet releases its devices at once.
        with contextlib.closing(Qmp(path=foreign.qmp)) as qmp:
            qmp.command("device_del", id="vd0")
            qmp.command("system_reset")
            qmp.wait_event("DEVICE_DELETED")
        self.do(foreign, "blockdev-add", driver="raw", **{
            "node-name": "n1", "file": {"driver": "file", "filename": str(new)}})
        self.do(foreign, "device_add", driver="virtio-blk-pci", id="vd0", drive="n1", bus="rp")
        self.write(foreign, "vd0", 0xae)
        self.do(foreign, "cont")
        self.adopt_and_move(guest, foreign, "vd0", new, 0xae)

    # A definition has no member for these, only the option of the start tells of them.
    def test_objects_and_ports_that_were_changed_since_are_refused_by_name(self):
        guest = self.world.guest(area=0)
        ssh, vnc, other = free_ports(3)
        display = vnc - 5900    # -vnc takes the number of a display
        foreign = self.foreign(*PLAIN, "-vnc", f"127.0.0.1:{display}", "-object",
                               "iothread,id=io0", "-netdev",
                               f"user,id=n0,hostfwd=tcp:127.0.0.1:{ssh}-:22", "-device",
                               "virtio-net-pci,netdev=n0", guest=guest)

        def listen(port):
            self.do(foreign, "display-update", type="vnc", addresses=[
                {"type": "inet", "host": "127.0.0.1", "port": str(port)}])

        def forward(verb, port, to=""):
            self.do(foreign, "human-monitor-command", **{
                "command-line": f"hostfwd_{verb} n0 tcp:127.0.0.1:{port}{to}"})

        listen(other)
        self.do(foreign, "object-add", **{"qom-type": "iothread", "id": "io1"})
        forward("remove", ssh)
        self.refused(foreign, 400, "invalid", f"port {vnc}", "'io1' (iothread) was added",
                     f":{ssh}-:22 was removed")
        listen(vnc)
        self.do(foreign, "object-del", id="io1")
        forward("add", ssh, "-:22")
        forward("add", other, "-:23")
        self.refused(foreign, 400, "invalid", "2 ports of the host")
        forward("remove", other)
        foreign.adopt()
        guest.assert_runs_on(self.a)

    def test_limits_that_were_set_since_go_with_it(self):
        guest = self.world.guest(area=0)
        image = self.image("d.raw")
        foreign = self.with_disk(guest, "-drive", f"if=none,id=d0,file={image},format=raw",
                               "-device", "virtio-blk-pci,id=vd0,drive=d0")
        self.do(foreign, "block_set_io_throttle", device="d0", bps=3000000, bps_rd=0, bps_wr=0,
                iops=0, iops_rd=0, iops_wr=0)
        foreign.adopt(disks_shared=True)
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            blocks = destination.api.post("/v1/vms/g1/monitor",
{
                "protocol": "qmp", "command": {"execute": "query-block"}})["return"]
            self.assertIn(3000000, [b.get("inserted", {}).get("bps") for b in blocks])
