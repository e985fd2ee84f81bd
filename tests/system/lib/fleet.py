# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several hosts, each with a link of its own to a switch, and many guests on them.  As root, for
network namespaces.  Each has a budget of bandwidth: what the link carries, or, without namespaces, on
loopback, what stands for the link."""
import concurrent.futures
import datetime

from .places import Space
from .world import World

MIB = 1 << 20
# What moves may send of a link's bits: the headers of TCP, IP and Ethernet, and TLS, need the rest,
# and a percent stays free, so that nothing waits in the network.
PAYLOAD = 0.94
BURST = "256kb"     # of the token bucket: larger than what a veth passes on at once (64 KiB)
NETWORK = "10.213.79"
STARTED_AT_ONCE = 4


class Links:
    """A network namespace for each host, with an interface eth0 to a switch.  Each link carries so
    much in each direction and no more."""

    def __init__(self, ids, mbit):
        self.spaces = {}
        try:
            self.switch = self._space("switch")
            self.switch.ip("link", "add", "br0", "type", "bridge")
            self.switch.ip("link", "set", "br0", "up")
            for number, host in enumerate(ids, 1):
                self._connect(self._space(host), number, mbit)
        except BaseException:
            self.close()
            raise

    def _space(self, name):
        self.spaces[name] = space = Space(name)
        space.ip("link", "set", "lo", "up")
        return space

    def _connect(self, space, number, mbit):
        port = f"port{number}"
        space.ip("link", "add", "eth0", "type", "veth", "peer", "name", port,
                 "netns", self.switch.name)
        space.ip("address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        self.switch.ip("link", "set", port, "master", "br0")
        for end, name in ((space, "eth0"), (self.switch, port)):
            end.ip("link", "set", name, "up")
            end.run("tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", f"{mbit}mbit",
                    "burst", BURST, "latency", "50ms")
        space.address = f"{NETWORK}.{number}"

    def places(self):
        """As World wants them."""
        return {name: (space.address, space.prefix) for name, space in self.spaces.items()
                if space is not self.switch}

    def close(self):
        for space in self.spaces.values():
            space.remove()


class Fleet(World):
    """MBIT: of each link in each direction."""

    def __init__(self, ids, mbit, has_links=True):
        self.links = Links(ids, mbit) if has_links else None
        self.link_bytes_per_s = mbit * 1000000 // 8
        try:
            super().__init__(ids, self.links.places() if has_links else None)
        except BaseException:
            self.close_links()
            raise
        for host in self.hosts.values():
            self.configure(host)

    def configure(self, host, **sections):
        """Writes the configuration of HOST, with SECTIONS beside what each host of a fleet has."""
        budget = int(self.link_bytes_per_s * (PAYLOAD if self.links else 1))
        host.write_config(move={"link_probe_ms": 300, "bandwidth_budget_bytes_per_s": budget,
                                "bandwidth_budget_in_bytes_per_s": budget},
                          log={"level": "info"}, **sections)

    def close_links(self):
        if self.links:
            self.links.close()

    def remove(self):
        self.close_links()
        super().remove()

    def start_guests(self, places):
        """Starts each guest on its host, some at a time.  PLACES: [(guest, host)]."""
        def start(place):
            guest, host = place
            guest.start(host, sweeps=0)
        with concurrent.futures.ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            list(pool.map(start, places))

    def homes(self):
        """{guest: ids of the hosts that have it}, by the hosts' word."""
        found = {name: [] for name in self.guests}
        for host in self.hosts.values():
            for name in host.vms():
                found.setdefault(name, []).append(host.id)
        return found

    def moves_out(self, since):
        """The moves that began at SINCE or later (as the API writes times), of all sources."""
        return [move for host in self.hosts.values() for move in host.moves()
                if move["kind"] == "MIGRATION_OUT" and move["created_at"] >= since]

    def least_seconds(self, moves):
        """In which the links can carry what MOVES have sent: (seconds, which link)."""
        ways = {}
        for move in moves:
            size = move["progress"]["ram_transferred_bytes"]
            for way in (f"from {move['source']}", f"to {move['destination']}"):
                ways[way] = ways.get(way, 0) + size
        way = max(ways, key=ways.get)
        return ways[way] / self.link_bytes_per_s, way

    def assert_each_runs_once(self, sweeps=0):
        """Each guest is on one host, runs there and nowhere else, and by its own word its counter
        never went back and its memory is right."""
        homes = self.homes()
        for name in self.guests:
            if len(homes[name]) != 1:
                raise AssertionError(f"{name} is on the hosts {homes[name]}")
        self.at_once(lambda name: self.guests[name].assert_runs_on(self.hosts[homes[name][0]], sweeps),
                     self.guests)

    @staticmethod
    def at_once(function, values):
        """FUNCTION for each of VALUES, in threads: a guest takes its time for a sweep."""
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(values)) as pool:
            list(pool.map(function, values))


def wall_now():
    """The time of this machine, as the API writes times."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
