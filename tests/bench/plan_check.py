# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replays a plan move by move, apart from the planner: is there room at every moment, is each
constraint kept, is what it says of the hosts true?  And scores it."""
import math
from collections import Counter


class World:
    """The cluster while the plan is carried out.  A VM that is moved is on both hosts."""

    def __init__(self, cluster, emptied):
        self.hosts = {h["name"]: h for h in cluster["hosts"]}
        self.vms = {vm["name"]: vm for vm in cluster["vms"]}
        self.at = {vm["name"]: vm["host"] for vm in cluster["vms"]}
        self.emptied = set(emptied)
        self.ratio = cluster["limits"]["vcpu_ratio"]
        self.limits = cluster["limits"]
        self.there = {name: set() for name in self.hosts}
        for name, host in self.at.items():
            self.there[host].add(name)

    def capacity(self, host):
        return self.hosts[host]["mem_mib"] - self.hosts[host]["reserved_mib"]

    def use(self, host, what):
        return sum(self.vms[name][what] for name in self.there[host])

    def refusals(self, name, host):
        """All reasons why the host may not have the VM beside what it has."""
        vm, to = self.vms[name], self.hosts[host]
        found = []
        if to["state"] != "online":
            found.append(to["state"])
        if host in self.emptied:
            found.append("emptied")
        if to.get("hold"):
            found.append("held")
        if vm.get("pins") and host not in vm["pins"]:
            found.append("pinned")
        labels = to.get("labels") or {}
        if any(labels.get(k) != v for k, v in (vm.get("requires") or {}).items()):
            found.append("label")
        if any(labels.get(k) == v for k, v in (vm.get("forbids") or {}).items()):
            found.append("forbids")
        if vm.get("group") and any(self.vms[other].get("group") == vm["group"]
                                   for other in self.there[host] if other != name):
            found.append("group")
        if self.use(host, "mem_mib") + vm["mem_mib"] > self.capacity(host):
            found.append("memory")
        if self.use(host, "vcpus") + vm["vcpus"] > self.ratio * to["cpus"] + 1e-9:
            found.append("vCPUs")
        return found

    def unasked(self, name):
        """The VM is where its labels or pins forbid it to be."""
        vm, labels = self.vms[name], self.hosts[self.at[name]].get("labels") or {}
        return (any(labels.get(k) != v for k, v in (vm.get("requires") or {}).items())
                or any(labels.get(k) == v for k, v in (vm.get("forbids") or {}).items())
                or bool(vm.get("pins")) and self.at[name] not in vm["pins"])

    def why_fixed(self, name):
        vm, host = self.vms[name], self.hosts[self.vms[name]["host"]]
        return (not vm.get("movable", True) or bool(vm.get("hold")) or bool(host.get("hold"))
                or host["state"] == "offline")

    def begin(self, move, faults, what):
        name, host = move["vm"], move["to"]
        if self.at[name] != move["from"]:
            faults.append(f"{what}: {name} is on {self.at[name]}, not on {move['from']}")
        if self.why_fixed(name):
            faults.append(f"{what}: {name} may not be moved")
        refusals = self.refusals(name, host)
        if refusals:
            faults.append(f"{what}: {name} to {host}: {', '.join(refusals)}")
        self.there[host].add(name)

    def end(self, move):
        self.there[move["from"]].discard(move["vm"])
        self.at[move["vm"]] = move["to"]

    # ---- scores ----

    def in_service(self):
        return [name for name, h in self.hosts.items()
                if h["state"] == "online" and name not in self.emptied]

    def imbalance(self):
        total = 0
        for what, capacity in (("mem_mib", self.capacity),
                               ("cpu_load", lambda host: self.hosts[host]["cpus"])):
            rows = [(capacity(h), self.use(h, what)) for h in self.in_service() if capacity(h) > 0]
            if not rows:
                continue
            weight = sum(c for c, _ in rows)
            mean = sum(u for _, u in rows) / weight
            total += sum(c * (u / c - mean) ** 2 for c, u in rows) / weight
        return math.sqrt(total / 2)

    def violations(self):
        count = 0
        for host, there in self.there.items():
            groups = [self.vms[n]["group"] for n in there if self.vms[n].get("group")]
            count += len(groups) - len(set(groups))
            count += self.use(host, "mem_mib") > self.capacity(host)
            count += self.use(host, "vcpus") > self.ratio * self.hosts[host]["cpus"] + 1e-9
            if host in self.emptied or self.hosts[host]["state"] != "online":
                count += len(there)
        return count


def one_by_one(cluster, emptied, plan):
    """Each move ends before the next begins."""
    world, faults = World(cluster, emptied), []
    for number, move in enumerate(plan["moves"]):
        world.begin(move, faults, f"move {number}")
        world.end(move)
    return world, faults


def may_begin(plan, running, done, number):
    """The rule of the plan: a waiting move after all before it that leave its destination."""
    move = plan["moves"][number]
    for before in range(number):
        other = plan["moves"][before]
        if before in done:
            continue
        if other["vm"] == move["vm"] or (move.get("waits") and other["from"] == move["to"]):
            return False
    return True


def at_random(cluster, emptied, plan, rng):
    """All moves that may begin do, in any order, and end in any order: is there always room?"""
    world, faults = World(cluster, emptied), []
    waiting, running, done = list(range(len(plan["moves"]))), [], set()
    while waiting or running:
        ready = [n for n in waiting if may_begin(plan, running, done, n)]
        if ready and (not running or rng.random() < 0.7):
            number = rng.choice(ready)
            world.begin(plan["moves"][number], faults, f"move {number}")
            waiting.remove(number)
            running.append(number)
        elif running:
            number = running.pop(rng.randrange(len(running)))
            world.end(plan["moves"][number])
            done.add(number)
        else:
            faults.append(f"stuck: {waiting}")
            break
    return faults


def list_scheduling(cluster, emptied, plan):
    """Seconds until all is done: each move in the order of the plan as soon as there is room and
    its hosts have a place free, links shared equally.  None: it gets stuck."""
    world, faults = World(cluster, emptied), []
    mib_s = {name: h["nic_gbps"] * 1e9 / 8 / 2 ** 20 for name, h in world.hosts.items()}
    waiting, running, now = list(plan["moves"]), [], 0.0
    out, into, sending, receiving = Counter(), Counter(), Counter(), Counter()
    under_way = set()
    while waiting or running:
        kept = []
        for move in waiting:
            name, source, to = move["vm"], move["from"], move["to"]
            if out[source] >= world.limits["out_per_host"] or \
                    into[to] >= world.limits["in_per_host"] or name in under_way or \
                    world.at[name] != source or world.refusals(name, to):
                kept.append(move)
                continue
            world.begin(move, faults, "list")
            running.append([move, world.vms[name]["mem_mib"], 1.0])
            for count, host in ((out, source), (into, to), (sending, source), (receiving, to)):
                count[host] += 1
            under_way.add(name)
        waiting = kept
        if not running:
            return None
        rates = [min(mib_s[m["from"]] / max(sending[m["from"]], 1),
                     mib_s[m["to"]] / max(receiving[m["to"]], 1)) for m, _, _ in running]
        step = min(left / rate if left > 0 else rest
                   for (_, left, rest), rate in zip(running, rates))
        now += step
        still = []
        for entry, rate in zip(running, rates):
            move = entry[0]
            if entry[1] > 0:
                entry[1] -= rate * step
                if entry[1] < 1e-6:
                    entry[1] = 0
                    sending[move["from"]] -= 1
                    receiving[move["to"]] -= 1
            else:
                entry[2] -= step
            if entry[1] <= 0 and entry[2] <= 1e-9:
                world.end(move)
                out[move["from"]] -= 1
                into[move["to"]] -= 1
                under_way.discard(move["vm"])
            else:
                still.append(entry)
        running = still
    return now


def check_words(cluster, emptied, plan, world, faults):
    """What the plan says of hosts, VMs that stay and itself."""
    stays = {stay["vm"]: stay for stay in plan["stays"]}
    left = {name for name, host in world.at.items() if host in world.emptied}
    if set(stays) != left:
        faults.append(f"VMs that stay: {sorted(left)}, said: {sorted(stays)}")
    for name, stay in stays.items():
        if {r["host"] for r in stay["rejected"]} != set(world.hosts):
            faults.append(f"{name} stays, and not every host is rejected")
        for rejected in stay["rejected"]:
            if not rejected["why"]:
                faults.append(f"no reason why {rejected['host']} does not take {name}")
            if rejected["host"] not in world.emptied and not world.why_fixed(name) and \
                    not world.refusals(name, rejected["host"]):
                faults.append(f"{rejected['host']} could take {name}: {rejected['why']}")
    first = World(cluster, emptied)
    for host in plan["hosts"]:
        for key in ("mem_mib", "vcpus", "cpu_load"):
            for when, where in (("before", first), ("after", world)):
                if abs(host[when][key] - where.use(host["name"], key)) > 0.01:
                    faults.append(f"{host['name']}: {key} {when} is "
                                  f"{where.use(host['name'], key)}, said: {host[when][key]}")
            if host["worst"][key] < max(host["before"][key], host["after"][key]) - 0.01:
                faults.append(f"{host['name']}: {key} at worst is less than at some time")
            if host["peak"][key] < host["worst"][key] - 0.01:
                faults.append(f"{host['name']}: {key} can be more than its peak")
            most = max(host["before"][key], {"mem_mib": world.capacity(host["name"]),
                                             "vcpus": world.ratio * world.hosts[host["name"]]["cpus"],
                                             "cpu_load": math.inf}[key])
            if host["peak"][key] > most + 0.01:
                faults.append(f"{host['name']}: a peak of {host['peak'][key]} {key} has no room")
    if abs(plan["after"]["imbalance"] - world.imbalance()) > 1e-5:
        faults.append(f"imbalance {world.imbalance()}, said: {plan['after']['imbalance']}")
    if plan["after"]["violations"] != world.violations():
        faults.append(f"violations {world.violations()}, said: {plan['after']['violations']}")
    if plan["makespan_s"] < plan["bound_s"] - 0.01:
        faults.append("faster than possible")


def check(cluster, emptied, plan, rng):
    """The world after the plan, and all faults."""
    world, faults = one_by_one(cluster, emptied, plan)
    for _ in range(3):
        faults += at_random(cluster, emptied, plan, rng)
    check_words(cluster, emptied, plan, world, faults)
    return world, faults
