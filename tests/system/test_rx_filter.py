# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's network follows a Linux guest that changes its addresses and joins groups.

Each host has a network of its own (lib/places.py).  As root.
"""
import base64
import subprocess

from lib import settings
from lib.foreign import PLAIN, Foreign
from lib.linux import LinuxGuest
from lib.places import NetTest, Sniffer

GROUP = "01:00:5e:01:02:03"     # as in tests/guest/join.S
NICS = [{"id": "trusted", "type": "tap", "ifname": "tap0", "rx_filter": True},
        {"id": "direct", "type": "macvtap", "ifname": "mvt0", "rx_filter": True},
        {"id": "stranger", "type": "tap", "ifname": "tap1"}]
NEW = {"eth0": "52:54:00:aa:00:01", "eth1": "52:54:00:aa:00:02", "eth2": "52:54:00:aa:00:03"}
class TapTest(NetTest):
    """A QEMU that does not find its tap makes one, which is down and in no bridge."""

    def tap_guest(self):
        guest = self.world.guest(area=0, memory_mib=64, nics=[{**NICS[0], "id": "n"}])
        guest.create(self.a)
        return guest

    def refused(self, guest, status, code, words):
        error = self.assert_api_error(status, code, self.a.api.post, f"/v1/vms/{guest.name}/start")
        self.assertIn(words, error.body["detail"])
        self.assertEqual(self.a.qemus(), [])

    def test_tap_that_is_missing_or_down_is_refused_at_a_start_and_a_guest_runs_with_one(self):
        place, guest = self.places["a"], self.tap_guest()
        place.ip("link", "set", "tap0", "down")
        self.refused(guest, 409, "conflict", "nic 'n': interface 'tap0' of this host is down")
        place.ip("link", "del", "tap0")
        self.refused(guest, 404, "not-found", "nic 'n': there is no interface 'tap0'")
        self.assertNotIn("tap0", place.run("ip", "-br", "link"))
        place.make_tap("tap0")
        guest.start(self.a, sweeps=0)
        nic = {"kind": "nic", "id": "late", "type": "tap", "ifname": "tap9"}
        error = self.assert_api_error(400, "invalid", self.a.api.post,
                                      f"/v1/vms/{guest.name}/devices", nic)
        self.assertIn("there is no interface 'tap9'", str(error.body))
        self.assertNotIn("tap9", place.run("ip", "-br", "link"))

    def test_destination_without_the_tap_or_its_bridge_is_refused_until_it_has_both(self):
        place, guest = self.places["b"], self.tap_guest()
        guest.start(self.a, sweeps=0)
        for words, spoil in ((["is a port of bridge 'br0' on host 'a'", "is down"],
                              [("set", "tap0", "nomaster"), ("set", "tap0", "down")]),
                             (["there is no interface 'tap0'"], [("del", "tap0")])):
            for change in spoil:
                place.ip("link", *change)
            move = self.world.begin_move(guest, self.a, self.b)
            move = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
            for word in words:
                self.assertIn(word, move["error"]["detail"])
            self.eventually("no VM on b", lambda: not self.b.vms())
        self.assertNotIn("tap0", place.run("ip", "-br", "link"))
        guest.assert_runs_on(self.a)
        place.make_tap("tap0")
        self.world.move(guest, self.a, self.b)
        self.world.move(guest, self.b, self.a)
        guest.assert_runs_on(self.a)


    def test_bridge_that_is_named_is_demanded_of_every_host(self):
        self.places["a"].ip("link", "set", "tap0", "nomaster")
        guest = self.world.guest(area=0, memory_mib=64,
                                 nics=[{"id": "n", "type": "tap", "ifname": "tap0", "bridge": "br0"}])
        guest.create(self.a)
        self.refused(guest, 409, "conflict", "'tap0' of this host is a port of no bridge, not of "
                                             "bridge 'br0'")
        self.places["a"].ip("link", "set", "tap0", "master", "br0")
        guest.start(self.a, sweeps=0)
        there = self.places["b"]
        there.ip("link", "add", "br1", "type", "bridge")
        there.ip("link", "set", "tap0", "master", "br1")
        for words, mend in (("is a port of 'br1', not of bridge 'br0'", ("del", "br0")),
                            ("there is no bridge 'br0'", ("set", "br1", "name", "br0"))):
            move = self.world.begin_move(guest, self.a, self.b)
            move = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
            self.assertIn(words, move["error"]["detail"])
            self.assertEqual(move["error"]["detail"].count("host b"), 0, move["error"])
            there.ip("link", *mend)
        self.world.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)

    # Two clones of one definition may be on two networks, so none is refused.
    def test_start_with_the_address_of_another_guest_is_warned_of(self):
        mac = "52:54:00:aa:bb:0C"
        for name, tap in (("g1", "tap0"), ("g2", "tap1")):
            guest = self.world.guest(name, area=0, memory_mib=64, nics=[
                {"id": "n", "type": "tap", "ifname": tap, "mac": mac.lower() if tap == "tap1" else mac}])
            guest.create(self.a)
        self.assertEqual(self.a.api.post("/v1/vms/g1/start")["warnings"], [])
        done = self.a.migrctl("vm", "start", "g2")
        self.assertIn("warning: VM 'g1' runs here too with the MAC address 52:54:00:aa:bb:0c",
                      done.stderr)
        self.assertIn("event=same-mac", self.a.log_tail(400))
        there = self.world.guest("g3", area=0, memory_mib=64, nics=[
            {"id": "n", "type": "tap", "ifname": "tap1", "mac": mac}])
        there.start(self.b, sweeps=0)
        said = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g1", "to": "b"})
        self.assertTrue(said["possible"], said["reasons"])
        self.assertIn(("destination", "mac", False),
                      [(r["side"], r["check"], r["blocks"]) for r in said["reasons"]])

    # QEMU's command line names no bridge, so a move must repeat the host's own state.
    def test_adopted_tap_keeps_its_bridge_and_one_that_is_down_is_said(self):
        guest = self.world.guest(area=0)
        tap = "tap,ifname={},script=no,downscript=no"
        foreign = Foreign(guest, self.a, *PLAIN, "-netdev", "id=t0,type=" + tap.format("tap0"),
                          "-device", "virtio-net-pci,netdev=t0,id=n0",
                          "-nic", tap.format("tap1") + ",model=e1000")
        foreign.args[:0] = self.places["a"].prefix
        foreign.start()
        self.places["a"].ip("link", "set", "tap1", "nomaster")
        self.places["a"].ip("link", "set", "tap1", "down")
        vm, found = foreign.adopt()
        self.assertEqual([(n["id"], n["ifname"], n["bridge"]) for n in vm["definition"]["nics"]],
                         [("n0", "tap0", "br0")])
        notes = " ".join(note["note"] for note in found["notes"])
        for words in ("up and in bridge 'br0'", "'tap1' is down now", "'tap1' is in no bridge now"):
            self.assertIn(words, notes)
        for place in self.places.values():
            place.ip("link", "set", "tap1", "master", "br0")
            place.ip("link", "set", "tap1", "up")
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            guest.assert_runs_on(destination)
            self.assertEqual(self.places[destination.id].masters("tap0", "tap1"), {"br0"})


class RxFilterTest(NetTest):
    timeout_seconds = 180

    def follows(self, what, is_true):
        self.eventually(what, is_true, 20)

    def set_mac(self, guest, nic, mac):
        guest.sh(f"ip link set {nic} down && ip link set {nic} address {mac} && "
                 f"ip link set {nic} up")

    def put_join(self, guest):
        program = self.world.dir / "join"
        source = settings.SOURCE_DIR / "tests/guest/join.S"
        subprocess.run(["as", "-o", f"{program}.o", source], check=True)
        subprocess.run(["ld", "-s", "-o", program, f"{program}.o"], check=True)
        text = base64.b64encode(program.read_bytes()).decode()
        for at in range(0, len(text), 512):     # a terminal's line is limited
            guest.sh(f"echo {text[at:at + 512]} >>/tmp/join.b64")
        guest.sh("base64 -d /tmp/join.b64 >/tmp/join && chmod +x /tmp/join")

    def join(self, guest, nic):
        guest.sh(f"/tmp/join $(cat /sys/class/net/{nic}/ifindex) >/dev/null 2>&1 & sleep 0")

    def plug(self, guest, place):
        devices = f"/v1/vms/{guest.name}/devices"
        nic = {"kind": "nic", "id": "late", "type": "tap", "ifname": "tap2", "rx_filter": True}
        self.assert_api_error(400, "invalid", self.a.api.post, devices, {**nic, "type": "macvtap"})
        mac = self.a.api.post(devices, nic)["mac"]
        guest.sh("until [ -e /sys/class/net/eth3 ]; do usleep 50000; done; ip link set eth3 up")
        self.follows("the bridge knows it", lambda: mac in place.static("tap2"))
        self.set_mac(guest, "eth3", "52:54:00:aa:00:04")
        self.follows("the bridge follows", lambda: "52:54:00:aa:00:04" in place.static("tap2")
                     and mac not in place.static("tap2"))
        guest.sh("ip addr add 10.9.0.3/24 dev eth3; ping -c 1 -W 5 -I eth3 10.9.0.1")
        self.a.api.delete(f"{devices}/late?timeout_ms=30000", timeout=40)
        self.follows("the bridge has forgotten it", lambda: place.static("tap2") == set())
        self.assertNotEqual(place.static("tap0"), set())

    # One guest serves the whole test, because booting takes longest.
    def test_host_follows_what_the_guest_wants_to_receive(self):
        a, b = self.places["a"], self.places["b"]
        guest = LinuxGuest(self.world, nics=NICS)
        guest.start(self.a)
        macs = [nic["mac"] for nic in guest.vm(self.a)["definition"]["nics"]]
        for nic in NEW:
            guest.sh(f"ip link set {nic} up")
        self.put_join(guest)

        with self.subTest("the driver starts"):
            self.follows("the bridge knows it", lambda: macs[0] in a.static("tap0"))
            self.follows("the macvtap has its address", lambda: a.macvtap()[0] == macs[1])
            self.assertNotIn("PROMISC", a.macvtap()[1])
        with self.subTest("new addresses"):
            for nic, mac in NEW.items():
                self.set_mac(guest, nic, mac)
            self.follows("the bridge follows", lambda: NEW["eth0"] in a.static("tap0")
                         and macs[0] not in a.static("tap0"))
            self.follows("the macvtap follows", lambda: a.macvtap()[0] == NEW["eth1"])
            self.assertEqual(a.static("tap1"), set(), "of a guest that is not trusted")
        with self.subTest("frames pass"):
            guest.sh("ip addr add 10.9.0.2/24 dev eth0; ip addr add 10.9.1.2/24 dev eth1")
            guest.sh("ping -c 1 -W 5 10.9.0.1 && ping -c 1 -W 5 10.9.1.1")
        with self.subTest("a multicast group"):
            for nic in ("eth0", "eth1"):
                self.join(guest, nic)
            self.follows("the macvtap is in it", lambda: GROUP in a.macvtap()[2])
            self.follows("the bridge knows it", lambda: GROUP in a.static("tap0"))
            guest.sh("killall join")
            self.follows("the macvtap has left it", lambda: GROUP not in a.macvtap()[2])
            self.follows("the bridge has forgotten it", lambda: GROUP not in a.static("tap0"))
        with self.subTest("promiscuous, and all multicast"):
            for word, flag in (("promisc", "PROMISC"), ("allmulti", "ALLMULTI")):
                guest.sh(f"ifconfig eth1 {word}")
                self.follows(f"{flag} is set", lambda f=flag: f in a.macvtap()[1])
                guest.sh(f"ifconfig eth1 -{word}")
                self.follows(f"{flag} is not set", lambda f=flag: f not in a.macvtap()[1])
        with self.subTest("a NIC joins and leaves"):
            self.plug(guest, a)
        with self.subTest("while the coordinator is away"):
            self.a.kill9()
            self.set_mac(guest, "eth0", "52:54:00:bb:00:01")
            self.join(guest, "eth1")
            self.assertNotIn("52:54:00:bb:00:01", a.static("tap0"))
            self.a.start()
            self.follows("the bridge follows", lambda: a.static("tap0") >= {"52:54:00:bb:00:01"}
                         and NEW["eth0"] not in a.static("tap0"))
            self.follows("the macvtap follows", lambda: GROUP in a.macvtap()[2])
        with self.subTest("a move"):
            sniffer = Sniffer(b)
            self.addCleanup(sniffer.close)
            self.world.move(guest, self.a, self.b)
            # announce-self knows the addresses of the definition only.
            self.follows("the address that the guest has is announced on the bridge",
                         lambda: len(sniffer.frames("br0", "52:54:00:bb:00:01", is_out=True)) >= 3)
            self.follows("and behind the macvtap",
                         lambda: len(sniffer.frames("mvt0", NEW["eth1"], is_out=True)) >= 3)
            self.assertEqual(sniffer.frames("br0", NEW["eth2"], is_out=True), [],
                             "of a guest that is not trusted")
            self.follows("the bridge there knows it", lambda: "52:54:00:bb:00:01" in b.static("tap0"))
            self.follows("the macvtap there follows", lambda: b.macvtap()[0] == NEW["eth1"]
                         and GROUP in b.macvtap()[2])
            self.follows("the bridge here has forgotten it", lambda: a.static("tap0") == set())
            self.follows("the macvtap here too", lambda: GROUP not in a.macvtap()[2])
            guest.sh("ping -c 1 -W 5 10.9.0.1 && ping -c 1 -W 5 10.9.1.1")
            self.set_mac(guest, "eth0", NEW["eth0"])
            self.follows("the bridge there follows", lambda: NEW["eth0"] in b.static("tap0"))
            self.assertEqual(b.static("tap1"), set())
        self.b.api.post("/v1/vms/lin/stop")
        self.follows("nothing is left of it", lambda: b.static("tap0") == set())
