# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a move cost its guest is measured, and the guest's own account of it agrees."""
import contextlib
import time

from lib import settings
from lib.disks import Disk
from lib.qmp import Qmp
from lib.world import SystemTest

FAST_GUEST = {"area": 24, "rate": 64, "static": 4, "memory_mib": 64}
SLOW = 16 << 20     # bytes/s: less than that guest changes
HELD = 128 * 1024   # a transfer that does not end by itself
THROTTLED = 97      # percent
HELD_SECONDS = 40
READ_LATE_MS = 250  # the guest's lines get their time when this process reads them, on a busy host


class MeasuredTest(SystemTest):
    def assert_measured(self, guest, move, handover):
        """The guest cannot have run between its host's STOP and the other's RESUME, so it was silent for
        longer than that; and not for much longer, or something else stood still too.  The source's
        clock alone says how long it can have been at most."""
        measured, times = move["measured"], move["times"]
        last, first = guest.console.handovers()[handover]
        silent_ms = (first.at - last.at) * 1000
        self.note(f"blackout {measured['blackout_ms']} ms, +/- {measured['blackout_error_ms']}; "
                  f"QEMU says {times['qemu_downtime_ms']}, at most {times['blackout_ms']}, "
                  f"the guest was silent for {silent_ms:.1f}")
        self.assertEqual(measured["blackout_note"], "")
        self.assertGreater(measured["blackout_ms"], 0)
        self.assertLess(measured["blackout_error_ms"], settings.seconds(50))
        self.assertLess(measured["blackout_ms"] - measured["blackout_error_ms"], times["blackout_ms"])
        self.assertAlmostEqual(silent_ms, measured["blackout_ms"], delta=settings.seconds(READ_LATE_MS))

    def test_blackout_of_each_move_is_what_the_guest_felt(self):
        guest = self.world.guest()
        guest.start(self.a)
        here, there = self.a, self.b
        for number in range(3):
            move = self.world.move(guest, here, there)
            guest.assert_runs_on(there)
            self.assert_measured(guest, move, number)
            here, there = there, here
        self.assertNotIn("measured", here.move_state(move["id"]))  # it came here
        shown = self.a.migrctl("move", "show", move["id"]).stdout
        self.assertRegex(shown, r"blackout +[\d.]+ m?s \+/- \d+\.\d ms\n")
        _, _, text = self.a.api.send("GET", "/metrics")
        for name in ("blackout", "duration"):   # two of the three moves were away from here
            self.assertIn(f'migrd_move_{name}_seconds_bucket{{le="+Inf"}} 2', text.decode())
            self.assertIn(f"migrd_move_{name}_seconds_count 2", text.decode())

    def test_blackout_of_postcopy_is_measured(self):
        guest = self.world.guest(**FAST_GUEST)
        guest.start(self.a, sweeps=0)
        move = self.world.move(guest, self.a, self.b, postcopy={"start": "first-pass"},
                               bandwidth_bytes_per_s=SLOW)
        guest.assert_runs_on(self.b)
        self.assert_measured(guest, move, 0)

    # Passes that find everything changed again, after the disks or before the switch to post-copy.
    def percentages(self, guest, **options):
        """Of a move that is sent for four passes at least: all that were told, and the move."""
        guest.start(self.a, sweeps=0)
        percents = []
        is_postcopy = "postcopy" in options
        move = self.world.begin_move(guest, self.a, self.b, downtime_limit_ms=1,
                                     bandwidth_bytes_per_s=SLOW, **options)
        self.world.wait_move(self.a, move["id"], lambda m: percents.append(
            m["progress"]["percent"]) or m["final"] or m["progress"]["passes"] >= 4)
        if is_postcopy:
            self.a.api.post(f"/v1/moves/{move['id']}/postcopy")
        else:
            self.a.api.patch(f"/v1/moves/{move['id']}",
                             {"bandwidth_bytes_per_s": 0, "downtime_limit_ms": 2000})
        done = self.world.wait_move(self.a, move["id"], lambda m: percents.append(
            m["progress"]["percent"]) or m["final"])
        self.assertEqual(done["state"], "done", done["error"])
        return percents, done

    def assert_never_back(self, percents):
        self.assertEqual(percents, sorted(percents))
        self.assertEqual(percents[-1], 100)
        self.assertGreater(len(set(percents)), 4)

    def test_percentage_with_disks_never_goes_back(self):
        disk = Disk("data", mib=32, area=4, data=16, rate=1)
        percents, done = self.percentages(self.world.guest(**FAST_GUEST, disks=[disk]))
        self.assert_never_back(percents)
        self.assertIn("for local disks", done["explanation"])

    def test_percentage_with_postcopy_never_goes_back(self):
        percents, done = self.percentages(self.world.guest(**FAST_GUEST),
                                          postcopy={"start": "manual"})
        self.assert_never_back(percents)
        self.assertRegex(done["explanation"], "for memory that followed the guest|passes")

    def test_guest_that_does_not_run_has_no_blackout(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        self.a.api.post("/v1/vms/g1/pause")
        paused = self.world.move(guest, self.a, self.b)["measured"]
        self.b.api.post("/v1/vms/g1/stop")
        self.eventually("the stop", lambda: guest.vm(self.b)["state"] == "stopped")
        stopped = self.world.move(guest, self.b, self.a)["measured"]
        for measured, note in ((paused, "not stopped by the move"), (stopped, "the VM is stopped")):
            self.assertIsNone(measured["blackout_ms"])
            self.assertIsNone(measured["blackout_error_ms"])
            self.assertIsNone(measured["brownout_percent"])
            self.assertIn(note, measured["blackout_note"])
            self.assertTrue(measured["brownout_note"])

    def test_guest_that_was_never_stopped_has_no_blackout(self):
        guest = self.world.guest(**FAST_GUEST)
        guest.start(self.a)
        held = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, held["id"])
        self.world.cancel(self.a, held["id"])
        measured = self.world.wait_state(self.a, held["id"], "cancelled")["measured"]
        self.assertEqual(measured["blackout_note"], "the guest was not stopped by the move")

    # The guest is slowed down at once to a thirtieth, and for three quarters of the transfer, so
    # that other load of the host does not matter.
    def test_throttled_guest_has_a_brownout_and_an_idle_one_has_none(self):
        busy = self.world.guest(area=16, static=4, rate="max", memory_mib=64)
        busy.start(self.a)
        began = time.monotonic()
        move = self.world.begin_move(busy, self.a, self.b, bandwidth_bytes_per_s=SLOW, auto_converge=True,
                                     downtime_limit_ms=1)
        self.world.wait_flowing(self.a, move["id"])
        with contextlib.closing(Qmp(self.a, busy.uuid)) as monitor:
            self.assertIn("return", monitor.command("migrate-set-parameters", **{
                "cpu-throttle-initial": THROTTLED, "max-cpu-throttle": 99}))
        self.world.wait_move(self.a, move["id"], lambda m: m["final"] or
                             m["progress"]["throttle_percent"] >= THROTTLED)
        # So slow a guest would come to its end now.
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": HELD})
        enough = time.monotonic() + min(3 * (time.monotonic() - began), HELD_SECONDS)
        self.world.wait_move(self.a, move["id"],
                             lambda m: m["final"] or time.monotonic() >= enough)
        self.a.api.patch(f"/v1/moves/{move['id']}",
                         {"bandwidth_bytes_per_s": 0, "downtime_limit_ms": 2000})
        throttled = self.world.wait_state(self.a, move["id"], "done")["measured"]
        busy.assert_runs_on(self.b)
        self.b.api.post("/v1/vms/g1/stop")
        calm = self.world.guest("g2", area=0, period=1000)
        calm.start(self.a)
        idle = self.world.move(calm, self.a, self.b)["measured"]
        self.note(f"throttled {throttled}, idle {idle}")
        self.assertGreater(throttled["brownout_percent"], 15)
        self.assertEqual(throttled["brownout_note"], "")
        self.assertIsNone(idle["brownout_percent"])
        self.assertRegex(idle["brownout_note"], "less than 5 %|too short")

    # The rows must not contradict QEMU's own sums, nor each other.
    def test_passes_are_shown_while_it_moves_and_after_its_end(self):
        guest = self.world.guest(**FAST_GUEST)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=SLOW, downtime_limit_ms=80)
        path = f"/v1/moves/{move['id']}/passes"
        self.world.wait_move(self.a, move["id"], lambda m: m["final"] or m["progress"]["passes"] >= 4)
        self.assertGreater(len(self.a.api.items(path)), 1)
        going = self.a.move_state(move["id"])
        self.assertRegex(going["progress"]["sentence"], "the guest changes .*/s, and .*/s are sent: ")
        self.assertNotIn("explanation", going)
        self.a.api.patch(f"/v1/moves/{move['id']}",
                         {"bandwidth_bytes_per_s": 0, "downtime_limit_ms": 2000})
        done = self.world.wait_state(self.a, move["id"], "done")
        rows = self.a.api.items(path)
        self.assertNotIn("sentence", done["progress"])
        self.assertRegex(done["explanation"], r"^It took .* passes over .* The guest changed up to .* "
                         r"The guest stood still for .* until it ran on host 'b'\.$")
        self.assertIn(done["explanation"], self.a.migrctl("move", "show", move["id"]).stdout)
        self.note(done["explanation"])
        self.note(self.a.migrctl("move", "show", move["id"], "--passes").stdout)
        self.assertEqual(rows[0]["first"], 1)
        for row, after in zip(rows, rows[1:]):
            self.assertEqual(after["first"], row["last"] + 1)
            self.assertEqual(after["began_ms"], row["began_ms"] + row["duration_ms"])
            self.assertEqual(after["begun_at_bytes"], row["begun_at_bytes"] + row["sent_bytes"])
        self.assertEqual(rows[-1]["begun_at_bytes"] + rows[-1]["sent_bytes"],
                         done["progress"]["ram_transferred_bytes"])
        self.assertEqual(rows[-1]["last"], done["progress"]["passes"])
        took_ms = rows[-1]["began_ms"] + rows[-1]["duration_ms"]
        self.assertLessEqual(took_ms, done["times"]["migrate_to_completed_ms"] + 1)
        self.assertGreater(max(row["dirty_pages_per_s"] for row in rows), 0)
        self.assertEqual(self.b.api.items(path), [])
        self.a.stop()
        self.a.start()
        self.assertEqual(self.a.api.items(path), rows)
