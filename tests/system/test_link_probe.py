# SPDX-License-Identifier: LGPL-2.1-or-later
"""A link that is measured by a short transfer: hosts in network namespaces, and a router between
them that is slow, swallows large packets, or lets nothing through.  As root."""
import os
import unittest

from lib.places import Space
from lib.world import SystemTest, World

MIB = 1 << 20
RATE_MBIT = 200
RATE = RATE_MBIT * 1000 * 1000 / 8
TABLE = "100"       # of the router's routes for data
NETS = {"a": "10.213.81", "b": "10.213.82"}


@unittest.skipUnless(os.geteuid() == 0, "needs root, for network namespaces")
class LinkTest(SystemTest):
    def setUp(self):
        self.spaces = {i: Space(f"probe-{i}") for i in (*NETS, "router")}
        self.router = self.spaces["router"]
        for space in self.spaces.values():
            self.addCleanup(space.remove)
            space.ip("link", "set", "lo", "up")
        for host, net in NETS.items():
            self.connect(self.spaces[host], host, net)
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.world = World("ab", {i: (f"{net}.1", self.spaces[i].prefix)
                                  for i, net in NETS.items()})
        self.addCleanup(self._close_world)
        for host in self.world.hosts.values():
            host.write_config(move={"link_probe_ms": 300})
        self.world.start()
        self.a, self.b = self.world["a"], self.world["b"]
        self.guest = self.world.guest(memory_mib=96, area=4, rate=4)
        self.guest.start(self.a)

    def connect(self, space, host, net):
        space.ip("link", "add", "eth0", "type", "veth", "peer", "name", f"to-{host}", "netns",
                 self.router.name)
        space.ip("addr", "add", f"{net}.1/24", "dev", "eth0")
        self.router.ip("addr", "add", f"{net}.254/24", "dev", f"to-{host}")
        space.ip("link", "set", "eth0", "up")
        self.router.ip("link", "set", f"to-{host}", "up")
        space.ip("route", "add", "default", "via", f"{net}.254")

    def data_rule(self, verb, source, *action):
        """Of the router, for packets of data that come from SOURCE."""
        port = ("dport" if source == "a" else "sport", str(self.b.data_port))
        self.router.ip("rule", verb, "iif", f"to-{source}", "ipproto", "tcp", *port, *action)

    def narrow(self, source, mtu):
        """No data in larger packets passes from SOURCE on, and nobody is told."""
        to = "b" if source == "a" else "a"
        self.router.ip("route", "add", f"{NETS[to]}.0/24", "dev", f"to-{to}", "mtu", "lock",
                       str(mtu), "table", TABLE)
        self.data_rule("add", source, "lookup", TABLE)
        self.router.ip("rule", "add", "iif", "lo", "ipproto", "icmp", "blackhole")

    def widen(self, source):
        self.data_rule("del", source, "lookup", TABLE)
        self.router.ip("route", "flush", "table", TABLE)
        self.router.ip("rule", "del", "iif", "lo", "ipproto", "icmp", "blackhole")

    def look(self, **options):
        return self.a.api.post("/v1/moves?dry_run=true",
                               {"vm": self.guest.name, "to": "b", **options})

    def blocking(self, said):
        return {r["check"]: r["detail"] for r in said["reasons"] if r["blocks"]}

    def warnings(self, said):
        return {r["check"]: r["detail"] for r in said["reasons"] if not r["blocks"]}

    def start_again(self):
        """Both forget the last probe."""
        for host in (self.a, self.b):
            host.stop()
            host.start()

    def assert_no_process_stays(self):
        self.eventually("no migrd-stream", lambda: not self.a.streams() and not self.b.streams(),
                        timeout=15)

    def test_slow_link_is_measured_and_kept(self):
        self.router.run("tc", "qdisc", "add", "dev", "to-b", "root", "tbf", "rate",
                        f"{RATE_MBIT}mbit", "burst", "128kb", "latency", "100ms")
        said = self.look(bandwidth_bytes_per_s=300 * MIB)
        link, basis = said["link"], said["forecast"]["basis"]
        self.assertTrue(said["possible"], said["reasons"])
        self.assertEqual(link["mtu_bytes"], 1500)
        self.assertAlmostEqual(link["probe_bytes_per_s"] / RATE, 0.93, delta=0.12)
        self.assertLessEqual(link["probe_us"], 400000)
        self.assertEqual(basis["link_bytes_per_s"], link["probe_bytes_per_s"])
        self.assertTrue(basis["link_was_probed"])
        self.assertEqual(basis["link_moves"], 0)
        self.assertIn("300 MiB/s", self.warnings(said)["link-rate"])
        self.assertIn("largest packet", self.a.migrctl("move", "start", "g1", "--to", "b",
                                                       "--dry-run").stdout)
        again = self.look()
        self.assertNotIn("probe_bytes", again["link"])      # not older than a minute
        self.assertEqual(again["forecast"]["basis"]["link_bytes_per_s"],
                         basis["link_bytes_per_s"])
        self.assert_no_process_stays()
        self.note(f"{link['probe_bytes_per_s'] / RATE:.2f} of {RATE_MBIT} Mbit/s, "
                  f"{link['probe_bytes'] / MIB:.1f} MiB in {link['probe_us'] / 1000:.0f} ms")

    def test_large_packets_that_are_swallowed_are_told(self):
        self.narrow("a", 1000)
        said = self.look()
        self.assertFalse(said["possible"])
        self.assertEqual(list(self.blocking(said)), ["mtu"], said["reasons"])
        self.assertIn("check the MTU of the path", self.blocking(said)["mtu"])
        self.assertIn("up to 1500 bytes", self.blocking(said)["mtu"])
        self.widen("a")
        self.start_again()
        self.assertTrue(self.look()["possible"])
        self.assert_no_process_stays()

    def test_port_behind_a_firewall_and_data_that_is_held_are_told(self):
        self.data_rule("add", "a", "blackhole")
        said = self.look()
        self.assertEqual(list(self.blocking(said)), ["data-port"], said["reasons"])
        self.assertIn("let a firewall pass it", self.blocking(said)["data-port"])
        self.data_rule("del", "a", "blackhole")
        self.start_again()
        self.narrow("a", 100)   # the handshake of TCP has 60 bytes
        said = self.look()
        self.assertEqual(list(self.blocking(said)), ["data-port"], said["reasons"])
        self.assertIn("answers nothing", self.blocking(said)["data-port"])
        self.assert_no_process_stays()


class FirstMoveTest(SystemTest):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"link_probe_ms": 300})

    def test_first_move_measures_and_a_running_one_is_not_disturbed(self):
        guest = self.world.guest(memory_mib=96, area=4, rate=4)
        other = self.world.guest("g2", memory_mib=96, area=4, rate=4)
        guest.start(self.a)
        other.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=MIB)
        self.world.wait_flowing(self.a, move["id"])
        said = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g2", "to": "b"})
        self.assertTrue(said["possible"], said["reasons"])
        self.assertTrue(said["forecast"]["basis"]["link_was_probed"])   # by the move, before
        timeline = list(self.a.api.items(f"/v1/moves/{move['id']}/timeline"))
        told = [e["detail"] for e in timeline if e["event"] == "link"]
        self.assertEqual(len(told), 1, timeline)
        self.assertIn("host 'b' took", told[0])
        self.a.stop()       # what was found is forgotten, and the move goes on
        self.a.start()
        said = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g2", "to": "b"})
        words = {r["check"]: r["detail"] for r in said["reasons"]}
        self.assertIn("a move is under way on host 'a'", words["link-rate"])
        self.assertNotIn("probe_bytes", said["link"])
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        self.eventually("no migrd-stream", lambda: not self.a.streams(), timeout=15)


class BudgetTest(SystemTest):
    BUDGET = 8 * MIB

    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"link_probe_ms": 300})

    def limit(self, host, key):
        host.stop()
        host.write_config(move={"link_probe_ms": 300, **({key: self.BUDGET} if key else {})})
        host.start()

    # Both ends of a loopback give far more than that.
    def test_probe_keeps_to_the_budgets_of_both_hosts(self):
        guest = self.world.guest(memory_mib=96, area=4, rate=4)
        guest.start(self.a)
        for host, key in ((self.a, "bandwidth_budget_bytes_per_s"),
                          (self.b, "bandwidth_budget_in_bytes_per_s")):
            for other in (self.a, self.b):      # each forgets the last probe
                self.limit(other, key if other is host else None)
            link = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g1", "to": "b"})["link"]
            self.assertLessEqual(link["probe_bytes_per_s"], self.BUDGET * 1.1, (host, link))
            self.assertGreater(link["probe_bytes_per_s"], self.BUDGET * 0.5, (host, link))
            self.assertTrue(link["probe_is_least"])
            self.note(f"{host.id}: {link['probe_bytes_per_s'] / MIB:.1f} of 8 MiB/s")
