# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a host that is being emptied: what people do meanwhile, a destination without room,
one of an older version, a network that is away."""
import os
import pathlib
import re
import subprocess

from evacuation_scene import REACH_SECONDS, ROOM_CONFIG, ROOM_OPTIONS, STILL
from faults import Fault, Killed
from lib import settings
from lib.api import ApiError
from lib.world import World
from network import Cut


class KilledForAMoment(Killed):
    what = "killed, back soon"
    seconds, full_seconds = 1, 8


class CutForLong(Cut):
    """Before the link is back, it is said which host does not answer."""

    def mend(self, s):
        evac = s.now()
        if evac["state"] == "draining" and not re.search(r"\bb\b", evac["reason"]):
            raise AssertionError(f"it does not say which host is away: {evac}")
        super().mend(s)


# ---- what people do -------------------------------------------------------------------------

class Started(Fault):
    name = "a VM that was left there is started"
    options = {"still": True}

    def strike(self, s):
        s.a.api.post("/v1/vms/still/start", timeout=60)
        s.wait("it is seen", lambda: s.vm("still")["state"] != "left")

    def verify(self, s):
        s.a.api.post("/v1/vms/still/stop", timeout=60)


class Deleted(Fault):
    name = "a VM that was left there is deleted"
    options = {"still": True}

    def strike(self, s):
        s.a.api.delete("/v1/vms/still")
        words = s.wait_vm("still", "gone")["why"]
        if "deleted" not in words:
            raise AssertionError(f"it was deleted, and is said to be gone: {words}")

    def verify(self, s):
        s.a.api.post("/v1/vms", STILL)


class Pinned(Fault):
    """It waits, by its reason, until it may run elsewhere."""
    name = "a guest is pinned to this host, and no more later"

    def pin(self, s, hosts):
        s.a.api.patch("/v1/vms/g0", {"placement": {"pins": hosts}})

    def strike(self, s):
        self.pin(s, ["a"])
        s.ask("approve")
        blocked = s.wait_vm("g0", "blocked")
        if "pin" not in blocked["why"] + str(blocked["rejected"]):
            raise AssertionError(f"it is pinned, and is said to be blocked: {blocked}")

    def mend(self, s):
        self.pin(s, None)


class PinnedInTheQueue(Pinned):
    """Another guest is being moved, and its entry waits."""
    name = "a guest whose turn has not come is pinned to this host, and no more later"
    options = {"at_once": 1, "config": {"queue": {"out_max": 1}}}

    def strike(self, s):
        self.guest = s.wait("one that waits", lambda: next(
            vm["vm"] for vm in s.now()["vms"] if vm["state"] == "queued"))
        self.pin(s, ["a"])
        s.lift()
        blocked = s.wait_vm(self.guest, "blocked", "moving", "moved")
        if blocked["state"] != "blocked" or "pinned" not in blocked["why"]:
            raise AssertionError(f"it is pinned, and {blocked}")

    def pin(self, s, hosts):
        s.a.api.patch(f"/v1/vms/{self.guest}", {"placement": {"pins": hosts}})


class MovedByHand(Fault):
    """A user cancels its entry, and moves it himself."""
    name = "a guest is moved by hand"

    def strike(self, s):
        entry = s.vm("g0")["entry"]
        if entry:
            s.a.api.post(f"/v1/queue/{entry}/cancel", timeout=60)
            s.wait_vm("g0", "blocked")
        s.world.move(s.guests[0], s.a, s.b)
        s.wait_vm("g0", "gone")

    def verify(self, s):
        """It stays where it was brought; then it is brought back."""
        s.world.move(s.guests[0], s.b, s.a)


class Together(Fault):
    """Each of some faults, at once."""

    def __init__(self, *faults):
        self.faults = faults
        self.name = "; ".join(fault.name for fault in faults)
        self.options = {name: value for fault in faults for name, value in fault.options.items()}

    def strike(self, s):
        for fault in self.faults:
            fault.strike(s)

    def mend(self, s):
        for fault in self.faults:
            fault.mend(s)

    def verify(self, s):
        for fault in self.faults:
            fault.verify(s)


class StalePlan(Fault):
    """What was approved of is not what would be done now."""
    name = "the plan is stale when it is approved of"

    def strike(self, s):
        self.state_id = s.now()["plan"]["state_id"]
        s.a.api.post("/v1/vms", {**STILL, "name": "new"})
        try:
            s.ask("approve", state_id=self.state_id)
        except ApiError as error:
            if error.code != "conflict" or "stale" not in error.body["detail"]:
                raise
        else:
            raise AssertionError("a stale plan was approved of")
        if s.now()["approved"] or s.now()["state"] != "waiting":
            raise AssertionError(f"it goes on: {s.now()}")
        s.wait("the new VM is among them", lambda: any(vm["vm"] == "new" for vm in s.now()["vms"]))

    def mend(self, s):
        s.a.api.delete("/v1/vms/new")
        s.ask("approve", state_id=self.state_id)


# ---- destinations ------------------------------------------------------------------------------

class FillsUp(Fault):
    """A user starts another guest on the destination, so that the second guest has no room there."""
    name = "destination fills up, room again later"
    cpus = os.cpu_count()
    options = {"at_once": 1, "vcpus": cpus,
               "config": {"queue": {"out_max": 1}, "host": {"vcpus_per_core": 2}}}

    def strike(self, s):
        self.other = s.world.guest(f"other-{len(s.world.guests)}", area=0, memory_mib=32,
                                   vcpus=self.cpus)
        self.other.start(s.b, sweeps=0)
        s.lift()
        blocked = s.wait("one is blocked for want of room", lambda: next(
            (vm for vm in s.now()["vms"] if vm["state"] == "blocked"), None))
        if "vCPU" not in blocked["why"] + str(blocked["rejected"]):
            raise AssertionError(f"there is no room, and it is said to be blocked: {blocked}")

    def mend(self, s):
        s.b.api.post(f"/v1/vms/{self.other.name}/stop", timeout=60)
        s.b.api.delete(f"/v1/vms/{self.other.name}")


class GivesNoWay(Fault):
    """A user of its host cancels the order, and moves it himself later."""
    name = "the order of a guest that gives way is cancelled"

    def strike(self, s):
        entry, = (one for one in s.b.api.items("/v1/queue?state=active") if one["vm"] == "other")
        s.b.api.post(f"/v1/queue/{entry['id']}/cancel", timeout=60)
        room = s.wait("it is seen", lambda: next(
            (one for one in s.now()["rooms"] if one["state"] == "failed"), None))
        blocked = s.wait("one is blocked for want of room", lambda: next(
            (vm for vm in s.now()["vms"] if vm["state"] == "blocked"), None))
        if "cancelled" not in room["why"] or "VM 'other' on host 'b'" not in blocked["why"]:
            raise AssertionError(f"it has not given way, and is said: {room}, {blocked}")

    def mend(self, s):
        s.configure(s.b)
        s.world.move(s.other, s.b, s.world["c"])


class OlderWorld(World):
    """Host b has the programs of the version before the one that has FILE first."""
    script = settings.SOURCE_DIR / "tests/older"

    def __init__(self, file, ids=("a", "b")):
        super().__init__(ids)
        done = subprocess.run([self.script, file], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            self.remove()
            raise AssertionError(f"no older version: {done.stderr}")
        self["b"].be_older(pathlib.Path(done.stdout.strip()))


class Older(Fault):
    def __init__(self, what, file):
        self.name = f"destination of a version without {what}"
        self.options = {"make_world": lambda: OlderWorld(file)}

    def strike(self, s):
        pass


class OlderStaysThere(Older):
    """It takes the guests, and cannot be asked for them: it is said where they are, and a move by
    hand brings them."""

    def verify(self, s):
        for guest in s.guests:
            words = s.vm(guest.name)["why"]
            if "stays on host 'b'" not in words:
                raise AssertionError(f"{guest.name} has not come back: {words}")
            s.world.move(guest, s.b, s.a)


class OlderIsRefused(Older):
    """Nobody knows what it has room for."""

    def strike(self, s):
        def is_refused():
            try:
                s.begin()
            except ApiError as error:
                return error.code == "conflict" and "no other host takes guests: 'b'" in \
                    error.body["detail"]
            raise AssertionError("it was begun")
        s.wait("the refusal", is_refused, REACH_SECONDS)


class OlderRoomWorld(OlderWorld):
    """The same, with a third host; b takes only the keys of its version."""

    def __init__(self, file):
        super().__init__(file, ("a", "b", "c"))
        self["c"].write_config(**ROOM_CONFIG["c"])
        write = self["b"].write_config
        self["b"].write_config = lambda host=None, **sections: write(
            host={key: value for key, value in (host or {}).items() if key != "makes_room_for"},
            **sections)


class OlderMakesNoRoom(Older):
    """It cannot be asked to move a guest of its own, which a user does then."""

    def __init__(self, what, file):
        super().__init__(what, file)
        self.options = {**ROOM_OPTIONS, "make_world": lambda: OlderRoomWorld(file)}

    def strike(self, s):
        s.begin(others_max=1)
        room = s.wait("it is seen", lambda: next(
            (one for one in s.now()["rooms"] if one["state"] == "failed"), None))
        if "upgrade it to" not in room["why"]:
            raise AssertionError(f"its host is older, and is said: {room}")

    def mend(self, s):
        s.world.move(s.other, s.b, s.world["c"])
