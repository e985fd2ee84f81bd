# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs that are started when their host was booted.  The machine of the test cannot be booted: host a
has a boot id of its own, in a mount namespace, and its boot ends all of its processes and clears its
run_dir, as a boot does."""
import os
import shutil
import unittest
import uuid

from lib.world import SystemTest

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@unittest.skipUnless(os.geteuid() == 0, "needs root, for mount namespaces")
class AutostartTest(SystemTest):
    def prepare(self):
        self.boot_file = self.world.dir / "boot_id"
        self.new_boot()
        a = self.world["a"]
        a.prefix = ["unshare", "--mount", "sh", "-c", f"mount --bind \"$0\" {BOOT_ID} && exec \"$@\"",
                    str(self.boot_file)]
        a.write_config(host={"autostart_pause_ms": 0, "autostart_at_once": 1})

    def new_boot(self):
        self.boot_file.unlink(missing_ok=True)      # the old one stays mounted where it is
        self.boot_file.write_text(f"{uuid.uuid4()}\n", encoding="ascii")

    def power_off(self):
        self.a.kill9()
        self.a.end_guests()
        shutil.rmtree(self.a.run_dir)
        self.new_boot()

    def boot(self):
        self.power_off()
        self.a.start()

    def small(self, name, **more):
        """A VM without a guest in it."""
        self.a.api.post("/v1/vms", {"name": name, "machine": "pc-q35-7.2", "accel": "tcg",
                                    "memory_mib": 16, **more})

    def state(self, name):
        return self.a.vms()[name]["state"]

    def wait_running(self, *names):
        self.eventually(f"{names} to run", lambda: all(self.state(name) == "running"
                                                       for name in names))

    def test_those_with_autostart_are_started_once_in_each_boot(self):
        self.small("last", autostart=True, autostart_order=9)
        self.small("first", autostart=True)
        self.small("other")
        self.a.migrctl("vm", "autostart", "other", "on", "--order", "3")
        self.small("never")
        self.a.kill9()
        self.a.start()
        self.assertEqual({"stopped"}, {vm["state"] for vm in self.a.vms().values()})

        self.boot()
        self.wait_running("first", "other", "last")
        self.assertEqual("stopped", self.state("never"))
        started = sorted(("first", "other", "last"), key=lambda name: self.a.vm(name)["started_at"])
        self.assertEqual(["first", "other", "last"], started)
        self.assertIsNone(self.a.vm("first")["autostart"])

        # A restart of the coordinator is no boot.
        self.a.api.post("/v1/vms/first/stop")
        self.a.kill9()
        self.a.start()
        self.assertEqual(("stopped", None), (self.state("first"), self.a.vm("first")["autostart"]))
        self.a.migrctl("vm", "autostart", "other", "off")
        self.boot()
        self.wait_running("first", "last")
        self.assertEqual("crashed", self.state("other"))

    def test_crash_in_the_midst_of_a_start_does_not_forget_it(self):
        self.small("demo", autostart=True)
        self.power_off()
        self.a.env["MIGRD_FAULTS"] = "qemu.spawn:crash"
        self.a.spawn()
        del self.a.env["MIGRD_FAULTS"]
        self.eventually("the crash", lambda: not self.a.is_up())
        self.a.start()
        self.wait_running("demo")

    # b has it, or may have it: what b says decides, and nothing while b is silent.
    def test_vm_that_may_be_elsewhere_is_not_started(self):
        guest = self.world.guest("demo", area=0, autostart=True)
        guest.start(self.a)
        self.world.move(guest, self.a, self.b)
        self.small("sign", autostart=True)
        self.boot()
        self.wait_running("sign")
        self.assertEqual({"sign"}, set(self.a.vms()))
        guest.assert_runs_on(self.b)
        self.world.move(guest, self.b, self.a)
        self.b.stop()
        self.boot()
        self.wait_running("sign")
        self.eventually("the reason", lambda: "not heard" in (self.a.vm("demo")["autostart"] or ""))
        self.assertEqual("crashed", self.state("demo"))
        self.b.start()
        self.eventually("the guest", lambda: self.state("demo") == "running", timeout=30)

    # The second waits for the pause between two, which does not end.
    def test_vm_that_is_moved_before_it_was_started_is_started_where_it_goes(self):
        self.a.write_config(host={"autostart_pause_ms": 3600000})
        self.small("first", autostart=True)
        self.small("second", autostart=True, autostart_order=1)
        self.boot()
        self.wait_running("first")
        self.assertIn("to be started", self.a.vm("second")["autostart"])
        with self.b.api.events(60) as events:
            self.a.api.post("/v1/evacuations", {"requester": "test", "why": "test"})
            for kind, event in events:
                if kind == "autostart":
                    self.assertEqual(("second", "started"), (event["vm"], event["result"]))
                    break
        self.eventually("both to run there", lambda: sorted(
            name for name, vm in self.b.vms().items() if vm["state"] == "running") ==
            ["first", "second"], timeout=60)
        self.assertIsNone(self.b.vm("second")["autostart"])
        self.eventually("none to be here", lambda: not self.a.vms(), timeout=60)

    # There is no other host, so the VM stays.
    def test_none_is_started_while_the_host_is_emptied(self):
        self.small("demo", autostart=True)
        self.b.stop()
        self.a.api.post("/v1/evacuations", {"requester": "test", "why": "test", "may_leave": True})
        # Before, it may be planned for later, and guests are started.
        self.eventually("it is emptied", lambda: self.a.api.get("/v1/evacuations/current")["state"] == "draining")
        self.boot()
        self.eventually("the reason", lambda: "when that may be" in
                        (self.a.vm("demo")["autostart"] or ""))
        self.assertNotEqual("running", self.state("demo"))
        with self.a.api.events(30) as events:
            self.a.api.post("/v1/evacuations/current/withdraw", {"requester": "test"})
            for kind, event in events:
                if kind == "autostart":
                    self.assertEqual(("demo", "started"), (event["vm"], event["result"]))
                    break
        self.wait_running("demo")
