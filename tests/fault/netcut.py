#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network is cut at named phases of a move: two hosts in network namespaces of
their own, with a router between them that drops what it is told to, silently.

    tests/fault/netcut.py --build DIR [--full] [-k TEXT] [--markdown FILE]     (as root)

One line a case.  Figures of libvirt 9.0: measured with the same faults, where
there is a row number.
"""
import argparse
import os
import pathlib
import subprocess
import sys

from scene import Case, Scene, arguments, run_cases, set_up

from lib import procs, settings  # noqa: E402  (scene.py has set the path)
from lib.host import Host  # noqa: E402
from lib.world import World  # noqa: E402

API_PORT, DATA_PORT = 8440, 8441
ADDRESSES = {"a": "10.213.1", "b": "10.213.2"}
RATE = "100mbit"            # so that QEMU's last pass takes long enough to be cut
HANDOVER_SECONDS = 3        # handover_link_timeout_ms by default
SHORT_LINK_TIMEOUT_MS = 6000

LINKS = {
    "control link": [f"{end} {API_PORT}" for end in ("dport", "sport")],
    "data link": [f"{end} {DATA_PORT}" for end in ("dport", "sport")],
    "both links": [f"{end} {port}" for end in ("dport", "sport")
                   for port in (API_PORT, DATA_PORT)],
}


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Network:
    """Namespaces for each host and for the router; the router's end of the link to X is to-X."""

    def __init__(self):
        self.names = {who: f"migrd-test-{os.getpid()}-{who}" for who in ("a", "b", "r")}
        self.rules = []
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for host, prefix in ADDRESSES.items():
            self._connect(host, prefix)
        self._router = procs.Child(["ip", "-n", self.names["r"], "-force", "-batch", "-"],
                                   stdin=subprocess.PIPE, text=True, bufsize=1)

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
                        "rate", RATE, "burst", "128kb", "latency", "100ms"], check=True)

    def cut(self, link, coming_from=("a", "b")):
        """Drops all of LINK, or only what comes from one side."""
        self.rules = [f"iif to-{host} ipproto tcp {match} blackhole"
                      for host in coming_from for match in LINKS[link]]
        self._router.stdin.write("".join(f"rule add {rule}\n" for rule in self.rules))

    def heal(self):
        self._router.stdin.write("".join(f"rule del {rule}\n" for rule in self.rules))
        self.rules = []

    def close(self):
        self._router.stdin.close()
        self._router.end()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


class NetHost(Host):
    def __init__(self, network, host_id, directory):
        super().__init__(host_id, directory, API_PORT, DATA_PORT)
        self.namespace = network.names[host_id]
        self.address = f"{ADDRESSES[host_id]}.1"

    def write_config(self, **sections):
        sections.setdefault("api", {})["listen"] = f"{self.address}:{API_PORT}"
        sections.setdefault("data", {})["listen"] = f"{self.address}:{DATA_PORT}"
        super().write_config(**sections)

    def spawn(self):
        with open(self.log, "ab") as log:
            self.process = procs.Child(
                ["ip", "netns", "exec", self.namespace, settings.program("migrd"), "-c",
                 str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
                env={**os.environ, **self.env, procs.MARK: str(self.dir)})


class NetWorld(World):
    def __init__(self):
        super().__init__(ids=())
        self.network = Network()
        pki = self.dir / "h"
        specs = [f"{host}={prefix}.1:{API_PORT}:{DATA_PORT}" for host, prefix in ADDRESSES.items()]
        for args in (["init"], ["host", *specs]):
            subprocess.run([settings.program("migrctl"), "pki", *args, "--dir", str(pki)],
                           check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.hosts = {i: NetHost(self.network, i, pathlib.Path(pki) / i) for i in ADDRESSES}

    def remove(self):
        self.network.close()
        super().remove()


# ---- cases -------------------------------------------------------------------------

CASES = []
CONVERGING = {"area": 4, "rate": 2}                  # takes 4 s at 4 MiB/s
BUSY = {"area": 8, "rate": 64, "memory_mib": 64}    # each pass sends all 8 MiB: 0.7 s


def cut_for(s, link, coming_from, seconds):
    s.fault()
    s.world.network.cut(link, coming_from)
    s.sleep(seconds)
    s.world.network.heal()
    s.healed()


def in_transfer(link, coming_from, lasts):
    def run(s):
        s.in_transfer()
        cut_for(s, link, coming_from, lasts(s))
        if not s.is_final(s.a):
            s.a.api.patch(f"/v1/moves/{s.move_id}", {"bandwidth_bytes_per_s": 0})
    return run


def converging(link, coming_from, lasts):
    def run(s):
        s.in_transfer()
        s.a.api.patch(f"/v1/moves/{s.move_id}", {"bandwidth_bytes_per_s": 4 << 20})
        cut_for(s, link, coming_from, lasts(s))
    return run


def at_stop(link, coming_from, lasts):
    def run(s):
        monitor = s.monitor(s.a)
        s.begin(downtime_limit_ms=2000)
        monitor.wait_event("STOP")
        cut_for(s, link, coming_from, lasts(s))
    return run


def at_completed(link, coming_from, lasts):
    """`go' waits at a fault point meanwhile."""
    def run(s):
        monitor = s.monitor(s.a)
        s.begin()
        monitor.wait_event("STOP")
        while monitor.command("query-migrate")["return"].get("status") != "completed":
            pass
        cut_for(s, link, coming_from, lasts(s))
    return run


def at_cont(link, coming_from, lasts):
    def run(s):
        s.when_running_there()
        cut_for(s, link, coming_from, lasts(s))
    return run


def short(_):
    return 5


def long(s):
    return s.long(15, 60)


def until_healed(s):
    """The link, and then at most one backed-off try of TCP's and one of ours."""
    return s.healed_at - s.fault_at + 8


def case(phase, link, ways, lasts, run, **expected):
    name = {short: "5 s", long: "long"}[lasts]
    direction = {"ab": "", "a": ", only from the source", "b": ", only to the source"}[ways]
    CASES.append(Case(run(link, tuple(ways), lasts), phase, f"{link} cut {name}{direction}",
                      **expected))


def all_cases():
    done = {"runs_on": "b", "ends": "done / done"}
    failed = {"runs_on": "a", "ends": "failed / failed"}
    timeout = {"config": {"move": {"link_timeout_ms": SHORT_LINK_TIMEOUT_MS}}}
    lost = "1 (A), move lost after 27 s"

    case("transfer", "control link", "ab", short, in_transfer, **done)
    case("transfer", "data link", "ab", short, in_transfer, **done, only_full=True)
    case("transfer", "both links", "ab", short, in_transfer, **done, row="6",
         libvirt="1 (A), survives")
    case("transfer", "both links", "a", short, in_transfer, **done, only_full=True)
    case("transfer", "both links", "b", short, in_transfer, **done)
    case("transfer", "control link", "ab", long, in_transfer, **done)
    case("transfer", "data link", "ab", long, in_transfer, **failed, **timeout)
    case("transfer", "both links", "ab", long, in_transfer, **failed, **timeout, row="7",
         libvirt=lost)
    case("transfer", "both links", "a", long, in_transfer, **failed, **timeout, only_full=True)
    case("transfer", "both links", "b", long, in_transfer, **failed, **timeout, only_full=True)

    case("transfer, converging", "control link", "ab", short, converging, **done, **CONVERGING)
    case("transfer, converging", "both links", "ab", short, converging, **done, **CONVERGING,
         row="6b", libvirt="1 (B), 0.2 s")
    case("transfer, converging", "control link", "ab", long, converging, **done, **CONVERGING)

    for link, ways, row, words in (("data link", "ab", "", ""),
                                   ("both links", "ab", "8a", "1 (B), stopped 6.6 s"),
                                   ("both links", "a", "", ""), ("both links", "b", "", "")):
        case("handover, at STOP", link, ways, short, at_stop, **failed, **BUSY, row=row,
             libvirt=words, stall=HANDOVER_SECONDS + 2, only_full=ways == "a")
    for link, ways, row, words in (("data link", "ab", "", ""),
                                   ("both links", "ab", "8b", "1 (A), stopped 60.5 s"),
                                   ("both links", "a", "", ""), ("both links", "b", "", "")):
        case("handover, at STOP", link, ways, long, at_stop, **failed, **BUSY, row=row,
             libvirt=words, stall=HANDOVER_SECONDS + 2, only_full=ways != "ab")
    for lasts in (short, long):
        case("handover, at STOP", "control link", "ab", lasts, at_stop, **done, **BUSY,
             stall=until_healed, only_full=lasts is long)
        case("handover, completed", "both links", "ab", lasts, at_completed, **done,
             plans={"a": "peer.send.go:delay:ms=1000"}, stall=until_healed,
             row="8c" if lasts is long else "", only_full=lasts is short,
             libvirt="1 (A), stopped 28.2 s" if lasts is long else "")
    before_answer = {"plans": {"b": "qmp.reply.cont:delay:ms=3000"}}
    case("after taken", "both links", "ab", short, at_cont, **done, **before_answer, row="8d",
         libvirt="1 (B), 0.2 s")
    case("after taken", "both links", "ab", long, at_cont, **done, **before_answer, row="8e",
         libvirt="**2: runs twice**, 3 of 3")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments(parser)
    args = parser.parse_args()
    set_up(args)
    if os.geteuid() != 0 and not args.list:
        print("skipped: network namespaces need root")
        return 77
    all_cases()
    return run_cases(CASES, args, lambda one: Scene(args.full, world=NetWorld(), **one.scene))


if __name__ == "__main__":
    sys.exit(main())
