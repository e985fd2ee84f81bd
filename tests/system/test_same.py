# SPDX-License-Identifier: LGPL-2.1-or-later
"""The destination takes a guest only if it has the same files, ports and interfaces.

Host b sees other files than a under some paths, as a host does whose storage is not
mounted: it lives in a mount namespace of its own.  As root.
"""
import pathlib
import shutil
import socket
import tempfile
import unittest

from lib import settings
from lib.linux import LinuxGuest
from lib.qcow2 import make_qcow2
from lib.qmp import Qmp
from lib.world import SystemTest, World

TOKEN = ".migrd-same-*"


def in_namespace(script):
    """A command-line prefix that runs a program behind SCRIPT in a mount namespace of its own."""
    return ["unshare", "-m", "sh", "-c", script + ' && exec "$0" "$@"']


class SameTest(SystemTest):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="same", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.base)
        for name in ("both", "own", "elsewhere"):
            (self.base / name).mkdir()
        for name in ("both", "own", "elsewhere"):
            with open(self.base / name / "d.raw", "wb") as file:
                file.truncate(8 << 20)
        script = f"mount --bind {self.base}/elsewhere {self.base}/own"
        self.world = World(("a", "b"), {"b": ("127.0.0.1", in_namespace(script))})
        self.addCleanup(self._close_world)
        self.world.start()
        self.a, self.b = self.world["a"], self.world["b"]

    def disk(self, name, **more):
        return {"id": "data", "path": str(self.base / name), "format": "raw", "shared": True,
                **more}

    def guest_with(self, *disks, **more):
        guest = self.world.guest(area=0, memory_mib=64, **more)
        guest.definition["disks"].extend(disks)
        guest.start(self.a)
        return guest

    def refused(self, guest, **options):
        move = self.world.begin_move(guest, self.a, self.b, **options)
        move = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
        self.assertEqual((move["state"], move["owner"]), ("failed", "a"))
        self.assertEqual(move["error"]["code"], "conflict")
        self.assert_gone(self.b, guest.name)
        # At most the record that refuses the offer for good is left.
        self.eventually("no move goes on", lambda: all(m["state"] == "failed" for m in self.b.moves()))
        guest.assert_runs_on(self.a)
        self.assert_no_token()
        self.reasons = [item["detail"] for item in
                        self.a.api.get(f"/v1/moves/{move['id']}/timeline")["items"]
                        if item["event"] == "refused"]
        return move["error"]["detail"]

    def assert_no_token(self):
        self.eventually("no token file is left",
                        lambda: not list(self.base.rglob(TOKEN)))

    def io(self, host, guest, command):
        """Reads or writes as the guest would, through QEMU's disk."""
        monitor = Qmp(host, guest.uuid)
        try:
            said = monitor.hmp(f'qemu-io -d /machine/peripheral/data/virtio-backend "{command}"')
        finally:
            monitor.close()
        self.assertNotIn("rror", said)
        self.assertNotIn("failed", said)

    # An overlay alone is not enough: data that was never rewritten is in its base.
    def test_chain_moves_there_and_back_with_its_latest_writes(self):
        base = self.base / "both/d.raw"
        base.write_bytes(b"\xb0" * (8 << 20))
        make_qcow2(self.base / "both/over.qcow2", backing=base)
        guest = self.guest_with(self.disk("both/over.qcow2", format="qcow2"))
        self.io(self.a, guest, "write -P 0xa1 0 64k")
        self.world.move(guest, self.a, self.b)
        self.io(self.b, guest, "read -P 0xa1 0 64k")
        self.io(self.b, guest, "read -P 0xb0 64k 64k")
        self.io(self.b, guest, "write -P 0xa2 0 64k")
        self.world.move(guest, self.b, self.a)
        self.io(self.a, guest, "read -P 0xa2 0 64k")
        guest.assert_runs_on(self.a)

    def test_chain_with_another_backing_file_is_refused(self):
        (self.base / "own/d.raw").write_bytes(b"\xb0" * (8 << 20))
        make_qcow2(self.base / "both/over.qcow2", backing=self.base / "own/d.raw")
        said = self.refused(self.guest_with(self.disk("both/over.qcow2", format="qcow2")))
        self.assertIn("backing file of disk 'data'", said)

    # Without its storage mounted, the guest would go on with an old copy of its disk.
    def test_other_file_under_the_same_path_is_refused(self):
        guest = self.guest_with(self.disk("own/d.raw"))
        self.assertIn("is another file here than on host 'a'", self.refused(guest))

    # The guest's last writes are there, on the way there and on the way back.
    def test_same_file_moves_there_and_back_with_its_latest_writes(self):
        guest = LinuxGuest(self.world, disks=[self.disk("both/d.raw")])
        guest.start(self.a)
        for text, source, target in (("one", self.a, self.b), ("two", self.b, self.a)):
            guest.sh(f"modprobe virtio_blk 2>/dev/null; echo wrote-{text} >/dev/vda; sync")
            self.world.move(guest, source, target)
            read = guest.sh("echo 3 >/proc/sys/vm/drop_caches; "
                            "dd if=/dev/vda bs=16 count=1 2>/dev/null | head -n 1")
            self.assertIn(f"wrote-{text}", read)
            self.assert_no_token()

    # An operator may assert that the disks are the same, and the log records it.
    def test_assertion_lets_it_pass_and_is_logged(self):
        guest = self.guest_with(self.disk("own/d.raw"))
        self.world.move(guest, self.a, self.b, assert_same_disks=True)
        guest.assert_runs_on(self.b)

    # A copy is as good for a read-only disk, as long as it does not differ.
    def test_read_only_copy_passes_and_another_content_is_refused(self):
        guest = self.guest_with(self.disk("own/d.raw", readonly=True, shared=False))
        self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)
        (self.base / "elsewhere/d.raw").write_bytes(b"other".ljust(8 << 20))
        move = self.world.begin_move(guest, self.b, self.a)
        move = self.world.wait_move(self.b, move["id"], lambda m: m["final"])
        self.assertIn("another content", move["error"]["detail"])
        guest.assert_runs_on(self.b)

    # All obstacles are told at once, each with what to do.
    def test_missing_iso_and_directory_are_told_together(self):
        iso = self.base / "own/cd.iso"
        iso.write_bytes(b"iso".ljust(4096))
        (self.base / "own/sockets").mkdir()
        guest = self.guest_with(
            extra_args=["-cdrom", str(iso)],
            monitors=[{"id": "m", "protocol": "qmp", "type": "unix",
                       "path": str(self.base / "own/sockets/m")}])
        detail = self.refused(guest)
        self.assertIn("2 reasons", detail)
        self.assertEqual([reason.split(":")[0] for reason in self.reasons],
                         ["disks", "directories"])
        self.assertIn(f"'{iso}' is not there on this host", detail)
        self.assertIn(f"the directory '{self.base}/own/sockets' is not there", detail)

    # QEMU would end, and the user would only see a failed transfer.
    def test_vnc_port_in_use_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            display = probe.getsockname()[1] - 5900
        guest = self.guest_with(extra_args=["-vnc", f"127.0.0.1:{display}"])
        self.assertIn(f"port {display + 5900} of this host is in use", self.refused(guest))


class CpuTest(SystemTest):
    """Host b has a processor of another vendor that lacks a feature of the guest's CPU."""

    def prepare(self):
        program = self.world.dir / "qemu-without-cx16"
        cpu = "qemu64,-cx16,vendor=GenuineIntel"
        program.write_text("#!/bin/bash\n"
                           f"exec {shutil.which(settings.qemu)} \"${{@/#qemu64/{cpu}}}\"\n")
        program.chmod(0o755)
        self.world["b"].write_config(qemu={"binary": program})

    # A guest that uses the feature would end with an invalid instruction some time later.
    def test_vendor_and_features_that_the_destination_lacks_are_refused_until_asserted(self):
        guest = self.world.guest(area=0, memory_mib=64)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b)
        move = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
        self.assertRegex(move["error"]["detail"], "would lose features that it has: .*, cx16: move")
        self.assertIn("is one of 'AuthenticAMD', and would be one of 'GenuineIntel' here",
                      move["error"]["detail"])
        self.eventually("nothing is left there", lambda: not self.b.vms() and not self.b.qemus())
        guest.assert_runs_on(self.a)
        self.world.move(guest, self.a, self.b, assert_same_cpu=True)
        self.assert_move_refused(guest, self.b, self.a, "would be one of 'AuthenticAMD' here")
        self.world.move(guest, self.b, self.a, assert_same_cpu=True)
        guest.assert_runs_on(self.a)


if __name__ == "__main__":
    unittest.main()
