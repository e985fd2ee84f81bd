# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with a tap or a macvtap goes on in a new QEMU, or in the old one, and its frames pass.

Each host has a network of its own (lib/places.py).  As root.
"""
import contextlib
import http.client
import sys

from lib import settings
from lib.linux import LinuxGuest
from lib.places import NetTest

WAYS = ("cpr-transfer", "stream") if settings.qemu_major() >= 10 else ("stream",)
# Prints whether tap0 may be given frames without a checksum (ETHTOOL_GTXCSUM), and larger than its
# MTU (ETHTOOL_GTSO): what the driver of a guest has said that it takes.
OFFLOADS = """
import ctypes, fcntl, socket, struct
for command in (0x16, 0x1e):
    value = ctypes.create_string_buffer(struct.pack("II", command, 0), 8)
    fcntl.ioctl(socket.socket(), 0x8946, struct.pack("16sP16x", b"tap0", ctypes.addressof(value)))
    print(struct.unpack("II", value)[1])
"""
TOLD = "qmp.send.migrate-incoming"      # the new QEMU has made its devices


class RefreshTest(NetTest):
    timeout_seconds = 180
    net = "10.9.0"

    def start(self, **nic):
        self.guest = LinuxGuest(self.world, memory_share=True, nics=[{"id": "n", **nic}])
        self.guest.start(self.a)
        self.guest.sh(f"ip link set eth0 up; ip addr add {self.net}.2/24 dev eth0")

    def assert_frames_pass(self):
        self.guest.sh(f"ping -c 2 -W 5 -i 0.2 {self.net}.1 && ping -c 1 -W 5 -s 1400 {self.net}.1")

    def begin(self, way):
        return self.a.api.post("/v1/vms/lin/refresh", {"way": way})["id"]

    def wait_end(self, job, state):
        def ended():
            refresh = self.a.api.get(f"/v1/refreshes/{job}")
            return refresh if refresh["final"] else None
        refresh = self.eventually("the end of the job", ended, 60)
        self.assertEqual(refresh["state"], state, refresh)
        return refresh

    def pid(self):
        return self.guest.vm(self.a)["pid"]

    def wait_alone(self, pid):
        """The guest is in this QEMU, and the other one ends."""
        self.assertEqual(self.pid(), pid)
        self.eventually("one QEMU is left", lambda: self.a.qemus() == [pid])

    def offloads(self):
        return self.places["a"].run(sys.executable, "-c", OFFLOADS).split()

    # A QEMU before 9.0 loses writes of an emulated guest that runs meanwhile (lib/linux.py).
    def taken_over(self, way):
        pid = self.pid()
        with self.guest.moving(self.a, self.a):
            refresh = self.wait_end(self.begin(way), "done")
        self.note(f"{way}: stood still for {refresh['blackout_ms']} ms")
        self.assertNotEqual(self.pid(), pid)
        self.wait_alone(self.pid())
        self.assert_frames_pass()


class RefreshTapTest(RefreshTest):
    def test_frames_pass_after_a_refresh_and_after_a_rollback(self):
        self.start(type="tap", ifname="tap0")
        self.a.api.post("/v1/vms/lin/devices",
                        {"kind": "nic", "id": "late", "type": "tap", "ifname": "tap1"})
        self.assert_frames_pass()
        self.assertEqual(self.offloads(), ["1", "1"])
        for way in WAYS:
            with self.subTest(way, rolled_back=True):
                self.rolled_back(way)
        self.crashed_in_prepare()
        for way in (*WAYS, WAYS[0]):
            with self.subTest(way):
                self.taken_over(way)
                self.assertEqual(self.offloads(), ["1", "1"])
        self.a.api.delete("/v1/vms/lin/devices/late?timeout_ms=30000", timeout=40)
        self.assert_frames_pass()
        self.a.api.post("/v1/vms/lin/stop")
        self.assertEqual(self.a.qemus(), [])
        self.assertIn("NO-CARRIER", self.places["a"].ip("link", "show", "tap0"))
        self.a.api.post("/v1/vms/lin/start")

    def test_interfaces_that_cannot_be_given_on_are_named(self):
        guest = self.world.guest(
            area=0, memory_mib=64,
            extra_args=["-netdev", "tap,id=raw,ifname=tap2,script=no,downscript=no"])
        guest.start(self.a, sweeps=0)
        pid = guest.vm(self.a)["pid"]
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/g1/refresh", {})
        self.assertIn("ifname=tap2,script=no,downscript=no' names a tap", error.body["detail"])
        self.assertEqual(self.a.qemus(), [pid])

    def rolled_back(self, way):
        pid = self.pid()
        self.a.restart_with_fault(f"{TOLD}:error")
        job = self.begin(way)
        self.wait_end(job, "failed")
        self.wait_alone(pid)
        self.assertEqual(self.offloads(), ["1", "1"])
        self.assert_frames_pass()
        # Of a coordinator that does not live to see it.
        self.a.restart_with_fault(f"{TOLD}:crash")
        job = self.begin(way)
        self.eventually("it has crashed", lambda: not self.a.is_up())
        self.a.start()
        self.wait_end(job, "failed")
        self.wait_alone(pid)
        self.assertEqual(self.offloads(), ["1", "1"])
        self.assert_frames_pass()

    def crashed_in_prepare(self):
        """The coordinator dies when the new QEMU has changed the tap, and the guest stands still."""
        pid = self.pid()
        self.a.restart_with_fault("qemu.spawned:crash")
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.begin("stream")
        self.eventually("the tap has QEMU's defaults", lambda: self.offloads() == ["0", "0"])
        self.a.start()
        self.wait_end(self.a.api.items("/v1/refreshes")[0]["id"], "failed")
        self.wait_alone(pid)
        self.assertEqual(self.offloads(), ["1", "1"])
        self.assert_frames_pass()


class RefreshMacvtapTest(RefreshTest):
    net = "10.9.1"

    # The guest runs in the old QEMU.  The new one may take a frame; a second queue would get all those
    # of half of the addresses.
    def assert_frames_pass_while_two_have_it(self):
        self.assertEqual(len(self.a.qemus()), 2)
        self.guest.sh(f"for i in $(seq 3 14); do ip addr add {self.net}.$i/24 dev eth0; done; "
                      f"for i in $(seq 2 14); do ping -c 3 -i 0.2 -W 5 -I {self.net}.$i "
                      f"{self.net}.1 || exit 1; done", timeout=90)

    def test_frames_pass_after_a_refresh_and_after_a_rollback(self):
        self.start(type="macvtap", ifname="mvt0", rx_filter=True)
        self.assert_frames_pass()
        pid = self.pid()
        for way in WAYS:
            with self.subTest(way, rolled_back=True):
                self.a.restart_with_fault(f"{TOLD}:error")
                self.wait_end(self.begin(way), "failed")
                self.wait_alone(pid)
                self.assert_frames_pass()
                # Of a coordinator that does not live to see it.
                self.a.restart_with_fault(f"{TOLD}:crash")
                job = self.begin(way)
                self.eventually("it has crashed", lambda: not self.a.is_up())
                if way == "stream":
                    self.assert_frames_pass_while_two_have_it()
                self.a.start()
                self.wait_end(job, "failed")
                self.wait_alone(pid)
                self.assert_frames_pass()
        for way in (*WAYS, WAYS[0]):
            with self.subTest(way):
                self.taken_over(way)
        self.a.api.post("/v1/vms/lin/stop")
        self.assertEqual(self.a.qemus(), [])
        self.a.api.post("/v1/vms/lin/start")
