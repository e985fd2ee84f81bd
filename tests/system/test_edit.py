# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest is changed: while it is stopped at once, while it runs when it is started next."""
import http.client
import json

from lib.world import SystemTest


class EditTest(SystemTest):
    def patch(self, host, **body):
        vm = host.api.call("PATCH", "/v1/vms/demo", body)
        return {edit["member"]: edit["applied"] for edit in vm.get("edits", [])}, vm["definition"]

    def memory_mib(self, host):
        answer = host.migrctl_json("vm", "qmp", "demo", "query-memory-size-summary")
        return answer["return"]["base-memory"] >> 20

    def vcpus(self, host):
        return len(host.migrctl_json("vm", "qmp", "demo", "query-cpus-fast")["return"])

    def test_stopped_guest_is_changed_now(self):
        guest = self.world.guest("demo", area=0)
        guest.create(self.a)
        applied, definition = self.patch(self.a, memory_mib=160, vcpus=2, boot_order=["boot"])
        self.assertEqual({"memory_mib": "now", "vcpus": "now", "boot_order": "now"}, applied)
        self.assertEqual((160, 2), (definition["memory_mib"], definition["vcpus"]))
        self.assertNotIn("next", definition)

        # All of a request or nothing.
        for body in ({"memory_mib": 192, "boot_order": ["boot", "none"]},
                     {"memory_mib": 192, "boot_order": ["boot", "boot"]},
                     {"memory_mib": 192, "vcpus": 0}, {"when": "now"}, {"memory_mib": "192"},
                     {"memory_mib": 192, "uuid": "x"}, {"memory_mib": 192, "remove": ["none"]},
                     {"memory_mib": 192, "disks": [{"id": "boot"}]}):
            self.assert_api_error(400, "invalid", self.patch, self.a, **body)
            self.assert_api_error(400, "invalid", self.a.api.call, "PATCH",
                                  "/v1/vms/demo?dry_run=true", body)
        self.assertFalse(self.a.api.call("PATCH", "/v1/vms/demo?dry_run=true",
                                          {"memory_mib": 192}))
        self.assertEqual(160, self.a.vm("demo")["definition"]["memory_mib"])
        guest.start(self.a)
        self.assertEqual((160, 2), (self.memory_mib(self.a), self.vcpus(self.a)))

    # What waits goes with the guest, and a move is no start.
    def test_running_guest_is_changed_at_its_next_start_wherever_that_is(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        error = self.assert_api_error(409, "conflict", self.patch, self.a, memory_mib=160,
                                      when="now")
        self.assertIn("memory device", error.body["detail"])
        self.assert_api_error(409, "conflict", self.a.api.call, "PATCH",
                              "/v1/vms/demo?dry_run=true", {"memory_mib": 160, "when": "now"})
        self.assertNotIn("next", self.a.vm("demo")["definition"])

        applied, definition = self.patch(self.a, memory_mib=192, vcpus=2)
        self.assertEqual({"memory_mib": "next-start", "vcpus": "next-start"}, applied)
        self.assertEqual((128, {"memory_mib": 192, "vcpus": 2}),
                         (definition["memory_mib"], definition["next"]))
        # A later value takes its place, that of now takes it back.
        self.patch(self.a, memory_mib=160)
        applied, definition = self.patch(self.a, vcpus=1)
        self.assertEqual({"memory_mib": 160}, definition["next"])
        self.assertIn("demo: memory_mib: next-start",
                      self.a.migrctl("vm", "edit", "demo", "--memory", "160M").stdout)

        self.a.kill9()
        self.a.start()
        self.assertEqual({"memory_mib": 160}, self.a.vm("demo")["definition"]["next"])
        self.world.move(guest, self.a, self.b)
        self.assertEqual({"memory_mib": 160}, self.b.vm("demo")["definition"]["next"])
        self.assertEqual(128, self.memory_mib(self.b))
        self.b.api.post("/v1/vms/demo/stop")
        self.b.api.post("/v1/vms/demo/start")
        self.assertEqual(160, self.memory_mib(self.b))
        self.assertNotIn("next", self.b.vm("demo")["definition"])

    def test_devices_wait_for_the_next_start(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        image = self.world.dir / "more.raw"
        image.write_bytes(bytes(1 << 20))
        changes = self.world.dir / "changes.json"
        changes.write_text(json.dumps({
            "disks": [{"id": "more", "path": str(image), "format": "raw"}],
            "nics": [{"id": "net9", "type": "user"}]}), encoding="utf-8")
        self.assertIn("demo: disks: next-start",
                      self.a.migrctl("vm", "edit", "demo", "--file", changes).stdout)
        self.assertEqual({"disks", "nics"}, set(self.a.vm("demo")["definition"]["next"]))
        # The place that the disk will have is free until then.
        self.a.migrctl("vm", "edit", "demo", "--remove", "net9")
        self.a.api.post("/v1/vms/demo/stop")
        self.a.api.post("/v1/vms/demo/start")
        definition = self.a.vm("demo")["definition"]
        self.assertIn("more", [disk["id"] for disk in definition["disks"]])
        self.assertNotIn("net9", [nic["id"] for nic in definition.get("nics", [])])
        self.assertNotIn("next", definition)
        devices = self.a.migrctl_json("vm", "qmp", "demo", "query-block")["return"]
        self.assertIn(str(image), json.dumps(devices))

    # The record of the start has the change too.
    def test_crash_of_a_start_leaves_the_edit_made(self):
        guest = self.world.guest("demo", area=0)
        guest.create(self.a)
        applied, _ = self.patch(self.a, memory_mib=160, vcpus=2, when="next-start")
        self.assertEqual({"memory_mib": "next-start", "vcpus": "next-start"}, applied)
        self.a.restart_with_fault("qemu.spawn:crash")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.a.api.post("/v1/vms/demo/start")
        self.eventually("the crash", lambda: not self.a.is_up())
        self.a.start()
        definition = self.a.vm("demo")["definition"]
        self.assertEqual((160, 2), (definition["memory_mib"], definition["vcpus"]))
        self.assertNotIn("next", definition)

    # The destination has the definition already.
    def test_edit_during_a_move_is_refused(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, hold={"timeout_s": 60, "then": "cancel"})
        self.eventually("the hold", lambda: self.a.move_state(move["id"])["held"])
        for host in self.a, self.b:
            with self.assertRaises(Exception) as caught:
                self.patch(host, memory_mib=160)
            self.assertIn(caught.exception.code, ("busy", "conflict"))
        self.a.api.post(f"/v1/moves/{move['id']}/release")
        self.world.wait_state(self.a, move["id"], "done")
        self.assertNotIn("next", self.b.vm("demo")["definition"])

    # The memory in the file fits only what the guest had.
    def test_saved_guest_is_not_changed(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        self.a.migrctl("vm", "save", "demo", self.a.saved / "demo", "--watch")
        self.assert_api_error(409, "conflict", self.patch, self.a, memory_mib=160)
        # What no guest sees may be another.
        self.patch(self.a, labels={"tier": "web"})
        self.a.migrctl("vm", "restore", self.a.saved / "demo", "--watch")
        self.assertEqual(("running", {"tier": "web"}),
                         (self.a.vms()["demo"]["state"], self.a.vm("demo")["definition"]["labels"]))
