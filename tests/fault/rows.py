# SPDX-License-Identifier: LGPL-2.1-or-later
"""The outcome that each fault must have in each phase.

beside(N): libvirt was measured with the same fault, as row N of report.py.
"""
from backup_rows import BACKUP
from evacuation_rows import EVACUATION
from faults import (SIDES, AwayUntilItRunsOn, Cancelled, CancelledAfterCrash, ClientKilled, GuestPanics,
                    GuestReadsBadDisk, GuestResets, GuestWrites, HostLost, HostLostForGood, Killed, KilledForLong, Paused,
                    PausedAndKilled, NoPlaceThere, POWER_CONTROL, POWER_OFF, QemuHangs, QemuKilled,
                    RefusedThere, SilentForGood, Stopped, StreamKilled, SwtpmHangs, SwtpmKilled,
                    of_queue, of_stopped, over_connections, with_disks, with_postcopy, with_tpm)
from faults_device import ImageUnreadable
from faults_host import (CertificatesExpire, CertificatesExpireAtStart,
                         CertificatesReplaced, DiskFull, ImagesFull, NewerBuild,
                         StorageNotMounted, clocks_set)
from faults_party import PartyMisbehaves
from faults_store import (StoreDamaged, StoreLost, StoreLostAndImagesLeft, StoreOld, StoreOldAlone,
                          leftovers_removed, old_record_forgotten, resolved_for_the_destination,
                          resolved_for_the_source)
from network import ConnectionBroken, Cut
from scene import Outcome

MOVED = Outcome("moved", "b", "b", ("done", "done"))
STAYS = Outcome("stays", "a", "a", ("failed", "failed"))
CANCELLED = Outcome("stays", "a", "a", ("cancelled", "failed"))
LOST_A = Outcome("guest lost with its QEMU", None, "a", ("failed", "failed"))
LOST_B = Outcome("guest lost with its QEMU", None, "b", ("done", "done"))
# The source has lost its record of the move.
STAYS_UNKNOWN = Outcome("stays", "a", "a", ("not-found", "failed"))
MOVED_UNKNOWN = Outcome("moved", "b", "b", ("not-found", "done"))
# Post-copy: memory that the guest needs has ended with the source's QEMU.
LOST_MEMORY = Outcome("lost, and both sides say so", None, "b", ("lost", "lost"), state="lost")
OFF = Outcome("guest has ended", None, "a", ("failed", "failed"))
STILL_PAUSED = Outcome("moved, still paused", "b", "b", ("done", "done"), state="paused")
STILL_IO_ERROR = Outcome("moved, still stopped", "b", "b", ("done", "done"), state="io-error")

# ---- processes, hosts ------------------------------------------------------------

PROCESSES = [
    (QemuKilled("a"), {
        "prepare": LOST_A, "transfer": LOST_A.beside("4"), "last pass": LOST_A,
        "completed": MOVED, "asked": MOVED.full, "taken": MOVED, "answer": MOVED}),
    (QemuKilled("b"), {
        "prepare": STAYS, "transfer": STAYS.beside("5"), "last pass": STAYS, "completed": STAYS,
        "asked": STAYS.full, "taken": LOST_B, "answer": LOST_B}),
    (QemuHangs(), {"last pass": STAYS.within(8)}),
    (StreamKilled("a"), {
        "transfer": STAYS, "last pass": STAYS, "completed": MOVED, "taken": MOVED}),
    (StreamKilled("b"), {
        "prepare": STAYS, "transfer": STAYS, "last pass": STAYS, "completed": MOVED,
        "taken": MOVED}),
    (StreamKilled("ab"), {"asked": MOVED}),
    (HostLost("a"), {
        "offered": LOST_A, "prepare": LOST_A, "transfer": LOST_A, "last pass": LOST_A, "completed": MOVED,
        "asked": MOVED.full, "taken": MOVED, "answer": MOVED}),
    (HostLost("b"), {
        "offered": STAYS, "prepare": STAYS, "transfer": STAYS, "last pass": STAYS, "completed": STAYS,
        "asked": STAYS.full, "taken": LOST_B, "answer": LOST_B}),
    (HostLostForGood("a"), {"completed": MOVED}),
    (HostLostForGood("b"), {"asked": STAYS}),
]

COORDINATORS = [
    (Killed("a"), {
        "offered": STAYS.full, "prepare": STAYS, "transfer": MOVED.beside("1"), "last pass": MOVED.beside("11"),
        "completed": MOVED.beside("14"), "asked": MOVED.full, "taken": MOVED.full,
        "answer": MOVED}),
    (Killed("b"), {
        "offered": STAYS, "prepare": STAYS, "transfer": MOVED.beside("2"), "last pass": MOVED.beside("12"),
        "completed": MOVED.beside("15"), "asked": MOVED.full, "taken": MOVED.full,
        "answer": MOVED.beside("17")}),
    # The walk has both die at each fourth point that they pass.
    (Killed("ab"), {
        "offered": STAYS.full, "prepare": STAYS.full, "transfer": MOVED.beside("3"),
        "last pass": MOVED.beside("13").full, "completed": MOVED.beside("16").full, "asked": MOVED.full,
        "taken": MOVED.full, "answer": MOVED.full}),
    (KilledForLong("a"), {"converging": MOVED.beside("1b")}),
    (KilledForLong("b"), {"converging": MOVED.full}),
    (KilledForLong("ab"), {"converging": MOVED.beside("3b").full}),
    # For 30 s the source waits for the destination to be ready (prepare_timeout_ms).
    (Stopped("a"), {
        "prepare": MOVED.if_long(STAYS).full, "transfer": MOVED.beside("9").full,
        "converging": MOVED.beside("9b"), "asked": MOVED, "taken": MOVED.full}),
    (Stopped("b"), {
        "prepare": MOVED.if_long(STAYS), "transfer": MOVED.beside("9c"), "converging": MOVED.full,
        "asked": MOVED.full, "taken": MOVED.full}),
    (Stopped("ab"), {"transfer": MOVED.full, "converging": MOVED.full, "asked": MOVED.full}),
    (SilentForGood("a"), {"prepare": STAYS.full, "transfer": STAYS}),
    *((NewerBuild(side), {"transfer": MOVED.full, "completed": MOVED.full}) for side in SIDES),
    (NewerBuild("ab"), {"transfer": MOVED, "completed": MOVED}),
]

# ---- files, clocks, certificates ---------------------------------------------------

HOSTS = [
    (StoreDamaged("a"), {
        "prepare": STAYS.full, "transfer": MOVED, "completed": MOVED.full, "taken": MOVED.full}),
    (StoreDamaged("b"), {
        "prepare": STAYS.full, "transfer": MOVED.full, "completed": MOVED, "taken": MOVED.full}),
    *((StoreLost(side), {
        "transfer": STAYS, "completed": MOVED, "asked": MOVED.full, "taken": MOVED})
      for side in SIDES),
    (StoreOld("a"), {"transfer": STAYS_UNKNOWN}),
    (StoreOld("a", resolved_for_the_destination), {
        "completed": MOVED_UNKNOWN, "asked": MOVED_UNKNOWN.full}),
    (StoreOld("a", old_record_forgotten), {"taken": MOVED_UNKNOWN}),
    (StoreOldAlone(old_record_forgotten), {"taken": MOVED_UNKNOWN}),
    (StoreOld("b", leftovers_removed), {"transfer": STAYS}),
    (StoreOld("b", resolved_for_the_source), {
        "completed": STAYS, "asked": STAYS.full, "taken": STAYS}),
    (DiskFull("a"), {"before": MOVED, "converging": MOVED.full, "completed": MOVED}),
    (DiskFull("b"), {"before": MOVED.full, "converging": MOVED.beside("10"), "completed": MOVED.full}),
    (StorageNotMounted(), {"before": STAYS}),
    # Forward in the one state, back in the other, on each side.
    *((clock, {"prepare": MOVED.full, "transfer": moved, "asked": other, "taken": MOVED.full})
      for side, order in (("a", 1), ("b", -1))
      for clock, (moved, other) in zip(clocks_set(side), ((MOVED, MOVED.full), (MOVED.full, MOVED))[::order])),
    (CertificatesExpire(), {"transfer": MOVED, "completed": MOVED}),
    (CertificatesExpireAtStart(), {"transfer": MOVED.full, "completed": MOVED}),
    (CertificatesReplaced("ab"), {"transfer": MOVED, "completed": MOVED}),
]

# ---- the guest and its users ---------------------------------------------------------

GUEST = [
    (ClientKilled(), {"transfer": MOVED.beside("0b")}),
    (Cancelled(), {"offered": CANCELLED, "prepare": CANCELLED, "transfer": CANCELLED.beside("0a")}),
    (RefusedThere("cancelled on the destination", "/v1/moves/{move}/cancel"), {
        "prepare": STAYS, "transfer": STAYS, "last pass": STAYS}),
    (RefusedThere("stopped on the destination", "/v1/vms/{vm}/stop"), {
        "prepare": STAYS.full, "transfer": STAYS, "last pass": STAYS.full}),
    (Paused(), {"before": STILL_PAUSED, "prepare": STILL_PAUSED, "transfer": STILL_PAUSED}),
    (PausedAndKilled("ab"), {"transfer": STILL_PAUSED, "asked": STILL_PAUSED}),
    (GuestResets(), {"prepare": MOVED, "transfer": MOVED}),
    (GuestWrites("shuts down", "w", POWER_CONTROL, POWER_OFF), {"prepare": OFF, "transfer": OFF}),
    (GuestPanics(), {"prepare": OFF, "transfer": OFF}),
    (GuestReadsBadDisk(), {"before": STILL_IO_ERROR, "transfer": STILL_IO_ERROR}),
]

# ---- the network -----------------------------------------------------------------------

# The data link may be silent for 20 s in transfer and for 3 s while the guest stands
# still (link_timeout_ms, handover_link_timeout_ms); prepare has 30 s.
GIVEN_UP = STAYS.within(8)


SINGLE = [("control link", "ab"), ("data link", "ab")]
BOTH = ("both links", "ab")
ONE_WAY = [("both links", "a"), ("both links", "b")]
SINGLE_ONE_WAY = [(link, way) for link, _ in SINGLE for way in "ab"]


def short_cuts(link, coming_from):
    """A cut of 5 s ends a move only in its last pass, because the guest must not stand still for
    so long."""
    if link == "data link":
        return {"transfer": MOVED, "last pass": GIVEN_UP.full, "completed": MOVED.full,
                "answer": MOVED.full}
    if link == "control link":
        return {"transfer": MOVED, "last pass": MOVED, "completed": MOVED.full, "answer": MOVED.full}
    outcomes = {"transfer": MOVED, "last pass": GIVEN_UP, "completed": MOVED, "answer": MOVED}
    if coming_from != "ab":     # what comes from the one side is no news where nothing comes from the other
        outcomes = {phase: outcome if phase == "transfer" else outcome.full
                    for phase, outcome in outcomes.items()}
    return outcomes


def long_cuts(link, coming_from):
    """A cut of 60 s ends every move that waits for data."""
    in_transfer = MOVED if link == "control link" else STAYS
    outcomes = {"transfer": in_transfer, "answer": MOVED}
    if coming_from == "ab":
        outcomes |= {"last pass": MOVED if link == "control link" else GIVEN_UP,
                     "completed": MOVED}
    return {phase: outcome.full for phase, outcome in outcomes.items()}


def beside(rows, outcomes):
    return outcomes | {phase: outcomes[phase].beside(row) for phase, row in rows.items()}


NETWORK = [
    (Cut(*BOTH, 5), beside({"transfer": "6", "converging": "6b", "last pass": "8a", "answer": "8d"},
                           {"prepare": MOVED.full, "converging": MOVED, "taken": MOVED.full}
                           | short_cuts(*BOTH))),
    *((Cut(*which, 5), short_cuts(*which)) for which in SINGLE + ONE_WAY),
    *((Cut(*which, 5), {"transfer": MOVED.full, "answer": MOVED.full}) for which in SINGLE_ONE_WAY),
    (Cut(*BOTH, 60), beside({"transfer": "7", "last pass": "8b", "completed": "8c", "answer": "8e"},
                            {"prepare": STAYS.full} | long_cuts(*BOTH))),
    *((Cut(*which, 60), long_cuts(*which)) for which in SINGLE + ONE_WAY),
]

# ---- memory over several connections -----------------------------------------------------

MULTIFD = [
    (over_connections(Killed("ab")), {
        "transfer": MOVED, "last pass": MOVED.full, "completed": MOVED, "asked": MOVED.full,
        "taken": MOVED.full}),
    (over_connections(StreamKilled("a")), {"transfer": STAYS, "last pass": STAYS.full}),
    (over_connections(StreamKilled("b")), {"transfer": STAYS.full, "last pass": STAYS}),
    (over_connections(QemuKilled("a")), {"transfer": LOST_A.full, "completed": MOVED}),
    (over_connections(QemuKilled("b")), {
        "prepare": STAYS.full, "transfer": STAYS, "last pass": STAYS.full, "taken": LOST_B.full}),
    (over_connections(QemuHangs()), {"last pass": STAYS.within(8)}),
    (over_connections(Cancelled()), {"prepare": CANCELLED.full, "transfer": CANCELLED}),
    (ConnectionBroken(8), {"transfer": STAYS, "last pass": STAYS}),
    (over_connections(Cut(*BOTH, 5)), {"transfer": MOVED.full, "last pass": GIVEN_UP}),
    (over_connections(Cut(*BOTH, 60)), {"transfer": STAYS.full, "last pass": GIVEN_UP.full}),
]

# ---- post-copy -----------------------------------------------------------------------------

# Until the destination has loaded the devices the guest can stay, and a link that is silent for too
# long ends the move.  From then on it cannot, and goes on as soon as the link is back.
# A guest that its policy has paused must not stay so.
POLICY = [
    *((Killed(side), {"paused by its policy": MOVED}) for side in ("a", "b", "ab")),
    *((StreamKilled(side), {"paused by its policy": STAYS}) for side in SIDES),
    (QemuKilled("b"), {"paused by its policy": STAYS}),
    (HostLost("b"), {"paused by its policy": STAYS}),
    (Killed("a"), {"forced by its user": MOVED}),
    (StreamKilled("a"), {"forced by its user": STAYS.full}),
    (QemuKilled("b"), {"forced by its user": STAYS.full}),
    # It stands still for two and eight seconds, and what comes to it until the last look is over.
    (AwayUntilItRunsOn("a"), {
        "forced, unseen": STAYS.within(14), "last pass, unseen": STAYS.within(14).full}),
    (AwayUntilItRunsOn("ab"), {"forced, unseen": STAYS.within(14).full}),
    # A user calls it back.
    (Cancelled(), {"paused by its policy": CANCELLED, "forced by its user": CANCELLED}),
    (CancelledAfterCrash(), {"paused by its policy": CANCELLED}),
]

POSTCOPY = [
    (with_postcopy(Cut(*BOTH, 5)), {
        "before the switch": MOVED, "switching": GIVEN_UP, "switched": MOVED.full,
        "taken, held": MOVED.full, "fetch": MOVED}),
    *((with_postcopy(Cut(*which, 5)), {"fetch": MOVED.full}) for which in SINGLE + ONE_WAY),
    (with_postcopy(Cut(*BOTH, 60)), {
        "before the switch": MOVED.full, "switching": GIVEN_UP.full, "switched": MOVED.full,
        "fetch": MOVED.full.beside("20")}),
    (with_postcopy(StreamKilled("a")), {
        "before the switch": STAYS, "switched": MOVED.full, "taken, held": MOVED.full, "fetch": MOVED}),
    (with_postcopy(StreamKilled("b")), {
        "before the switch": STAYS, "switched": MOVED, "taken, held": MOVED.full, "fetch": MOVED.full}),
    (with_postcopy(StreamKilled("ab")), {"fetch": MOVED.full}),
    (with_postcopy(Killed("a")), {
        "switching": MOVED, "switched": MOVED.full, "fetch": MOVED.beside("18")}),
    (with_postcopy(Killed("b")), {
        "switching": MOVED.full, "switched": MOVED, "fetch": MOVED.beside("19")}),
    (with_postcopy(Killed("ab")), {"switching": MOVED.full, "fetch": MOVED.full}),
    (with_postcopy(Stopped("a")), {"switching": MOVED, "fetch": MOVED.full}),
    (with_postcopy(Stopped("b")), {"switching": MOVED.full, "fetch": MOVED.full}),
    (with_postcopy(QemuKilled("a")), {
        "before the switch": LOST_A, "switched": LOST_A.full, "taken, held": LOST_MEMORY.full,
        "fetch": LOST_MEMORY.beside("21")}),
    (with_postcopy(QemuKilled("b")), {
        "before the switch": STAYS, "taken, held": LOST_B.full, "fetch": LOST_B}),
]

# ---- local disks ---------------------------------------------------------------------------

# The guest waits in pre-switchover for the source's coordinator, for 2 s; then it runs on.
LET_GO = STAYS.within(4.5)
DISKS = [
    (with_disks(QemuKilled("a")), {
        "copying": LOST_A.full, "after copying": LOST_A.full, "settling": LOST_A,
        "settled": LOST_A.full, "completed": MOVED.full, "taken": MOVED.full}),
    (with_disks(QemuKilled("b")), {
        "prepare": STAYS.full, "copying": STAYS.full, "after copying": STAYS.full, "settling": STAYS.full,
        "settled": STAYS, "completed": STAYS.full, "taken": LOST_B.full}),
    (with_disks(QemuHangs()), {
        "after copying": STAYS.full, "settling": STAYS.within(9).full,
        "settled": STAYS.within(9).full}),
    (with_disks(StreamKilled("a")), {
        "copying": STAYS.full, "after copying": STAYS.full, "settling": STAYS.full,
        "settled": STAYS.full, "completed": MOVED.full}),
    (with_disks(StreamKilled("b")), {
        "copying": STAYS, "after copying": STAYS.full, "settling": STAYS.full,
        "settled": STAYS.full, "completed": MOVED.full}),
    (with_disks(Killed("a")), {
        "copying": MOVED.full, "after copying": MOVED.full, "settling": LET_GO, "settled": LET_GO.full,
        "completed": MOVED.full, "taken": MOVED.full}),
    (with_disks(Killed("b")), {
        "copying": MOVED, "after copying": MOVED.full, "settling": MOVED.full,
        "settled": MOVED.full, "completed": MOVED.full, "taken": MOVED.full}),
    (with_disks(Killed("ab")), {
        "copying": MOVED.full, "settling": LET_GO.full, "settled": LET_GO.full,
        "completed": MOVED.full, "taken": MOVED.full}),
    (with_disks(KilledForLong("ab")), {"settling": LET_GO.full, "settled": LET_GO.full}),
    (with_disks(KilledForLong("b")), {"completed": MOVED.full}),
    *((with_disks(Stopped(side)), {"copying": MOVED.full, "settling": MOVED.full})
      for side in SIDES),
    (with_disks(HostLost("a")), {
        "copying": LOST_A.full, "settling": LOST_A.full, "completed": MOVED.full, "taken": MOVED.full}),
    (with_disks(HostLost("b")), {
        "copying": STAYS.full, "settling": STAYS.full, "completed": STAYS.full, "taken": LOST_B.full}),
    (with_disks(Cancelled()), {"copying": CANCELLED.full, "after copying": CANCELLED.full}),
    (with_disks(Paused()), {"copying": STILL_PAUSED}),
    (with_disks(Cut(*BOTH, 5)), {
        "copying": MOVED.full, "settling": GIVEN_UP, "settled": GIVEN_UP.full}),
    (with_disks(Cut(*BOTH, 30)), {"copying": MOVED.full}),
    (with_disks(StoreLost("a")), {"copying": STAYS.full, "settling": STAYS.full}),
    (with_disks(StoreLost("b")), {"copying": STAYS.full, "taken": MOVED.full}),
    (with_disks(StoreLostAndImagesLeft("b")), {"settling": STAYS.full}),
    (with_disks(ImagesFull()), {"copying": STAYS}),
    (ImageUnreadable(), {"copying": STAYS.full}),
]

# ---- stopped VMs ---------------------------------------------------------------------------

MOVED_STOPPED = Outcome("moved, still stopped", "b", "b", ("done", "done"), state="stopped")
STAYS_STOPPED = Outcome("stays, still stopped", "a", "a", ("failed", "failed"), state="stopped")
CANCELLED_STOPPED = Outcome("stays, still stopped", "a", "a", ("cancelled", "failed"),
                            state="stopped")
STOPPED = [
    (of_stopped(QemuKilled("a")), {
        "copying": STAYS_STOPPED.full, "settling": STAYS_STOPPED.full,
        "completed": MOVED_STOPPED.full, "taken": MOVED_STOPPED.full}),
    (of_stopped(QemuKilled("b")), {
        "prepare": STAYS_STOPPED.full, "copying": STAYS_STOPPED, "settled": STAYS_STOPPED.full,
        "completed": STAYS_STOPPED.full, "taken": MOVED_STOPPED.full}),
    (of_stopped(StreamKilled("a")), {
        "copying": STAYS_STOPPED.full, "completed": MOVED_STOPPED.full}),
    (of_stopped(StreamKilled("b")), {
        "copying": STAYS_STOPPED.full, "completed": MOVED_STOPPED.full}),
    (of_stopped(Killed("a")), {
        "copying": MOVED_STOPPED.full, "settling": STAYS_STOPPED.full,
        "completed": MOVED_STOPPED.full, "taken": MOVED_STOPPED.full}),
    (of_stopped(Killed("b")), {
        "prepare": STAYS_STOPPED.full, "copying": MOVED_STOPPED.full,
        "completed": MOVED_STOPPED.full, "taken": MOVED_STOPPED.full}),
    (of_stopped(Killed("ab")), {
        "copying": MOVED_STOPPED.full, "completed": MOVED_STOPPED, "taken": MOVED_STOPPED.full}),
    (of_stopped(HostLost("a")), {
        "copying": STAYS_STOPPED.full, "completed": MOVED_STOPPED.full,
        "taken": MOVED_STOPPED.full}),
    (of_stopped(HostLost("b")), {
        "copying": STAYS_STOPPED.full, "completed": STAYS_STOPPED.full,
        "taken": MOVED_STOPPED.full}),
    (of_stopped(Cancelled()), {"copying": CANCELLED_STOPPED.full}),
    (of_stopped(StoreLost("a")), {"copying": STAYS_STOPPED.full}),
    (of_stopped(StoreLost("b")), {"completed": MOVED_STOPPED.full}),
    (of_stopped(Cut(*BOTH, 5)), {
        "copying": MOVED_STOPPED.full, "settling": STAYS_STOPPED.full}),
]

# ---- a TPM ---------------------------------------------------------------------------------

# Where the guest is not, no key may be left.
TPM = [
    (with_tpm(QemuKilled("a")), {
        "transfer": LOST_A.full, "completed": MOVED.full, "taken": MOVED.full}),
    (with_tpm(QemuKilled("b")), {
        "prepare": STAYS.full, "transfer": STAYS.full, "completed": STAYS.full}),
    (with_tpm(SwtpmKilled("a")), {"transfer": STAYS.full}),
    (with_tpm(SwtpmKilled("b")), {"prepare": STAYS.full, "transfer": STAYS}),
    (with_tpm(SwtpmHangs()), {"transfer": STAYS.within(8).full}),
    (with_tpm(StreamKilled("b")), {"transfer": STAYS.full, "completed": MOVED.full}),
    (with_tpm(Killed("a")), {
        "transfer": MOVED.full, "completed": MOVED.full, "taken": MOVED.full}),
    (with_tpm(Killed("b")), {
        "offered": STAYS.full, "prepare": STAYS.full, "transfer": MOVED.full,
        "completed": MOVED.full, "taken": MOVED.full}),
    (with_tpm(Killed("ab")), {"transfer": MOVED.full, "completed": MOVED, "taken": MOVED.full}),
    (with_tpm(HostLost("a")), {
        "prepare": LOST_A.full, "transfer": LOST_A.full, "completed": MOVED.full,
        "taken": MOVED.full}),
    (with_tpm(HostLost("b")), {
        "prepare": STAYS.full, "transfer": STAYS.full, "completed": STAYS.full,
        "taken": LOST_B.full}),
    (with_tpm(Cancelled()), {"prepare": CANCELLED.full, "transfer": CANCELLED.full}),
    (with_tpm(StoreLost("b")), {"taken": MOVED.full}),
    (with_tpm(Cut(*BOTH, 5)), {"transfer": MOVED.full, "last pass": GIVEN_UP.full}),
]

# ---- parties that are told -------------------------------------------------------------------

PARTY = [
    (PartyMisbehaves(), {"before": MOVED}),
    *((PartyMisbehaves(kind), {"before": MOVED.full}) for kind in PartyMisbehaves.kinds),
]

# ---- the link is measured before the move ------------------------------------------------------

# Whatever comes of it, the move goes on; a coordinator that is restarted in begin gives it up.
PROBE = [
    (Killed("a"), {"asking for a probe": STAYS.full, "probing": STAYS}),
    (Stopped("b"), {"asking for a probe": MOVED.full, "probing": MOVED.full}),
    (StreamKilled("a"), {"probing": MOVED}),
    (Cancelled(), {"asking for a probe": CANCELLED.full, "probing": CANCELLED.full}),
    (Cut("data link", "ab", 5), {"probing": MOVED.full}),
    (Cut(*BOTH, 5), {"asking for a probe": MOVED.full}),
]

# ---- the queue ------------------------------------------------------------------------

# An attempt that ends with the guest here is followed by another one.
MOVED_LATER = Outcome("moved by a later attempt", "b", "b", ("done", "done"))

QUEUE = [
    (of_queue(HostLost("b")), {
        "attempt": MOVED.full, "prepare": MOVED_LATER.full, "transfer": MOVED_LATER,
        "completed": MOVED_LATER.full}),
    (of_queue(QemuKilled("b")), {"transfer": MOVED_LATER.full}),
    (of_queue(Killed("a")), {"attempt": MOVED.full, "transfer": MOVED.full}),
    (of_queue(Killed("ab")), {
        "attempt": MOVED.full, "offered": MOVED_LATER.full, "completed": MOVED.full}),
    (of_queue(DiskFull("a")), {"attempt": MOVED, "transfer": MOVED.full}),
    (of_queue(DiskFull("b")), {"attempt": MOVED.full}),
    (NoPlaceThere(), {"queued": MOVED_LATER.full}),
    (of_queue(Cut(*BOTH, 5)), {"attempt": MOVED.full, "last pass": MOVED_LATER.within(8).full}),
    (of_queue(Cut(*BOTH, 60)), {"transfer": MOVED_LATER.full}),
]

GROUPS = {"processes": PROCESSES, "coordinators": COORDINATORS, "hosts": HOSTS, "guest": GUEST,
          "network": NETWORK, "multifd": MULTIFD, "postcopy": POSTCOPY, "policy": POLICY,
          "disks": DISKS, "stopped": STOPPED, "tpm": TPM, "party": PARTY, "probe": PROBE,
          "queue": QUEUE, "evacuation": EVACUATION, "backup": BACKUP}
