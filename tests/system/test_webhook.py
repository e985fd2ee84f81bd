# SPDX-License-Identifier: LGPL-2.1-or-later
"""Webhooks: each event is told, signed, or its loss is, whatever becomes of the coordinator and of
who receives."""
import base64
import contextlib
import hashlib
import hmac
import http.client
import random
import re
import socket
import time

from lib import settings
from lib.api import ApiError
from lib.long_form import only_full
from lib.party import SECRET, Parties
from lib.world import SystemTest

QUICK = {"retry_min_s": 1, "retry_max_s": 1, "timeout_s": 1}


def hang_up(handler):
    """A receiver that closes in the midst of its answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


class WebhookBase(SystemTest):
    def prepare(self):
        self.parties = Parties(self.world.dir)
        self.addCleanup(self.parties.close)
        self.world["a"].write_config(webhooks={"ca_file": self.parties.cert})

    def add(self, name="receiver", **members):
        body = {"url": self.parties.url(name), "secrets": [SECRET], **QUICK, **members}
        return self.a.api.post("/v1/webhooks", {k: v for k, v in body.items() if v is not None})

    def show(self, webhook):
        return self.a.api.get(f"/v1/webhooks/{webhook['id']}")

    def happen(self, count=1):
        """So many holds come and go: two events each; the ids of those whose coming is certain."""
        made = []
        for _ in range(count):
            with contextlib.suppress(OSError, http.client.HTTPException):
                hold = self.a.api.post("/v1/holds", {"reason": "an event", "for_s": 600})
                made.append(hold["id"])
                self.a.api.call("DELETE", f"/v1/holds/{hold['id']}")
        return made

    def heard(self, name="receiver", kind=None):
        """Deliveries in the order of their numbers, each once, though it may have come twice."""
        every = {}
        for notice in self.parties.all_heard(name):
            self.assertTrue(notice["genuine"], notice)
            former = every.setdefault(notice["number"], notice)
            self.assertEqual((former["id"], former["data"]), (notice["id"], notice["data"]),
                             "another delivery under the same number")
        return [every[n] for n in sorted(every) if kind in (None, every[n]["type"])]

    def wait_empty(self, webhook, seconds=30):
        self.eventually("all that waits was told", lambda: self.show(webhook)["pending"] == 0,
                        settings.seconds(seconds))

    def assert_complete(self, made, name="receiver"):
        """Each hold's coming was told, or a loss behind the last that was told before it."""
        told = {n["data"]["id"]: n["number"] for n in self.heard(name, "hold")
                if n["data"]["change"] == "added"}
        gaps = [n["number"] for n in self.heard(name, "gap")]
        before = 0
        for hold in made:
            if hold in told:
                self.assertGreater(told[hold], before, "out of order")
                before = told[hold]
            else:
                self.assertTrue(any(gap > before for gap in gaps),
                                f"hold {hold} came without a word: {gaps} after {before}")
        return len(told), len(gaps)


class WebhookTest(WebhookBase):
    host_ids = ("a",)

    def test_events_are_told_signed_and_a_secret_is_shown_once(self):
        webhook = self.add("made", types=["hold"], secrets=None)
        (secret,) = webhook["secrets"]
        self.assertNotIn("secrets", self.show(webhook))
        self.assertNotIn(secret, str(self.a.api.get("/v1/webhooks")))
        self.happen()
        told = self.eventually("both events", lambda: (
            (all_ := self.parties.all_heard("made")) and len(all_) == 2 and all_))
        for number, (notice, change) in enumerate(zip(told, ("added", "removed")), 1):
            self.assertEqual((notice["type"], notice["number"], notice["data"]["change"],
                              notice["host"], notice["webhook"], notice["id"]),
                             ("hold", number, change, "a", webhook["id"],
                              f"{webhook['id']}-{number}"))
            key = base64.b64decode(secret.removeprefix("whsec_"))
            self.assertEqual(notice["signature"], "v1," + base64.b64encode(
                hmac.digest(key, notice["signed"], hashlib.sha256)).decode())
        self.assertNotIn(secret, self.a.log.read_text(encoding="utf-8"))
        self.assert_example_agrees(secret, told[0])

    def assert_example_agrees(self, secret, notice):
        """The receiver of doc/api.md takes what was sent, and nothing else."""
        document = (settings.SOURCE_DIR / "doc/api.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", document.split("## Webhooks")[1], re.DOTALL)
        names = {}
        exec(code, names)                                       # pylint: disable=exec-used
        sent_s, body = notice["signed"].split(b".", 2)[1:]
        headers = {"webhook-id": notice["id"], "webhook-timestamp": sent_s.decode(),
                   "webhook-signature": notice["signature"]}
        self.assertTrue(names["is_genuine"]([SECRET, secret], headers, body))
        self.assertFalse(names["is_genuine"]([SECRET], headers, body))
        self.assertFalse(names["is_genuine"]([secret], headers, body + b" "))
        old = {**headers, "webhook-timestamp": str(int(sent_s) - 600)}
        self.assertFalse(names["is_genuine"]([secret], old, body))

    # The path and the query may be secrets.
    def test_log_has_no_more_of_a_url_than_its_host(self):
        url = self.parties.url("receiver") + "/token?key=of-mine"
        webhook = self.add(url=url)
        self.a.api.call("PATCH", f"/v1/webhooks/{webhook['id']}", {"url": url + "2"})
        log = self.a.log.read_text(encoding="utf-8")
        said = [line for line in log.splitlines() if webhook["id"] in line]
        self.assertTrue(any(" added " in line or "added" in line for line in said), said)
        self.assertIn("to=https://" + url.split("/")[2], "\n".join(said))
        self.assertNotIn("of-mine", log)
        self.assertNotIn("token", log)

    def test_test_says_what_came_of_it(self):
        webhook = self.add()
        done = self.a.api.post(f"/v1/webhooks/{webhook['id']}/test")
        self.assertEqual((done["delivered"], done["status"], done["error"]), (True, 200, None))
        (notice,) = self.parties.all_heard("receiver")
        self.assertEqual((notice["type"], notice["number"]), ("test", 0))
        self.parties.set("receiver", 404, {})
        bad = self.a.migrctl("webhook", "test", webhook["id"], check=False)
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("HTTP status 404", bad.stderr)
        self.assertEqual(self.show(webhook)["pending"], 0)

    def test_each_change_is_told_or_its_loss_over_kills_and_a_bad_receiver(self):
        rnd = random.Random(20261130)
        webhook, made = self.add(), []
        modes = {"well": (200, {}), "500": (500, {}), "cut": (200, hang_up),
                 "hangs": (200, lambda handler: self.parties.server.end.wait(2))}
        for mode in ("well", "500", "well", "cut", "hangs", "well"):
            self.parties.set("receiver", *modes[mode])
            made += self.happen(rnd.randrange(3, 12))
            self.a.kill9()
            self.a.start()
            made += self.happen(rnd.randrange(1, 5))
        self.parties.set("receiver", 200, {})
        self.wait_empty(webhook)
        told, gaps = self.assert_complete(made)
        self.assertGreaterEqual(gaps, 1)        # two starts in a row may tell theirs as one
        self.note(f"{len(made)} changes: {told} told, {gaps} losses told")

    def test_receiver_away_longer_than_the_expiry_is_told_the_loss(self):
        webhook = self.add(expire_s=2)
        self.parties.set("receiver", 200, hang_up)
        made = self.happen(4)
        self.eventually("all are dead", lambda: self.show(webhook)["dead"] >= 8,
                        settings.seconds(20))
        self.a.kill9()
        self.a.start()
        self.parties.set("receiver", 200, {})
        self.eventually("the loss is told", lambda: self.heard(kind="gap"), settings.seconds(10))
        self.wait_empty(webhook)
        self.assert_complete(made)
        dead = self.a.api.items(f"/v1/webhooks/{webhook['id']}/dead")
        self.assertTrue(all(d["error"] for d in dead), dead)
        first = self.a.api.get(f"/v1/webhooks/{webhook['id']}/dead/{dead[0]['number']}")
        self.assertEqual(first["message"]["data"]["id"], made[0])
        self.a.migrctl("webhook", "redeliver", webhook["id"], str(dead[0]["number"]))
        self.eventually("it is told after all", lambda: made[0] in [
            n["data"].get("id") for n in self.heard(kind="hold")])
        self.a.migrctl("webhook", "dead", webhook["id"], "--remove")
        self.assertEqual(self.a.api.items(f"/v1/webhooks/{webhook['id']}/dead"), [])

    def test_answer_410_disables_it(self):
        webhook = self.add()
        self.parties.set("receiver", 410, {})
        self.happen()
        self.eventually("it is disabled", lambda: not self.show(webhook)["enabled"])
        self.assertIn("410", self.show(webhook)["disabled_reason"])
        self.parties.set("receiver", 200, {})
        made = self.happen(3)
        self.a.migrctl("webhook", "set", webhook["id"], "--enable")
        self.wait_empty(webhook)
        (gap,) = self.heard(kind="gap")
        self.assertEqual(gap["data"]["reason"], "disabled")
        self.assert_complete(made)

    def test_retry_after_is_honoured(self):
        def busy(handler):
            data = b"{}"
            handler.send_response(503)
            handler.send_header("Retry-After", "3")
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        webhook = self.add()
        self.parties.set("receiver", 503, busy)
        begin = time.monotonic()
        self.happen()
        self.eventually("a try", lambda: self.parties.all_heard("receiver"))
        self.parties.set("receiver", 200, {})
        self.eventually("another", lambda: len(self.parties.all_heard("receiver")) > 1)
        self.assertGreaterEqual(time.monotonic() - begin, 3)
        self.wait_empty(webhook)

    def test_bad_input_is_refused_and_nothing_is_done(self):
        url = self.parties.url("x")
        for body, pointer in (({}, "/url"), ({"url": "http://127.0.0.1/"}, "/url"),
                              ({"url": "https://user:pw@h/"}, "/url"), ({"url": 1}, "/url"),
                              ({"url": url, "types": ["gap"]}, "/types/0"),
                              ({"url": url, "types": ["nothing"]}, "/types/0"),
                              ({"url": url, "secrets": ["whsec_AAAA"]}, "/secrets/0"),
                              ({"url": url, "secrets": []}, "/secrets"),
                              ({"url": url, "vm": "../x"}, "/vm"),
                              ({"url": url, "retry_min_s": 9, "retry_max_s": 8}, "/retry_min_s"),
                              ({"url": url, "expire_s": 0}, "/expire_s"),
                              ({"url": url, "filter": 1}, "/filter")):
            with self.assertRaises(ApiError) as caught:
                self.a.api.post("/v1/webhooks", body)
            self.assertEqual((caught.exception.status, caught.exception.pointers()),
                             (400, [pointer]), body)
        self.assertEqual(self.a.api.send("POST", "/v1/webhooks?dry_run=true", {"url": url})[0], 204)
        self.assertEqual(self.a.api.items("/v1/webhooks"), [])
        webhook = self.add()
        for method, path in (("GET", "dead/1"), ("GET", "dead/x"), ("POST", "dead/7/redeliver"),
                             ("DELETE", "dead/0")):
            self.assert_api_error(404, "not-found", self.a.api.call, method,
                                  f"/v1/webhooks/{webhook['id']}/{path}")
        self.assert_api_error(404, "not-found", self.a.api.call, "DELETE", "/v1/webhooks/x")
        self.a.migrctl("webhook", "remove", webhook["id"])
        self.assertEqual(self.a.api.items("/v1/webhooks"), [])

    def test_crash_at_each_record_loses_no_change_without_a_word(self):
        webhook, made = self.add(expire_s=600), []
        for point in ("store.delivery.waiting.before", "store.delivery.waiting.after",
                      "store.webhook.enabled.before", "store.webhook.enabled.after",
                      "notify.send.webhook", "notify.reply.webhook"):
            self.a.kill9()
            self.a.env["MIGRD_FAULTS"] = f"{point}:crash:after=1"
            self.a.spawn()
            del self.a.env["MIGRD_FAULTS"]
            with contextlib.suppress(AssertionError):       # what is told first may be the end
                self.a.wait_ready()
            made += self.happen(3)
            self.eventually(f"the crash at {point}", lambda: not self.a.is_up())
            self.a.start()
        made += self.happen()
        self.wait_empty(webhook)
        told, gaps = self.assert_complete(made)
        self.note(f"{len(made)} changes: {told} told, {gaps} losses told")


    @only_full
    def test_full_queue_over_kills_loses_no_change_without_a_word(self):
        webhook, made = self.add(), []
        self.parties.set("receiver", 200, hang_up)
        for _ in range(4):
            made += self.happen(150)
            self.a.kill9()
            self.a.start()
        self.assertEqual(self.show(webhook)["pending"], 1000)
        made += self.happen(20)
        self.assertGreaterEqual(self.show(webhook)["lost"], 40)
        self.parties.set("receiver", 200, {})
        self.wait_empty(webhook, 60)
        made += self.happen(1)
        self.wait_empty(webhook)
        told, gaps = self.assert_complete(made)
        self.assertIn(made[-1], [n["data"]["id"] for n in self.heard(kind="hold")])
        self.assertLess(told, len(made))
        self.note(f"{len(made)} changes: {told} told, {gaps} losses told")


class WebhookMoveTest(WebhookBase):
    def test_receivers_that_hang_or_refuse_do_not_hold_up_a_move(self):
        for name, answer in (("hangs", (200, lambda handler: self.parties.server.end.wait(20))),
                             ("500", (500, {})), ("cut", (200, hang_up)), ("well", (200, {}))):
            self.parties.set(name, *answer)
            self.add(name)
        guest = self.world.guest(area=0)
        guest.start(self.a)
        move = self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)
        states = self.eventually("the end is told", lambda: (
            (found := [n["data"]["state"] for n in self.heard("well", "move")
                       if n["data"]["id"] == move["id"]]) and found[-1] == "done" and found))
        self.assertEqual([s for i, s in enumerate(states) if s not in states[:i]],
                         ["begin", "prepare", "transfer", "handover", "confirm", "done"])
