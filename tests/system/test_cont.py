# SPDX-License-Identifier: LGPL-2.1-or-later
"""A `cont' that failed in a format layer is never repeated: QEMU 7.2 to 11.1 would accept the
second one, and run the guest without the disk."""
from lib import settings
from lib.qcow2 import MAGIC, make_qcow2, set_magic
from lib.world import SystemTest

HELD = 128 * 1024           # bytes/s


class ContTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.image = make_qcow2(self.world.dir / "data.qcow2")
        self.guest = self.world.guest(area=4, rate=4, memory_mib=64)
        self.guest.definition["disks"].append({"id": "data", "path": str(self.image),
                                               "format": "qcow2", "shared": True})
        self.guest.start(self.a)

    def has_disk(self, host):
        blocks = host.api.post("/v1/vms/g1/monitor", {
            "protocol": "qmp", "command": {"execute": "query-block"}})["return"]
        return any(b.get("inserted", {}).get("file") == str(self.image) for b in blocks)

    def begin_with_a_spoiled_image(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])     # b's QEMU has read the image's header
        set_magic(self.image, b"none")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        return move

    def assert_stays(self, move):
        self.world.wait_state(self.a, move["id"], "failed")
        self.guest.assert_runs_on(self.a)
        self.assertTrue(self.has_disk(self.a))
        self.eventually("nothing is left", lambda: not self.b.qemus() and not self.b.vms())

    # The coordinator dies before it records the refusal: only QEMU can tell of it.
    def test_destination_dies_between_the_refusal_and_its_record_guest_stays_with_its_disk(self):
        self.b.restart_with_fault("qmp.reply.cont:crash")
        move = self.begin_with_a_spoiled_image()
        self.b.process.wait(settings.seconds(60))
        set_magic(self.image, MAGIC)
        self.b.start()
        self.assert_stays(move)

    # The same on the source, where the guest stands still and is to run.
    def test_resume_of_a_guest_that_lost_its_disk_is_refused_before_and_after_a_restart(self):
        self.a.api.post("/v1/vms/g1/pause")
        self.world.move(self.guest, self.a, self.b)
        set_magic(self.image, b"none")
        for _ in range(2):
            error = self.assert_api_error(502, "qemu-error", self.b.api.post, "/v1/vms/g1/resume")
            set_magic(self.image, MAGIC)
            self.assertEqual(self.guest.vm(self.b)["state"], "paused")
            self.b.kill9()
            self.b.start()
        self.assertIn("has not opened the image", error.body["detail"])
        self.eventually("the guest is known as one that shall run",
                        lambda: "shall run and does not" in self.guest.vm(self.b)["reason"])
        self.assertEqual(self.guest.vm(self.b)["state"], "paused")
        self.guest.console.assert_quiet()
        self.b.api.post("/v1/vms/g1/stop")
        self.b.api.post("/v1/vms/g1/start")
        self.guest.console.wait_line(30, "b")
        self.assertTrue(self.has_disk(self.b))
