# SPDX-License-Identifier: LGPL-2.1-or-later
"""The best balance of a small cluster, proved by an integer program for cbc (Debian's coinor-cbc: it
branches over binaries much faster than glpk does).  What is made small is what migrd-plan makes
small: the square of the imbalance, and the price of the bytes that are moved.  The squares are
approached from below by tangents, at each solution anew, until they touch."""
import subprocess

import plan_check

BESIDE_MIB = 512    # of a move, and the price, as in migrd/plan/even.c and plan.h
PRICE = 0.01
DIMENSIONS = "mem_mib", "cpu_load"


class Goal:
    def __init__(self, cluster):
        self.world = plan_check.World(cluster, [])
        self.cluster = cluster
        self.hosts = self.world.in_service()
        self.capacity = {("mem_mib", h): self.world.capacity(h) for h in self.hosts}
        self.capacity |= {("cpu_load", h): self.world.hosts[h]["cpus"] for h in self.hosts}
        self.total = {what: sum(self.capacity[what, h] for h in self.hosts)
                      for what in DIMENSIONS}
        self.mean = {what: sum(vm[what] for vm in cluster["vms"] if vm["host"] in self.hosts)
                     / self.total[what] for what in DIMENSIONS}

    def price(self, vm):
        return PRICE * (vm["mem_mib"] + BESIDE_MIB) / self.total["mem_mib"] / 2

    def square(self, at):
        """The square of the imbalance if the VMs are there."""
        use = self.uses(at)
        return sum(self.capacity[key] / self.total[key[0]]
                   * (use[key] / self.capacity[key] - self.mean[key[0]]) ** 2
                   for key in self.capacity) / 2

    def value(self, at):
        return self.square(at) + sum(self.price(vm) for vm in self.cluster["vms"]
                                     if at[vm["name"]] != vm["host"])

    def uses(self, at):
        use = dict.fromkeys(self.capacity, 0)
        for vm in self.cluster["vms"]:
            for what in DIMENSIONS:
                if at[vm["name"]] in self.hosts:
                    use[what, at[vm["name"]]] += vm[what]
        return use


def lp(goal, places, points):
    """The program in CPLEX's LP format.  points: uses at which each square has a tangent."""
    index = {name: i for i, name in enumerate(goal.hosts)}
    rules, terms, groups, binaries, costs = [], {}, {}, [], []
    vcpus = {h: [] for h in goal.hosts}
    for number, vm in enumerate(goal.cluster["vms"]):
        names = []
        for host in places[vm["name"]]:
            name = f"x{number}_{index[host]}"
            names.append(name)
            for what in DIMENSIONS:
                terms.setdefault((what, host), []).append(f"{vm[what]} {name}")
            vcpus[host].append(f"{vm['vcpus']} {name}")
            if vm["group"]:
                groups.setdefault((vm["group"], host), []).append(name)
            if host != vm["host"]:
                costs.append(f"{goal.price(vm) * 1e6:.9f} {name}")
        binaries += names
        rules.append(" + ".join(names) + " = 1")
    for members in groups.values():
        rules.append(" + ".join(members) + " <= 1")
    for key, parts in terms.items():
        what, host = key
        square, use = f"z{DIMENSIONS.index(what)}_{index[host]}", f"u{DIMENSIONS.index(what)}_{index[host]}"
        costs.append(f"{goal.capacity[key] / goal.total[what] / 2 * 1e6:.9f} {square}")
        # The use as a share, and (u - U)^2 >= 2 (p - U)(u - p) + (p - U)^2.
        rules.append(" + ".join(parts) + f" - {goal.capacity[key]} {use} = 0")
        for point in points[key]:
            slope = 2 * (point - goal.mean[what])
            least = (point - goal.mean[what]) ** 2 - slope * point
            rules.append(f"{square} {-slope:+.12f} {use} >= {least:.12f}")
        if what == "mem_mib":
            rules.append(f"{use} <= 1")
    for host, parts in vcpus.items():
        if parts:
            rules.append(" + ".join(parts) + f" <= {goal.world.ratio * goal.world.hosts[host]['cpus']}")
    return ("Minimize\n goal: " + " + ".join(costs) + "\nSubject To\n"
            + "".join(f" r{i}: {rule}\n" for i, rule in enumerate(rules))
            + "Binaries\n " + "\n ".join(binaries) + "\nEnd\n")


def solve(goal, places, points, work, limit):
    """Where the VMs go, and the value of the program; None if the time is not enough."""
    path, out = work / "balance.lp", work / "solution"
    path.write_text(lp(goal, places, points), encoding="utf-8")
    subprocess.run(["cbc", str(path), "ratioGap", "0", "allowableGap", "0.01", "sec", str(limit),
                    "solve", "solu", str(out)], capture_output=True, check=True)
    lines = out.read_text(encoding="utf-8").splitlines()
    if not lines[0].startswith("Optimal"):
        return None
    at = {vm["name"]: vm["host"] for vm in goal.cluster["vms"]}
    for _, name, value, *_ in (line.split() for line in lines[1:]):
        if name.startswith("x") and float(value) > 0.5:
            number, host = (int(part) for part in name[1:].split("_"))
            at[goal.cluster["vms"][number]["name"]] = goal.hosts[host]
    # The gap that cbc was allowed is on the safe side.
    return at, (float(lines[0].split()[-1]) - 0.02) / 1e6


def best(cluster, work, limit=20, rounds=25):
    """Where the VMs go at the best, and a value below which no plan gets; None: no time."""
    goal = Goal(cluster)
    places = {}
    for vm in cluster["vms"]:
        name = vm["name"]
        places[name] = [vm["host"]] if goal.world.why_fixed(name) else [
            host for host in goal.hosts if host == vm["host"] or not
            {"label", "held", "pinned", "forbids"} & set(goal.world.refusals(name, host))]
    points = {key: [i / 20 for i in range(21)] + [goal.mean[key[0]]] for key in goal.capacity}
    for _ in range(rounds):
        found = solve(goal, places, points, work, limit)
        if found is None:
            return None
        at, bound = found
        if goal.value(at) - bound < 1e-6:
            return at, bound
        for key, use in goal.uses(at).items():
            points[key].append(use / goal.capacity[key])
    return None
