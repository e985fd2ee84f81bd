# SPDX-License-Identifier: LGPL-2.1-or-later
"""TPMs: each guest's swtpm, and its state, which travels with the guest."""
import contextlib
import json
import os
import signal

from lib import procs, settings
from lib.api import ApiError
from lib.long_form import only_full
from lib.uefi import CODE, Uefi, tick_of
from lib.world import SystemTest


class TpmTest(SystemTest):
    def boot(self, model="tpm-crb", **options):
        self.guest = Uefi(self, tpm={"model": model}, **options)
        self.guest.start(self.a)
        self.guest.assert_ticks()

    def states(self, host):
        """All that is kept of TPMs, marks too."""
        return sorted(path.name for path in host.tpm_dir.iterdir()) if host.tpm_dir.exists() else []

    def state(self, host):
        return host.tpm_dir / self.guest.uuid

    def images(self, host):
        return sorted(path.name for path in host.images.iterdir() if ".moved-to-" not in path.name)

    def swtpms(self, host):
        return [pid for pid in host.children("swtpm")]

    def assert_only_on(self, host):
        """State and process are where the guest is, and no key is left elsewhere."""
        for one in (self.a, self.b):
            ours = [self.guest.uuid] if one is host else []
            self.eventually(f"state of {one}", lambda: self.states(one) == ours)
            self.eventually(f"swtpm of {one}", lambda: len(self.swtpms(one)) == len(ours))
        self.assertGreater((self.state(host) / "tpm2-00.permall").stat().st_size, 1000)
        self.assertEqual(self.state(host).stat().st_mode & 0o777, 0o700)

    def restart(self, host):
        """Stops and starts the guest: its TPM, its variables and its disk have what they had last."""
        host.api.post("/v1/vms/u1/stop")
        self.assertEqual(self.swtpms(host), [])
        last, left = self.guest.ticks()[-1][0], self.guest.assert_kept(host)
        var, nv = self.guest.start(host)
        self.assertEqual(var, left)
        self.assertIn(nv, (last, last + 1))

    def refused(self, *words):
        self.assert_move_refused(self.guest, self.a, self.b, *words)
        self.guest.assert_ticks()

    # ---- moves ---------------------------------------------------------------

    @only_full
    def test_stopped_vm_has_its_keys_and_variables_where_it_arrives(self):
        self.boot()
        self.a.api.post("/v1/vms/u1/stop")
        last = self.guest.ticks()[-1][0]
        self.world.move(self.guest, self.a, self.b)
        self.assertEqual(self.guest.vm(self.b)["state"], "stopped")
        self.eventually("its keys are there alone", lambda: (
            self.states(self.a), self.states(self.b)) == ([], [self.guest.uuid]))
        self.eventually("no swtpm", lambda: not self.swtpms(self.a) and not self.swtpms(self.b))
        self.assertIn(self.guest.start(self.b)[1], (last, last + 1))
        self.guest.assert_ticks()
        self.assert_only_on(self.b)

    @only_full
    def test_restored_guest_has_its_tpm(self):
        self.boot()
        file = str(self.a.saved / "u1.save")
        for path, done in (("/v1/vms/u1/save", "stopped"), ("/v1/vms/restore", "running")):
            save = self.a.api.post(path, {"file": file})
            self.eventually(f"end of {path}", lambda: self.a.api.get(
                f"/v1/saves/{save['id']}")["final"])
            self.assertEqual(self.a.api.get(f"/v1/saves/{save['id']}")["state"], "done")
            self.assertEqual(self.guest.vm(self.a)["state"], done)
        self.guest.assert_ticks()
        self.assert_only_on(self.a)

    def test_uefi_guest_with_tpm_and_disk_there_and_back(self):
        self.boot()
        for here, there in ((self.a, self.b), (self.b, self.a), (self.a, self.b)):
            move = self.guest.move(here, there)
            self.assertLess(move["times"]["blackout_ms"], settings.seconds(1000))
            self.guest.assert_ticks()
            self.assert_only_on(there)
            self.eventually("its images are where it is", lambda: (
                self.images(here), self.images(there)) == ([], ["u1.raw", "u1.vars"]))
            aside = here.images / f"u1.vars.moved-to-{there.id}-{move['id']}"
            self.assertGreater(self.guest.ticks()[-1][0], tick_of(aside))
        self.restart(self.b)
        self.guest.assert_ticks()
        self.b.api.post("/v1/vms/u1/stop")
        self.b.api.delete("/v1/vms/u1")
        self.assertEqual(self.states(self.b), [])

    @only_full
    def test_tpm_tis_of_a_paused_guest(self):
        self.boot(model="tpm-tis", disk=False)
        self.a.api.post("/v1/vms/u1/pause")
        self.guest.move(self.a, self.b)
        self.assert_only_on(self.b)
        self.restart(self.b)

    # ---- what is refused, with nothing changed ----------------------------------

    def configure(self, host, **sections):
        host.stop()
        host.write_config(**sections)
        host.start()

    # A small guest without a limit has moved before QEMU switches.
    def test_state_is_kept_after_postcopy_too(self):
        self.guest = self.world.guest(area=16, rate=32, tpm={"model": "tpm-crb"})
        self.guest.start(self.a, sweeps=0)
        move = self.world.move(self.guest, self.a, self.b, postcopy={"start": "at-once"},
                               bandwidth_bytes_per_s=4 << 20)
        self.assertIn("postcopy-active",
                      json.dumps(self.b.api.items(f"/v1/moves/{move['id']}/timeline")))
        self.guest.assert_runs_on(self.b)
        self.assert_only_on(self.b)

    def test_all_that_is_missing_there_is_told_at_once(self):
        self.configure(self.b, tpm={"swtpm": "no-such-swtpm"},
                       storage={"firmware_map": f"{CODE}:/nowhere/code.fd"})
        self.boot(disk=False)
        self.refused("2 reasons", "no-such-swtpm", "install it", "/nowhere/code.fd", "firmware_map")
        self.assert_only_on(self.a)

    @only_full
    def test_state_that_is_there_already_stays(self):
        self.boot(disk=False)
        self.state(self.b).mkdir(parents=True)
        other = self.state(self.b) / "tpm2-00.permall"
        other.write_text("somebody's", encoding="ascii")
        self.refused(str(self.state(self.b)), "holds keys")
        self.assertEqual(other.read_text(encoding="ascii"), "somebody's")
        found = self.b.api.get("/v1/host/check")["items"]
        self.assertIn("leftover-tpm-state", [item["kind"] for item in found])

    def test_start_without_swtpm(self):
        self.configure(self.a, tpm={"swtpm": "no-such-swtpm"})
        guest = Uefi(self, disk=False, tpm={"model": "tpm-crb"})
        guest.create(self.a)
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/vms/u1/start")
        self.assertIn("no-such-swtpm", str(caught.exception))
        item, = self.a.api.get("/v1/host/check")["items"]
        self.assertEqual(item["kind"], "missing-swtpm")
        self.assertEqual(self.states(self.a), [])

    # ---- what dies on the way ----------------------------------------------------

    @only_full
    def test_swtpm_ends_with_its_qemu(self):
        self.boot(disk=False)
        for daemon_is_there in (True, False):
            with self.subTest(daemon_is_there):
                if not daemon_is_there:
                    self.guest.start(self.a)
                    self.a.kill9()
                qemu, = self.a.qemus()
                os.kill(qemu, signal.SIGKILL)
                self.eventually("swtpm ends", lambda: not self.swtpms(self.a))
                if not daemon_is_there:
                    self.a.start()
                self.eventually("it is seen", lambda: self.guest.vm(self.a)["state"] == "crashed")

    # It has the keys in its memory, and nobody would end it later.
    def test_swtpm_that_hangs_is_ended_after_its_qemu(self):
        self.guest = self.world.guest(tpm={"model": "tpm-crb"})
        for daemon_is_there in (True, False):
            with self.subTest(daemon_is_there):
                self.guest.start(self.a, sweeps=0)
                swtpm, = self.swtpms(self.a)
                if not daemon_is_there:
                    self.a.kill9()
                os.kill(swtpm, signal.SIGSTOP)
                qemu, = self.a.qemus()
                os.kill(qemu, signal.SIGKILL)
                procs.wait_gone([qemu], settings.seconds(10))
                if not daemon_is_there:
                    self.a.start()
                self.eventually("swtpm ends", lambda: not self.swtpms(self.a))
                self.eventually("it is seen", lambda: self.guest.vm(self.a)["state"] == "crashed")

    @only_full
    def test_restarted_coordinator_finds_it_again(self):
        self.boot(disk=False)
        self.a.kill9()
        self.a.start()
        self.guest.assert_ticks()
        self.guest.move(self.a, self.b)
        self.guest.assert_ticks()
        self.assert_only_on(self.b)

    @only_full
    def test_destination_is_killed(self):
        self.boot(disk=False)
        for what in ("qemu", "swtpm"):
            with self.subTest(what):
                move_id = self.world.begin_move(self.guest, self.a, self.b,
                                                bandwidth_bytes_per_s=1 << 20)["id"]
                self.world.wait_flowing(self.a, move_id)
                pid, = self.b.children("qemu-system" if what == "qemu" else "swtpm")
                os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ApiError):     # it may have failed already
                    self.a.api.patch(f"/v1/moves/{move_id}", {"bandwidth_bytes_per_s": 0})
                self.world.wait_state(self.a, move_id, "failed")
                self.guest.assert_ticks()
                self.assert_only_on(self.a)

    def crash_in_a_move(self, host, here, there):
        while host.is_up():
            move_id = self.world.begin_move(self.guest, here, there)["id"]
            self.eventually("it dies", lambda: not host.is_up() or
                            self.has_ended(here, move_id), 60)
        return move_id

    def has_ended(self, host, move_id):
        with contextlib.suppress(OSError, ApiError):
            return host.move_state(move_id)["final"]

    # A crash at any of them leaves nothing with keys behind.
    @only_full
    def test_coordinator_killed_at_each_step(self):
        self.boot(disk=False)
        here, there = self.a, self.b
        for side, point in (("dst", "images.tpm-make"), ("dst", "images.tpm-make.done"),
                            ("dst", "tpm.spawned"), ("dst", "qemu.spawned"),
                            ("dst", "images.tpm-keep"), ("dst", "images.tpm-keep.done"),
                            ("src", "move.src.confirm"), ("src", "images.tpm-discard"),
                            ("src", "images.tpm-discard.done")):
            with self.subTest(point):
                host = here if side == "src" else there
                host.restart_with_fault(f"{point}:crash")
                move_id = self.crash_in_a_move(host, here, there)
                host.start()
                move = self.world.wait_state(here, move_id, "done", "failed")
                if move["state"] == "done":
                    self.world.wait_state(there, move_id, "done")
                    here, there = there, here
                self.guest.assert_ticks()
                self.assert_only_on(here)

    @only_full
    def test_coordinator_killed_in_a_rollback(self):
        self.boot(disk=False)
        self.b.restart_with_fault("images.tpm-remove.done:crash")
        move_id = self.world.begin_move(self.guest, self.a, self.b,
                                        bandwidth_bytes_per_s=1 << 20)["id"]
        self.world.wait_flowing(self.a, move_id)
        self.world.cancel(self.a, move_id)
        self.eventually("it dies", lambda: not self.b.is_up(), 30)
        self.b.start()
        self.world.wait_state(self.a, move_id, "cancelled")
        self.guest.assert_ticks()
        self.assert_only_on(self.a)
