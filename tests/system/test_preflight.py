# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a dry run says of a move for which something stands in the way: each of these things is made
real, all that can be at once, and nothing changes on either host.

Host b sees other files than a under some paths, since it lives in a mount namespace of its own, and
its QEMU lacks a feature of the guest's CPU and one of its devices.  As root.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

from lib import settings
from lib.disks import Disk
from lib.qmp import Qmp
from lib.world import SystemTest, World
from test_same import in_namespace

MIB = 1 << 20
ADVICE = (r"(: |, or |; )(add|ask|change|delete|end|give|hold|install|leave|let|look|make|mount|move|pause|"
          r"remove|renew|start|stop|take|the next backup|use)\b")


def lock_as_writer(path):
    """Opens PATH as a QEMU that writes to it: with its lock of byte 101."""
    file = open(path, "r+b")    # the caller closes it
    lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 101, 1, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK if hasattr(fcntl, "F_OFD_SETLK") else 37, lock)
    return file


def module(name):
    """A module of the QEMU under test."""
    root = pathlib.Path(settings.qemu).parent if "/" in settings.qemu else pathlib.Path("/")
    return root / "usr/lib/x86_64-linux-gnu/qemu" / name


class PreflightTest(SystemTest):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="pre", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.base)
        for name in ("both", "own/run", "elsewhere", "fixed"):
            (self.base / name).mkdir(parents=True)
        for name in ("both/unsafe.raw", "own/other.raw", "elsewhere/other.raw", "fixed/data.raw",
                     "own/copy.raw", "elsewhere/copy.raw"):
            with open(self.base / name, "wb") as file:
                file.truncate(MIB)
        script = (f"mount --bind {self.base}/elsewhere {self.base}/own"
                  f" && mount --bind {self.base}/fixed {self.base}/fixed"
                  f" && mount -o remount,bind,ro {self.base}/fixed"
                  f" && mount --bind /dev/null {module('hw-display-virtio-gpu-pci.so')}")
        self.world = World(("a", "b"), {"b": ("127.0.0.1", in_namespace(script))})
        self.addCleanup(self._close_world)
        self.world.start()
        self.a, self.b = self.world["a"], self.world["b"]

    def look(self, guest, **options):
        return self.a.api.post("/v1/moves?dry_run=true",
                               {"vm": guest.name, "to": "b", **options})

    def restart(self, host, /, days=None, **sections):
        """With another configuration, and a certificate of DAYS."""
        host.stop()
        if days:
            subprocess.run([settings.program("migrctl"), "pki", "host", host.id, "--force",
                            "--days", str(days), "--dir", str(host.dir.parent)], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        host.write_config(**sections)
        host.start()

    def weak_qemu(self, instead, word="qemu64", without="-"):
        """A program for host b: QEMU, told INSTEAD of an argument that begins with WORD, whose
        devices have no property WITHOUT."""
        program = self.world.dir / f"qemu-{instead}"
        program.write_text("#!/bin/bash\n"
                           f"{shutil.which(settings.qemu)} \"${{@/#{word}/{instead}}}\" |"
                           f" sed -u 's/\"name\": \"{without}\"/\"name\": \"-\"/g'\n")
        program.chmod(0o755)
        return program

    def picture(self):
        """All that a dry run must leave as it is."""
        return {host.id: (host.vms().keys(), host.moves(), sorted(host.qemus()),
                          sorted(p.name for p in host.images.iterdir()))
                for host in (self.a, self.b)}

    def assert_advice(self, reasons):
        """A reason without a word on what to do is half an answer."""
        for reason in reasons:
            self.assertRegex(reason["detail"], ADVICE, reason["check"])

    def test_all_that_stands_in_the_way_is_told_at_once_and_nothing_changes(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        shared = {"format": "raw", "shared": True}
        guest = self.world.guest(
            area=4, memory_mib=160, vcpus=os.cpu_count() + 1,
            disks=[Disk("local", mib=4, area=1, format="qcow2")],
            monitors=[{"id": "m1", "protocol": "hmp", "type": "tcp", "port": port},
                      {"id": "m2", "protocol": "hmp", "type": "unix",
                       "path": str(self.base / "own/run/m.sock")}],
            devices=[{"id": "screen", "driver": "virtio-gpu-pci", "pci_address": "0x10"}],
            extra_args=["-object", "memory-backend-ram,id=shm,size=1M,share=on",
                        "-device", "ivshmem-plain,id=peer,memdev=shm,master=off,addr=0x11",
                        "-device", "pcie-root-port,id=extra,chassis=99,addr=0x12,hotplug=off",
                        "-chardev", f"socket,id=served,path={self.base}/own/run/served"])
        served = socket.socket(socket.AF_UNIX)
        self.addCleanup(served.close)
        served.bind(str(self.base / "own/run/served"))    # b has another directory there
        served.listen()
        local, = (d["path"] for d in guest.definition["disks"] if d["id"] == "local")
        subprocess.run(["qemu-img", "snapshot", "-c", "before", local], check=True)
        guest.definition["disks"] += [
            {"id": "unsafe", "path": str(self.base / "both/unsafe.raw"), **shared, "cache": "unsafe"},
            {"id": "other", "path": str(self.base / "own/other.raw"), **shared},
            {"id": "fixed", "path": str(self.base / "fixed/data.raw"), **shared},
            {"id": "copy", "path": str(self.base / "own/copy.raw"), "format": "raw",
             "readonly": True}]
        guest.start(self.a)
        self.b.api.post("/v1/vms", {**guest.definition, "disks": []})
        self.restart(self.a, days=1)
        self.restart(self.b, host={"memory_reserve_mib": 1 << 30}, move={"hold_max_s": 5},
                     data={"advertise": "127.0.0.1:1"},
                     storage={"dirs": self.base / "own"},
                     qemu={"binary": self.weak_qemu("qemu64,-cx16,vendor=GenuineIntel",
                                                    without="hotplug")})
        with contextlib.closing(Qmp(self.a, guest.uuid)) as monitor, \
                contextlib.closing(lock_as_writer(self.base / "elsewhere/copy.raw")):
            self.disturb(monitor)
            before = self.picture()
            said = self.look(guest, hold={"timeout_s": 60}, policy="must-complete",
                             remove_source_disks=True)
            self.assertEqual(self.picture(), before)
        self.assertFalse(said["possible"])
        blocking = [r for r in said["reasons"] if r["blocks"]]
        self.assertEqual(
            sorted((r["side"], r["check"]) for r in blocking),
            [("destination", check) for check in (
                "access", "cpu", "cpu", "devices", "directories", "disks", "hold", "locks",
                "memory", "ports", "properties", "sockets", "storage", "vm")] +
            [("source", check) for check in (
                "block-jobs", "blockers", "cache", "data-port", "left-behind", "media")], blocking)
        self.assert_advice(said["reasons"])
        warnings = {(r["side"], r["check"]) for r in said["reasons"] if not r["blocks"]}
        self.assertLessEqual({("source", "bitmaps"), ("source", "certificate"),
                              ("source", "policy-left-out"),
                              ("destination", "vcpus")}, warnings)
        self.eventually("token files are gone", lambda: not list(self.base.rglob(".migrd-same-*")))
        guest.assert_runs_on(self.a)

    def disturb(self, monitor):
        """What users do to a QEMU behind the definition."""
        node = monitor.command("query-named-block-nodes", flat=True)["return"]
        node = next(n["node-name"] for n in node if n["file"].endswith("unsafe.raw")
                    and n["drv"] == "raw")
        for name, arguments in (
                ("block-dirty-bitmap-add", {"node": node, "name": "backup"}),
                ("block_set_io_throttle", {
                    "id": "/machine/peripheral/unsafe/virtio-backend", "bps": 0, "bps_rd": 0,
                    "bps_wr": 0, "iops": 100, "iops_rd": 0, "iops_wr": 0}),
                ("nbd-server-start", {"addr": {"type": "unix", "data": {
                    "path": str(self.base / "nbd.sock")}}}),
                ("block-export-add", {"type": "nbd", "id": "mine", "node-name": node})):
            self.assertIn("return", monitor.command(name, **arguments), name)

    def blocking(self, said):
        """{(side, check): detail} of all that speaks against the move."""
        self.assert_advice(said["reasons"])
        return {(r["side"], r["check"]): r["detail"] for r in said["reasons"] if r["blocks"]}

    # Neither shows before the QEMU of the destination is to start, which is late in a move.
    def test_qemu_there_that_is_missing_or_lacks_machine_or_cpu_model_is_told(self):
        guest = self.world.guest(area=0, memory_mib=160)
        guest.start(self.a)
        program = self.weak_qemu("qemu64")
        self.restart(self.b, qemu={"binary": program})
        program.unlink()    # as an upgrade that goes wrong does
        # What is asked for cannot be planned either, and all else is looked at all the same.
        found = self.blocking(self.look(guest, multifd={"channels": 2}))
        self.assertEqual(set(found), {("source", "plan"), ("destination", "qemu-start")}, found)
        self.assertIn("qemu-qemu64' on this host", found["destination", "qemu-start"])
        for word, instead, check in (("pc-q35-7.2", "pc-q35-99", "machine"),
                                     ("qemu64", "qemu128", "cpu")):
            self.restart(self.b, qemu={"binary": self.weak_qemu(instead, word)})
            found = self.blocking(self.look(guest))
            self.assertEqual(set(found), {("destination", check)}, found)
            self.assertIn("does not start with machine", found["destination", check])
        self.assertEqual((self.b.vms(), self.b.moves()), ({}, []))
        self.eventually("no QEMU on b", lambda: not self.b.qemus())
        guest.assert_runs_on(self.a)

    # The kernel tells QEMU of missing pages in tmpfs and huge pages only.
    def test_memory_in_a_plain_file_is_not_fetched_and_moves_without_post_copy(self):
        plain = pathlib.Path(tempfile.mkdtemp(prefix="pre", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, plain)
        for directory, refused in (("/dev/shm", set()), (plain, {("destination", "postcopy")})):
            guest = self.world.guest(
                f"in-{pathlib.Path(directory).name}", area=4, memory_mib=160,
                machine_options="memory-backend=main",
                extra_args=["-object", "memory-backend-file,id=main,size=160M,"
                                       f"mem-path={directory}",
                            "-device", "virtio-rng,id=alias,addr=0x12"])
            guest.start(self.a)
            found = self.blocking(self.look(guest, postcopy={}))
            self.assertEqual(set(found), refused, found)
        self.assertIn(f"'{plain}' is a plain file", found["destination", "postcopy"])
        self.assert_move_refused(guest, self.a, self.b, "is a plain file on this host", postcopy={})
        guest.assert_runs_on(self.a)
        said = self.look(guest, policy="must-complete")
        self.assertTrue(said["possible"], said["reasons"])
        self.assertIn("memory of the guest is in a file",
                      "".join(r["detail"] for r in said["reasons"] if r["check"] == "policy-left-out"))
        self.world.move(guest, self.a, self.b, policy="must-complete")
        guest.assert_runs_on(self.b)

    def dry_run(self, guest, *options):
        """What a person reads, by lines, and the exit status."""
        done = self.a.migrctl("move", "start", guest.name, "--to", "b", "--dry-run", *options,
                              check=False)
        return done.stdout.splitlines(), done.returncode

    # A person reads the answer first, then each reason with its host.
    def test_migrctl_tells_the_answer_first_then_each_reason_with_its_host(self):
        guest = self.world.guest(area=100, static=0, rate=50, memory_mib=160)
        guest.start(self.a)
        lines, status = self.dry_run(guest)
        self.assertEqual((lines[0], status), ("g1, a -> b: the move would begin", 0))
        self.restart(self.b, days=1)
        self.b.api.post("/v1/vms", {**guest.definition, "disks": []})
        lines, status = self.dry_run(guest)
        self.assertEqual(lines[0], "g1, a -> b: not possible now, for 1 reason:")
        self.assertTrue(lines[1].startswith("  1. host b, vm: this host has a VM 'g1' already"))
        self.assertIn("warning: host b, certificate: the certificate of host 'b' ends in",
                      "\n".join(lines))
        self.assertNotEqual(status, 0)
        self.b.api.delete("/v1/vms/g1")
        # So slow a move would outlast a certificate of a day.
        self.a.api.post("/v1/vms/g1/pause")
        found = self.blocking(self.look(guest, bandwidth_bytes_per_s=1024))
        self.assertEqual(list(found), [("destination", "certificate")])
        self.assertIn("before the move could end", found["destination", "certificate"])
        self.b.stop()
        lines, _ = self.dry_run(guest)
        self.assertIn("1. host a, peer: host 'b'", lines[1])


# A library that puts a program's time of day ahead.
AHEAD = r"""
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ret)
{
	long error = syscall(SYS_clock_gettime, id, ret);

	if (error == 0 && id == CLOCK_REALTIME)
		ret->tv_sec += 5;
	return error == 0 ? 0 : -1;
}
"""


class ClockTest(SystemTest):
    def test_clock_that_is_ahead_is_a_warning(self):
        base = pathlib.Path(tempfile.mkdtemp(prefix="pre", dir="/tmp"))
        self.addCleanup(shutil.rmtree, base)
        subprocess.run(["cc", "-x", "c", "-shared", "-fPIC", "-o", base / "ahead.so", "-"],
                       input=AHEAD, text=True, check=True)
        script = f"export LD_PRELOAD={base}/ahead.so ASAN_OPTIONS=verify_asan_link_order=0"
        self.world = World(("a", "b"), {"b": ("127.0.0.1", in_namespace(script))})
        self.addCleanup(self._close_world)
        self.world.start()
        guest = self.world.guest(area=0)
        guest.start(self.world["a"])
        for source, to, word in (("a", "b", "before"), ("b", "a", "behind")):
            said = self.world[source].api.post("/v1/moves?dry_run=true",
                                               {"vm": guest.name, "to": to})
            self.assertTrue(said["possible"], said["reasons"])
            clock, = (r["detail"] for r in said["reasons"] if r["check"] == "clock")
            self.assertRegex(clock, rf"the clock of host '{to}' is [45]\d\d\d ms {word} ours: let")
            if source == "a":
                self.world.move(guest, self.world["a"], self.world["b"])


if __name__ == "__main__":
    unittest.main()
