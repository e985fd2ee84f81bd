# SPDX-License-Identifier: LGPL-2.1-or-later
"""UEFI firmware: its variables travel with the guest."""
import contextlib
import json
import os
import shutil
import signal

from lib import settings
from lib.api import ApiError
from lib.long_form import only_full
from lib.uefi import CODE, Uefi, tick_of
from lib.world import SystemTest


class FirmwareTest(SystemTest):
    def boot(self, **options):
        self.guest = Uefi(self, **options)
        self.guest.start(self.a)
        self.guest.assert_ticks()

    def vars(self, host):
        return host.images / self.guest.vars.name

    def names(self, host):
        return sorted(path.name for path in host.images.iterdir() if ".moved-to-" not in path.name)

    def assert_only_on(self, host):
        """Both hosts have the guest's images where it is."""
        ours = sorted(path.name for path in (self.guest.vars, self.guest.disk) if path)
        for one in (self.a, self.b):
            self.eventually(f"images of {one}",
                            lambda one=one: self.names(one) == (ours if one is host else []))

    def restart(self, host):
        """Stops and starts the guest: its variables and its disk are those that it had last."""
        host.api.post("/v1/vms/u1/stop")
        left = self.guest.assert_kept(host)
        self.assertEqual(self.guest.start(host)[0], left)

    def refused(self, *words, **options):
        self.assert_move_refused(self.guest, self.a, self.b, *words, **options)
        self.guest.assert_ticks()
        self.assert_only_on(self.a)

    # ---- moves ---------------------------------------------------------------

    # With a TPM beside them: test_tpm.
    @only_full
    def test_variables_and_disk_there_and_back(self):
        self.boot()
        for here, there in ((self.a, self.b), (self.b, self.a), (self.a, self.b)):
            move = self.guest.move(here, there)
            self.assertLess(move["times"]["blackout_ms"], settings.seconds(300))
            self.guest.assert_ticks()
            self.assert_only_on(there)
            aside = here.images / f"u1.vars.moved-to-{there.id}-{move['id']}"
            self.assertGreater(self.guest.ticks()[-1][0], tick_of(aside))
        self.restart(self.b)
        self.guest.assert_ticks()

    @only_full
    def test_variables_of_the_source_are_removed_if_that_is_asked_for(self):
        self.boot(disk=False)
        self.guest.move(self.a, self.b, remove_source_disks=True)
        self.guest.assert_ticks()
        self.assertEqual(list(self.a.images.iterdir()), [])
        self.restart(self.b)

    # QEMU would lose what the guest writes to its flash memory meanwhile.
    @only_full
    def test_variables_written_while_memory_is_sent_end_the_move(self):
        self.boot()
        move_id = self.world.begin_move(self.guest, self.a, self.b,
                                        bandwidth_bytes_per_s=4 << 20)["id"]
        self.world.wait_flowing(self.a, move_id)
        written = self.guest.written()
        self.eventually("it writes", lambda: self.guest.written() > written)
        self.a.api.patch(f"/v1/moves/{move_id}", {"bandwidth_bytes_per_s": 0})
        move = self.world.wait_state(self.a, move_id, "failed")
        self.assertIn("wrote to the variables", json.dumps(move["error"]))
        self.guest.assert_ticks()
        self.assert_only_on(self.a)
        self.guest.move(self.a, self.b)
        self.guest.assert_ticks()
        self.restart(self.b)

    # QEMU writes the variables when the guest goes on; they must be there if it never does.
    @only_full
    def test_paused_guest_that_is_stopped_there_keeps_its_variables(self):
        self.boot()
        self.a.api.post("/v1/vms/u1/pause")
        self.guest.move(self.a, self.b)
        self.assertEqual(self.guest.vm(self.b)["state"], "paused")
        self.restart(self.b)
        self.guest.assert_ticks()

    @only_full
    def test_code_at_another_path(self):
        there = self.b.dir / "firmware.fd"
        shutil.copy(CODE, there)
        self.b.stop()
        self.b.write_config(storage={"firmware_map": f"{CODE}:{there}"})
        self.b.start()
        self.boot(disk=False)
        self.guest.move(self.a, self.b)
        self.guest.assert_ticks()
        self.assertEqual(self.guest.vm(self.b)["definition"]["firmware"]["code"], str(there))
        self.restart(self.b)

    # ---- what is refused, with nothing changed ----------------------------------

    def test_all_that_is_wrong_there_is_told_at_once(self):
        self.b.stop()
        self.b.write_config(storage={"firmware_map": f"{CODE.parent}:{self.b.dir}"})
        self.b.start()
        self.boot(disk=False)
        (self.b.dir / CODE.name).write_bytes(b"other")
        self.refused("another content", "firmware", str(self.b.dir / CODE.name))
        (self.b.dir / CODE.name).unlink()
        taken = self.b.images / "u1.vars"
        taken.write_text("somebody's", encoding="ascii")
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        error = json.dumps(self.world.wait_state(self.a, move_id, "failed")["error"])
        for word in ("2 reasons", "firmware_map", str(taken)):
            self.assertIn(word, error)
        self.assertEqual(taken.read_text(encoding="ascii"), "somebody's")
        self.guest.assert_ticks()

    def test_start_without_variables_or_template(self):
        guest = Uefi(self, disk=False)
        del guest.definition["firmware"]["vars_template"]
        guest.create(self.a)
        with self.assertRaises(ApiError) as caught:
            self.a.api.post("/v1/vms/u1/start")
        self.assertIn("vars_template", str(caught.exception))
        self.assertEqual(guest.vm(self.a)["state"], "stopped")
        self.assertEqual(list(self.a.images.iterdir()), [])

    # ---- what dies on the way ----------------------------------------------------

    # The faults from outside have one with local disks.
    @only_full
    def test_destination_qemu_is_killed(self):
        self.boot()
        with self.b.held_at("move.dst.transfer", lambda: self.world.begin_move(
                self.guest, self.a, self.b)["id"]) as begun:
            qemu, = self.b.qemus()
            os.kill(qemu, signal.SIGKILL)
        self.world.wait_state(self.a, begun.result(), "failed")
        self.guest.assert_ticks()
        self.assert_only_on(self.a)

    def crash_in_a_move(self, host, here, there):
        """A move in which HOST's coordinator dies; one that fails because the guest wrote its
        variable is begun again."""
        while host.is_up():
            move_id = self.world.begin_move(self.guest, here, there)["id"]
            self.eventually("it dies", lambda: not host.is_up() or
                            self.has_ended(here, move_id), 60)
        return move_id

    def has_ended(self, host, move_id):
        with contextlib.suppress(OSError, ApiError):
            return host.move_state(move_id)["final"]

    @only_full
    def test_coordinator_killed_at_the_handover(self):
        self.boot()
        here, there = self.a, self.b
        for side in ("src", "dst"):
            with self.subTest(side):
                host = here if side == "src" else there
                host.restart_with_fault(f"move.{side}.handover:crash")
                move_id = self.crash_in_a_move(host, here, there)
                host.start()
                move = self.world.wait_state(here, move_id, "done", "failed")
                if move["state"] == "done":
                    here, there = there, here
                self.guest.assert_ticks()
                self.assert_only_on(here)
