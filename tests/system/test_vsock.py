# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets between guest and host: each CID is of one VM of a host."""
import json
import os
import unittest

from lib.world import Machine, SystemTest

DEVICE = "/dev/vhost-vsock"


class VsockTest(SystemTest):
    def machine(self, name, cid):
        return Machine(self.world, {
            "name": name, "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 32,
            "vsocks": [{"id": "vs0", "cid": cid}]})

    def test_second_vm_with_a_cid_is_refused(self):
        self.machine("m1", 42).create(self.a)
        error = self.assert_api_error(409, "conflict", self.machine("m2", 42).create, self.a)
        self.assertIn("CID 42 is that of VM 'm1'", json.dumps(error.body))

        self.machine("m3", 43).create(self.a)
        self.a.api.delete("/v1/vms/m3/devices/vs0")
        device = {"kind": "vsock", "id": "vs1", "cid": 42}
        error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/vms/m3/devices", device)
        self.assertIn("/cid: the vsock CID 42", json.dumps(error.body))
        device["cid"] = 44
        self.assertEqual(self.a.api.post("/v1/vms/m3/devices", device)["pci_address"], "0x2")

        self.machine("m4", 42).create(self.b)   # another host: another address

    def test_vm_with_a_cid_is_not_refreshed(self):
        self.machine("m1", 42).create(self.a)
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/m1/refresh", {})
        self.assertIn("vsock 'vs0' has the CID 42", json.dumps(error.body))
        self.assertIn("it is stopped", json.dumps(error.body))

    # The same error where the device is there and QEMU has the CID needs a kernel with vhost_vsock.
    @unittest.skipIf(os.path.exists(DEVICE), f"has {DEVICE}")
    def test_host_without_the_device_refuses_the_start_and_the_move(self):
        guest = self.machine("m1", 42)
        guest.create(self.a)
        error = self.assert_api_error(404, "not-found", self.a.api.post, "/v1/vms/m1/start")
        self.assertIn(f"no '{DEVICE}'", json.dumps(error.body))
        self.assertIn("modprobe vhost_vsock", json.dumps(error.body))
        self.assertEqual(guest.vm(self.a)["state"], "stopped")
        move_id = self.world.begin_move(guest, self.a, self.b)["id"]
        self.assertIn("modprobe vhost_vsock",
                      self.world.wait_state(self.a, move_id, "failed")["error"]["detail"])
        self.eventually("no VM on b", lambda: not self.b.vms())
