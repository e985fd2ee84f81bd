# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that hangs for good while a job has its VM: a stop ends it, and the job."""
import contextlib
import http.client
import os
import signal

from lib.long_form import only_full
from lib.world import SystemTest
from test_refresh import RefreshTest
from test_save import SaveCase

DIES_IN_STOP = "qmp.send.quit:crash"
SILENT = "does not answer (a stop of the VM ends it, and this job)"


class HungTest(SystemTest):
    def hang(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(self.go_on, pid)

    @staticmethod
    def go_on(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def wait_silent(self, job):
        self.eventually("the job says so", lambda: SILENT in self.a.api.get(job)["reason"], 30)

    def assert_stopped(self):
        vm = self.guest.vm(self.a)
        self.assertEqual((vm["state"], vm["pid"], vm["job"]), ("stopped", None, None))
        self.assertEqual(self.a.qemus(), [])

    def stop(self):
        self.a.api.post("/v1/vms/g1/stop")
        self.assert_stopped()

    def assert_starts_anew(self):
        self.guest.console.expect_reset()
        self.guest.start(self.a)
        self.guest.assert_runs_on(self.a)


class RefreshHungTest(RefreshTest, HungTest):
    def hang_in_rollback(self, plan=None):
        """A refresh that was cancelled, and cannot end."""
        self.start()
        if plan:
            self.a.restart_with_fault(plan)
        self.old = self.guest.vm(self.a)["pid"]
        job = self.begin(emulator=self.program("kill -STOP $$"))
        self.eventually("the new QEMU is there", lambda: self.a.children("bash"))
        self.hang(self.old)
        self.a.api.post(f"/v1/refreshes/{job}/cancel")
        self.wait_silent(f"/v1/refreshes/{job}")
        self.assertEqual(self.a.api.get(f"/v1/refreshes/{job}")["state"], "rollback")
        return job

    def test_stop_ends_the_old_qemu_of_a_rollback(self):
        job = self.hang_in_rollback()
        self.stop()
        self.wait_end(job, "cancelled")
        self.assert_starts_anew()
        self.refresh()

    # The guest is not let run by a record of before the stop.
    def test_coordinator_that_dies_in_the_stop_carries_it_out_when_qemu_goes_on(self):
        job = self.hang_in_rollback(DIES_IN_STOP)
        self.die_in_stop()
        self.go_on(self.old)
        self.a.start()
        self.wait_end(job, "cancelled")
        self.eventually("the stop is on record", lambda: self.guest.vm(self.a)["state"] == "stopped")
        self.assert_stopped()
        self.assert_starts_anew()

    # Nobody can prove by its monitor which QEMU this is; the kernel can.
    @only_full
    def test_coordinator_that_dies_in_the_stop_can_be_told_again(self):
        job = self.hang_in_rollback(DIES_IN_STOP)
        self.die_in_stop()
        self.a.start()
        self.assertEqual(self.guest.vm(self.a)["state"], "unreachable")
        self.stop()
        self.wait_end(job, "cancelled")
        self.assert_starts_anew()

    def die_in_stop(self):
        """The intent is on disk, and QEMU has not heard of it."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.a.api.post("/v1/vms/g1/stop")
        self.eventually("the end of the daemon", lambda: not self.a.is_up())
        self.a.kill9()

    def hang_in_switched(self):
        self.start()
        old = self.guest.vm(self.a)["pid"]
        with self.a.held_at("refresh.switched", self.begin) as job:
            (new,) = [pid for pid in self.a.qemus() if pid != old]
            self.hang(new)
        return job.result()

    def test_stop_ends_both_qemus_of_a_switched_refresh(self):
        job = self.hang_in_switched()
        self.wait_silent(f"/v1/refreshes/{job}")
        self.stop()
        error = self.wait_end(job, "failed")["error"]
        self.assertEqual(error["code"], "cancelled")
        self.assertIn("was stopped on request", error["detail"])
        self.assert_starts_anew()

    @only_full
    def test_stop_ends_a_switched_refresh_after_a_restart(self):
        job = self.hang_in_switched()
        self.a.kill9()
        self.a.start()
        self.assertEqual(self.guest.vm(self.a)["state"], "unreachable")
        self.stop()
        self.assertIn("was stopped on request", self.wait_end(job, "failed")["error"]["detail"])
        self.assert_starts_anew()
        self.guest.console.assert_single_runner()


class SaveHungTest(SaveCase, HungTest):
    def test_stop_ends_a_save_that_cannot_go_back(self):
        self.start()
        pid = self.guest.vm(self.a)["pid"]
        with self.a.held_at("save.out.transfer", self.begin_save) as answer:
            self.hang(pid)
        job = answer.result()
        self.a.api.post(f"/v1/saves/{job}/cancel")
        self.wait_silent(f"/v1/saves/{job}")
        self.stop()
        self.wait_end(job, "cancelled")
        self.assertEqual(self.names(), [])
        self.assertIsNone(self.guest.vm(self.a)["saved_in"])
        self.assert_starts_anew()

    # The record says that the guest is here, so the file is stale, and is not taken for its memory.
    def test_stop_ends_a_restored_guest_that_cannot_be_let_run(self):
        self.start()
        self.save()
        with self.a.held_at("save.in.run", self.begin_restore) as answer:
            (pid,) = self.a.qemus()
            self.hang(pid)
        job = answer.result()
        self.eventually("run", lambda: self.a.api.get(f"/v1/saves/{job}")["state"] == "run")
        self.stop()
        self.wait_end(job, "done")
        self.assertIsNone(self.guest.vm(self.a)["saved_in"])
        self.assert_refused(["stale"], self.begin_restore)
        self.assert_starts_anew()


class MoveHungTest(HungTest):
    def test_stop_ends_a_move_that_cannot_go_back(self):
        self.guest = self.world.guest()
        self.guest.start(self.a)
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=100_000)["id"]
        self.world.wait_flowing(self.a, move)
        self.hang(self.guest.vm(self.a)["pid"])
        self.world.cancel(self.a, move)
        self.eventually("rollback", lambda: self.a.move_state(move)["state"] == "rollback")
        self.stop()
        self.assertEqual(self.world.wait_state(self.a, move, "cancelled")["state"], "cancelled")
        self.eventually("no QEMU on b", lambda: not self.b.qemus())
        self.assert_starts_anew()
