# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of processes and hosts, and actions of users and guests."""
import contextlib
import subprocess

from lib import procs, settings
from scene import HELD

SIDES = {"a": "source", "b": "destination"}
NAMES = {"a": "source's coordinator", "b": "destination's coordinator",
         "ab": "both coordinators"}


# A qcow2 image of a QEMU that is killed has what was flushed; on a host that lives that costs
# nothing.
LOCAL_DISKS = (
    {"disk_id": "one", "mib": 24, "area": 4, "rate": 4, "data": 12},
    {"disk_id": "two", "mib": 24, "format": "qcow2", "area": 2, "rate": 2, "data": 4,
     "flush": True, "cache": "unsafe"})


class Fault:
    """A fault: strike() causes it; mend() undoes it after lasts() seconds."""
    name = "?"
    seconds = 0             # how long the fault lasts
    full_seconds = None     # the same in the full form
    options = {}            # options of the Scene
    needs_root = False
    stalls = False          # the guest stands still where it otherwise would not

    def lasts(self, full):
        return self.full_seconds if full and self.full_seconds else self.seconds

    def strike(self, s):
        raise NotImplementedError

    def mend(self, s):
        """Nothing was taken away."""

    def verify(self, s):
        """Checks what this fault requires beyond the general rules."""


def over_connections(fault, channels=4):
    """The same fault, in a move whose memory goes over several connections."""
    fault.options = {**fault.options, "move": {"multifd": {"channels": channels}}}
    fault.name += f", memory over {channels} connections"
    return fault


def with_postcopy(fault):
    """The same fault, in a move with post-copy; a phase may want another start of it."""
    fault.options = {"move": {"postcopy": {"start": "at-once"}}, **fault.options}
    fault.name += ", post-copy"
    return fault


def with_disks(fault):
    """The same fault, in a move that copies local disks."""
    fault.options = {"disks": LOCAL_DISKS, **fault.options}
    fault.name += ", local disks"
    return fault


def of_stopped(fault):
    """The same fault, in the move of a stopped VM with a local disk."""
    fault.options = {"disks": LOCAL_DISKS[1:], "stopped": True, **fault.options}
    fault.name += ", stopped VM"
    return fault


def of_queue(fault):
    """The same fault, in an attempt of an entry of the queue."""
    fault.options = {"queued": True, **fault.options}
    fault.name += ", from the queue"
    return fault


def with_tpm(fault):
    """The same fault, in the move of a guest with a TPM."""
    fault.options = {"tpm": {"model": "tpm-crb"}, **fault.options}
    fault.name += ", TPM"
    return fault


# ---- processes and hosts ---------------------------------------------------------

class QemuKilled(Fault):
    def __init__(self, side):
        self.side, self.name = side, f"{SIDES[side]}'s QEMU killed"

    def strike(self, s):
        s.kill(*s.world[self.side].qemus())


class QemuHangs(Fault):
    """The QEMU hangs until its source has given up."""
    name = "destination's QEMU hangs (SIGSTOP)"

    def strike(self, s):
        pid, = s.b.qemus()
        s.freeze(pid)
        s.frozen.discard(pid)   # stays frozen when the phase ends

    def mend(self, s):
        s.wait("the source to give up", lambda: s.is_final(s.a))


class SwtpmKilled(Fault):
    def __init__(self, side):
        self.side, self.name = side, f"{SIDES[side]}'s swtpm killed"

    def strike(self, s):
        s.kill(*s.world[self.side].children("swtpm"))


class SwtpmHangs(Fault):
    """The destination's swtpm hangs until the source has given up."""
    name = "destination's swtpm hangs (SIGSTOP)"

    def strike(self, s):
        pid, = s.b.children("swtpm")
        s.freeze(pid)
        s.frozen.discard(pid)   # stays frozen when the phase ends
        s.patch_move(bandwidth_bytes_per_s=0)

    def mend(self, s):
        s.wait("the source to give up", lambda: s.is_final(s.a))


class StreamKilled(Fault):
    def __init__(self, sides):
        self.sides = sides
        self.name = "both streams killed" if len(sides) > 1 else f"{SIDES[sides]}'s stream killed"

    def strike(self, s):
        s.kill(*(pid for side in self.sides for pid in s.world[side].streams()))


class Coordinators(Fault):
    """The coordinators of one side (a, b) or of both (ab)."""
    what = "?"

    def __init__(self, sides):
        self.sides, self.name = sides, f"{NAMES[sides]} {self.what}"

    def hosts(self, s):
        return [s.world[side] for side in self.sides]


class Killed(Coordinators):
    what = "killed, back later"
    seconds, full_seconds = 3, 8

    def strike(self, s):
        s.kill_coordinators(self.hosts(s))

    def mend(self, s):
        s.start(self.hosts(s))


class KilledForLong(Killed):
    what = "killed, back much later"
    seconds, full_seconds = 6, 30


class AwayUntilItRunsOn(Killed):
    """The coordinator comes back only when the guest runs on without it: its stream has seen it stand
    still for eight seconds, after two."""
    what = "killed, back when the guest runs on"
    seconds = full_seconds = 0

    def mend(self, s):
        s.guest.console.wait_line(20, "a")
        s.start(self.hosts(s))


class PausedAndKilled(Killed):
    what = "killed, of a guest that was paused before"
    options = {"setup": lambda s: s.a.api.post(f"/v1/vms/{s.guest.name}/pause")}


class Stopped(Coordinators):
    what = "stopped (SIGSTOP)"
    seconds, full_seconds = 5, 30

    def strike(self, s):
        for host in self.hosts(s):
            s.freeze(host.process.pid)
            s.frozen.discard(host.process.pid)  # stays frozen when the phase ends

    def mend(self, s):
        s.thaw(*(host.process.pid for host in self.hosts(s)))


class HostLost(Fault):
    seconds, full_seconds = 2, 8

    def __init__(self, side):
        self.side, self.name = side, f"{SIDES[side]} host lost, back later"

    def strike(self, s):
        s.lose(s.world[self.side])

    def mend(self, s):
        s.start([s.world[self.side]])


class SilentForGood(Coordinators):
    """The source's coordinator comes back only after the destination has given up the offer."""
    what = "killed, back when all is over"
    options = {"config": {"move": {"offer_timeout_ms": 15000}}}

    def strike(self, s):
        s.move_id = s.move_id or s.find_move()
        s.kill_coordinators(self.hosts(s))

    def mend(self, s):
        s.wait("the refusal of b", lambda: s.is_final(s.b))
        s.wait_left(lambda: s.leftovers(s.b, keeps=False, runs=False))
        s.start(self.hosts(s))


class HostLostForGood(Fault):
    """The host comes back only after a person has resolved the move."""
    options = {"config": {"move": {"stuck_after_ms": 1000}}}

    def __init__(self, side):
        self.side, self.name = side, f"{SIDES[side]} host lost for good, resolved"

    def strike(self, s):
        s.lose(s.world[self.side])

    def mend(self, s):
        left = s.b if self.side == "a" else s.a
        s.world.wait_state(left, s.move_id, "stuck")
        s.guest.console.assert_quiet()
        left.migrctl("move", "resolve", s.move_id, "--keep", SIDES[left.id], "--assert-dead",
                     self.side)
        s.wait("what was resolved", lambda: s.is_final(left))
        s.assert_runs(left)
        s.start([s.world[self.side]])


class NoPlaceThere(Fault):
    """The destination refuses the guest for long, as another has its only place."""
    name = "destination has no place for long"
    seconds, full_seconds = 8, 30
    options = {"config": {"move": {"in_max": 1}}, "queued": True}

    def strike(self, s):
        self.other = s.world.guest("other", area=0, memory_mib=32)
        self.other.start(s.a, sweeps=0)
        self.held = s.a.api.post("/v1/moves", {"vm": "other", "to": "b",
                                               "hold": {"timeout_s": 600}})["id"]
        s.world.wait_move(s.a, self.held, lambda move: move["held"])

    def mend(self, s):
        s.a.api.post(f"/v1/moves/{self.held}/cancel", timeout=60)
        s.a.api.post("/v1/vms/other/stop", timeout=60)
        s.a.api.delete("/v1/vms/other")

    def verify(self, s):
        """It is asked again, but ever more seldom, and none of that is a failure."""
        entry = s.entry()
        codes = [attempt["code"] for attempt in entry["attempts"]]
        if set(codes[:-1]) != {"limit"} or entry["attempts_made"] or len(codes) > 8:
            raise AssertionError(f"attempts: {codes}, of which {entry['attempts_made']} failed")


# ---- the user ------------------------------------------------------------------------

class ClientKilled(Fault):
    name = "client killed that waits for the move's end"

    def strike(self, s):
        watcher = procs.Child(
            [settings.program("migrctl"), "--socket", str(s.a.socket), "move", "watch", s.move_id],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        watcher.stdout.read(1)
        watcher.end()
        watcher.stdout.close()


class Cancelled(Fault):
    name = "cancelled by the user"

    def strike(self, s):
        answer = s.a.api.begin("POST", f"/v1/moves/{s.move_id}/cancel")
        s.let_go()      # the other host may have to say what became of the guest
        status, _, words = answer()
        if status != 200:
            raise AssertionError(f"the cancel was answered with {status}: {words}")


class CancelledAfterCrash(Fault):
    """A user cancels when the coordinator is back, which has to learn first how far QEMU is.  The link
    is patient: on a busy host the start takes longer than it may be silent."""
    name = "source's coordinator killed, then cancelled by the user"
    options = {"config": {"move": {"handover_link_timeout_ms": 60000}}}

    def strike(self, s):
        s.kill_coordinators([s.a])
        s.start([s.a])
        s.wait("the move", lambda: s.a.moves("?state=active"))
        s.a.api.post(f"/v1/moves/{s.move_id}/cancel", timeout=60)


class RefusedThere(Fault):
    """The operator of the destination refuses the guest before it has arrived: its coordinator may
    stand still, and takes that when it goes on."""
    options = {"move": {"bandwidth_bytes_per_s": HELD}}

    def __init__(self, name, path):
        self.name, self.path = name, path

    def strike(self, s):
        answer = s.b.api.ask("POST", self.path.format(move=s.move_id, vm=s.guest.name))
        s.let_go()
        status, _, words = answer()
        if status != 200 or not words["cancelled"] or words["owner"] != "a":
            raise AssertionError(f"the refusal was answered with {status}: {words}")


class Paused(Fault):
    name = "guest paused by the user"

    def strike(self, s):
        answer = s.a.api.begin("POST", f"/v1/vms/{s.guest.name}/pause")
        s.let_go()
        status, _, words = answer()
        if status != 200:
            raise AssertionError(f"the pause was answered with {status}: {words}")


# ---- the guest -----------------------------------------------------------------------

RESET_CONTROL, RESET_NOW = 0xcf9, 6         # registers of the chipset (ICH9)
POWER_CONTROL, POWER_OFF = 0x604, 0x2000    # ACPI's PM1a_CNT where SeaBIOS puts it: S5
PVPANIC, PANICKED = 0x505, 1
IDE, BAD_SECTOR, READ_SECTOR = 0x1f0, 64, 0x20


def write_port(monitor, size, port, value):
    """Writes to an I/O port as the guest would; SIZE is b, w or l."""
    monitor.hmp(f"o /{size} {port:#x} {value:#x}")


class GuestWrites(Fault):
    """The guest causes the fault by a write to a port."""

    def __init__(self, name, size, port, value):
        self.name, self.write = f"guest {name}", (size, port, value)

    def strike(self, s):
        with contextlib.suppress(AssertionError, OSError):  # QEMU may end at once
            write_port(s.monitor(s.a), *self.write)


class GuestResets(GuestWrites):
    """After a reset the guest's counter starts from 0."""

    def __init__(self):
        super().__init__("resets itself", "b", RESET_CONTROL, RESET_NOW)

    def strike(self, s):
        s.guest.console.wait_line(20, "a")
        monitor = s.monitor(s.a)
        write_port(monitor, *self.write)
        monitor.wait_event("RESET")
        before = max(line.ticks for line, _ in s.guest.console.all_lines())
        s.guest.console.wait_until(
            "the new counter", 60,
            lambda: any(line.ticks < before for _, line in s.guest.console.newest()))
        s.forget_history()
        s.guest.console.wait_sweeps(1, 60)


class GuestPanics(GuestWrites):
    options = {"extra_args": ["-device", "pvpanic"]}

    def __init__(self):
        super().__init__("panics", "b", PVPANIC, PANICKED)


class GuestReadsBadDisk(Fault):
    """The guest gets an I/O error, and stops as its definition wants (rerror=stop)."""
    name = "guest stops at an I/O error"
    options = {"extra_args": [
        "-blockdev", '{"driver":"blkdebug","node-name":"bad","image":{"driver":"null-co",'
        '"read-zeroes":true},"inject-error":[{"event":"none","sector":64,"once":true}]}',
        "-device", "isa-ide,id=old", "-device", "ide-hd,bus=old.0,drive=bad,rerror=stop"]}

    def strike(self, s):
        monitor = s.monitor(s.a)
        for port, value in ((2, 1), (3, BAD_SECTOR), (4, 0), (5, 0), (6, 0xe0),
                            (7, READ_SECTOR)):
            write_port(monitor, "b", IDE + port, value)
        monitor.wait_event("BLOCK_IO_ERROR")
