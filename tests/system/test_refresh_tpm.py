# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with a TPM goes on in a new QEMU, or in the old one, with its keys; no others are left."""
import contextlib
import http.client
import os
import signal
import unittest

from lib import settings
from lib.api import ApiError
from lib.long_form import only_full
from lib.uefi import Uefi
from lib.world import SystemTest

WAYS = ("cpr-transfer", "stream") if settings.qemu_major() >= 10 else ("stream",)


class RefreshTpmTest(SystemTest):
    timeout_seconds = 240

    # ---- what the tests are made of --------------------------------------------

    def boot(self, model="tpm-crb"):
        self.guest = Uefi(self, disk=False, tpm={"model": model}, memory_share=True)
        self.guest.start(self.a)
        self.guest.assert_ticks()

    def begin(self, way=WAYS[0]):
        return self.a.api.post("/v1/vms/u1/refresh", {"way": way})["id"]

    def wait_end(self, job, *states):
        def ended():
            refresh = self.a.api.get(f"/v1/refreshes/{job}")
            return refresh if refresh["final"] else None
        refresh = self.eventually("the end of the job", ended, 60)
        self.assertIn(refresh["state"], states, refresh)
        return refresh

    def pid(self):
        return self.guest.vm(self.a)["pid"]

    def names(self, directory):
        return sorted(path.name for path in directory.iterdir())

    def assert_one_of_each(self, host):
        """One QEMU, one swtpm, and one state of the same name, of which nobody else can read."""
        places = self.names(host.run_dir / "vms")
        self.assertEqual((len(host.qemus()), len(places)), (1, 1))
        self.eventually("one state is left", lambda: self.names(host.tpm_dir) == places)
        self.eventually("one swtpm is left", lambda: len(host.children("swtpm")) == 1)
        state = host.tpm_dir / places[0]
        self.assertEqual(state.stat().st_mode & 0o777, 0o700)
        self.assertGreater((state / "tpm2-00.permall").stat().st_size, 1000)
        self.assertEqual(host.api.get("/v1/host/check")["items"], [])

    def assert_goes_on(self):
        self.guest.assert_ticks()
        self.assert_one_of_each(self.a)

    def assert_goes_on_in(self, pid):
        self.eventually("one QEMU is left", lambda: self.a.qemus() == [pid])
        self.assertEqual(self.pid(), pid)
        self.assert_goes_on()

    def taken_over(self, way):
        before = self.pid(), self.names(self.a.tpm_dir)
        refresh = self.wait_end(self.begin(way), "done")
        self.note(f"{way}: stood still for {refresh['blackout_ms']} ms")
        self.assertNotIn(self.pid(), before)
        self.assertNotEqual(self.names(self.a.tpm_dir), before[1])
        self.assert_goes_on()

    # ---- there and back ----------------------------------------------------------

    def test_keys_go_along_in_each_way_and_are_where_the_guest_is_later(self):
        self.boot()
        for way in (*WAYS, WAYS[0]):
            with self.subTest(way):
                self.taken_over(way)
        self.assertEqual(self.names(self.a.tpm_dir), self.names(self.a.run_dir / "vms"))
        self.a.kill9()
        self.a.start()
        self.assert_goes_on()
        # A start has the keys of the last run, also in the second place.
        if self.names(self.a.tpm_dir) == [self.guest.uuid]:
            self.taken_over(WAYS[0])
        self.a.api.post("/v1/vms/u1/stop")
        self.assertEqual(self.a.children("swtpm"), [])
        last = self.guest.ticks()[-1][0]
        self.assertIn(self.guest.start(self.a)[1], (last, last + 1))
        self.assert_goes_on()
        self.guest.move(self.a, self.b)
        self.guest.assert_ticks()
        self.assert_one_of_each(self.b)
        self.assertEqual((self.names(self.a.tpm_dir), self.a.children("swtpm")), ([], []))
        self.guest.move(self.b, self.a)
        self.taken_over(WAYS[0])
        self.a.api.post("/v1/vms/u1/stop")
        self.a.api.delete("/v1/vms/u1")
        self.assertEqual(self.names(self.a.tpm_dir), [])

    @only_full
    def test_tpm_tis_of_a_paused_guest(self):
        self.boot(model="tpm-tis")
        self.a.api.post("/v1/vms/u1/pause")
        for way in WAYS:
            self.wait_end(self.begin(way), "done")
            self.assertEqual(self.guest.vm(self.a)["state"], "paused")
            self.assert_one_of_each(self.a)
            self.a.api.post("/v1/vms/u1/resume")
            self.guest.assert_ticks()
            self.a.api.post("/v1/vms/u1/pause")
        self.a.api.post("/v1/vms/u1/resume")
        self.guest.assert_ticks()

    # ---- what fails on the way -----------------------------------------------------

    def test_what_fails_leaves_the_guest_its_keys_and_no_others(self):
        self.boot()
        pid = self.pid()
        for point in ("tpm.make", "tpm.spawn", "tpm.sync"):
            for way in WAYS:
                with self.subTest(point, way=way):
                    self.a.restart_with_fault(f"{point}:error")
                    self.wait_end(self.begin(way), "failed")
                    self.assert_goes_on_in(pid)
        # The new swtpm dies before anything was sent.
        own, = self.a.children("swtpm")
        with self.a.held_at("qmp.send.migrate-incoming", self.begin) as job:
            other, = [one for one in self.a.children("swtpm") if one != own]
            os.kill(other, signal.SIGKILL)
        self.wait_end(job.result(), "failed")
        self.assert_goes_on_in(pid)

    def test_state_that_is_there_already_stays(self):
        self.boot()
        pid = self.pid()
        other = self.a.tpm_dir / f"{self.guest.uuid}.2" / "tpm2-00.permall"
        other.parent.mkdir()
        other.write_text("somebody's", encoding="ascii")
        refresh = self.wait_end(self.begin(), "failed")
        self.assertIn("holds keys", refresh["error"]["detail"])
        self.assertIn(str(other.parent), refresh["error"]["detail"])
        self.assertEqual(other.read_text(encoding="ascii"), "somebody's")
        item, = self.a.api.get("/v1/host/check")["items"]
        self.assertEqual((item["kind"], item["object"]), ("leftover-tpm-state", str(other.parent)))
        other.unlink()
        other.parent.rmdir()
        self.assert_goes_on_in(pid)

    def crash_in_a_refresh(self, way):
        while self.a.is_up():
            with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
                self.begin(way)
            self.eventually("it dies, or nothing goes on", lambda: not self.a.is_up() or
                            self.no_job(), 60)

    def no_job(self):
        with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
            return all(job["final"] for job in self.a.api.items("/v1/refreshes"))

    # A crash at any of them leaves nothing with keys behind.
    def killed_at_each_step(self, way):
        self.boot()
        for point in ("tpm.make", "tpm.make.done", "qemu.spawned", "tpm.spawned", "tpm.sync",
                      "tpm.sync.done", "refresh.switched", "tpm.settle", "tpm.settle.done",
                      "refresh.done"):
            with self.subTest(point):
                self.a.restart_with_fault(f"{point}:crash")
                self.crash_in_a_refresh(way)
                self.a.start()
                self.eventually("the job ends", self.no_job, 60)
                self.assert_goes_on()

    @only_full
    def test_coordinator_killed_at_each_step(self):
        self.killed_at_each_step(WAYS[0])

    @only_full
    @unittest.skipUnless(len(WAYS) > 1, "one way is that of the test above")
    def test_coordinator_killed_at_each_step_of_a_copy(self):
        self.killed_at_each_step("stream")

    @only_full
    def test_coordinator_killed_in_a_rollback(self):
        self.boot()
        pid = self.pid()
        for way in WAYS:
            for point in ("tpm.remove", "tpm.remove.done", "refresh.failed"):
                with self.subTest(point, way=way):
                    self.a.restart_with_fault(
                        f"qmp.send.migrate-incoming:error,{point}:crash")
                    self.crash_in_a_refresh(way)
                    self.a.start()
                    self.eventually("the job ends", self.no_job, 60)
                    self.assert_goes_on_in(pid)
