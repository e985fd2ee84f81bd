# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network learns where a guest is, and never where it is not, although the guest itself sends
nothing.

The bridges of both hosts are ports of one switch (lib/places.py).  As root.
"""
import time

from lib.places import NetTest, Sniffer, Space

MAC = "52:54:00:aa:00:09"


class AnnounceTest(NetTest):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"stuck_after_ms": 500})

    def setUp(self):
        super().setUp()
        self.switch = Space("switch")
        self.addCleanup(self.switch.remove)
        self.switch.ip("link", "add", "sw0", "type", "bridge")
        self.switch.ip("link", "set", "sw0", "up")
        for place in self.places.values():
            port = f"to-{place.id}"
            self.switch.ip("link", "add", port, "type", "veth", "peer", "name", "up0", "netns",
                           place.name)
            self.switch.ip("link", "set", port, "master", "sw0")
            self.switch.ip("link", "set", port, "up")
            place.ip("link", "set", "up0", "master", "br0")
            place.ip("link", "set", "up0", "up")
        self.sniffer = Sniffer(self.switch)
        self.addCleanup(self.sniffer.close)
        self.guest = self.world.guest(area=0, memory_mib=64, nics=[
            {"id": "n", "type": "tap", "ifname": "tap0", "bridge": "br0", "mac": MAC}])
        self.guest.start(self.a)

    def leads_to(self, host):
        """The switch and the bridges of both hosts lead to the guest on HOST, and no old entry is
        left."""
        other = self.places["b" if host.id == "a" else "a"]
        return (self.switch.fdb(MAC, "sw0") == {f"to-{host.id}"}
                and self.places[host.id].fdb(MAC, "br0") == {"tap0"}
                and other.fdb(MAC, "br0") == {"up0"})

    def assert_only_from(self, host, since):
        other = "b" if host.id == "a" else "a"
        self.assertEqual(self.sniffer.frames(f"to-{other}", MAC, since), [])

    def test_guest_that_moved_is_announced_again_and_again_from_its_host_only(self):
        for here, there in ((self.a, self.b), (self.b, self.a)):
            with self.subTest(to=there.id):
                self.world.move(self.guest, here, there)
                moved = time.monotonic()
                self.eventually("all lead to it", lambda to=there: self.leads_to(to))
                # QEMU by itself ends within a second.
                self.eventually("it is announced for long", lambda to=there, at=moved: [
                    f for f in self.sniffer.frames(f"to-{to.id}", MAC) if f.at > at + 2], 10)
                self.assert_only_from(there, moved)
        self.guest.assert_runs_on(self.a)

    # The destination's QEMU announces the guest when it has loaded it; its frames wait for `cont'.
    def test_guest_that_waits_for_its_owner_takes_no_traffic(self):
        self.world.move(self.guest, self.a, self.b)
        self.world.move(self.guest, self.b, self.a)
        self.eventually("all lead to it", lambda: self.leads_to(self.a))
        self.b.restart_with_fault("api.peer.go:crash")
        since = time.monotonic()
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        self.world.wait_state(self.a, move_id, "stuck")
        time.sleep(1.5)     # all of QEMU's own rounds: that nothing comes is what is asked
        self.assert_only_from(self.a, since)
        self.b.end_guests()
        self.a.migrctl("move", "resolve", move_id, "--keep", "source", "--assert-dead", "b")
        self.world.wait_state(self.a, move_id, "failed")
        self.assertTrue(self.leads_to(self.a))
        self.guest.assert_runs_on(self.a)
