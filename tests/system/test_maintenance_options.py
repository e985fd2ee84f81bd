# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the order of a maintenance may say of racks, of room for one host more, of the version that
is to run afterwards, and of when it begins."""
import datetime
import os

from lib.long_form import only_full
from lib.world import SystemTest

INTERVAL = 1        # seconds between what hosts tell each other
SOON_SECONDS = 3    # longer than it takes until an order is under way

# Leaves a line with its host, and waits for somebody where there is a gate.
HOOK = """#!/bin/sh
here=$(dirname "$0")
echo "$1" >>"$here/lines"
[ ! -p "$here/gate-$1" ] || read line <"$here/gate-$1"
"""


class MaintenanceOptionsTest(SystemTest):
    host_ids = ("a", "b", "c")

    def prepare(self):
        self.dir = self.world.dir / "hooks"
        self.dir.mkdir()
        self.hook = self.dir / "hook"
        self.hook.write_text(HOOK, encoding="utf-8")
        self.hook.chmod(0o755)
        for host, rack, disk in (("a", "r1", "hdd"), ("b", "r1", "ssd"), ("c", "r2", "ssd")):
            self.write(self.world[host], rack, disk)

    def write(self, host, rack, disk):
        host.write_config(capacity={"ask_every_s": INTERVAL},
                          host={"rack": rack, "labels": f"disk={disk}"},
                          maintenance={"conductors": "a"},
                          **{"hook work": {"program": f"{self.hook} {host.id}"}})

    def start(self, *hosts, **wish):
        return self.a.api.post("/v1/maintenances", {"hosts": list(hosts), "hook": "work", **wish})

    def now(self, run):
        now = self.a.api.get(f"/v1/maintenances/{run['id']}")
        return now, {host["host"]: host for host in now["hosts"]}

    def end_of(self, run, state):
        def is_over():
            now, hosts = self.now(run)
            return now["final"] and (now, hosts)
        now, hosts = self.eventually("the maintenance is over", is_over, 60)
        self.assertEqual(now["state"], state, now)
        return hosts

    def gate(self, *hosts):
        for host in hosts:
            os.mkfifo(self.dir / f"gate-{host}")

    def open_gate(self, host):
        """Of a hook that waits there."""
        path = self.dir / f"gate-{host}"
        path.write_text("go\n", encoding="utf-8")
        path.unlink()

    def lines(self):
        path = self.dir / "lines"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def rack_is_told(self, host, rack):
        self.eventually(f"rack of {host.id} is heard of", lambda: self.a.api.get(
            f"/v1/capacity/{host.id}")["figures"]["rack"] == rack)

    @only_full
    def test_hosts_of_another_rack_wait_with_by_rack(self):
        self.rack_is_told(self.world["c"], "r2")
        self.gate("b")
        run = self.start("b", "c", at_once=2, by_rack=True)
        self.eventually("the hook of b runs", lambda: self.lines() == ["b"], 30)
        # c is checked as soon as b is not, and that was before b was emptied.
        self.assertEqual(self.now(run)[1]["c"]["state"], "todo")
        self.open_gate("b")
        hosts = self.end_of(run, "done")
        self.assertEqual([hosts[host]["rack"] for host in "bc"], ["r1", "r2"])
        self.assertGreaterEqual(hosts["c"]["started_at"], hosts["b"]["ended_at"])
        # Those of one rack are maintained together.
        c = self.world["c"]
        c.stop()
        self.write(c, "r1", "ssd")
        c.start()
        self.rack_is_told(c, "r1")
        self.gate("b", "c")
        run = self.start("b", "c", at_once=2, by_rack=True)
        self.eventually("both hooks run", lambda: sorted(self.lines()) == ["b", "b", "c", "c"], 30)
        self.open_gate("b")
        self.open_gate("c")
        self.end_of(run, "done")

    @only_full
    def test_host_is_left_alone_where_no_other_could_be_spared(self):
        guest = self.world.guest("g1", area=0, memory_mib=32,
                                 placement={"requires": {"disk": "ssd"}})
        guest.start(self.b, sweeps=0)
        self.eventually("b's guest is heard of", lambda: [
            vm["movable"] for vm in self.a.api.get("/v1/capacity/b")["vms"]] == [True])
        steps = self.start("b", spare=True, dry_run=True)["steps"]
        self.assertIn("without 'c' VM 'g1' would find no place", str(steps))
        self.assert_api_error(409, "conflict", self.start, "b", spare=True)
        # Another host that has no such guest is maintained.
        hosts = self.end_of(self.start("b", "a", spare=True, check_s=1, failures=2), "done")
        self.assertEqual([hosts[host]["state"] for host in "ba"], ["failed", "done"])
        self.assertIn("while it is empty no other host may be lost: without 'c' VM 'g1' would find no place",
                      str(hosts["b"]["error"]))
        self.assertEqual((self.lines(), self.b.moves()), (["a"], []))
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        guest.assert_runs_on(self.b, sweeps=0)

    def test_another_version_is_not_healthy_and_no_host_begins_too_early(self):
        hosts = self.end_of(self.start("b", version="migrd 99", heal_s=1, on_failure="return"),
                            "failed")
        error = str(hosts["b"]["error"])
        self.assertIn("is not healthy 1 s after its hook", error)
        self.assertRegex(error, "it runs 'migrd [0-9.]+', not 'migrd 99'")
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        software = error.split("it runs '")[1].split("'")[0]
        self.eventually("b is heard of as one that takes guests", lambda: self.a.api.get(
            "/v1/capacity/b")["state"] == "online")
        moment = datetime.datetime.now(datetime.timezone.utc).replace(
            microsecond=0) + datetime.timedelta(seconds=SOON_SECONDS)
        run = self.start("b", version=software, not_before=moment.isoformat())
        self.assertEqual((run["state"], run["reason"]), ("planned", "waits for its moment"))
        # Nor after a restart of the conductor.
        self.a.kill9()
        self.a.start()
        now, hosts = self.now(run)
        if datetime.datetime.now(datetime.timezone.utc) < moment:
            self.assertEqual((now["state"], hosts["b"]["state"]), ("planned", "todo"))
        hosts = self.end_of(run, "done")
        self.assertEqual(self.lines(), ["b", "b"])
        self.assertGreaterEqual(datetime.datetime.fromisoformat(hosts["b"]["started_at"]), moment)
