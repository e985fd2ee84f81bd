# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves share what their hosts have: a budget of bandwidth by priority, and places."""
import re
import subprocess
import time

from lib.disks import Disk
from lib.long_form import only_full
from lib.world import SystemTest

MIB = 1 << 20
BUDGET = 10 * MIB      # little, so that a busy machine can send it
HOLD = {"hold": {"timeout_s": 600}}


class ShareTest(SystemTest):
    def guest(self, name, area=16):
        guest = self.world.guest(name, area=area, rate=0)
        guest.start(self.a, sweeps=0)
        return guest

    def held(self, guest, **options):
        """Begins a move that waits before memory is sent; its id."""
        move_id = self.world.begin_move(guest, self.a, self.b, **HOLD, **options)["id"]
        self.world.wait_move(self.a, move_id, lambda m: m["held"])
        return move_id

    def progress(self, move_id):
        return self.a.move_state(move_id)["progress"]

    def limits(self, *ids):
        return [round(self.progress(i).get("limit_bytes_per_s", 0) / MIB, 1) for i in ids]

    def wait_limits(self, ids, *mib):
        self.eventually(f"limits of {mib} MiB/s, not {self.limits(*ids)}",
                        lambda: self.limits(*ids) == list(mib))

    def metric(self, name):
        _, _, text = self.a.api.send("GET", "/metrics")
        return float(next(line.split()[-1] for line in text.decode().splitlines()
                          if line.startswith(f"{name} ")))

    def wire_bytes(self):
        """What went out of all streams to the other host, as the kernel counts it."""
        out = subprocess.run(["ss", "-Htin", "state", "established", "dport", "=",
                              f":{self.b.data_port}"], check=True, capture_output=True,
                             text=True).stdout
        return sum(int(n) for n in re.findall(r"bytes_acked:(\d+)", out))

    def held_by_budget(self, first, second):
        self.configure_move(self.a, bandwidth_budget_bytes_per_s=BUDGET)
        ids = self.held(first), self.held(second, priority="balancing")
        self.assertEqual(self.limits(ids[1]), [2], "a newcomer has its part at once")
        self.wait_limits(ids, 8, 2)
        return ids

    def test_two_moves_share_the_budget_by_priority(self):
        first, second = self.guest("g1", area=12), self.guest("g2", area=32)
        ids = self.held_by_budget(first, second)
        with self.subTest("by weight, and visible"):
            progress = self.progress(ids[0])
            self.assertEqual(progress["limit_why"],
                             "the host's budget of 10 MiB/s is shared by 2 moves")
            self.assertEqual(self.metric("migrd_bandwidth_budget_bytes_per_second"), BUDGET)
            self.assertEqual(self.metric('migrd_bandwidth_given_bytes_per_second{priority="balancing"}'),
                             self.progress(ids[1])["limit_bytes_per_s"])
            shown = self.a.migrctl("move", "show", ids[1]).stdout
            self.assertRegex(shown, r"priority +balancing")
            self.assertRegex(shown, r"limit now +2\.0 MiB/s")
            self.assertEqual(self.b.move_state(ids[1])["options"]["priority"], "balancing")
        with self.subTest("another priority"):
            answer = self.a.api.patch(f"/v1/moves/{ids[1]}", {"priority": "interactive"})
            self.assertEqual((answer["changed"], answer["options"]["priority"]),
                             (["priority"], "interactive"))
            self.assertIn("its part of this host's budget of 10 MiB", answer["did"])
            self.wait_limits(ids, 5, 5)
            self.world.wait_move(self.b, ids[1],
                                 lambda move: move["options"]["priority"] == "interactive")
            self.assertIn("priority 'balancing'", self.a.migrctl(
                "move", "set", ids[1], "--priority", "balancing").stdout)
            self.wait_limits(ids, 8, 2)
        with self.subTest("what is sent"):
            for move_id in reversed(ids):
                self.a.api.post(f"/v1/moves/{move_id}/release")
                self.world.wait_flowing(self.a, move_id)
            self.watch(*ids)
        for host in (self.a, self.b):
            for move_id in ids:
                self.world.wait_state(host, move_id, "done")
        first.assert_runs_on(self.b)
        second.assert_runs_on(self.b)

    @only_full
    def test_own_limit_reload_and_restart_share_anew(self):
        ids = self.held_by_budget(self.guest("g1", area=0), self.guest("g2", area=0))
        with self.subTest("another own limit: the answer tells what holds, the other gets the rest"):
            answer = self.a.api.patch(f"/v1/moves/{ids[0]}", {"bandwidth_bytes_per_s": 2 * MIB})
            self.assertEqual(answer["changed"], ["bandwidth_bytes_per_s"])
            self.assertEqual((answer["progress"]["limit_bytes_per_s"],
                              answer["progress"]["limit_why"]), (2 * MIB, "the request says so"))
            self.wait_limits(ids, 2, 8)
            answer = self.a.api.patch(f"/v1/moves/{ids[0]}", {"bandwidth_bytes_per_s": 500 * MIB})
            self.assertEqual(answer["options"]["bandwidth_bytes_per_s"], 500 * MIB)
            self.assertIn("budget", answer["progress"]["limit_why"])
            self.wait_limits(ids, 8, 2)
        with self.subTest("the other host lets less come"):
            self.configure_move(self.b, bandwidth_budget_in_bytes_per_s=BUDGET // 2)
            self.wait_limits(ids, 4, 1)
            self.assertEqual(self.progress(ids[1])["limit_why"],
                             "host 'b' lets no more come, by a budget of its own")
            self.assertEqual(self.b.move_state(ids[1])["progress"]["limit_why"],
                             "the host's budget of 5.0 MiB/s is shared by 2 moves")
            self.configure_move(self.b)
            self.wait_limits(ids, 8, 2)
        with self.subTest("a reload, a restart"):
            self.configure_move(self.a, bandwidth_budget_bytes_per_s=BUDGET // 2)
            self.wait_limits(ids, 4, 1)
            self.a.kill9()
            self.a.start()
            self.wait_limits(ids, 4, 1)
            self.configure_move(self.a)
            self.assertEqual(self.limits(*ids), [500, 0])
        for move_id in ids:
            self.world.cancel(self.a, move_id)

    # All that goes out counts, and a guest that has gone over before its memory is not held back.
    @only_full
    def test_budget_holds_disks_and_not_a_guest_that_waits_for_its_memory(self):
        self.configure_move(self.a, bandwidth_budget_bytes_per_s=BUDGET // 2)
        with self.subTest("disks"):
            guest = self.world.guest("g1", area=0, disks=[Disk("data", 32, "raw", area=4, data=24, rate=0)])
            guest.start(self.a, sweeps=0)
            move_id = self.world.begin_move(guest, self.a, self.b)["id"]
            self.world.wait_move(self.a, move_id, lambda m: m["state"] == "transfer")
            began, sent, took = time.monotonic(), 0, 0
            while self.a.move_state(move_id)["state"] == "transfer":
                sent, took = self.wire_bytes(), time.monotonic() - began
            self.note(f"{sent / took / MIB:.1f} MiB/s of {BUDGET / 2 / MIB:.0f} in {took:.1f} s")
            self.assertLess(sent, BUDGET / 2 * 1.1 * took + MIB)
            self.assertGreater(took, 4)
            self.world.wait_state(self.b, move_id, "done")
            guest.assert_runs_on(self.b)
        with self.subTest("post-copy"):
            guest = self.guest("g2", area=32)
            self.world.move(guest, self.a, self.b, postcopy={"start": "at-once"}, timeout=30)
            guest.assert_runs_on(self.b)

    def watch(self, first, second):
        """Until the first has ended: together they send no more than the budget, and the first
        gets more; then the other gets all of it."""
        def parts():
            return [self.progress(i)["ram_transferred_bytes"] for i in (first, second)]
        began, before, sent_before = time.monotonic(), self.wire_bytes(), parts()
        sent = took = 0
        while self.a.move_state(first)["state"] == "transfer":
            sent, took = self.wire_bytes() - before, time.monotonic() - began
            of = [now - then for now, then in zip(parts(), sent_before)]
        self.note(f"{sent / took / MIB:.1f} MiB/s of {BUDGET / MIB:.0f} in {took:.1f} s, "
                  f"{of[0] / MIB:.1f} and {of[1] / MIB:.1f} MiB")
        self.assertLess(sent, BUDGET * 1.1 * took + MIB)
        self.assertGreater(of[0], of[1])
        self.wait_limits([second], 10)

    # What is refused for want of a place is taken when there is one.
    def test_more_moves_than_places_are_refused_and_taken_later(self):
        self.configure_move(self.b, in_max=1)
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
        self.world.cancel(self.a, held)
        self.world.move(second, self.a, self.b)
        second.assert_runs_on(self.b, sweeps=0)
        first.assert_runs_on(self.a, sweeps=0)
