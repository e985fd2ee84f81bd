#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cuts the network between two hosts, each in a network namespace of its own.

    tests/fault/network.py --build DIR [--full] [-k PATTERN] [--markdown FILE]

Packets are dropped, as by a switch that fails: nobody is told.  For 5 s, in the
full form also for 60 s.  As root, with nft(8).
"""
import os
import shutil
import signal
import subprocess
import sys

from arena import Arena
from outside import DONE, FAILED, PHASES, Fault, Outside, Transfer, parse_arguments, report, send

NETWORK = "10.213.77"
# No memory changes, so that all that is left fits into the buffers on the way.
GUEST = {"area": 0}


def command(*words, check=True):
    subprocess.run(words, check=check, stdout=subprocess.DEVNULL,
                   stderr=None if check else subprocess.DEVNULL)


class Namespaces:
    """a and b, with a cable between them."""

    def __init__(self):
        self.names = {i: f"migrd-{os.getpid()}-{i}" for i in "ab"}

    def __enter__(self):
        for name in self.names.values():
            command("ip", "netns", "add", name)
        command("ip", "-n", self.names["a"], "link", "add", "eth0", "type", "veth",
                "peer", "name", "eth0", "netns", self.names["b"])
        for i, name in self.names.items():
            command("ip", "-n", name, "addr", "add", f"{self.address(i)}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                command("ip", "-n", name, "link", "set", link, "up")
        return self

    def __exit__(self, *_):
        for name in self.names.values():
            command("ip", "netns", "del", name, check=False)

    @staticmethod
    def address(host_id):
        return f"{NETWORK}.{'ab'.index(host_id) + 1}"

    def places(self):
        return {i: (self.address(i), ("nsenter", f"--net=/run/netns/{name}"))
                for i, name in self.names.items()}

    def nft(self, host_id, *words, check=True):
        command("ip", "netns", "exec", self.names[host_id], "nft", *words, check=check)

    def drop(self, host_id, hook, match):
        self.nft(host_id, "add", "table", "inet", "cut")
        self.nft(host_id, "add", "chain", "inet", "cut", hook,
                 f"{{ type filter hook {hook} priority 0; }}")
        self.nft(host_id, "add", "rule", "inet", "cut", hook, f"{match} drop")

    def heal(self):
        for i in self.names:
            self.nft(i, "delete", "table", "inet", "cut", check=False)


class Cut(Fault):
    """What does not come through: the ports of the coordinators, those of the
    data, all, or all in one direction."""

    def __init__(self, namespaces, kind, seconds):
        super().__init__("destination")
        self.namespaces, self.kind, self.seconds = namespaces, kind, seconds

    def strike(self, stage):
        here, there = stage.source, stage.destination
        if self.kind in ("control", "data"):
            ports = {str(host.api_port if self.kind == "control" else host.data_port)
                     for host in (here, there)}
            listed = "{ " + ", ".join(sorted(ports)) + " }"
            for hook in ("output", "input"):
                for port in ("sport", "dport"):
                    self.namespaces.drop(here.id, hook, f"tcp {port} {listed}")
        elif self.kind == "both":
            self.namespaces.drop(here.id, "output", "oif eth0")
            self.namespaces.drop(here.id, "input", "iif eth0")
        else:
            blind = here if self.kind == "to the destination" else there
            self.namespaces.drop(blind.id, "output", "oif eth0")

    def mend(self, stage):
        self.namespaces.heal()


class HeldTransfer(Transfer):
    """Memory flows, slowly, until the network is whole again."""
    lets_go_early = False


class Switchover(Transfer):
    """The guest stands still: all is sent, and the destination's QEMU, which is
    stopped, has not loaded it when the cut comes."""

    def hold(self, stage):
        stage.arena.arm({})
        super().hold(stage)
        stage.remember_qemus()
        send(stage.qemu[stage.destination], signal.SIGSTOP)
        stage.open_link()
        stage.wait_point(stage.source, "move.src.handover")

    def let_go(self, stage):
        send(stage.qemu[stage.destination], signal.SIGCONT)


PHASES.update({"transfer": HeldTransfer, "switchover": Switchover})
KINDS = ("control", "data", "both", "to the destination", "to the source")

# The data link may be silent for 20 s in transfer and for 3 s while the guest
# stands still (link_timeout_ms, handover_link_timeout_ms); prepare has 30 s.
SHORT_CUT = {kind: {"prepare": DONE, "transfer": DONE, "switchover": FAILED, "handover": DONE,
                    "taken": DONE} for kind in KINDS}
LONG_CUT = {kind: {"prepare": FAILED, "transfer": FAILED, "switchover": FAILED, "handover": DONE,
                   "taken": DONE} for kind in KINDS}
for cuts in (SHORT_CUT, LONG_CUT):
    cuts["control"].update({"transfer": DONE, "switchover": DONE})


def table(namespaces, full):
    cases = {}
    for seconds, outcomes in ((5, SHORT_CUT), (60, LONG_CUT))[:2 if full else 1]:
        for kind, phases in outcomes.items():
            cases[f"network cut, {kind}, {seconds} s"] = (
                lambda kind=kind, seconds=seconds: Cut(namespaces, kind, seconds), phases)
    return cases


def main():
    args = parse_arguments(__doc__)
    if os.geteuid() != 0 or not shutil.which("nft"):
        print("0 cases, 0 failed: needs root and nft")
        return 77
    with Namespaces() as namespaces:
        outside = Outside(args, lambda: Arena(namespaces.places(), **GUEST))
        try:
            outside.run_all(table(namespaces, args.full))
        finally:
            namespaces.heal()
            outside.close()
    return report(outside)


if __name__ == "__main__":
    sys.exit(main())
