# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that was emptied gets its guests back: as they went, and not for ever."""
from test_evacuation import EvacuationBase


class EvacuationReturnTest(EvacuationBase):
    def drained(self, **wish):
        evac = self.begin(**wish)
        self.wait(evac, "drained")
        return evac

    def test_guests_come_back_with_the_policy_and_limits_they_left_with(self):
        self.a.api.call("PUT", "/v1/policies/night", {"description": "of host a"})
        self.run_guests(1)
        for policy, known in (("gentle", "gentle"), ("night", None)):   # host a alone has that
            evac = self.drained(move={"policy": policy, "bandwidth_bytes_per_s": 500 << 20,
                                      "remove_source_disks": True})
            there, = (host for host in (self.b, self.c) if "g0" in host.vms())
            self.ask(evac, "return")
            self.assertEqual(self.wait(evac, "ended")["vms"][0]["state"], "returned")
            request = there.api.items("/v1/queue?vm=g0")[0]["request"]
            self.assertEqual(request.get("policy"), known)
            self.assertEqual((request["bandwidth_bytes_per_s"], request["priority"]),
                             (500 << 20, "evacuation"))
            self.assertNotIn("remove_source_disks", request)
        self.assertEqual(set(self.assert_all_run().values()), {self.a})

    def test_silent_host_is_given_up_when_it_was_said(self):
        self.c.api.post("/v1/host/cordon", {"reason": "b alone takes guests"})
        self.run_guests(1)
        evac = self.drained()
        self.b.kill9()
        self.ask(evac, "return", give_up_s=3600)
        waits = self.wait_words(evac, "g0", "is asked until")
        self.assertEqual(waits["state"], "returning")
        now = self.now(evac)
        self.assertIn("1 on hosts that do not answer: VM 'g0'", now["reason"])
        self.assertIn(now["return_until"][:10], waits["why"])
        self.assertIn("given up at", self.a.migrctl("evacuation", "show").stdout)
        self.a.kill9()
        self.a.start()
        self.assertEqual(self.now(evac)["return_until"], now["return_until"])
        # Another wish, which a person has meanwhile.
        self.assert_api_error(400, "invalid", self.ask, evac, "return", vms="stay", give_up_s=1)
        self.assert_api_error(409, "conflict", self.ask, evac, "return")
        self.ask(evac, "return", give_up_s=1)
        ended = self.wait(evac, "ended")
        self.assertEqual(ended["vms"][0]["state"], "away")
        self.assertIn("'migrctl move start g0 --to a' there", ended["vms"][0]["why"])
        self.b.start()
        self.assertEqual(set(self.assert_all_run().values()), {self.b})
