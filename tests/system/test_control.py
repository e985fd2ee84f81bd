# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user may do with a move that runs, and what each answer says that it did."""
import contextlib
import os
import re
import signal

from lib import settings
from lib.qmp import Qmp
from lib.world import SystemTest

SLOW = 12 << 20     # bytes/s: less than the guest changes, and a pass takes two seconds
FAST_GUEST = {"area": 24, "rate": 48, "static": 4, "memory_mib": 64}
# What is left when it is stopped takes a while also without a limit.
LARGE_GUEST = {"area": 96, "rate": 64, "static": 4, "memory_mib": 160}


class ControlTest(SystemTest):
    def begin(self, guest=None, **options):
        if not self.world.guests:
            self.guest = self.world.guest(**(guest or FAST_GUEST))
            self.guest.start(self.a)
            for name, policy in {"long": {"deadline_s": 600, "downtime_limit_ms": 1,
                                          "downtime_ceiling_ms": 2},
                                 "pause": {"deadline_s": 2, "timeout": "pause"}}.items():
                self.a.api.call("PUT", f"/v1/policies/{name}", {"name": name, **policy})
        return self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=SLOW,
                                     **{"policy": "long", **options})["id"]

    def wait_sending(self, move_id):
        self.world.wait_move(self.a, move_id,
                             lambda move: move["progress"]["ram_transferred_bytes"] > 4 << 20)

    def entries(self, move_id, event):
        return [item["detail"] for item in self.a.api.items(f"/v1/moves/{move_id}/timeline")
                if item["event"] == event]

    def test_finish_says_what_it_does_and_what_it_costs(self):
        move_id = self.begin(hold={"timeout_s": 600})
        finish = f"/v1/moves/{move_id}/finish"
        self.eventually("the hold", lambda: self.a.move_state(move_id)["held"], settings.seconds(30))
        self.assertIn(f"migrctl move release {move_id}", str(self.assert_api_error(
            409, "conflict", self.a.api.post, finish)))
        self.assertIn("ask host 'a'", str(self.assert_api_error(
            409, "conflict", self.b.api.post, finish)))
        self.assertIn("memory is sent now", self.a.api.post(f"/v1/moves/{move_id}/release")["did"])
        self.wait_sending(move_id)
        answer = self.a.api.post(finish)
        # Before the end of a pass it may not be known yet how fast it goes.
        self.assertRegex(answer["did"], r"for 2 ms from now on, .*: \d+ MiB are left( at \d+ MiB/s, "
                         r"which takes about \d+ ms or less, .*, so not yet: `force' stops|, .* not known yet)")
        self.assertEqual("not known yet" in answer["did"], answer["stop_ms"] == 0)
        self.assertEqual(answer["state"], "transfer")
        said = self.a.migrctl("move", "set", "g1", "--bandwidth", str(SLOW + 1)).stdout
        self.assertIn(f"passed on to QEMU and the stream: {SLOW >> 20} MiB/s at most",
                      re.sub(r"\s+", " ", said))
        said = self.a.migrctl("move", "finish", "g1", "--force").stdout
        self.assertIn("stops the guest at its next chance", re.sub(r"\s+", " ", said))
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)
        requests = self.entries(move_id, "finish-requested")
        self.assertRegex(requests[0], "^by .+: the guest may stand still for 2 ms")
        self.assertRegex(requests[1], "^by .+, by force: QEMU is told")
        self.assertEqual([re.search(r"\((\w+)\)", note)[1] for note in self.entries(move_id, "granted")],
                         ["limit", "force"])
        self.assert_api_error(409, "too-late", self.a.api.post, finish)
        self.assert_api_error(404, "not-found", self.a.api.post, "/v1/moves/x/finish")

    def test_wish_for_the_end_outlives_the_coordinator(self):
        move_id = self.begin()
        self.wait_sending(move_id)
        self.b.kill9()
        self.eventually("the wait for b", lambda: "waits" in self.a.move_state(move_id)["reason"], 30)
        answer = self.a.api.post(f"/v1/moves/{move_id}/finish", {"force": True})
        self.assertIn("as soon as both hosts can finish the move again", answer["did"])
        self.guest.assert_runs_on(self.a)
        self.a.kill9()
        for host in (self.b, self.a):
            host.start()
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.assertRegex(self.entries(move_id, "granted")[0], r"\(force\)")

    def wait_standing(self, move_id):
        """Much is left, and the destination's QEMU does not take it: the source's is deaf."""
        with contextlib.closing(Qmp(self.a, self.guest.vm(self.a)["uuid"])) as monitor:
            self.wait_sending(move_id)
            monitor.wait_event("STOP")
            arriving, = self.b.qemus()
            os.kill(arriving, signal.SIGSTOP)
        self.world.wait_state(self.a, move_id, "handover")

    def test_guest_that_its_policy_has_paused_is_called_back(self):
        move_id = self.begin(LARGE_GUEST, policy="pause")
        self.wait_standing(move_id)
        self.assertTrue(self.a.move_state(move_id)["can_cancel"])
        answer = self.world.cancel(self.a, move_id)
        self.assertEqual((answer["cancelled"], answer["owner"]), (True, "a"))
        self.assertIn("where it was", answer["detail"])
        self.guest.assert_runs_on(self.a)
        self.eventually("nothing is left there", lambda: not self.b.api.items("/v1/vms"), 30)

    def test_guest_of_a_coordinator_that_stays_away_runs_on(self):
        impatient = self.a.dir / "impatient-stream"     # the others wait for eight seconds
        impatient.write_text(f"#!/bin/sh\nexec '{settings.program('migrd-stream')}' \"$@\" --stand-ms 500\n",
                             encoding="utf-8")
        impatient.chmod(0o700)
        self.a.write_config(move={"stream_program": impatient})
        # The lease on the data ends with it, so that the rest waits.
        self.a.restart_with_fault("qmp.event.STOP:crash")
        move_id = self.begin({**LARGE_GUEST, "area": 40, "memory_mib": 96}, policy="pause")
        self.eventually("the crash", lambda: not self.a.is_up(), 30)
        log = self.a.run_dir / "moves" / move_id / "stream.log"
        self.eventually("the stream's decision", lambda: "event=let-go" in log.read_text("utf-8"), 30)
        self.guest.console.wait_line(20, "a")
        self.a.start()
        move = self.world.wait_state(self.a, move_id, "failed")
        self.assertEqual(move["error"]["code"], "unavailable")
        self.assertIn("this coordinator was away while the guest stood still", move["error"]["detail"])
        self.world.wait_state(self.b, move_id, "failed")
        self.guest.assert_runs_on(self.a)

    def test_what_cannot_be_changed_is_refused_with_the_reason(self):
        move_id = self.begin()
        self.wait_sending(move_id)
        error = self.assert_api_error(400, "invalid", self.a.api.patch, f"/v1/moves/{move_id}",
                                      {"multifd": {"channels": 4}, "postcopy": {}, "bandwidth_bytes_per_s": 0})
        self.assertIn("neither opens nor closes one later", str(error))
        self.assertIn("QEMU is told of post-copy before it sends", str(error))
        self.assertEqual(self.a.move_state(move_id)["options"]["bandwidth_bytes_per_s"], SLOW)
        self.world.cancel(self.a, move_id)
        self.world.wait_state(self.a, move_id, "cancelled")
        self.guest.assert_runs_on(self.a)
