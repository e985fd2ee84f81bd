# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backup of a host's records is put back in the midst of a maintenance: no guest runs twice, no hook
is run twice, and what became of the host is said."""
import os
import shutil
import sqlite3
import uuid

from lib.long_form import only_full
from lib.store import renew_sums
from lib.world import SystemTest

MANY, KEPT = 1000, 100      # records of maintenances; those that are kept (STORE_MAINTENANCES_MAX)

HOOK = """#!/bin/sh
here=$(dirname "$0")
echo "$1" >>"$here/lines"
[ ! -p "$here/gate-$1" ] || read line <"$here/gate-$1"
"""


class MaintenanceOldStoreTest(SystemTest):
    """Host a conducts, b is maintained."""

    def prepare(self):
        self.dir = self.world.dir / "hooks"
        self.dir.mkdir()
        hook = self.dir / "hook"
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)
        os.mkfifo(self.dir / "gate-b")
        for host in self.world.hosts.values():
            host.write_config(maintenance={"conductors": "a"},
                              **{"hook work": {"program": f"{hook} {host.id}"}})

    def order(self):
        return self.a.api.post("/v1/maintenances", {"hosts": ["b"], "hook": "work"})

    def now(self, run):
        return self.a.api.get(f"/v1/maintenances/{run['id']}")

    def end_of(self, run, state, timeout=30):
        now = self.eventually("the maintenance is over",
                              lambda: (now := self.now(run))["final"] and now, timeout)
        self.assertEqual(now["state"], state, now)
        return now["hosts"][0]

    def lines(self):
        path = self.dir / "lines"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def open_gate(self):
        """Of a hook that waits there."""
        (self.dir / "gate-b").write_text("go\n", encoding="utf-8")

    def copy_state(self, host):
        host.stop()
        shutil.copytree(host.state_dir, host.dir / "copy")
        host.start()

    def put_back(self, host):
        host.stop()
        shutil.rmtree(host.state_dir)
        shutil.copytree(host.dir / "copy", host.state_dir)
        host.start()

    def run_guest(self, home):
        guest = self.world.guest("g1", area=0)
        guest.start(home, sweeps=0)
        return guest

    def assert_only_on(self, guest, host, other):
        guest.assert_runs_on(host, sweeps=0)
        guest.console.assert_single_runner()
        self.eventually("the other record is known to be old", lambda: other.vms().get(
            "g1", {"state": "was-here"})["state"] == "was-here")

    def test_host_that_does_not_know_its_evacuation_any_more_fails(self):
        guest = self.run_guest(self.b)
        self.copy_state(self.b)
        run = self.order()
        self.eventually("the hook runs", lambda: self.lines() == ["b"], 30)
        evacuation = self.now(run)["hosts"][0]["evacuation"]
        self.put_back(self.b)
        host = self.end_of(run, "failed")
        self.assertIn(f"its evacuation {evacuation} is not on record there any more",
                      str(host["error"]))
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        self.assert_only_on(guest, self.a, self.b)
        # It is looked at, and another maintenance of it is as any.
        self.open_gate()
        again = self.order()
        self.eventually("the hook runs", lambda: self.lines() == ["b", "b"], 30)
        self.open_gate()
        self.assertEqual(self.end_of(again, "done")["state"], "done")
        self.assert_only_on(guest, self.a, self.b)

    def test_conductor_that_has_forgotten_what_it_did_does_nothing_twice(self):
        guest = self.run_guest(self.b)
        run = self.order()
        self.eventually("the hook runs", lambda: self.lines() == ["b"], 30)
        self.copy_state(self.a)
        self.open_gate()
        self.end_of(run, "done")
        guest.assert_runs_on(self.b, sweeps=0)
        self.put_back(self.a)
        host = self.end_of(run, "failed")
        self.assertIn("was ended by somebody else", str(host["error"]))
        self.assertEqual(self.lines(), ["b"])
        self.assertEqual(len(self.b.api.items("/v1/evacuations")), 1)
        self.assertFalse(self.b.api.get("/v1/host")["cordoned"])
        self.assert_only_on(guest, self.b, self.a)

    @only_full
    def test_thousand_records_are_shown_in_pages_and_the_newest_are_kept(self):
        run = self.order()
        self.eventually("the hook runs", lambda: self.lines() == ["b"], 30)
        self.open_gate()
        self.end_of(run, "done")
        self.a.stop()
        with sqlite3.connect(self.a.state_dir / "migrd.db") as db:
            names = [row[0] for row in db.execute("SELECT name FROM pragma_table_info('maintenance')")]
            row = dict(zip(names, db.execute("SELECT * FROM maintenance").fetchone()))
            for number in range(1, MANY):
                row |= {"id": str(uuid.uuid4()), "ended_ms": row["ended_ms"] - 1,
                        "created_ms": row["created_ms"] - 1}
                db.execute(f"INSERT INTO maintenance VALUES ({', '.join('?' * len(names))})",
                           [row[name] for name in names])
            renew_sums(db, "maintenance")
        db.close()
        self.a.start()
        self.assertEqual(self.a.api.items("/v1/maintenances")[0]["id"], run["id"])
        again = self.order()
        self.eventually("the hook runs", lambda: self.lines() == ["b", "b"], 30)
        self.open_gate()
        self.end_of(again, "done")
        kept = self.a.api.items("/v1/maintenances")
        self.assertEqual([len(kept), kept[0]["id"], kept[1]["id"]], [KEPT, again["id"], run["id"]])
        self.a.stop()
        with sqlite3.connect(self.a.state_dir / "migrd.db") as db:
            self.assertEqual(db.execute("SELECT count(*) FROM maintenance").fetchone()[0], KEPT)
        db.close()
