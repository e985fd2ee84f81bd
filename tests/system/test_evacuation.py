# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is emptied, and gets its guests back."""
import datetime
import os
import signal

from lib.api import ApiError
from lib.long_form import only_full
from lib.sturdy import Sturdy
from lib.world import SystemTest

HELD = {"hold": {"timeout_s": 600, "then": "cancel"}}
STILL = {"memory_mib": 32, "machine": "pc-q35-7.2", "accel": "tcg"}   # a VM that nobody starts


class EvacuationBase(SystemTest):
    host_ids = ("a", "b", "c")

    def setUp(self):
        super().setUp()
        self.c = self.world["c"]

    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"outage_ping_min_ms": 0})

    def run_guests(self, count):
        self.guests = [self.world.guest(f"g{i}", area=0, memory_mib=32) for i in range(count)]
        for guest in self.guests:
            guest.start(self.a, sweeps=0)

    def begin(self, host=None, **wish):
        return (host or self.a).api.post("/v1/evacuations", wish)

    def now(self, evac="current", host=None):
        evac = evac if isinstance(evac, str) else evac["id"]
        return (host or self.a).api.get(f"/v1/evacuations/{evac}")

    def ask(self, evac, what, host=None, by=None, **wish):
        api = by or (host or self.a).api
        return api.post(f"/v1/evacuations/{evac['id']}/{what}", wish)

    def wait(self, evac, state, timeout=60, host=None):
        def is_there():
            now = self.now(evac, host)
            if now["final"] and now["state"] != state:
                self.fail(f"the evacuation has ended: {now}")
            return now if now["state"] == state else None
        return self.eventually(f"evacuation is {state}", is_there, timeout)

    def wait_vm(self, evac, name, *states, timeout=60):
        return self.eventually(f"{name} is {states}", lambda: next(
            (vm for vm in self.now(evac)["vms"] if vm["vm"] == name and vm["state"] in states),
            None), timeout)

    def wait_words(self, evac, name, words, timeout=60):
        return self.eventually(f"{name}: {words}", lambda: next(
            (vm for vm in self.now(evac)["vms"] if vm["vm"] == name and words in vm["why"]), None),
            timeout)

    @staticmethod
    def condition(evac, kind):
        return next(c["status"] for c in evac["conditions"] if c["type"] == kind)

    def homes(self):
        """Host of each guest, by the hosts themselves: each must be on exactly one."""
        homes = {}
        for host in self.world.hosts.values():
            for name, vm in host.vms().items():
                if vm["state"] == "running":
                    self.assertNotIn(name, homes)
                    homes[name] = host
        return homes

    def assert_all_run(self):
        homes = self.homes()
        for guest in self.guests:
            guest.assert_runs_on(homes[guest.name], sweeps=0)
        return homes


class EvacuationCrashTest(Sturdy, EvacuationBase):
    """The coordinator of the host that is emptied ends by itself at one point, each time at
    another."""

    timeout_seconds = 400
    sturdy_seconds = 30

    def reach(self, evac, state):
        return self.sturdy(f"evacuation is {state}", lambda: (
            (now := self.now(evac))["state"] == state and now), 60)

    def round(self, point):
        self.crashes = 0
        self.a.restart_with_fault(f"{point}:crash")
        evac = self.sturdy("the request", lambda: self.begin(why=point))
        self.assertEqual(len(evac["requests"]), 1)
        drained = self.reach(evac, "drained")
        self.assertEqual(drained["counts"]["moved"], len(self.guests), drained)
        self.assertEqual({name for name, host in self.homes().items() if host is self.a}, set())
        self.sturdy("the way back", lambda: self.is_coming_back(evac))
        ended = self.reach(evac, "ended")
        self.assertEqual({vm["state"] for vm in ended["vms"]}, {"returned"}, ended)
        self.assertEqual(set(self.assert_all_run().values()), {self.a})
        self.sturdy("no cordon", lambda: not self.a.api.get("/v1/host")["cordoned"])
        self.assertEqual(self.crashes, 1, point)
        for guest in self.guests:
            keys = [e for e in self.a.api.items(f"/v1/queue?vm={guest.name}") if not e["final"]]
            self.assertEqual(keys, [])
        return ended

    def is_coming_back(self, evac):
        try:
            return self.ask(evac, "return")
        except ApiError as error:   # it was asked before the crash
            if error.code in ("conflict", "too-late") and self.now(evac)["state"] != "drained":
                return True
            raise

    # Fifteen rounds to and fro.
    @only_full
    def test_crash_at_each_record_of_each_state_loses_and_doubles_nothing(self):
        self.run_guests(2)
        for state in ("planned", "draining", "drained", "returning", "ended"):
            for point in (f"evacuation.{state}", f"store.evacuation.{state}.before",
                          f"store.evacuation.{state}.after"):
                with self.subTest(point):
                    self.round(point)

    @only_full
    def test_crash_of_the_queue_and_of_both_hosts_loses_and_doubles_nothing(self):
        self.run_guests(2)
        for point in ("queue.waiting", "queue.moving", "queue.done", "store.queue.waiting.after",
                      "move.src.confirm"):
            with self.subTest(point):
                self.round(point)
        evac = self.begin()
        self.eventually("one is under way", lambda: any(
            vm["state"] == "moving" for vm in self.now(evac)["vms"]))
        for host in self.world.hosts.values():
            host.kill9()
        for host in self.world.hosts.values():
            host.start()
        self.assertEqual(self.wait(evac, "drained")["counts"]["moved"], 2)
        self.assertNotIn(self.a, self.assert_all_run().values())


class EvacuationTest(EvacuationBase):
    # The plan knows nothing of a stopped VM of the same name, for which host b refuses one guest.
    def test_host_is_emptied_over_a_crash_and_a_refusal_and_filled_again(self):
        self.run_guests(4)
        self.b.api.post("/v1/vms", {**STILL, "name": "g0"})
        dry = self.begin(dry_run=True)
        self.assertEqual((dry["id"], dry["state"], dry["counts"]["left"]), (None, "planned", 4))
        self.assertEqual(sorted(move["vm"] for move in dry["plan"]["moves"]),
                         ["g0", "g1", "g2", "g3"])
        self.assertEqual({host["host"] for host in dry["plan"]["hosts"]}, {"a", "b", "c"})
        self.assertEqual(self.a.api.items("/v1/evacuations"), [])

        evac = self.begin(why="new memory", state_id=dry["plan"]["state_id"])
        self.assertEqual([(who["requester"], who["why"]) for who in evac["requests"]],
                         [("local", "new memory")])
        self.eventually("one is under way", lambda: any(
            vm["state"] == "moving" for vm in self.now(evac)["vms"]))
        self.a.kill9()
        self.a.start()
        drained = self.wait(evac, "drained")
        self.assertEqual((drained["counts"]["moved"], drained["counts"]["left"]), (4, 0))
        self.assertTrue(self.condition(drained, "Drained"))
        self.assertFalse(self.condition(drained, "DrainInProgress"))
        homes = self.assert_all_run()
        self.assertNotIn(self.a, homes.values())
        self.assertIs(homes["g0"], self.c)
        for vm in drained["vms"]:
            self.assertEqual((vm["state"], vm["host"]), ("moved", homes[vm["vm"]].id))
            done = [m for m in self.a.moves(f"?vm={vm['vm']}") if m["state"] == "done"]
            self.assertEqual([m["id"] for m in done], [vm["move"]])
        self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms",
                              {**STILL, "name": "new"})

        # A restart finds the same, and then the guests come back.
        self.a.kill9()
        self.a.start()
        self.assertEqual(self.wait(evac, "drained")["counts"]["moved"], 4)
        self.ask(evac, "return")
        ended = self.wait(evac, "ended")
        self.assertEqual({vm["state"] for vm in ended["vms"]}, {"returned"})
        self.assertEqual(set(self.assert_all_run().values()), {self.a})
        self.a.api.post("/v1/vms", {**STILL, "name": "new"})
        stale = self.assert_api_error(409, "conflict", self.begin,
                                      state_id=dry["plan"]["state_id"])
        self.assertIn("stale", str(stale.body))

    def test_people_steer_it(self):
        self.run_guests(2)
        ann, bob, cyd, dan = (self.a.api_of(name) for name in ("ann", "bob", "cyd", "dan"))
        evac = ann.post("/v1/evacuations", {"approval": True, "requester": "kernel",
                                            "why": "update", "move": HELD})
        self.wait(evac, "waiting")
        self.assertTrue(self.condition(self.now(), "MaintenancePlanned"))
        self.ask(evac, "resume")    # nothing is paused, and nothing is changed
        joined = self.begin(requester="disks")
        self.assertEqual((joined["id"], len(joined["requests"])), (evac["id"], 2))
        self.assert_api_error(409, "conflict", self.begin, deadline_s=60)
        self.assert_api_error(409, "conflict", self.ask, evac, "approve", state_id="0" * 16)
        self.ask(evac, "approve", state_id=self.now()["plan"]["state_id"])
        for guest in self.guests:
            self.wait_vm(evac, guest.name, "moving")
        self.assertIsNone(self.now()["blocked_by"])

        # A pause that cancels the moves, and a resume that makes others.
        self.ask(evac, "pause", by=bob, moves="cancel", why="lunch")
        for guest in self.guests:
            self.wait_vm(evac, guest.name, "waiting")
        self.assertIn("lunch", self.now()["reason"])
        self.assertEqual(self.now()["paused_by"], "bob")
        self.a.kill9()
        self.a.start()
        self.assertTrue(self.wait(evac, "draining")["paused"])
        self.ask(evac, "resume")
        for guest in self.guests:
            self.wait_vm(evac, guest.name, "moving")

        # The last request that is withdrawn ends it.
        self.assert_api_error(404, "not-found", self.ask, evac, "withdraw", requester="nobody")
        self.ask(evac, "withdraw", requester="kernel")
        self.assertEqual(self.now(evac)["state"], "draining")
        # The second abort says otherwise of the moves: they are cancelled by who wanted that.
        self.ask(evac, "abort", by=cyd, why="no time")
        self.ask(evac, "abort", by=dan, moves="cancel", why="another day")
        aborted = self.wait(evac, "aborted")
        self.assertEqual((aborted["error"]["code"], aborted["error"]["detail"]),
                         ("cancelled", "another day"))
        self.assertEqual((aborted["began_by"], aborted["aborted_by"]), ("ann", "cyd"))
        self.assertNotIn("paused_by", aborted)
        people = [("ann", "bob")] * 2 + [("ann", "dan")] * 2
        self.assertEqual(sorted((move["began_by"], move["cancelled_by"])
                                for move in self.a.moves()), people)
        self.assertEqual(sorted((entry["created_by"], entry["cancelled_by"])
                                for entry in self.a.api.items("/v1/queue")), people)
        self.assertEqual(set(self.assert_all_run().values()), {self.a})
        self.a.api.post("/v1/vms", {**STILL, "name": "new"})
        self.assert_api_error(409, "too-late", self.ask, evac, "resume")

    def test_vms_that_people_change_are_seen(self):
        self.run_guests(3)
        self.a.api.post("/v1/vms", {**STILL, "name": "still"})
        hold = self.a.api.post("/v1/holds", {"vm": "still", "reason": "backup", "for_s": 600})
        evac = self.begin(move=HELD)
        moving = [self.wait_vm(evac, guest.name, "moving") for guest in self.guests]
        self.assertIn("backup", self.wait_vm(evac, "still", "held")["why"])
        self.assertEqual(self.now(evac)["blocked_by"], "still")
        self.a.api.call("DELETE", f"/v1/holds/{hold['id']}")
        # One is moved by hand instead, one is deleted.
        self.a.api.post(f"/v1/queue/{moving[0]['entry']}/cancel")
        self.wait_vm(evac, "g0", "blocked")
        self.world.move(self.guests[0], self.a, self.b)
        gone = self.wait_vm(evac, "g0", "gone")
        self.assertEqual(gone["host"], "b")
        self.assertIn("is on host 'b' now, by somebody else's order", gone["why"])
        moving.append(self.wait_vm(evac, "still", "moving"))
        for vm in moving[1:]:
            move_id = self.eventually("its move", lambda v=vm: next(
                now["move"] for now in self.now(evac)["vms"] if now["vm"] == v["vm"]))
            self.eventually("the hold", lambda m=move_id: self.a.move_state(m)["held"], 30)
            self.a.api.post(f"/v1/moves/{move_id}/release")
        for vm in moving[1:]:
            self.wait_vm(evac, vm["vm"], "moved")
        drained = self.wait(evac, "drained")
        self.assertEqual(drained["counts"]["moved"], 3)
        self.assert_gone(self.a, "still")
        self.assertNotIn(self.a, self.assert_all_run().values())
        self.ask(evac, "return", vms="stay")
        self.wait(evac, "ended")
        self.assertNotIn(self.a, self.assert_all_run().values())

    def test_hosts_that_are_emptied_at_once_and_want_the_same_room(self):
        cpus = os.cpu_count()
        self.guests = [self.world.guest(f"g{i}", area=0, memory_mib=32, vcpus=cpus) for i in range(2)]
        for guest, host in zip(self.guests, (self.a, self.b)):
            guest.start(host, sweeps=0)
        self.guests.append(self.world.guest("g2", area=0, memory_mib=32))
        self.guests[2].start(self.c, sweeps=0)
        self.configure(self.c, host={"vcpus_per_core": 2}, capacity={"ask_every_s": 1})
        evacs = [(host, self.begin(host)) for host in (self.a, self.b)]
        # Nobody is left for the third: it says so, and nothing is changed there.
        self.eventually("c has heard of it", lambda: not any(
            host["state"] == "online" for host in self.c.api.items("/v1/capacity")
            if host["id"] != "c"))
        refused = self.assert_api_error(409, "conflict", self.begin, host=self.c)
        self.assertIn("no other host takes guests: 'a' is cordoned", str(refused.body))
        self.assertFalse(self.c.api.get("/v1/host")["cordoned"])
        # One guest has the room, and the other is told to lack it, until there is more.
        [(first, done)] = self.eventually("one is drained", lambda: [
            (host, evac) for host, evac in evacs if self.now(evac, host)["state"] == "drained"], 60)
        [(second, waits)] = [pair for pair in evacs if pair[0] is not first]
        # At first by the word of the last host that was tried, then by a plan.
        self.eventually("the other is blocked, by each host", lambda: any(
            "vCPU" in str(vm["rejected"]) and {one["host"] for one in vm["rejected"]} == {"a", "b", "c"} -
            {second.id} for vm in self.now(waits, second)["vms"] if vm["state"] == "blocked"), 60)
        self.configure(self.c, host={"vcpus_per_core": 3})
        self.wait(waits, "drained", 90, second)
        self.assertEqual(set(self.assert_all_run().values()), {self.c})
        for host, evac in ((first, done), (second, waits)):
            self.ask(evac, "return", host, vms="stay")
            self.wait(evac, "ended", host=host)
            self.assertFalse(host.api.get("/v1/host")["cordoned"])

    # The second comes while the record of the first one is being written.
    def test_two_who_want_the_way_back_at_once_get_it(self):
        self.run_guests(1)
        evac = self.begin()
        self.wait(evac, "drained")
        with self.a.held_at("store.evacuation.returning.before",
                            lambda: self.ask(evac, "return")) as first:
            second = self.a.api.begin("POST", f"/v1/evacuations/{evac['id']}/abort", {"back": True})
        status, _, answer = second()
        self.assertEqual((status, answer["id"], first.result()["id"]), (202, evac["id"], evac["id"]))
        ended = self.wait(evac, "ended")
        self.assertEqual([vm["state"] for vm in ended["vms"]], ["returned"])
        self.assertEqual(set(self.assert_all_run().values()), {self.a})

    def test_window_opens_and_a_deadline_passes(self):
        self.run_guests(1)
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        evac = self.begin(not_before=soon.strftime("%Y-%m-%dT%H:%M:%SZ"), deadline_s=2,
                          on_deadline="pause", move=HELD)
        self.assertIn("window", self.wait(evac, "waiting")["reason"])
        self.a.kill9()
        self.a.start()
        self.wait_vm(evac, "g0", "moving")
        self.assertGreaterEqual(datetime.datetime.now(datetime.timezone.utc),
                                soon.replace(microsecond=0))
        late = self.eventually("the deadline", lambda: (now := self.now(evac))["paused"] and now)
        self.assertIn("its deadline has passed", late["reason"])
        self.ask(evac, "abort", moves="cancel")
        self.assertEqual(self.wait(evac, "aborted")["error"]["code"], "cancelled")
        self.assertEqual(set(self.assert_all_run().values()), {self.a})

    # They are not on other hosts, so they stand still while this one is worked on.
    def test_guests_that_cannot_move_are_stopped_or_saved_and_go_on_again(self):
        self.run_guests(3)
        for guest, action in zip(self.guests, ("restart", "save", "leave")):
            self.a.api.call("PATCH", f"/v1/vms/{guest.name}",
                            {"placement": {"pins": ["a"], "on_evacuation": action}})
        evac = self.begin()
        for guest in self.guests:
            blocked = self.wait_vm(evac, guest.name, "blocked")
            self.assertEqual({r["host"] for r in blocked["rejected"]}, {"b", "c"})
        self.assertIn(self.now(evac)["blocked_by"], ("g0", "g1", "g2"))
        self.ask(evac, "abort")
        self.wait(evac, "aborted")
        evac = self.begin(may_leave=True, may_stop=True, powerdown_s=1, may_save=True,
                          save_dir=str(self.a.saved))
        drained = self.wait(evac, "drained")
        self.assertEqual({vm["vm"]: vm["state"] for vm in drained["vms"]},
                         {"g0": "stopped", "g1": "saved", "g2": "left"})
        self.assertEqual({name: vm["state"] for name, vm in self.a.vms().items()},
                         {"g0": "stopped", "g1": "stopped", "g2": "running"})
        self.assertEqual(drained["counts"]["stays"], 3)
        self.a.kill9()
        self.a.start()
        self.wait(evac, "drained")
        self.ask(evac, "return")
        ended = self.wait(evac, "ended")
        self.assertEqual([vm["state"] for vm in ended["vms"]], ["returned", "returned", "left"])
        self.guests.pop(0).console.wait_line(20, "a")   # it has booted anew
        self.assertEqual(set(self.assert_all_run().values()), {self.a})

    def test_plan_keeps_to_placements_and_its_state_id_follows_them(self):
        self.run_guests(1)
        for name, pin in (("to-b", "b"), ("to-c", "c"), ("stays", "a")):
            self.a.api.post("/v1/vms", {**STILL, "name": name, "placement": {"pins": [pin]}})
        plan = self.begin(dry_run=True)["plan"]
        moves = {move["vm"]: move for move in plan["moves"]}
        self.assertEqual([(moves[name]["to"], moves[name]["others"]) for name in ("to-b", "to-c")],
                         [("b", []), ("c", [])])
        self.assertIn("it may run on none of them", moves["stays"]["why"])
        for placement in ({"on_evacuation": "restart"}, {"priority": 3}):
            known = self.begin(dry_run=True)["plan"]["state_id"]
            self.assertEqual(self.begin(dry_run=True)["plan"]["state_id"], known)
            self.a.api.call("PATCH", "/v1/vms/g0", {"placement": placement})
            self.assertNotEqual(self.begin(dry_run=True)["plan"]["state_id"], known, placement)

    # It waits for its stop until the other has moved, and crashes and is held meanwhile.
    def test_guest_that_is_to_be_stopped_is_not_while_it_is_held(self):
        self.run_guests(2)
        self.a.api.call("PATCH", "/v1/vms/g0",
                        {"placement": {"pins": ["a"], "on_evacuation": "restart"}})
        evac = self.begin(may_stop=True, powerdown_s=1, move=HELD)
        self.wait_vm(evac, "g0", "stopping")
        self.wait_vm(evac, "g1", "moving")
        os.kill(self.a.vms()["g0"]["pid"], signal.SIGKILL)
        self.assertIn("is crashed", self.wait_vm(evac, "g0", "blocked")["why"])
        self.a.api.post("/v1/vms/g0/start")
        self.wait_vm(evac, "g0", "stopping")
        move = self.eventually("its move", lambda: next(
            vm["move"] for vm in self.now(evac)["vms"] if vm["vm"] == "g1"))
        hold = self.a.api.post("/v1/holds", {"vm": "g0", "reason": "backup", "for_s": 600})
        self.eventually("the hold", lambda: self.a.move_state(move)["held"], 30)
        self.a.api.post(f"/v1/moves/{move}/release")
        self.wait_vm(evac, "g1", "moved")
        self.assertIn("backup", self.wait_vm(evac, "g0", "held")["why"])
        self.assertEqual(self.a.vms()["g0"]["state"], "running")
        self.a.api.call("DELETE", f"/v1/holds/{hold['id']}")
        self.wait_vm(evac, "g0", "stopped")
        self.wait(evac, "drained")
        self.ask(evac, "return")
        self.wait(evac, "ended")
        self.assertEqual({name: host.id for name, host in self.homes().items()},
                         {"g0": "a", "g1": "a"})

    def test_bad_wishes_are_refused(self):
        past = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).isoformat()
        for body, words in (({"requester": ""}, "/requester"), ({"until": "soon"}, "/until"),
                            ({"until": past}, "until is past"),
                            ({"window_until": past}, "window_until is past"),
                            ({"may_save": True}, "/save_dir"), ({"save_dir": "x"}, "/save_dir"),
                            ({"on_deadline": "abort"}, "/on_deadline"),
                            ({"deadline_s": 0}, "/deadline_s"), ({"state_id": "x"}, "/state_id"),
                            ({"stopped": "kill"}, "/stopped"), ({"vm": "g0"}, "unknown key"),
                            ({"not_before": "2030-01-02T00:00:00Z",
                              "window_until": "2030-01-01T00:00:00Z"}, "/window_until")):
            error = self.assert_api_error(400, "invalid", self.begin, **body)
            self.assertIn(words, str(error.body))
        self.assert_api_error(404, "not-found", self.begin, move={"policy": "none"})
        self.assert_api_error(404, "not-found", self.now, "current")
        self.assertEqual(self.a.api.items("/v1/evacuations"), [])

        # An empty host is drained at once; one whose peers are away has nowhere to go.
        evac = self.begin(not_before="2020-01-01T00:00:00Z")
        self.assertEqual(self.wait(evac, "drained")["counts"]["total"], 0)
        # One who withdraws does not wait for an end that others do not want yet.
        self.begin(requester="kernel")
        shown = self.a.migrctl("evacuation", "withdraw", "--requester", "kernel", "--watch", timeout=20)
        self.assertIn("drained", shown.stdout)
        self.assertEqual(self.wait(evac, "drained")["ending"], None)
        self.ask(evac, "abort")
        self.wait(evac, "ended")
        self.run_guests(1)
        self.b.stop()
        self.c.stop()
        # What a host tells of itself may be a second old.
        self.eventually("the guest is known", lambda: self.is_refused("no other host takes guests"))
        self.assertEqual(set(self.assert_all_run_on_a()), {"g0"})

    def is_refused(self, words):
        try:
            self.begin(dry_run=True)
        except ApiError as error:
            self.assertEqual((error.status, error.code), (409, "conflict"))
            return words in str(error.body)
        return False

    def assert_all_run_on_a(self):
        return {name for name, vm in self.a.vms().items() if vm["state"] == "running"}
