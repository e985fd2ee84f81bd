# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that arrive without running can be moved on repeatedly, and run in the end."""
import fcntl
import os
import signal
import struct

from lib import procs
from lib.linux import make_disk
from lib.long_form import only_full
from lib.qmp import Qmp
from lib.world import SystemTest

HELD = 128 * 1024           # bytes/s
F_OFD_SETLK = 37            # linux/fcntl.h
# QEMU 7.2 to 11.1, block/file-posix.c: locks from byte 200 on tell what others may not do;
# permission 1 is to write.
NO_WRITE_BYTE = 201
PANIC = "o /b 0x505 1"      # pvpanic
WATCHDOG = "o /b 0x443 0xf" # ib700's time-out: 0 s


def lock_image(path):
    """Locks the image so that nothing can write to it; closing the returned file ends that."""
    image = open(path, "r+b")
    fcntl.fcntl(image, F_OFD_SETLK, struct.pack("hhxxxxqqi4x", fcntl.F_RDLCK, 0, NO_WRITE_BYTE, 1, 0))
    return image


class ArrivedStillTest(SystemTest):
    def start(self, **extra):
        cd = self.world.dir / "cd.iso"
        cd.write_bytes(bytes(1 << 20))
        guest = self.world.guest(area=4, rate=4, memory_mib=64, **extra)
        self.disk = make_disk(self.world, "data")
        guest.definition["disks"] += [self.disk, {"id": "cd", "path": str(cd), "format": "raw",
                                                  "readonly": True}]
        guest.start(self.a)
        return guest

    def hmp(self, guest, line):
        monitor = Qmp(self.a, guest.uuid)
        self.addCleanup(monitor.close)
        monitor.hmp(line)

    def move_three_times(self, guest, state):
        here, there = self.a, self.b
        for _ in range(3):
            self.world.move(guest, here, there)
            self.assertEqual(guest.vm(there)["state"], state)
            here, there = there, here
        guest.console.assert_quiet()

    def test_paused_guest_moves_three_times_and_runs_on(self):
        guest = self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.move_three_times(guest, "paused")
        self.b.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.b)
        self.world.move(guest, self.b, self.a)
        guest.assert_runs_on(self.a)

    # The guest was to run when the move began; only at its end the destination learns that the
    # guest is paused.
    def test_guest_paused_in_transfer_moves_back_and_runs_on(self):
        guest = self.start()
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.a.api.post("/v1/vms/g1/pause")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        self.world.move(guest, self.b, self.a)
        self.assertEqual(guest.vm(self.a)["state"], "paused")
        self.a.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.a)

    # The stream has the run state as "paused" or by its own name: the guest must not run by
    # itself.
    def test_panicked_guest_moves_three_times(self):
        guest = self.start(extra_args=["-device", "pvpanic"], actions={"panic": "pause"})
        self.hmp(guest, PANIC)
        self.eventually("panicked", lambda: guest.vm(self.a)["state"] == "guest-panicked")
        pids = self.move_still(guest)
        self.assertTrue(procs.is_running(pids[-1]))

    @only_full
    def test_guest_of_a_watchdog_moves_three_times(self):
        guest = self.start(extra_args=["-device", "ib700"], actions={"watchdog": "pause"})
        self.hmp(guest, WATCHDOG)
        self.eventually("stopped", lambda: guest.vm(self.a)["state"] == "watchdog")
        self.move_still(guest)

    def move_still(self, guest):
        here, there, pids = self.a, self.b, []
        for _ in range(3):
            self.world.move(guest, here, there)
            vm = guest.vm(there)
            self.assertNotIn(vm["state"], ("running", "crashed"), vm)
            pids.append(vm["pid"])
            here, there = there, here
        guest.console.assert_quiet()
        return pids

    # No QEMU holds the locks of a guest that arrived paused on QEMU before 10.0: if they cannot be
    # had, the move ends before the other host hears of it, and nothing is lost.
    def test_image_held_by_another_move_is_refused_and_the_guest_is_there(self):
        guest = self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.world.move(guest, self.a, self.b)
        with lock_image(self.disk["path"]):
            move = self.world.begin_move(guest, self.b, self.a)
            move = self.world.wait_state(self.b, move["id"], "failed")
            self.assertEqual(move["error"]["code"], "conflict", move)
            self.assertEqual(guest.vm(self.b)["state"], "paused")
            self.assert_gone(self.a)
        self.world.move(guest, self.b, self.a)
        self.a.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.a)
        self.assertFalse(os.path.exists(self.b.run_dir / "moves" / move["id"]))

    # QEMU sends such a guest again only after it has run, which it would say at the very end.
    def test_paused_guest_that_came_back_after_all_was_sent_is_resumed_before_it_moves_again(self):
        guest = self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.a.restart_with_fault("peer.send.go:drop:times=3")
        move_id = self.world.begin_move(guest, self.a, self.b)["id"]
        self.world.wait_move(self.a, move_id, lambda m: "migrate_to_completed_ms" in m["times"])
        os.kill(self.b.qemus()[0], signal.SIGKILL)
        self.world.wait_state(self.a, move_id, "failed")
        self.assertEqual(guest.vm(self.a)["state"], "paused")
        again = self.world.wait_state(
            self.a, self.world.begin_move(guest, self.a, self.b)["id"], "failed")
        self.assertEqual(again["error"]["code"], "conflict", again)
        self.assertIn("resume it first", again["error"]["detail"])
        self.assert_gone(self.b)
        self.a.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.a)
        self.a.api.post("/v1/vms/g1/pause")
        self.world.move(guest, self.a, self.b)
        self.b.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.b)
