# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users at the console of a guest, by migrctl and by a WebSocket."""
import os
import re
import select
import signal
import socket
import subprocess
import termios
import time

from lib import procs, settings
from lib.linux import LinuxGuest
from lib.long_form import only_full
from lib.terminal import Terminal
from lib.world import SystemTest

LINE = re.compile(rb"T[0-9a-f]{8} S[0-9a-f]{8} E00000000\r?\n")


class Console:
    """`migrctl vm console': what it prints, and what it is sent."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [settings.program("migrctl"), *map(str, words)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.text = b""

    def wait(self, pattern, seconds=10):
        deadline = time.monotonic() + settings.seconds(seconds)
        while not (found := re.search(pattern, self.text)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"not within {seconds} s: {pattern}: {self.text[-500:]!r}")
            if not (data := self.process.stdout.read(65536)):
                raise AssertionError(f"it ended: {self.end()}: {self.text[-500:]!r}")
            self.text += data
        self.text = self.text[found.end():]
        return found

    def drop(self):
        """What has come up to now."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            os.read(self.process.stdout.fileno(), 65536)
        self.text = b""

    def send(self, text):
        self.process.stdin.write(text)

    def end(self):
        """Waits for its end by itself; the exit code and its words."""
        words = self.process.communicate(timeout=settings.seconds(10))[1].decode()
        return self.process.returncode, words

    def leave(self):
        self.process.kill()
        self.process.communicate()


class VmConsoleTest(SystemTest):
    def console_guest(self, kind="console"):
        guest = self.world.guest()
        guest.definition["serial"] = {"type": kind}
        guest.create(self.a)
        self.a.api.post("/v1/vms/g1/start")
        return guest

    def open(self, host, *words):
        console = Console("--socket", host.socket, "vm", "console", "g1", *words)
        self.addCleanup(console.leave)
        return console

    def test_one_user_at_a_time_until_the_guest_moves(self):
        self.console_guest()
        first = self.open(self.a)
        first.wait(LINE)
        code, words = self.open(self.a).end()
        self.assertNotEqual(code, 0)
        self.assertIn("'local' has the console of VM 'g1' open", words)
        second = self.open(self.a, "--take")
        second.wait(LINE)
        self.assertIn("'local' has taken the console", first.end()[1])
        second.send(b"what the guest does not read\n" * 1000)
        second.wait(LINE)

        move = self.world.begin_move(self.world.guests["g1"], self.a, self.b)
        self.world.wait_state(self.a, move["id"], "done")
        # Who has no certificate cannot follow it.
        self.assertIn("the guest is on host 'b' now", second.end()[1])
        there = self.open(self.b)
        there.wait(LINE)
        there.leave()
        # Nobody is there now, and the guest goes on; a coordinator that is killed keeps nobody out.
        self.open(self.b).wait(LINE)
        self.b.kill9()
        self.b.start()
        again = self.open(self.b)
        again.wait(LINE)
        self.b.stop()
        self.assertNotEqual(again.end()[0], 0)

    def test_who_may_not_and_what_is_no_websocket(self):
        self.world.guest("g2").create(self.a)
        console = Console("--socket", self.a.socket, "vm", "console", "g2")
        code, words = console.end()
        self.assertNotEqual(code, 0)
        self.assertIn('"serial": {"type": "console"}', words)
        self.console_guest()
        for headers, status, words in (
                ({}, 200, b'{"user":null}'),
                ({"Upgrade": "h2c", "Connection": "Upgrade"}, 400, b"this path is a WebSocket"),
                ({"Upgrade": "websocket", "Connection": "Upgrade"}, 400, b"Sec-WebSocket-Version"),
                ({"Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                  "Origin": "https://elsewhere.example"}, 403, b"another origin"),
                # RFC 6455 section 1.3 has this key and its answer.
                ({"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, 101,
                 b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")):
            with self.subTest(headers=headers):
                answer = self.ask_raw(headers)
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)
                self.assertIn(words, answer)

    def ask_raw(self, headers):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(settings.seconds(5))
            sock.connect(str(self.a.socket))
            lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
            sock.sendall(("GET /v1/vms/g1/console HTTP/1.1\r\nHost: migrd\r\n" + "".join(lines)
                          + "\r\n").encode())
            answer = b""
            while b"\r\n\r\n" not in answer or (b"HTTP/1.1 101" not in answer
                                                and not answer.endswith(b"}")):
                answer += sock.recv(4096)
            return answer

    def test_over_tls_by_role(self):
        self.console_guest()
        pki = self.a.dir.parent
        for role in ("viewer", "operator"):
            subprocess.run([settings.program("migrctl"), "pki", "user", role, "--role", role,
                            "--dir", str(pki)], check=True, capture_output=True)
            console = Console("--host", f"https://{self.a.address}:{self.a.api_port}",
                              "--ca", f"{pki}/ca.pem", "--cert", f"{pki}/users/{role}.pem",
                              "--key", f"{pki}/users/{role}.key", "vm", "console", "g1")
            self.addCleanup(console.leave)
            if role == "operator":
                console.wait(LINE)
                self.assert_followed(console)
            else:
                self.assertIn("viewer", console.end()[1])

    def assert_followed(self, console):
        move = self.world.begin_move(self.world.guests["g1"], self.a, self.b)
        self.world.wait_state(self.a, move["id"], "done")
        self.assertIn(b"has moved to host 'b'", console.process.stderr.readline())
        self.eventually("it is there", lambda: self.b.api.get("/v1/vms/g1/console")
                        == {"user": "operator"})
        console.drop()
        console.wait(LINE)

    def test_terminal_is_as_it_was_whoever_stops_or_ends_it(self):
        self.console_guest()
        with Terminal([settings.program("migrctl"), "--socket", self.a.socket, "vm", "console",
                       "g1"], {}) as terminal:
            def has_echo():
                return bool(termios.tcgetattr(terminal.fd)[3] & termios.ECHO)

            pid = terminal.process.pid
            terminal.wait("E00000000")
            self.assertFalse(has_echo())
            os.kill(pid, signal.SIGTSTP)
            self.eventually("it is stopped", lambda: procs.read_stat(pid)["state"] == "T")
            self.assertTrue(has_echo())
            os.kill(pid, signal.SIGCONT)
            self.eventually("it goes on", lambda: not has_echo())
            terminal.wait("E00000000")
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(terminal.exit_code(), -signal.SIGTERM)
            self.assertTrue(has_echo())

    @only_full
    def test_shell_of_a_linux_guest(self):
        guest = LinuxGuest(self.world)
        guest.definition["serial"] = {"type": "console"}
        guest.create(self.a)
        self.a.api.post("/v1/vms/lin/start")
        console = Console("--socket", self.a.socket, "vm", "console", "lin")
        self.addCleanup(console.leave)
        console.wait(rb"migrd-linux: ready", 60)
        console.send(b"echo $((6 * 7))\n")
        console.wait(rb"\n42\r?\n")
