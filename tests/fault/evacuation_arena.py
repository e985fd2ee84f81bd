# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that is emptied of its guest, under faults; then the guest stays where it is, or returns.
What the evacuation says of its guest must be so, whatever crashes, and when it has ended nothing of
it is left: no entry in a queue, and no cordon."""
import contextlib
import dataclasses
import http.client

from arena import Arena, CaseFailed
from lib.api import ApiError

FINAL_SECONDS = 60      # a coordinator that was away costs a back-off of each side
CLEAN_SECONDS = 30


class EvacuationArena(Arena):
    """WAY is "evacuated", after which the guest stays there, or "evacuated-back"."""

    wish = {"why": "walk"}

    def __init__(self, way, **guest_options):
        self.comes_back = way == "evacuated-back"
        self.seen_evacuations = set()
        super().__init__("precopy", **guest_options)
        self.way = dataclasses.replace(self.way, clean_seconds=CLEAN_SECONDS)
        self.final_seconds = FINAL_SECONDS

    # ---- the run -----------------------------------------------------------------

    def ask_to_move(self, record):
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                self.here.api.post("/v1/evacuations", self.wish, timeout=20)
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def new_evacuations(self):
        return [one for one in self.here.api.items("/v1/evacuations")
                if one["id"] not in self.seen_evacuations]

    def active(self, host):
        """Also evacuations; one that has drained its host is told what comes next."""
        moves = super().active(host)
        if moves is None or host is not self.here:
            return moves
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                open_ones = [one for one in self.new_evacuations() if not one["final"]]
                for one in open_ones:
                    self.step(one)
                return moves + open_ones
            except ApiError:
                pass
        return None

    def step(self, evacuation):
        if evacuation["state"] != "drained" or evacuation["ending"]:
            return
        vm = self.here.vms().get(self.guest.name)
        if vm:
            raise CaseFailed(f"the host is said to be drained, and has {vm}")
        self.here.api.post(f"/v1/evacuations/{evacuation['id']}/return",
                           {"vms": "back" if self.comes_back else "stay"}, timeout=5)

    # ---- what must hold ---------------------------------------------------------------

    def records_agree(self, record, host):
        if record.move_id:      # a move alone, after the case
            super().records_agree(record, host)
            return
        found = [self.here.api.get(f"/v1/evacuations/{one['id']}") for one in self.new_evacuations()]
        if len(found) > 1:
            raise CaseFailed(f"evacuations: {found}")
        record.outcome = found[0]["state"] if found else "none"
        if not found:
            wanted, words = self.here, None
        elif self.comes_back:
            wanted, words = self.here, ["returned"]
        else:
            wanted, words = self.there, ["moved"]
        said = [vm["state"] for vm in found[0]["vms"]] if found else None
        if host is not wanted or said != words or record.outcome not in ("ended", "none"):
            raise CaseFailed(f"the guest is on {host}, and of it is said {said}: {found}")
        self.moves_agree()

    def moves_agree(self):
        """No move is lost or open, and the guest has left and come back no more often than asked."""
        done = [m for h in (self.a, self.b) for m in h.moves()
                if self.is_new(m) and m["kind"] == "MIGRATION_OUT" and m["state"] == "done"]
        if len(done) > (2 if self.comes_back else 1):
            raise CaseFailed(f"{len(done)} moves: {done}")

    def queue_is_right(self, record):
        entries = [e for h in (self.a, self.b) for e in h.api.items("/v1/queue?state=active")]
        if entries:
            raise CaseFailed(f"entries are left: {entries}")

    def cancel_is_remembered(self, record):
        """Nobody cancels."""

    def remember_moves(self):
        super().remember_moves()
        self.seen_evacuations = {e["id"] for h in (self.a, self.b)
                                 for e in h.api.items("/v1/evacuations")}
