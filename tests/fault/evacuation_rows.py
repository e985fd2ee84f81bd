# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said of each VM of a host that is emptied while a fault strikes."""
from evacuation_scene import Result
from faults import Stopped
from faults_evacuation import (CutForLong, Deleted, FillsUp, GivesNoWay, KilledForAMoment,
                               MovedByHand, OlderIsRefused, OlderMakesNoRoom, OlderStaysThere,
                               Pinned, PinnedInTheQueue, StalePlan, Started, Together)
from faults_host import DiskFull
from network import Cut

EMPTIED = Result("emptied, and filled again")
STARTED = Result("emptied, and filled again", {"still": "moved"}, {"still": "returned"})
DELETED = Result("emptied without it", {"still": "gone"}, {"still": "gone"})
NEW_GONE = Result("emptied, and filled again", {"new": "gone"}, {"new": "gone"})
BY_HAND = Result("it stays where it was moved", {"g0": "gone"}, {"g0": "gone"})
BOTH_OF_THEM = Result("emptied without what is gone", {"still": "gone", "g0": "gone"},
                      {"still": "gone", "g0": "gone"})
AWAY = Result("emptied, and it is said where they are", {}, {"g0": "away", "g1": "away"})
REFUSED = Result("refused, nothing has changed", refused=True)

A, B, AB = (KilledForAMoment(sides) for sides in ("a", "b", "ab"))
FULL_B = DiskFull("b")
CUT, CUT_FOR_LONG = Cut("both links", seconds=5), CutForLong("both links", seconds=60)

EVACUATION = [
    (A, {"planned": EMPTIED.full, "awaiting approval": EMPTIED.full, "draining": EMPTIED,
         "making room": EMPTIED, "drained": EMPTIED.full, "returning": EMPTIED.full}),
    (B, {"planned": EMPTIED.full, "awaiting approval": EMPTIED.full, "draining": EMPTIED.full,
         "making room": EMPTIED.full, "drained": EMPTIED.full, "returning": EMPTIED}),
    (AB, {"planned": EMPTIED, "awaiting approval": EMPTIED.full, "draining": EMPTIED.full,
          "making room": EMPTIED.full, "drained": EMPTIED.full, "returning": EMPTIED.full}),
    (GivesNoWay(), {"making room": EMPTIED.full}),
    (StalePlan(), {"awaiting approval": NEW_GONE}),
    (Pinned(), {"awaiting approval": EMPTIED.full}),
    (Started(), {"draining": STARTED.full, "drained": STARTED}),
    (Deleted(), {"drained": DELETED.full}),
    (MovedByHand(), {"awaiting approval": BY_HAND.full, "draining": BY_HAND.full}),
    (Together(Deleted(), MovedByHand()), {"draining": BOTH_OF_THEM}),
    (PinnedInTheQueue(), {"draining": EMPTIED.full}),
    (FillsUp(), {"draining": EMPTIED}),
    (FULL_B, {"awaiting approval": EMPTIED.full, "draining": EMPTIED.full, "returning": EMPTIED.full}),
    (CUT, {"draining": EMPTIED, "making room": EMPTIED.full, "returning": EMPTIED.full}),
    (Stopped("b"), {"making room": EMPTIED.full}),
    (CUT_FOR_LONG, {"draining": EMPTIED.full, "returning": EMPTIED.full}),
    (OlderStaysThere("the way back", "migrd/wire/peer_back.c"), {"drained": AWAY.full}),
    (OlderMakesNoRoom("room for others", "migrd/wire/peer_room.c"), {"asking": EMPTIED.full}),
    (OlderIsRefused("capacity", "migrd/capacity/capacity.c"), {"asking": REFUSED.full}),
]
