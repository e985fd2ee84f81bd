# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of other hosts give way for those of a host that is emptied, if their hosts are told to."""
import os
import signal

from lib.api import Api, client_context
from lib.long_form import only_full
from lib.sturdy import Sturdy
from test_evacuation import STILL, EvacuationBase

CPUS = os.cpu_count()       # each host has room for twice as many vCPUs
NOBODY = "01a22bf1-4a2b-76da-a80e-535e716d2089"


class EvacuationRoomTest(Sturdy, EvacuationBase):
    """g0 takes a whole host; b has g1 and c has g2, each half of one."""

    def prepare(self):
        for host in self.world.hosts.values():
            self.configure(host, "" if host.id == "a" else "x, a")

    def configure(self, host, makes_room_for):
        allowed = {"makes_room_for": makes_room_for} if makes_room_for else {}
        host.write_config(host={"vcpus_per_core": 2, **allowed}, capacity={"ask_every_s": 1},
                          move={"outage_ping_min_ms": 0})

    def reload(self, host, makes_room_for):
        self.configure(host, makes_room_for)
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        self.eventually("the reload", lambda: (
            (done := host.api.get("/v1/host").get("reload")) and done["at"] != before
            and done["ok"]))

    def fill(self):
        self.guests = [self.world.guest("g0", area=0, memory_mib=32, vcpus=2 * CPUS),
                       self.world.guest("g1", area=0, memory_mib=32, vcpus=CPUS),
                       self.world.guest("g2", area=0, memory_mib=32, vcpus=CPUS)]
        for guest, host in zip(self.guests, (self.a, self.b, self.c)):
            guest.start(host, sweeps=0)

    def planned(self):
        """Who gives way by a plan, as soon as hosts tell what is so: (name, from, to)."""
        gives = self.eventually("somebody is to give way", lambda: next(
            (move for move in self.begin(dry_run=True, others_max=1)["plan"]["moves"]
             if move["makes_room"]), None))
        return gives["vm"], gives["from"], gives["to"]

    def rooms(self, evac):
        return [(room["vm"], room["from"], room["to"], room["state"])
                for room in self.now(evac)["rooms"]]

    def orders(self, name, host):
        return [entry for entry in host.api.items(f"/v1/queue?vm={name}")
                if entry["priority"] == "evacuation"]

    def round(self, point, side):
        """a is emptied of g0, and has it back, while one coordinator ends at a point."""
        name, source, to = self.planned()
        before = len(self.orders(name, self.world[source]))
        struck = self.a if side == "a" else self.world[source]
        struck.restart_with_fault(f"{point}:crash")
        evac = self.sturdy("the request", lambda: self.begin(others_max=1))
        self.eventually("the crash", lambda: self.crashes or not struck.is_up())
        if not struck.is_up():
            struck.start()
        drained = self.wait(evac, "drained")
        self.assertEqual(self.rooms(evac), [(name, source, to, "moved")], drained)
        homes = self.assert_all_run()
        self.assertEqual((homes["g0"].id, homes[name].id), (source, to))
        self.assertEqual([vm["host"] for vm in drained["vms"]], [source])
        orders = self.orders(name, self.world[source])
        self.assertEqual(len(orders), before + 1)
        self.assertEqual((orders[0]["state"], orders[0]["to"]), ("done", [to]))
        self.ask(evac, "return")
        self.wait(evac, "ended")
        self.assertIs(self.assert_all_run()["g0"], self.a)
        return evac, name, source, to

    @only_full
    def test_guest_of_another_host_gives_way_once_whatever_crashes(self):
        self.fill()
        for point, side in (("peer.send.room", "a"), ("api.peer.room", "other"),
                            ("api.answer.room", "other"), ("queue.moving", "other")):
            with self.subTest(point):
                _, name, source, to = self.round(point, side)
                self.world.move(next(g for g in self.guests if g.name == name), self.world[to],
                                self.world[source])

    def test_guest_of_another_host_gives_way_over_a_crash(self):
        self.fill()
        blocked = self.begin(dry_run=True)
        self.assertEqual((blocked["blocked_by"], blocked["rooms"]), ("g0", []))
        evac, name, source, to = self.round("peer.reply.room", "a")
        shown = self.a.migrctl("evacuation", "show", evac["id"]).stdout
        self.assertRegex(shown, rf"(?s)GIVES WAY +FROM +TO +STATE.*{name} +{source} +{to} +moved")

    def test_host_that_does_not_obey_is_done_without(self):
        self.fill()
        _, first, second = self.planned()
        for host in (self.b, self.c):
            self.reload(host, "x")
        evac = self.begin(others_max=1)
        why = self.wait_words(evac, "g0", "has not given way")["why"]
        self.assertIn("makes no room for host 'a': name that in the key makes_room_for", why)
        self.assertEqual([room["state"] for room in self.now(evac)["rooms"]], ["failed"])
        # They are asked again when somebody has seen to it; the first one still refuses.
        self.reload(self.world[second], "a")
        self.ask(evac, "pause")
        self.ask(evac, "resume")
        self.wait(evac, "drained")
        homes = self.assert_all_run()
        self.assertEqual(homes["g0"].id, second)
        self.assertEqual({homes["g1"].id, homes["g2"].id}, {first})
        self.assertEqual([room[1:] for room in self.rooms(evac)], [(second, first, "moved")])
        self.assertEqual(self.world[first].api.items("/v1/queue"), [])

    def test_order_of_another_host_is_taken_for_what_is_free_to_go(self):
        self.guests = [self.world.guest("g1", area=0, memory_mib=32)]
        self.guests[0].start(self.b, sweeps=0)
        self.b.api.post("/v1/vms", STILL | {"name": "still"})
        vms = self.b.vms()
        peers = {host.id: Api.with_certificate(self.b.address, self.b.api_port,
                                               client_context(host.dir)) for host in (self.a, self.c)}
        evac = NOBODY[:-1] + "a"

        def ask(name="g1", to="c", number=1, peer="a"):
            return peers[peer].call(
                "POST", f"/peer/v1/evacuations/{evac}/room",
                {"uuid": vms[name]["uuid"] if name in vms else name, "to": to, "number": number,
                 "give_up_s": 60}, headers={"Migrd-Protocol": "1"})

        def refused(status, code, words, **wish):
            error = self.assert_api_error(status, code, ask, **wish)
            self.assertIn(words, error.body["detail"])

        place = self.b.api.patch
        refused(403, "forbidden", "makes_room_for", peer="c", to="a")
        refused(404, "not-found", "has no VM", name=NOBODY)
        refused(409, "conflict", "moves no guest to host 'a'", to="a")
        refused(409, "conflict", "moves no guest to host 'nowhere'", to="nowhere")
        refused(409, "conflict", "does not run", name="still")
        place("/v1/vms/g1", {"placement": {"pins": ["b"]}})
        refused(409, "conflict", "is pinned to other hosts")
        place("/v1/vms/g1", {"placement": {"pins": None, "requires": {"disk": "ssd"}}})
        self.eventually("labels of c are known", lambda: self.b.api.get("/v1/capacity/c")["figures"])
        refused(409, "conflict", "lacks a label")
        place("/v1/vms/g1", {"placement": {"requires": None}})
        hold = self.b.api.post("/v1/holds", {"vm": "g1", "reason": "backup", "for_s": 600})
        refused(409, "conflict", "backup")
        self.b.api.call("DELETE", f"/v1/holds/{hold['id']}")
        entry = self.b.api.post("/v1/queue", {"vm": "g1", "to": ["c"],
                                              "hold": {"timeout_s": 600, "then": "cancel"}})
        self.eventually("it is held before its end", lambda: self.b.moves("?state=active"))
        refused(409, "conflict", "is being moved already")
        self.b.api.post(f"/v1/queue/{entry['id']}/cancel", timeout=60)
        self.eventually("it is free", lambda: not self.b.moves("?state=active"))

        # The same number is the same order, also when its guest has gone by it.
        order = ask()
        self.assertEqual(ask()["entry"], order["entry"])
        self.eventually("it is done", lambda: ask()["state"] == "done")
        self.assertEqual((ask()["entry"], ask()["final"]), (order["entry"], True))
        refused(404, "not-found", "has no VM", number=2)
        self.guests[0].assert_runs_on(self.c, sweeps=0)
