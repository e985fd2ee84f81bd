# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrctl in a shell: pipes that are closed, wrong files, the completion of bash."""
import json
import pathlib
import shlex
import subprocess

from lib import settings
from lib.impostor import Impostor
from lib.world import SystemTest

COMPLETION = pathlib.Path(__file__).resolve().parents[2] / "doc" / "migrctl.bash"
# The variables that bash sets for a completion function, and the one that it reads.
ASK = r"""
source "$1"; compopt() { echo "compopt $*"; }
COMP_LINE=$2 COMP_POINT=${#2}; cur=${2##* }
_migrctl migrctl "$cur"; printf '%s\n' "${COMPREPLY[@]}"
"""
# All commands that print, in a possible order; {} is a name or path that the test gives.  MOVE is
# the id of the move.
FULL_DISK = """
migrctl --help
migrctl --version
migrctl vm create --help
migrctl pki init --dir {pki}
migrctl pki host --dir {pki} x=192.0.2.1
migrctl pki user --dir {pki} joe --role viewer
migrctl vm create {definition}
migrctl vm list
migrctl vm show demo
migrctl vm start demo
migrctl vm devices demo
migrctl vm qmp demo query-status
migrctl vm hmp demo "info status"
migrctl vm pause demo
migrctl vm resume demo
migrctl vm reset demo
migrctl move start demo --to b --watch
migrctl move list
migrctl move show MOVE
migrctl move watch MOVE
migrctl host show
migrctl host list
migrctl host check
migrctl job list
migrctl backup {backup}
migrd --help
migrd --version
migrd --help-config
migrd --print-routes
migrd --print-metrics
migrd --print-schema vm
migrd-stream --help
migrd-stream --version
migrd-hook --help
migrd-hook --version
migrd-output --help
migrd-output --version
"""


class SaysNothing(Impostor):
    """An API whose every answer is an empty object."""

    def talk(self, sock):
        while self.hear(sock):
            self.say(sock, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Content-Length: 2\r\n\r\n{}")


class MigrctlTest(SystemTest):
    def complete(self, line):
        program = pathlib.Path(settings.program("migrctl"))
        done = subprocess.run(
            ["bash", "-c", f'PATH="{program.parent}:$PATH"; ' + ASK, "bash", COMPLETION, line],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "MIGRD_SOCKET": str(self.a.socket)})
        self.assertEqual("", done.stderr)
        return done.stdout.split()

    def assert_quiet_end(self, *args):
        """The command's reader has already closed the pipe."""
        child = subprocess.Popen(  # pylint: disable=consider-using-with
            [settings.program("migrctl"), "--socket", str(self.a.socket), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdout.close()
        errors = child.stderr.read()
        child.stderr.close()
        self.assertEqual((0, ""), (child.wait(settings.seconds(30)), errors))

    # head and grep -q close early: that is no error.
    def test_reader_that_has_gone_is_a_clean_end(self):
        for args in ("vm", "list"), ("--help",), ("-o", "json", "host", "show"):
            self.assert_quiet_end(*args)

    def run_full(self, line, socket):
        """Runs a command whose output cannot be written."""
        program, *args = shlex.split(line)
        if program == "migrctl":
            args = ["--socket", str(socket), *args]
        with open("/dev/full", "w", encoding="ascii") as full:
            return subprocess.run([settings.program(program), *args], stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=settings.seconds(60))

    # The command was carried out, but a user who lost the answer must be told so.
    def test_full_disk_is_told_by_every_command_that_prints(self):
        guest = self.world.guest("demo", area=0)
        definition = self.world.dir / "demo.json"
        definition.write_text(json.dumps(guest.definition), encoding="utf-8")
        places = {"definition": definition, "pki": self.world.dir / "pki",
                  "backup": self.a.dir / "backup.db"}
        for line in FULL_DISK.format(**places).strip().splitlines():
            if "MOVE" in line:
                line = line.replace("MOVE", self.a.moves()[0]["id"])
            for options in ("", "-o json ") if " list" in line or " show" in line else ("",):
                with self.subTest(line + options):
                    done = self.run_full(line.replace("migrctl ", f"migrctl {options}"),
                                         self.a.socket)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn("cannot write the output", done.stderr)
        self.assertEqual(self.b.vm("demo")["state"], "running")

    # The command would run for ever without any output.
    def test_full_disk_ends_the_events(self):
        self.world.guest("demo", area=0).start(self.a)
        with open("/dev/full", "w", encoding="ascii") as full:
            child = subprocess.Popen(  # pylint: disable=consider-using-with
                [settings.program("migrctl"), "--socket", str(self.a.socket), "events"],
                stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)

        def has_ended_by_an_event():
            self.a.api.post("/v1/vms/demo/pause")
            self.a.api.post("/v1/vms/demo/resume")
            return child.poll() is not None

        self.eventually("migrctl to end", has_ended_by_an_event)
        self.assertIn("cannot write the output", child.communicate()[1])
        self.assertNotEqual(child.returncode, 0)

    def test_directory_as_file_is_named(self):
        done = self.a.migrctl("vm", "create", self.world.dir, check=False)
        self.assertEqual(f"migrctl: invalid: '{self.world.dir}' is a directory: a file is needed\n",
                         done.stderr)

    def test_answers_that_say_nothing_are_no_crash(self):
        api = SaysNothing()
        self.addCleanup(api.close)
        socket = self.world.dir / "mute.sock"
        api.listen(socket)
        for words in (["host", "show"], ["host", "show", "b"], ["evacuation", "show"],
                      ["host", "list"]):
            done = subprocess.run([settings.program("migrctl"), "--socket", str(socket), *words],
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=settings.seconds(20))
            self.assertGreaterEqual(done.returncode, 0, words)

    # An option's value is neither a noun nor a verb.
    def test_completion_goes_on_behind_an_option_with_a_value(self):
        self.world.guest("one").start(self.a)
        for options in "", "-o json ", f"--socket {self.a.socket} ", "--host https://a:8443 ":
            self.assertIn("start", self.complete(f"migrctl {options}move st"))
        self.assertEqual(["one"], self.complete("migrctl -o json vm stop o"))
        self.assertEqual(["json"], self.complete("migrctl -o j"))
        self.assertEqual(["--to"], self.complete("migrctl move start one --t"))
        self.assertEqual(["compopt", "-o", "default"], self.complete("migrctl --socket /ru"))
        self.assertEqual(["compopt", "-o", "default"], self.complete("migrctl vm create gu"))
