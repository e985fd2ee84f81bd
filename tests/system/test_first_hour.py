# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of doc/first-hour.md and doc/when-something-is-wrong.md do what these say."""
import contextlib
import json
import os
import pathlib
import re
import subprocess

from lib import settings
from lib.world import SystemTest
from test_reload import make_dated

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
        # These have tests of their own.
        self.assertEqual(set(found), {"A disk is full", "A certificate has expired"})

    def chapter(self, heading):
        return chapters("when-something-is-wrong.md")[heading]

    def test_a_disk_is_full(self):
        """The records of host a are on a disk of 3 MiB, in a mount namespace of its own."""
        self.a.kill9()
        self.a.prefix = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c",
                         f"mount -t tmpfs -o size=3m,mode=0700 migrd-test {self.a.state_dir} && "
                         'exec "$0" "$@"']
        self.a.start()
        self.guest.start(self.a, sweeps=0)
        filler = pathlib.Path(f"/proc/{self.a.process.pid}/root{self.a.state_dir}/filler")
        more = {"name": "more", "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 32}
        with open(filler, "wb", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass
        self.assert_api_error(507, "no-space", self.a.api.post, "/v1/vms", more)
        shown = self.run_chapter(self.chapter("A disk is full"))
        self.assertIn("demo", shown["migrctl vm list"])
        self.assertNotIn("more", shown["migrctl vm list"])
        self.guest.assert_runs_on(self.a, sweeps=0)
        filler.unlink()
        self.a.api.post("/v1/vms", more)
        self.assertIn("more", self.a.vms())
        self.world.move(self.guest, self.a, self.b)

    def readiness(self, host):
        """The answer as text; of a daemon that has no socket yet ''."""
        try:
            return str(host.api.send("GET", "/readyz"))
        except OSError:
            return ""

    def test_a_certificate_has_expired(self):
        self.guest.start(self.b, sweeps=0)
        self.b.stop()
        make_dated(self.b, self.a.dir.parent)
        old = (self.b.dir / "host.pem").read_bytes()
        self.b.spawn()
        self.eventually("the local socket answers, and says it",
                        lambda: "expired at 2020-01-01" in self.readiness(self.b))
        self.assertRegex(self.run_line("b", "migrctl host show"), r"days left:? +-[0-9]+")
        self.guest.assert_runs_on(self.b, sweeps=0)
        self.run_chapter(self.chapter("A certificate has expired"))
        self.assertNotEqual((self.b.dir / "host.pem").read_bytes(), old)
        self.eventually("b is ready", lambda: self.b.api.send("GET", "/readyz")[0] == 200)
        self.world.move(self.guest, self.b, self.a)

    def test_commands_that_are_only_named_exist(self):
        for name in ("first-hour.md", "when-something-is-wrong.md"):
            for words in re.findall(r"`(migrctl [a-z -]+)[^`]*`", (DOC / name).read_text(encoding="utf-8")):
                self.run_line("a", f"{words} --help")
