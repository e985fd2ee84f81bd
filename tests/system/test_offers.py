# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are offered to a host: when it takes, refuses or gives up the offer."""
from lib import settings
from lib.api import ApiError
from lib.world import SystemTest


class OfferTest(SystemTest):
    def restart_b(self, **move):
        self.b.kill9()
        self.b.write_config(move=move)
        self.b.start()

    # A slow move that goes on is not an idle offer, however long it takes.
    def test_slow_move_is_longer_than_the_offer_timeout_and_completes(self):
        self.restart_b(offer_timeout_ms=15000)
        guest = self.world.guest(area=40, rate=1)
        guest.start(self.a, sweeps=0)
        move = self.a.api.post("/v1/moves", {"vm": guest.name, "to": "b",
                                             "bandwidth_bytes_per_s": 1_000_000})
        path = f"/v1/moves/{move['id']}"
        # 1 MB/s, so that the move takes longer than the time-out.
        self.eventually("much of it is there",
                        lambda: self.a.api.get(path)["progress"]["ram_transferred_bytes"] > 17_000_000,
                        settings.seconds(80))
        self.a.api.call("PATCH", path, {"bandwidth_bytes_per_s": 0})
        self.eventually("the move has ended", lambda: self.a.api.get(path)["final"], 30)
        self.assertEqual("done", self.a.api.get(f"/v1/moves/{move['id']}")["state"])
        guest.assert_runs_on(self.b, sweeps=0)

    # An operator of the destination may refuse a guest before it has arrived: the move fails, and
    # the guest goes on where it was.
    def test_stop_of_a_guest_on_its_way_refuses_it(self):
        guest = self.world.guest(area=40, rate=1)
        guest.start(self.a, sweeps=0)
        move = self.a.api.post("/v1/moves", {"vm": guest.name, "to": "b",
                                             "bandwidth_bytes_per_s": 100_000})
        self.eventually("it is on its way",
                        lambda: any(m["id"] == move["id"] and m["state"] == "transfer"
                                    for m in self.b.moves()), 30)
        answer = self.b.api.post(f"/v1/vms/{guest.name}/stop", timeout=60)
        self.assertTrue(answer["cancelled"])
        self.assertEqual("a", answer["owner"])
        self.eventually("the move has ended", lambda: self.a.api.get(f"/v1/moves/{move['id']}")["final"],
                        settings.seconds(60))
        ended = self.a.api.get(f"/v1/moves/{move['id']}")
        self.assertEqual("failed", ended["state"])
        self.assertIn("cancelled on the destination", str(ended["error"]))
        guest.assert_runs_on(self.a, sweeps=0)
        self.assert_gone(self.b, guest.name)

    # One peer cannot fill this host with incoming guests.
    def test_more_offers_of_one_peer_than_allowed_are_refused(self):
        self.restart_b(offers_max=1)
        first, second = self.world.guest("one", area=0), self.world.guest("two", area=0)
        for guest in first, second:
            guest.start(self.a)
        slow = {"to": "b", "bandwidth_bytes_per_s": 100_000}
        self.a.api.post("/v1/moves", {"vm": first.name, **slow})
        self.eventually("it is on its way", lambda: first.name in self.b.vms())
        try:
            move = self.a.api.post("/v1/moves", {"vm": second.name, **slow})
            self.eventually("it is refused",
                            lambda: self.a.api.get(f"/v1/moves/{move['id']}")["final"], 60)
            text = str(self.a.api.get(f"/v1/moves/{move['id']}"))
        except ApiError as e:
            text = str(e)
        self.assertIn("offers_max", text)
        second.assert_runs_on(self.a, sweeps=0)
