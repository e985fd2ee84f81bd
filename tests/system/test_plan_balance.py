# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrd-plan balance, its plans replayed by a checker that shares nothing with it, and small ones held
against what an exact solver proves to be the best."""
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from lib import settings

sys.path.insert(0, str(settings.SOURCE_DIR / "tests" / "bench"))

import balance_exact  # noqa: E402
import plan_check  # noqa: E402
import plan_cluster  # noqa: E402

SHARE_OF_BEST = 0.6


class PlanBalanceTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)

    def run_plan(self, cluster, *args):
        path = self.work / "cluster.json"
        path.write_text(json.dumps(cluster), encoding="utf-8")
        return subprocess.run([settings.build_dir / "bin" / "migrd-plan", "balance", str(path),
                               *args], capture_output=True, text=True, check=False)

    def balance(self, cluster, *args):
        """The plan, and the world after it; every rule was kept at every moment."""
        done = self.run_plan(cluster, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        before = plan_check.World(cluster, [])
        world, faults = plan_check.check(cluster, [], plan, random.Random(1))
        self.assertEqual(faults, [])
        self.assertIsNotNone(plan_check.list_scheduling(cluster, [], plan))
        self.assertLessEqual(world.violations(), before.violations())
        self.assertLessEqual(plan["least_imbalance"], world.imbalance() + 1e-6)
        return plan, world

    def test_generated_clusters_get_even_and_keep_every_rule(self):
        for seed, shape in enumerate(sorted(plan_cluster.SHAPES)):
            cluster = plan_cluster.make(20, 200, seed, shape=shape)
            before = plan_check.World(cluster, [])
            plan, world = self.balance(cluster, "--stop-at", "0")
            self.assertGreater(len(plan["moves"]), 0, shape)
            # In that shape few VMs are as big as hosts, and decide how even it can be.
            most = 0.95 if shape == "skewed" else 0.55
            self.assertLess(world.imbalance(), most * before.imbalance(), shape)
            wrong = [name for name, host in world.at.items()
                     if host != before.at[name] and world.unasked(name)]
            self.assertEqual(wrong, [], shape)

    def test_fifty_hosts_get_near_hbal_with_half_the_bytes(self):
        for seed in (21, 22):
            cluster = plan_cluster.make(50, 800, seed)
            plan, world = self.balance(cluster, "--stop-at", "0.097")
            self.assertLessEqual(world.imbalance(), 0.097)
            self.assertLess(sum(move["gib"] for move in plan["moves"]), 1000)
            _, world = self.balance(cluster, "--max-gib", "1000")
            self.assertLessEqual(world.imbalance(), 0.097)

    def test_fifty_hosts_need_no_options_for_that(self):
        cluster = plan_cluster.make(50, 800, 3, shape="uneven")
        plan, world = self.balance(cluster)
        self.assertLessEqual(world.imbalance(), 0.097)
        self.assertLess(sum(move["gib"] for move in plan["moves"]), 1000)
        thorough, even = self.balance(cluster, "--stop-at", "0")
        self.assertLess(even.imbalance(), 0.3 * world.imbalance())
        self.assertGreater(len(thorough["moves"]), len(plan["moves"]))

    def test_balanced_cluster_is_left_alone(self):
        cluster = plan_cluster.make(20, 200, 5)
        _, world = self.balance(cluster)
        for vm in cluster["vms"]:
            vm["host"] = world.at[vm["name"]]
        plan, after = self.balance(cluster)
        # What is worth it after the first plan is what that left out.
        self.assertLessEqual(len(plan["moves"]), 4)
        self.assertLessEqual(after.imbalance(), world.imbalance() + 1e-9)   # sums in any order

    def test_limits_are_kept(self):
        cluster = plan_cluster.make(20, 200, 3)
        for args, most in (("--max-moves", 7), ("--max-gib", 40)):
            plan, _ = self.balance(cluster, args, str(most))
            done = len(plan["moves"]) if args == "--max-moves" else \
                sum(move["gib"] for move in plan["moves"])
            self.assertLessEqual(done, most)
            self.assertGreater(done, 0.8 * most)
            self.assertTrue(plan["limited"])

    def test_maintenance_and_holds_are_left_alone(self):
        cluster = plan_cluster.make(12, 90, 2)
        for number, change in ((2, {"hold": "held by a test"}), (3, {"state": "draining"}),
                               (4, {"state": "offline"})):
            cluster["hosts"][number].update(change)
        closed = {cluster["hosts"][number]["name"] for number in (2, 3, 4)}
        plan, _ = self.balance(cluster)
        self.assertGreater(len(plan["moves"]), 0)
        for move in plan["moves"]:
            self.assertFalse({move["from"], move["to"]} & closed, move)

    def test_vm_that_stays_is_explained_with_every_host(self):
        cluster = plan_cluster.make(20, 200, 4)
        moved = {move["vm"] for move in self.balance(cluster)[0]["moves"]}
        names = [vm["name"] for vm in cluster["vms"] if vm["name"] not in moved][:30]
        options = [word for name in names for word in ("--explain", name)]
        plan = json.loads(self.run_plan(cluster, *options).stdout)
        self.assertEqual([stay["vm"] for stay in plan["stays"]], names)
        world = plan_check.World(cluster, [])
        for move in plan["moves"]:
            world.end({"vm": move["vm"], "from": move["from"], "to": move["to"]})
            world.there[move["to"]].add(move["vm"])
        now = plan["after"]["imbalance"]
        for stay in plan["stays"]:
            self.assertEqual({row["host"] for row in stay["rejected"]}, set(world.hosts))
            if world.why_fixed(stay["vm"]):
                continue
            for row in stay["rejected"]:
                if row["host"] == world.at[stay["vm"]]:
                    self.assertEqual(row["why"], "it is there")
                    continue
                is_refused = bool(world.refusals(stay["vm"], row["host"]))
                self.assertEqual(is_refused, "the imbalance would" not in row["why"], row)
                if is_refused:
                    continue
                # What it says would come of it does.
                said = float(row["why"].split("instead of")[0].split()[-1].rstrip(":"))
                home = world.at[stay["vm"]]
                world.there[home].discard(stay["vm"])
                world.there[row["host"]].add(stay["vm"])
                self.assertAlmostEqual(world.imbalance(), said, 5)
                world.there[row["host"]].discard(stay["vm"])
                world.there[home].add(stay["vm"])
                self.assertAlmostEqual(world.imbalance(), now, 5)

    @unittest.skipUnless(shutil.which("cbc"), "needs cbc (coinor-cbc)")
    def test_small_clusters_beside_the_proved_best(self):
        total = bound_total = 0
        for hosts, vms in ((3, 12), (4, 16)):
            for seed in range(1, 5):
                cluster = plan_cluster.make(hosts, vms, seed)
                goal = balance_exact.Goal(cluster)
                plan, world = self.balance(cluster, "--stop-at", "0")
                best = balance_exact.best(cluster, self.work, settings.seconds(60))
                self.assertIsNotNone(best, "no time")
                at, bound = best
                # Neither the plan nor the plan's own bound is better than can be.
                self.assertGreaterEqual(goal.value(world.at), bound - 1e-9)
                self.assertLessEqual(plan["least_imbalance"] ** 2, goal.square(at) + 1e-9)
                start = goal.value({vm["name"]: vm["host"] for vm in cluster["vms"]})
                total += start - goal.value(world.at)
                bound_total += start - bound
        # Of what can be gained at all.
        self.assertGreater(total, SHARE_OF_BEST * bound_total)

    def test_wrong_options_are_refused_with_what_is_wanted(self):
        cluster = plan_cluster.make(3, 10, 1)
        for args, status, words in (
                (("--stop-at", "x"), 2, "0 to 1 is wanted, as 0.05"),
                (("--stop-at", "nan"), 2, "0 to 1 is wanted, as 0.05"),
                (("--explain", "v99"), 4, "the file has no VM 'v99'")):
            done = self.run_plan(cluster, *args)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(words, done.stderr)
        for host in cluster["hosts"]:
            host["state"] = "draining"
        done = self.run_plan(cluster)
        self.assertEqual(done.returncode, 5)
        self.assertIn("no host is online", done.stderr)


if __name__ == "__main__":
    unittest.main()
