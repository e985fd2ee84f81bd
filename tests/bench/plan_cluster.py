# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clusters for the planner, by shape and seed: hosts of four classes, a tenth of them hot and a tenth
nearly empty, VMs in groups that must keep apart; other shapes change some of that.  And the same
cluster as Ganeti's htools read it."""
import random

RATIO = 4.0

# Classes of hosts: GiB of memory, cores, Gbit/s, share of the hosts.  VMs: GiB and weights; which
# share of them is in groups, of at most so many; which share needs or forbids a label, and prefers
# one or is in a set that should be together.
SHAPES = {"classes": {
    "hosts": [(128, 32, 10, 0.3), (256, 48, 25, 0.4), (512, 64, 25, 0.2), (1024, 128, 100, 0.1)],
    "gib": [1, 2, 4, 8, 16, 32, 64], "weights": [10, 22, 28, 20, 12, 6, 2],
    "grouped": 0.3, "group_max": 5, "requires": 0.05, "forbids": 0, "wishes": 0, "vcpu_gib": 1}}
# A tenth of the hosts exactly is hot, by the load of its VMs too.
SHAPES["uneven"] = dict(SHAPES["classes"], requires=0, heat=5)
SHAPES["skewed"] = dict(SHAPES["classes"], gib=[1, 2, 4, 16, 128, 256], weights=[50, 25, 12, 5, 2, 1])
SHAPES["large"] = dict(SHAPES["classes"], gib=[32, 64, 96, 128], weights=[3, 4, 2, 1],
                       hosts=[(256, 48, 25, 1)], vcpu_gib=0.25)
SHAPES["groups"] = dict(SHAPES["classes"], grouped=0.95, group_max=8)
SHAPES["unequal"] = dict(SHAPES["classes"], hosts=[
    (64, 16, 10, 0.5), (192, 96, 25, 0.3), (2048, 384, 100, 0.2)])
SHAPES["racks"] = dict(SHAPES["classes"], grouped=0.6, group_max=4, wishes=0.5)
SHAPES["labels"] = dict(SHAPES["classes"], requires=0.35, forbids=0.2, wishes=0.3)
SHAPES["vcpus"] = dict(SHAPES["classes"], vcpu_gib=2.2)
SHAPES["fast"] = dict(SHAPES["classes"], hosts=[(256, 48, 10, 0.85), (256, 48, 100, 0.15)])


def make_hosts(rng, count, shape):
    hosts = []
    classes = shape["hosts"]
    for number in range(count):
        gib, cpus, gbps, _ = rng.choices(classes, [c[3] for c in classes])[0]
        hosts.append({"name": f"h{number}", "mem_mib": gib * 1024, "reserved_mib": 4096,
                      "cpus": cpus, "nic_gbps": gbps, "rack": f"r{number % max(2, count // 20)}",
                      "state": "online",
                      "labels": {"class": str(gib), "ssd": rng.choice(["yes", "no"])}})
    return hosts


class Room:
    """What is left on each host while VMs are handed out."""

    def __init__(self, hosts, rng, memory, is_exact):
        self.hosts, self.rng = hosts, rng
        self.used = [0] * len(hosts)
        self.vcpus = [0] * len(hosts)
        self.groups = [set() for _ in hosts]
        kinds = [rng.random() for _ in hosts]
        if is_exact:
            kinds = [(i + 0.5) / len(hosts) for i in rng.sample(range(len(hosts)), len(hosts))]
        # A tenth is hot, a tenth nearly empty.
        self.hot = {host["name"] for host, kind in zip(hosts, kinds) if kind < 0.1}
        self.fill = [min(0.93, memory * 1.4) if kind < 0.1 else 0.05 if kind < 0.2 else memory
                     for kind in kinds]

    def place(self, vm):
        mem = vm["mem_mib"]
        weights = []
        for i, host in enumerate(self.hosts):
            capacity = host["mem_mib"] - host["reserved_mib"]
            fits = (self.used[i] + mem <= capacity
                    and self.vcpus[i] + vm["vcpus"] <= RATIO * host["cpus"]
                    and vm["group"] not in self.groups[i]
                    and all(host["labels"].get(k) == v for k, v in vm["requires"].items())
                    and not any(host["labels"].get(k) == v
                                for k, v in vm.get("forbids", {}).items()))
            weights.append(max(self.fill[i] * capacity - self.used[i], 0) + 1 if fits else 0)
        if not any(weights):
            return False
        i = self.rng.choices(range(len(self.hosts)), weights)[0]
        vm["host"] = self.hosts[i]["name"]
        self.used[i] += mem
        self.vcpus[i] += vm["vcpus"]
        if vm["group"]:
            self.groups[i].add(vm["group"])
        return True


def add_wishes(rng, vm, hosts, shape):
    if shape["forbids"] and rng.random() < shape["forbids"]:
        vm["forbids"] = {"class": rng.choice(hosts)["labels"]["class"]}
    if shape["wishes"] and rng.random() < shape["wishes"]:
        if rng.random() < 0.5:
            vm["prefers"] = {"ssd": "yes"}
        else:
            vm["affinity"] = f"a{rng.randrange(50)}"


def make(host_count, vm_count, seed, memory=0.62, cpu=0.45, shape="classes"):
    """memory: share of all memory that is used; the sizes of the VMs follow from it."""
    rng = random.Random(f"{host_count} {vm_count} {seed}")
    shape = SHAPES[shape]
    hosts = make_hosts(rng, host_count, shape)
    vms = []
    for number in range(vm_count):
        gib = rng.choices(shape["gib"], shape["weights"])[0]
        vcpus = int(gib * shape["vcpu_gib"]) // rng.choice([1, 2, 4])
        vms.append({"name": f"v{number}", "mem_mib": gib * 1024, "vcpus": max(1, min(32, vcpus)),
                    "dirty_mibps": round(rng.expovariate(1 / 40), 1), "group": None,
                    "movable": rng.random() > 0.02, "labels": {},
                    "requires": {"ssd": "yes"} if rng.random() < shape["requires"] else {},
                    "last_moved_s": rng.randrange(1000000)})
        add_wishes(rng, vms[-1], hosts, shape)
    capacity = sum(h["mem_mib"] - h["reserved_mib"] for h in hosts)
    scale = memory * capacity / sum(vm["mem_mib"] for vm in vms)
    for vm in vms:
        vm["mem_mib"] = max(256, int(vm["mem_mib"] * scale) // 256 * 256)
    number = 0
    while number < vm_count:
        size = rng.randrange(2, shape["group_max"] + 1)
        if rng.random() < shape["grouped"]:
            for vm in vms[number:number + size]:
                vm["group"] = f"g{number}"
        number += size
    heat = shape.get("heat")
    room = Room(hosts, rng, memory, heat is not None)
    kept = [vm for vm in sorted(vms, key=lambda vm: -vm["mem_mib"]) if room.place(vm)]
    loads = [vm["vcpus"] * rng.betavariate(1.2, 2) for vm in kept]
    if heat:
        loads = [load * (heat if vm["host"] in room.hot else 1) for vm, load in zip(kept, loads)]
    scale = cpu * sum(h["cpus"] for h in hosts) / sum(loads)
    for vm, load in zip(kept, loads):
        vm["cpu_load"] = round(min(vm["vcpus"], load * scale), 3)
    kept.sort(key=lambda vm: int(vm["name"][1:]))
    return {"format": "migrd-cluster/1", "hosts": hosts, "vms": kept,
            "limits": {"vcpu_ratio": RATIO, "out_per_host": 2, "in_per_host": 2}}


def spread_names(cluster, share):
    """Names of about that share of the hosts that have VMs, at least one, far apart."""
    names = [h["name"] for h in cluster["hosts"] if any(vm["host"] == h["name"]
                                                        for vm in cluster["vms"])]
    count = max(1, round(share * len(cluster["hosts"])))
    step = len(names) / count
    return [names[int((i + 0.5) * step)] for i in range(count)]


# ---- Ganeti: the text format of htools(1) ------------------------------------------------------

def to_htools(cluster):
    """Shared storage, so that an instance can go to any node; groups as exclusion tags.  What
    htools have no word for (labels) is not said."""
    used, lines = {}, ["group|uuid|preferred||", ""]
    for vm in cluster["vms"]:
        used[vm["host"]] = used.get(vm["host"], 0) + vm["mem_mib"]
    for host in cluster["hosts"]:
        free = host["mem_mib"] - host["reserved_mib"] - used.get(host["name"], 0)
        lines.append("|".join(str(x) for x in [
            host["name"], host["mem_mib"], host["reserved_mib"], free, 1000000, 1000000,
            host["cpus"], "N", "uuid", 1, "", "N", 1, 0, "1.0"]))
    lines.append("")
    for vm in cluster["vms"]:
        lines.append("|".join(str(x) for x in [
            vm["name"], vm["mem_mib"], 10, vm["vcpus"], "running",
            "Y" if vm["movable"] else "N", vm["host"], "", "ext",
            f"grp:{vm['group']}" if vm["group"] else "", 1, "10"]))
    spec = "128,1,0,0,0,1", "4,1,10,1,1,1", "10000000,1000,10000000,16,16,100"
    lines += ["", "htools:iextags:grp", ""]
    lines += [f"{owner}|{spec[0]}|{spec[1]};{spec[2]}|ext,drbd,plain|{cluster['limits']['vcpu_ratio']}"
              "|1000.0|5.0" for owner in ("", "group")]
    return "\n".join(lines) + "\n"


def to_iallocator(cluster, emptied, names):
    """A request of Ganeti's iallocator: NAMES leave the nodes EMPTIED."""
    used = {}
    for vm in cluster["vms"]:
        used[vm["host"]] = used.get(vm["host"], 0) + vm["mem_mib"]
    spec = {"memory-size": 4, "cpu-count": 1, "disk-size": 1, "disk-count": 1, "nic-count": 0,
            "spindle-use": 1}
    most = {"memory-size": 10000000, "cpu-count": 1000, "disk-size": 10000000, "disk-count": 16,
            "nic-count": 16, "spindle-use": 100}
    policy = {"std": spec, "minmax": [{"min": spec, "max": most}],
              "disk-templates": ["ext", "drbd", "plain"],
              "vcpu-ratio": cluster["limits"]["vcpu_ratio"], "spindle-ratio": 1000}
    nodes = {host["name"]: {
        "total_memory": host["mem_mib"], "reserved_memory": host["reserved_mib"],
        "free_memory": host["mem_mib"] - host["reserved_mib"] - used.get(host["name"], 0),
        "total_disk": 1000000, "free_disk": 1000000, "total_cpus": host["cpus"],
        "reserved_cpus": 0, "offline": False, "drained": host["name"] in emptied,
        "group": "uuid", "tags": [], "total_spindles": 1, "free_spindles": 1, "vm_capable": True,
        "ndparams": {"exclusive_storage": False, "spindle_count": 1, "cpu_speed": 1.0}}
             for host in cluster["hosts"]}
    instances = {vm["name"]: {
        "memory": vm["mem_mib"], "vcpus": vm["vcpus"], "disk_space_total": 10,
        "disks": [{"size": 10}], "disk_template": "ext", "spindle_use": 1, "nics": [],
        "admin_state": "up", "nodes": [vm["host"]],
        "tags": [f"grp:{vm['group']}"] if vm["group"] else []} for vm in cluster["vms"]}
    return {"version": 2, "cluster_name": "c", "cluster_tags": ["htools:iextags:grp"],
            "enabled_hypervisors": ["fake"], "ipolicy": policy, "nodes": nodes,
            "nodegroups": {"uuid": {"name": "group", "alloc_policy": "preferred", "networks": [],
                                    "ipolicy": policy, "tags": []}},
            "instances": instances,
            "request": {"type": "node-evacuate", "instances": names, "evac_mode": "primary-only"}}


def to_utilisation(cluster):
    return "".join(f"{vm['name']} {vm['cpu_load']} {vm['mem_mib'] / 1024} 0 0\n"
                   for vm in cluster["vms"])
