# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves that are held before memory is sent."""
import os
import signal
import time

from lib import settings
from lib.disks import Disk
from lib.long_form import only_full
from lib.world import SystemTest

DISK = {"disk_id": "data", "mib": 16, "format": "qcow2", "area": 4, "rate": 8, "data": 4}


class HoldTest(SystemTest):
    def begin(self, timeout_s=600, then="cancel", **options):
        if not self.world.guests:
            self.guest = self.world.guest(**options)
            self.guest.start(self.a)
        hold = {"timeout_s": timeout_s, "then": then}
        return self.world.begin_move(self.guest, self.a, self.b, hold=hold)["id"]

    def wait_held(self, move_id):
        self.eventually("the hold", lambda: self.a.api.get(f"/v1/moves/{move_id}")["held"],
                        settings.seconds(30))

    def assert_held(self, move_id):
        self.eventually("what to do", lambda: f"migrctl move release {move_id}" in
                        self.a.api.get(f"/v1/moves/{move_id}")["reason"])
        move = self.a.api.get(f"/v1/moves/{move_id}")
        self.assertEqual((move["state"], move["held"], move["progress"]["ram_transferred_bytes"]),
                         ("transfer", True, 0))
        self.guest.assert_runs_on(self.a)

    def test_held_move_waits_over_restarts_and_goes_on_when_released(self):
        move_id = self.begin(disks=[Disk(**DISK)])
        self.wait_held(move_id)
        self.assert_held(move_id)
        for host in (self.a, self.b):
            host.kill9()
            host.start()
            self.wait_held(move_id)
            self.assert_held(move_id)
        shown = self.a.migrctl("move", "show", move_id).stdout
        self.assertRegex(shown, r"held until +20\d\d-")
        self.assertRegex(self.a.migrctl("move", "release", "g1").stdout, "state +transfer")
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.assert_api_error(409, "too-late", self.a.api.post, f"/v1/moves/{move_id}/release")

    def test_held_move_is_cancelled_at_once(self):
        move_id = self.begin()
        self.wait_held(move_id)
        self.a.migrctl("move", "cancel", move_id)
        self.world.wait_state(self.a, move_id, "cancelled")
        self.guest.assert_runs_on(self.a)
        self.eventually("nothing is left there", lambda: not self.b.api.items("/v1/vms"))

    # With nothing on its way only the coordinators see that a process has ended.
    def test_process_that_ends_while_a_move_is_held_ends_the_move(self):
        for processes in (self.b.qemus, self.a.streams, self.b.streams):
            move_id = self.begin()
            self.wait_held(move_id)
            victim, = processes()
            os.kill(victim, signal.SIGKILL)
            self.world.wait_state(self.a, move_id, "failed")
            self.guest.assert_runs_on(self.a)
            self.eventually("nothing is left there", lambda: not self.b.api.items("/v1/vms"), 30)

    def test_what_happens_when_nobody_releases_it(self):
        move_id = self.begin(timeout_s=1)
        error = self.world.wait_state(self.a, move_id, "cancelled")["error"]
        self.assertIn("held for 1 s before memory was sent, and nobody released it", error["detail"])
        self.guest.assert_runs_on(self.a)
        move_id = self.begin(timeout_s=1, then="release")
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)

    def test_hold_up_to_a_moment(self):
        self.guest = self.world.guest(area=0)
        self.guest.start(self.a)
        soon = time.localtime(time.time() + 120)
        begun = self.a.migrctl("move", "start", "g1", "--to", "b", "--hold-until",
                               time.strftime("%H:%M", soon), "--hold-then", "cancel")
        move_id = begun.stdout.split()[1].rstrip(":")
        self.wait_held(move_id)
        move = self.a.move_state(move_id)
        self.assertEqual(move["held_until"][:17],
                         time.strftime("%Y-%m-%dT%H:%M:", time.gmtime(time.mktime(soon))))
        self.assertEqual(move["options"]["hold"]["then"], "cancel")
        self.world.cancel(self.a, move_id)
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3))
        move_id = self.world.begin_move(self.guest, self.a, self.b, hold={"until": moment})["id"]
        self.world.wait_state(self.a, move_id, "done")
        self.assertGreaterEqual(time.time(), int(now) + 3)
        self.guest.assert_runs_on(self.b)

    # The destination takes no byte for longer than offer_timeout_ms.
    @only_full
    def test_destination_waits_for_a_held_move(self):
        self.b.kill9()
        self.b.write_config(move={"offer_timeout_ms": 15000})
        self.b.start()
        move_id = self.begin(timeout_s=17, then="release")
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)

    def test_bad_holds_are_refused(self):
        self.guest = self.world.guest(area=0)
        self.guest.start(self.a)
        for hold, words in (({}, "timeout_s"), ({"timeout_s": 0}, "timeout_s"),
                            ({"timeout_s": 604801}, "timeout_s"),
                            ({"timeout_s": 1, "then": "wait"}, "then"),
                            ({"timeout_s": 1, "until": "2036-01-01T00:00:00Z"}, "one of the two"),
                            ({"until": "tomorrow"}, "no moment"),
                            ({"until": "2026-01-01T00:00:00Z"}, "past"),
                            ({"until": "2096-01-01T00:00:00Z"}, "earlier moment")):
            error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/moves",
                                          {"vm": "g1", "to": "b", "hold": hold})
            self.assertIn(words, str(error))
        self.assertEqual(self.a.moves(), [])
        self.assert_move_refused(self.guest, self.a, self.b, "hold_max_s", "conflict",
                                 hold={"timeout_s": 86401})
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        self.assert_api_error(409, "conflict", self.a.api.post, f"/v1/moves/{move_id}/release")
