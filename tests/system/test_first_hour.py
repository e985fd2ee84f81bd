# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of doc/first-hour.md and doc/when-something-is-wrong.md do what these say."""
import json
import os
import pathlib
import re
import subprocess

from lib import settings
from lib.world import SystemTest

DOC = settings.SOURCE_DIR / "doc"
BLOCK = re.compile(r"^```sh *(\w*)\n(.*?)^```$", re.M | re.S)
HELD = {"hold": {"timeout_s": 600, "then": "cancel"}}
# What reaches host b is done to its directory, and its service is its process.
STUBS = {"scp": '[ "$*" = "-rp migrd-pki/b/. root@b:/etc/migrd" ] && [ migrd-pki/b -ef "$B_DIR" ]',
         "ssh": '[ "$*" = "root@b systemctl reload migrd" ] && kill -HUP "$B_PID"'}


def chapters(name):
    """{heading: [(host id, command line)]} of a document, in its order."""
    found = {}
    for chapter in re.split(r"^## ", (DOC / name).read_text(encoding="utf-8"), flags=re.M)[1:]:
        heading, _, text = chapter.partition("\n")
        found[heading] = [(host or "a", line) for host, block in BLOCK.findall(text)
                          for line in block.splitlines()]
    return found


class FirstHourTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.guest = self.world.guest("demo", area=0, memory_mib=32)
        self.dir = self.world.dir / "shell"
        self.dir.mkdir()
        (self.dir / "migrd-pki").symlink_to(self.a.dir.parent)
        (self.dir / "guest.json").write_text(json.dumps(self.guest.definition), encoding="utf-8")
        for name, script in STUBS.items():
            (self.dir / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
            (self.dir / name).chmod(0o755)

    def run_line(self, host_id, line, codes=(0,)):
        host = self.world[host_id]
        programs = pathlib.Path(settings.program("migrctl")).parent
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=settings.seconds(60),
            env={**os.environ, "PATH": f"{self.dir}:{programs}:{os.environ['PATH']}",
                 "MIGRD_SOCKET": str(host.socket), "B_DIR": str(self.b.dir),
                 "B_PID": str(self.b.process.pid)})
        self.assertIn(done.returncode, codes, f"{line}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait_for_rest(self):
        """A move has two sides, and a command waits for the end of one."""
        for host in self.world.hosts.values():
            self.eventually(f"no move of {host}", lambda host=host: not any(
                not move["final"] for move in host.moves()), 30)

    def run_chapter(self, chapter):
        """The outputs by command line; the last one of a line that is there twice."""
        found = {}
        for host_id, line in chapter:
            with self.subTest(line):
                if line.startswith(("migrctl move start", "migrctl host evacuate")):
                    self.wait_for_rest()
                found[line] = self.run_line(host_id, line, (0, 20) if "host check" in line else (0,))
        return found

    def test_first_hour(self):
        for heading, chapter in chapters("first-hour.md").items():
            self.assertTrue(chapter or heading == "Where to go on", heading)
            if heading == "Empty a host":
                self.eventually("b is online", lambda: "online" in str(
                    self.a.api.get("/v1/capacity/b")["state"]))
            found = self.run_chapter(chapter)
            if heading == "A move":
                self.assertIn("demo", found["migrctl top --once"])
                self.assertRegex(found["migrctl vm find demo"], r"(?m)^demo +b ")
            if heading == "Empty a host":
                self.assertRegex(found["migrctl evacuation show"], r"left +0 of 1")
        self.guest.assert_runs_on(self.a, sweeps=0)

    def test_when_something_is_wrong(self):
        found = chapters("when-something-is-wrong.md")
        self.guest.start(self.a, sweeps=0)
        move = self.world.begin_move(self.guest, self.a, self.b, **HELD)
        self.eventually("it is held", lambda: self.a.move_state(move["id"])["held"])
        shown = self.run_chapter(found.pop("A move does not end"))
        self.assertRegex(shown["migrctl move show demo"], "held")
        self.assertEqual(self.a.move_state(move["id"])["state"], "cancelled")
        self.guest.assert_runs_on(self.a, sweeps=0)

        self.b.kill9()
        shown = self.run_chapter(found.pop("A host does not answer"))
        self.assertIn("silence does not prove",
                      re.sub(r"\s+", " ", shown["migrctl host show b"]))
        self.b.start()

        self.run_chapter(found.pop("Something is left over"))
        self.run_chapter(found.pop("A disk is full"))

        old = (self.b.dir / "host.pem").read_bytes()
        self.run_chapter(found.pop("A certificate has expired"))
        self.assertNotEqual((self.b.dir / "host.pem").read_bytes(), old)
        self.world.move(self.guest, self.a, self.b)
        self.assertEqual(found, {})

    def test_commands_that_are_only_named_exist(self):
        for name in ("first-hour.md", "when-something-is-wrong.md"):
            for words in re.findall(r"`(migrctl [a-z -]+)[^`]*`", (DOC / name).read_text(encoding="utf-8")):
                self.run_line("a", f"{words} --help")
