# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts are maintained one after another: emptied, handed to a hook, filled again."""
import os

from lib.long_form import only_full
from lib.sturdy import Sturdy
from lib.world import SystemTest

HELD = {"move": {"hold": {"timeout_s": 600, "then": "cancel"}}}

# A hook leaves a line with its host, waits for a file if there is one to be waited for, and fails
# where it is told to.
HOOK = """#!/bin/sh
here=$(dirname "$0")
echo "$1" >> "$here/lines"
while [ -e "$here/wait-$1" ]; do sleep 0.05; done
if [ -e "$here/fail-$1" ]; then echo "no such kernel"; exit 3; fi
echo "updated $1"
"""


class MaintenanceTest(Sturdy, SystemTest):
    host_ids = ("a", "b", "c")
    timeout_seconds = 300

    def prepare(self):
        self.dir = self.world.dir / "hooks"
        self.dir.mkdir()
        program = self.dir / "hook"
        program.write_text(HOOK, encoding="utf-8")
        program.chmod(0o755)
        needed = self.dir / "needed"
        needed.write_text("#!/bin/sh\n[ ! -e \"$(dirname \"$0\")/not-needed-$1\" ]\n",
                          encoding="utf-8")
        needed.chmod(0o755)
        for host in self.world.hosts.values():
            host.write_config(move={"outage_ping_min_ms": 0}, maintenance={"conductors": "a"},
                              **{"hook update": {"program": f"{program} {host.id}",
                                                 "only_if": f"{needed} {host.id}",
                                                 "timeout_s": 120}})

    def setUp(self):
        super().setUp()
        self.c = self.world["c"]

    def run_guests(self, *homes):
        self.guests = [self.world.guest(f"g{i}", area=0, memory_mib=32)
                       for i in range(len(homes))]
        for guest, home in zip(self.guests, homes):
            guest.start(home, sweeps=0)

    # ---- what is asked ---------------------------------------------------------

    def start(self, *hosts, **wish):
        return self.a.api.post("/v1/maintenances", {"hosts": list(hosts), **wish})

    def now(self, run="current"):
        return self.a.api.get(f"/v1/maintenances/{run if isinstance(run, str) else run['id']}")

    def ask(self, run, what, **wish):
        return self.a.api.post(f"/v1/maintenances/{run['id']}/{what}", wish)

    def refused(self, status, code, *words, call):
        error = self.assert_api_error(status, code, call)
        for word in words:
            self.assertIn(word, str(error.body))

    @staticmethod
    def of(run, host):
        return next(h for h in run["hosts"] if h["host"] == host)

    def wait(self, run, *states, timeout=60):
        def is_there():
            now = self.now(run)
            if now["final"] and now["state"] not in states:
                self.fail(f"the maintenance has ended: {now}")
            return now if now["state"] in states else None
        return self.eventually(f"maintenance is {states}", is_there, timeout)

    def wait_host(self, run, host, *states, timeout=60):
        def is_there():
            now = self.of(self.now(run), host)
            if now["final"] and now["state"] not in states:
                self.fail(f"host {host} has ended: {now}")
            return now if now["state"] in states else None
        return self.eventually(f"host {host} is {states}", is_there, timeout)

    def lines(self):
        path = self.dir / "lines"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def mark(self, name):
        (self.dir / name).touch()

    def unmark(self, name):
        os.unlink(self.dir / name)

    def home(self, guest):
        homes = [host for host in self.world.hosts.values()
                 if host.vms().get(guest.name, {}).get("state") == "running"]
        self.assertEqual(len(homes), 1, guest.name)
        return homes[0]

    def assert_homes(self, *homes):
        for guest, home in zip(self.guests, homes):
            self.assertIs(self.home(guest), home, guest.name)
            guest.assert_runs_on(home, sweeps=0)

    def assert_open(self, *hosts):
        for host in hosts:
            self.assertFalse(host.api.get("/v1/host")["cordoned"], host)

    def end_evacuation(self, host):
        host.api.post("/v1/evacuations/current/return")
        self.eventually("the evacuation has ended", lambda: host.api.get(
            "/v1/evacuations/current")["final"], 60)

    def go_on_with_moves(self, host):
        """Lets every move go on that is held there."""
        def release():
            for move in host.moves():
                if move["held"]:
                    host.api.post(f"/v1/moves/{move['id']}/release")
            return not any(not move["final"] for move in host.moves())
        self.eventually("moves go on", release, 60)

    def longest_blackout(self, host, guests):
        """Of the moves of GUESTS away from it, in tenths of a millisecond; None: each was over
        before the hosts' clocks were compared."""
        away = [move for move in self.world[host].moves()
                if move["kind"] == "MIGRATION_OUT" and move["vm"] in guests]
        found = [(move.get("measured") or {}).get("blackout_ms") for move in away]
        return max((round(ms, 1) for ms in found if ms), default=None)

    # ---- the whole ---------------------------------------------------------------

    def test_all_hosts_are_maintained_and_the_conductor_is_the_last(self):
        self.run_guests(self.a, self.a, self.b)
        self.refused(409, "conflict", "give at_once 2 at most",
                     call=lambda: self.start("a", "b", "c", at_once=3))
        seen = self.start("a", "b", "c", hook="update", dry_run=True)
        self.assertIsNone(seen["id"])
        self.assertEqual([(s["number"], s["host"], s["step"]) for s in seen["steps"]],
                         [(5 * i + j + 1, host, step) for i, host in enumerate("bca")
                          for j, step in enumerate(("check", "evacuate", "hook", "heal",
                                                    "return"))])
        self.assertIn("2 of 2", next(s["text"] for s in seen["steps"] if s["host"] == "a"
                                     and s["step"] == "evacuate"))
        self.assertEqual(self.a.api.items("/v1/maintenances"), [])
        self.refused(409, "conflict", "stale", call=lambda: self.start(
            "a", "b", "c", hook="update", state_id="0123456789abcdef"))
        with self.a.api.events(timeout=90) as events:
            run = self.start("a", "b", "c", hook="update", why="new kernel",
                             state_id=seen["state_id"])
            self.assertEqual((run["state"], run["conductor"], run["why"]),
                             ("planned", "a", "new kernel"))
            self.refused(409, "conflict", run["id"], call=lambda: self.start("b"))
            for kind, event in events:
                if kind == "maintenance" and event["final"]:
                    break
        self.assertEqual(event["state"], "done")
        done = self.now(run)
        self.assertEqual(done["state"], "done", done)
        self.assertEqual(self.lines(), ["b", "c", "a"])
        self.assert_homes(self.a, self.a, self.b)
        self.assert_open(self.a, self.b, self.c)
        self.assertEqual(done["counts"] | {"done": 3, "total": 3}, done["counts"])
        for host, guests in (("b", ["g2"]), ("a", ["g0", "g1"])):
            told = self.of(done, host)
            self.assertEqual((told["state"], told["vms"], told["returned"]),
                             ("done", len(guests), len(guests)))
            self.assertEqual(told["blackout_ms"], self.longest_blackout(host, guests))
            self.assertEqual((told["hook"]["state"], told["hook"]["words"].strip()),
                             ("done", f"updated {host}"))
            times = [told[at] for at in ("started_at", "drained_at", "hook_at", "healed_at",
                                         "ended_at")]
            self.assertEqual(times, sorted(times))
            self.assertGreater(told["took_ms"], 0)
        self.refused(409, "too-late", call=lambda: self.ask(run, "stop"))
        self.assertEqual([r["id"] for r in self.a.api.items("/v1/maintenances")], [run["id"]])

    def test_held_host_is_skipped_and_a_hook_that_fails_stops_it(self):
        self.run_guests(self.b)
        self.b.api.post("/v1/holds", {"owner": "backup", "reason": "night", "for_s": 600})
        self.mark("not-needed-a")
        self.mark("fail-c")
        seen = self.start("b", "c", "a", hook="update", dry_run=True)
        self.assertEqual([s["step"] for s in seen["steps"] if s["host"] != "c"],
                         ["skip", "skip"])
        run = self.start("b", "c", "a", hook="update", failures=1)
        failed = self.wait(run, "failed")
        self.assertIn("backup", self.of(failed, "b")["reason"])
        self.assertEqual([self.of(failed, host)["state"] for host in "bca"],
                         ["skipped", "failed", "skipped"])
        self.assertIn("no such kernel", self.of(failed, "c")["hook"]["words"])
        self.assertEqual(self.lines(), ["c"])
        self.assertIn("host 'c' has failed", failed["reason"])
        self.assertEqual((self.of(failed, "c")["error"]["code"], failed["error"]["code"]),
                         ("hook-failed", "hook-failed"))
        # It stays empty: a person looks, and ends its evacuation.
        self.assertTrue(self.c.api.get("/v1/host")["cordoned"])
        evac = self.c.api.get("/v1/evacuations/current")
        self.assertEqual((evac["id"], evac["state"], evac["requests"][0]["requester"]),
                         (self.of(failed, "c")["evacuation"], "drained",
                          f"maintenance:{run['id']}"))
        # Another run says whose it is, or takes it over.
        self.unmark("fail-c")
        told = self.start("c", hook="update", dry_run=True)
        self.assertIn("in maintenance already", told["steps"][0]["text"])
        adopted = self.start("c", hook="update", adopt=True)
        done = self.wait(adopted, "done")
        self.assertEqual(self.of(done, "c")["state"], "done", done)
        self.assertEqual(self.of(done, "c")["evacuation"], evac["id"])
        self.assertEqual(self.lines(), ["c", "c"])
        self.assert_open(self.c)
        # One that fails is given back, if that is wished; what needs nothing is left alone.
        self.mark("fail-c")
        run = self.start("a", "c", hook="update", on_failure="return", failures=2)
        done = self.wait(run, "done")
        self.assertEqual([self.of(done, host)["state"] for host in "ca"], ["failed", "skipped"])
        self.assertIn("not needed", self.of(done, "a")["reason"])
        self.assert_open(self.a, self.c)
        self.assert_homes(self.b)

    def test_person_lets_hosts_go_on_pauses_skips_and_aborts(self):
        self.run_guests(self.b)
        run = self.start("b", "c", "a", pause=True, hook_s=1)
        waiting = self.wait(run, "waiting")
        self.assertEqual(waiting["waits_for"], "b")
        self.ask(run, "go")
        took_ms = self.wait_host(run, "b", "hooking", timeout=60)["took_ms"]
        self.assertEqual(self.wait(run, "waiting")["waits_for"], "b")
        self.refused(404, "not-found", call=lambda: self.ask(run, "skip", host="d"))
        self.refused(409, "conflict", call=lambda: self.ask(run, "skip", host="b"))
        self.ask(run, "pause", why="lunch")
        self.eventually("hook_s is over, and means no work by hand", lambda: (
            self.of(self.now(run), "b")["took_ms"] > took_ms + 1000))
        self.ask(run, "go", host="b")
        self.wait_host(run, "b", "done")
        self.refused(409, "conflict", "does not wait", call=lambda: self.ask(run, "go", host="b"))
        paused = self.wait(run, "waiting")
        self.assertIn("lunch", paused["reason"])
        self.assertEqual(self.of(paused, "c")["state"], "todo")
        self.ask(run, "skip", host="c", why="no spare parts")
        self.ask(run, "resume")
        self.assertEqual(self.wait(run, "waiting")["waits_for"], "a")
        self.ask(run, "stop", why="weekend")
        ended = self.wait(run, "aborted")
        self.assertEqual([self.of(ended, host)["state"] for host in "bca"],
                         ["done", "skipped", "skipped"])
        self.assertIn("weekend", ended["reason"])
        self.assertIn("no spare parts", self.of(ended, "c")["reason"])
        self.assert_homes(self.b)
        # What is being emptied is undone; its guest has not left.
        run = self.start("b", hook="update", evacuation=HELD)
        self.wait_host(run, "b", "evacuating")
        self.eventually("its guest is held", lambda: any(m["held"] for m in self.b.moves()))
        self.ask(run, "abort", why="wrong host")
        self.go_on_with_moves(self.b)
        ended = self.wait(run, "aborted")
        self.assertEqual(self.of(ended, "b")["state"], "aborted", ended)
        self.assertEqual(self.lines(), [])
        self.assert_homes(self.b)
        self.assert_open(self.b)

    def test_own_host_gets_no_guest_back_while_its_hook_runs(self):
        self.run_guests(self.a)
        self.mark("wait-a")
        run = self.start("a", hook="update", hook_s=1, on_failure="return")
        self.wait_host(run, "a", "returning")
        self.eventually("it is refused", lambda: "must stay empty" in self.of(
            self.now(run), "a")["reason"])
        self.assertEqual(self.a.api.get("/v1/evacuations/current")["state"], "drained")
        self.unmark("wait-a")
        failed = self.wait(run, "failed")
        self.assertEqual(self.of(failed, "a")["state"], "failed", failed)
        self.assert_homes(self.a)
        self.assert_open(self.a)

    def test_killed_conductor_goes_on_and_does_nothing_twice(self):
        self.run_guests(self.a, self.b)
        self.mark("wait-b")
        run = self.start("b", "a", hook="update", evacuation=HELD)
        self.wait_host(run, "b", "evacuating")
        self.eventually("its guest is held", lambda: any(m["held"] for m in self.b.moves()))
        self.a.kill9()
        self.a.start()
        self.go_on_with_moves(self.b)
        self.wait_host(run, "b", "hooking")
        self.eventually("the hook runs", lambda: self.lines() == ["b"])
        self.a.kill9()
        self.unmark("wait-b")
        self.a.start()
        self.wait_host(run, "a", "evacuating")
        self.eventually("its guest is held", lambda: any(m["held"] for m in self.a.moves()))
        self.a.kill9()
        self.a.start()
        self.go_on_with_moves(self.a)
        done = self.wait(run, "done")
        self.assertEqual([self.of(done, host)["state"] for host in "ba"], ["done", "done"])
        self.assertEqual(self.lines(), ["b", "a"])
        for host in (self.a, self.b):
            self.assertEqual(len(host.api.items("/v1/evacuations")), 1, host)
        self.assert_homes(self.a, self.b)
        self.assert_open(self.a, self.b)

    def test_wrong_orders_are_refused_in_words(self):
        self.refused(400, "invalid", "'d'", "'e'", call=lambda: self.start("b", "d", "e"))
        self.refused(400, "invalid", "/hosts/1", "twice", call=lambda: self.start("b", "b"))
        self.refused(400, "invalid", "not_before",
                     call=lambda: self.start("b", not_before="2001-01-01T00:00:00Z"))
        self.refused(404, "not-found", call=lambda: self.now("0"))
        self.refused(409, "conflict", "reboot", call=lambda: self.start("b", hook="reboot"))
        # A host that does not name the conductor is not emptied by it.
        self.c.write_config(move={"outage_ping_min_ms": 0})
        self.c.stop()
        self.c.start()
        self.refused(409, "conflict", "conductors", call=lambda: self.start("c"))
        run = self.start("c", "b", hook="update")
        done = self.wait(run, "done")
        self.assertEqual([self.of(done, host)["state"] for host in "cb"], ["skipped", "done"])
        self.assertIn("conductors", self.of(done, "c")["reason"])
        # One that is not there is skipped in its turn.
        self.c.kill9()
        run = self.start("c", "b", hook="update", check_s=1)
        done = self.wait(run, "done")
        self.assertEqual([self.of(done, host)["state"] for host in "cb"], ["skipped", "done"])
        self.assertIn("does not answer", self.of(done, "c")["reason"])

    # ---- the conductor ends by itself at one point, each time at another ------------------

    def begin_once(self):
        runs = self.a.api.items("/v1/maintenances")
        if runs and not runs[0]["final"]:
            return runs[0]
        return self.start("b", "a", hook="update") if len(runs) == self.rounds else runs[0]

    def round(self, point):
        self.crashes = 0
        before = self.lines()
        self.a.restart_with_fault(f"{point}:crash")
        run = self.sturdy("the order", self.begin_once)
        done = self.sturdy("the end", lambda: (now := self.now(run))["final"] and now)
        self.assertEqual(done["state"], "done", done)
        self.assertEqual(self.crashes, 1, point)
        self.assertEqual(self.lines(), before + ["b", "a"], point)
        self.assert_homes(self.a, self.b)
        self.assert_open(self.a, self.b)
        self.rounds += 1

    # Twelve rounds to and fro.
    @only_full
    def test_crash_at_each_record_of_each_state_doubles_no_hook(self):
        self.rounds = 0
        self.run_guests(self.a, self.b)
        for state in ("planned", "running", "done"):
            for point in (f"maintenance.{state}", f"store.maintenance.{state}.before",
                          f"store.maintenance.{state}.after"):
                with self.subTest(point):
                    self.round(point)
