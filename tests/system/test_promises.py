# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host promises its memory once: to incoming moves, restores and refreshes that copy, together."""
import os
import signal

from lib.api import ApiError
from lib.long_form import only_full
from test_refresh import RefreshTest

GUEST_MIB = 4096        # that it has, and never touches


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) >> 10


class PromisesTest(RefreshTest):
    host_ids = ("a", "b")

    def setUp(self):
        super().setUp()
        if available_mib() < 2 * GUEST_MIB:
            self.fail(f"needs {2 * GUEST_MIB} MiB of memory that is available")
        # Room for one more of these guests and a half.
        self.a.kill9()
        self.a.write_config(host={"memory_reserve_mib": available_mib() - GUEST_MIB * 3 // 2})
        self.a.start()
        self.guest = self.big("g1")

    def big(self, name):
        return self.world.guest(name, memory_mib=GUEST_MIB, memory_share=False)

    def refresh_that_is_held(self):
        job = self.begin(way="stream", emulator=self.program("kill -STOP $$"))
        self.eventually("the new QEMU is there", lambda: self.a.children("bash"))
        return job

    def cancel(self, job):
        self.a.api.post(f"/v1/refreshes/{job}/cancel")
        self.wait_end(job, "cancelled")

    def saved(self, name):
        """A guest that is saved; its file."""
        guest = self.big(name)
        guest.start(self.a)
        file = str(self.a.saved / name)
        job = self.a.api.post(f"/v1/vms/{name}/save", {"file": file})["id"]
        self.assertEqual(self.wait_save(job)["state"], "done")
        return file

    def wait_save(self, job):
        def ended():
            save = self.a.api.get(f"/v1/saves/{job}")
            return save if save["final"] else None
        return self.eventually("the end of the save", ended, 60)

    def assert_full(self, text):
        self.assertIn(f"needs {GUEST_MIB} MiB of memory", text)
        self.assertIn(f"of which {GUEST_MIB} MiB are promised to guests that are moved here, restored "
                      "or refreshed", text)

    def assert_no_room(self, call, *args):
        with self.assertRaises(ApiError) as caught:
            call(*args)
        self.assertEqual(caught.exception.status, 409)
        self.assert_full(caught.exception.body["detail"])

    @only_full
    def test_refresh_keeps_out_an_incoming_move_and_a_restore(self):
        file = self.saved("g3")
        self.guest.start(self.a)
        other = self.big("g2")
        other.start(self.b)
        job = self.refresh_that_is_held()
        with self.subTest("move"):
            move = self.world.begin_move(other, self.b, self.a)["id"]
            self.assert_full(self.world.wait_state(self.b, move, "failed")["error"]["detail"])
            other.assert_runs_on(self.b)
        with self.subTest("restore"):
            self.assert_no_room(self.a.api.post, "/v1/vms/restore", {"file": file})
        self.cancel(job)
        self.world.move(other, self.b, self.a)

    def test_incoming_move_keeps_out_a_refresh_and_a_restore(self):
        file = self.saved("g3")
        self.guest.start(self.a)
        other = self.big("g2")
        other.start(self.b)
        move = self.world.begin_move(other, self.b, self.a, bandwidth_bytes_per_s=100_000)["id"]
        self.world.wait_flowing(self.b, move)
        with self.subTest("refresh"):
            self.assert_no_room(lambda: self.begin(way="stream"))
        with self.subTest("restore"):
            self.assert_no_room(self.a.api.post, "/v1/vms/restore", {"file": file})
        self.world.cancel(self.b, move)
        self.wait_end(self.begin(way="stream"))

    # It has asked its QEMU, which does not answer, and is given up after a while.
    @only_full
    def test_restore_keeps_out_a_refresh(self):
        file = self.saved("g3")
        self.guest.start(self.a)
        (pid,) = self.a.qemus()
        with self.a.held_at("save.in.load", lambda: self.a.api.post(
                "/v1/vms/restore", {"file": file})["id"]) as begun:
            (new,) = [one for one in self.a.qemus() if one != pid]
            os.kill(new, signal.SIGSTOP)
        restore = begun.result()
        self.assert_no_room(lambda: self.begin(way="stream"))
        self.a.api.post(f"/v1/saves/{restore}/cancel")
        self.assertIn(self.wait_save(restore)["state"], ("cancelled", "failed"))
        self.wait_end(self.begin(way="stream"))
