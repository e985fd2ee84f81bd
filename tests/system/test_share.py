# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves share what their hosts have: places."""
import os
import signal

from lib.world import SystemTest

HOLD = {"hold": {"timeout_s": 600}}


class ShareTest(SystemTest):
    def configure(self, host, **move):
        """Takes over another section `move' without a restart."""
        host.write_config(move=move)
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        answer = self.eventually("the reload is over", lambda: (
            (found := host.api.get("/v1/host").get("reload")) and found["at"] != before and found))
        self.assertTrue(answer["ok"], answer)

    def guest(self, name, area=32):
        guest = self.world.guest(name, area=area, rate=0)
        guest.start(self.a, sweeps=0)
        return guest

    def held(self, guest, **options):
        """Begins a move that waits before memory is sent; its id."""
        move_id = self.world.begin_move(guest, self.a, self.b, **HOLD, **options)["id"]
        self.world.wait_move(self.a, move_id, lambda m: m["held"])
        return move_id

    # What is refused for want of a place is taken when there is one.
    def test_more_moves_than_places_are_refused_and_taken_later(self):
        self.configure(self.b, in_max=1)
        first, second = self.guest("g1", area=0), self.guest("g2", area=0)
        held = self.held(first)
        words = "1 of the 1 places for moves to host 'b' are taken"
        self.assert_move_refused(second, self.a, self.b, "limit", words, "in_max")
        with self.subTest("a dry run says the same"):
            trial = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g2", "to": "b"})
            self.assertFalse(trial["possible"])
            self.assertIn("places", [reason["check"] for reason in trial["reasons"]])
        with self.subTest("a restart of the destination"):
            self.b.kill9()
            self.b.start()
            self.assert_move_refused(second, self.a, self.b, words)
        self.a.api.post(f"/v1/moves/{held}/cancel")
        self.world.move(second, self.a, self.b)
        second.assert_runs_on(self.b, sweeps=0)
        first.assert_runs_on(self.a, sweeps=0)
