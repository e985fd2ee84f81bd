# SPDX-License-Identifier: LGPL-2.1-or-later
"""More clusters for the planner, made in another way than those of plan_cluster.py, so that it is not
judged only by what it was made with: each shape draws hosts, VMs, loads and places by itself.

flavours: equal hosts, VMs of a cloud's sizes, most of them idle.  pareto: three generations of
hosts, few VMs have most of the memory, loads have nothing to do with sizes.  sites: two sites, which
many VMs require, and pairs that keep apart.  pairs: nearly each VM has a standby that is idle.
filled: hosts were filled one after the other, so the first are full and the last are empty.
"""
import random

RATIO = 4.0
FLAVOURS = [(1, 2), (2, 4), (2, 8), (4, 8), (4, 16), (8, 32), (16, 64)]


def host(number, gib, cpus, gbps, racks, labels=None):
    return {"name": f"n{number:04}", "mem_mib": gib * 1024, "reserved_mib": gib * 20, "cpus": cpus,
            "nic_gbps": gbps, "rack": f"k{number % racks}", "state": "online",
            "labels": labels or {}}


def vm(number, mem_mib, vcpus, load, group=None, requires=None):
    return {"name": f"g{number:05}", "mem_mib": mem_mib, "vcpus": vcpus,
            "cpu_load": round(min(load, vcpus), 3), "dirty_mibps": 20, "group": group,
            "movable": True, "labels": {}, "requires": requires or {}}


def equal_hosts(rng, count):
    return [host(i, 384, 64, 25, max(2, count // 16)) for i in range(count)]


def generations(rng, count):
    kinds = [(96, 24, 10), (256, 40, 25), (768, 128, 100)]
    return [host(i, *kinds[i * 3 // count], 4) for i in range(count)]


def two_sites(rng, count):
    return [host(i, 256, 48, 25, max(2, count // 10), {"site": "ab"[i % 2]}) for i in range(count)]


def of_flavours(rng, count):
    vms = []
    for i in range(count):
        vcpus, gib = rng.choices(FLAVOURS, [20, 25, 15, 15, 12, 8, 5])[0]
        busy = rng.random() < 0.15
        vms.append(vm(i, gib * 1024, vcpus, vcpus * (rng.uniform(0.6, 1) if busy else 0.08),
                      f"app{i // 3}" if i // 3 % 4 == 0 else None))
    return vms


def of_pareto(rng, count):
    vms = []
    for i in range(count):
        gib = min(rng.paretovariate(1.2), 64)
        vcpus = max(1, min(24, int(gib / 2)))
        vms.append(vm(i, int(gib * 1024), vcpus, vcpus * rng.random() ** 3))
    return vms


def of_sites(rng, count):
    vms = []
    for i in range(count):
        vcpus, gib = rng.choice(FLAVOURS[:6])
        site = {"site": rng.choice("ab")} if rng.random() < 0.4 else None
        vms.append(vm(i, gib * 1024, vcpus, vcpus * rng.uniform(0.1, 0.5),
                      f"pair{i // 2}" if rng.random() < 0.5 else None, site))
    return vms


def of_pairs(rng, count):
    vms = []
    for i in range(count):
        vcpus, gib = FLAVOURS[1 + i // 2 % 5]
        vms.append(vm(i, gib * 1024, vcpus, vcpus * (0.7 if i % 2 == 0 else 0.03), f"pair{i // 2}"))
    return vms


# Hosts, VMs, and whether hosts are filled one after the other.
SHAPES = {"flavours": (equal_hosts, of_flavours, False),
          "pareto": (generations, of_pareto, False),
          "sites": (two_sites, of_sites, False),
          "pairs": (equal_hosts, of_pairs, False),
          "filled": (equal_hosts, of_flavours, True)}


class Place:
    """A host that VMs are given to."""

    def __init__(self, row):
        self.row = row
        self.mem = row["mem_mib"] - row["reserved_mib"]
        self.vcpus = RATIO * row["cpus"]
        self.groups = set()

    def takes(self, guest):
        return (guest["mem_mib"] <= self.mem and guest["vcpus"] <= self.vcpus
                and guest["group"] not in self.groups
                and all(self.row["labels"].get(k) == v for k, v in guest["requires"].items()))

    def take(self, guest):
        guest["host"] = self.row["name"]
        self.mem -= guest["mem_mib"]
        self.vcpus -= guest["vcpus"]
        if guest["group"]:
            self.groups.add(guest["group"])


def make(host_count, vm_count, seed, memory=0.62, shape="flavours"):
    """memory: share of all memory that is used, as far as VMs of this number find a place."""
    rng = random.Random(f"{shape} {seed} {host_count} {vm_count}")
    draw_hosts, draw_vms, is_filled = SHAPES[shape]
    hosts = draw_hosts(rng, host_count)
    vms = draw_vms(rng, vm_count)
    room = sum(h["mem_mib"] - h["reserved_mib"] for h in hosts)
    scale = memory * room / sum(guest["mem_mib"] for guest in vms)
    for guest in vms:
        guest["mem_mib"] = max(64, int(guest["mem_mib"] * scale) // 64 * 64)
    places = [Place(h) for h in hosts]
    kept = []
    for guest in rng.sample(vms, len(vms)):
        order = places if is_filled else rng.sample(places, min(6, len(places))) + places
        place = next((p for p in order if p.takes(guest)), None)
        if place:
            place.take(guest)
            kept.append(guest)
    kept.sort(key=lambda guest: guest["name"])
    return {"format": "migrd-cluster/1", "hosts": hosts, "vms": kept,
            "limits": {"vcpu_ratio": RATIO, "out_per_host": 2, "in_per_host": 2}}
