# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrctl maintenance: what a person orders, sees and says of hosts that are maintained one after the
other."""
import json

from lib import keeper
from lib.world import SystemTest


class MaintenanceCliTest(SystemTest):
    def setUp(self):
        super().setUp()
        for host in (self.a, self.b):
            host.stop()
            host.write_config(maintenance={"conductors": "a"},
                              **keeper.restart_hook(host, self.world.dir))
            host.start()
        self.guest = self.world.guest("g1", area=0)
        self.guest.start(self.a, sweeps=0)

    def maintenance(self, *words, **options):
        return self.a.migrctl("maintenance", *words, **options)

    def order(self, *words):
        return self.a.migrctl_json("maintenance", "start", *words)

    def becomes(self, what, is_there):
        return self.eventually(what, lambda: (
            (found := self.a.api.get("/v1/maintenances/current")) and is_there(found) and found))

    # Steps are read before they are ordered, and a script learns by the exit code how it ended.
    def test_two_hosts_by_one_command(self):
        plan = self.maintenance("start", "b", "a", "--hook", "restart", "--dry-run").stdout
        for number, line in enumerate(("b +check", "b +evacuate", "b +hook"), 1):
            self.assertRegex(plan, rf"(?m)^ *{number} +{line} ")
        self.assertRegex(plan, r"(?m)^nothing was changed")
        self.assertRegex(plan, r"(?m)^plan [0-9a-f]{16}$")
        self.assertEqual(self.a.api.items("/v1/maintenances"), [])
        with keeper.Keeper((self.a, self.b)):
            done = self.maintenance("start", "b", "a", "--hook", "restart", "--why", "new kernel",
                                    "--watch", timeout=120)
        self.assertRegex(done.stdout, r"(?m)^running: 0 of 2 hosts done; b: ")
        self.assertRegex(done.stdout, r"(?m)^state +done$")
        for host, guests in (("a", 1), ("b", 0)):
            self.assertRegex(done.stdout, rf"(?m)^{host} +done +\S.* {guests} +{guests} +{guests} +0 .*done ")
        self.assertEqual([keeper.restarts(host) for host in (self.a, self.b)], [1, 1])
        self.guest.assert_runs_on(self.a, sweeps=0)
        listed = self.maintenance("list").stdout
        self.assertRegex(listed, r"done +2 +2 +0 +0 +restart")

    # A person is asked at each host, and what was begun can be undone; all without a hook.
    def test_a_person_says_go_skips_a_host_and_aborts_the_rest(self):
        self.order("b", "a", "--pause")
        self.becomes("it waits", lambda m: m["waits_for"] == "b")
        self.assertRegex(self.maintenance("show").stdout,
                         r"(?m)^go on with +migrctl maintenance go b$")
        self.maintenance("skip", "b", "--why", "it is new")
        self.becomes("the next one waits", lambda m: m["waits_for"] == "a")
        self.maintenance("go", "a")
        self.becomes("it is empty", lambda m: m["hosts"][1]["state"] == "hooking" and
                     m["waits_for"] == "a")
        self.guest.assert_runs_on(self.b, sweeps=0)
        self.assertRegex(self.maintenance("show").stdout, r"by hand: it waits until a person says go")
        done = self.maintenance("abort", "--why", "no time", "--watch", check=False)
        self.assertEqual(done.returncode, 11, done.stdout + done.stderr)
        self.assertIn("no time", done.stderr)
        self.guest.assert_runs_on(self.a, sweeps=0)
        self.assertEqual([host["state"] for host in
                          self.a.api.get("/v1/maintenances/current")["hosts"]],
                         ["skipped", "aborted"])

    def test_wrong_words_are_told_and_change_nothing(self):
        for words, code, part in (
                (("start",), 2, "HOST"),
                (("start", "b", "b"), 2, "stands there twice"),
                (("start", "b", "--at-once", "0"), 2, "--at-once"),
                (("start", "b", "--heal-within", "1s"), 2, "--heal-within"),
                (("start", "b", "--healthy-within", "soon"), 2, "--healthy-within"),
                (("start", "b", "--hook", "no such"), 2, "hook"),
                (("show",), 4, ""), (("go",), 4, ""), (("skip", "b"), 4, "")):
            with self.subTest(words):
                done = self.maintenance(*words, check=False)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(part, done.stderr)
        self.assertEqual(json.loads(self.a.migrctl("-o", "json", "maintenance", "list").stdout)["items"],
                         [])
