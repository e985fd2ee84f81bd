# SPDX-License-Identifier: LGPL-2.1-or-later
"""A move that is only looked at, and what is said of it before and after."""
import json

from lib.api import ApiError
from lib.disks import Disk
from lib.world import SystemTest


class ForecastTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.guest = self.world.guest(memory_mib=160, area=16, rate=32)

    def look(self, **options):
        return self.a.api.post("/v1/moves?dry_run=true",
                               {"vm": self.guest.name, "to": "b", **options})

    def assert_nothing_is_made(self):
        self.assertEqual(self.a.moves(), [])
        self.assertEqual(self.b.moves(), [])
        self.assertEqual(list(self.world.dir.glob(".migrd-same-*")), [])
        self.guest.assert_runs_on(self.a)

    def wait_tidy(self):
        """The token files go when the destination has looked, beside the answer."""
        self.eventually("token files are gone",
                        lambda: not list(self.world.dir.glob(".migrd-same-*")))

    def test_running_guest_is_sampled_and_nothing_is_changed(self):
        self.guest.start(self.a)
        said = self.look()
        self.wait_tidy()
        self.assert_nothing_is_made()
        self.assertEqual(self.b.api.get("/v1/vms")["items"], [])
        self.assertTrue(said["possible"], said["reasons"])
        self.assertTrue(said["destination_asked"])
        self.assertEqual([r for r in said["reasons"] if r["blocks"]], [])
        forecast = said["forecast"]
        for key in ("duration_ms", "blackout_ms", "bytes", "passes"):
            value = forecast[key]
            self.assertLessEqual(value["low"], value["expected"], key)
            self.assertLessEqual(value["expected"], value["high"], key)
        self.assertEqual(forecast["mode"], "precopy")
        basis = forecast["basis"]
        self.assertEqual(basis["memory_bytes"], 160 << 20)
        self.assertGreater(basis["nonzero_bytes"], 16 << 20)
        self.assertLess(basis["nonzero_bytes"], 150 << 20)
        self.assertGreater(basis["dirty_set_bytes"], 2 << 20)   # it writes 16 MiB again and again
        self.assertNotIn("link_bytes_per_s", basis)             # no move has gone there
        self.assertIn("link", forecast["summary"])
        self.assertGreater(said["link"]["mtu_bytes"], 1000)
        self.assertEqual(said["plan"]["channels"][0]["name"], "ram")

    def test_budgets_of_both_hosts_are_limits(self):
        self.guest.start(self.a)
        for host, key in ((self.a, "bandwidth_budget_bytes_per_s"),
                          (self.b, "bandwidth_budget_in_bytes_per_s")):
            self.configure_move(host, **{key: 20 << 20})
            said = self.look()["forecast"]
            self.assertEqual(said["basis"]["limit_bytes_per_s"], 20 << 20, key)
            self.configure_move(host)
        self.assertNotIn("limit_bytes_per_s", self.look()["forecast"]["basis"])

    def test_every_reason_of_both_hosts_is_told_at_once(self):
        self.guest.definition["disks"][0].update(cache="unsafe", readonly=False)
        self.guest.start(self.a)
        self.b.api.post("/v1/vms", {**self.guest.definition, "disks": []})
        before = self.b.api.get("/v1/vms")["items"]
        said = self.look()
        found = {(r["side"], r["check"]) for r in said["reasons"] if r["blocks"]}
        self.assertIn(("source", "cache"), found)
        self.assertIn(("destination", "vm"), found)
        self.assertFalse(said["possible"])
        self.assertTrue(said["destination_asked"])
        self.assertIn("duration_ms", said["forecast"])
        self.wait_tidy()
        self.assert_nothing_is_made()
        self.assertEqual(self.b.api.get("/v1/vms")["items"], before)

    def test_silent_destination_is_a_reason(self):
        self.guest.start(self.a)
        self.b.stop()
        said = self.look()
        self.assertFalse(said["possible"])
        self.assertFalse(said["destination_asked"])
        self.assertEqual([(r["side"], r["check"]) for r in said["reasons"] if r["blocks"]],
                         [("source", "peer")])
        self.assertNotIn("plan", said)
        self.assertIn("duration_ms", said["forecast"])
        self.b.start()
        self.wait_tidy()
        self.assert_nothing_is_made()

    def test_data_port_that_is_not_reached_is_a_reason(self):
        self.guest.start(self.a)
        self.b.stop()
        self.b.write_config(data={"advertise": "127.0.0.1:1"})
        self.b.start()
        said = self.look()
        self.assertTrue(said["destination_asked"])
        self.assertNotIn("link", said)
        self.assertEqual([(r["side"], r["check"]) for r in said["reasons"] if r["blocks"]],
                         [("source", "data-port")])
        self.wait_tidy()
        self.assert_nothing_is_made()

    def test_bad_questions_are_answered_clearly(self):
        self.guest.create(self.a)
        for to, code in (("b", "CONFLICT"), ("a", "CONFLICT"), ("nowhere", "NOT_FOUND")):
            with self.assertRaises(ApiError) as refused:
                self.a.api.post("/v1/moves?dry_run=true", {"vm": self.guest.name, "to": to})
            self.assertEqual(refused.exception.code.upper().replace("-", "_"), code)
        with self.assertRaises(ApiError) as refused:
            self.a.api.post("/v1/moves?dry_run=perhaps", {"vm": self.guest.name, "to": "b"})
        self.assertEqual(refused.exception.status, 400)
        self.assertEqual(self.a.moves(), [])
        self.assertEqual(self.guest.vm(self.a)["state"], "stopped")

    def test_stopped_vm_is_refused_with_what_is_told_instead(self):
        self.guest.create(self.a)
        refused = self.assert_api_error(409, "conflict", self.look)
        self.assertIn("is told of a running or paused VM only", str(refused.body))
        self.assertEqual(self.a.moves(), [])
        self.assertEqual(self.guest.vm(self.a)["state"], "stopped")

    def test_paused_guest_has_no_blackout(self):
        self.guest.start(self.a)
        self.a.api.post(f"/v1/vms/{self.guest.name}/pause")
        said = self.look()
        self.assertEqual(said["forecast"]["mode"], "still")
        self.assertEqual(said["forecast"]["blackout_ms"]["high"], 0)
        self.assertNotIn("held", said["forecast"]["summary"])
        held = self.look(hold={"timeout_s": 60, "then": "release"})
        self.assertTrue(held["possible"], held["reasons"])
        self.assertIn("beside the time for which it is held", held["forecast"]["summary"])
        self.assertEqual(self.guest.vm(self.a)["state"], "paused")

    def test_local_disk_counts(self):
        guest = self.world.guest("g2", area=4, memory_mib=160, disks=[Disk("data", area=16, rate=32)])
        guest.start(self.a)
        said = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g2", "to": "b"})
        self.assertTrue(said["possible"], said["reasons"])
        self.assertEqual([disk["id"] for disk in said["plan"]["disks"]], ["data"])
        basis = said["forecast"]["basis"]
        self.assertGreaterEqual(basis["disk_bytes"], 16 << 20)
        self.assertGreater(basis["disk_write_bytes_per_s"], 0)
        self.assertGreater(said["forecast"]["bytes"]["expected"], basis["disk_bytes"])
        self.assertEqual(list(self.b.images.iterdir()), [])
        guest.assert_runs_on(self.a)

    def test_move_keeps_its_forecast_and_is_compared(self):
        self.guest.start(self.a)
        self.look()
        done = self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)
        shown = self.a.move_state(done["id"])["forecast"]
        self.assertGreater(shown["duration_ms"]["expected"], 0)
        self.assertGreater(shown["duration_ratio"], 0)
        self.assertGreater(shown["blackout_ratio"], 0)
        metrics = self.a.api.send("GET", "/metrics")[2].decode()
        self.assertIn('migrd_forecast_error_ratio_count{of="duration"} 1\n', metrics)
        self.assertIn('migrd_forecast_error_ratio_count{of="blackout"} 1\n', metrics)
        self.a.stop()
        self.a.start()
        self.assertEqual(self.a.move_state(done["id"])["forecast"], shown)

    def test_move_without_a_sample_has_none_and_does_not_wait(self):
        self.guest.start(self.a)
        done = self.world.move(self.guest, self.a, self.b)
        self.assertNotIn("forecast", done)

    def test_migrctl_tells_it_and_fails_if_it_would_be_refused(self):
        self.guest.start(self.a)
        told = self.a.migrctl("move", "start", self.guest.name, "--to", "b", "--dry-run")
        self.assertIn("forecast", told.stdout)
        self.assertIn("duration", told.stdout)
        self.b.stop()
        refused = self.a.migrctl("-o", "json", "move", "start", self.guest.name, "--to", "b",
                                 "--dry-run", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertFalse(json.loads(refused.stdout)["possible"])
        self.b.start()
        self.wait_tidy()
        self.assert_nothing_is_made()
