# SPDX-License-Identifier: LGPL-2.1-or-later
"""One move, and the moves that are refused."""
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s: a transfer that does not end by itself


class MoveTest(SystemTest):
    # An ordinary move: all parties must report the same.
    def test_move_once_guest_goes_on_elsewhere(self):
        guest = self.world.guest()
        guest.start(self.a)
        before = guest.vm(self.a)

        move = self.world.move(guest, self.a, self.b)

        guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(before, move["id"])
        after = guest.vm(self.b)
        self.assertEqual(after["uuid"], before["uuid"])
        self.assertGreater(after["generation"], before["generation"])
        self.assertEqual(after["host"], "b")
        self.assertEqual((move["kind"], move["source"], move["destination"], move["owner"]),
                         ("MIGRATION_OUT", "a", "b", "b"))
        other = self.b.move_state(move["id"])
        self.assertEqual((other["kind"], other["state"], other["owner"]),
                         ("MIGRATION_IN", "done", "b"))
        self.assertEqual(len(guest.console.handovers()), 1)
        self.assertLess(guest.console.blackouts_ms()[0], 2000)

    def test_timeline_tells_the_states_in_order(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        move = self.world.move(guest, self.a, self.b)

        items = self.a.api.get(f"/v1/moves/{move['id']}/timeline")["items"]

        words = " ".join(f"{item['event']} {item['detail']}" for item in items)
        self.assertRegex(words, "prepare.* transfer.* handover.* confirm.* done")
        self.assertEqual([i["at"] for i in items], sorted(i["at"] for i in items))

    # A list is put together from texts, some kept and some just made.
    def test_lists_during_and_after_a_move_say_what_each_object_says(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        for host in (self.a, self.b):
            for path, key in (("/v1/jobs", "id"), ("/v1/moves", "id"), ("/v1/vms", "name")):
                self.assertIn(move["id"] if key == "id" else "g1",
                              [item[key] for item in host.api.items(path)], path)
        self.world.cancel(self.a, move["id"])
        self.world.wait_state(self.a, move["id"], "cancelled")
        self.assertEqual(self.a.api.items("/v1/moves"), [self.a.move_state(move["id"])])
        listed, = self.a.api.items("/v1/vms")
        self.assertEqual(listed, {key: guest.vm(self.a)[key] for key in listed})

    def test_second_move_of_the_same_vm_is_refused(self):
        guest = self.world.guest()
        guest.start(self.a)
        held = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, held["id"])

        self.assert_api_error(409, "busy", self.world.begin_move, guest, self.a, self.b)

        self.assertEqual(len(self.a.moves()), 1)
        self.assertEqual(self.a.move_state(held["id"])["state"], "transfer")
        self.world.cancel(self.a, held["id"])
        guest.assert_runs_on(self.a)

    # A client that lost the answer repeats its request, and must not move twice.
    def test_same_idempotency_key_gives_the_same_move(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        body = {"vm": guest.name, "to": "b"}
        headers = {"Idempotency-Key": "once-only"}

        first = self.a.api.post("/v1/moves", body, headers=headers)
        again = self.a.api.post("/v1/moves", body, headers=headers)

        self.assertEqual(first["id"], again["id"])
        self.world.wait_state(self.a, first["id"], "done")
        self.assertEqual(self.a.api.post("/v1/moves", body, headers=headers)["id"], first["id"])
        self.assertEqual(len(self.a.moves()), 1)

    def test_impossible_moves_are_refused_and_change_nothing(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        vms = self.a.vms()
        cases = [
            ("unknown host", {"vm": "g1", "to": "nowhere"}, 404, "not-found"),
            ("to itself", {"vm": "g1", "to": "a"}, 409, "conflict"),
            ("unknown VM", {"vm": "nobody", "to": "b"}, 404, "not-found"),
        ]
        for what, body, status, code in cases:
            with self.subTest(what):
                error = self.assert_api_error(status, code, self.a.api.post, "/v1/moves", body)
                self.assertTrue(error.body["detail"])
        self.assertEqual(self.a.moves(), [])
        self.assertEqual(self.b.moves(), [])
        self.assertEqual(self.a.vms(), vms)

    # Without the limit the destination's storage would get more load than intended.
    def test_disk_with_a_limit_of_io_does_not_move_until_it_is_taken_off(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        disk = guest.definition["disks"][0]["id"]

        def limit(iops):
            self.a.api.post("/v1/vms/g1/monitor", {"protocol": "qmp", "command": {
                "execute": "block_set_io_throttle", "arguments": {
                    "id": f"/machine/peripheral/{disk}/virtio-backend", "bps": 0, "bps_rd": 0,
                    "bps_wr": 0, "iops": iops, "iops_rd": 0, "iops_wr": 0}}})

        limit(100)
        move = self.world.begin_move(guest, self.a, self.b)
        failed = self.world.wait_state(self.a, move["id"], "failed")
        self.assertIn(f"disk '{disk}' has a limit of I/O (iops)", failed["error"]["detail"])
        guest.assert_runs_on(self.a)
        limit(0)
        self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)

    # The peer is down, and the guest must not notice.
    def test_destination_that_is_down_leaves_the_guest(self):
        guest = self.world.guest()
        guest.start(self.a)
        self.b.stop()

        move = self.world.begin_move(guest, self.a, self.b)

        self.world.wait_state(self.a, move["id"], "rollback", "failed")
        guest.assert_runs_on(self.a)
        done = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
        self.assertEqual((done["state"], done["owner"]), ("failed", "a"))
        self.assertTrue(done["error"]["detail"])
        guest.assert_runs_on(self.a)

    def test_migrctl_moves_and_shows(self):
        guest = self.world.guest()
        guest.start(self.a)

        out = self.a.migrctl("move", "start", guest.name, "--to", "b", "--watch")

        self.assertIn("done", out.stdout)
        guest.assert_runs_on(self.b)
        moves = self.a.migrctl_json("move", "list")["items"]
        self.assertEqual([m["state"] for m in moves], ["done"])
        self.assertIn(moves[0]["id"], self.a.migrctl("move", "show", moves[0]["id"]).stdout)
        self.assertNotEqual(
            self.a.migrctl("move", "start", "nobody", "--to", "b", check=False).returncode, 0)
