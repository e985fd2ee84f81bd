# SPDX-License-Identifier: LGPL-2.1-or-later
"""What control planes expect of a REST API: conditions, places, waits."""
from lib.api import ApiError
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
