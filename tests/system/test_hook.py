# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a host does when it is empty: hooks of its configuration, which another host asks for."""
import contextlib
import os
import signal

from lib.api import Api, client_context
from lib.long_form import only_full
from lib.party import Parties
from lib.sturdy import Sturdy
from lib.world import SystemTest

RUN = "maintenance:0192"


class HookTest(Sturdy, SystemTest):
    """Host b conducts, by the routes for peers; a is maintained."""

    def prepare(self):
        self.parties = Parties(self.world.dir)
        self.addCleanup(self.parties.close)

    def setUp(self):
        super().setUp()
        self.peer = Api.with_certificate(self.a.address, self.a.api_port,
                                         client_context(self.b.dir))
        self.ran = self.world.dir / "ran"
        self.gate = self.world.dir / "gate"
        os.mkfifo(self.gate)

    def script(self, name, text):
        path = self.world.dir / name
        path.write_text(f"#!/bin/sh\necho {name} >>{self.ran}\n{text}\n", encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    def sections(self, conductors="b"):
        _, told = self.parties.section("told")
        _, mute = self.parties.section("mute")
        _, torn = self.parties.section("torn")
        _, deaf = self.parties.section("deaf", url="https://127.0.0.1:1/")
        return {
            "maintenance": {"conductors": conductors},
            "hook ok": {"program": self.script("ok", "echo well done")},
            "hook bad": {"program": self.script("bad", "echo sorry; exit 3")},
            "hook slow": {"program": self.script("slow", "sleep 600"), "timeout_s": 1},
            "hook wait": {"program": self.script("wait", f"read line <{self.gate}")},
            "hook idle": {"program": self.script("idle", ""),
                          "only_if": self.script("needed", "exit 1")},
            # As an upgrade: whoever started the coordinator starts it again.
            "hook upgrade": {"program": self.script(
                "upgrade", f"kill -9 $(cat {self.world.dir}/pid); read line <{self.gate}"),
                "restarts": "yes"},
            "hook told": {**told, "timeout_s": 20},
            "hook mute": {**mute, "timeout_s": 60},
            "hook late": {**mute, "timeout_s": 1},
            "hook torn": {**torn, "timeout_s": 60},
            "hook deaf": {**deaf, "timeout_s": 60},
            "hook bounce": {**mute, "timeout_s": 60, "restarts": "yes"},
        }

    # ---- what the conductor asks -----------------------------------------------------------

    def ask(self, method, path, body=None):
        return self.peer.call(method, f"/peer/v1/{path}", body, headers={"Migrd-Protocol": "1"})

    def begin(self, name, hook_id, **more):
        return self.ask("POST", "hooks", {"name": name, "hook_id": hook_id, "requester": RUN, **more})

    def end_of(self, hook_id, state):
        return self.eventually(f"hook {hook_id} is {state}", lambda: (
            (run := self.ask("GET", f"hooks/{hook_id}"))["state"] == state and run), 20)

    def run_hook(self, name, hook_id, state):
        self.assertEqual(self.begin(name, hook_id)["hook_id"], hook_id)
        return self.end_of(hook_id, state)

    def drain(self):
        evac = self.ask("POST", "evacuations", {"requester": RUN, "why": "new kernel"})
        self.eventually("the host is drained", lambda: (
            self.ask("GET", f"evacuations/{evac['id']}")["state"] == "drained"))
        return evac["id"]

    def runs(self, name):
        lines = self.ran.read_text(encoding="utf-8").split() if self.ran.exists() else []
        return lines.count(name)

    def refused(self, status, code, *args, **kwargs):
        return self.assert_api_error(status, code, *args, **kwargs).body["detail"]

    # ---- tests --------------------------------------------------------------------------------

    def test_only_a_named_conductor_may_ask_and_only_of_a_drained_host(self):
        for method, path, body in (
                ("POST", "evacuations", {"requester": RUN}), ("GET", "evacuations/current", None),
                ("POST", "evacuations/current/withdraw", None),
                ("POST", "hooks", {"name": "ok", "hook_id": "1", "requester": RUN}),
                ("GET", "hooks/1", None)):
            self.assertIn("key conductors of the section [maintenance]",
                          self.refused(403, "forbidden", self.ask, method, path, body), path)
        self.configure(self.a, **self.sections())
        # What a person sees; what is not configured cannot be asked for.
        listed = {hook["name"]: hook for hook in self.a.api.items("/v1/hooks")}
        self.assertEqual(set(listed), {name[5:] for name in self.sections() if name[:5] == "hook "})
        self.assertEqual((listed["slow"]["timeout_s"], listed["ok"]["timeout_s"],
                          listed["upgrade"]["restarts"], listed["told"]["program"], listed["ok"]["runs"]),
                         (1, 900, True, None, []))
        self.assertIn("[hook other]", self.refused(404, "not-found", self.begin, "other", "1"))
        # It is asked for before the host is emptied.
        self.assertIn("not drained", self.refused(409, "conflict", self.begin, "ok", "1"))
        self.refused(404, "not-found", self.ask, "GET", "hooks/1")
        self.assertEqual((self.begin("idle", "1", check=True)["needed"],
                          self.begin("ok", "1", check=True)["needed"]), (False, True))
        plan = self.ask("POST", "evacuations", {"requester": RUN, "dry_run": True})
        self.assertEqual((plan["id"], plan["blocked_total"], plan["fullest"]), ("", 0, "b"))
        # Each request has a name, by which it is known again.
        self.refused(400, "invalid", self.ask, "POST", "evacuations", {})
        evac = self.drain()
        self.assertEqual(self.ask("GET", "evacuations/current")["requesters"], [RUN])
        self.assertEqual(self.ask("POST", "evacuations", {"requester": RUN})["id"], evac)
        for path, body in (("evacuations", {}), (f"evacuations/{evac}/withdraw", {}),
                           ("hooks", {"name": "ok", "hook_id": "1"})):     # nobody else's name
            self.refused(400, "invalid", self.ask, "POST", path, {**body, "requester": "ops"})
        other = {"name": "ok", "hook_id": "1", "requester": "maintenance:other"}
        self.assertIn("does not ask for it", self.refused(409, "conflict", self.ask, "POST", "hooks", other))
        # Who has taken it back, and asks again in a late request, empties the host no more.
        self.run_hook("ok", "1", "done")
        self.ask("POST", f"evacuations/{evac}/withdraw", {"requester": RUN})
        self.eventually("it has ended", lambda: self.ask("GET", f"evacuations/{evac}")["final"])
        self.assertTrue(self.ask("POST", f"evacuations/{evac}/withdraw", {"requester": RUN})["final"])
        late = self.ask("POST", "evacuations", {"requester": RUN})
        self.assertEqual((late["id"], late["final"]), (evac, True))
        self.assertIn("not drained", self.refused(409, "conflict", self.begin, "ok", "2"))
        self.assertFalse(self.a.api.get("/v1/host")["cordoned"])

    def test_hook_ends_as_its_program_or_its_url_does_and_is_run_once(self):
        self.configure(self.a, **self.sections())
        evac = self.drain()
        run = self.run_hook("ok", "r-a-1", "done")
        self.assertEqual((run["exit"], run["words"], run["needed"], run["by"]), (0, "well done", True, "b"))
        self.assertEqual(self.begin("ok", "r-a-1")["state"], "done")
        self.refused(409, "conflict", self.begin, "bad", "r-a-1")
        self.assertEqual(self.runs("ok"), 1)
        run = self.run_hook("bad", "r-a-2", "failed")
        self.assertEqual((run["exit"], run["words"]), (3, "sorry"))
        run = self.run_hook("slow", "r-a-3", "failed")
        self.assertIn("timeout_s of 1 s", run["reason"])
        self.assertFalse(self.run_hook("idle", "r-a-4", "done")["needed"])
        self.assertEqual(self.runs("idle"), 0)
        self.parties.set("told", 200, {"needed": False})
        self.assertFalse(self.run_hook("told", "r-a-5", "done")["needed"])
        self.parties.set("told", 500, {"oh": "no"})
        run = self.run_hook("told", "r-a-6", "failed")
        self.assertEqual((run["exit"], run["words"]), (500, '{"oh": "no"}'))
        # Without an answer nobody knows, but that nobody can be told is known.
        self.parties.set("mute", 200, None)
        self.parties.set("torn", 200, lambda handler: setattr(handler, "close_connection", True))
        for name in ("late", "torn"):
            run = self.run_hook(name, f"r-a-{name}", "unknown")
            self.assertIn("was told, and its answer was not heard: look there", run["reason"])
            self.assertTrue(run["words"], name)
        self.assertIn("cannot be told", self.run_hook("deaf", "r-a-deaf", "failed")["reason"])
        with self.parties.server.lock:
            heard = [n for n in self.parties.server.heard if n["party"] == "told"]
        self.assertEqual([(n["id"], n["genuine"], n["type"], n["data"]["hook"]) for n in heard],
                         [(f"r-a-{i}", True, "host.hook", "told") for i in (5, 6)])
        # Nothing brings guests back while one runs, and no other begins.
        self.begin("wait", "r-a-7")
        for call in (lambda: self.a.api.post(f"/v1/evacuations/{evac}/return"),
                     lambda: self.a.api.post(f"/v1/evacuations/{evac}/abort"),
                     lambda: self.a.api.post("/v1/vms/restore", {"path": "/saved"}),
                     lambda: self.ask("POST", f"evacuations/{evac}/withdraw", {"requester": RUN})):
            self.assertIn("must stay empty", self.refused(409, "conflict", call))
        self.refused(409, "busy", self.begin, "ok", "r-a-8")
        self.gate.write_text("go\n", encoding="utf-8")
        self.end_of("r-a-7", "done")
        shown = {hook["name"]: hook for hook in self.a.api.items("/v1/hooks")}
        self.assertEqual([run["hook_id"] for run in shown["told"]["runs"]], ["r-a-6", "r-a-5"])
        self.assertEqual(self.a.api.get("/v1/hooks/r-a-7")["state"], "done")

    def test_coordinator_that_is_restarted_meanwhile_learns_of_the_end(self):
        self.configure(self.a, **self.sections())
        self.drain()
        # It runs on without a coordinator, and ends without one.
        self.begin("wait", "w-1")
        self.eventually("it runs", lambda: self.runs("wait") == 1)
        self.a.kill9()
        self.gate.write_text("go\n", encoding="utf-8")
        self.a.start()
        self.end_of("w-1", "done")
        # It restarts the coordinator, and is over when it has ended itself.
        (self.world.dir / "pid").write_text(str(self.a.process.pid), encoding="ascii")
        self.a.must_be_up = False
        with contextlib.suppress(ConnectionError):     # it may be gone before it has answered
            self.begin("upgrade", "u-1")
        self.eventually("the coordinator is gone", lambda: not self.a.is_up())
        self.a.start()
        self.assertEqual(self.ask("GET", "hooks/u-1")["state"], "running")
        self.gate.write_text("go\n", encoding="utf-8")
        self.assertIn("started anew", self.end_of("u-1", "done")["reason"])
        self.assertEqual((self.runs("wait"), self.runs("upgrade")), (1, 1))
        # An answer that nobody heard.
        self.parties.set("mute", 200, None)
        self.begin("mute", "m-1")
        self.eventually("it was told", lambda: any(n["party"] == "mute" for n in self.parties.server.heard))
        self.a.kill9()
        self.a.start()
        self.assertIn("look there", self.end_of("m-1", "unknown")["reason"])

    # That the coordinator was started anew is no sign that it was done.
    def test_url_that_restarts_the_coordinator_counts_only_if_it_was_told(self):
        self.configure(self.a, **self.sections())
        self.parties.set("mute", 200, None)
        self.drain()
        for number, (after, state, words) in enumerate((
                (1, "unknown", "nobody knows whether its url was told"),    # it runs, on disk
                (2, "done", "after its url was told")), 1):                 # it was told, on disk
            self.a.restart_with_fault(f"store.hook.running.after:crash:after={after}")
            self.begin_over_a_crash("bounce", f"b-{number}")
            self.assertIn(words, self.end_of(f"b-{number}", state)["reason"])
        self.assertEqual([n["id"] for n in self.parties.server.heard], ["b-2"])

    def test_crash_around_the_begin_of_a_hook_runs_it_once(self):
        self.crash_at("store.hook.running.after", "hook.spawned")

    @only_full
    def test_crash_at_each_step_of_a_hook_runs_it_once(self):
        self.crash_at("store.hook.running.before", "store.hook.running.after", "hook.spawn",
                      "hook.spawned", "store.hook.done.before", "store.hook.done.after")

    def crash_at(self, *points):
        self.configure(self.a, **self.sections())
        self.drain()
        for number, point in enumerate(points, 1):
            with self.subTest(point):
                self.a.restart_with_fault(f"{point}:crash")
                self.begin_over_a_crash("ok", f"c-{number}")
                self.end_of(f"c-{number}", "done")
                self.assertEqual(self.runs("ok"), number)

    def begin_over_a_crash(self, name, hook_id):
        """As its conductor does: it is asked for until that is answered, by the coordinator of after
        the crash if need be."""
        self.a.must_be_up = False
        self.sturdy("the hook", lambda: self.begin(name, hook_id))
        self.sturdy("the crash", lambda: self.crashes and self.ask("GET", f"hooks/{hook_id}"))
        self.crashes = 0
