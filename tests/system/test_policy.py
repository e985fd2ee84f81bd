# SPDX-License-Identifier: LGPL-2.1-or-later
"""Policies of moves: made by users, chosen by request, by VM and by label, and kept."""
import json
import pathlib

from lib.api import ApiError
from lib.world import SystemTest

HELD = 128 * 1024       # bytes/s: a move that goes on until it is let go
GENTLE = 64 << 20
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "policy.json"


class PolicyTest(SystemTest):
    def put(self, host, name, **settings):
        return host.api.call("PUT", f"/v1/policies/{name}", settings)

    def start_guest(self, **kwargs):
        self.guest = self.world.guest(**{"area": 8, "memory_mib": 96, **kwargs})
        self.guest.start(self.a)

    def timeline(self, host, move):
        items = host.api.get(f"/v1/moves/{move['id']}/timeline")["items"]
        return [(item["event"], item["detail"]) for item in items]

    def qemu_parameters(self):
        answer = self.a.api.post("/v1/vms/g1/monitor",
                                 {"protocol": "qmp", "command": {"execute": "query-migrate-parameters"}})
        return answer["return"]

    # ---- policies themselves ------------------------------------------------

    def test_built_in_policies_are_there_and_cannot_be_changed(self):
        items = self.a.api.get("/v1/policies")["items"]
        self.assertEqual([item["name"] for item in items],
                         ["default", "fast", "gentle", "must-complete", "suspend"])
        self.assertTrue(all(item["built_in"] for item in items))
        error = self.assert_api_error(409, "conflict", self.put, self.a, "gentle", channels=2)
        self.assertIn("built in", error.body["detail"])
        self.assert_api_error(409, "conflict", self.a.api.delete, "/v1/policies/fast")
        self.assertEqual(self.a.api.get("/v1/policies")["items"], items)

    def test_bad_policy_is_refused_with_pointers_and_nothing_changes(self):
        cases = (
            ({"timeout": "force"}, ["/timeout"]),
            ({"compression": "zstd", "bandwidth_bytes_per_s": 5},
             ["/bandwidth_bytes_per_s", "/compression"]),
            ({"name": "q"}, ["/name"]),
            ({"selector": {"a b": "c"}}, ["/selector/a b"]),
            ({"selector": {"a": 5}}, ["/selector/a"]),
            ({"throttle": 5}, ["/throttle"]),
        )
        for body, pointers in cases:
            with self.subTest(body=body):
                error = self.assert_api_error(400, "invalid", self.a.api.call, "PUT",
                                              "/v1/policies/p", body)
                self.assertEqual(error.pointers(), pointers)
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/policies/p")

    def test_a_restart_keeps_policies_labels_and_the_policy_of_a_move(self):
        made = self.put(self.a, "held", bandwidth_bytes_per_s=HELD, selector={"tier": "slow"})
        self.start_guest(labels={"tier": "slow", "example.org/team": "x"}, policy="held")
        move = self.world.begin_move(self.guest, self.a, self.b)
        before = self.world.wait_flowing(self.a, move["id"])
        self.a.kill9()
        self.a.start()
        self.assertEqual(self.a.api.get("/v1/policies/held"), made)
        after = self.a.move_state(move["id"])
        self.assertEqual(after["policy"], before["policy"])
        self.assertEqual(after["policy"]["from"], "vm")
        definition = self.a.vm("g1")["definition"]
        self.assertEqual((definition["labels"], definition["policy"]),
                         ({"tier": "slow", "example.org/team": "x"}, "held"))
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")

    def test_by_migrctl_file_and_settings(self):
        self.a.migrctl("policy", "set", str(EXAMPLE))
        self.assertEqual(self.a.api.get("/v1/policies/nightly")["selector"], {"tier": "batch"})
        file = self.world.dir / "policy.json"
        file.write_text(json.dumps({"name": "night", "bandwidth_bytes_per_s": HELD}))
        self.a.migrctl("policy", "set", str(file))
        self.a.migrctl("policy", "set", "night", "deadline_s=60", "timeout=force",
                       "selector.tier=slow", "bandwidth_bytes_per_s=64M", "description=by night")
        policy = self.a.api.get("/v1/policies/night")
        self.assertEqual((policy["bandwidth_bytes_per_s"], policy["deadline_s"], policy["timeout"],
                          policy["selector"], policy["description"]),
                         (64 << 20, 60, "force", {"tier": "slow"}, "by night"))
        self.assertRegex(self.a.migrctl("policy", "list").stdout, r"\bnight\b")
        self.assertRegex(self.a.migrctl("policy", "show", "night").stdout, r"by night")
        self.a.migrctl("policy", "delete", "night")
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/policies/night")

    # ---- which one a move has ------------------------------------------------

    def test_move_with_gentle_has_its_bandwidth(self):
        self.start_guest()
        self.a.migrctl("move", "start", "g1", "--to", "b", "--policy", "gentle", "--watch")
        move = self.a.api.get("/v1/moves?vm=g1")["items"][0]
        self.assertEqual((move["policy"]["name"], move["policy"]["from"]), ("gentle", "request"))
        self.assertEqual(move["options"]["bandwidth_bytes_per_s"], GENTLE)
        self.guest.assert_runs_on(self.b)

    def test_each_built_in_policy_moves_a_guest_and_sets_what_both_can(self):
        self.start_guest()
        here, there = self.a, self.b
        for name in ("fast", "must-complete", "suspend", "gentle"):
            with self.subTest(policy=name):
                move = self.world.move(self.guest, here, there, policy=name)
                plan = here.api.get(f"/v1/moves/{move['id']}/plan")
                on = {item["name"] for item in plan["capabilities"] if item["on"]}
                why = {item["name"]: item.get("why", "") for item in plan["capabilities"]}
                self.assertEqual("auto-converge" in on, name in ("fast", "must-complete"))
                self.assertEqual("multifd" in on, name == "fast")
                if name == "must-complete" and "postcopy-ram" not in on:
                    self.assertIn("the policy's wish is left out", why["postcopy-ram"])
                limits = {item["name"]: item["number"] for item in plan["parameters"]
                          if item["name"] == "max-cpu-throttle"}
                # QEMU may do no more before it is decided (test_converge.py).
                self.assertEqual(limits, {"fast": {"max-cpu-throttle": 1},
                                          "must-complete": {"max-cpu-throttle": 1}}.get(name, {}))
                here, there = there, here
        self.guest.assert_runs_on(here)

    def test_request_wins_over_its_policy(self):
        self.start_guest()
        move = self.world.begin_move(self.guest, self.a, self.b, policy="gentle",
                                     bandwidth_bytes_per_s=HELD)
        move = self.world.wait_flowing(self.a, move["id"])
        self.assertEqual(move["options"]["bandwidth_bytes_per_s"], HELD)
        self.assertEqual(move["policy"]["overridden"], "bandwidth_bytes_per_s")
        self.world.cancel(self.a, move["id"])

    def test_policy_is_chosen_by_labels_and_the_one_with_most_of_them_wins(self):
        self.put(self.a, "a-tie", bandwidth_bytes_per_s=HELD, selector={"x": "1", "y": "2"})
        self.put(self.a, "b-tie", selector={"y": "2", "z": ""})
        self.put(self.a, "few", selector={"x": "1"})
        self.put(self.a, "other", selector={"x": "2"})
        self.start_guest()
        self.a.migrctl("vm", "label", "g1", "x=1", "y=2", "z=", "old=1")
        self.a.migrctl("vm", "label", "g1", "old-")
        self.assertEqual(self.a.vm("g1")["definition"]["labels"], {"x": "1", "y": "2", "z": ""})
        move = self.world.begin_move(self.guest, self.a, self.b)
        self.assertEqual((move["policy"]["name"], move["policy"]["from"]), ("a-tie", "label"))
        self.assertIn("'b-tie'", move["policy"]["why"])
        move = self.world.wait_flowing(self.a, move["id"])
        self.assertEqual(self.qemu_parameters()["max-bandwidth"], HELD)
        self.assertIn("policy", dict(self.timeline(self.a, move)))
        error = self.assert_api_error(409, "busy", self.a.api.patch, "/v1/vms/g1",
                                      {"labels": {"x": None}})
        self.assertIn("MIGRATION_OUT", error.body["detail"])
        self.world.cancel(self.a, move["id"])

    def test_labels_and_policy_travel_and_a_host_without_it_falls_back(self):
        self.put(self.a, "mine", downtime_limit_ms=700)
        self.start_guest(labels={"k": "v"})
        self.a.migrctl("vm", "set-policy", "g1", "mine")
        move = self.world.move(self.guest, self.a, self.b)
        self.assertEqual((move["policy"]["from"], move["options"]["downtime_limit_ms"]),
                         ("vm", 700))
        definition = self.b.vm("g1")["definition"]
        self.assertEqual((definition["labels"], definition["policy"]), ({"k": "v"}, "mine"))
        back = self.world.move(self.guest, self.b, self.a)
        self.assertEqual((back["policy"]["name"], back["policy"]["from"]), ("default", "default"))
        self.assertIn("'mine', which this host does not have",
                      dict(self.timeline(self.b, back))["policy"])
        self.guest.assert_runs_on(self.a)
        with self.assertRaises(ApiError) as refused:
            self.world.begin_move(self.guest, self.a, self.b, policy="none-such")
        self.assertEqual(refused.exception.code, "not-found")

    def test_policy_that_a_vm_names_is_not_removed(self):
        self.put(self.a, "mine")
        self.start_guest(policy="mine")
        error = self.assert_api_error(409, "conflict", self.a.api.delete, "/v1/policies/mine")
        self.assertIn("'g1'", error.body["detail"])
        error = self.assert_api_error(400, "invalid", self.a.api.patch, "/v1/vms/g1",
                                      {"policy": "none-such"})
        self.assertEqual(error.pointers(), ["/policy"])
        self.a.migrctl("vm", "set-policy", "g1")
        self.a.api.delete("/v1/policies/mine")
        self.assertNotIn("policy", self.a.vm("g1")["definition"])

    # ---- what of it can still be changed -------------------------------------

    def test_move_that_runs_takes_what_can_be_had_of_another_policy(self):
        self.put(self.a, "held", bandwidth_bytes_per_s=HELD, timeout="force", deadline_s=600)
        self.put(self.a, "else", bandwidth_bytes_per_s=2 * HELD, downtime_limit_ms=400,
                 downtime_ceiling_ms=900, channels=4, compression="zlib", throttle_max_percent=50,
                 postcopy="manual", deadline_s=900, timeout="postcopy")
        self.start_guest()
        move = self.world.begin_move(self.guest, self.a, self.b, policy="held")
        self.world.wait_flowing(self.a, move["id"])
        answer = self.a.api.patch(f"/v1/moves/{move['id']}", {"policy": "else"})
        self.assertEqual(sorted(answer["changed"]),
                         ["bandwidth_bytes_per_s", "deadline_s", "downtime_ceiling_ms",
                          "downtime_limit_ms"])
        self.assertEqual(sorted(item["setting"] for item in answer["kept"]),
                         ["channels", "compression", "postcopy", "throttle_max_percent",
                          "timeout"])
        policy = answer["policy"]
        self.assertEqual((policy["name"], policy["downtime_ceiling_ms"], policy["timeout"],
                          policy.get("channels", 0)), ("else", 900, "force", 0))
        self.eventually("QEMU has heard of the bandwidth",
                        lambda: self.qemu_parameters()["max-bandwidth"] == 2 * HELD)
        out = self.a.migrctl("move", "set", move["id"], "--policy", "suspend").stdout
        self.assertIn("changed: timeout", out)
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        self.guest.assert_runs_on(self.b)
