# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who asks for an evacuation too late, and what it takes back."""
import datetime
import time

from test_evacuation import HELD, EvacuationBase


class EvacuationStaysTest(EvacuationBase):
    def test_cordon_is_kept_by_who_aborts_one_that_has_not_begun(self):
        evac = self.begin(approval=True)
        self.wait(evac, "waiting")
        self.ask(evac, "abort", keep_cordon=True)
        self.wait(evac, "aborted")
        self.assertTrue(self.a.api.get("/v1/host")["cordoned"])
        self.a.api.post("/v1/host/uncordon")

    # Its window has passed, and its end is being written.
    def test_request_that_comes_while_the_end_is_written_is_refused(self):
        self.a.restart_with_fault("store.evacuation.aborted.before:delay:ms=3000")
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        evac = self.begin(approval=True, window_until=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.wait(evac, "waiting")
        left = soon.replace(microsecond=0) - datetime.datetime.now(datetime.timezone.utc)
        time.sleep(max(0, left.total_seconds()) + 0.5)
        refused = self.assert_api_error(409, "conflict", self.begin, requester="late")
        self.assertIn("ask again when it has ended", refused.body["detail"])
        self.assertEqual(len(self.wait(evac, "aborted")["requests"]), 1)

    # The entry has ended, and the evacuation has not noted it.
    def test_entry_that_was_taken_back_is_known_after_a_crash(self):
        self.a.restart_with_fault("queue.cancelled:crash")
        self.run_guests(1)
        evac = self.begin(move=HELD)
        self.wait_vm(evac, "g0", "moving")
        self.ask(evac, "pause", moves="cancel", why="lunch")
        self.eventually("the crash", lambda: not self.a.is_up())
        self.a.start()
        self.assertIn("was taken back", self.wait_vm(evac, "g0", "waiting")["why"])
        self.ask(evac, "resume")
        self.wait_vm(evac, "g0", "moving")
        self.ask(evac, "abort", moves="cancel")
        self.wait(evac, "aborted")
        self.assertEqual(set(self.assert_all_run().values()), {self.a})
