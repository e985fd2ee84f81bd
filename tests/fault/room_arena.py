# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is emptied of its guest, and the other host has room for it only when a guest of its own has
given way to a third one, under faults."""
import os
import time

from arena import POLL_SECONDS, CaseFailed
from evacuation_arena import FINAL_SECONDS, EvacuationArena
from lib import procs, settings

CPUS = os.cpu_count()       # each host has room for twice as many vCPUs


class RoomArena(EvacuationArena):
    host_ids = ("a", "b", "c")
    wish = {"why": "walk", "others_max": 1}

    def __init__(self, way):
        self.other = None
        super().__init__(way, vcpus=2 * CPUS, placement={"pins": ["a", "b"]})
        self.c = self.world["c"]
        for host in (self.a, self.b, self.c):
            host.kill9()
            host.write_config(host={"vcpus_per_core": 2, "makes_room_for": "a, b"},
                              capacity={"ask_every_s": 1})
            self.spawn(host)
            self.wait_ready(host)
            host.must_be_up = True
        self.other = self.world.guest("other", area=0, memory_mib=32, vcpus=CPUS)
        self.other.start(self.there, sweeps=0)

    def home_of_other(self):
        found = [host for host in (self.a, self.b, self.c)
                 if host.vms().get("other", {}).get("state") == "running"]
        if len(found) != 1:
            raise CaseFailed(f"{len(found)} hosts run the one that gives way: {found}")
        return found[0]

    def bring_other(self, host):
        home = self.home_of_other()
        if home is not host:
            self.world.move(self.other, home, host)

    def active(self, host):
        found = super().active(host)
        moves = host is self.there and self.c.moves("?state=active")
        return found + moves if found is not None and moves else found

    # ---- what must hold ---------------------------------------------------------------

    def moves_agree(self):
        """It has given way by one order at most, and what is said of it is so."""
        home = self.home_of_other()
        done = [entry for entry in self.there.api.items("/v1/queue?vm=other")
                if entry["id"] not in self.seen_entries and entry["state"] == "done"]
        for one in self.new_evacuations():
            rooms = self.here.api.get(f"/v1/evacuations/{one['id']}")["rooms"]
            states = [room["state"] for room in rooms]
            wanted = ("moved", "left") if home is self.c else ("failed", "left")
            if len(done) != (home is self.c) or len(states) > 1 or \
                    any(state not in wanted for state in states):
                raise CaseFailed(f"it is on {home} by the orders {done}, and of it is said {rooms}")
        self.other.assert_runs_on(home, sweeps=0)
        out = [m for m in self.here.moves()
               if self.is_new(m) and m["kind"] == "MIGRATION_OUT" and m["state"] == "done"]
        if len(out) > 1:
            raise CaseFailed(f"{len(out)} moves: {out}")

    def leftovers(self, host, vm):
        """Nothing of it is left but on the host that runs it."""
        other = host.vms().get("other", {})
        if other.get("state") != "running":
            return super().leftovers(host, vm)
        ours = [other["uuid"]]
        if other["pid"]:
            ours.append(f"process {procs.describe(other['pid'])}")
        return [name for name in super().leftovers(host, vm)
                if not any(mine in name for mine in ours)]

    # ---- from case to case ------------------------------------------------------------

    def move_on(self):
        self.bring_other(self.c)
        super().move_on()

    def next_case(self):
        self.bring_other(self.there)
        deadline = time.monotonic() + settings.seconds(FINAL_SECONDS)
        while any(self.active(host) for host in (self.a, self.b)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        super().next_case()
