# SPDX-License-Identifier: LGPL-2.1-or-later
"""Policies: what is done with a guest that changes its memory faster than it is sent."""
import json
import re

from lib.long_form import only_full
from lib.world import SystemTest

SLOW = 12 << 20     # bytes/s: less than the guest changes, and a pass takes two seconds
# Writes 24 MiB again and again.
FAST_GUEST = {"area": 24, "rate": 48, "static": 4, "memory_mib": 64}
# The same with passes of a second.
SHORT_GUEST = {**FAST_GUEST, "area": 12}
# So much is left of a pass that QEMU cannot have sent it all, without a limit, before it is told to
# go over.
LONG_GUEST = {**FAST_GUEST, "area": 128, "rate": 128, "memory_mib": 192}
SHORT_S = 3         # a deadline: two passes, and less than what the rules need for three
LONG_S = 60         # the rules end the move before


class ConvergeTest(SystemTest):
    # ---- what the tests are made of ------------------------------------------

    def policy(self, **settings):
        self.a.api.call("PUT", "/v1/policies/test", {"name": "test", **settings})

    def begin(self, guest=FAST_GUEST, **options):
        self.guest = self.world.guest(**guest)
        self.guest.start(self.a)
        return self.world.begin_move(self.guest, self.a, self.b, policy="test",
                                     bandwidth_bytes_per_s=SLOW, **options)["id"]

    def entries(self, move_id, event="decided"):
        return [item["detail"] for item in self.a.api.items(f"/v1/moves/{move_id}/timeline")
                if item["event"] == event]

    def decided(self, move_id, event="decided"):
        """What was decided, in order."""
        return [re.search(r"\((\w+)\): ", note)[1] for note in self.entries(move_id, event)]

    def assert_arrives(self, move_id):
        move = self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.assertIsNone(self.guest.vm(self.b)["job"])
        self.a.assert_clean_soon(self.guest.vm(self.b), move_id)
        return move

    def assert_page_says(self, move_id, decision):
        """What the policy decided is on the page of the move, in its words."""
        self.assertIn(f"Policy 'test' decided in the end: {decision}",
                      self.a.migrctl("move", "show", move_id).stdout)

    # ---- the deadline --------------------------------------------------------

    def test_cancel_at_the_deadline_leaves_the_guest_and_says_why(self):
        self.policy(deadline_s=SHORT_S)
        move_id = self.begin(SHORT_GUEST)
        move = self.world.wait_state(self.a, move_id, "failed")
        self.assertEqual(move["error"]["code"], "timeout")
        self.assertRegex(move["error"]["detail"], r"not over at its deadline, after 3 s: the last pass "
                         r"left \d+ MiB, the guest changes \d+ MiB/s, and \d+ MiB/s are sent")
        self.assertIn(move["error"]["detail"], self.a.migrctl("move", "show", move_id).stdout.replace(
            "\n", " "))
        self.assertEqual(self.decided(move_id), ["cancel"])
        self.assert_page_says(move_id, "the transfer was not over at its deadline, after 3 s.")
        self.guest.assert_runs_on(self.a)
        self.world.wait_state(self.b, move_id, "failed")
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)

    def test_force_at_the_deadline_ends_it(self):
        self.policy(deadline_s=SHORT_S, timeout="force")
        move_id = self.begin(SHORT_GUEST)
        self.assert_arrives(move_id)
        self.assertEqual(self.decided(move_id), ["force"])

    def test_post_copy_at_the_deadline_ends_it(self):
        self.policy(deadline_s=2 * SHORT_S, timeout="postcopy", postcopy="manual")
        move_id = self.begin(LONG_GUEST)
        self.assert_arrives(move_id)
        self.assertEqual(self.decided(move_id), ["postcopy"])
        self.assertIn("postcopy-active", json.dumps(self.entries(move_id, "MIGRATION")))

    # ---- before it -------------------------------------------------------------

    @only_full
    def test_throttle_lets_it_end(self):
        self.policy(throttle_max_percent=90, deadline_s=LONG_S)
        move_id = self.begin()
        seen = self.world.wait_move(
            self.a, move_id, lambda m: m["final"] or m["progress"]["throttle_percent"] >= 20)
        self.assertFalse(seen["final"], seen)
        self.assert_arrives(move_id)
        self.assertEqual(set(self.decided(move_id)), {"throttle"})

    def test_post_copy_comes_when_all_else_did_not_help(self):
        self.policy(postcopy="if-needed", deadline_s=LONG_S)
        move_id = self.begin()
        self.assert_arrives(move_id)
        self.assertEqual(self.decided(move_id), ["postcopy"])
        self.assert_page_says(move_id, "the guest goes over by post-copy, and its memory follows.")

    def test_limit_is_raised_up_to_the_ceiling(self):
        self.policy(downtime_ceiling_ms=5000, deadline_s=LONG_S)
        move_id = self.begin()
        self.assert_arrives(move_id)
        self.assertEqual(set(self.decided(move_id)), {"limit"})
        passes = self.a.api.items(f"/v1/moves/{move_id}/passes")
        self.assertTrue([row for row in passes
                         if row["decision"].startswith("the guest may stand still for")], passes)

    def test_policy_that_observes_only_says_what_it_would_do(self):
        self.policy(throttle_max_percent=30, deadline_s=7, observe=True)
        move_id = self.begin(SHORT_GUEST)
        event = "would-have-decided"
        self.eventually("what would be decided", lambda: "cancel" in self.decided(move_id, event), 30)
        self.assertEqual(self.decided(move_id, event), ["throttle", "cancel"])
        self.assertEqual(self.decided(move_id), [])
        move = self.a.move_state(move_id)
        self.assertEqual((move["state"], move["progress"]["throttle_percent"]), ("transfer", 0))
        self.world.cancel(self.a, move_id)
        self.world.wait_state(self.a, move_id, "cancelled")
        self.guest.assert_runs_on(self.a)

    # ---- a restart ---------------------------------------------------------------

    def test_restarted_coordinator_goes_on(self):
        self.policy(throttle_max_percent=90, deadline_s=LONG_S)
        move_id = self.begin(SHORT_GUEST)
        self.eventually("a decision", lambda: self.entries(move_id), 30)
        self.a.kill9()
        self.a.start()
        self.assert_arrives(move_id)
        self.assertEqual(set(self.decided(move_id)), {"throttle"})

    def test_guest_that_a_dead_coordinator_has_had_stopped_arrives(self):
        self.policy(deadline_s=SHORT_S, timeout="pause")
        self.a.restart_with_fault("qmp.event.STOP:crash")
        move_id = self.begin(SHORT_GUEST)
        self.eventually("the crash", lambda: not self.a.is_up(), 30)
        self.a.start()
        self.assert_arrives(move_id)
