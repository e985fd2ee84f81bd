# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of a VM on one host, and what a move must not change of it."""
import json
import os
import signal

from lib.world import SystemTest


class VmTest(SystemTest):
    def test_life_cycle_from_create_to_delete(self):
        guest = self.world.guest(area=0)
        vm = guest.create(self.a)
        self.assertEqual((vm["name"], vm["state"], vm["host"], vm["pid"]), ("g1", "stopped", "a", None))
        guest.start(self.a)
        guest.assert_runs_on(self.a)
        self.assertEqual(guest.vm(self.a)["definition"]["memory_mib"], 128)

        self.assertEqual(self.a.api.post("/v1/vms/g1/pause")["state"], "paused")
        guest.console.assert_quiet(0.3)
        self.assertEqual(self.a.api.post("/v1/vms/g1/resume")["state"], "running")
        guest.assert_runs_on(self.a)

        self.assertEqual(self.a.api.post("/v1/vms/g1/stop")["state"], "stopped")
        self.assertEqual(self.a.qemus(), [])
        self.assertEqual(self.a.vms()["g1"]["pid"], None)
        guest.start(self.a)
        self.a.api.post("/v1/vms/g1/stop")

        self.assertEqual(self.a.api.send("DELETE", "/v1/vms/g1")[0], 204)
        self.a.assert_clean_soon(vm)
        self.a.assert_empty()

    def test_host_shows_at_once_what_was_done(self):
        """A VM's text is cached: a change of the VM or its move, or the time, must make a new
        one."""
        def figures(host=self.a):
            found = host.api.get("/v1/host")
            return found["vms"]["total"], found["vms"]["running"], found["moves"]["active"]

        self.assertEqual(figures(), (0, 0, 0))
        guest = self.world.guest(area=0)
        guest.create(self.a)
        self.assertEqual(figures(), (1, 0, 0))
        guest.start(self.a)
        self.assertEqual(figures(), (1, 1, 0))
        self.a.api.post("/v1/vms/g1/pause")
        self.assertEqual(figures(), (1, 0, 0))
        self.a.api.post("/v1/vms/g1/resume")
        move = self.world.begin_move(guest, self.a, self.b)
        self.world.wait_state(self.a, move["id"], "done")
        self.world.wait_state(self.b, move["id"], "done")
        self.assertEqual(figures(), (0, 0, 0))
        self.assertEqual(figures(self.b), (1, 1, 0))

    def test_reset_starts_the_guest_anew(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        guest.console.wait_counted()
        self.a.api.post("/v1/vms/g1/reset")
        guest.console.wait_reset()
        self.assertEqual(len(guest.console.lives), 1)

    def test_actions_that_the_state_forbids_are_refused(self):
        guest = self.world.guest(area=0)
        guest.create(self.a)
        for action in ("pause", "resume", "reset", "shutdown"):
            with self.subTest(f"{action} of a stopped VM"):
                self.assert_api_error(409, "conflict", self.a.api.post, f"/v1/vms/g1/{action}")
        guest.start(self.a)
        with self.subTest("delete of a running VM"):
            self.assert_api_error(409, "conflict", self.a.api.delete, "/v1/vms/g1")
        with self.subTest("a second VM of that name"):
            self.assert_api_error(409, "exists", self.a.api.post, "/v1/vms", guest.definition)
        guest.assert_runs_on(self.a)

    def test_qemu_that_exits_at_start_shows_its_own_words(self):
        guest = self.world.guest(area=0, extra_args=["-device", "no-such-device"])
        guest.create(self.a)
        error = self.assert_api_error(502, "qemu-error", self.a.api.post, "/v1/vms/g1/start")
        self.assertIn("no-such-device", error.body["detail"])
        self.assertIn("no-such-device", guest.vm(self.a)["reason"])
        self.assertEqual(self.a.qemus(), [])
        self.a.api.delete("/v1/vms/g1")
        self.a.assert_empty()

    def test_qemu_that_dies_is_told_plainly(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        with self.a.api.events() as events:
            os.kill(guest.vm(self.a)["pid"], signal.SIGKILL)
            vm = next(vm for kind, vm in events
                      if kind == "vm" and vm["name"] == "g1" and vm["state"] == "crashed")
        self.assertTrue(vm["reason"])
        self.assertEqual(guest.start(self.a)["state"], "running")
        guest.console.assert_single_runner()

    def test_paused_guest_stays_paused_over_a_move(self):
        guest = self.world.guest()
        guest.start(self.a)
        self.a.api.post("/v1/vms/g1/pause")
        self.world.move(guest, self.a, self.b)
        self.assertEqual(guest.vm(self.b)["state"], "paused")
        guest.console.assert_quiet()
        self.b.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.b)

    # The sockets in these directories control QEMU, so only their owner may enter.
    def test_monitor_sockets_and_log_are_private(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        for top in (self.a.run_dir, self.a.state_dir):
            self.assertEqual(os.stat(top).st_mode & 0o077, 0, top)

    def test_migrctl_covers_the_life_cycle(self):
        guest = self.world.guest(area=0)
        path = self.world.dir / "g1.json"
        path.write_text(json.dumps(guest.definition), encoding="utf-8")
        self.a.migrctl("vm", "create", path, "--start")
        guest.console.wait_line(host="a")
        self.assertRegex(self.a.migrctl("vm", "list").stdout, r"g1\b.*running")
        self.assertEqual(self.a.migrctl_json("vm", "show", "g1")["state"], "running")
        for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
            self.a.migrctl("vm", verb, "g1")
            self.assertEqual(self.a.migrctl_json("vm", "show", "g1")["state"], state)
        self.a.migrctl("vm", "delete", "g1")
        missing = self.a.migrctl("vm", "show", "g1", check=False)
        self.assertEqual(missing.returncode, 4)   # of the error table: not-found
        self.assertIn("g1", missing.stderr)
        self.assertIn('"a"', self.a.migrctl("-o", "json", "host", "show").stdout)
