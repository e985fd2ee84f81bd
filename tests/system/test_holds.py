# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds, which keep automata from moving guests, and cordons, which keep new guests away."""
import contextlib
import datetime
import http.client
import uuid

from lib.world import SystemTest


def moment(seconds):
    """RFC 3339, SECONDS from now."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


class HoldBase(SystemTest):
    host_ids = ("a", "b", "c")

    def setUp(self):
        super().setUp()
        self.c = self.world["c"]

    def run_guest(self, host, name="g1"):
        guest = self.world.guest(name, area=0, memory_mib=32)
        guest.start(host, sweeps=0)
        return guest

    def queue(self, host, guest, *to, priority="evacuation"):
        return host.api.post("/v1/queue", {"vm": guest.name, "to": list(to), "priority": priority})

    def entry(self, host, entry):
        return host.api.get(f"/v1/queue/{entry['id']}")

    def wait_done(self, host, entry):
        def is_done():
            now = self.entry(host, entry)
            if now["final"] and now["state"] != "done":
                self.fail(f"the entry has ended: {now}")
            return now if now["state"] == "done" else None
        return self.eventually(f"the end of the entry of {entry['vm']}", is_done, 60)

    def wait_held(self, host, entry, *words):
        """It waits because of a hold, and no attempt was made."""
        now = self.eventually("the hold in its reason", lambda: (
            (found := self.entry(host, entry)) and "held by" in found["reason"] and found))
        for word in words:
            self.assertIn(word, now["reason"])
        self.assertEqual((now["state"], now["attempts"], now["expected_start"]),
                         ("waiting", [], None))

    def dry_run(self, host, guest, to, priority):
        return host.api.post("/v1/moves?dry_run=true",
                             {"vm": guest.name, "to": to, "priority": priority})

    def reasons(self, trial, check):
        return [(reason["side"], reason["blocks"]) for reason in trial["reasons"]
                if reason["check"] == check]


class CordonTest(HoldBase):
    def test_cordoned_host_gets_no_new_guest_and_the_queue_goes_on_to_the_next_one(self):
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        here = self.world.guest("here", area=0, memory_mib=32)
        here.create(self.b)
        done = self.b.migrctl("host", "cordon", "--reason", "new firmware").stdout
        self.assertIn("new firmware", done)
        self.b.kill9()              # it was answered, so it is on disk
        self.b.start()
        host = self.b.api.get("/v1/host")
        self.assertEqual((host["cordoned"], host["creations_under_way"]), (True, 0))
        self.assertEqual([(c["party"], c["reason"], c["by"]) for c in host["cordons"]],
                         [("person", "new firmware", "local")])
        self.assertIn("new firmware", self.b.migrctl("host", "show").stdout)
        self.b.api.get("/readyz")
        self.assertIn("migrd_host_cordoned 1", self.b.api.get("/metrics").decode())

        new = self.world.guest("new", area=0, memory_mib=32)
        refused = self.assert_api_error(409, "conflict", new.create, self.b)
        for word in ("'local'", "new firmware", "choose another host", "migrctl host uncordon"):
            self.assertIn(word, refused.body["detail"])
        self.assert_api_error(409, "conflict", self.b.api.post, "/v1/vms/adopt",
                              {"qmp": "unix:/none", "confirm": "x"})
        here.start(self.b, sweeps=0)        # a guest that is here may be started again

        guest = self.run_guest(self.a)
        trial = self.dry_run(self.a, guest, "b", "interactive")
        self.assertEqual((trial["possible"], self.reasons(trial, "cordoned")),
                         (False, [("destination", True)]))
        self.assert_move_refused(guest, self.a, self.b, "conflict", "new firmware")
        entry = self.queue(self.a, guest, "b", "c")
        attempts = self.wait_done(self.a, entry)["attempts"]
        self.assertEqual([(a["host"], a["code"]) for a in attempts],
                         [("b", "conflict"), ("c", None)])
        self.assertIn("new firmware", attempts[0]["reason"])
        guest.assert_runs_on(self.c, sweeps=0)

        self.assertRegex(self.b.migrctl("host", "uncordon").stdout, r"cordoned +no\n")
        self.b.kill9()
        self.b.start()
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        new.create(self.b)
        self.world.move(guest, self.c, self.b)
        guest.assert_runs_on(self.b, sweeps=0)

    def test_move_that_began_before_the_cordon_arrives_and_is_counted(self):
        guest = self.run_guest(self.a)
        move = self.world.begin_move(guest, self.a, self.b,
                                     hold={"timeout_s": 600, "then": "release"})
        self.eventually("the hold of the move", lambda: self.a.move_state(move["id"])["held"], 30)
        cordon = self.b.api.post("/v1/host/cordon", {"reason": "new disks"})
        self.assertEqual((cordon["cordoned"], cordon["creations_under_way"]), (True, 1))
        self.a.api.post(f"/v1/moves/{move['id']}/release")
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b, sweeps=0)
        self.eventually("nothing is under way", lambda: not self.b.api.get("/v1/host")[
            "creations_under_way"])

    def test_killed_while_it_is_written_it_is_there_or_not_and_asked_for_again_it_is(self):
        for when, is_there in (("before", False), ("after", True)):
            self.b.restart_with_fault(f"store.hold.cordon-person.{when}:crash")
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.b.api.post("/v1/host/cordon", {"reason": when})
                self.fail("it was answered")
            self.b.kill9()
            self.b.start()
            self.assertEqual(self.b.api.get("/v1/host")["cordoned"], is_there)
            again = self.b.api.post("/v1/host/cordon", {"reason": "again"})
            self.assertEqual([c["reason"] for c in again["cordons"]], ["again"])
            self.b.api.post("/v1/host/uncordon")


class HoldTest(HoldBase):
    def test_held_vm_waits_in_the_queue_and_goes_when_the_hold_ends(self):
        guest = self.run_guest(self.a)
        until = moment(3600)
        held = self.a.migrctl_json("hold", "add", "g1", "--reason", "restore test",
                                   "--until", until, "--owner", "storage team")
        self.assertEqual((held["kind"], held["vm"], held["owner"], held["created_by"],
                          held["until"].replace(".000Z", "Z"), held["applies"]),
                         ("vm", "g1", "storage team", "local", until, True))
        self.assertIn("storage team", self.a.migrctl("hold", "list").stdout)
        self.assertIn("restore test", self.a.migrctl("vm", "show", "g1").stdout)
        self.assertIn('migrd_holds{kind="vm"} 1', self.a.api.get("/metrics").decode())

        entry = self.queue(self.a, guest, "b")
        self.wait_held(self.a, entry, "VM 'g1'", "storage team", "restore test", held["id"])
        self.assertIn("restore test", self.a.migrctl("queue", "list").stdout)
        self.a.kill9()
        self.a.start()
        self.wait_held(self.a, entry, "storage team")
        self.assert_api_error(409, "conflict", self.a.api.post, "/v1/moves",
                              {"vm": "g1", "to": "b", "priority": "balancing"})
        trial = self.dry_run(self.a, guest, "b", "balancing")
        self.assertEqual((trial["possible"], self.reasons(trial, "held")),
                         (False, [("source", True)]))
        trial = self.dry_run(self.a, guest, "b", "interactive")
        self.assertEqual((trial["possible"], self.reasons(trial, "held")),
                         (True, [("source", False)]))

        # What a person orders goes on, with a warning; the entry finds the guest gone.
        self.a.api.post(f"/v1/queue/{entry['id']}/cancel")
        move = self.world.begin_move(guest, self.a, self.b)
        self.assertEqual(len(move["warnings"]), 1, move)
        self.assertIn("storage team", move["warnings"][0])
        self.world.wait_state(self.a, move["id"], "done")
        self.assertIn("holds", [line["event"] for line in self.a.api.items(
            f"/v1/moves/{move['id']}/timeline")])
        [left] = self.a.api.items("/v1/holds?vm=g1")
        self.assertFalse(left["applies"])
        self.assertIsNone(self.b.vm("g1")["held"])
        self.world.move(guest, self.b, self.a, priority="balancing")
        self.assertIn("storage team", self.a.vm("g1")["held"])

        entry = self.queue(self.a, guest, "b")
        self.wait_held(self.a, entry, "storage team")
        self.a.migrctl("hold", "remove", held["id"])
        self.wait_done(self.a, entry)
        guest.assert_runs_on(self.b, sweeps=0)
        self.assert_api_error(404, "not-found", self.a.api.get, f"/v1/holds/{held['id']}")

    def test_held_host_gives_and_takes_no_guest_by_itself_until_the_hold_expires(self):
        guest = self.run_guest(self.a)
        hold = self.a.migrctl_json("host", "hold", "--reason", "rewiring", "--for", "1h")
        other = self.b.api.post("/v1/holds", {"reason": "rewiring too", "for_s": 3600})
        self.assertIn("rewiring", self.a.api.get("/v1/host")["held"])
        self.assertIn("rewiring", self.a.migrctl("host", "show").stdout)
        entry = self.queue(self.a, guest, "b", "c", priority="balancing")
        self.wait_held(self.a, entry, "host 'a'", "rewiring")
        with self.a.api.events() as events:
            self.a.migrctl("hold", "renew", hold["id"], "--for", "1")
            told = []
            for kind, event in events:
                if kind == "hold":
                    told.append((event["change"], event["by"], event["id"]))
                if len(told) == 2:
                    break
        self.assertEqual(told, [("renewed", "local", hold["id"]), ("expired", "", hold["id"])])
        attempts = self.wait_done(self.a, entry)["attempts"]
        self.assertEqual([(a["host"], a["code"]) for a in attempts],
                         [("b", "conflict"), ("c", None)])
        self.assertIn("rewiring too", attempts[0]["reason"])
        trial = self.dry_run(self.c, guest, "b", "evacuation")
        self.assertEqual((trial["possible"], self.reasons(trial, "held")),
                         (False, [("destination", True)]))
        trial = self.dry_run(self.c, guest, "b", "interactive")
        self.assertEqual((trial["possible"], self.reasons(trial, "held")),
                         (True, [("destination", False)]))
        self.world.move(guest, self.c, self.b)
        self.assertIn("rewiring too", self.b.vm("g1")["held"])
        self.b.api.delete(f"/v1/holds/{other['id']}")
        self.assertIsNone(self.b.vm("g1")["held"])

    def test_killed_while_it_is_written_a_hold_is_there_or_not_and_never_twice(self):
        body = {"reason": "restore test", "for_s": 3600}
        for when, count in (("before", 0), ("after", 1)):
            key = {"Idempotency-Key": str(uuid.uuid4())}
            self.a.restart_with_fault(f"store.hold.host.{when}:crash")
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.a.api.post("/v1/holds", body, headers=key)
                self.fail("it was answered")
            self.a.kill9()
            self.a.start()
            self.assertEqual(len(self.a.api.items("/v1/holds")), count)
            again = self.a.api.post("/v1/holds", body, headers=key)
            self.assertEqual([h["id"] for h in self.a.api.items("/v1/holds")], [again["id"]])
            self.a.api.delete(f"/v1/holds/{again['id']}")

    def test_senseless_requests_are_refused_and_change_nothing(self):
        self.run_guest(self.a)
        good = {"reason": "r", "for_s": 60}
        faults = [
            ({"reason": "r"}, "/until"),
            ({"reason": "r", "until": "soon"}, "/until"),
            ({"reason": "r", "until": moment(60), "for_s": 60}, "/until"),
            ({"reason": "r", "for_s": 0}, "/for_s"),
            ({"reason": "r", "for_s": 31 * 86400}, "/for_s"),
            ({"for_s": 60}, "/reason"),
            ({**good, "reason": ""}, "/reason"),
            ({**good, "reason": "\t"}, "/reason"),
            ({**good, "reason": "x" * 256}, "/reason"),
            ({**good, "owner": "x" * 64}, "/owner"),
            ({**good, "vm": "a/b"}, "/vm"),
            ({**good, "for_ever": True}, "/for_ever"),
        ]
        for body, pointer in faults:
            error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/holds", body)
            self.assertEqual(error.pointers(), [pointer], body)
        for until in (moment(-60), moment(31 * 86400)):
            self.assert_api_error(400, "invalid", self.a.api.post, "/v1/holds",
                                  {"reason": "r", "until": until})
        self.assert_api_error(404, "not-found", self.a.api.post, "/v1/holds", {**good, "vm": "g9"})
        self.assert_api_error(400, "invalid", self.a.api.post, "/v1/holds", good,
                              headers={"Idempotency-Key": "a key"})
        self.assertEqual(self.a.api.items("/v1/holds"), [])

        hold = self.a.api.post("/v1/holds", {**good, "vm": "g1"}, headers={"Idempotency-Key": "k"})
        self.assert_api_error(422, "key-reused", self.a.api.post, "/v1/holds", good,
                              headers={"Idempotency-Key": "k"})
        path = f"/v1/holds/{hold['id']}"
        for body, status in (({}, 400), ({"for_s": 0}, 400), ({"until": moment(-1)}, 400),
                             ({"reason": "other", "for_s": 60}, 400)):
            self.assert_api_error(status, "invalid", self.a.api.patch, path, body)
        self.assertEqual(self.a.api.get(path), hold)
        for call in (self.a.api.get, self.a.api.delete):
            self.assert_api_error(404, "not-found", call, f"/v1/holds/{uuid.uuid4()}")
        for body in ({}, {"reason": ""}, {"reason": "x" * 256}, {"reason": 5}):
            self.assert_api_error(400, "invalid", self.a.api.post, "/v1/host/cordon", body)
        self.assertFalse(self.a.api.get("/v1/host")["cordoned"])
        self.a.api.post("/v1/host/uncordon")        # it is not: nothing to do
        for words in (["hold", "add", "g1", "--reason", "r"],
                      ["hold", "add", "g1", "--reason", "r", "--for", "2 weeks"],
                      ["hold", "add", "g1", "--for", "2h"],
                      ["host", "cordon"]):
            self.assertEqual(self.a.migrctl(*words, check=False).returncode, 2, words)
