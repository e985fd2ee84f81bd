# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers take turns at a VM's monitor: with a QEMU that hangs, and during a move."""
import os
import signal
import threading
import time

from lib import settings
from lib.world import SystemTest


class Call(threading.Thread):
    """A request that is under way; .result() returns its status and body."""

    def __init__(self, host, path, headers=None):
        super().__init__(daemon=True)
        self.host, self.path, self.answer, self.seconds = host, path, None, None
        self.headers = headers
        self.start()

    def run(self):
        began = time.monotonic()
        self.answer = self.host.api.send("POST", self.path, headers=self.headers, timeout=60)
        self.seconds = time.monotonic() - began

    def result(self):
        self.join(60)
        return self.answer[0], self.answer[2]


class HungQemuTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.guest = self.world.guest(area=0)
        self.guest.start(self.a)
        self.pid = self.guest.vm(self.a)["pid"]

    def hang(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.addCleanup(self.go_on)

    def go_on(self):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def monitor(self):
        return self.guest.vm(self.a)["monitor"]

    def begin(self, action, waiting, **headers):
        """Starts ACTION, and waits until QEMU has its command (WAITING 0) or it is the last in the
        queue."""
        call = Call(self.a, f"/v1/vms/g1/{action}", headers)
        self.eventually(f"{action} in its place", lambda: self.is_in_place(waiting))
        return call

    def is_in_place(self, waiting):
        monitor = self.monitor()
        return (monitor["holder"] or {}).get("command") and monitor["waiting"] == waiting

    def test_key_of_a_command_that_went_under_with_its_qemu_is_not_free(self):
        key = {"Idempotency-Key": "k1"}
        self.hang()
        call = self.begin("reset", 0, **key)
        os.kill(self.pid, signal.SIGKILL)
        status, problem = call.result()
        self.assertEqual((status, problem["code"]), (503, "unavailable"))
        status, _, problem = self.a.api.send("POST", "/v1/vms/g1/reset", headers=key)
        self.assertEqual((status, problem["code"], problem["retry"]), (409, "conflict", False))
        self.assertIn("whether it was done is not known", problem["detail"])
        self.assertIn("with a new key", problem["detail"])

        # What was refused before anything was begun is no such thing.
        key = {"Idempotency-Key": "k2"}
        status, _, problem = self.a.api.send("POST", "/v1/vms/g1/reset", headers=key)
        self.assertEqual((status, problem["code"]), (409, "conflict"))
        self.assertIn("cannot reset", problem["detail"])
        self.a.api.post("/v1/vms/g1/start")
        self.assertEqual(self.a.api.send("POST", "/v1/vms/g1/reset", headers=key)[0], 200)

    def test_second_action_waits_then_names_the_holder(self):
        self.hang()
        first = self.begin("pause", 0)
        second = self.begin("reset", 1)
        with self.subTest("what is shown never waits"):
            began = time.monotonic()
            holder = self.monitor()["holder"]
            jobs = self.a.api.get("/v1/jobs")["items"]
            shown = self.a.migrctl("vm", "show", "g1").stdout
            self.assertLess(time.monotonic() - began, 4.5)     # the other waits for 5 s
            self.assertEqual((holder["kind"], holder["command"]), ("pause", "stop"))
            self.assertEqual([(job["id"], job["kind"], job["vm"], job["waiting"]) for job in jobs],
                             [(holder["id"], "pause", "g1", 1)])
            self.assertIn("pause", shown)
        status, problem = second.result()
        self.assertEqual((status, problem["code"]), (409, "busy"))
        self.assertIn(f"'pause' (sync job {holder['id']}, in QEMU's stop) has held its monitor for",
                      problem["detail"])
        self.assertIn("gave up after 5.0 s", problem["detail"])
        self.assertGreater(second.seconds, 4.9)
        self.assertLess(second.seconds, settings.seconds(8))
        self.go_on()
        self.assertEqual(first.result()[0], 200)
        self.assertEqual(self.monitor(), {"holder": None, "waiting": 0})

    def test_waiting_actions_are_carried_out_in_order_when_it_goes_on(self):
        self.hang()
        calls = [self.begin(action, i) for i, action in enumerate(("pause", "resume", "pause"))]
        self.go_on()
        self.assertEqual([call.result()[0] for call in calls], [200, 200, 200])
        self.assertEqual([call.result()[1]["state"] for call in calls],
                         ["paused", "running", "paused"])

    def test_waiting_actions_are_answered_at_once_when_it_dies(self):
        self.hang()
        first = self.begin("pause", 0)
        second = self.begin("reset", 1)
        os.kill(self.pid, signal.SIGKILL)
        # QEMU's sockets close before its end is noticed: in between only the monitor is missing.
        self.assertIn(second.result()[1]["code"], ("conflict", "unavailable"))
        self.assertEqual(first.result()[0], 503)
        self.assertLess(second.seconds, 4.9)
        self.eventually("its end seen", lambda: self.guest.vm(self.a)["state"] == "crashed")
        self.assertEqual(self.guest.start(self.a)["state"], "running")


    # Nothing that QEMU could answer matters to a stop, and it may never answer.
    def test_stop_does_not_wait_for_what_it_does_not_answer(self):
        self.hang()
        first = self.begin("pause", 0)
        second = self.begin("reset", 1)
        began = time.monotonic()
        self.assertEqual(self.a.api.post("/v1/vms/g1/stop")["state"], "stopped")
        self.assertLess(time.monotonic() - began, settings.seconds(4.5))
        self.assertEqual(first.result()[0], 503)
        self.assertEqual(second.result()[1]["code"], "conflict")
        self.assertEqual(self.a.qemus(), [])
        self.assertEqual(self.guest.start(self.a)["state"], "running")


class BesideMoveTest(SystemTest):
    def test_questions_and_pause_are_borne_and_nothing_that_changes_or_ends_the_guest(self):
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=100_000)["id"]
        self.world.wait_flowing(self.a, move)
        self.assertEqual(self.a.api.post("/v1/vms/g1/pause")["state"], "paused")
        self.assertEqual(self.a.api.post("/v1/vms/g1/resume")["state"], "running")
        command = "/v1/vms/g1/monitor"
        status = self.a.api.post(command, {"protocol": "qmp", "command": {"execute": "query-status"}})
        self.assertEqual(status["return"]["status"], "running")
        self.assert_api_error(409, "busy", self.a.api.post, command,
                              {"protocol": "hmp", "command": "balloon 64"})
        for action in ("reset", "stop", "shutdown"):
            with self.subTest(action):
                error = self.assert_api_error(409, "busy", self.a.api.post, f"/v1/vms/g1/{action}")
                self.assertIn(f"job {move} (MIGRATION_OUT) has held it for", error.body["detail"])
        self.a.api.patch(f"/v1/moves/{move}", {"bandwidth_bytes_per_s": 0})
        self.assertEqual(self.world.wait_state(self.a, move, "done")["state"], "done")
        guest.assert_runs_on(self.b)
