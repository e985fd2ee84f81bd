# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that is emptied of its guests while a fault strikes, and then gets them back; and what must
hold whatever the fault was."""
import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import sqlite3
import threading
import time

from lib import procs, settings
from lib.world import World
from scene import CLEAN_SECONDS, HELD, NOBODY, Scene

# It asks again after up to a minute, when it has failed for so long.
REACH_SECONDS = 150
GUEST = {"area": 4, "static": 4, "rate": 4, "memory_mib": 48, "period": 20}
CPUS = os.cpu_count()       # where others give way, each host has room for twice as many vCPUs
ROOM_CONFIG = {"a": {"host": {"vcpus_per_core": 2, "makes_room_for": "a"},
                     "capacity": {"ask_every_s": 1}},
               "c": {"host": {"vcpus_per_core": 2}}}
ROOM_OPTIONS = {"gives_way": True, "vcpus": CPUS, "placement": {"pins": ["a", "b"]},
                "config": ROOM_CONFIG["a"]}
STILL = {"name": "still", "memory_mib": 32, "machine": "pc-q35-7.2", "accel": "tcg"}


@dataclasses.dataclass(frozen=True)
class Result:
    """What must be said of the VMs: {VM: state} of those of which it is something else than `moved'
    when the host is drained, and `returned' at the end."""
    words: str
    drained: dict = dataclasses.field(default_factory=dict)
    ended: dict = dataclasses.field(default_factory=dict)
    refused: bool = False       # there is no evacuation, and nothing has changed
    row: str = ""
    only_full: bool = False
    long: None = None

    @property
    def full(self):
        return dataclasses.replace(self, only_full=True)


class EvacuationScene(Scene):
    """Host a is emptied, b takes its guests g0 and g1.  Good for many cases, one after another."""

    def __init__(self, full=False, make_world=World, config=None, at_once=2, still=False,
                 gives_way=False, **guest_options):
        """AT_ONCE: so many move at once.  STILL: a has a VM that does not run, too, which is left
        there.  GIVES_WAY: b has a guest, too, which has to go to c before both have room."""
        self.config = config or {}
        self.at_once, self.wish = at_once, {"stopped": "leave"} if still else {}
        self.open_world(full, make_world, config=self.config)
        self.guests = [self.world.guest(f"g{i}", **{**GUEST, **guest_options}) for i in range(2)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda guest: guest.start(self.a, sweeps=0), self.guests))
        if still:
            self.a.api.post("/v1/vms", STILL)
        self.other = None
        if gives_way:
            self.other = self.world.guest("other", area=0, memory_mib=32, vcpus=CPUS)
            self.other.start(self.b, sweeps=0)
        self.seen = set()
        self.next_case()

    def next_case(self):
        self.seen |= {one["id"] for one in self.a.api.items("/v1/evacuations")}
        self.id = None
        self.is_emptied = True      # what has moved stays away
        self.fault_at = self.healed_at = None
        self.hold.touch()
        if self.other and self.b.vms().get("other", {}).get("state") != "running":
            self.world.move(self.other, self.world["c"], self.b)
        for host in self.hosts:
            self.points_path(host).write_bytes(b"")     # a running daemon has it open
        for guest in self.guests:
            guest.console.forget()

    # ---- what is asked for ---------------------------------------------------------

    def begin(self, **wish):
        self.id = self.a.api.post("/v1/evacuations", {**self.wish, **wish})["id"]

    def begin_unanswered(self):
        def ask():
            with contextlib.suppress(*NOBODY):
                self.a.api.post("/v1/evacuations", self.wish)
        threading.Thread(target=ask, daemon=True).start()

    def find(self):
        """The one of a request that was not answered."""
        self.id = self.wait("the evacuation", lambda: next(
            (one["id"] for one in self.a.api.items("/v1/evacuations")
             if one["id"] not in self.seen), None))

    def ask(self, what, **wish):
        self.is_emptied = what != "return"
        return self.a.api.post(f"/v1/evacuations/{self.id}/{what}", wish)

    def now(self):
        return self.a.api.get(f"/v1/evacuations/{self.id}")

    def vm(self, name):
        """What is said of a VM."""
        return next(vm for vm in self.now()["vms"] if vm["vm"] == name)

    def wait_vm(self, name, *states):
        return self.wait(f"{name} is {' or '.join(states)}",
                         lambda: (vm := self.vm(name))["state"] in states and vm)

    def configure(self, host, **sections):
        """Takes over another configuration: SECTIONS, and what it was begun with."""
        host.write_config(**{name: {**self.config.get(name, {}), **sections.get(name, {})}
                             for name in {*self.config, *sections}})
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        answer = self.wait("the reload", lambda: (
            (found := host.api.get("/v1/host").get("reload")) and found["at"] != before and found))
        if not answer["ok"]:
            raise AssertionError(f"{host}: {answer}")

    # ---- moves that do not end by themselves --------------------------------------------

    def moves_out(self, host):
        return [move for move in host.moves("?state=active") if move["kind"] == "MIGRATION_OUT"]

    def wait_held(self, host):
        """Until the guests' memory is being sent."""
        self.wait("memory on its way", lambda: sum(
            move["state"] == "transfer"
            and (move.get("progress") or {}).get("ram_transferred_bytes", 0) > 0
            for move in self.moves_out(host)) == self.at_once)

    def wait_other_held(self):
        self.wait("the one that gives way is on its way", lambda: any(
            move["vm"] == "other" and move["state"] == "transfer" for move in self.moves_out(self.b)))

    def lift(self):
        """Moves have no limit any more: also a later attempt has that of the first one."""
        for host in self.hosts:
            with contextlib.suppress(*NOBODY):
                for move in self.moves_out(host):
                    if move["options"]["bandwidth_bytes_per_s"]:
                        host.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})

    # ---- how it goes on --------------------------------------------------------------------

    def reach(self, *states, lifts=True):
        """Waits until it is in one of STATES.  At each look it says of what has moved, and of
        what is blocked, what is so."""
        def look():
            if lifts:
                self.lift()
            evac = self.now()
            self.assert_said(evac)
            if evac["final"] and evac["state"] not in states:
                raise AssertionError(f"has ended: {evac}")
            return evac if evac["state"] in states else None
        return self.wait(f"the evacuation is {' or '.join(states)}", look, REACH_SECONDS, 0.05)

    def states(self):
        with contextlib.suppress(*NOBODY):
            return [(one["id"], one["state"], one["reason"])
                    for one in self.a.api.items("/v1/evacuations") if one["id"] not in self.seen]
        return "no answer"

    # ---- what must hold -------------------------------------------------------------------

    def assert_said(self, evac):
        """A word of a VM that has moved stays true until it is asked back; one that is blocked has a
        reason, and the evacuation names one of them."""
        names = [vm["vm"] for vm in evac["vms"] if vm["state"] in ("blocked", "held")]
        mute = [vm for vm in evac["vms"] if vm["state"] in ("blocked", "held") and not vm["why"]]
        if mute or (names and evac["state"] == "draining" and
                    not (evac["blocked_by"] in names and evac["reason"])):
            raise AssertionError(f"it does not say why it waits: {evac}")
        moved = {vm["vm"] for vm in evac["vms"] if vm["state"] == "moved"}
        if not self.is_emptied or not moved:
            return
        here = self.a.vms()
        wrong = [name for name in moved if name in here and here[name]["state"] != "was-here"]
        if wrong:
            raise AssertionError(f"{wrong} are said to have moved, and are host a's")

    def records(self, host):
        """{name: (role, elsewhere)} of the ownership records on HOST's disk."""
        copy = self.world.dir / f"records-{host.id}.db"
        copy.unlink(missing_ok=True)
        host.migrctl("backup", copy)
        with contextlib.closing(sqlite3.connect(copy)) as db:
            return {name: (role, elsewhere) for name, role, elsewhere in
                    db.execute("SELECT name, role, elsewhere FROM vm")}

    def assert_right(self, evac, others, usual):
        """Of each VM is said what must be, and what the records of both hosts say; each guest runs in
        that one place."""
        said = {vm["vm"]: vm["state"] for vm in evac["vms"]}
        wanted = {name: "left" if name == STILL["name"] else usual for name in said} | others
        if said != wanted:
            raise AssertionError(f"said of the VMs: {said}, not {wanted}: {evac}")
        self.wait_left(lambda: list(self.wrong_owners(evac)))
        if self.other:
            self.assert_other_right(evac)
        places = {vm["vm"]: self.world[vm["host"]] for vm in evac["vms"] if vm["host"]}
        for guest in self.guests:
            self.assert_runs(guest, places[guest.name])

    def wrong_owners(self, evac):
        """Of each VM that is not its host's, by the records of both."""
        records = {host.id: self.records(host) for host in self.hosts}
        for vm in evac["vms"]:
            owners = [host for host, found in records.items()
                      if found.get(vm["vm"], ("", ""))[0] not in ("", "former")]
            is_deleted = vm["state"] == "gone" and not vm["host"]
            if owners != ([] if is_deleted else [vm["host"]]):
                yield f"{vm} is of {owners}, by their records: {records}"

    def assert_other_right(self, evac):
        """It has given way, once, by its host's records too."""
        said = [(room["vm"], room["from"], room["to"]) for room in evac["rooms"]]
        moved = [move for move in self.b.moves("?vm=other")
                 if move["kind"] == "MIGRATION_OUT" and move["state"] == "done"]
        homes = [host.id for host in self.world.hosts.values()
                 if host.vms().get("other", {}).get("state") == "running"]
        if homes != ["c"] or said != [("other", "b", "c")]:
            raise AssertionError(f"who gives way is on {homes}, by {moved}: {evac['rooms']}")
        self.other.assert_runs_on(self.world["c"], sweeps=0)

    def assert_runs(self, guest, host):
        console = guest.console
        life, _ = console.wait_line(20, host.id)
        self.wait(f"{guest.name} runs on {host} as {life.pid}, as the console says", lambda: (
            (vm := guest.vm(host))["state"] == "running" and life.pid == vm["pid"]))
        console.assert_single_runner()
        console.assert_counter_never_back()
        console.assert_memory_right()

    def settle(self, result):
        """Waits until the host is drained, has its guests back, and nothing is left; returns the
        seconds from the fault's end until it was drained (or had them back)."""
        if result.refused:
            self.assert_untouched()
            return time.monotonic() - self.healed_at
        was_drained = not self.is_emptied
        if not was_drained:
            evac = self.reach("drained")
            took_s = time.monotonic() - self.healed_at
            self.assert_right(evac, result.drained, "moved")
            self.ask("return")
        evac = self.reach("ended")
        if was_drained:
            took_s = time.monotonic() - self.healed_at
        self.assert_right(evac, result.ended, "returned")
        self.assert_left_nothing()
        return took_s

    def assert_untouched(self):
        if self.states():
            raise AssertionError(f"there is an evacuation: {self.states()}")
        for guest in self.guests:
            self.assert_runs(guest, self.a)
        self.assert_left_nothing()

    def leftovers(self):
        left = []
        for host in self.hosts:
            pids = [vm["pid"] for vm in host.vms().values() if vm["pid"]]
            left += [f"process {procs.describe(pid)}" for pid in host.children() if pid not in pids]
            left += [f"{host.run_dir}/moves/{name}" for name in os.listdir(host.run_dir / "moves")]
            left += [f"entry {entry}" for entry in host.api.items("/v1/queue?state=active")]
            left += [f"move {move}" for move in host.moves("?state=active")]
            left += [f"cordon {cordon}" for cordon in host.api.get("/v1/host")["cordons"]]
        return left

    def assert_left_nothing(self):
        self.wait_left(self.leftovers)

    def stall_s(self):
        return max((after - before for guest in self.guests for before, after in self.gaps(guest)),
                   default=0.0)
