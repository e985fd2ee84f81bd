# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts in network namespaces of their own, and a router between them that silently drops
packets on request, like a switch that fails.  As root."""
import itertools
import os
import pathlib
import subprocess

from faults import Fault
from lib import settings
from lib.host import Host, introduce
from lib.world import World

API_PORT, DATA_PORT = 8440, 8441
ADDRESSES = {"a": "10.213.1", "b": "10.213.2", "c": "10.213.3"}
NUMBERS = itertools.count()
RATE = "100mbit"            # so that QEMU's last pass takes long enough to be cut
LINKS = {"control link": [API_PORT], "data link": [DATA_PORT], "both links": [API_PORT, DATA_PORT]}
ONE_WAY = {"ab": "", "a": ", only from the source", "b": ", only to the source"}


def ip(*words, **kwargs):
    subprocess.run(["ip", *words], check=True, **({"stdin": subprocess.DEVNULL} | kwargs))


class Network:
    """Namespaces for each host and for the router; the router's end of the link to X is to-X."""

    def __init__(self, rate=RATE, hosts=("a", "b")):
        self.rate, self.hosts = rate, hosts
        number = next(NUMBERS)
        self.names = {who: f"migrd-test-{os.getpid()}-{number}{who}" for who in (*hosts, "r")}
        self.rules = []
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for host in hosts:
            self._connect(host, ADDRESSES[host])

    def _connect(self, host, prefix):
        ns, router = self.names[host], self.names["r"]
        ip("link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", f"to-{host}",
           "netns", router)
        ip("-n", ns, "address", "add", f"{prefix}.1/24", "dev", "eth0")
        ip("-n", router, "address", "add", f"{prefix}.254/24", "dev", f"to-{host}")
        ip("-n", ns, "link", "set", "eth0", "up")
        ip("-n", router, "link", "set", f"to-{host}", "up")
        ip("-n", ns, "route", "add", "default", "via", f"{prefix}.254")
        ip("netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        subprocess.run(["tc", "-n", router, "qdisc", "add", "dev", f"to-{host}", "root", "tbf",
                        "rate", self.rate, "burst", "128kb", "latency", "100ms"], check=True)

    def lift_rate(self):
        for host in self.hosts:
            subprocess.run(["tc", "-n", self.names["r"], "qdisc", "del", "dev", f"to-{host}", "root"],
                           check=False)

    def address(self, host):
        return f"{ADDRESSES[host]}.1"

    def prefix(self, host):
        """Of a command line that is to run there."""
        return ("ip", "netns", "exec", self.names[host])

    def _router(self, verb):
        ip("-n", self.names["r"], "-batch", "-", text=True, stdin=None,
           input="".join(f"rule {verb} {rule}\n" for rule in self.rules))

    def cut(self, link, coming_from):
        """Drops all packets of LINK, or only those from one side."""
        self.rules = [f"iif to-{host} ipproto tcp {end} {port} blackhole" for host in coming_from
                      for end in ("dport", "sport") for port in LINKS[link]]
        self._router("add")

    def heal(self):
        self._router("del")
        self.rules = []

    def close(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


class NetWorld(World):
    def __init__(self, rate=RATE, ids=("a", "b")):
        super().__init__(ids=())
        self.network = Network(rate, ids)
        pki = self.dir / "h"
        specs = [f"{host}={self.network.address(host)}:{API_PORT}:{DATA_PORT}" for host in ids]
        for args in (["init"], ["host", *specs]):
            subprocess.run([settings.program("migrctl"), "pki", *args, "--dir", str(pki)],
                           check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.hosts = {
            i: Host(i, pathlib.Path(pki) / i, API_PORT, DATA_PORT, self.network.address(i),
                    self.network.prefix(i))
            for i in ids}
        introduce(self.hosts.values())

    def remove(self):
        self.network.close()
        super().remove()


class ConnectionBroken(Fault):
    """One of the connections that carry memory is broken, as by a firewall that forgets it."""
    needs_root = True

    def __init__(self, channels):
        self.count = channels + 1   # with that of the device state
        self.options = {"move": {"multifd": {"channels": channels}}}
        self.name = f"one of {self.count} data connections broken"

    @staticmethod
    def sockets(s, *words):
        """The local ports of the source's data connections, lowest first."""
        out = subprocess.run([*s.a.prefix, "ss", "-Htn", *words, "dport", "=", f":{s.b.data_port}"],
                             check=True, capture_output=True, text=True).stdout
        return sorted(int(line.split()[3].rsplit(":", 1)[1]) for line in out.splitlines())

    def strike(self, s):
        ports = s.wait("the data connections", lambda: self.all_of(s))
        self.sockets(s, "-K", "sport", "=", f":{ports[self.count // 2]}", "and")

    def all_of(self, s):
        ports = self.sockets(s)
        return ports if len(ports) == self.count else None


class Cut(Fault):
    options = {"make_world": NetWorld, "rate": 4}   # well below the rate of the link
    needs_root = True

    def __init__(self, link, coming_from="ab", seconds=5):
        self.link, self.coming_from, self.seconds = link, coming_from, seconds
        self.name = f"{link} cut for {seconds} s{ONE_WAY[coming_from]}"

    def strike(self, s):
        s.world.network.cut(self.link, self.coming_from)

    def mend(self, s):
        s.world.network.heal()
