# SPDX-License-Identifier: LGPL-2.1-or-later
"""Phases of a move in which a fault strikes: enter() brings the move to the phase and holds it
there for certain; release() lets it go on."""
import contextlib
import os
import time

from lib import procs, settings
from lib.world import World
from network import NetWorld
from scene import HELD, NOBODY

CONVERGING = 8 << 20        # bytes/s: such a transfer ends after some 4 s, more than a lease
GO_DEADLINE_MS = 1000       # deadline of the question, in migrd/move/
HELD_S = 1.0                # so long a guest may stand still before the fault strikes
AFTER_COPYING = 8 << 20     # bytes/s: disks are copied in some seconds, memory needs longer
FETCH_HELD = 256 * 1024     # bytes/s of post-copy: only what the guest waits for comes sooner
FETCH_BEFORE = 4 << 20      # bytes/s before it: else a guest as small as ours has moved already
BLOCKED_S = 0.5             # a QEMU without a limit that sends nothing for so long cannot


def wait_arriving(s):
    """Waits until the guest's memory is being sent, and the destination's QEMU takes it: one to which
    nobody has connected does not end with its stream."""
    s.world.wait_flowing(s.a, s.move_id)
    event = f'event=MIGRATION move={s.move_id} detail="active'
    s.wait("memory to arrive", lambda: event in s.b.log.read_text("utf-8", "replace"))


class Phase:
    options = {}            # options of the Scene
    stands_still = False    # the guest stands still until the move goes on
    holds_s = 0.0           # how long the phase lasts at most by itself
    ends_with_fault = False     # held until the fault has ended, else until it has struck

    def enter(self, s):
        raise NotImplementedError

    def release(self, s):
        """The move goes on by itself."""
        s.let_go()

    def after(self, s):
        """The fault has ended."""


class Before(Phase):
    """The move has not been requested yet."""

    def enter(self, s):
        pass

    def release(self, s):
        """Requests the move, with an answer or without."""
        with contextlib.suppress(*NOBODY):
            s.begin(timeout=2)


class Offered(Phase):
    """The destination has received the offer, but not looked at it; token files are beside the
    images."""
    options = {"plans": {"b": "api.peer.prepare:hold"}}

    def enter(self, s):
        s.begin()
        s.wait_point(s.b, "api.peer.prepare")
        s.wait("a token file", lambda: list(s.world.dir.glob(".migrd-same-*")))


class Probing(Phase):
    """The link is to be measured, and the destination hangs at POINT: before it answers whether that
    may be, or before it takes the connection."""

    def __init__(self, point):
        self.point = point
        self.options = {"config": {"move": {"link_probe_ms": 300}},
                        "plans": {"b": f"{point}:hold"}}

    def enter(self, s):
        s.begin()
        s.wait_point(s.b, self.point)


class Queued(Phase):
    """Nothing has been asked for; then the guest is put into the queue."""

    def enter(self, s):
        pass

    def release(self, s):
        s.begin_entry()


class Attempt(Phase):
    """The queue has chosen the guest, and its attempt is about to be recorded."""
    options = {"plans": {"a": "store.queue.moving.before:hold"}}

    def enter(self, s):
        s.begin_entry()
        s.wait_point(s.a, "store.queue.moving.before")


class Prepare(Phase):
    """The destination's QEMU and stream run; the source waits for its answer."""
    options = {"plans": {"b": "qmp.send.migrate-incoming:hold"}}

    def enter(self, s):
        s.begin()
        s.wait_point(s.b, "qmp.send.migrate-incoming")


class Transfer(Phase):
    """Memory is being sent, so slowly that it does not end."""
    ends_with_fault = True

    def enter(self, s):
        s.begin(bandwidth_bytes_per_s=HELD)
        wait_arriving(s)

    def release(self, s):
        s.patch_move(bandwidth_bytes_per_s=0)


class Converging(Phase):
    """Memory is being sent; the move would end some seconds later, during the fault."""
    options = {"area": 4, "static": 4, "rate": 4, "spare": 24}
    ends_with_fault = True

    def enter(self, s):
        s.begin(bandwidth_bytes_per_s=HELD)
        wait_arriving(s)
        monitor = s.monitor(s.a)
        s.patch_move(bandwidth_bytes_per_s=CONVERGING)
        s.wait("QEMU's limit", lambda: monitor.command("query-migrate-parameters")
               ["return"]["max-bandwidth"] == CONVERGING)

    def release(self, s):
        s.patch_move(bandwidth_bytes_per_s=0)


def last_pass_world():
    """From the guest's stop on there is no limit but the link's: with one of 100 Mbit/s there are
    seconds in which the destination's QEMU can be stopped before all has come.  (Without root
    that has to be done in some tenths of a second.)"""
    return NetWorld() if os.geteuid() == 0 else World()


class LastPass(Phase):
    """The guest stands still, and much is left to send, but the destination's QEMU does not take
    it: the source's QEMU is busy sending and answers no monitor."""
    options = {"area": 40, "static": 4, "rate": 64, "make_world": last_pass_world}
    limits = {"bandwidth_bytes_per_s": 8 << 20, "downtime_limit_ms": 2000}
    stands_still = True

    def enter(self, s):
        monitor = s.monitor(s.a)
        s.begin(**self.limits)
        monitor.wait_event("MIGRATION_PASS")
        receiver, = s.b.qemus()     # found before, as to look for it takes a while
        # QEMU may now leave all of it for the last pass: migrd had told it less.
        monitor.command("migrate-set-parameters", **{"downtime-limit": 20000})
        monitor.wait_event("STOP")
        s.freeze(receiver)

    def release(self, s):
        s.lift_rate()
        s.thaw()


class ForcedByUser(LastPass):
    """A user has asked for the end: the guest stands still, and much is left to send, but the
    destination's QEMU does not take it, and the source's is deaf."""

    def enter(self, s):
        monitor = s.monitor(s.a)
        s.begin(bandwidth_bytes_per_s=8 << 20)
        monitor.wait_event("MIGRATION_PASS")
        s.wait("memory on its way", lambda: s.a.move_state(s.move_id)["progress"]["passes"])
        receiver, = s.b.qemus()
        s.a.api.post(f"/v1/moves/{s.move_id}/finish", {"force": True})
        monitor.wait_event("STOP")
        s.freeze(receiver)


class LastPassUnseen(LastPass):
    """QEMU has stopped the guest, and the source's coordinator dies as it hears of that: the lease on
    the data ends with it, and the rest waits."""
    options = {**LastPass.options, "plans": {"a": "qmp.event.STOP:crash"}}

    def enter(self, s):
        monitor = s.monitor(s.a)
        s.begin(**self.limits)
        monitor.wait_event("MIGRATION_PASS")
        monitor.command("migrate-set-parameters", **{"downtime-limit": 20000})
        monitor.wait_event("STOP")
        s.wait("the crash", lambda: not s.a.is_up())

    def release(self, s):
        s.lift_rate()


class ForcedUnseen(LastPassUnseen):
    """The same, of a guest whose user has asked for the end."""

    def enter(self, s):
        monitor = s.monitor(s.a)
        s.begin(bandwidth_bytes_per_s=8 << 20)
        monitor.wait_event("MIGRATION_PASS")
        s.wait("memory on its way", lambda: s.a.move_state(s.move_id)["progress"]["passes"])
        s.a.api.post(f"/v1/moves/{s.move_id}/finish", {"force": True})
        monitor.wait_event("STOP")
        s.wait("the crash", lambda: not s.a.is_up())


class PausedByPolicy(LastPass):
    """The move's policy has had the guest stopped, and much is left to send, but the destination's
    QEMU does not take it: the source's is deaf."""
    policy = {"name": "pause", "deadline_s": 2, "timeout": "pause"}

    def enter(self, s):
        s.a.api.call("PUT", "/v1/policies/pause", self.policy)
        monitor = s.monitor(s.a)
        s.begin(policy="pause", bandwidth_bytes_per_s=8 << 20)
        monitor.wait_event("STOP")
        s.freeze(s.b.qemus()[0])


class Completed(Phase):
    """The destination has loaded everything, and the source has recorded that; its go was lost on the
    way until the fault has struck, and it asks again after its deadline.  (A source host that is lost
    before that record is lost with its guest: it would not be certain that the guest did not run on.)"""
    options = {"plans": {"a": "peer.send.go:drop:times=0:held"}}
    stands_still = True
    holds_s = GO_DEADLINE_MS / 1000

    def enter(self, s):
        s.begin()
        s.wait_point(s.a, "peer.send.go")
        s.wait_point(s.a, "store.move.handover.after", times=2)


class Asked(Phase):
    """The same, but the destination's coordinator hangs: whether it has received the question
    depends on the connections that were free."""
    stands_still = True

    def enter(self, s):
        s.begin(bandwidth_bytes_per_s=HELD)
        wait_arriving(s)
        s.freeze(s.b.process.pid)
        s.patch_move(bandwidth_bytes_per_s=0)
        s.wait_point(s.a, "peer.send.go")
        s.wait_point(s.a, "store.move.handover.after", times=2)

    def release(self, s):
        s.thaw()


class Taken(Phase):
    """The destination has recorded that the guest is its own, but not let it run yet."""
    options = {"plans": {"b": "move.dst.handover:hold"}}
    stands_still = True
    holds_s = HELD_S

    def enter(self, s):
        s.begin()
        s.wait_point(s.b, "move.dst.handover")


class Answer(Phase):
    """The guest runs on the destination, but the source does not know it yet: the destination's
    coordinator hangs before its answer."""
    options = {"plans": {"b": "qmp.reply.cont:hold"}}

    def enter(self, s):
        s.begin()
        s.guest.console.wait_line(30, "b")


class BeforeSwitch(Transfer):
    """Memory is being sent, so slowly that it does not end; then a user asks for post-copy, and the
    guest needs what has not come."""
    options = {"move": {"postcopy": {"start": "manual"}}}
    stands_still = True     # after the fault, while the memory that it needs comes

    def release(self, s):
        with contextlib.suppress(*NOBODY):
            s.a.api.post(f"/v1/moves/{s.move_id}/postcopy", timeout=5)


class Held(Phase):
    """With post-copy; most of the guest's memory is on the source until the fault is over: nothing
    but what the guest waits for comes soon."""
    # The guest needs the area above the spare one, which is sent before it.  Together they are more
    # than QEMU's thread sends between two looks at whether it shall switch (50 ms).
    options = {"area": 12, "static": 12, "rate": 8, "spare": 48, "memory_mib": 128,
               "move": {"postcopy": {"start": "manual"}}}
    stands_still = True     # it needs memory all the time

    def send(self, s):
        """Returns the pid of the QEMU that gets the memory."""
        self.monitor = s.monitor(s.a)
        self.monitor.command("migrate-set-parameters", **{"max-postcopy-bandwidth": FETCH_HELD})
        s.begin(bandwidth_bytes_per_s=FETCH_BEFORE)
        wait_arriving(s)
        receiver, = s.b.qemus()
        return receiver

    def wait_blocked(self, s):
        """Waits until QEMU sends nothing any more, as nobody takes it: one that waits for its own limit
        would send the devices too."""
        seen = [None, 0.0]

        def is_blocked():
            sent = self.monitor.command("query-migrate")["return"]["ram"]["transferred"]
            if sent != seen[0]:
                seen[:] = sent, time.monotonic()
            return time.monotonic() - seen[1] > BLOCKED_S

        s.a.api.patch(f"/v1/moves/{s.move_id}", {"bandwidth_bytes_per_s": 0})
        s.wait("a source that is blocked", is_blocked)

    def switch(self, s):
        """From the guest's stop on there is no limit, and a busy host may tell QEMU late to switch: so
        the receiver must stand still."""
        self.wait_blocked(s)
        s.a.api.post(f"/v1/moves/{s.move_id}/postcopy")
        s.wait_point(s.a, "qmp.reply.migrate-start-postcopy")

    def begin(self, s):
        with procs.stopped(self.send(s)):
            self.switch(s)

    def release(self, s):
        s.let_go()
        self.lift_limit()

    def lift_limit(self):
        with contextlib.suppress(AssertionError, OSError):  # that QEMU may have been killed
            self.monitor.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})


class Switching(Held):
    """Post-copy was asked for; the guest stands still, and the source's coordinator hangs before it
    knows that QEMU has switched.  The devices go over when the fault has struck."""
    options = {**Held.options, "plans": {"a": "qmp.reply.migrate-start-postcopy:hold"}}
    holds_s = HELD_S

    def enter(self, s):
        s.freeze(self.send(s))
        self.switch(s)

    def release(self, s):
        s.thaw()
        super().release(s)

    # QEMU's thread reads the limit before it waits for the main loop to stand still, and sets it
    # afterwards (migration/migration.c, postcopy_start()): what the main loop set between is lost.
    def after(self, s):
        self.lift_limit()


def wait_devices(s):
    """A destination's QEMU that loses its connection before cannot pause."""
    there = s.monitor(s.b)
    s.wait("the state of the devices",
           lambda: there.command("query-status")["return"]["status"] == "paused")


class Switched(Held):
    """The guest's devices are on the destination; it stands still, as the first go was lost on the
    way."""
    options = {**Held.options, **Completed.options}
    holds_s = Completed.holds_s

    def enter(self, s):
        self.begin(s)
        s.wait_point(s.a, "peer.send.go")
        s.wait_point(s.a, "store.move.handover.after", times=2)
        wait_devices(s)


class TakenHeld(Held):
    """As `taken', with post-copy."""
    options = {**Held.options, **Taken.options}
    holds_s = Taken.holds_s

    def enter(self, s):
        self.begin(s)
        s.wait_point(s.b, "move.dst.handover")
        wait_devices(s)


class Fetch(Held):
    """The guest runs on the destination."""
    ends_with_fault = True

    def enter(self, s):
        self.begin(s)
        for host in s.hosts:
            s.world.wait_state(host, s.move_id, "fetch")
        s.guest.console.wait_line(30, "b")


class Copying(Transfer):
    """Local disks are being copied, so slowly that it does not end; memory has not begun."""

    def enter(self, s):
        s.begin(bandwidth_bytes_per_s=HELD)
        s.wait("a copied byte", lambda: any(
            disk["copied_bytes"] for disk in s.a.move_state(s.move_id)["progress"].get("disks", ())))


class AfterCopying(Transfer):
    """Local disks are copied but for what the guest writes; memory is being sent."""
    options = {"area": 24, "static": 24, "memory_mib": 96}

    def enter(self, s):
        monitor = s.monitor(s.a)
        s.begin(bandwidth_bytes_per_s=AFTER_COPYING)
        monitor.wait_event("MIGRATION_PASS")
        s.patch_move(bandwidth_bytes_per_s=8 * HELD)


class Settling(Phase):
    """The guest stands still and QEMU waits; the source's coordinator hangs before it ends the
    copies."""
    options = {"plans": {"a": "qmp.send.block-job-cancel:hold"}}
    stands_still = True
    holds_s = HELD_S

    def enter(self, s):
        s.begin()
        s.wait_point(s.a, "qmp.send.block-job-cancel")


class Settled(Phase):
    """The same, after the copies have ended, before QEMU is let go on."""
    options = {"plans": {"a": "qmp.send.migrate-continue:hold"}}
    stands_still = True
    holds_s = HELD_S

    def enter(self, s):
        s.begin()
        s.wait_point(s.a, "qmp.send.migrate-continue")


PHASES = {
    "before": Before(), "queued": Queued(), "attempt": Attempt(),
    "asking for a probe": Probing("api.answer.probe"), "probing": Probing("port.claim"), "offered": Offered(),
    "prepare": Prepare(), "transfer": Transfer(),
    "converging": Converging(), "last pass": LastPass(), "last pass, unseen": LastPassUnseen(),
    "paused by its policy": PausedByPolicy(), "forced by its user": ForcedByUser(),
    "forced, unseen": ForcedUnseen(), "completed": Completed(),
    "asked": Asked(), "taken": Taken(), "answer": Answer(),
    "before the switch": BeforeSwitch(), "switching": Switching(),
    "copying": Copying(), "after copying": AfterCopying(), "settling": Settling(),
    "settled": Settled(), "switched": Switched(), "taken, held": TakenHeld(), "fetch": Fetch(),
}
