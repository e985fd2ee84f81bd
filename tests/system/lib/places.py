# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts with networks of their own: each is a network namespace with a bridge, three taps, and a
macvtap on one end of a cable (veth).  As root.
"""
import collections
import json
import os
import subprocess
import sys
import threading
import unittest

from . import settings
from .world import SystemTest, World

SETUP = """
link set lo up
link add br0 address 02:00:00:00:00:01 type bridge
link set br0 up
link add wire0 type veth peer name wire1
link set wire1 address 02:00:00:00:00:02
link set wire0 up
link set wire1 up
addr add 10.9.1.1/24 dev wire1
addr add 10.9.0.1/24 dev br0
link add link wire0 name mvt0 index {index} type macvtap mode bridge
link set mvt0 up
"""


class Space:
    """A network namespace."""

    def __init__(self, name):
        self.name = f"migrd-net-{os.getpid()}-{name}"
        self.prefix = ("nsenter", f"--net=/run/netns/{self.name}")
        subprocess.run(["ip", "netns", "add", self.name], check=True)

    def run(self, *words):
        return subprocess.run([*self.prefix, *words], check=True, capture_output=True,
                              text=True).stdout

    def ip(self, *words):
        return self.run("ip", *words)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def fdb(self, mac, bridge):
        """The ports to which BRIDGE has entries for MAC."""
        rows = json.loads(self.run("bridge", "-j", "fdb", "show", "br", bridge))
        return {row["ifname"] for row in rows if row["mac"] == mac}


class Place(Space):
    """The network of one host."""

    def __init__(self, host_id):
        super().__init__(host_id)
        self.id = host_id
        self.address = f"10.213.78.{'ab'.index(host_id) + 1}"

    def build(self):
        # /dev/tapN is shared by all namespaces, so the index must differ from every other one.
        index = 100000 + os.getpid() % 100000 * 4 + "ab".index(self.id)
        for line in SETUP.format(index=index).strip().splitlines():
            self.ip(*line.split())
        for tap in ("tap0", "tap1", "tap2"):
            self.make_tap(tap)

    def make_tap(self, tap):
        self.ip("tuntap", "add", tap, "mode", "tap")
        self.ip("link", "set", tap, "master", "br0")
        self.ip("link", "set", tap, "up")

    def static(self, tap):
        """Addresses that were added to the bridge by hand for a port."""
        rows = json.loads(self.run("bridge", "-j", "fdb", "show", "dev", tap))
        return {row["mac"] for row in rows if row["state"] == "static" and "master" in row}

    def masters(self, *taps):
        links = json.loads(self.ip("-j", "link", "show"))
        return {link.get("master") for link in links if link["ifname"] in taps}

    def macvtap(self):
        """(address, flags, addresses in its own list)."""
        link = json.loads(self.ip("-j", "link", "show", "mvt0"))[0]
        rows = json.loads(self.run("bridge", "-j", "fdb", "show", "dev", "mvt0"))
        return link["address"], set(link["flags"]), {row["mac"] for row in rows}


@unittest.skipUnless(os.geteuid() == 0, "needs root, for network namespaces")
class NetTest(SystemTest):
    """Each host has a network of its own."""

    def setUp(self):
        self.places = {i: Place(i) for i in "ab"}
        for place in self.places.values():
            self.addCleanup(place.remove)
            place.build()
        a, b = self.places.values()
        a.ip("link", "add", "host0", "type", "veth", "peer", "name", "host0", "netns", b.name)
        for place in (a, b):
            place.ip("addr", "add", f"{place.address}/24", "dev", "host0")
            place.ip("link", "set", "host0", "up")
        self.world = World("ab", {i: (p.address, p.prefix) for i, p in self.places.items()})
        self.addCleanup(self._close_world)
        self.prepare()
        self.world.start()
        self.a, self.b = self.world["a"], self.world["b"]


Frame = collections.namedtuple("Frame", "at ifname is_out source")

# Prints the time, the interface, whether it goes out there, and the source of each RARP frame.
SNIFF = """
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
print("ready", flush=True)
while True:
    data, address = s.recvfrom(2048)
    if data[12:14] == b"\\x80\\x35":
        is_out = int(address[2] == socket.PACKET_OUTGOING)
        print(time.monotonic(), address[0], is_out, data[6:12].hex(":"), flush=True)
"""


class Sniffer:
    """Collects the RARP frames that pass the interfaces of SPACE."""

    def __init__(self, space):
        self._frames = []
        self._process = subprocess.Popen([*space.prefix, sys.executable, "-c", SNIFF],
                                         stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise AssertionError("the sniffer did not start")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            at, ifname, is_out, source = line.split()
            self._frames.append(Frame(float(at), ifname, is_out == "1", source))

    def frames(self, ifname, source, since=0.0, is_out=False):
        return [f for f in list(self._frames) if f.at >= since
                and (f.ifname, f.is_out, f.source) == (ifname, is_out, source)]

    def close(self):
        self._process.kill()
        self._process.wait(settings.seconds(5))
        self._process.stdout.close()
