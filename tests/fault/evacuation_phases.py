# SPDX-License-Identifier: LGPL-2.1-or-later
"""States of an evacuation in which a fault strikes: enter() brings it there for certain."""
import os

from evacuation_scene import ROOM_CONFIG, ROOM_OPTIONS
from lib.world import World
from network import NetWorld
from phases import Phase
from scene import HELD


class Asked(Phase):
    """Nothing has been asked for yet."""

    def enter(self, s):
        pass


class Planned(Phase):
    """It is on disk, and the coordinator stands still before it begins."""

    def enter(self, s):
        s.a.restart_with_fault("evacuation.planned:hold")
        s.a.must_be_up = True
        s.begin_unanswered()
        s.wait_point(s.a, "evacuation.planned")

    def after(self, s):
        s.find()


class Waiting(Phase):
    """It waits for somebody who approves of it."""
    ends_with_fault = True

    def enter(self, s):
        s.begin(approval=True)
        s.reach("waiting")

    def release(self, s):
        s.ask("approve")


class Draining(Phase):
    """The memory of its guests is being sent, so slowly that it does not end."""
    ends_with_fault = True

    def enter(self, s):
        s.begin(move={"bandwidth_bytes_per_s": HELD})
        s.wait_held(s.a)

    def release(self, s):
        s.lift()


def room_world():
    """With a third host, which takes the guest that gives way; and with links that can be cut, where
    there is root."""
    ids = ("a", "b", "c")
    world = NetWorld(ids=ids) if os.geteuid() == 0 else World(ids)
    world["c"].write_config(**ROOM_CONFIG["c"])
    return world


class MakingRoom(Phase):
    """A guest of host b gives way, so slowly that it does not end; the one that found room there has
    moved."""
    ends_with_fault = True
    options = {**ROOM_OPTIONS, "make_world": room_world}

    def enter(self, s):
        s.configure(s.b, move={"bandwidth_bytes_per_s": HELD})
        s.begin(others_max=1)
        s.wait_other_held()
        s.wait("one has moved", lambda: s.now()["counts"]["moved"] == 1)

    def release(self, s):
        s.configure(s.b)
        s.lift()


class Drained(Phase):
    def enter(self, s):
        s.begin()
        s.reach("drained")


class Returning(Phase):
    """The guests come back, so slowly that it does not end."""
    ends_with_fault = True

    def enter(self, s):
        s.begin()
        s.reach("drained")
        s.configure(s.b, move={"bandwidth_bytes_per_s": HELD})
        s.ask("return")
        s.wait_held(s.b)

    def release(self, s):
        s.configure(s.b)
        s.lift()


EVACUATION_PHASES = {"asking": Asked(), "planned": Planned(), "awaiting approval": Waiting(),
                     "draining": Draining(), "making room": MakingRoom(), "drained": Drained(), "returning": Returning()}
