# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all hosts have, asked of one of them."""
import http.server
import json
import ssl
import subprocess
import threading
import time
import uuid

from lib import settings
from lib.api import Api, client_context
from lib.world import SystemTest

NO_PATH = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "not-found",
           "detail": "there is no such path"}


class FakeHost:
    """A coordinator in the place of HOST, with its certificate: agrees to anything, and answers
    every question but hello with ANSWER, (status, JSON)."""

    def __init__(self, host):
        fake = self
        self.answer = (404, NO_PATH)
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):  # pylint: disable=invalid-name
                hello = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(200, {"protocol": hello["protocol"]["max"], "host": host.id,
                                 "software": "migrd 0"})

            def do_GET(self):  # pylint: disable=invalid-name
                fake.asked.append(self.path)
                self.reply(*fake.answer)

            def log_message(self, *args):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(host.dir / "host.pem", host.dir / "host-key.pem")
        context.load_verify_locations(host.dir / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", host.api_port), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class FleetTest(SystemTest):
    host_ids = ("a", "b", "c")

    def setUp(self):
        super().setUp()
        self.c = self.world.hosts["c"]

    def define(self, host, name, **more):
        return host.api.post("/v1/vms", {"name": name, "uuid": str(uuid.uuid4()), "accel": "tcg",
                                         "machine": "pc-q35-7.2", "memory_mib": 64, **more})

    def pages(self, path, host=None):
        """All items, and the hosts of the last page."""
        items, after, count = [], "", 0
        while True:
            page = (host or self.a).api.get(f"{path}{after}")
            items += page["items"]
            count += 1
            if page["next"] is None:
                return items, {h["id"]: h for h in page["hosts"]}, count
            after = f"&after={page['next']}"

    def user(self, role):
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", role, "--role", role,
                        "--dir", str(pki)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{pki}/ca.pem")
        context.load_cert_chain(f"{pki}/users/{role}.pem", f"{pki}/users/{role}.key")
        return Api.with_certificate("127.0.0.1", self.a.api_port, context)

    def peer(self, host):
        context = client_context(host.dir)
        context.check_hostname = False
        return Api.with_certificate("127.0.0.1", self.a.api_port, context)

    # Cursors need no memory of the host: each item is there once, whoever has it.
    def test_pages_have_each_item_once_and_in_order(self):
        wanted = set()
        for i in range(120):        # more than a host tells at a time
            for host in (self.a, self.b) if i % 3 else (self.a, self.c):
                name = f"vm{i:03}"
                self.define(host, name, labels={"tier": "web" if i % 2 else "db"})
                wanted.add((name, host.id))
        for limit in (1000, 37):
            items, hosts, count = self.pages(f"/v1/fleet/vms?limit={limit}")
            found = [(item["name"], item["host"]) for item in items]
            self.assertEqual(sorted(wanted), found)
            self.assertTrue(all(h["answered"] for h in hosts.values()))
            self.assertGreater(count, 1)
        web, _, _ = self.pages("/v1/fleet/vms?label=tier%3Dweb")
        self.assertEqual(sorted(name for name, host in wanted if int(name[2:]) % 2),
                         [item["name"] for item in web])
        self.assertEqual(web[0]["labels"], {"tier": "web"})
        one = self.a.api.get("/v1/fleet/vms?name=vm003&host=c")
        self.assertEqual([("vm003", "c")], [(vm["name"], vm["host"]) for vm in one["items"]])
        self.assertEqual(["c"], [host["id"] for host in one["hosts"]])
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/fleet/vms?host=d")
        for after in ("x", "@a", "vm1@", "vm1@B", "../x@a"):
            self.assert_api_error(400, "invalid", self.a.api.get, f"/v1/fleet/vms?after={after}")

    def emptied(self):
        """Evacuations by host, once each host was heard: a silent one would look like none."""
        def told():
            answer = self.c.api.get("/v1/fleet/hosts")
            return answer if answer["complete"] else None
        items = self.eventually("each host is heard", told)["items"]
        return {host["id"]: host["evacuation"] for host in items if "evacuation" in host}

    def test_hosts_that_are_emptied_are_told_with_what_blocks_them(self):
        for host in ("b", "c"):
            self.world[host].api.post("/v1/host/cordon", {"reason": "no room"})
        self.define(self.a, "still")
        evac = self.a.api.post("/v1/evacuations", {"requester": "kernel", "approval": True})
        told = self.eventually("it is told", self.emptied)
        self.assertEqual({"a"}, set(told))
        told = told["a"]
        self.assertEqual((evac["id"], ["kernel"], 1),
                         (told["id"], told["requesters"], told["counts"]["total"]))
        self.a.api.post(f"/v1/evacuations/{evac['id']}/approve")

        def is_blocked():
            told = self.emptied()["a"]
            return told["blocked_by"] == "still" and told.get("blocked_why")

        def is_drained():
            told = self.emptied()["a"]
            return (told["state"] == "drained" and
                    "b" in [fill["host"] for fill in told.get("fills", [])])

        self.eventually("what blocks it, and why", is_blocked)
        self.b.api.post("/v1/host/uncordon")
        self.eventually("it is drained, and b was filled", is_drained)
        self.a.api.post(f"/v1/evacuations/{evac['id']}/return", {"vms": "stay"})
        self.eventually("its end", lambda: not self.emptied())

    # Nobody gets more by asking another host, and a user is no peer.
    def test_roles_hold(self):
        self.define(self.b, "one")
        viewer = self.user("viewer")
        items = viewer.call("GET", "/v1/fleet/vms")["items"]
        self.assertEqual([("one", "b")], [(vm["name"], vm["host"]) for vm in items])
        self.assert_api_error(403, "forbidden", viewer.call, "GET", "/peer/v1/fleet/vms")
        peer = self.peer(self.b)
        self.assertEqual({"items": [], "more": False},
                         peer.call("GET", "/peer/v1/fleet/vms", headers={"Migrd-Protocol": "1"}))
        self.assert_api_error(403, "forbidden", peer.call, "GET", "/v1/fleet/vms")

    def test_move_and_hosts_are_told_by_both(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        move = self.world.move(guest, self.a, self.b)
        told = self.c.api.get("/v1/fleet/moves")["items"]
        self.assertEqual([("a", "MIGRATION_OUT", "done"), ("b", "MIGRATION_IN", "done")],
                         [(m["host"], m["kind"], m["state"]) for m in told])
        self.assertEqual({move["id"]}, {m["id"] for m in told})
        self.assertEqual([], self.c.api.get("/v1/fleet/moves?state=active")["items"])
        hosts = {h["id"]: h for h in self.c.api.get("/v1/fleet/hosts")["items"]}
        self.assertEqual({"a", "b", "c"}, set(hosts))
        self.assertFalse([host for host in hosts.values() if "evacuation" in host])
        self.assertEqual((1, 0), (hosts["b"]["vms_running"], hosts["a"]["vms_running"]))

        # The old record on the source leads to the guest.
        found = self.c.migrctl_json("vm", "find", "demo")["items"]
        here = [vm["host"] for vm in found if "elsewhere" not in vm]
        self.assertEqual(["b"], here)
        self.assertEqual(here, [vm["elsewhere"] for vm in found if "elsewhere" in vm] or here)
        self.assertIn("demo  running  b", self.c.migrctl("vm", "list", "--all-hosts").stdout)
        uuid_ = self.b.vm("demo")["uuid"]
        self.assertIn(" b ", self.a.migrctl("vm", "find", uuid_).stdout)

    # A move has its id before its destination hears of it, which may have begun another meanwhile.
    def test_moves_both_ways_at_once_are_in_order(self):
        guests = [self.world.guest(name, area=0) for name in ("one", "two", "three", "four")]
        ways = [(self.a, self.b), (self.b, self.a)] * 2
        for guest, (source, _) in zip(guests, ways):
            guest.start(source)
        moves = [(source, self.world.begin_move(guest, source, destination)["id"])
                 for guest, (source, destination) in zip(guests, ways)]
        for source, move in moves:
            self.world.wait_state(source, move, "done")
        for limit in (1000, 3):
            items, hosts, _ = self.pages(f"/v1/fleet/moves?limit={limit}", self.c)
            self.assertEqual({}, {h: said for h, said in hosts.items() if not said["answered"]})
            found = [item["id"] for item in items]
            self.assertEqual(sorted(found, reverse=True), found)
            self.assertEqual(sorted([move for _, move in moves] * 2), sorted(found))

    def test_silent_and_older_hosts_are_named(self):
        self.define(self.b, "one")
        self.assertEqual(4, self.a.migrctl("vm", "find", "two", check=False).returncode)

        # Hangs: its deadline, and no other, is waited for.
        self.b.freeze()
        began = time.monotonic()
        answer = self.a.api.get("/v1/fleet/vms")
        took = time.monotonic() - began
        self.b.thaw()
        self.assertLess(took, settings.seconds(5))
        heard = {h["id"]: h for h in answer["hosts"]}
        self.assertEqual((False, "timeout"), (heard["b"]["answered"], heard["b"]["code"]))
        self.assertTrue(heard["c"]["answered"])
        self.assertFalse(answer["complete"])

        # Gone: what was not found may be there.
        self.c.stop()
        done = self.a.migrctl("vm", "find", "two", check=False)
        self.assertEqual(9, done.returncode)
        self.assertIn("not heard: c", done.stderr)
        self.assertIn("warning: host 'c' was not heard: ",
                      self.a.migrctl("vm", "list", "-A").stderr)

        # Of a version that does not know the question, or one that says what it may not.
        fake = FakeHost(self.c)
        self.addCleanup(fake.close)
        item = {"name": "x", "host": "c", "uuid": str(uuid.uuid4()), "state": "running",
                "generation": 1, "memory_mib": 1, "vcpus": 1}
        for answer, code, words in (
                ((404, NO_PATH), "protocol-mismatch", "host 'c' has an older migrd"),
                ((200, {"items": [{**item, "host": "b"}], "more": False}), "peer-error",
                 "tells of host 'b'"),
                ((200, {"items": [item, item], "more": False}), "peer-error", "in no order"),
                ((200, {"items": [], "more": True}), "peer-error", "empty"),
                ((200, {"items": [{**item, "vcpus": "1"}], "more": False}), "peer-error", "vcpus"),
                ((200, {"items": [item] * 101, "more": False}), "peer-error", "at most 100"),
                ((200, {}), "peer-error", "items")):
            fake.answer = answer
            heard = {h["id"]: h for h in self.a.api.get("/v1/fleet/vms")["hosts"]}["c"]
            self.assertEqual((False, code), (heard["answered"], heard["code"]), heard)
            self.assertIn(words, heard["detail"])
        fake.answer = (200, {"items": [{**item, "of_later": 1}], "more": False})
        self.assertEqual([{**item, "name": "x"}],
                         self.a.api.get("/v1/fleet/vms?state=running")["items"])
        self.assertIn("/peer/v1/fleet/vms?state=running", fake.asked)
