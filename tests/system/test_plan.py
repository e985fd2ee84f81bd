# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrd-plan, its plans replayed by a checker that shares nothing with it: room at every moment,
every rule kept, and what it says is so."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

from lib import settings

sys.path.insert(0, str(settings.SOURCE_DIR / "tests" / "bench"))

import plan_check  # noqa: E402
import plan_cluster  # noqa: E402


class PlanTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / "cluster.json"

    def run_plan(self, cluster, *args):
        text = cluster if isinstance(cluster, str) else json.dumps(cluster)
        self.path.write_text(text, encoding="utf-8")
        return subprocess.run([settings.build_dir / "bin" / "migrd-plan", "evacuate",
                               str(self.path), *args], capture_output=True, text=True, check=False)

    def check_plan(self, cluster, emptied, others, rng):
        options = [word for host in emptied for word in ("--host", host)]
        done = self.run_plan(cluster, *options, "--others", str(others))
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        world, faults = plan_check.check(cluster, emptied, plan, rng)
        self.assertEqual(faults, [])
        self.assertIsNotNone(plan_check.list_scheduling(cluster, emptied, plan))
        moved = [vm for vm in cluster["vms"] if world.at[vm["name"]] != vm["host"]]
        self.assertLessEqual(sum(vm["host"] not in emptied for vm in moved), others)
        return plan, world

    def test_plans_of_generated_clusters_keep_every_rule(self):
        left = made_room = 0
        for seed in range(12):
            rng = random.Random(seed)
            # The last ones have little room.
            cluster = plan_cluster.make(*rng.choice([(6, 50), (10, 100), (30, 300)]), seed,
                                        memory=0.5 + seed / 28)
            emptied = plan_cluster.spread_names(cluster, rng.choice([0.05, 0.2]))
            plan, world = self.check_plan(cluster, emptied, rng.choice([0, 20]), rng)
            left += sum(not world.why_fixed(stay["vm"]) for stay in plan["stays"])
            made_room += any(move.get("makes_room") for move in plan["moves"])
        self.assertGreater(left, 0)
        self.assertGreater(made_room, 0)

    def test_rules_and_wishes_of_the_file_are_kept(self):
        for seed in range(6):
            rng = random.Random(seed)
            cluster = plan_cluster.make(12, 90, seed)
            names = [host["name"] for host in cluster["hosts"]]
            for vm in cluster["vms"]:
                if rng.random() < 0.2:
                    vm["pins"] = rng.sample(names, 5)
                if rng.random() < 0.2:
                    vm["forbids"] = {"ssd": "no"}
                vm["priority"] = rng.randrange(8)
                vm["hold"] = "held by a test" if rng.random() < 0.1 else None
            cluster["hosts"][2]["hold"] = "held by a test"
            cluster["hosts"][3]["state"] = "draining"
            cluster["hosts"][4]["state"] = "offline"
            self.check_plan(cluster, [names[seed], names[seed + 6]], 10, rng)

    def test_all_hosts_at_once_is_refused_with_the_reason(self):
        cluster = plan_cluster.make(3, 10, 1)
        done = self.run_plan(cluster, "--host", "h0", "--host", "h1", "--host", "h2")
        self.assertEqual(done.returncode, 5)
        self.assertIn("no host is online beside those that are to be emptied", done.stderr)

    def test_wrong_file_is_refused_with_the_place(self):
        cluster = plan_cluster.make(3, 10, 1)
        cluster["vms"][7]["mem_mib"] = -1
        cluster["hosts"][1]["nic_gbit"] = 10
        done = self.run_plan(cluster, "--host", "h0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/vms/7/mem_mib: -1 is out of range", done.stderr)
        self.assertIn("/hosts/1/nic_gbit: unknown key: is 'nic_gbps' meant?", done.stderr)
        done = self.run_plan('{"format": "migrd-cluster/1",\n "hosts": [}', "--host", "h0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 2, column 12", done.stderr)
        done = self.run_plan(plan_cluster.make(3, 10, 1), "--host", "h9")
        self.assertEqual(done.returncode, 4)
        self.assertIn("the file has no host 'h9'", done.stderr)
