# SPDX-License-Identifier: LGPL-2.1-or-later
"""For how long the network saw nothing of a guest that moved is measured, and somebody else who
listens at the switch between the hosts has seen the same.

The bridges of both hosts are ports of that switch (lib/places.py).  As root.
"""
import subprocess
import sys
import threading
import unittest

from lib import settings
from lib.linux import LinuxGuest
from lib.long_form import only_full
from lib.places import NetTest, Space

MAC = "52:54:00:aa:00:0a"      # as in tests/guest/guest.S
SLOW = 4 << 20          # a second and more for such a guest
PERIOD = 4                      # ms between two of that guest's frames
AGREES_MS = 30
NET = "10.9.7"
HELD = 128 * 1024               # bytes/s: a transfer that does not end by itself
# The guest's frames are of Ethernet's type for local experiments.
SENDER = ["-netdev", "tap,id=raw,ifname=tap0,script=no,downscript=no",
          "-device", f"ne2k_isa,netdev=raw,iobase=0x300,irq=9,mac={MAC}"]

# Prints the time of each frame of the type that is asked for, by the kernel's clock.
LISTEN = """
import socket, struct, sys
kind = int(sys.argv[1], 0).to_bytes(2, "big")
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 35, 1)
s.bind((sys.argv[2], 3))    # all kinds: others do not come from a port of a bridge
print("ready", flush=True)
while True:
    data, more, _, address = s.recvmsg(64, 64)
    if address[2] != socket.PACKET_OUTGOING and data[12:14] == kind:
        print("%d.%09d" % struct.unpack("qq", more[0][2]), flush=True)
"""
# Asks the guest for an echo every 10 ms, and prints the time of each answer, by the kernel.
PING = """
import select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.setsockopt(socket.SOL_SOCKET, 35, 1)
def packet(number):
    data = struct.pack("!BBHHH", 8, 0, 0, 77, number & 0xffff)
    total = sum(struct.unpack("!4H", data))
    total = (total & 0xffff) + (total >> 16)
    return data[:2] + struct.pack("!H", ~total & 0xffff) + data[4:]
print("ready", flush=True)
number, due = 0, time.monotonic()
while True:
    while select.select([s], [], [], max(0, due - time.monotonic()))[0]:
        data, more, _, _ = s.recvmsg(256, 64)
        if data[20] == 0:
            print("%d.%09d" % struct.unpack("qq", more[0][2]), flush=True)
    try:
        s.sendto(packet(number), (sys.argv[1], 0))
    except OSError:
        pass
    number, due = number + 1, due + 0.01
"""


class Times:
    """The times that a program in SPACE prints."""

    def __init__(self, space, program, *words):
        self.at = []
        self._process = subprocess.Popen([*space.prefix, sys.executable, "-c", program, *words],
                                         stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise AssertionError("the program did not start")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self.at.append(float(line))

    def longest_gap_ms(self, since):
        at = [t for t in list(self.at) if t >= since]
        return max((b - a) * 1000 for a, b in zip(at, at[1:]))

    def close(self):
        self._process.kill()
        self._process.wait(settings.seconds(5))
        self._process.stdout.close()


class SwitchTest(NetTest):
    timeout_seconds = 180
    config = {}

    def prepare(self):
        self.switch = Space("switch")
        self.addCleanup(self.switch.remove)
        self.switch.ip("link", "add", "sw0", "type", "bridge")
        self.switch.ip("link", "set", "sw0", "up")
        self.switch.ip("addr", "add", f"{NET}.1/24", "dev", "sw0")
        for host in self.world.hosts.values():
            host.write_config(move=self.config)
        for place in self.places.values():
            port = f"to-{place.id}"
            self.switch.ip("link", "add", port, "type", "veth", "peer", "name", "up0", "netns",
                           place.name)
            self.switch.ip("link", "set", port, "master", "sw0")
            self.switch.ip("link", "set", port, "up")
            place.ip("link", "set", "up0", "master", "br0")
            place.ip("link", "set", "up0", "up")

    def times(self, *words):
        times = Times(self.switch, *words)
        self.addCleanup(times.close)
        return times

    def measured(self, host, move_id):
        """As soon as nothing more is awaited."""
        def told():
            measured = host.move_state(move_id)["measured"]
            notes = [measured["outage_note"], *(nic["note"] for nic in measured["nics"])]
            return None if any("yet" in note for note in notes) else measured
        return self.eventually("the destination has told it", told, 20)

    def listens(self, place):
        return len(place.run("cat", "/proc/net/packet").splitlines()) > 1

    def assert_agrees(self, move, times):
        measured = self.measured(self.a, move["id"])
        seen_ms, nic = times.longest_gap_ms(times.at[0]), measured["nics"][-1]
        self.note(f"outage {nic['outage_ms']} +/- {nic['outage_error_ms']} ms, announced "
                  f"{nic['announced_ms']}, pause {nic['pause_ms']}; seen by another: {seen_ms:.1f}; "
                  f"blackout {measured['blackout_ms']}")
        self.assertEqual(measured["outage_note"], "")
        self.assertAlmostEqual(nic["outage_ms"], seen_ms, delta=settings.seconds(AGREES_MS))
        self.assertEqual(measured["outage_ms"],
                         max(n["outage_ms"] for n in measured["nics"] if not n["note"]))
        self.assertLess(nic["outage_error_ms"], settings.seconds(50))
        self.assertGreater(nic["outage_ms"] + nic["outage_error_ms"]
                           + measured["blackout_error_ms"], measured["blackout_ms"])
        return measured


class OutageTest(SwitchTest):
    def test_outage_is_what_another_has_seen_and_survives_a_restart(self):
        guest = self.world.guest(area=0, memory_mib=64, period=PERIOD, extra_args=SENDER, nics=[
            {"id": "silent", "type": "tap", "ifname": "tap1", "bridge": "br0"}])
        guest.start(self.a)
        frames = self.times(LISTEN, "0x88b5", "sw0")
        self.eventually("the guest's frames come", lambda: len(frames.at) > 20)
        # The hosts' clocks are compared twice a second while it is under way.
        move = self.world.move(guest, self.a, self.b, bandwidth_bytes_per_s=SLOW)
        count = len(frames.at)
        self.eventually("they come from there", lambda: len(frames.at) > count + 20)
        measured = self.assert_agrees(move, frames)
        silent, sender = measured["nics"]
        self.assertEqual((silent["id"], sender["id"]), ("silent", "raw"))
        self.assertEqual(measured["outage_nic"], "raw")
        self.assertLessEqual(sender["announced_ms"], sender["outage_ms"])
        self.assertIsNone(silent["outage_ms"])
        self.assertIn("no frame of the guest was seen on host 'a'", silent["note"])
        shown = self.a.migrctl("move", "show", move["id"]).stdout
        for words in ("network outage", " +/- ", "outage of NIC", "ANNOUNCED",
                      "The network saw no frame of it for"):
            self.assertIn(words, shown)
        self.assertNotIn("no outage known", shown)
        _, _, text = self.a.api.send("GET", "/metrics")
        self.assertIn("migrd_move_network_outage_seconds_count 1\n", text.decode())
        self.a.stop()
        self.a.start()
        self.assertEqual(self.a.move_state(move["id"])["measured"], measured)

    @only_full
    # Of a QEMU before 9.0 a Linux guest would have to be paused (lib/linux.py).
    @unittest.skipIf(settings.qemu_major() < 9, "QEMU < 9.0 loses writes of a Linux guest under TCG")
    def test_outage_of_a_linux_guest_is_what_a_ping_has_felt(self):
        guest = LinuxGuest(self.world, nics=[
            {"id": "n", "type": "tap", "ifname": "tap0", "bridge": "br0"}])
        guest.start(self.a)
        guest.sh(f"ip link set eth0 up; ip addr add {NET}.2/24 dev eth0")
        echoes = self.times(PING, f"{NET}.2")
        self.eventually("the guest answers", lambda: len(echoes.at) > 100)
        move = self.world.move(guest, self.a, self.b)
        count = len(echoes.at)
        self.eventually("it answers from there", lambda: len(echoes.at) > count + 50)
        self.assertEqual(self.assert_agrees(move, echoes)["nics"][0]["ping"], "off")

    def test_guest_that_sends_nothing_and_a_tap_that_went_down_have_no_figure(self):
        guest = self.world.guest(area=0, memory_mib=64, period=PERIOD, extra_args=SENDER)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.eventually("migrd listens", lambda: self.listens(self.places["a"]))
        self.places["a"].ip("link", "set", "tap0", "down")
        self.places["a"].ip("link", "set", "tap0", "up")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        measured = self.measured(self.a, move["id"])
        self.assertIsNone(measured["outage_ms"])
        self.assertIn("on host 'a': its interface was set down", measured["outage_note"])
        guest.assert_runs_on(self.b)
        quiet = self.world.guest("g2", area=0, memory_mib=64, nics=[
            {"id": "n", "type": "tap", "ifname": "tap1", "bridge": "br0"}])
        quiet.start(self.a)
        measured = self.measured(
            self.a, self.world.move(quiet, self.a, self.b, outage_ping_ms=10)["id"])
        self.assertIsNone(measured["outage_ms"])
        self.assertEqual(measured["nics"][0]["ping"], "no-address")
        self.assertIsNone(measured["nics"][0]["announced_ms"])
        self.assertIn("no frame of the guest was seen on host 'a'", measured["outage_note"])


@unittest.skipIf(settings.qemu_major() < 9, "QEMU < 9.0 loses writes of a Linux guest under TCG")
class PingTest(SwitchTest):
    # By the tap the guest says nothing by itself, and not who it is.
    def test_quiet_guest_that_may_be_asked_has_an_outage_and_the_network_hears_nothing_of_it(self):
        guest = LinuxGuest(self.world, guest_agent=True, nics=[
            {"id": "n", "type": "tap", "ifname": "tap0", "bridge": "br0"},
            {"id": "direct", "type": "macvtap", "ifname": "mvt0"}])
        guest.start(self.a)
        guest.sh(f"ip link set eth0 up; ip addr add {NET}.2/24 dev eth0; ip link set eth1 up; "
                 "ip addr add 10.9.1.2/24 dev eth1; (ping -i 0.1 10.9.1.1 >/dev/null 2>&1 &)")
        network, here, there = (Times(space, LISTEN, "0x0806", port) for space, port in (
            (self.switch, "sw0"), (self.places["a"], "tap0"), (self.places["b"], "tap0")))
        for times in (network, here, there):
            self.addCleanup(times.close)
        self.eventually("its agent is there", lambda: guest.vm(self.a)["agent"]["connected"])
        self.a.api.call("PUT", "/v1/policies/measured", {"name": "measured", "outage_ping_ms": 10})
        move = self.world.move(guest, self.a, self.b, policy="measured")
        self.assertEqual(move["options"]["outage_ping_ms"], 10)
        self.assertIn("call=network result=done", self.a.log_tail(400))
        measured = self.measured(self.a, move["id"])
        (nic, direct), seen_ms = measured["nics"], (there.at[0] - here.at[-1]) * 1000
        self.note(f"outage {nic['outage_ms']} +/- {nic['outage_error_ms']} ms, pause "
                  f"{nic['pause_ms']}; seen by another: {seen_ms:.1f}; blackout "
                  f"{measured['blackout_ms']}; ARP here {len(here.at)}, there {len(there.at)}, "
                  f"network {len(network.at)}; by the macvtap {direct['outage_ms']}")
        self.assertEqual((nic["ping"], nic["note"]), ("sent", ""))
        self.assertEqual((direct["ping"], direct["note"]), ("macvtap", ""))
        self.assertGreater(direct["outage_ms"] + direct["outage_error_ms"]
                           + measured["blackout_error_ms"], measured["blackout_ms"])
        self.assertAlmostEqual(nic["outage_ms"], seen_ms, delta=settings.seconds(AGREES_MS))
        self.assertGreater(len(here.at), 5)     # the guest has answered
        self.assertLess(len(network.at), 5)     # and has announced itself, there and here
