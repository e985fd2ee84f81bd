# SPDX-License-Identifier: LGPL-2.1-or-later
"""Coordinators die; guests, streams and moves do not."""
import os
import signal

from lib import procs
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s


class RestartTest(SystemTest):
    def held_move(self):
        """Starts a guest on a and its move to b, which has begun to send and cannot end yet."""
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        return guest, move

    def processes(self):
        return {host.id: sorted(host.qemus() + host.streams()) for host in (self.a, self.b)}

    def finish(self, guest, move):
        """Lifts the limit: the move must end on b, under the same id."""
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(guest.vm(self.b), move["id"])
        self.assertEqual(self.b.move_state(move["id"])["state"], "done")

    def test_both_killed_in_transfer_move_goes_on_and_completes(self):
        guest, move = self.held_move()
        before = self.processes()
        self.assertEqual({host: len(pids) for host, pids in before.items()}, {"a": 2, "b": 2})

        self.a.kill9()
        self.b.kill9()

        life, _ = guest.console.wait_sweeps(1)
        self.assertEqual(life.host, "a")
        self.assertEqual(self.processes(), before)
        self.a.start()
        self.b.start()
        self.assertEqual(self.processes(), before)
        self.assertEqual(self.a.move_state(move["id"])["state"], "transfer")
        self.assertEqual(self.b.move_state(move["id"])["state"], "transfer")
        self.finish(guest, move)

    def test_source_killed_in_transfer_move_goes_on_and_completes(self):
        guest, move = self.held_move()
        self.a.kill9()
        guest.console.wait_line(host="a")
        self.a.start()
        self.finish(guest, move)

    def test_destination_killed_in_transfer_move_goes_on_and_completes(self):
        guest, move = self.held_move()
        self.b.kill9()
        guest.console.wait_line(host="a")
        self.b.start()
        self.finish(guest, move)

    # All is sent while both coordinators are away; they find the transfer completed.
    def test_both_killed_transfer_ends_without_them(self):
        self.b.restart_with_fault("api.peer.go:crash")
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b)
        self.eventually("the destination was asked", lambda: not self.b.is_up())
        self.a.kill9()
        guest.console.assert_quiet()
        self.b.start()
        self.a.start()
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(guest.vm(self.b), move["id"])

    # A guest would stand still if it were handed over while its destination is away.
    def test_destination_away_transfer_waits_and_the_guest_runs(self):
        guest, move = self.held_move()
        self.b.kill9()
        self.world.wait_move(self.a, move["id"], lambda m: "waits for host 'b'" in m["reason"])
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        guest.console.wait_sweeps(2, host="a")
        self.assertEqual(self.a.move_state(move["id"])["state"], "transfer")
        self.b.start()
        self.finish(guest, move)

    def test_cancel_after_a_restart_leaves_the_guest_here(self):
        guest, move = self.held_move()
        self.a.kill9()
        self.b.kill9()
        self.a.start()
        self.b.start()
        answer = self.world.cancel(self.a, move["id"])
        self.assertEqual((answer["cancelled"], answer["owner"]), (True, "a"))
        guest.assert_runs_on(self.a)
        self.b.assert_clean_soon(guest.vm(self.a), move["id"])

    def test_restart_finds_every_vm_as_it_was(self):
        running, paused, stopped = (self.world.guest(n, area=0) for n in ("run", "pause", "stop"))
        running.start(self.a)
        paused.start(self.a)
        self.a.api.post("/v1/vms/pause/pause")
        stopped.create(self.a)
        before = self.a.vms()
        for end in (self.a.kill9, self.a.stop):
            with self.subTest(end.__name__):
                end()
                running.console.wait_line(host="a")
                self.a.start()
                after = self.a.vms()
                self.assertEqual({name: (vm["state"], vm.get("pid")) for name, vm in after.items()},
                                 {name: (vm["state"], vm.get("pid")) for name, vm in before.items()})
        paused.console.assert_quiet(0.3)
        running.assert_runs_on(self.a)
        # The guest is not only shown, but can be controlled.
        self.a.api.post("/v1/vms/pause/resume")
        paused.assert_runs_on(self.a)
        self.assertEqual(len(running.console.lives), 1)

    def test_qemu_that_died_meanwhile_is_told_plainly(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        self.a.kill9()
        pid = self.a.qemus()[0]
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(procs.wait_gone([pid], 10))
        self.a.start()
        vm = guest.vm(self.a)
        self.assertEqual(vm["state"], "crashed")
        self.assertTrue(vm["reason"])
        self.assertEqual(self.a.qemus(), [])
