#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many VMs must stay at least when hosts are emptied: an exact answer, by an integer program for
cbc (Debian's coinor-cbc), beside what migrd-plan leaves.  It does not ask for an order of moves.

    tests/bench/plan_exact.py --build DIR [--seeds 1,2,3] [--sizes 10x100] [--shapes classes]
                              [--memory 0.8] [--others 20]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import plan_check  # noqa: E402
import plan_cluster  # noqa: E402

LASTING = {"online", "draining", "offline", "emptied", "held", "pinned", "label", "forbids"}


def program(cluster, emptied, others):
    """The program as text in CPLEX's LP format."""
    world = plan_check.World(cluster, emptied)
    terms = {}      # of each limit: coefficient and variable
    limits = {}     # and how much it may be
    binaries, left, away, rules = [], [], [], []
    for host in cluster["hosts"]:
        name = host["name"]
        limits["m", name] = world.capacity(name)
        limits["c", name] = world.ratio * host["cpus"] + 1e-9
    free = {key: limit for key, limit in limits.items()}
    for number, vm in enumerate(cluster["vms"]):
        fixed = world.why_fixed(vm["name"]) or \
            (others == 0 and vm["host"] not in world.emptied)
        uses = [("m", vm["mem_mib"]), ("c", vm["vcpus"])]
        if fixed:
            for what, amount in uses:
                free[what, vm["host"]] -= amount
            if vm["group"]:
                free[("g" + vm["group"]), vm["host"]] = 0
            continue
        places = []
        for index, host in enumerate(cluster["hosts"]):
            name = host["name"]
            is_home = name == vm["host"] and name not in world.emptied
            if not is_home and LASTING & set(world.refusals(vm["name"], name)):
                continue
            variable = f"x{number}_{index}"
            places.append(variable)
            for what, amount in uses + ([("g" + vm["group"], 1)] if vm["group"] else []):
                terms.setdefault((what, name), []).append(f"{amount} {variable}")
            if not is_home and vm["host"] not in world.emptied:
                away.append(variable)
        binaries += places
        if vm["host"] in world.emptied:
            binaries.append(f"y{number}")
            left.append(f"y{number}")
            places.append(f"y{number}")
        rules.append(" + ".join(places) + " = 1")
    for key, list_ in terms.items():
        rules.append(" + ".join(list_) + f" <= {max(free.get(key, 1), 0)}")
    if away:
        rules.append(" + ".join(away) + f" <= {others}")
    goal = " + ".join([f"1000 {y}" for y in left] + [f"1 {x}" for x in away]) or "0 none"
    return ("Minimize\n goal: " + goal + "\nSubject To\n"
            + "".join(f" r{i}: {rule}\n" for i, rule in enumerate(rules))
            + "Binaries\n " + "\n ".join(binaries) + "\nEnd\n")


def least(cluster, emptied, others, work, limit):
    """VMs that stay, others that move; None if the time is not enough."""
    path, out = work / "program.lp", work / "solution"
    path.write_text(program(cluster, emptied, others))
    subprocess.run(["cbc", str(path), "sec", str(limit), "solve", "solu", str(out)],
                   capture_output=True, check=True)
    lines = out.read_text().splitlines()
    if not lines[0].startswith("Optimal"):
        return None
    chosen = [line.split()[1] for line in lines[1:] if float(line.split()[2]) > 0.5]
    homes = {f"x{n}_": vm["host"] in set(emptied) for n, vm in enumerate(cluster["vms"])}
    moved = 0
    for name in chosen:
        if name.startswith("x"):
            number, host = (int(part) for part in name[1:].split("_"))
            moved += not homes[f"x{number}_"] and \
                cluster["hosts"][host]["name"] != cluster["vms"][number]["host"]
    return sum(name.startswith("y") for name in chosen), moved


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", default="1,2,3",
                        type=lambda text: [int(seed) for seed in text.split(",")])
    parser.add_argument("--sizes", default="10x100")
    parser.add_argument("--shapes", default="classes")
    parser.add_argument("--memory", type=float, default=0.8)
    parser.add_argument("--share", type=float, default=0, help="of the hosts; 0: one")
    parser.add_argument("--others", type=int, default=20)
    parser.add_argument("--limit", type=float, default=30, help="seconds for each program")
    args = parser.parse_args()
    worse = 0
    for shape in args.shapes.split(","):
        for size in args.sizes.split(","):
            for seed in args.seeds:
                hosts, vms = (int(number) for number in size.split("x"))
                cluster = plan_cluster.make(hosts, vms, seed, args.memory, shape=shape)
                emptied = plan_cluster.spread_names(cluster, args.share)
                with tempfile.TemporaryDirectory() as directory:
                    work = pathlib.Path(directory)
                    best = least(cluster, emptied, args.others, work, args.limit)
                    path = work / "cluster.json"
                    path.write_text(json.dumps(cluster))
                    command = [str(args.build / "bin/migrd-plan"), "evacuate", str(path),
                               "--others", str(args.others)]
                    for host in emptied:
                        command += ["--host", host]
                    plan = json.loads(subprocess.run(command, capture_output=True, text=True,
                                                     check=True).stdout)
                world = plan_check.World(cluster, emptied)
                stays = sum(not world.why_fixed(stay["vm"]) for stay in plan["stays"])
                others = len({m["vm"] for m in plan["moves"] if m.get("makes_room")})
                print(f"{shape} {size} seed {seed}: stays {stays} with {others} others, at least "
                      f"{best}, {plan['seconds']:.3f} s", flush=True)
                worse += best is not None and stays > best[0]
    print(f"{worse} with more than must be")


if __name__ == "__main__":
    main()
