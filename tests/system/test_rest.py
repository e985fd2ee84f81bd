# SPDX-License-Identifier: LGPL-2.1-or-later
"""What control planes expect of a REST API: conditions, places, waits."""
import http.client

from lib.api import ApiError
from lib.long_form import only_full
from lib.world import SystemTest

HELD = {"hold": {"timeout_s": 600, "then": "cancel"}}
STILL = {"memory_mib": 32, "machine": "pc-q35-7.2", "accel": "tcg"}   # a VM that nobody starts


class ObjectsTest(SystemTest):
    host_ids = ("a",)

    def make(self, name="v1"):
        return self.a.api.send("POST", "/v1/vms", {"name": name, **STILL})

    def test_two_writers_do_not_overwrite_each_other(self):
        status, headers, _ = self.make()
        self.assertEqual((status, headers["Location"]), (201, "/v1/vms/v1"))
        first = headers["ETag"]
        status, headers, _ = self.a.api.send("GET", "/v1/vms/v1")
        self.assertEqual((status, headers["ETag"]), (200, first))
        self.assertEqual(self.a.api.send("GET", "/v1/vms/v1", headers={"If-None-Match": first})[0], 304)

        status, headers, _ = self.a.api.send("PATCH", "/v1/vms/v1", {"labels": {"a": "1"}},
                                             headers={"If-Match": first})
        self.assertEqual(status, 200)
        second = headers["ETag"]
        status, headers, body = self.a.api.send("PATCH", "/v1/vms/v1", {"labels": {"a": "2"}},
                                                headers={"If-Match": first})
        self.assertEqual((status, body["code"], headers["ETag"]),
                         (412, "precondition-failed", second))
        self.assertIn("repeat it with the new ETag", body["detail"])
        self.assertEqual(self.a.api.get("/v1/vms/v1")["definition"]["labels"], {"a": "1"})
        self.assertEqual(self.a.api.send("POST", "/v1/vms/v1/start", headers={"If-Match": first})[0], 412)
        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/v1", headers={"If-Match": first})[0], 412)
        # The tag is of the content: a restart makes none of it stale.
        self.a.stop()
        self.a.start()
        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/v1", headers={"If-Match": second})[0], 204)
        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/v1", headers={"If-Match": "*"})[0], 412)

    def test_vm_that_was_made_again_is_another_one(self):
        same = {"name": "v1", "uuid": "5b1f7a30-0000-4000-8000-000000000001", **STILL}
        first = self.a.api.send("POST", "/v1/vms", same)[1]["ETag"]
        self.a.api.delete("/v1/vms/v1")
        second = self.a.api.send("POST", "/v1/vms", same)[1]["ETag"]
        self.assertNotEqual(first, second)
        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/v1", headers={"If-Match": first})[0], 412)
        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/v1", headers={"If-Match": second})[0], 204)

    def test_what_is_made_says_where_it_is_and_what_it_is(self):
        self.make()
        made = [("PUT", "/v1/policies/p1", {"description": "x"}),
                ("POST", "/v1/holds", {"vm": "v1", "reason": "x", "for_s": 60}),
                ("POST", "/v1/vms/v1/devices", {"kind": "nic", "id": "n1", "type": "user"})]
        for method, path, body in made:
            with self.subTest(path):
                status, headers, _ = self.a.api.send(method, path, body)
                self.assertEqual(status, 201)
                found = self.a.api.send("GET", headers["Location"])
                self.assertEqual((found[0], found[1]["ETag"]), (200, headers["ETag"]))
                self.assertEqual(self.a.api.send("DELETE", headers["Location"],
                                                 headers={"If-Match": '"x"'})[0], 412)
                self.assertEqual(self.a.api.send("DELETE", headers["Location"],
                                                 headers={"If-Match": headers["ETag"]})[0], 204)
        put = {"If-None-Match": "*"}
        self.assertEqual(self.a.api.send("PUT", "/v1/policies/p1", {}, headers=put)[0], 201)
        self.assertEqual(self.a.api.send("PUT", "/v1/policies/p1", {}, headers=put)[0], 412)

    def test_problem_says_whether_and_when_to_try_again(self):
        status, headers, body = self.a.api.send("GET", "/v1/vms/none")
        self.assertEqual((status, body["retry"], headers["Retry-After"]), (404, False, None))


class KeysTest(SystemTest):
    host_ids = ("a",)

    def post(self, key, path="/v1/vms", body=None, **headers):
        return self.a.api.send("POST", path, body, {"Idempotency-Key": key, **headers})

    def test_request_with_a_key_is_done_once_also_over_a_restart(self):
        request = {"name": "v1", **STILL}
        status, headers, made = self.post("k1", body=request)
        self.assertEqual(status, 201)
        for key in ("k1", '"k1"'):
            again = self.post(key, body=request)
            self.assertEqual((again[0], again[1]["Location"], again[2]), (201, "/v1/vms/v1", made))
        status, _, body = self.post("k1", body={**request, "name": "v2"})
        self.assertEqual((status, body["code"]), (422, "key-reused"))
        self.assertEqual(self.post("k1", "/v1/host/cordon", {"reason": "x"})[2]["code"], "key-reused")
        for bad in ("", "-", "a b", "x" * 64, '"'):
            self.assertEqual(self.post(bad, body=request)[0], 400, bad)

        # What was refused has changed nothing: the same key may come again.
        status, _, body = self.post("k2", body=request)
        self.assertEqual((status, body["code"]), (409, "exists"))
        self.a.stop()
        self.a.start()
        self.assertEqual(self.post("k1", body=request)[2], made)
        self.a.api.delete("/v1/vms/v1")
        self.assertEqual(self.post("k1", body=request)[2], made)
        self.assertEqual(self.a.vms(), {})
        self.assertEqual(self.post("k2", body=request)[0], 201)

    def test_crash_between_request_and_answer_is_told_and_nothing_is_done_twice(self):
        request = {"name": "v1", **STILL}
        self.a.restart_with_fault("store.answer.begun.after:crash")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.post("k1", body=request)
        self.eventually("it has crashed", lambda: not self.a.is_up())
        self.a.start()
        status, _, body = self.post("k1", body=request)
        self.assertEqual((status, body["code"]), (409, "conflict"))
        self.assertIn("with a new key", body["detail"])
        self.assertEqual(self.a.vms(), {})
        self.assertEqual(self.post("k2", body=request)[0], 201)

    def test_dry_run_says_whether_it_would_be_done_and_does_nothing(self):
        def ask(method, path, body=None):
            status, _, answer = self.a.api.send(method, f"{path}?dry_run=true", body)
            return status if status < 400 else (status, answer["code"])
        vm = {"name": "v1", **STILL}
        hold = {"vm": "v1", "reason": "x", "for_s": 60}
        self.assertEqual(ask("POST", "/v1/vms", vm), 204)
        self.assertEqual(self.a.vms(), {})
        self.a.api.post("/v1/vms", vm)
        self.assertEqual(ask("POST", "/v1/vms", vm), (409, "exists"))
        # It takes no key, but a wrong one is a fault all the same.
        self.assertEqual(self.post("-", "/v1/vms?dry_run=true", vm)[2]["code"], "invalid")
        for _ in range(2):
            self.assertEqual(self.post("k1", "/v1/vms?dry_run=true", {**vm, "name": "v9"})[0], 204)
        self.assertEqual(ask("PATCH", "/v1/vms/v1", {"labels": {"a": "b"}}), 204)
        self.assertEqual(ask("PATCH", "/v1/vms/v1", {"policy": "none"}), (400, "invalid"))
        self.assertEqual(ask("DELETE", "/v1/vms/v1"), 204)
        self.assertEqual(ask("DELETE", "/v1/vms/v2"), (404, "not-found"))
        self.assertEqual(ask("POST", "/v1/holds", hold), 204)
        self.assertEqual(ask("POST", "/v1/holds", {**hold, "vm": "v2"}), (404, "not-found"))
        self.assertEqual(ask("PUT", "/v1/policies/p1", {}), 204)
        self.assertEqual(ask("DELETE", "/v1/policies/p1"), (404, "not-found"))
        self.assertEqual(ask("POST", "/v1/host/cordon", {"reason": "x"}), 204)
        self.assertEqual(self.a.api.get("/v1/holds")["items"], [])
        self.assertEqual([p["name"] for p in self.a.api.items("/v1/policies") if not p["built_in"]], [])
        self.assertNotIn("labels", self.a.api.get("/v1/vms/v1")["definition"])
        self.assertFalse(self.a.api.get("/v1/host")["cordoned"])
        self.a.api.call("PUT", "/v1/policies/p1", {})
        held = self.a.api.post("/v1/holds", hold)
        self.assertEqual(ask("DELETE", "/v1/policies/p1"), 204)
        self.assertEqual(ask("PATCH", f"/v1/holds/{held['id']}", {"for_s": 90}), 204)
        self.assertEqual(ask("DELETE", f"/v1/holds/{held['id']}"), 204)
        self.assertEqual(self.a.api.get(f"/v1/holds/{held['id']}"), held)
        self.a.api.get("/v1/policies/p1")
        status, _, body = self.a.api.send("POST", "/v1/host/backup?dry_run=true", {})
        self.assertEqual((status, body["errors"][0]["pointer"]), (400, "?dry_run"))
        self.assertIn("has no dry run", body["errors"][0]["detail"])

    def test_dry_run_of_an_action_says_what_the_action_would(self):
        self.a.api.post("/v1/vms", {"name": "v1", **STILL})
        directory = self.a.dir / "saved"
        file = {"file": str(directory / "v1")}
        nic = {"kind": "nic", "id": "n1", "type": "user"}

        def ask(path, body=None, method="POST"):
            """The answer to a dry run, which changes nothing that is shown."""
            before = self.a.api.get("/v1/vms/v1"), self.a.api.get("/v1/jobs")["items"]
            status, _, answer = self.a.api.send(method, f"/v1/vms/{path}?dry_run=true", body)
            self.assertEqual((self.a.api.get("/v1/vms/v1"), self.a.api.get("/v1/jobs")["items"]), before)
            return status if status < 400 else (status, answer["code"])

        for action in ("stop", "pause", "resume", "reset", "shutdown", "save", "refresh"):
            body = file if action == "save" else None
            with self.subTest(action, vm="stopped"):
                self.assertEqual(ask(f"v1/{action}", body), (409, "conflict"))
        self.assertEqual(ask("v1/start"), 204)
        self.assertEqual(ask("restore", file), (404, "not-found"))
        self.assertEqual(ask("v2/start"), (404, "not-found"))
        self.assertEqual(ask("v1/devices", nic), 204)
        self.assertEqual(ask("v1/devices", {**nic, "type": "none"}), (400, "invalid"))
        self.assertEqual(ask("v1/devices/n1", method="DELETE"), (404, "not-found"))

        self.a.api.post("/v1/vms/v1/start")
        self.assertEqual(ask("v1/start"), (409, "conflict"))
        self.assertEqual(ask("v1", method="DELETE"), (409, "conflict"))
        for action in ("stop", "pause", "resume", "reset", "shutdown", "save", "refresh"):
            body = file if action == "save" else None
            with self.subTest(action, vm="running"):
                self.assertEqual(ask(f"v1/{action}", body), 204)
        self.assertEqual(list(directory.iterdir()), [])
        self.a.api.post("/v1/vms/v1/stop")


class UnknownTest(SystemTest):
    host_ids = ("a",)

    # With the address sanitizer it is also seen that nothing of the request is looked at afterwards.
    def test_what_is_not_there_is_not_found(self):
        self.a.api.post("/v1/vms", {"name": "v1", **STILL})
        for path in ("/v1/vms/v2", "/v1/vms/v2/devices", "/v1/vms/v2/devices?fields=id",
                     "/v1/vms/v2/devices/d", "/v1/vms/v1/devices/d", "/v1/moves/x/passes?fields=first",
                     "/v1/moves/x/timeline?fields=at", "/v1/moves/x/wait", "/v1/jobs/x",
                     "/v1/jobs/x/wait?until=done&timeout=9", "/v1/saves/x/wait", "/v1/refreshes/x/wait",
                     "/v1/queue/x/wait", "/v1/evacuations/current/wait", "/v1/maintenances/x/wait"):
            with self.subTest(path):
                self.assert_api_error(404, "not-found", self.a.api.get, path)
        for path in ("/v1/vms/v2", "/v1/vms/v1/devices/d", "/v1/holds/x", "/v1/policies/p"):
            for query in ("", "?dry_run=true") if "devices" not in path else ("",):
                with self.subTest(path, query=query):
                    self.assert_api_error(404, "not-found", self.a.api.delete, path + query)
                    self.assert_api_error(412, "precondition-failed", self.a.api.delete, path + query,
                                          headers={"If-Match": '"x"'})


class ListsTest(SystemTest):
    host_ids = ("a",)

    def test_list_shows_what_was_asked_for(self):
        for i in range(5):
            self.a.api.post("/v1/vms", {"name": f"v{i}", "labels": {"odd": str(i % 2)}, **STILL})
        names = lambda query: [vm["name"] for vm in self.a.api.get(f"/v1/vms?{query}")["items"]]
        self.assertEqual(names("label=odd=1"), ["v1", "v3"])
        self.assertEqual(names("label=odd=1&state=running"), [])
        self.assertEqual(names("label=odd=0&state=stopped&limit=2"), ["v0", "v2"])
        page = self.a.api.get("/v1/vms?label=odd=0&limit=2&fields=name")
        self.assertEqual(page["items"], [{"name": "v0"}, {"name": "v2"}])
        # What ended the page is gone; what was there all the time comes.
        self.a.api.delete("/v1/vms/v2")
        self.assertEqual(names(f"label=odd=0&after={page['next']}"), ["v4"])
        whole = self.a.api.get("/v1/vms?limit=1")["items"][0]
        some = self.a.api.get("/v1/vms?limit=1&fields=reason,agent,memory_mib,host")["items"][0]
        self.assertEqual(some, {key: whole[key] for key in ("reason", "host", "memory_mib", "agent")})
        for query, pointer, words in (("fields=name,colour", "?fields", "'name', 'uuid', 'state'"),
                                      ("colour=red", "?colour", "'state', 'label', 'fields'"),
                                      ("label=odd", "?label", "KEY=VALUE")):
            with self.assertRaises(ApiError) as caught:
                self.a.api.get(f"/v1/vms?{query}")
            fault, = caught.exception.body["errors"]
            self.assertEqual(fault["pointer"], pointer)
            self.assertIn(words, fault["detail"])
        with self.assertRaises(ApiError) as caught:
            self.a.api.get("/v1/moves?state=draining")
        self.assertIn("'active', 'final', 'begin'", caught.exception.body["errors"][0]["detail"])
        with self.assertRaises(ApiError) as caught:
            self.a.api.get("/v1/moves?after=0192f000-0000-7000-8000-000000000000")
        self.assertEqual(caught.exception.code, "invalid")
        self.assertEqual(self.a.api.get(
            "/v1/moves?after=1.0192f000-0000-7000-8000-000000000000")["items"], [])

    def test_events_go_on_from_a_list_and_are_only_those_asked_for(self):
        position = self.a.api.get("/v1/vms")["position"]
        for name in ("v1", "v2"):
            self.a.api.post("/v1/vms", {"name": name, **STILL})
        self.a.api.post("/v1/holds", {"vm": "v2", "reason": "x", "for_s": 60})
        self.a.api.post("/v1/host/cordon", {"reason": "x"})

        def heard(query, count):
            with self.a.api.events(20, f"?after={position}&{query}") as events:
                found = zip(range(count), events)
                return [(kind, event.get("name") or event.get("vm")) for _, (kind, event) in found]
        self.assertEqual(heard("host=a", 4), [("vm", "v1"), ("vm", "v2"), ("hold", "v2"), ("cordon", None)])
        self.assertEqual(heard("vm=v2", 2), [("vm", "v2"), ("hold", "v2")])
        self.assertEqual(heard("type=hold,cordon", 2), [("hold", "v2"), ("cordon", None)])
        self.assertEqual(heard("type=cordon&host=a", 1), [("cordon", None)])
        with self.assertRaises(ApiError) as caught:
            self.a.api.events(20, "?type=holds")
        self.assertIn("'hold'", caught.exception.body["errors"][0]["detail"])

        # What was lost is said first, whatever is asked for.
        last = self.a.api.get("/v1/holds")["position"]
        self.a.stop()
        self.a.start()
        for after, reason in ((last, "restart"), ("x", "unknown-id")):
            with self.a.api.events(20, f"?after={after}&type=hold") as events:
                kind, gap = next(iter(events))
            self.assertEqual((kind, gap["reason"], gap["lost"]), ("gap", reason, None))

    @only_full
    def test_more_events_than_are_kept_are_told_as_lost_and_counted(self):
        self.a.api.post("/v1/vms", {"name": "v1", **STILL})
        position = self.a.api.get("/v1/vms")["position"]
        for i in range(1030):
            self.a.api.patch("/v1/vms/v1", {"labels": {"i": str(i)}})
        with self.a.api.events(20, f"?after={position}") as events:
            stream = iter(events)
            kind, gap = next(stream)
            self.assertEqual((kind, gap["reason"]), ("gap", "overflow"))
            self.assertGreaterEqual(gap["lost"], 6)
            self.assertEqual(next(stream)[0], "vm")


class WaitTest(SystemTest):
    def wait(self, move_id, query=""):
        return self.a.api.send("GET", f"/v1/moves/{move_id}/wait{query}")

    def later(self, move_id, query=""):
        return self.a.api.begin("GET", f"/v1/moves/{move_id}/wait{query}")

    def test_wait_ends_with_the_state_with_its_end_and_when_that_cannot_come(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        status, headers, move = self.a.api.send(
            "POST", "/v1/moves", {"vm": "g1", "to": "b", **HELD})
        move_id = move["id"]
        self.assertEqual((status, headers["Location"]), (202, f"/v1/moves/{move_id}"))
        self.assertEqual(self.wait(move_id, "?until=transfer&timeout=30")[2]["state"], "transfer")
        done, handover = self.later(move_id, "?until=done"), self.later(move_id, "?until=handover")
        final, job = self.later(move_id), self.a.api.send("GET", f"/v1/jobs/{move_id}")
        self.assertEqual(job[2]["state"], "transfer")
        status, _, body = self.wait(move_id, "?timeout=1")
        self.assertEqual((status, body["code"], body["retry"]), (504, "timeout", True))
        status, _, body = self.wait(move_id, "?until=begin")
        self.assertEqual((status, body["code"]), (409, "conflict"))
        self.assertIn("is 'transfer', and does not come to 'begin' any more", body["detail"])
        status, _, body = self.wait(move_id, "?until=gone")
        self.assertEqual((status, body["errors"][0]["pointer"]), (400, "?until"))
        self.assertIn("'final', 'begin', 'prepare'", body["errors"][0]["detail"])
        self.assertEqual(self.wait("0" * 36)[0], 404)
        self.check_migrctl_wait(move_id)

        # A condition on a move that goes on by itself holds as long as its state does.
        tag = self.a.api.send("GET", f"/v1/moves/{move_id}")[1]["ETag"]
        patched = self.a.api.send("PATCH", f"/v1/moves/{move_id}", {"downtime_limit_ms": 200},
                                  headers={"If-Match": tag})
        self.assertEqual(patched[0], 200)
        status, _, body = self.a.api.send("POST", f"/v1/moves/{move_id}/cancel",
                                          headers={"If-Match": tag})
        self.assertEqual((status, body["code"]), (412, "precondition-failed"))
        self.a.api.post(f"/v1/moves/{move_id}/cancel")
        for answer in (done, handover):
            status, _, body = answer()
            self.assertEqual((status, body["code"]), (409, "conflict"), body)
        status, _, body = final()
        self.assertEqual((status, body["state"]), (200, "cancelled"))
        self.assertEqual(self.wait(move_id)[2]["state"], "cancelled")
        guest.assert_runs_on(self.a)

    def check_migrctl_wait(self, move_id):
        """Of a move that is held."""
        def run(*words):
            done = self.a.migrctl("wait", *words, check=False)
            return done.returncode, done.stdout, done.stderr
        self.assertEqual(run("move", move_id, "--until", "transfer")[0], 0)
        self.assertRegex(run("job", move_id, "--until", "transfer")[1], r"state +transfer")
        code, _, words = run("move", move_id, "--until", "begin")
        self.assertEqual(code, 5, words)
        code, _, words = run("move", move_id, "--until", "done", "--timeout", "1")
        self.assertEqual(code, 10, words)
        code, _, words = run("moves", move_id)
        self.assertEqual(code, 2)
        self.assertIn("there are 'move', 'queue', 'save'", words)
        about = self.a.api.get("/v1/moves?limit=1")["position"]
        self.a.api.patch(f"/v1/moves/{move_id}", {"downtime_limit_ms": 300})
        told = self.a.migrctl("events", "--type", "move", "--vm", "g1", "--since", about,
                              "--count", 1).stdout
        self.assertRegex(told, rf"^move  .*  g1  transfer  {move_id}\n$")

    def test_move_is_answered_at_its_end_if_its_caller_prefers_that(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        request = {"vm": "g1", "to": "b"}
        status, headers, move = self.a.api.send("POST", "/v1/moves", {**request, **HELD},
                                                headers={"Prefer": "respond-async, wait=1"})
        self.assertEqual((status, headers["Preference-Applied"], move["final"]), (202, "wait", False))
        self.assertEqual(headers["Location"], f"/v1/moves/{move['id']}")
        self.a.api.post(f"/v1/moves/{move['id']}/cancel")
        status, headers, move = self.a.api.send("POST", "/v1/moves", request,
                                                headers={"Prefer": "wait=60"}, timeout=70)
        self.assertEqual((status, headers["Preference-Applied"], move["state"]), (200, "wait", "done"))
        guest.assert_runs_on(self.b)

    def test_daemon_that_stops_answers_who_waits(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, **HELD)
        self.wait(move["id"], "?until=transfer&timeout=30")
        answer = self.later(move["id"], "?timeout=100")
        answers = self.later(move["id"], "?until=done&timeout=100")
        self.a.stop()
        for each in (answer, answers):
            status, headers, body = each()
            self.assertEqual((status, body["code"], headers["Retry-After"]), (503, "unavailable", "2"))
        self.a.start()
        self.a.api.post(f"/v1/moves/{move['id']}/cancel")
        with self.assertRaises(ApiError) as caught:
            self.a.api.get(f"/v1/moves/{move['id']}/wait?until=done")
        self.assertEqual(caught.exception.code, "conflict")
