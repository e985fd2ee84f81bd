# SPDX-License-Identifier: LGPL-2.1-or-later
"""Post-copy: the guest runs on the destination while its memory follows, whatever breaks on the way."""
import json
import os
import signal
import subprocess

from lib import procs, settings
from lib.qmp import Qmp
from lib.world import SystemTest

SLOW = 8 << 20          # bytes/s: less than the guest changes, so that pre-copy never ends
PASS = 16 << 20         # the same, and a pass takes four seconds
HELD = 256 * 1024       # bytes/s in post-copy: only what the guest waits for comes sooner
LINKS_KILLED = 3
MULTIFD_SINCE = (10, 1)     # the QEMU that has post-copy together with multifd
PREEMPT_SINCE = 8           # the source that may send requested pages over a connection of their own


# Writes all its memory again and again while it is sent at SLOW, and has so much that something is
# left when a busy host tells QEMU late to switch.
FAST_GUEST = {"area": 64, "rate": 64, "static": 4, "memory_mib": 128}
# Has more memory than QEMU's thread sends between two looks at whether it shall switch (50 ms); it
# needs the last part, so that a move with it stays in fetch.
SLOW_GUEST = {"area": 8, "rate": 6, "static": 8, "spare": 48, "memory_mib": 128}


class PostcopyTest(SystemTest):
    # ---- what the tests are made of ------------------------------------------

    def start_guest(self, options):
        self.guest = self.world.guest(**options)
        self.guest.start(self.a, sweeps=0)

    def begin(self, here, there, start, **options):
        return self.world.begin_move(self.guest, here, there, postcopy={"start": start},
                                     **options)["id"]

    def wait_on_both(self, move_id, state, here=None):
        for host in (self.b, self.a) if here is self.b else (self.a, self.b):
            self.world.wait_state(host, move_id, state)

    def hold_fetch(self):
        """A move from a to b that stays in fetch, until let_go()."""
        if not self.world.guests:
            self.start_guest(SLOW_GUEST)
        self.monitor = Qmp(self.a, self.guest.uuid)
        self.addCleanup(self.monitor.close)
        self.limit(HELD)
        move_id = self.begin(self.a, self.b, "manual", bandwidth_bytes_per_s=SLOW)
        self.world.wait_flowing(self.a, move_id)
        # From the guest's stop on there is no limit: a host that is busy just then would send all
        # of its memory before QEMU is told to switch, and the move would end without a fetch.
        receiver, = self.b.qemus()
        with procs.stopped(receiver):
            self.a.api.post(f"/v1/moves/{move_id}/postcopy")
            self.eventually("the guest's stop", lambda: not self.monitor.command(
                "query-status")["return"]["running"])
        self.wait_on_both(move_id, "fetch")
        self.guest.console.wait_line(20, "b")
        return move_id

    def limit(self, bytes_per_s):
        answer = self.monitor.command("migrate-set-parameters",
                                      **{"max-postcopy-bandwidth": bytes_per_s})
        self.assertIn("return", answer)

    def let_go(self, move_id):
        self.limit(0)
        self.wait_on_both(move_id, "done")
        self.assert_runs_on(self.b)

    def assert_runs_on(self, host):
        self.guest.assert_runs_on(host)
        self.assertIsNone(self.guest.vm(host)["job"])

    def timeline(self, host, move_id, event):
        return [note for note in host.api.items(f"/v1/moves/{move_id}/timeline")
                if note["event"] == event]

    # ---- moves ---------------------------------------------------------------

    def test_guest_that_is_too_fast_goes_there_and_back(self):
        self.start_guest(FAST_GUEST)
        here, there = self.a, self.b
        for start in ("first-pass", "at-once", "manual"):
            with self.subTest(start=start):
                move_id = self.begin(here, there, start, bandwidth_bytes_per_s=PASS)
                if start == "manual":
                    self.world.wait_move(here, move_id, lambda m: m["final"] or (
                        m["state"] == "transfer" and m["progress"]["passes"] > 1))
                    here.api.post(f"/v1/moves/{move_id}/postcopy")
                self.wait_on_both(move_id, "done", here)
                self.assert_runs_on(there)
                self.assertIn("postcopy-active", json.dumps(self.timeline(here, move_id, "MIGRATION")))
                here.assert_clean_soon(self.guest.vm(there), move_id)
            here, there = there, here

    def test_plan_that_is_shown_has_it(self):
        self.start_guest(FAST_GUEST)
        move_id = self.begin(self.a, self.b, "manual", bandwidth_bytes_per_s=SLOW)
        self.world.wait_flowing(self.a, move_id)
        plan = self.a.api.get(f"/v1/moves/{move_id}/plan")
        self.assertEqual(plan, self.b.api.get(f"/v1/moves/{move_id}/plan"))
        rows = {row["name"]: row for row in plan["capabilities"]}
        self.assertTrue(rows["postcopy-ram"]["on"] and rows["postcopy-ram"]["why"], rows)
        self.assertEqual(rows["postcopy-preempt"]["on"], settings.qemu_major() >= PREEMPT_SINCE, rows)
        self.world.cancel(self.a, move_id)
        self.assert_runs_on(self.a)

    # QEMU since 10.1 can do both; an older one would fail in the middle.
    def test_multifd_with_it_is_refused_or_works(self):
        version = subprocess.run([settings.qemu, "--version"], check=True, capture_output=True,
                                 text=True).stdout.split()[3]
        self.start_guest(FAST_GUEST)
        can = tuple(map(int, version.split(".")[:2])) >= MULTIFD_SINCE
        move_id = self.begin(self.a, self.b, "at-once", multifd={"channels": 2})
        if can:
            self.wait_on_both(move_id, "done")
            self.assert_runs_on(self.b)
            return
        move = self.world.wait_state(self.a, move_id, "failed")
        self.assertEqual(move["error"]["code"], "qemu-error")
        self.assertIn("multifd", json.dumps(move["error"]))
        self.assert_runs_on(self.a)

    def test_what_comes_too_late_is_refused(self):
        self.start_guest(SLOW_GUEST)
        plain = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=SLOW)["id"]
        self.world.wait_flowing(self.a, plain)
        self.assert_api_error(409, "conflict", self.a.api.post, f"/v1/moves/{plain}/postcopy")
        self.world.cancel(self.a, plain)
        self.world.wait_state(self.b, plain, "failed")
        move_id = self.hold_fetch()
        for host, action, code in ((self.a, "cancel", "too-late"), (self.a, "postcopy", "too-late"),
                                   (self.b, "cancel", "too-late"), (self.b, "postcopy", "conflict")):
            with self.subTest(host=host.id, action=action):
                self.assert_api_error(409, code, host.api.post, f"/v1/moves/{move_id}/{action}")
        self.let_go(move_id)

    # ---- what breaks in fetch ----------------------------------------------------

    def links(self, *words):
        """The source's ends of its data connections; words for ss(8)."""
        out = subprocess.run(["ss", "-Htn", *words, "state", "established", "dport", "=",
                              f":{self.b.data_port}"], check=True, capture_output=True, text=True)
        return {line.split()[2] for line in out.stdout.splitlines()}

    def test_killed_connections_are_made_again(self):
        move_id = self.hold_fetch()
        for _ in range(LINKS_KILLED):
            former = self.eventually("the data connections", self.links)
            self.links("-K")
            self.eventually("new data connections", lambda former=former: self.links() - former)
        self.let_go(move_id)
        self.assertEqual(self.timeline(self.a, move_id, "interrupted"), [])  # QEMU has not noticed

    def streams(self):
        return {pid for host in (self.a, self.b) for pid in host.streams()}

    def goes_on_without(self, former):
        """Both streams are new ones, and the source's QEMU sends again."""
        now = self.streams()
        status = self.monitor.command("query-migrate")["return"]["status"]
        return len(now) == 2 and not now & former and status == "postcopy-active"

    def test_killed_stream_of_either_side_is_replaced(self):
        move_id = self.hold_fetch()
        for host in (self.a, self.b):
            former = self.streams()
            stream, = host.streams()
            os.kill(stream, signal.SIGKILL)
            self.eventually(f"new streams, as that of {host} was killed",
                            lambda former=former: self.goes_on_without(former))
        self.let_go(move_id)
        for host in (self.a, self.b):
            self.assertEqual(len(self.timeline(host, move_id, "recovered")), 2)

    def kill_qemu(self, host):
        qemu, = host.qemus()
        os.kill(qemu, signal.SIGKILL)
        procs.wait_gone([qemu], settings.seconds(10))

    def test_source_qemu_that_dies_loses_the_guest_and_both_say_so(self):
        move_id = self.hold_fetch()
        self.kill_qemu(self.a)
        self.wait_on_both(move_id, "lost")
        for host in (self.a, self.b):
            self.assertIn("started anew", json.dumps(host.move_state(move_id)["error"]))
        vm = self.guest.vm(self.b)
        self.assertIn("started anew", vm["reason"])
        self.assertIsNone(vm["job"])
        self.b.api.post("/v1/vms/g1/stop")  # at once, while QEMU waits for memory and does not answer
        self.a.assert_clean_soon(vm, move_id)
        self.guest.console.expect_reset()
        self.guest.start(self.b, sweeps=0)
        self.assert_runs_on(self.b)

    def test_destination_qemu_that_dies_is_a_crash_there(self):
        move_id = self.hold_fetch()
        self.kill_qemu(self.b)
        self.wait_on_both(move_id, "done")
        vm = self.guest.vm(self.b)
        self.assertEqual(vm["state"], "crashed")
        self.assertTrue(vm["reason"])
        self.a.assert_clean_soon(vm, move_id)
        self.guest.console.assert_quiet()
