# SPDX-License-Identifier: LGPL-2.1-or-later
"""A shutdown of a host waits for its guests: locks of logind, which is played (lib/logind.py)."""
from lib import settings
from lib.logind import Bus, Logind
from lib.world import SystemTest


class ShutdownTest(SystemTest):
    def prepare(self):
        self.bus = Bus(self.world.dir)
        self.logind = Logind(self.bus)
        self.addCleanup(self.bus.end)
        self.addCleanup(self.logind.end)
        self.world["a"].env = self.world["b"].env = self.bus.env
        self.world["a"].write_config(host={"shutdown": "wait", "shutdown_limit_s": 300})

    def shutdown(self, host):
        return host.api.get("/v1/host")["shutdown"]

    def becomes(self, host, **wanted):
        """Waits until GET /v1/host says so."""
        return self.eventually(f"{host}: {wanted}", lambda: (
            wanted.items() <= (found := self.shutdown(host)).items() and found))

    def locks_become(self, *modes):
        self.eventually(f"locks {modes}", lambda: tuple(sorted(self.logind.locks())) == modes)

    def test_guests_hold_a_shutdown_up_and_a_bus_that_comes_and_goes_does_not_matter(self):
        a, b = self.a, self.b
        found = self.shutdown(a)
        self.assertEqual((found["logind"], found["delays"], found["refuses"], found["stage"]),
                         ("away", False, False, "none"))
        self.assertIn("the system bus cannot be reached", found["problem"])
        self.assertEqual(self.shutdown(b)["logind"], "off")

        self.bus.start()
        self.eventually("a bus without logind", lambda: "logind is not there" in
                        self.shutdown(a)["problem"])
        self.logind.start()
        self.becomes(a, logind="there", delays=True, refuses=False, logind_limit_s=5)
        self.assertIn("InhibitDelayMaxSec=300", self.shutdown(a)["problem"])

        guest = self.world.guest(area=1, rate=1, memory_mib=64)
        guest.start(a)
        self.becomes(a, delays=True, refuses=True)
        self.locks_become("block", "delay")
        self.assertIn("migrctl host evacuate", self.logind.locks()["block"])

        # A stranger's word of a shutdown; a logind that is started again; a bus.
        self.logind.forge(a.process.pid)
        self.logind.end()
        self.becomes(a, logind="away", stage="none", delays=False, refuses=False)
        self.assertNotIn("from=none", a.log.read_text(encoding="utf-8"))
        self.logind.start()
        self.locks_become("block", "delay")
        self.logind.end()
        self.bus.end()
        self.becomes(a, logind="away", refuses=False)
        self.bus.start()
        self.logind.start()
        self.locks_become("block", "delay")

        self.logind.delay_max_s(900)
        # An evacuation that has not begun does not keep that of the shutdown from beginning.
        planned = a.api.post("/v1/evacuations", {"approval": True})
        self.eventually("it waits", lambda: (
            a.api.get("/v1/evacuations/current")["state"] == "waiting"))
        # Nor does a moment in which no other host takes guests: it is asked for again.
        b.stop()
        self.logind.prepare(True)
        found = self.becomes(a, stage="evacuating", delays=True, logind_limit_s=900)
        self.eventually("it is refused", lambda: "no other host takes guests" in
                        a.log.read_text(encoding="utf-8"), timeout=20)
        b.start()
        self.assertIsNotNone(found["until"])
        self.assertIsNone(found["problem"])
        self.assertIn("evacuating", a.migrctl("host", "show").stdout)
        self.eventually("no guest is left", lambda: self.shutdown(a)["stage"] == "empty", timeout=30)
        self.becomes(a, delays=False, refuses=False)
        self.locks_become()
        guest.console.wait_line(20, b.id)
        guest.assert_runs_on(b)
        found = self.eventually("drained", lambda: (
            (e := a.api.get("/v1/evacuations/current"))["state"] == "drained" and e))
        self.assertEqual([r["requester"] for r in found["requests"]], ["logind"])
        self.assertEqual(a.api.get(f"/v1/evacuations/{planned['id']}")["state"], "aborted")
        self.logind.prepare(False)
        self.becomes(a, stage="none", delays=True, refuses=False, until=None)
        self.eventually("the evacuation has ended", lambda: (
            a.api.get("/v1/evacuations/current")["state"] == "ended"))
        self.assertFalse(a.api.get("/v1/host")["cordoned"])

        # The limit lets a host go down with its guests, as one that may not be moved.
        b.api.post("/v1/holds", {"vm": guest.name, "reason": "stays", "for_s": 3600})
        b.stop()
        b.write_config(host={"shutdown": "limit", "shutdown_limit_s": 1})
        b.start()
        self.becomes(b, delays=True, refuses=False, problem=None)
        self.logind.prepare(True)
        self.becomes(b, stage="gave-up", delays=False)
        self.locks_become()
        guest.assert_runs_on(b)
