# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hosts have room for, as they tell each other."""
import json

from lib.api import ApiError
from lib.world import SystemTest

INTERVAL = 1    # seconds


class CapacityTest(SystemTest):
    host_ids = ("a", "b", "c")

    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(capacity={"ask_every_s": INTERVAL},
                              host={"rack": f"r-{host.id}", "labels": f"zone={host.id},disk=ssd",
                                    "vcpus_per_core": 1000, "memory_reserve_mib": 32})

    def hosts(self):
        return {item["id"]: item for item in self.a.api.items("/v1/capacity")}

    def test_hosts_tell_what_they_have_and_one_that_is_away_is_offline(self):
        c = self.world["c"]
        guest = self.world.guest("g1", area=0, period=1000, memory_mib=64,
                                 placement={"group": "web", "requires": {"disk": "ssd"}})
        guest.create(self.b)
        self.eventually("b has no guest that runs", lambda: (
            self.hosts()["b"].get("figures") or {}).get("guests") == 0)
        self.b.api.post("/v1/vms/g1/start")

        def guests_of_b():
            return self.a.api.get("/v1/capacity/b")["vms"]

        # What is heard first may be of the moment in which its QEMU started.
        self.eventually("b's guest is heard of, and may be moved",
                        lambda: [vm["movable"] for vm in guests_of_b()] == [True])
        self.eventually("all are online", lambda: {
            host["state"] for host in self.hosts().values()} == {"online"})
        found = self.hosts()
        self.assertEqual(list(found), ["a", "b", "c"])
        figures = found["b"]["figures"]
        self.assertEqual((figures["rack"], figures["labels"]),
                         ("r-b", {"zone": "b", "disk": "ssd"}))
        self.assertEqual((figures["memory_mib"]["guests"], figures["vcpus"],
                          figures["limits"]["vcpus_per_core"]), (64, 1, 1000))
        self.assertGreaterEqual(figures["memory_mib"]["reserved"], 32)
        self.assertLess(figures["memory_mib"]["reserved"], figures["memory_mib"]["total"])
        self.assertGreater(figures["memory_mib"]["available"], 0)
        self.assertGreater(figures["load"], 0)
        vms = guests_of_b()
        self.assertEqual([(vm["name"], vm["uuid"], vm["movable"], vm["placement"]) for vm in vms],
                         [("g1", guest.uuid, True,
                           {"group": "web", "requires": {"disk": "ssd"}})])
        self.assertGreater(vms[0]["forecast_bytes"], 0)

        c.kill9()
        away = self.eventually("c is offline",
                               lambda: (found := self.hosts()["c"])["state"] == "offline" and found)
        self.assertIn("trouble", away)
        self.assertGreater(away["age_ms"], 3000 * INTERVAL)     # what it told last is still shown
        self.assertEqual(away["figures"]["rack"], "r-c")
        shown = self.a.migrctl("host", "list").stdout
        self.assertRegex(shown, r"\nb +online .* 1 on \d+ ")
        self.assertRegex(shown, r"\nc +offline .*host c at")
        listed = json.loads(self.a.migrctl("host", "list", "-o", "json").stdout)
        self.assertEqual([item["id"] for item in listed["items"]], ["a", "b", "c"])
        metrics = self.b.api.send("GET", "/metrics")[2].decode()
        self.assertIn("\nmigrd_host_guests 1\n", metrics)
        self.assertIn(f'\nmigrd_host_memory_bytes{{kind="guests"}} {64 << 20}\n', metrics)

        c.start()
        self.eventually("c is back", lambda: self.hosts()["c"]["state"] == "online")
        with self.assertRaises(ApiError) as caught:
            self.a.api.get("/v1/capacity/nobody")
        self.assertEqual(caught.exception.status, 404)

        self.b.migrctl("vm", "place", "g1", "requires.disk-", "forbids.zone=c", "priority=3",
                       "pins=a,b", "on_evacuation=restart")
        with self.assertRaises(ApiError) as caught:
            self.b.api.patch("/v1/vms/g1", {"placement": {"priority": 8}})
        self.assertEqual((caught.exception.status, caught.exception.pointers()),
                         (400, ["/placement/priority"]))
        self.world.move(guest, self.b, self.a)
        placement = {"group": "web", "forbids": {"zone": "c"}, "pins": ["a", "b"], "priority": 3,
                     "on_evacuation": "restart"}
        self.assertEqual(self.a.vm("g1")["definition"]["placement"], placement)
        self.assertEqual([vm["placement"] for vm in self.a.api.get("/v1/capacity/a")["vms"]],
                         [placement])
        self.assertRegex(self.a.migrctl("vm", "place", "g1").stdout, r"on evacuation +restart")
