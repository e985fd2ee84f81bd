# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices are added and removed while a guest runs, and the guest is moved with them."""
import contextlib
import http.client
import json
import os
import pathlib

from lib import settings
from lib.linux import LinuxGuest, make_disk
from lib.second_monitor import ask
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s
PATIENCE = 40

# All that the guest knows of its devices, which must be the same after a move.
VIEW = """lspci
cat /sys/bus/pci/devices/*/resource
grep -c ^processor /proc/cpuinfo
grep MemTotal /proc/meminfo
for d in /sys/block/vd*; do [ ! -e $d ] || echo ${d##*/} $(cat $d/serial) $(cat $d/size); done
for n in /sys/class/net/*; do echo ${n##*/} $(cat $n/address); done"""


class HotplugTest(SystemTest):
    timeout_seconds = 180

    def devices(self, host, guest):
        return {d["id"]: d for d in host.api.get(f"/v1/vms/{guest.name}/devices")["items"]}

    def attach(self, host, guest, device):
        return host.api.post(f"/v1/vms/{guest.name}/devices", device)

    def detach(self, host, guest, device_id, timeout_ms=30000):
        return host.api.delete(f"/v1/vms/{guest.name}/devices/{device_id}?timeout_ms={timeout_ms}",
                               timeout=PATIENCE)

    def assert_qemu_has(self, host, guest, *ids):
        """QEMU must have these devices, at the definition's places, and no others."""
        peripheral = {d["name"] for d in ask(host, guest, "qom-list", path="/machine/peripheral")
                      if d["type"].startswith("child<") and not d["name"].startswith("migrd-")}
        self.assertEqual(peripheral, set(ids))
        self.assertEqual(set(self.devices(host, guest)), set(ids))
        for device in self.devices(host, guest).values():
            if "pci_address" in device:
                self.assertEqual(self.places(host, guest)[device["id"]], device["pci_address"])

    def places(self, host, guest):
        """Returns {id: pci_address} from query-pci."""
        found = {}

        def walk(devices, port):
            for d in devices:
                found[d["qdev_id"]] = port or f"0x{d['slot']:x}"
                walk(d.get("pci_bridge", {}).get("devices", []), d["qdev_id"].removeprefix("migrd-"))
        for bus in ask(host, guest, "query-pci"):
            walk(bus["devices"], None)
        return found

    def backends(self, host, guest):
        """All backends that devices may have."""
        nodes = ask(host, guest, "query-named-block-nodes")
        return {
            "block": sorted(b["qdev"] for b in ask(host, guest, "query-block")),
            "nodes": sorted(n["file"] for n in nodes),
            "memdev": sorted(m["id"] for m in ask(host, guest, "query-memdev")),
            "net": ask(host, guest, "human-monitor-command", **{"command-line": "info network"}),
        }

    def wait_in_guest(self, guest, condition):
        guest.sh(f"until {condition}; do usleep 50000; done", timeout=PATIENCE)

    # ---- a guest that takes part ---------------------------------------------

    def kinds(self):
        """(device, what the guest sees when it is there)."""
        shared = self.world.dir / "shared"
        shared.write_bytes(b"MIGR" + bytes((4 << 20) - 4))
        return [
            ({"kind": "disk", **make_disk(self.world, "data")}, "[ -e /sys/block/vda ]"),
            ({"kind": "nic", "id": "net1", "type": "user", "mac": "52:54:00:11:22:33"},
             "grep -q 52:54:00:11:22:33 /sys/class/net/*/address"),
            ({"kind": "memory", "id": "more", "size_mib": 128},
             "[ $(awk '/MemTotal/ { print $2 }' /proc/meminfo) -gt 180000 ]"),
            ({"kind": "vcpu", "id": "cpu1"}, "[ $(nproc) = 2 ]"),
            ({"kind": "shared_memory", "id": "shm", "path": str(shared), "size_mib": 4},
             "lspci | grep -q 1af4:1110"),
            ({"kind": "generic", "id": "rng", "driver": "virtio-rng-pci",
              "properties": {"max-bytes": 1024, "period": 1000}}, "lspci | grep -q '1af4:1044.*virtio-pci'"),
        ]

    def assert_devices_work(self, guest):
        guest.sh("echo written | dd of=/dev/vda conv=sync bs=512 2>/dev/null; sync")
        self.assertTrue((self.world.dir / "data.raw").read_bytes().startswith(b"written\n"))
        bar = guest.sh("sed -n 3p $(dirname $(grep -l 0x1110 /sys/bus/pci/devices/*/device))/resource")
        guest.sh("echo 1 >$(dirname $(grep -l 0x1110 /sys/bus/pci/devices/*/device))/enable")
        self.assertEqual(guest.sh(f"devmem {bar.split()[0]} 32").strip(), "0x5247494D")
        guest.sh("ip link set eth0 up; udhcpc -i eth0 -n -q -t 3 -s /bin/true 2>&1 | grep -q 'lease of'")

    def test_every_kind_is_added_moved_both_ways_and_removed(self):
        guest = LinuxGuest(self.world, kernel_args="memhp_default_state=online_movable",
                           memory_slots=2, max_memory_mib=512, max_vcpus=3)
        guest.start(self.a)
        first, backends = guest.sh(VIEW), self.backends(self.a, guest)
        ids, here, there = [], self.a, self.b
        for device, condition in self.kinds():
            added = self.attach(here, guest, device)
            self.assertEqual({**added, **device}, added)
            ids.append(device["id"])
            # The move starts at once: the guest may notice the device during it.
            self.world.move(guest, here, there)
            here, there = there, here
            self.wait_in_guest(guest, condition)
            self.assert_qemu_has(here, guest, *ids)
        view = guest.sh(VIEW)
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            self.assertEqual(guest.sh(VIEW), view)
            self.assert_qemu_has(destination, guest, *ids)
        devices = self.devices(self.a, guest)
        self.assertEqual([d.get("pci_address") for d in devices.values()],
                         ["port1", "port2", "port3", None, None, "port4"])
        self.assertEqual(devices["more"]["slot"], 0)
        self.assertGreaterEqual(devices["more"]["address"], 1 << 32)
        self.assertEqual((guest.vm(self.a)["memory_mib"], guest.vm(self.a)["vcpus"]), (256, 2))
        self.assert_devices_work(guest)

        self.remove_all(guest, ids)
        self.assertEqual(self.backends(self.a, guest), backends)
        self.assertEqual(guest.sh(VIEW).replace("\n2\nMemTotal", "\n1\nMemTotal"), first)

    def remove_all(self, guest, ids):
        """A CPU cannot be removed from QEMU 7.2 under TCG (vm/device_detach.c)."""
        is_old = int(guest.vm(self.a)["qemu_version"].split(".")[0]) < 10
        if is_old:
            error = self.assert_api_error(409, "conflict", self.detach, self.a, guest, "cpu1")
            self.assertIn("before 10.0", error.body["detail"])
        for device_id in [i for i in ids if i != "cpu1" or not is_old]:
            with self.subTest(f"remove {device_id}"):
                self.detach(self.a, guest, device_id)
                self.assertNotIn(device_id, self.devices(self.a, guest))
        self.assert_qemu_has(self.a, guest, *(["cpu1"] if is_old else []))

    # ---- a guest that ignores everything ---------------------------------------

    def boot_sector_guest(self, **extra):
        guest = self.world.guest(area=0, **extra)
        guest.start(self.a)
        return guest

    def test_failed_additions_leave_nothing(self):
        guest = self.boot_sector_guest(memory_slots=2, max_memory_mib=1024, hotplug_ports=1)
        image = make_disk(self.world, "one")["path"]
        os.link(image, self.world.dir / "same.raw")
        self.attach(self.a, guest, {"kind": "disk", "id": "one", "path": image, "format": "raw"})
        self.detach_is_ignored(guest, "one")
        before, devices = self.backends(self.a, guest), self.devices(self.a, guest)
        disk = {"kind": "disk", "id": "x", "format": "raw"}
        rng = {"kind": "generic", "id": "x", "driver": "virtio-rng-pci"}
        cases = [
            ("no such file", 502, "qemu-error", {**disk, "path": "/nowhere/x", "pci_address": "port1"}),
            ("no port is free", 429, "limit", {"kind": "nic", "id": "x", "type": "user"}),
            ("port is taken", 400, "invalid", {"kind": "nic", "id": "x", "type": "user", "pci_address": "port1"}),
            ("root bus", 400, "invalid", {"kind": "nic", "id": "x", "type": "user", "pci_address": "0x9"}),
            ("id is taken", 400, "invalid", {**disk, "id": "one", "path": "/x"}),
            ("odd memory", 502, "qemu-error", {"kind": "memory", "id": "x", "size_mib": 1}),
            ("too much memory", 400, "invalid", {"kind": "memory", "id": "x", "size_mib": 1024}),
            ("no CPU", 400, "invalid", {"kind": "vcpu", "id": "x"}),
            ("no such driver", 400, "invalid", {**rng, "driver": "no-such-device"}),
            ("no such property", 400, "invalid", {**rng, "properties": {"colour": "red"}}),
            ("wrong value", 502, "qemu-error", {"kind": "generic", "id": "x", "driver": "isa-debugcon",
                                                "properties": {"iobase": "none"}}),
        ]
        cases[0] = ("port is taken", 400, "invalid", cases[0][3])
        for what, status, code, device in cases:
            with self.subTest(what):
                error = self.assert_api_error(status, code, self.attach, self.a, guest, device)
                self.assertTrue(error.body["detail"])
                self.assertEqual(self.backends(self.a, guest), before)
                self.assertEqual(self.devices(self.a, guest), devices)
        error = self.assert_api_error(400, "invalid", self.attach, self.a, guest,
                                      {**rng, "properties": {"colour": "red"}})
        self.assertEqual(error.pointers(), ["/properties/colour"])
        guest.assert_runs_on(self.a)

    def detach_is_ignored(self, guest, device_id):
        error = self.assert_api_error(504, "timeout", self.detach, self.a, guest, device_id, 300)
        self.assertIn("stays with it", error.body["detail"])

    # QEMU has accepted the backend, and refuses the device.
    def test_refused_device_leaves_no_backend(self):
        guest = self.boot_sector_guest()
        image = make_disk(self.world, "one")["path"]
        os.link(image, self.world.dir / "same.raw")
        self.attach(self.a, guest, {"kind": "disk", "id": "one", "path": image, "format": "raw"})
        before = self.backends(self.a, guest)
        missing = {"kind": "disk", "id": "x", "format": "raw", "path": "/nowhere/x"}
        locked = {**missing, "path": str(self.world.dir / "same.raw")}
        for device in (missing, locked, {"kind": "shared_memory", "id": "x", "path": "/nowhere/x", "size_mib": 1}):
            with self.subTest(device["path"]):
                self.assert_api_error(502, "qemu-error", self.attach, self.a, guest, device)
                self.assertEqual(self.backends(self.a, guest), before)
        self.assert_qemu_has(self.a, guest, "boot", "one")

    # At a reset the firmware ejects the device that the guest was asked for: long after the
    # deadline.
    def test_guest_that_ignores_the_request_is_told_and_a_late_removal_counts(self):
        guest = self.boot_sector_guest()
        before = self.backends(self.a, guest)
        self.attach(self.a, guest, {"kind": "disk", **make_disk(self.world, "data")})
        self.detach_is_ignored(guest, "data")
        self.detach_is_ignored(guest, "data")
        self.assert_qemu_has(self.a, guest, "boot", "data")
        self.a.api.post("/v1/vms/g1/reset")
        self.eventually("it is gone", lambda: "data" not in self.devices(self.a, guest))
        self.assert_qemu_has(self.a, guest, "boot")
        self.eventually("no half is left", lambda: self.backends(self.a, guest) == before)

        error = self.assert_api_error(409, "conflict", self.detach, self.a, guest, "boot")
        self.assertIn("root bus", error.body["detail"])
        self.assert_api_error(404, "not-found", self.detach, self.a, guest, "nobody")
        self.assert_api_error(404, "not-found", self.detach, self.a, guest, "boot" * 20)

    def test_move_in_progress_refuses_and_its_end_allows(self):
        guest = self.world.guest(max_vcpus=2)
        guest.start(self.a)
        held = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, held["id"])
        for change in (lambda: self.attach(self.a, guest, {"kind": "vcpu", "id": "c"}),
                       lambda: self.detach(self.a, guest, "boot")):
            error = self.assert_api_error(409, "busy", change)
            self.assertIn(held["id"], error.body["detail"])
        self.world.cancel(self.a, held["id"])
        self.attach(self.a, guest, {"kind": "vcpu", "id": "c"})
        self.world.move(guest, self.a, self.b)
        self.assert_qemu_has(self.b, guest, "boot", "c")

    def test_i440fx_takes_devices_on_its_root_bus(self):
        guest = self.boot_sector_guest(machine="pc-i440fx-7.2")
        added = self.attach(self.a, guest, {"kind": "nic", "id": "net0", "type": "user"})
        self.assertEqual(added["pci_address"], "0x3")
        self.world.move(guest, self.a, self.b)
        self.assert_qemu_has(self.b, guest, "boot", "net0")
        guest.assert_runs_on(self.b)

    def test_stopped_vm_has_it_at_its_next_start(self):
        guest = self.world.guest(area=0, max_vcpus=2)
        guest.create(self.a)
        path = self.world.dir / "device.json"
        path.write_text(json.dumps({"kind": "nic", "id": "net0", "type": "user"}), encoding="utf-8")
        self.assertIn("0x3", self.a.migrctl("vm", "attach", "g1", path).stdout)
        self.attach(self.a, guest, {"kind": "vcpu", "id": "c"})
        self.attach(self.a, guest, {"kind": "generic", "id": "edu", "driver": "edu", "pci_address": "0x9"})
        self.a.migrctl("vm", "detach", "g1", "edu")
        self.assertRegex(self.a.migrctl("vm", "devices", "g1").stdout, r"net0 +nic +0x3")
        guest.start(self.a)
        self.assert_qemu_has(self.a, guest, "boot", "net0", "c")
        missing = self.a.migrctl("vm", "detach", "g1", "edu", "--timeout", "1", check=False)
        self.assertEqual(missing.returncode, 4)

    # ---- crashes ---------------------------------------------------------------------

    def crash_in(self, point, call):
        """The coordinator dies at POINT during CALL, and is started again."""
        self.a.restart_with_fault(point)
        with self.assertRaises((OSError, http.client.HTTPException)):
            call()
        self.a.process.wait(settings.seconds(10))
        self.a.start()

    # Afterwards definition and QEMU agree, and no device is half there.
    def test_coordinator_killed_between_the_steps_of_an_addition(self):
        guest = self.boot_sector_guest()
        before = self.backends(self.a, guest)
        # The restart sends the first query-pci.
        points = [("qmp.send.blockdev-add:crash", False), ("qmp.reply.blockdev-add:crash", False),
                  ("qmp.send.device_add:crash", False), ("qmp.reply.device_add:crash", True),
                  ("qmp.reply.query-pci:crash:after=2", True)]
        count = 0
        for point, is_there in points:
            with self.subTest(point):
                device = {"kind": "disk", **make_disk(self.world, f"d{count}")}
                self.crash_in(point, lambda d=device: self.attach(self.a, guest, d))
                count += is_there
                self.eventually("it is decided", lambda n=count: len(self.devices(self.a, guest)) == 1 + n)
                self.assert_qemu_has(self.a, guest, "boot", *[
                    d for d in self.devices(self.a, guest) if d != "boot"])
                self.eventually("no half is left", lambda n=count: len(
                    self.backends(self.a, guest)["nodes"]) == len(before["nodes"]) + 2 * n)
        self.world.move(guest, self.a, self.b)
        self.assertEqual(len(self.devices(self.b, guest)), 1 + count)
        guest.assert_runs_on(self.b)

    def test_coordinator_killed_while_a_device_goes(self):
        guest = self.boot_sector_guest()
        before = self.backends(self.a, guest)
        for point in ("qmp.event.DEVICE_DELETED", "qmp.send.blockdev-del", "qmp.reply.blockdev-del"):
            with self.subTest(point):
                self.attach(self.a, guest, {"kind": "disk", **make_disk(self.world, "data")})
                self.detach_is_ignored(guest, "data")
                self.a.restart_with_fault(f"{point}:crash")
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.a.api.send("POST", "/v1/vms/g1/reset")
                self.a.process.wait(settings.seconds(10))
                self.a.start()
                self.eventually("it is gone", lambda: "data" not in self.devices(self.a, guest))
                self.eventually("no half is left", lambda: self.backends(self.a, guest) == before)
                guest.console.wait_line(host="a")   # the firmware has finished

    # After a power loss the host's records hold no half of a device.
    def test_addition_is_forgotten_with_its_qemu(self):
        guest = self.boot_sector_guest()
        self.a.restart_with_fault("qmp.reply.device_add:crash")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.attach(self.a, guest, {"kind": "disk", **make_disk(self.world, "data")})
        self.a.process.wait(settings.seconds(10))
        self.a.end_guests()
        pathlib.Path(self.world.dir / "data.raw").unlink()
        self.a.start()
        self.assertEqual(set(self.devices(self.a, guest)), {"boot"})
        guest.start(self.a)
