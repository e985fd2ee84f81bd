# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person's commands for a QEMU, through migrd: which are passed on and which are refused."""
import json
import os
import re
import signal
import ssl
import subprocess
import time

from lib import settings
from lib.api import Api
from lib.terminal import Terminal
from lib.world import SystemTest

PATH = "/v1/vms/g1/monitor"

# HMP line or QMP command, and what to use instead
REFUSED = [
    ("cont", "vm resume g1"), ("stop", "vm pause g1"), ("quit", "vm stop g1"),
    ("system_reset", "vm reset g1"), ("system_powerdown", "vm shutdown g1"),
    ("migrate", "move start g1 --to HOST"), ("migrate_cancel", "move cancel g1"),
    ("device_add", "vm attach g1 FILE"), ("device_del", "vm detach g1 ID"),
]
REFUSED_QMP = ["migrate-incoming", "migrate-set-parameters", "blockdev-add", "block-job-cancel",
               "netdev_add", "object-add", "chardev-add", "snapshot-save", "pmemsave", "qom-set",
               "qmp_capabilities", "human-monitor-command", "x-exit-preconfig"]
REFUSED_HMP = ["c", "q", "s", " c", "cont/x", "stop\tnow", "loadvm x", "savevm x",
               "pmemsave 0 1 /tmp/x", "o /w 0x604 0x2000", "gdbserver", "drive_del boot",
               "qemu-io boot \"write 0 512\"", "screendump /tmp/x"]


class MonitorTest(SystemTest):
    def qmp(self, execute, host=None, timeout_ms=None, **arguments):
        command = {"execute": execute, **({"arguments": arguments} if arguments else {})}
        return self.ask({"protocol": "qmp", "command": command,
                         **({"timeout_ms": timeout_ms} if timeout_ms else {})}, host)

    def hmp(self, line, host=None):
        return self.ask({"protocol": "hmp", "command": line}, host)

    def ask(self, body, host=None):
        return (host or self.a).api.post(PATH, body)["return"]

    def as_user(self, role):
        """The API of host a over TLS, as a user with that role."""
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", f"{role}1", "--role", role,
                        "--dir", str(pki)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{pki}/ca.pem")
        context.load_cert_chain(f"{pki}/users/{role}1.pem", f"{pki}/users/{role}1.key")
        return Api.with_certificate(self.a.address, self.a.api_port, context)

    def audit(self):
        """The records of the log, as dicts."""
        text = self.a.log.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if "area=monitor event=command" in line]
        return [dict(re.findall(r'(\w+)=("[^"]*"|\S*)', line)) for line in lines]

    def test_commands_reach_qemu_and_its_answers_come_back(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        with self.a.api.events() as events:
            self.assertEqual(self.qmp("query-status")["status"], "running")
            self.assertEqual(self.qmp("query-block")[0]["qdev"], "/machine/peripheral/boot/virtio-backend")
            self.assertEqual(self.hmp("info name").strip(), "g1")
            self.assertIn("unknown command", self.hmp("no-such-command"))
            self.assertEqual(self.qmp("human-monitor-command", **{"command-line": "info name"}).strip(),
                             "g1")
            self.assertEqual(self.qmp("announce-self", initial=50, max=50, rounds=1, step=0), {})
            kind, event = next((k, e) for k, e in events if k == "monitor"
                               and e["command"] == "announce-self")
        self.assertEqual((event["vm"], event["caller"], event["role"], event["class"], event["result"]),
                         ("g1", "local", "admin", "modify", "done"))

        with self.subTest("QEMU's refusal has its class and words"):
            for command, found in (("no-such-command", "CommandNotFound"),
                                   ("balloon", "GenericError")):
                error = self.assert_api_error(502, "qemu-error", self.qmp, command)
                self.assertEqual(error.body["qemu"]["class"], found)
                self.assertIn(error.body["qemu"]["desc"], error.body["detail"])

        with self.subTest("the log tells who asked for what, and no argument"):
            self.hmp("set_password vnc geheim")
            last = self.audit()[-1]
            self.assertEqual((last["vm"], last["caller"], last["uid"], last["role"], last["protocol"],
                              last["command"], last["class"], last["result"]),
                             ("g1", "local", str(os.geteuid()), "admin", "hmp", "set_password",
                              "modify", "done"))
            self.assertNotIn("geheim", "\n".join(line for line in self.a.log.read_text().splitlines()
                                                 if "area=monitor" in line))

        with self.subTest("a reply over the limit"):
            error = self.assert_api_error(503, "unavailable", self.ask, {
                "protocol": "hmp", "command": "xp /900000xg 0", "timeout_ms": 60000})
            self.assertIn("16777216 bytes", error.body["detail"])
            self.eventually("the monitor is there again",
                            lambda: self.a.api.send("POST", PATH, {"protocol": "hmp",
                                                                   "command": "info name"})[0] == 200)
        guest.assert_runs_on(self.a)

    # The guest must notice none of these commands.
    def test_what_is_migrds_own_is_refused_with_what_to_do_instead(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        pid = guest.vm(self.a)["pid"]
        for command, instead in REFUSED:
            for ask in (self.qmp, self.hmp):
                error = self.assert_api_error(403, "forbidden", ask, command)
                self.assertIn(f"use 'migrctl {instead}' instead", error.body["detail"])
        for command in REFUSED_QMP:
            arguments = {"command-line": "c"} if command == "human-monitor-command" else {}
            self.assert_api_error(403, "forbidden", self.qmp, command, **arguments)
        for line in REFUSED_HMP:
            self.assert_api_error(403, "forbidden", self.hmp, line)
        self.assertEqual({record["result"] for record in self.audit()}, {"forbidden"})
        guest.assert_runs_on(self.a)
        self.assertEqual(guest.vm(self.a)["pid"], pid)
        guest.console.assert_single_runner()

        with self.subTest("every command of this QEMU has its place in the table"):
            names = [f"qmp {c['name']}" for c in self.qmp("query-commands")]
            text = self.hmp("help")
            for words in re.findall(r"^([a-z][\w|?-]*)(?: |$)", text, re.MULTILINE):
                names += [f"hmp {word}" for word in words.split("|")]
            self.assertGreater(len(names), 300)
            judged = subprocess.run([settings.build_dir / "tests/lib/judge_commands"], text=True,
                                    input="\n".join(names), capture_output=True, check=False)
            self.assertEqual(judged.stdout, "", "give these a row in migrd/guard/refused_rows.c")

        with self.subTest("only an administrator may ask"):
            for role, status in (("viewer", 403), ("operator", 403), ("admin", 200)):
                got, _, body = self.as_user(role).send("POST", PATH, {"protocol": "hmp",
                                                                      "command": "info name"})
                self.assertEqual(got, status, body)
            last = self.audit()[-1]
            self.assertEqual((last["caller"], last["uid"], last["role"]), ("admin1", "-1", "admin"))

    def test_wrong_requests_are_told_apart(self):
        guest = self.world.guest(area=0)
        guest.create(self.a)
        for body, pointers in (
                ({}, ["/command", "/protocol"]),
                ({"protocol": "ssh", "command": "x"}, ["/protocol"]),
                ({"protocol": "qmp", "command": "query-status"}, ["/command"]),
                ({"protocol": "qmp", "command": {}}, ["/command/execute"]),
                ({"protocol": "qmp", "command": {"execute": 1, "id": 2}},
                 ["/command/execute", "/command/id"]),
                ({"protocol": "qmp", "command": {"execute": "x" * 128}}, ["/command/execute"]),
                ({"protocol": "qmp", "command": {"execute": "x", "arguments": []}},
                 ["/command/arguments"]),
                ({"protocol": "qmp", "command": {"execute": "x", "arguments": {"x": "x" * 65536}}},
                 ["/command/arguments"]),
                ({"protocol": "hmp", "command": {"execute": "query-status"}}, ["/command"]),
                ({"protocol": "hmp", "command": " "}, ["/command"]),
                ({"protocol": "hmp", "command": "info name\ninfo status"}, ["/command"]),
                ({"protocol": "hmp", "command": "x" * 4097}, ["/command"]),
                ({"protocol": "hmp", "command": "info name", "timeout_ms": 0}, ["/timeout_ms"]),
                ({"protocol": "hmp", "command": "info name", "timeout_ms": 60001}, ["/timeout_ms"])):
            with self.subTest(str(body)[:80]):
                error = self.assert_api_error(400, "invalid", self.ask, body)
                self.assertEqual(error.pointers(), pointers, error.body)
        self.assert_api_error(409, "conflict", self.hmp, "info name")       # the VM is stopped
        self.assert_api_error(404, "not-found", self.a.api.post, "/v1/vms/nobody/monitor",
                              {"protocol": "hmp", "command": "info name"})

    def test_hung_qemu_is_a_timeout_and_works_again(self):
        guest = self.world.guest(area=0)
        pid = guest.start(self.a)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            error = self.assert_api_error(504, "timeout", self.qmp, "query-status", timeout_ms=300)
            self.assertLess(time.monotonic() - started, settings.seconds(5))
            self.assertRegex(error.body["detail"], "QEMU has not answered 'query-status' within")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.qmp("query-status")["status"], "running")

    # Queries are allowed during a move, on both sides; changes are not.
    def test_during_a_move_only_questions_go_through(self):
        guest = self.world.guest(area=2)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=100000)
        self.world.wait_flowing(self.a, move["id"])
        self.assertEqual(self.qmp("query-migrate")["status"], "active")
        self.assertIn("inmigrate", self.hmp("info status", host=self.b))
        for command in ("announce-self", "of-the-future"):
            error = self.assert_api_error(409, "busy", self.qmp, command)
            self.assertIn(move["id"], error.body["detail"])
        self.assert_api_error(403, "forbidden", self.qmp, "migrate_cancel")
        self.assertEqual(self.a.move_state(move["id"])["state"], "transfer")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        self.world.wait_state(self.b, move["id"], "done")
        self.assertEqual(self.qmp("query-status", host=self.b)["status"], "running")
        guest.assert_runs_on(self.b)


class MonitorCommandsTest(SystemTest):
    """The same with migrctl."""

    host_ids = ("a",)

    def setUp(self):
        super().setUp()
        self.guest = self.world.guest(area=0)
        self.pid = self.guest.start(self.a)["pid"]

    def pipe(self, text, *options):
        return subprocess.run(
            [settings.program("migrctl"), "--socket", str(self.a.socket), "vm", "monitor", "g1",
             *options], input=text, text=True, capture_output=True, check=False)

    def terminal(self, *options):
        return Terminal([settings.program("migrctl"), "--socket", str(self.a.socket), "vm", "monitor",
                         "g1", *options], {"HOME": str(self.world.dir), "XDG_STATE_HOME": ""})

    def test_one_command_and_a_pipe(self):
        status = {"running": True, "status": "running"}
        for command in ('{"execute":"query-status"}', "query-status",
                        'human-monitor-command {"command-line": "info status"}'):
            found = self.a.migrctl("vm", "qmp", "g1", command).stdout
            if command.startswith("human"):
                self.assertEqual(found.strip(), "VM status: running")
            else:
                self.assertLessEqual(status.items(), json.loads(found).items())
        self.assertLessEqual(status.items(),
                             self.a.migrctl_json("vm", "qmp", "g1", "query-status")["return"].items())
        self.assertEqual(self.a.migrctl("vm", "hmp", "g1", "info name").stdout, "g1\n")

        for verb, command, code, words in (
                ("hmp", "c", 3, "use 'migrctl vm resume g1' instead"),
                ("qmp", '{"execute":"stop"}', 3, "use 'migrctl vm pause g1' instead"),
                ("qmp", "no-such", 8, "has not been found"),
                ("qmp", '{"execute":', 2, "invalid"),
                ("qmp", "query-status [1]", 2, "not a JSON object"),
                ("qmp", '{"exec":"query-status"}', 2, "/command/exec")):
            with self.subTest(command):
                done = self.a.migrctl("vm", verb, "g1", command, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
        self.assertEqual(self.a.migrctl("vm", "hmp", "nobody", "info name", check=False).returncode, 4)

        with self.subTest("lines of a program"):
            done = self.pipe("info name\n\nquit\r\n  \ninfo status")
            self.assertEqual(done.stdout, "g1\nVM status: running\n")
            self.assertIn("use 'migrctl vm stop g1' instead", done.stderr)
            self.assertEqual(done.returncode, 3)
            done = self.pipe("query-name\n{\"execute\":\"query-uuid\"}\n", "--qmp")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(self.guest.uuid, done.stdout)
            self.assertEqual(self.pipe("x" * 300000).returncode, 2)
        self.guest.assert_runs_on(self.a)

    def test_terminal_edits_completes_and_remembers(self):
        with self.terminal() as user:
            user.wait("Ctrl-D ends.")
            user.wait("g1> ")
            user.type("info na\t\n")
            user.wait("\r\ng1\r\n")
            user.wait("g1> ")
            with self.subTest("more than one word fits"):
                user.type("info vn\t\x15info v\t")
                user.wait("version")
                user.wait("g1> info v")
                user.type("\x15")
            with self.subTest("Ctrl-C throws the line away"):
                user.type("qu\x03")
                user.wait("^C")
                user.wait("g1> ")
            user.type("quit\n")
            user.wait("use 'migrctl vm stop g1' instead")
            user.wait("g1> ")
            user.type("set_password vnc geheim\n")
            user.wait("g1> ")
            with self.subTest("Ctrl-C stops waiting for a hung QEMU"):
                os.kill(self.pid, signal.SIGSTOP)
                user.type("info status\n")
                user.wait("\n")
                self.eventually("migrd asks QEMU", self.asks_qemu)
                user.type("\x03")
                user.wait("no longer waiting")
                user.wait("g1> ")
                os.kill(self.pid, signal.SIGCONT)
            user.type("info uuid\n")
            user.wait(self.guest.uuid)
            user.wait("g1> ")
            user.type("\x04")
            self.assertEqual(user.exit_code(), 0, user.seen)
        history = self.world.dir / ".local/state/migrctl/history-hmp"
        self.assertEqual(history.stat().st_mode & 0o777, 0o600)
        self.assertEqual(history.parent.stat().st_mode & 0o777, 0o700)
        self.assertIn("quit", history.read_text())
        self.assertNotIn("geheim", history.read_text())

        with self.subTest("what was typed once is there again"), self.terminal() as user:
            user.wait("g1> ")
            user.type("\x1b[A")        # cursor up
            user.wait("info uuid")
            user.type("\n")
            user.wait(self.guest.uuid)
        with self.subTest("the machine protocol"), self.terminal("--qmp") as user:
            user.wait("g1 qmp> ")
            for keys in ("query-nam\t\n", '{"execute":"query-nam\t"}\n'):
                user.type(keys)
                user.wait('"g1"')
                user.wait("g1 qmp> ")
            user.type("\x04")
            self.assertEqual(user.exit_code(), 0, user.seen)
        self.guest.assert_runs_on(self.a)

    def asks_qemu(self):
        return any(job["kind"] == "query" for job in self.a.api.items("/v1/jobs"))
