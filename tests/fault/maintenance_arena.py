# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both hosts are maintained, one after the other, under faults: the host beside the guest's, and
then the guest's own, which conducts it.  The hook restarts the coordinator of its host.  In the end
the guest is where it was, each hook has run once, and nothing is left of it."""
import contextlib
import dataclasses
import http.client

from arena import Arena, CaseFailed
from lib import keeper
from lib.api import ApiError

FINAL_SECONDS = 120     # a step that a crash has interrupted is asked for again after some seconds
CLEAN_SECONDS = 60      # the whole run, if the crash was at its begin


class MaintenanceArena(Arena):
    def __init__(self, _way):
        self.seen_maintenances = set()
        self.seen_evacuations = set()
        self.restarts_before = {}
        super().__init__("precopy")
        self.way = dataclasses.replace(self.way, clean_seconds=CLEAN_SECONDS)
        self.final_seconds = FINAL_SECONDS
        for host in (self.a, self.b):
            host.kill9()
            host.write_config(maintenance={"conductors": "a, b"},
                              **keeper.restart_hook(host, self.world.dir))
            self.spawn(host)
            self.wait_ready(host)
            host.must_be_up = True

    # ---- coordinators ---------------------------------------------------------------

    def spawn(self, host, plan=None):
        super().spawn(host, plan)
        keeper.note_pid(host)

    def has_crashed(self, host):
        """One that was ended in order is started again, as a service is."""
        if host.process.poll() == 0:
            host.spawn()
            keeper.note_pid(host)
        return super().has_crashed(host)

    # ---- the run -----------------------------------------------------------------

    def ask_to_move(self, record):
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                self.here.api.post("/v1/maintenances", {
                    "hosts": [self.there.id, self.here.id], "hook": "restart", "why": "walk"},
                    timeout=20)
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def new_maintenances(self):
        return [one for one in self.here.api.items("/v1/maintenances")
                if one["id"] not in self.seen_maintenances]

    def new_evacuations(self, host):
        return [one for one in host.api.items("/v1/evacuations")
                if one["id"] not in self.seen_evacuations]

    def active(self, host):
        """Also maintenances and evacuations."""
        self.has_crashed(host)
        moves = super().active(host)
        if moves is None:
            return None
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                found = self.new_evacuations(host)
                if host is self.here:
                    found += self.new_maintenances()
                return moves + [one for one in found if not one["final"]]
            except ApiError:
                pass
        return None

    # ---- what must hold ---------------------------------------------------------------

    def records_agree(self, record, host):
        if record.move_id:      # a move alone, after the case
            super().records_agree(record, host)
            return
        found = [self.here.api.get(f"/v1/maintenances/{one['id']}")
                 for one in self.new_maintenances()]
        if len(found) > 1:
            raise CaseFailed(f"maintenances: {found}")
        if host is not self.here:
            raise CaseFailed(f"the guest is on {host}: {found}")
        record.outcome = found[0]["state"] if found else "none"
        ran = {one.id: keeper.restarts(one) - self.restarts_before[one.id]
               for one in (self.a, self.b)}
        states = {one["host"]: one["state"] for one in found[0]["hosts"]} if found else {}
        if found and (record.outcome != "done" or set(states.values()) != {"done"}):
            raise CaseFailed(f"it ended as {record.outcome}, with {states}: {found}")
        if set(ran.values()) != {1 if found else 0}:
            raise CaseFailed(f"hooks have run {ran} times: {found}")
        self.evacuations_agree(found)

    def evacuations_agree(self, maintenances):
        """Each host was emptied once; no cordon is left, and the guest has gone once and come
        back."""
        for one in (self.a, self.b):
            evacuations = self.new_evacuations(one)
            if len(evacuations) != len(maintenances):
                raise CaseFailed(f"evacuations of {one}: {evacuations}")
            shown = one.api.get("/v1/host")
            if shown["cordoned"]:
                raise CaseFailed(f"{one} is cordoned: {shown['cordons']}")
        done = [m for h in (self.a, self.b) for m in h.moves()
                if self.is_new(m) and m["kind"] == "MIGRATION_OUT" and m["state"] == "done"]
        if len(done) != 2 * len(maintenances):
            raise CaseFailed(f"{len(done)} moves: {done}")

    def queue_is_right(self, record):
        entries = [e for h in (self.a, self.b) for e in h.api.items("/v1/queue?state=active")]
        if entries:
            raise CaseFailed(f"entries are left: {entries}")

    def cancel_is_remembered(self, record):
        """Nobody cancels."""

    def remember_moves(self):
        super().remember_moves()
        self.seen_maintenances = {m["id"] for h in (self.a, self.b)
                                  for m in h.api.items("/v1/maintenances")}
        self.seen_evacuations = {e["id"] for h in (self.a, self.b)
                                 for e in h.api.items("/v1/evacuations")}
        self.restarts_before = {h.id: keeper.restarts(h) for h in (self.a, self.b)}
