# SPDX-License-Identifier: LGPL-2.1-or-later
"""What two hosts cannot know: it is said plainly, asked on and on, and a person may decide."""
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s


class StuckTest(SystemTest):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"stuck_after_ms": 500})

    def setUp(self):
        super().setUp()
        self.guest = self.world.guest()
        self.guest.start(self.a)
        self.vm = self.guest.vm(self.a)

    def hold_in_transfer(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        return move["id"]

    def let_go(self, move_id):
        self.a.api.patch(f"/v1/moves/{move_id}", {"bandwidth_bytes_per_s": 0})

    def lose_destination_in_handover(self):
        """The destination's coordinator is frozen, so all is sent and nobody answers."""
        move_id = self.hold_in_transfer()
        self.b.freeze()
        self.let_go(move_id)
        move = self.world.wait_state(self.a, move_id, "stuck")
        self.assertIn("--keep source --assert-dead b", move["reason"])
        return move_id

    # Nobody decides for a host that only slept.
    def test_destination_that_comes_back_ends_it(self):
        move_id = self.lose_destination_in_handover()
        self.b.thaw()
        self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.assert_clean_soon(self.a, self.vm, move_id)

    # Resuming by mistake is how a guest comes to run twice.
    def test_resolve_wants_the_word_of_the_operator(self):
        move_id = self.lose_destination_in_handover()
        for body in ({"keep": "source"}, {"keep": "source", "assert_dead": "a"},
                     {"keep": "destination"}, {"keep": "destination", "assert_dead": "b"}):
            error = self.assert_api_error(409, "conflict", self.a.api.post,
                                          f"/v1/moves/{move_id}/resolve", body)
            self.assertIn("--assert-dead", error.body["detail"])
        self.assertEqual(self.a.move_state(move_id)["state"], "stuck")
        self.b.thaw()
        self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)

    def test_destination_that_is_dead_gives_the_guest_back(self):
        move_id = self.lose_destination_in_handover()
        self.b.kill9()
        self.b.end_guests()
        out = self.a.migrctl("move", "resolve", move_id, "--keep", "source", "--assert-dead", "b",
                             "--why", "its power is off")
        self.assertIn(move_id, out.stdout)
        self.world.wait_state(self.a, move_id, "failed")
        self.guest.assert_runs_on(self.a)
        notes = self.a.api.items(f"/v1/moves/{move_id}/timeline")
        self.assertTrue([n for n in notes if n["event"] == "resolved"
                         and "its power is off" in n["detail"] and "by=local" in n["detail"]], notes)
        # Back again, it drops what it may still have.
        self.b.start()
        self.assert_clean_soon(self.b, self.vm, move_id)
        self.guest.assert_runs_on(self.a)

    def test_source_that_is_dead_leaves_a_guest_that_waits(self):
        move_id = self.hold_in_transfer()
        self.b.freeze()
        self.let_go(move_id)
        self.world.wait_state(self.a, move_id, "handover", "stuck")
        self.eventually("the guest is complete", lambda: self.a.move_state(move_id)["reason"])
        self.a.kill9()
        self.a.end_guests()
        self.b.thaw()
        move = self.world.wait_state(self.b, move_id, "stuck")
        self.assertIn("--keep destination --assert-dead a", move["reason"])
        self.assertEqual(self.b.vm(self.guest.name)["state"], "incoming")
        self.b.migrctl("move", "resolve", move_id, "--keep", "destination", "--assert-dead", "a")
        self.world.wait_state(self.b, move_id, "done")
        self.guest.assert_runs_on(self.b)
