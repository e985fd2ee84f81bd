# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of a coordinator, and `migrctl web', which shows it to a browser of the same user."""
import http.client
import json
import os
import re
import subprocess
import unittest

from lib import settings
from lib.api import UnixConnection
from lib.world import SystemTest

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
         "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Browser:
    """What a browser would send to `migrctl web', or to the coordinator itself."""

    def __init__(self, connect, headers=None):
        self.connect, self.headers = connect, headers or {}

    def ask(self, method, path, body=None, **headers):
        conn = self.connect()
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        conn.request(method, path, json.dumps(body) if body is not None else None,
                     {name: value for name, value in sent.items() if value is not None})
        answer = conn.getresponse()
        found = answer.read().decode()
        conn.close()
        return answer, found


class WebTest(SystemTest):
    host_ids = ("a",)

    def user(self, role):
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", role, "--role", role, "--dir", str(pki)],
                       check=True, capture_output=True)
        return ["--host", f"https://{self.a.address}:{self.a.api_port}", "--ca", f"{pki}/ca.pem",
                "--cert", f"{pki}/users/{role}.pem", "--key", f"{pki}/users/{role}.key"]

    def web(self, *words):
        process = subprocess.Popen([settings.program("migrctl"), *words, "web"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        url = process.stdout.readline().strip()
        found = re.fullmatch(r"http://(127\.0\.0\.1:\d+)(/\?token=[0-9a-f]{32})", url)
        self.assertTrue(found, url)
        place, path = found.groups()
        return Browser(lambda: http.client.HTTPConnection(place, timeout=settings.seconds(30))), place, path

    def enter(self, *words):
        browser, place, path = self.web(*words)
        answer, _ = browser.ask("GET", path)
        self.assertEqual(answer.status, 200)
        browser.headers = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Origin": f"http://{place}"}
        return browser

    def test_page_is_served_by_strict_rules(self):
        browser = Browser(lambda: UnixConnection(str(self.a.socket), settings.seconds(30)))
        answer, page = browser.ask("GET", "/ui")
        self.assertEqual((answer.status, answer.headers["Content-Security-Policy"]), (200, POLICY))
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        self.assertNotRegex(page, r"<style|style=|<script>|https?://|\son[a-z]+=")
        names = {*re.findall(r'"/ui/([^"]+)"', page), "fleet.js", "index.html"}
        while names:
            name = names.pop()
            answer, text = browser.ask("GET", f"/ui/{name}")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, TYPES[name.split(".")[1]]), name)
            self.assertEqual(answer.headers["Content-Security-Policy"], POLICY)
            known, nothing = browser.ask("GET", f"/ui/{name}", If_None_Match=answer.headers["ETag"])
            self.assertEqual((known.status, nothing, known.headers["ETag"]), (304, "", answer.headers["ETag"]))
            for other in re.findall(r'^import .* from "\./([^"]+)"', text, re.MULTILINE):
                self.assertEqual(browser.ask("HEAD", f"/ui/{other}")[0].status, 200, other)
        self.assertEqual(browser.ask("GET", "/ui/none.js")[0].status, 404)
        self.assertEqual(browser.ask("GET", "/ui/..%2fmain.c")[0].status, 404)
        self.assertEqual(browser.ask("POST", "/ui")[0].status, 405)
        self.assertEqual(self.a.api.get("/v1/caller"), {"name": "local", "role": "admin", "host": "a"})
        self.assertNotIn("/ui", self.a.api.get("/openapi.json")["paths"])

    def test_address_lets_one_browser_in_with_the_users_role(self):
        user = self.user("viewer")
        browser, place, path = self.web(*user)
        self.assertEqual(browser.ask("GET", "/ui")[0].status, 403)
        self.assertEqual(browser.ask("GET", path, Host="evil.example")[0].status, 403)
        answer, page = browser.ask("GET", path)
        self.assertEqual(answer.status, 200, page)
        cookie = answer.headers["Set-Cookie"]
        self.assertRegex(cookie, r"^migrctl-\d+=[0-9a-f]{32}; Path=/; HttpOnly; SameSite=Strict$")
        self.assertEqual(browser.ask("GET", path)[0].status, 403)       # it was used
        browser.headers = {"Cookie": cookie.split(";")[0]}
        answer, page = browser.ask("GET", "/ui")
        self.assertEqual((answer.status, answer.headers["Content-Security-Policy"]), (200, POLICY))
        self.assertEqual(json.loads(browser.ask("GET", "/v1/caller")[1]), {"name": "viewer", "role": "viewer", "host": "a"})
        self.assertEqual(browser.ask("GET", "/metrics")[0].status, 404)

        change = ("POST", "/v1/host/cordon?dry_run=true", {"reason": "test"})
        own = {"Content-Type": "application/json", "Origin": f"http://{place}"}
        browser.headers.update(own)
        answer, text = browser.ask(*change)
        self.assertEqual((answer.status, json.loads(text)["code"]), (403, "forbidden"))     # a viewer may only look
        operator = self.enter(*self.user("operator"))
        operator.headers["Content-Type"] = "application/json"
        self.assertEqual(operator.ask(*change)[0].status, 204)
        for origin in (None, "null", "http://evil.example", f"https://{place}"):
            self.assertEqual(operator.ask(*change, Origin=origin)[0].status, 403, origin)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be another user too")
    def test_browser_of_another_user_is_refused_and_migrctl_says_why(self):
        process = subprocess.Popen([settings.program("migrctl"), "--socket", str(self.a.socket), "web"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        url = process.stdout.readline().strip()
        ask = "import sys, socket; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
        subprocess.run(["python3", "-c", ask, re.search(r":(\d+)/", url)[1]], user=65534, cwd="/",
                       capture_output=True, timeout=settings.seconds(30), check=False)
        self.assertIn("Host 'a'", process.stderr.readline())
        self.assertEqual("A browser of another user (uid 65534) was refused: this migrctl runs as uid 0.  "
                         "Start it as uid 65534, without sudo if that was used.\n", process.stderr.readline())

    def test_events_come_through_until_the_coordinator_has_gone(self):
        browser = self.enter("--socket", str(self.a.socket))
        conn = browser.connect()
        conn.request("GET", "/v1/events?type=cordon", headers=browser.headers)
        stream = conn.getresponse()
        self.assertEqual((stream.status, stream.headers["Content-Type"]), (200, "text/event-stream"))
        self.a.api.post("/v1/host/cordon", {"reason": "to be seen"})
        while "to be seen" not in stream.readline().decode():
            self.assertFalse(stream.closed)
        self.a.stop()
        self.a.must_be_up = False
        self.assertNotIn(b"to be seen", stream.read())      # its end
        answer, text = browser.ask("GET", "/v1/caller")
        self.assertEqual((answer.status, json.loads(text)["code"]), (502, "unavailable"))
