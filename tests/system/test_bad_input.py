# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong input gets one answer, which names every fault and its place, and changes nothing."""
import json
import subprocess

from lib import settings
from lib.api import ApiError
from lib.world import SystemTest, World

GOOD = {"name": "g1", "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 64}
MIB = 1 << 20


def changed(**values):
    return {key: value for key, value in {**GOOD, **values}.items() if value is not None}


def disk(**values):
    return {"id": "d0", "path": "/x", "format": "raw", **values}


# name, body (object, or raw bytes), status, places of the faults
DEFINITIONS = [
    ("unknown key", changed(memroy_mib=64), 400, ["/memroy_mib"]),
    ("wrong type", changed(memory_mib="64"), 400, ["/memory_mib"]),
    ("fraction for a whole number", changed(vcpus=1.5), 400, ["/vcpus"]),
    ("below the range", changed(memory_mib=0), 400, ["/memory_mib"]),
    ("negative", changed(memory_mib=-1), 400, ["/memory_mib"]),
    ("above the range", changed(vcpus=100000), 400, ["/vcpus"]),
    ("over 64 bits", b'{"name":"g1","machine":"pc-q35-7.2","memory_mib":99999999999999999999}', 400,
     ["/memory_mib"]),
    ("two main memories", changed(memory_share=True, machine_options="memory-backend=m"), 400,
     ["/memory_share"]),
    ("missing keys", {}, 400, ["/machine", "/memory_mib", "/name"]),
    ("all faults at once", changed(x=1, vcpus=0, accel="magic", disks=[disk(format=3, y=1)]), 400,
     ["/accel", "/disks/0/format", "/disks/0/y", "/vcpus", "/x"]),
    ("name that leaves its directory", changed(name="../../etc/passwd"), 400, ["/name"]),
    ("name with a slash", changed(name="a/b"), 400, ["/name"]),
    ("hidden name", changed(name=".."), 400, ["/name"]),
    ("name like an option", changed(name="-incoming"), 400, ["/name"]),
    ("empty name", changed(name=""), 400, ["/name"]),
    ("long name", changed(name="n" * 64), 400, ["/name"]),
    ("uuid that is none", changed(uuid="123"), 400, ["/uuid"]),
    ("uuid that leaves its directory", changed(uuid="../../../../../../../../../tmp/evil-12"), 400,
     ["/uuid"]),
    ("relative path", changed(disks=[disk(path="x.img")]), 400, ["/disks/0/path"]),
    ("disk id twice", changed(disks=[disk(), disk(path="/y")]), 400, ["/disks/1/id"]),
    ("not an object", [1, 2], 400, [""]),
    ("not JSON", b"name: g1", 400, [""]),
    ("cut off", b'{"name": "g1"', 400, None),
    ("two documents", b'{}{}', 400, None),
    ("empty", b"", 400, None),
    ("duplicate key", b'{"name":"g1","name":"g2","machine":"pc-q35-7.2","memory_mib":64}', 400,
     ["/name"]),
    ("two duplicate keys", b'{"name":"g1","name":"g2","machine":"m","memory_mib":1,"memory_mib":2}',
     400, ["/memory_mib", "/name"]),
    ("too deep", b"[" * 1000 + b"]" * 1000, 400, None),
    ("invalid UTF-8", b'{"name":"g\xff1","machine":"pc-q35-7.2","memory_mib":64}', 400, None),
    ("NUL in a string", b'{"name":"g1\\u0000x","machine":"pc-q35-7.2","memory_mib":64}', 400,
     None),
    ("too large", b'{"name":"' + b"x" * (2 * MIB) + b'"}', 413, None),
]

MOVES = [
    ("unknown key", {"vm": "g1", "to": "b", "vmm": 1}, ["/vmm"]),
    ("missing keys", {}, ["/to", "/vm"]),
    ("wrong types", {"vm": 1, "to": ["b"]}, ["/to", "/vm"]),
    ("out of range", {"vm": "g1", "to": "b", "bandwidth_bytes_per_s": -1, "downtime_limit_ms": -5},
     ["/bandwidth_bytes_per_s", "/downtime_limit_ms"]),
    ("limit that cannot be held", {"vm": "g1", "to": "b", "bandwidth_bytes_per_s": 1023},
     ["/bandwidth_bytes_per_s"]),
    ("name that leaves its place", {"vm": "../g1", "to": "b/../a"}, ["/to", "/vm"]),
]


class BadRequestTest(SystemTest):
    host_ids = ("a",)

    def post(self, path, body, **headers):
        return self.a.api.post(path, body, headers=headers)

    def assert_faults(self, status, pointers, path, body):
        with self.assertRaises(ApiError) as caught:
            self.post(path, body)
        error = caught.exception
        self.assertEqual(error.status, status, error.body)
        self.assertEqual(error.body["status"], status)
        self.assertTrue(error.body["title"] and error.code)
        if pointers is not None:
            self.assertEqual(error.pointers(), pointers, error.body)
        for fault in error.body.get("errors", []):
            self.assertTrue(fault["detail"], fault)

    def test_wrong_definitions_name_every_fault(self):
        for what, body, status, pointers in DEFINITIONS:
            with self.subTest(what):
                self.assert_faults(status, pointers, "/v1/vms", body)
        self.assertEqual(self.a.vms(), {})

    def test_wrong_moves_name_every_fault(self):
        for what, body, pointers in MOVES:
            with self.subTest(what):
                self.assert_faults(400, pointers, "/v1/moves", body)
        self.assertEqual(self.a.moves(), [])

    def test_wrong_requests_get_their_status(self):
        cases = [
            ("no such route", "GET", "/v1/nothing", None, {}, 404),
            ("no such VM", "GET", "/v1/vms/nobody", None, {}, 404),
            ("medium of no VM", "DELETE", "/v1/vms/nobody/devices/x/medium?force=true", None, {}, 404),
            ("medium for no VM", "PUT", "/v1/vms/nobody/devices/x/medium", b'{"path":"/x"}', {}, 404),
            ("device of no VM", "DELETE", "/v1/vms/nobody/devices/x?timeout_ms=1", None, {}, 404),
            ("no such move", "GET", "/v1/moves/0190a000-0000-7000-8000-000000000000", None, {}, 404),
            ("move id that is none", "GET", "/v1/moves/..%2f..%2fx", None, {}, 404),
            ("no such method", "PUT", "/v1/vms", {}, {}, 405),
            ("no such action", "POST", "/v1/vms/g1/explode", None, {}, 404),
            ("not JSON by its type", "POST", "/v1/vms", "{}", {"Content-Type": "text/plain"}, 415),
            ("limit that is none", "GET", "/v1/vms?limit=many", None, {}, 400),
            ("peer route for a user", "POST", "/peer/v1/hello", {}, {"Migrd-Protocol": "1"}, 403),
        ]
        for what, method, path, body, headers, status in cases:
            with self.subTest(what):
                got, answer_headers, answer = self.a.api.send(method, path, body, headers)
                self.assertEqual(got, status, answer)
                self.assertIn("problem+json", answer_headers["Content-Type"])
                self.assertEqual(answer["status"], status)
                if status == 405:
                    self.assertIn("POST", answer_headers["Allow"])

    # The command line prints the same words, for a person.
    def test_migrctl_prints_every_fault(self):
        path = self.world.dir / "bad.json"
        path.write_text(json.dumps(changed(vcpus=0, colour="red")), encoding="utf-8")
        done = self.a.migrctl("vm", "create", path, check=False)
        self.assertEqual(done.returncode, 2)
        for word in ("/vcpus", "/colour"):
            self.assertIn(word, done.stderr)


POLICY, MOVE, MOVES_PATH, QUEUE = "/v1/policies/p", "/v1/moves/{move}", "/v1/moves", "/v1/queue"
DRY_RUN = "/v1/moves?dry_run=true"
TO_B = {"vm": "g2", "to": "b"}

# What steers moves, and cannot be: what, method, path, body, status, words of the answer.
STEERING = [
    ("end without a deadline", "PUT", POLICY, {"timeout": "force"}, 400,
     "never happens without a deadline: give"),
    ("post-copy at the deadline, and never", "PUT", POLICY, {"timeout": "postcopy", "deadline_s": 5},
     400, "contradicts postcopy `never': give"),
    ("ceiling below its limit", "PUT", POLICY, {"downtime_limit_ms": 300, "downtime_ceiling_ms": 100},
     400, "lower than downtime_limit_ms"),
    ("compression of one connection", "PUT", POLICY, {"compression": "zstd"}, 400,
     "only on several connections: give channels too"),
    ("guest that is stopped to slow it", "PUT", POLICY, {"throttle_max_percent": 100}, 400, "99"),
    ("policy of no downtime", "PUT", POLICY, {"downtime_limit_ms": 0}, 400, "1"),
    ("policy of hardly any bandwidth", "PUT", POLICY, {"bandwidth_bytes_per_s": 1}, 400,
     "give 0 (no limit), or 1024 or more"),
    ("move of no downtime", "POST", MOVES_PATH, {**TO_B, "downtime_limit_ms": 0}, 400, "1"),
    ("move of hardly any bandwidth", "POST", MOVES_PATH, {**TO_B, "bandwidth_bytes_per_s": 1}, 400,
     "give 0 (no limit), or 1024 or more"),
    ("no channels", "POST", MOVES_PATH, {**TO_B, "multifd": {"channels": 0}}, 400, "1"),
    ("unknown policy", "POST", MOVES_PATH, {**TO_B, "policy": "p"}, 404, "policy 'p'"),
    ("hold without a deadline", "POST", MOVES_PATH, {**TO_B, "hold": {}}, 400,
     "without an end: give timeout_s or until"),
    ("hold that only says what then", "POST", MOVES_PATH, {**TO_B, "hold": {"then": "release"}}, 400,
     "without an end: give timeout_s or until"),
    ("hold of no time", "POST", MOVES_PATH, {**TO_B, "hold": {"timeout_s": 0}}, 400, "1"),
    ("hold without a deadline, queued", "POST", QUEUE, {**TO_B, "hold": {}}, 400,
     "without an end: give timeout_s or until"),
    ("no attempt", "POST", QUEUE, {**TO_B, "attempts_max": 0}, 400, "1"),
    ("given up before it begins", "POST", QUEUE, {**TO_B, "give_up_s": 0}, 400, "1"),
    ("running move of no downtime", "PATCH", MOVE, {"downtime_limit_ms": 0}, 400, "1"),
    ("running move of hardly any bandwidth", "PATCH", MOVE, {"bandwidth_bytes_per_s": 1}, 400,
     "give 0 (no limit), or 1024 or more"),
    ("unknown policy for a running move", "PATCH", MOVE, {"policy": "p"}, 404, "policy 'p'"),
    ("veto of an unknown party", "POST", MOVE + "/delay", {"delay_s": 30}, 403,
     "is no party that may delay this move: one is named in a section [notify NAME]"),
    ("veto of no move", "POST", "/v1/moves/0190a000-0000-7000-8000-000000000000/delay",
     {"delay_s": 30}, 404, "no move"),
    ("forecast of a stopped VM", "POST", DRY_RUN, TO_B, 409,
     "of a running or paused VM only; a stopped one is moved by its disks alone"),
    ("forecast of no VM", "POST", DRY_RUN, {"vm": "g3", "to": "b"}, 404, "no VM 'g3'"),
    ("forecast for no host", "POST", DRY_RUN, {"vm": "g2", "to": "c"}, 404, "[peer c]"),
]


class SteeringTest(SystemTest):
    def picture(self):
        """All that STEERING could have changed."""
        shown = ("id", "state", "held", "policy", "options", "notices")
        moves = [{key: move.get(key) for key in shown} for move in self.a.moves()]
        vms = {name: vm["state"] for name, vm in self.a.vms().items()}
        return (moves, vms, self.a.api.items("/v1/policies"), self.a.api.items(QUEUE), self.b.moves())

    def test_what_cannot_be_is_refused_in_words_and_changes_nothing(self):
        guest = self.world.guest()
        guest.start(self.a)
        self.a.api.post("/v1/vms", {**guest.definition, "name": "g2", "serial": {"type": "none"}})
        move = self.world.begin_move(guest, self.a, self.b, hold={"timeout_s": 600})["id"]
        self.eventually("the hold", lambda: self.a.move_state(move)["held"], 30)
        before = self.picture()
        for what, method, path, body, status, words in STEERING:
            with self.subTest(what):
                got, _, answer = self.a.api.send(method, path.format(move=move), body, {})
                self.assertEqual(got, status, answer)
                said = answer["detail"] + "".join(f["detail"] for f in answer.get("errors", []))
                self.assertIn(words, said)
                self.assertEqual(self.picture(), before)
        self.a.api.post(f"/v1/moves/{move}/release")
        self.world.wait_state(self.a, move, "done")
        guest.assert_runs_on(self.b)


GOOD_CONFIG = """[host]
id = a
state_dir = state
run_dir = run
"""

# name, text, messages of its faults (FILE:LINE first)
CONFIGS = [
    ("unknown section", GOOD_CONFIG + "[hosts]\nx = 1\n", [("5", "hosts")]),
    ("unknown key", GOOD_CONFIG + "[move]\nlink_timeout = 5\n", [("6", "link_timeout")]),
    ("wrong type", GOOD_CONFIG + "[move]\nlink_timeout_ms = soon\n", [("6", "link_timeout_ms")]),
    ("out of range", GOOD_CONFIG + "[move]\nlink_timeout_ms = 0\n", [("6", "link_timeout_ms")]),
    ("limits of nothing", GOOD_CONFIG + "[queue]\nout_max = 0\n[move]\nin_max = 0\noffers_max = 0\n"
     "downtime_limit_ms = 0\nbandwidth_bytes_per_s = 1\nbandwidth_budget_bytes_per_s = 1\n"
     "bandwidth_budget_in_bytes_per_s = 1\n",
     [("6", "1 to 1000 moves"), ("8", "1 to 1000 moves"), ("9", "1 to 1000 guests"),
      ("10", "1 to 2000000 milliseconds"), ("11", "0, or 1024 to"), ("12", "0, or 1048576 to"),
      ("13", "0, or 1048576 to")]),
    ("duplicate key", GOOD_CONFIG + "[log]\nlevel = info\nlevel = debug\n", [("7", "level")]),
    ("no such choice", GOOD_CONFIG + "[log]\nlevel = loud\n", [("6", "loud")]),
    ("host id that is none", "[host]\nid = ../a\nstate_dir = s\nrun_dir = r\n", [("2", "id")]),
    ("run_dir too long", "[host]\nid = a\nrun_dir = /" + "r" * 60 + "\n", [("3", "50")]),
    ("all at once", "[host]\nid = A_\n[api]\nlisten = here\n[peer b]\naddress = x\nport = 1\n",
     [("2", "id"), ("4", "listen"), ("6", "address"), ("7", "port")]),
]


class BadConfigTest(SystemTest):
    def setUp(self):
        self.world = World(ids=())
        self.addCleanup(self._close_world)
        self.config = self.world.dir / "migrd.conf"

    def check(self, *args):
        return subprocess.run([settings.program("migrd"), "-c", str(self.config), *args], text=True,
                              capture_output=True, timeout=settings.seconds(10), check=False)

    def test_wrong_configurations_name_every_fault_with_its_line(self):
        for what, text, faults in CONFIGS:
            for args in (["--check-config"], []):
                with self.subTest(what, args=args):
                    self.config.write_text(text, encoding="utf-8")
                    done = self.check(*args)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    for line, word in faults:
                        self.assertRegex(done.stderr, rf"migrd\.conf:{line}\b.*{word}")

    def test_invalid_utf8_and_binary_are_refused(self):
        for data in (b"[host]\nid = \xff\n", b"\x7fELF\x02\x01\x01\x00", b"\0" * 100):
            with self.subTest(data):
                self.config.write_bytes(data)
                self.assertEqual(self.check("--check-config").returncode, 2)

    def test_missing_file_is_named(self):
        done = self.check("--check-config")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.config), done.stderr)
