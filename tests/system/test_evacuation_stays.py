# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is emptied of guests that cannot move, and who asks for it too late, or not at all."""
import datetime
import os
import time

from lib.long_form import only_full
from test_evacuation import HELD, EvacuationBase

# QEMU does not migrate a guest with it: "master=off".
KEPT = ["-object", "memory-backend-ram,id=shm,size=1M,share=on",
        "-device", "ivshmem-plain,id=peer,memdev=shm,master=off,addr=0x11"]


class EvacuationStaysTest(EvacuationBase):
    # No other host is asked, so their room does not matter.
    def test_guest_that_its_own_qemu_keeps_here_is_told_so_and_stopped_if_it_may_be(self):
        self.guests = [self.world.guest("g0", area=0, memory_mib=32, extra_args=KEPT),
                       self.world.guest("g1", area=0, memory_mib=32)]
        for guest in self.guests:
            guest.start(self.a, sweeps=0)
        evac = self.begin()
        kept = self.wait_words(evac, "g0", "cannot be moved")
        self.assertEqual((kept["state"], kept["attempts"]), ("blocked", 2))
        self.assertIn("QEMU cannot migrate this guest", kept["why"])
        self.assertIn("may_leave lets it stay", kept["why"])
        self.assertEqual(self.now(evac)["blocked_by"], "g0")
        self.wait_vm(evac, "g1", "moved")

        # It is tried again when something of it is another.
        entries = len(self.a.api.items("/v1/queue?vm=g0"))
        self.a.api.call("PATCH", "/v1/vms/g0", {"placement": {"on_evacuation": "restart"}})
        self.wait_words(evac, "g0", "may_stop")
        self.assertEqual(len(self.a.api.items("/v1/queue?vm=g0")), entries + 2)
        self.ask(evac, "abort")
        self.wait(evac, "aborted")

        # It is not stopped for what may be of the moment.
        evac = self.begin(may_stop=True, powerdown_s=1)
        self.wait_words(evac, "g0", "it is stopped if that is said for 30 s")
        self.eventually("it is refused again", lambda: next(
            vm for vm in self.now(evac)["vms"] if vm["vm"] == "g0")["attempts"] >= 3, 30)
        self.assertEqual(self.a.vms()["g0"]["state"], "running")
        self.ask(evac, "abort")
        self.wait(evac, "aborted")

    @only_full
    def test_guest_that_its_own_qemu_keeps_here_is_stopped_when_that_lasts(self):
        self.guests = [self.world.guest("g0", area=0, memory_mib=32, extra_args=KEPT)]
        self.guests[0].start(self.a, sweeps=0)
        self.a.api.call("PATCH", "/v1/vms/g0", {"placement": {"on_evacuation": "restart"}})
        begun = time.monotonic()
        evac = self.begin(may_stop=True, powerdown_s=1)
        self.eventually("it is stopped", lambda: next(
            vm for vm in self.now(evac)["vms"] if vm["vm"] == "g0")["state"] == "stopped", 90)
        self.assertGreater(time.monotonic() - begun, 30)
        self.assertEqual(self.wait(evac, "drained")["counts"]["stays"], 1)
        self.ask(evac, "return")
        ended = self.wait(evac, "ended")
        self.assertEqual({vm["vm"]: vm["state"] for vm in ended["vms"]}, {"g0": "returned"})
        self.assertEqual(self.a.vms()["g0"]["state"], "running")

    def test_directory_for_saved_guests_is_looked_at_when_it_is_asked_for(self):
        self.a.kill9()
        self.a.prefix = ["unshare", *(["-m"] if os.geteuid() == 0 else ["-rm"]), "sh", "-c",
                         f"mount -t tmpfs -o size=3m,mode=0700 migrd-test {self.a.saved}"
                         ' && exec "$0" "$@"']
        self.a.start()
        self.run_guests(1)
        self.a.api.call("PATCH", "/v1/vms/g0",
                        {"placement": {"pins": ["a"], "on_evacuation": "save"}})
        for directory, code, words in ((f"{self.a.saved}/none", "conflict", "is not there: make it"),
                                       ("/proc", "conflict", "save_dirs"),
                                       (str(self.a.saved), "no-space", "3 MiB free, and the 1 guest that is")):
            for dry_run in (True, False):
                refused = self.assert_api_error(
                    507 if code == "no-space" else 409, code, self.begin, may_save=True,
                    save_dir=directory, dry_run=dry_run)
                self.assertIn("save_dir", refused.body["detail"])
                self.assertIn(words, refused.body["detail"])
        self.assertEqual(self.a.api.items("/v1/evacuations"), [])
        self.assertEqual(self.a.vms()["g0"]["state"], "running")

    def test_cordon_is_kept_by_who_aborts_one_that_has_not_begun(self):
        evac = self.begin(approval=True)
        self.wait(evac, "waiting")
        self.ask(evac, "abort", keep_cordon=True)
        self.wait(evac, "aborted")
        self.assertTrue(self.a.api.get("/v1/host")["cordoned"])
        self.a.api.post("/v1/host/uncordon")

    def begin_that_ends_soon(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        return self.begin(approval=True, window_until=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))

    # Its window has passed, and its end is being written.
    def test_request_that_comes_while_the_end_is_written_is_refused(self):
        with self.a.held_at("store.evacuation.aborted.before", self.begin_that_ends_soon) as begun:
            evac = begun.result()
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
