# SPDX-License-Identifier: LGPL-2.1-or-later
"""A move that two hosts cannot decide: the reason is shown, the other host is asked again and
again, and a person may decide."""
from lib.world import SystemTest


class StuckTest(SystemTest):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"stuck_after_ms": 500})

    def setUp(self):
        super().setUp()
        self.guest = self.world.guest()
        self.guest.start(self.a)
        self.vm = self.guest.vm(self.a)

    def lose_destination_in_handover(self):
        """The destination's coordinator dies when go reaches it: all data is sent, but not
        answered."""
        self.b.restart_with_fault("api.peer.go:crash")
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        move = self.world.wait_state(self.a, move_id, "stuck")
        self.assertIn("--keep source --assert-dead b", move["reason"])
        return move_id

    # A person cannot decide for a host that is back.
    def test_destination_that_comes_back_ends_it(self):
        move_id = self.lose_destination_in_handover()
        self.b.start()
        self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(self.vm, move_id)

    # A resume by mistake could make a guest run twice.
    def test_resolve_wants_the_word_of_the_operator(self):
        move_id = self.lose_destination_in_handover()
        for body in ({"keep": "source"}, {"keep": "source", "assert_dead": "a"},
                     {"keep": "destination"}, {"keep": "destination", "assert_dead": "b"}):
            error = self.assert_api_error(409, "conflict", self.a.api.post,
                                          f"/v1/moves/{move_id}/resolve", body)
            self.assertIn("--assert-dead", error.body["detail"])
        self.assertEqual(self.a.move_state(move_id)["state"], "stuck")
        self.b.start()
        self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)

    def test_destination_that_is_dead_gives_the_guest_back(self):
        move_id = self.lose_destination_in_handover()
        self.b.end_guests()
        out = self.a.migrctl("move", "resolve", move_id, "--keep", "source", "--assert-dead", "b",
                             "--why", "its power is off")
        self.assertIn(move_id, out.stdout)
        self.world.wait_state(self.a, move_id, "failed")
        self.guest.assert_runs_on(self.a)
        notes = self.a.api.items(f"/v1/moves/{move_id}/timeline")
        self.assertTrue([n for n in notes if n["event"] == "resolved"
                         and "its power is off" in n["detail"] and "by=local" in n["detail"]], notes)
        # When it is back, the host drops what it may still have of the guest.
        self.b.start()
        self.b.assert_clean_soon(self.vm, move_id)
        self.guest.assert_runs_on(self.a)

    # The answer of the source to "what became of it" must not start a guest that was paused.
    def test_paused_guest_that_a_person_gave_to_the_destination_stays_paused(self):
        self.a.api.post("/v1/vms/g1/pause")
        move_id = self.lose_destination_in_handover()
        self.a.migrctl("move", "resolve", move_id, "--keep", "destination", "--assert-dead", "a")
        self.world.wait_state(self.a, move_id, "done")
        self.b.restart_with_fault("api.peer.settle:drop:times=0")    # so that the destination asks
        self.world.wait_state(self.b, move_id, "done")
        self.assertEqual(self.guest.vm(self.b)["state"], "paused")
        self.guest.console.assert_quiet()
        self.b.api.post("/v1/vms/g1/resume")
        self.guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(self.vm, move_id)

    def test_source_that_is_dead_leaves_a_guest_that_waits(self):
        move_id = self.lose_destination_in_handover()
        self.a.kill9()
        self.a.end_guests()
        self.b.start()
        move = self.world.wait_state(self.b, move_id, "stuck")
        self.assertIn("--keep destination --assert-dead a", move["reason"])
        self.assertEqual(self.b.vm(self.guest.name)["state"], "incoming")
        self.b.migrctl("move", "resolve", move_id, "--keep", "destination", "--assert-dead", "a")
        self.world.wait_state(self.b, move_id, "done")
        self.guest.assert_runs_on(self.b)
