# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that another program started is adopted, and moves like any other."""
import contextlib
import os
import signal
import socket
import subprocess
import threading
import unittest

from lib import settings
from lib.foreign import PLAIN, AdoptBase
from lib.qmp import Qmp
from lib.world import SystemTest


class AdoptTest(AdoptBase):
    # A QEMU without -nodefaults has a display, a NIC, a CD drive, serial and parallel ports by
    # default: the stream of a move has them all.
    def test_daemonized_qemu_with_default_devices_is_adopted_and_moves_there_and_back(self):
        guest = self.world.guest(area=4)
        foreign = self.foreign("-display", "none", guest=guest)
        guest.console.wait_sweeps(1, 60, "a")
        vm, found = foreign.adopt()
        self.assertEqual((vm["name"], vm["state"], vm["pid"]), ("g1", "running", foreign.pid))
        self.assertEqual(found["definition"], vm["definition"])
        guest.assert_runs_on(self.a)
        self.there_and_back(guest)
        self.a.api.post("/v1/vms/g1/stop")
        self.a.api.delete("/v1/vms/g1")
        self.a.assert_empty()

    # Options without a member of the definition are kept as arguments, in order: disks behind a
    # SCSI controller, a device behind a root port, USB, a NIC without MSI-X, the CPU topology.
    def test_kept_options_move_there_and_back_and_a_restart_finds_it_again(self):
        guest = self.world.guest(area=4)
        image = self.world.dir / "more.raw"
        image.write_bytes(bytes(1 << 20))
        foreign = self.foreign(
            *PLAIN, "-smp", "2,sockets=2", "-usb", "-device", "usb-tablet",
            "-nic", "user,model=virtio", "-device", "virtio-scsi-pci,id=scsi",
            "-drive", f"if=none,id=more,file={image},format=raw", "-device",
            "scsi-hd,drive=more,bus=scsi.0", "-device", "pcie-root-port,id=rp,chassis=1",
            "-device", "virtio-rng-pci,bus=rp", "-netdev", "user,id=n0",
            "-device", "virtio-net-pci,netdev=n0,id=nic-a", guest=guest,
            disk=("-drive", f"file={guest.definition['disks'][0]['path']},if=none,id=boot,format=raw,"
                            "readonly=on", "-device", "virtio-blk-pci,drive=boot,bootindex=0"))
        vm, found = foreign.adopt(disks_shared=True)
        definition = vm["definition"]
        self.assertEqual([disk["boot_index"] for disk in definition["disks"]], [0])
        self.assertEqual([nic["id"] for nic in definition["nics"]], ["nic-a"])
        self.assertEqual(definition["machine_options"], "smp.sockets=2,usb=on")
        self.assertTrue(any("have" in note["note"] and note["option"] == "-drive"
                            for note in found["notes"]), found["notes"])
        guest.assert_runs_on(self.a)

        self.a.kill9()
        self.a.start()
        self.assertEqual((self.a.vm("g1")["state"], self.a.vm("g1")["pid"]), ("running", foreign.pid))
        guest.assert_runs_on(self.a)
        self.assertTrue(self.a.api.get("/v1/host/check")["clean"])
        self.there_and_back(guest)

    # When an adopted VM is stopped, its next QEMU is one of migrd's own.
    def test_paused_one_stays_paused_over_a_restart_and_ends_like_any_other(self):
        guest = self.world.guest(area=0)
        foreign = self.foreign(*PLAIN, "-S", guest=guest)
        done = self.a.migrctl("vm", "adopt", "--qmp", foreign.qmp, "--yes")
        self.assertIn("g1: adopted, paused", done.stdout)
        self.assertIn("note: -uuid", done.stdout)
        self.a.kill9()
        self.a.start()
        self.assertEqual(self.a.vm("g1")["state"], "paused")
        guest.console.assert_quiet(0.2)
        self.a.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.a)
        self.a.api.post("/v1/vms/g1/stop")
        self.assertEqual(self.a.qemus(), [])
        self.a.api.post("/v1/vms/g1/start")
        guest.console.wait_line(20, "a")

        with self.subTest("one that ended while the coordinator was away"):
            self.a.api.post("/v1/vms/g1/stop")
            self.a.api.delete("/v1/vms/g1")
            again = self.foreign(*PLAIN, guest=guest)
            again.adopt()
            self.a.kill9()
            os.kill(again.pid, signal.SIGKILL)
            self.a.start()
            self.assertEqual(self.a.vm("g1")["state"], "crashed")

    # libvirt starts QEMU like this, and ends it itself at the guest's SHUTDOWN; migrd does not, as
    # the note says.
    def test_no_shutdown_one_that_powers_off_stays_until_it_is_stopped(self):
        guest = self.world.guest(area=0)
        second = self.world.dir / "second.qmp"
        foreign = self.foreign(*PLAIN, "-no-shutdown", "-qmp", f"unix:{second},server=on,wait=off",
                               guest=guest)
        guest.console.wait_line(20, "a")
        vm, found = foreign.adopt()
        self.assertEqual(vm["definition"]["actions"]["shutdown"], "pause")
        self.assertTrue(any(note["option"] == "-no-shutdown" and "until it is stopped" in note["note"]
                            for note in found["notes"]), found["notes"])
        with contextlib.closing(Qmp(path=second)) as qmp:
            qmp.hmp("o /h 0x604 0x2000")    # ICH9's ACPI: the guest powers itself off
        self.eventually("it is known", lambda: self.a.vm("g1")["state"] == "shutdown")
        self.a.stop()
        self.a.start()
        vm = self.a.vm("g1")
        self.assertEqual((vm["state"], vm["reason"], vm["pid"]),
                         ("shutdown", "the guest powered off", foreign.pid))
        self.a.api.post("/v1/vms/g1/stop")
        self.assertEqual(self.a.qemus(), [])

    def test_what_cannot_be_adopted_is_refused_by_name(self):
        guest = self.world.guest(area=0)
        foreign = self.foreign(*PLAIN, "-device", "qemu-xhci,id=usb", guest=guest, name=False)
        with self.subTest("no name"):
            self.refused(foreign, 400, "invalid", "-name", "--name")
        with self.subTest("the name of another VM"):
            self.world.guest("g2", area=0).create(self.a)
            found = foreign.look(name="g2")
            self.assert_api_error(409, "exists", self.a.api.post, "/v1/vms/adopt", foreign.ask(
                name="g2", dry_run=False, confirm=found["confirm"]))
        with self.subTest("without a look"):
            self.refused(foreign, 400, "invalid", "/confirm", name="g1", dry_run=False)
        with self.subTest("a device that was plugged in since it was looked at"):
            found = foreign.look(name="g1")
            foreign.command("device_add", driver="usb-tablet", id="hot", bus="usb.0")
            error = self.refused(foreign, 400, "invalid", "'hot'", name="g1")
            self.assertEqual([fault["pointer"] for fault in error.body["errors"]], ["-device"])
        with self.subTest("another answer than the one that is confirmed"):
            foreign.command("device_del", id="hot")
            self.refused(foreign, 409, "conflict", "not what was confirmed", name="g3", dry_run=False,
                         confirm=found["confirm"])
        with self.subTest("a migration is under way"):
            foreign.command("migrate-set-parameters", **{"max-bandwidth": 4096})
            foreign.command("migrate", uri="exec:cat >/dev/null")
            self.refused(foreign, 409, "conflict", "migration", name="g1")
            foreign.command("migrate_cancel")
        with self.subTest("who holds the monitor is in the way, for 5 s at most"):
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
                sock.connect(str(foreign.qmp))
                self.refused(foreign, 504, "timeout", "another client", name="g1")
        with self.subTest("one that is a VM already"):
            foreign.adopt(name="g1")
            self.a.api.post("/v1/vms/g2/start")
            path = self.a.run_dir / "vms" / self.a.vm("g2")["uuid"] / "qmp0.sock"
            error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/adopt",
                                          {"qmp": f"unix:{path}", "dry_run": True})
            self.assertIn("VM 'g2'", error.body["detail"])

    def test_options_without_a_way_to_repeat_them_are_refused_all_at_once(self):
        guest = self.world.guest(area=0)
        foreign = self.foreign(*PLAIN, "-snapshot", "-device", "ich9-intel-hda", "-fw_cfg",
                               "name=opt/x,string=y", guest=guest)
        error = self.refused(foreign, 400, "invalid", "ich9-intel-hda", "-fw_cfg", "-snapshot")
        self.assertEqual(sorted(fault["pointer"] for fault in error.body["errors"]),
                         ["-device", "-drive", "-fw_cfg", "-snapshot"])
        done = self.a.migrctl("vm", "adopt", "--qmp", foreign.qmp, "--yes", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("-fw_cfg", done.stderr)
        self.assertEqual(self.a.vms(), {})
        guest.console.wait_line(20, "a")


class Pretender:
    """Listens like a monitor, sends WORDS, and keeps what it receives."""

    def __init__(self, path, words=b"", hang_up=False):
        self.heard = b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(4)
        self.words, self.hang_up = words, hang_up
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            sock, _ = self.listener.accept()
            sock.sendall(self.words)
            while not self.hang_up:
                data = sock.recv(4096)
                if not data:
                    break
                self.heard += data
            sock.close()

    def close(self):
        self.listener.close()


class NoQemuTest(SystemTest):
    host_ids = ("a",)

    # Each impostor is answered in bounded time, and receives nothing from us.
    def test_other_programs_are_told_apart_and_hear_nothing(self):
        greeting = b'{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":0},"package":""},' \
                   b'"capabilities":[]}}\r\n'
        cases = (
            ("hmp", b"QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ", False, "invalid"),
            ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "invalid"),
            ("silent", b"", False, "timeout"),
            ("gone", b"", True, "unavailable"),
            ("proxy", greeting, True, "unavailable"),
        )
        for name, words, hang_up, code in cases:
            with self.subTest(name):
                path = self.world.dir / f"{name}.sock"
                with contextlib.closing(Pretender(path, words, hang_up)) as pretender:
                    with self.assertRaises(Exception) as caught:
                        self.a.api.post("/v1/vms/adopt", {"qmp": f"unix:{path}", "dry_run": True})
                    self.assertEqual(caught.exception.code, code, caught.exception.body)
                    self.assertEqual(pretender.heard, b"")
        with self.subTest("nobody"):
            self.assert_api_error(503, "unavailable", self.a.api.post, "/v1/vms/adopt",
                                  {"qmp": f"unix:{self.world.dir}/none", "dry_run": True})
        with self.subTest("no path"):
            self.assert_api_error(400, "invalid", self.a.api.post, "/v1/vms/adopt",
                                  {"qmp": "tcp:127.0.0.1:4444", "dry_run": True})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_process_of_another_user_is_left_alone(self):
        path = self.world.dir / "other.sock"
        os.chmod(self.world.dir, 0o777)
        program = ("import socket,sys,time; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
                   "s.listen(1); print('up', flush=True); c=s.accept()[0]; print(c.recv(100))")
        with subprocess.Popen(["python3", "-c", program, str(path)], user=65534,
                              stdout=subprocess.PIPE, text=True) as other:
            other.stdout.readline()
            error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/adopt",
                                          {"qmp": f"unix:{path}", "dry_run": True})
            self.assertIn("user 65534", error.body["detail"])
            self.assertEqual(other.communicate(timeout=10)[0], "b''\n")
