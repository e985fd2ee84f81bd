# SPDX-License-Identifier: LGPL-2.1-or-later
"""A state directory that is not the newest never leads to a second copy of a guest."""
import contextlib
import shutil
import subprocess

from lib.world import SystemTest


def copy_state(host):
    """Copies the state of a stopped coordinator; returns the copy's path."""
    copy = host.dir / "copy"
    shutil.copytree(host.state_dir, copy)
    return copy


def put_back(host, copy):
    shutil.rmtree(host.state_dir)
    shutil.copytree(copy, host.state_dir)


class OldStoreTest(SystemTest):
    def test_backup_put_back_on_the_source_after_a_move_starts_no_second_copy(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        self.a.stop()
        copy = copy_state(self.a)
        self.a.start()
        self.world.move(guest, self.a, self.b)
        self.a.stop()
        put_back(self.a, copy)
        self.a.start()
        self.eventually("the record is known to be old",
                        lambda: self.a.vm("g1")["state"] == "was-here")
        self.assertIn("'b'", self.a.vm("g1")["reason"])
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/g1/start")
        self.assertIn("'b'", str(error.body))
        guest.assert_runs_on(self.b, sweeps=0)
        guest.console.assert_single_runner()
        self.a.api.delete("/v1/vms/g1")
        self.assertEqual(self.a.vms(), {})

    def test_store_moved_away_while_its_guest_runs_lets_no_other_host_start_it(self):
        """The record is gone, but the QEMU shows that the guest is here."""
        guest = self.world.guest(area=0)
        guest.start(self.a)
        definition = self.a.vm("g1")["definition"]
        self.a.stop()
        for path in self.a.state_dir.glob("migrd.db*"):
            path.unlink()
        self.a.start()
        self.assertEqual(self.a.vms(), {})
        self.assertIn("moved away", self.a.log_tail(200))
        self.b.api.post("/v1/vms", definition)
        error = self.assert_api_error(409, "conflict", self.b.api.post, "/v1/vms/g1/start")
        self.assertIn("a QEMU of VM 'g1' is on host 'a'", str(error.body))
        guest.console.assert_single_runner()

    # What only its record knows cannot be read from its command line: descriptors, and who it is.
    def test_qemu_of_migrd_whose_record_is_gone_is_not_adopted_but_told_of(self):
        monitor = self.world.dir / "mine.sock"
        guest = self.world.guest("g1", area=0)
        other = self.world.guest("g2", area=0, monitors=[
            {"id": "mine", "type": "unix", "protocol": "qmp", "path": str(monitor)}])
        for one in (guest, other):
            one.start(self.a)
        job = self.a.api.post("/v1/vms/g1/refresh", {})["id"]
        self.eventually("the end of the refresh",
                        lambda: self.a.api.get(f"/v1/refreshes/{job}")["final"])
        pids = {vm["name"]: vm["pid"] for vm in self.a.api.items("/v1/vms")}
        self.a.stop()
        for path in self.a.state_dir.glob("migrd.db*"):
            path.unlink()
        self.a.start()
        own = self.a.run_dir / "vms" / f"{guest.uuid}.2" / "qmp0.sock"
        for path, words in ((own, f"a monitor of migrd's own, of VM {guest.uuid}"),
                            (monitor, f"migrd has started it, of VM {other.uuid}")):
            error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/adopt",
                                          {"qmp": f"unix:{path}", "dry_run": True})
            self.assertIn(words, error.body["detail"])
            self.assertIn("'migrctl host check' tells what can be done", error.body["detail"])
        told = {item["object"]: item for item in self.a.api.get("/v1/host/check")["items"]}
        found = told[f"process {pids['g1']}"]
        self.assertIn("a refresh), and may run it by now", found["explanation"])
        self.assertIn("put back a backup", found["remedy"])
        for one in (guest, other):
            one.console.assert_single_runner()

    def test_host_of_the_record_is_silent_and_an_assertion_is_wanted_once(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        self.world.move(guest, self.a, self.b)
        self.b.api.post("/v1/vms/g1/stop")
        self.a.stop()
        error = self.assert_api_error(409, "conflict", self.b.api.post, "/v1/vms/g1/start")
        self.assertIn("not heard: 'a'", str(error.body))
        self.assertIn("--assert-dead a", str(error.body))
        self.assertEqual(self.b.vm("g1")["state"], "stopped")
        self.b.migrctl("vm", "start", "g1", "--assert-dead", "a", "--why", "it is off")
        self.assertEqual(self.b.vm("g1")["state"], "running")
        self.assertIn("by=local", next(line for line in self.b.log_tail(500).splitlines()
                                       if "asserted" in line and "peer=" in line))
        self.b.api.post("/v1/vms/g1/stop")
        self.b.api.post("/v1/vms/g1/start")


class OtherHostTest(SystemTest):
    host_ids = ("a", "b", "c")

    def test_host_is_dead_that_never_had_the_guest_and_the_start_goes_on(self):
        guest = self.world.guest(area=0)
        guest.create(self.a)
        self.world["c"].stop()
        guest.start(self.a)
        self.world.move(guest, self.a, self.b)
        self.b.api.post("/v1/vms/g1/stop")
        self.b.api.post("/v1/vms/g1/start")

    def test_backup_put_back_and_a_silent_peer_starts_only_by_assertion(self):
        """It is unknown what happened since: moves wait, and a start tells which host is not
        heard."""
        guest = self.world.guest(area=0)
        guest.create(self.a)
        self.a.stop()
        copy = copy_state(self.a)
        self.a.start()
        self.a.stop()
        put_back(self.a, copy)
        self.world["c"].stop()
        self.a.spawn()
        self.eventually("it says who is silent", lambda: "'c'" in (self.doubt() or ""), timeout=20)
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/g1/start")
        self.assertIn("--assert-dead c", str(error.body))
        self.assert_api_error(503, "unavailable", self.a.api.post, "/v1/moves",
                              {"vm": "g1", "to": "b"})
        found = {item["kind"] for item in self.a.api.get("/v1/host/check")["items"]}
        self.assertIn("old-store", found)
        self.a.migrctl("vm", "start", "g1", "--assert-dead", "c")
        self.world["c"].start()
        self.eventually("the doubt to end", lambda: not self.doubt(), timeout=40)
        self.a.wait_ready()

    def doubt(self):
        with contextlib.suppress(OSError):
            return self.a.api.get("/v1/host")["store"]["doubt"]
        return None


def cut_in_half(path):
    subprocess.run(["truncate", "-s", str(path.stat().st_size // 2), str(path)], check=True)


class DamagedLogTest(SystemTest):
    host_ids = ("a",)

    def restart_with_log(self, change):
        """Kills the coordinator, applies CHANGE to its SQLite log, and starts it; returns its log
        of the start."""
        for number in range(8):
            self.world.guest(f"g{number}", area=0).create(self.a)
        self.a.kill9()
        change(self.a.state_dir / "migrd.db-wal")
        before = len(self.a.log.read_text(encoding="utf-8"))
        self.a.start()
        return self.a.log.read_text(encoding="utf-8")[before:]

    def test_log_is_whole_and_nothing_is_in_doubt(self):
        self.assertNotIn("doubt", self.restart_with_log(lambda _: None))
        self.assertEqual(len(self.a.vms()), 8)

    def test_log_is_cut_and_the_loss_is_said(self):
        self.assertIn("its log was lost", self.restart_with_log(cut_in_half))

    def test_log_is_removed_and_the_loss_is_said(self):
        said = self.restart_with_log(lambda log: log.unlink())
        self.assertIn("its log is gone", said)

    def test_log_is_broken_in_its_middle_and_the_loss_is_said(self):
        def spoil(log):
            with open(log, "r+b") as file:
                file.seek(log.stat().st_size // 2)
                file.write(bytes(4096))
        self.assertIn("behind a broken place", self.restart_with_log(spoil))
