# SPDX-License-Identifier: LGPL-2.1-or-later
"""States of a backup in which a fault strikes, and what is said of it and of the next one then."""
import dataclasses

from backup_scene import SLOW, BackedUp
from faults import POWER_CONTROL, POWER_OFF, Fault, GuestWrites, QemuKilled, Stopped
from faults_evacuation import KilledForAMoment
from phases import Phase


class Asked(Phase):
    """Nothing has been asked for yet."""

    def enter(self, s):
        pass

    def release(self, s):
        s.job_id = s.begin_backup()


class Held(Phase):
    """Its worker stands still at a fault point."""
    ends_with_fault = True

    def __init__(self, point):
        self.point = point

    def enter(self, s):
        s.a.restart_with_fault(f"{self.point}:hold")
        s.a.must_be_up = True
        s.job_id = s.begin_backup()
        s.wait_point(s.a, self.point)


class Copying(Phase):
    """QEMU copies, so slowly that it does not end."""
    ends_with_fault = True

    def enter(self, s):
        s.job_id = s.begin_backup(bandwidth_bytes_per_s=SLOW)
        s.wait_job("is copied", lambda job: job["state"] == "copy" and job["taken_at"])

    def release(self, s):
        if not s.job()["final"]:
            s.lift()


BACKUP_PHASES = {"asking": Asked(), "making the images": Held("vmbackup.made"), "copying": Copying(),
                 "sealing": Held("vmbackup.sync")}


# ---- faults ------------------------------------------------------------------------

class OfBackup(Fault):
    """One that lasts until the backup has ended."""

    def end(self, s):
        s.let_go()
        if s.job()["state"] == "copy":
            s.lift()
        s.wait_end()


class TargetFull(OfBackup):
    name = "target's disk full"
    needs_root = True
    stalls = True   # before 11.0 QEMU stops a guest whose write waits for the copy

    def strike(self, s):
        s.world.fill()

    def mend(self, s):
        self.end(s)
        s.world.free()


class TargetGone(OfBackup):
    name = "target's directory removed"

    def strike(self, s):
        s.lose_target()

    def mend(self, s):
        self.end(s)
        s.target.mkdir()


class TargetReadOnly(OfBackup):
    """No file may be open for writing when it becomes so."""
    name = "target can only be read"
    needs_root = True

    def strike(self, s):
        s.world.let_write(False)

    def mend(self, s):
        self.end(s)
        s.world.let_write(True)


class GuestEnds(OfBackup):
    """It takes its QEMU with it."""

    def __init__(self, fault):
        self.fault, self.name = fault, of_backup(fault).name

    def strike(self, s):
        self.fault.strike(s)
        s.wait("the end of QEMU", lambda: not s.guest.vm(s.a)["pid"])

    def mend(self, s):
        s.let_go()
        s.wait_end()


def of_backup(fault):
    """There is one host only."""
    fault.name = fault.name.replace("source's ", "") + ", backup"
    return fault


# ---- the rows --------------------------------------------------------------------------

DONE = BackedUp("done")
FULL = BackedUp("failed, the next one follows", "failed", "No space left on device")
NO_ROOM = BackedUp("refused for want of room", "failed", "MiB are free there")
# Also of a QEMU that was killed: it stores bitmaps in its images when it ends in order.
NOT_NOTED = "nothing is noted of its changes since a backup in this directory"
GONE = BackedUp("failed, the next one is full", "failed", "No such file or directory",
                why_full=NOT_NOTED)
GONE_LATER = dataclasses.replace(GONE, told="comes back with it, remove it there")
READ_ONLY = BackedUp("failed, it says what is left", "failed", "Read-only file system", leaves=True)
RESTARTED = BackedUp("failed, the next one follows", "failed", "was restarted in begin")
CRASHED = BackedUp("failed, the next one is full", "failed", "has ended, and the backup with it",
                   ends_guest=True, why_full=NOT_NOTED)
CRASHED_LATE = BackedUp("done, the next one is full", ends_guest=True, why_full=NOT_NOTED)
OFF = BackedUp("failed, the next one follows", "failed", "has ended, and the backup with it",
               ends_guest=True)
OFF_LATE = BackedUp("done, the next one follows", ends_guest=True)

BACKUP = [
    (TargetFull(), {"asking": NO_ROOM.full, "copying": FULL, "sealing": FULL.full}),
    (TargetReadOnly(), {"making the images": READ_ONLY.full, "sealing": READ_ONLY}),
    (of_backup(Stopped("a")), {"copying": DONE}),
    (of_backup(KilledForAMoment("a")), {
        "making the images": RESTARTED.full, "copying": DONE, "sealing": DONE.full}),
    (GuestEnds(GuestWrites("shuts down", "w", POWER_CONTROL, POWER_OFF)), {
        "making the images": OFF.full, "copying": OFF, "sealing": OFF_LATE.full}),
    (GuestEnds(QemuKilled("a")), {
        "making the images": CRASHED.full, "copying": CRASHED, "sealing": CRASHED_LATE.full}),
    (TargetGone(), {"making the images": GONE.full, "copying": GONE_LATER, "sealing": GONE_LATER.full}),
]
