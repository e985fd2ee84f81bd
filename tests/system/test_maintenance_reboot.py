# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hook that boots its host anew.  The machine of the test cannot be booted: host b has a boot id of
its own, in a mount namespace, and its boot ends all of its processes and clears its run_dir, as a
boot does.  All else is as on a host that boots."""
import os
import shutil
import unittest
import uuid

from lib.long_form import only_full
from lib.world import SystemTest

BOOT_ID = "/proc/sys/kernel/random/boot_id"
# As `systemctl reboot' it asks for the boot, and has ended when that comes.
HOOK = """#!/bin/sh
here=$(dirname "$0")
echo asked >>"$here/asked"
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root, for mount namespaces")
class MaintenanceRebootTest(SystemTest):
    def prepare(self):
        self.hook = self.world.dir / "hook"
        self.hook.write_text(HOOK, encoding="utf-8")
        self.hook.chmod(0o755)
        self.boot_file = self.world.dir / "boot_id"
        self.new_boot()
        b = self.world["b"]
        b.prefix = ["unshare", "--mount", "sh", "-c", f"mount --bind \"$0\" {BOOT_ID} && exec \"$@\"",
                    str(self.boot_file)]
        for host in self.world.hosts.values():
            host.write_config(maintenance={"conductors": "a"}, **{"hook reboot": {
                "program": self.hook, "reboots": "yes", "timeout_s": 60}})

    def new_boot(self):
        self.boot_id = str(uuid.uuid4())
        self.boot_file.unlink(missing_ok=True)      # the old one stays mounted where it is
        self.boot_file.write_text(self.boot_id + "\n", encoding="ascii")

    def asked(self):
        path = self.world.dir / "asked"
        return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0

    def of_b(self, run):
        now = self.a.api.get(f"/v1/maintenances/{run['id']}")
        return next(host for host in now["hosts"] if host["host"] == "b")

    def hook_run(self):
        hook, = self.b.api.items("/v1/hooks")
        return hook["runs"][0]

    def boot(self):
        self.b.kill9()
        self.b.end_guests()
        shutil.rmtree(self.b.run_dir)
        self.new_boot()
        self.b.start()

    @only_full
    def test_host_is_given_back_when_it_has_another_boot_id(self):
        self.assertEqual(self.b.api.get("/v1/host")["boot_id"], self.boot_id)
        self.assertNotEqual(self.a.api.get("/v1/host")["boot_id"], self.boot_id)
        guest = self.world.guest("g1", area=0)
        guest.start(self.b, sweeps=0)
        run = self.a.api.post("/v1/maintenances", {"hosts": ["b"], "hook": "reboot", "heal_s": 60})
        self.eventually("the program is over", lambda: self.asked() and (
            "it waits for the host to be booted anew" in self.hook_run()["reason"]), 30)
        guest.assert_runs_on(self.a, sweeps=0)
        # A restart of the coordinator is no boot.
        self.b.kill9()
        self.b.start()
        self.assertEqual(self.hook_run()["state"], "running")
        self.assertIn("it waits for the host to be booted anew", self.hook_run()["reason"])
        before = self.hook_run()["boot_id"]
        self.assertEqual(before, self.boot_id)
        # While the host is down its conductor waits.
        self.b.kill9()
        self.eventually("the conductor cannot reach it",
                        lambda: "is asked again" in self.of_b(run)["reason"], 30)
        self.assertEqual(self.of_b(run)["state"], "hooking")
        self.boot()
        self.assertNotEqual(self.b.api.get("/v1/host")["boot_id"], before)
        done = self.eventually("the maintenance is over", lambda: (
            (now := self.of_b(run))["final"] and now), 60)
        self.assertEqual((done["state"], done["returned"], done["hook"]["state"]), ("done", 1, "done"), done)
        self.assertIn("the host was booted anew", self.hook_run()["reason"])
        self.assertEqual(self.asked(), 1)
        guest.assert_runs_on(self.b, sweeps=0)
