# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names for daemons elsewhere, and what is shown in which form: as somebody at a shell has it."""
import json
import os
import pathlib
import re
import shlex
import subprocess

from lib import settings
from lib.world import SystemTest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "agents/migrctl/examples.c"
EXAMPLE = re.compile(r'\bE\("((?:[^"\\]|\\.)*)"\)')
COMMAND = re.compile(r"^  ([a-z][a-z -]*?)(?:  | [A-Z\[]|$)")


class ContextTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.file = self.world.dir / "config" / "contexts.json"
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", "joe", "--role", "viewer",
                        "--dir", str(pki)], check=True, capture_output=True)
        self.files = ["--ca", f"{pki}/ca.pem", "--cert", f"{pki}/users/joe.pem",
                      "--key", f"{pki}/users/joe.key"]

    def run_it(self, *args, code=0, **variables):
        """migrctl as from a shell, without the socket of any host."""
        done = subprocess.run(
            [settings.program("migrctl"), *map(str, args)], stdin=subprocess.DEVNULL, text=True,
            capture_output=True, timeout=settings.seconds(60), check=False,
            env={"PATH": os.environ["PATH"], "MIGRD_CONTEXTS": str(self.file), **variables})
        self.assertEqual(code, done.returncode, f"{args}: {done.stdout}{done.stderr}")
        return done

    def read(self, *args, **variables):
        return json.loads(self.run_it("-o", "json", *args, **variables).stdout)

    def add(self, *more):
        self.run_it("context", "add", "prod", "--host", f"127.0.0.1:{self.a.api_port}", *self.files,
                    *more)

    # One pair of hosts for all that is read only.
    def test_daemon_elsewhere_is_reached_by_its_name(self):
        self.world.guest("one").start(self.a)
        self.add()
        self.assertEqual(0o600, self.file.stat().st_mode & 0o777)
        self.assertEqual("a", self.read("--context", "prod", "host", "show")["id"])
        self.assertEqual("a", self.read("host", "show", MIGRD_CONTEXT="prod")["id"])
        self.run_it("context", "use", "prod")
        self.assertEqual("one\n", self.run_it("vm", "list", "-o", "name").stdout)

        # The caller is who the certificate says: a viewer may not stop a guest.
        refused = self.run_it("-o", "json", "vm", "stop", "one", code=3)
        error = json.loads(refused.stderr)
        self.assertEqual(("forbidden", 3), (error["code"], error["exit_code"]))
        self.assertEqual("", refused.stdout)

        # By the environment, and a host of the peer list by its id.
        by_variables = {f"MIGRD_{name[2:].upper()}": value
                        for name, value in zip(self.files[::2], self.files[1::2])}
        self.assertEqual("b", self.read("host", "show", **by_variables,
                                        MIGRD_HOST=f"127.0.0.1:{self.b.api_port}")["id"])
        self.assertEqual("b", self.read("--host-id", "b", "host", "show")["id"])
        self.assertEqual("a", self.read("--host-id", "a", "host", "show")["id"])
        self.assertEqual("b", self.read("--host-id", "b", *self.files, "host", "show",
                                        MIGRD_SOCKET=str(self.a.socket))["id"])
        self.assertIn("among the peers of host 'a': b",
                      self.run_it("--host-id", "c", "host", "show", code=4).stderr)

        # The same answer in each form; wide has more columns.
        wide = self.run_it("vm", "list", "-o", "wide").stdout
        self.assertIn(self.a.vm("one")["uuid"], wide)
        self.assertNotIn("UUID", self.run_it("vm", "list").stdout)
        yaml = self.run_it("vm", "show", "one", "-o", "yaml").stdout
        self.assertTrue(yaml.startswith("---\nname: one\n"), yaml)
        self.assertIn("\ndefinition:\n  ", yaml)

        # Values are completed, those of the daemon with what the line says of it.
        def words(*line):
            return self.run_it("__complete", "--", *line).stdout.split()
        self.assertIn("one", words("vm", "show"))
        self.assertIn("b", words("--context", "prod", "move", "start", "one", "--to"))
        self.assertIn("default", words("move", "start", "one", "--policy"))
        self.assertIn("prod", words("context", "use"))
        self.assertIn("local", words("--context"))
        self.assertIn("freeze", words("vm", "agent", "one"))
        self.assertIn("move-request", words("explain"))
        disk = self.a.api.items("/v1/vms/one/devices")[0]["id"]
        self.assertIn(disk, words("vm", "detach", "one"))
        self.assertEqual([], words("--host", "127.0.0.1:1", "queue", "add", "--to"))

        # Removed, it is this host's own daemon again, of which there is none here.
        self.run_it("context", "remove", "prod")
        self.assertEqual("/y", self.read("context", "show", MIGRD_SOCKET="/y")["socket"])
        self.assertIn("no context 'prod'", self.run_it("--context", "prod", "vm", "list",
                                                       code=4).stderr)

    def test_what_cannot_be_a_context_changes_nothing(self):
        self.add()
        before = self.file.read_bytes()
        host = ["--host", f"127.0.0.1:{self.a.api_port}"]
        for code, args in ((5, ["prod", *host, *self.files]),
                           (2, ["local", *host, *self.files]),
                           (2, ["../x", *host, *self.files]),
                           (2, ["x"]),
                           (2, ["x", *host, *self.files[:2]]),
                           (2, ["x", *host, "--socket", "/s", *self.files]),
                           (2, ["x", "--host", "http://h", *self.files])):
            self.run_it("context", "add", *args, code=code)
        self.run_it("context", "use", "x", code=4)
        self.assertEqual(before, self.file.read_bytes())
        self.file.chmod(0o666)
        self.assertIn("chmod 600", self.run_it("vm", "list", code=3).stderr)

    # An example that the program would refuse is worse than none.
    def test_every_command_has_examples_that_parse(self):
        commands = {match.group(1) for match in
                    map(COMMAND.match, self.run_it("--help").stdout.splitlines()) if match}
        self.assertGreater(len(commands), 80)
        told = set()
        for line in EXAMPLE.findall(EXAMPLES.read_text(encoding="utf-8")):
            words = shlex.split(line.replace('\\"', '"').partition(" < ")[0])
            told.add(" ".join(words[:2]) if " ".join(words[:2]) in commands else words[0])
            with self.subTest(line):
                self.run_it(*words, "--help")       # errors before it are told first
        self.assertEqual(commands, told)
        self.assertIn("\nexamples:\n  migrctl context show\n",
                      self.run_it("context", "show", "--help").stdout)

    def test_objects_are_explained_without_a_daemon(self):
        self.assertIn("move-request", self.run_it("explain", "-o", "name").stdout.split())
        text = self.run_it("explain", "move").stdout
        self.assertIn("\n  can_cancel  (boolean)", text)
        self.assertIn("move-request", text)
        self.assertIn("interactive | evacuation | balancing",
                      self.run_it("explain", "move-request.priority").stdout)
        schema = pathlib.Path(__file__).resolve().parents[2] / "schema/api/move-request.json"
        self.assertEqual(json.loads(schema.read_text(encoding="utf-8")),
                         self.read("explain", "move-request"))
        self.assertIn("did you mean 'move'", self.run_it("explain", "moev", code=4).stderr)
        self.assertIn("did you mean 'bandwidth_bytes_per_s'",
                      self.run_it("explain", "move-request.bandwith_bytes_per_s", code=4).stderr)
