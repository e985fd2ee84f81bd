# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a host knows of the guests of a peer that is lost, and says may be done."""
from lib.world import SystemTest

HELD = 64 * 1024            # bytes/s


class DeadHostTest(SystemTest):
    def known(self, host="b"):
        answer = self.a.api.get(f"/v1/peers/{host}")
        return answer, {guest["vm"]: guest for guest in answer["guests"]}

    def guest(self, name, host):
        guest = self.world.guest(name, area=1, rate=1, memory_mib=64)
        guest.start(host, sweeps=0)
        return guest

    def test_guests_of_a_lost_host_are_told_with_what_may_be_done(self):
        a, b = self.a, self.b
        self.assert_api_error(404, "not-found", a.api.get, "/v1/peers/c")
        self.assert_api_error(404, "not-found", a.api.get, "/v1/peers/a")
        came, moving = self.guest("came", b), self.guest("moving", a)
        went = self.guest("went", a)
        sent = self.world.move(went, a, b)
        self.world.move(came, b, a)
        self.guest("stays", b)      # only that host knows of it

        # The host answers: its own word counts.
        answer, guests = self.known()
        self.assertEqual((answer["answers"], answer["silent_because"], answer["by"]), (True, None, "a"))
        self.assertEqual({name: (guest["where"], guest["by"], guest["must_not"])
                          for name, guest in guests.items()},
                         {"went": ("there", "host", None), "stays": ("there", "host", None),
                          "came": ("here", "record", None)})

        # It tells its guests, and then is lost: of "stays" no record of this host knows.
        b.api.post("/v1/vms", {"name": "off", "memory_mib": 32, "machine": "pc-q35-7.2", "accel": "tcg"})
        self.eventually("b has told its guests", lambda: "stays" in {
            vm["name"] for vm in a.api.get("/v1/capacity/b").get("vms", [])})
        move = self.world.begin_move(moving, a, b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(a, move["id"])
        b.kill9()
        b.end_guests()
        answer, guests = self.known()
        self.assertFalse(answer["answers"])
        self.assertTrue(answer["silent_because"])
        self.assertIn("silence does not prove", answer["advice"])
        self.assertEqual([guest["vm"] for guest in answer["guests"]], ["moving", "stays", "went", "came"])
        self.assertEqual((guests["stays"]["where"], guests["stays"]["by"], guests["stays"]["state"],
                          guests["stays"]["at"]), ("there", "told", "running", answer["told_at"]))
        self.assertIn("before it fell silent", guests["stays"]["what"])
        self.assertEqual(answer["told_stopped"], 1)
        self.assertEqual((guests["moving"]["where"], guests["moving"]["move"]), ("moving", move["id"]))
        self.assertEqual((guests["went"]["where"], guests["went"]["by"], guests["went"]["move"]),
                         ("there", "told", sent["id"]))
        self.assertIsNotNone(guests["went"]["at"])
        self.assertIn("two QEMUs would write", guests["went"]["must_not"])
        self.assertIn(f"resolve {move['id']}", guests["moving"]["must_not"])
        self.assertEqual((guests["came"]["where"], guests["came"]["state"]), ("here", "running"))

        # What came from there: a start needs the host, or somebody who vouches for it.
        a.api.post("/v1/vms/came/stop")
        came_now = self.known()[1]["came"]
        self.assertEqual((came_now["where"], came_now["state"]), ("here-stopped", "stopped"))
        self.assertIn("vm start came --assert-dead b", came_now["may"])
        refused = self.assert_api_error(409, "conflict", a.api.post, "/v1/vms/came/start")
        self.assertIn("--assert-dead b", refused.body["detail"])
        page = a.migrctl("host", "show", "b").stdout
        for words in ("told its guests at", "must not be done: create, adopt or restore", "silence does not prove",
                      "may be done: when 'b' is certainly off"):
            self.assertIn(words, page)
        self.assertIn("version", a.migrctl("host", "show", "a").stdout)
        a.migrctl("vm", "start", "came", "--assert-dead", "b")
        self.assertEqual(a.vm("came")["state"], "running")
        moving.assert_runs_on(a)
