# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory over several connections, compressed or not, and the other ways to send it."""
import os

from lib.world import SystemTest

CASES = [
    {"multifd": {}},
    {"multifd": {"channels": 1}},
    {"multifd": {"channels": 8}},
    {"multifd": {"channels": 2, "compression": "zlib"}},
    {"multifd": {"channels": 4, "compression": "zstd"}},
    {"xbzrle": True},
    {"auto_converge": True, "multifd": {"channels": 16}},
    {},
]


class MultifdTest(SystemTest):
    timeout_seconds = 240

    def ask(self, host, command):
        body = {"protocol": "qmp", "command": {"execute": command}}
        return host.api.post("/v1/vms/g1/monitor", body)["return"]

    def assert_is_set(self, host, options):
        """The QEMU that the guest is in now was told so, and nothing of an earlier move is left."""
        on = {c["capability"] for c in self.ask(host, "query-migrate-capabilities") if c["state"]}
        wanted = {key.replace("_", "-") for key in options}
        self.assertEqual(on & {"multifd", "xbzrle", "auto-converge"}, wanted)
        if "multifd" in options:
            parameters = self.ask(host, "query-migrate-parameters")
            by_cpus = min(max(os.cpu_count() // 2, 2), 8)
            self.assertEqual(parameters["multifd-channels"], options["multifd"].get("channels", by_cpus))
            self.assertEqual(parameters["multifd-compression"],
                             options["multifd"].get("compression", "none"))

    # To and fro with one guest: what an earlier move has set in QEMU must not stay.
    def test_each_way_moves_the_guest(self):
        guest = self.world.guest(area=8)
        guest.start(self.a)
        here, there = self.a, self.b
        for options in CASES:
            with self.subTest(**options):
                move = self.world.move(guest, here, there, **options)
                guest.assert_runs_on(there)
                self.assert_is_set(there, options)
                self.assertEqual(here.move_state(move["id"])["options"].get("multifd", {}).get("compression"),
                                 options.get("multifd", {}).get("compression"))
            here, there = there, here

    def test_plan_is_shown_on_both_hosts_with_its_reasons(self):
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.move(guest, self.a, self.b, multifd={"channels": 3})
        plan = self.a.api.get(f"/v1/moves/{move['id']}/plan")
        self.assertEqual(plan, self.b.api.get(f"/v1/moves/{move['id']}/plan"))
        on = {c["name"]: c["on"] for c in plan["capabilities"]}
        offered = {c["capability"] for c in self.ask(self.b, "query-migrate-capabilities")}
        self.assertEqual(on["switchover-ack"], "switchover-ack" in offered)
        self.assertEqual((on["multifd"], on["xbzrle"], on["zero-copy-send"]), (True, False, False))
        self.assertTrue(all(c["why"] for c in plan["capabilities"] + plan["parameters"]))
        self.assertEqual(plan["channels"], [{"name": "ram", "connections": 4}])
        lines = self.a.migrctl("move", "show", move["id"], "--plan").stdout.splitlines()
        self.assertRegex("\n".join(lines), r"(?m)^multifd-channels +3 +as asked for$")
        self.assertRegex("\n".join(lines), r"(?m)^xbzrle +no +it was not asked for$")
        self.assertEqual(len(lines), 1 + len(plan["capabilities"]) + len(plan["parameters"]))

    # Else QEMU takes the limit for the speed of the last pass, and waits without need.
    def test_limited_move_tells_qemu_how_fast_the_link_is(self):
        guest = self.world.guest(area=64, rate=128, static=32, memory_mib=256)
        guest.start(self.a)
        has_it = "avail-switchover-bandwidth" in self.ask(self.a, "query-migrate-parameters")
        for here, there, is_known in ((self.a, self.b, False), (self.b, self.a, False),
                                      (self.a, self.b, True)):
            with self.subTest(here=here.id, is_known=is_known):
                move = self.world.begin_move(guest, here, there, bandwidth_bytes_per_s=1 << 20)
                self.world.wait_flowing(here, move["id"])
                plan = here.api.get(f"/v1/moves/{move['id']}/plan")["parameters"]
                self.assertEqual([p["name"] for p in plan], ["avail-switchover-bandwidth"] * has_it)
                told = self.ask(here, "query-migrate-parameters").get("avail-switchover-bandwidth", 0)
                self.assertEqual(told > 1 << 20, has_it and is_known)
                here.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
                self.world.wait_state(here, move["id"], "done")
                self.world.wait_state(there, move["id"], "done")
        guest.assert_runs_on(self.b)

    def test_what_excludes_itself_is_refused(self):
        guest = self.world.guest()
        guest.start(self.a)
        for options, pointers in (({"multifd": {}, "xbzrle": True}, ["/xbzrle"]),
                                  ({"multifd": {"channels": 17, "compression": "lzo"}},
                                   ["/multifd/channels", "/multifd/compression"]),
                                  ({"multifd": {"channels": 0}}, ["/multifd/channels"])):
            error = self.assert_api_error(400, "invalid", self.world.begin_move, guest, self.a, self.b, **options)
            self.assertEqual(error.pointers(), pointers)
        guest.assert_runs_on(self.a)
