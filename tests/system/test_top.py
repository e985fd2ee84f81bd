# SPDX-License-Identifier: LGPL-2.1-or-later
"""`migrctl top' on a terminal, and where there is none."""
import json
import subprocess

from lib import settings
from lib.terminal import Terminal
from lib.world import SystemTest

HELD = 128 * 1024   # bytes/s: the move lasts until it is cancelled
COLORS = set(range(30, 38)) | set(range(90, 98))


def has(*words):
    """One line has all of them."""
    return lambda lines: any(all(word in line for word in words) for line in lines)


def lacks(*words):
    return lambda lines: not has(*words)(lines)


class TopTest(SystemTest):
    def page(self, size=(100, 30), **env):
        return Terminal([settings.program("migrctl"), "--socket", self.a.socket, "top", "-d", "1"],
                        env, size)

    def once(self, *words):
        return subprocess.run(
            [settings.program("migrctl"), "--socket", str(self.a.socket), *words, "top", "-d", "1"],
            stdin=subprocess.DEVNULL, check=True, capture_output=True, text=True).stdout

    def test_move_is_seen_opened_and_cancelled_and_a_restart_is_waited_for(self):
        guest = self.world.guest(memory_mib=64)
        guest.start(self.a, sweeps=0)
        self.world.guest("idle", area=0).create(self.a)
        with self.page() as user:
            user.wait_screen("its VMs", has("g1", "running"))
            user.wait_screen("the other VM", has("idle", "stopped"))
            user.wait_screen("the other host", has("b ", "online", "%"))
            move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
            seen = user.wait_screen("the move", has("g1", " a ", " b ", "transfer", "%", "/s"))
            self.assertTrue(has("MOVE OF", "FROM", "TO", "DONE")(seen), seen)

            user.resize(40, 12)
            seen = user.wait_screen("a narrow page", lambda lines: (
                has("g1", "%")(lines) and has("MOVE OF", "DONE")(lines) and lacks("FROM")(lines)
                and has("q quit")(lines)))
            self.assertEqual(len(seen), 12)
            user.resize(100, 30)
            user.wait_screen("a wide page again", has("MOVE OF", "FROM", "TO", "DONE"))

            user.type("\r")
            user.wait_screen("the page of the move", has(move["id"]))
            user.type("q")
            user.wait_screen("the whole page", has("MOVE OF", "DONE"))
            user.type("c")
            user.wait_screen("the question", has("cancel the move of 'g1'?"))
            user.type("n")
            user.wait_screen("no question", has("q quit"))
            self.assertFalse(self.a.move_state(move["id"])["final"])
            user.type("cy")
            user.wait_screen("the end", has("g1", "cancelled"))
            self.world.wait_state(self.a, move["id"], "cancelled")
            guest.assert_runs_on(self.a, sweeps=0)

            user.type("/idl")
            user.wait_screen("only one", lambda lines: has("idle")(lines) and lacks("g1")(lines))
            user.type("\x1b")
            user.wait_screen("all", has("g1", "running"))

            self.a.kill9()
            user.wait_screen("the outage", has("no connection for", "trying again"))
            self.a.start()
            user.wait_screen("no outage", lacks("no connection"), 20)
            self.assertTrue(user.screen.styles & COLORS)
            user.type("q")
            self.assertEqual(user.exit_code(), 0)

        with self.subTest("no colours"), self.page(NO_COLOR="1") as user:
            user.wait_screen("its VMs", has("g1", "running"))
            self.assertFalse(user.screen.styles & COLORS)
            user.type("q")
            self.assertEqual(user.exit_code(), 0)
        with self.subTest("a terminal that can show no page"), self.page(TERM="dumb") as user:
            user.wait_screen("why", has("'dumb'"))
            self.assertNotEqual(user.exit_code(), 0)
        with self.subTest("text"):
            text = self.once()
            self.assertRegex(text, r"(?m)^migrd a  2 hosts  2 VMs  0 moves ")
            self.assertRegex(text, r"(?m)^g1 +running +\d")
            self.assertNotIn("\x1b", text)
            found = json.loads(self.once("-o", "json"))
            self.assertEqual([host["id"] for host in found["hosts"]], ["a", "b"])
            self.assertEqual({vm["name"] for vm in found["vms"]}, {"g1", "idle"})
