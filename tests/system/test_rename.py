# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM gets another name: wherever it goes then, it is one VM with one name."""
import http.client

from lib.api import ApiError
from lib.world import SystemTest
from test_old_store import copy_state, put_back


class RenameTest(SystemTest):
    def rename(self, host, name, new_name, query=""):
        return host.api.post(f"/v1/vms/{name}/rename{query}", {"name": new_name})

    def test_stopped_vm_is_renamed_and_goes_back_to_where_it_had_another_name(self):
        guest = self.world.guest("demo", area=0)
        uuid = guest.create(self.a)["uuid"]
        self.world.guest("taken", area=1).create(self.a)
        for name, code, status in (("taken", "exists", 409), ("-x", "invalid", 400)):
            for query in "", "?dry_run=true":
                self.assert_api_error(status, code, self.rename, self.a, "demo", name, query)
        self.assertFalse(self.rename(self.a, "demo", "one", "?dry_run=true"))
        self.assertEqual({"demo", "taken"}, set(self.a.vms()))
        hold = self.a.api.post("/v1/holds", {"vm": "demo", "for_s": 600, "reason": "test"})

        vm = self.rename(self.a, "demo", "one")
        self.assertEqual(("one", "one", uuid), (vm["name"], vm["definition"]["name"], vm["uuid"]))
        self.assertEqual({"one", "taken"}, set(self.a.vms()))
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/vms/demo")
        self.assertEqual("one", self.a.api.get(f"/v1/holds/{hold['id']}")["vm"])
        self.a.kill9()
        self.a.start()
        self.assertEqual({"one", "taken"}, set(self.a.vms()))

        self.a.api.post("/v1/vms/one/start")
        guest.name = "one"
        self.world.move(guest, self.a, self.b)
        self.assert_api_error(404, "not-found", self.rename, self.a, "one", "two")
        self.b.api.post("/v1/vms/one/stop")
        self.assertEqual("two: was one\n", self.b.migrctl("vm", "rename", "one", "two").stdout)
        self.b.api.post("/v1/vms/two/start")
        guest.name = "two"
        self.world.move(guest, self.b, self.a)
        self.assertEqual({"two", "taken"}, set(self.a.vms()))
        self.assertEqual(uuid, self.a.vm("two")["uuid"])
        self.assertEqual({"one", "two"}, {move["vm"] for move in self.a.moves()})

    def name_in_qemu(self, host, name):
        return host.migrctl_json("vm", "qmp", name, "query-name")["return"]["name"]

    # The new name goes where it goes, also over a crash; its QEMU has the former one until then.
    def test_running_guest_is_renamed_and_moves(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        pid = self.a.vm("demo")["pid"]
        self.assertFalse(self.rename(self.a, "demo", "one", "?dry_run=true"))
        vm = self.rename(self.a, "demo", "one")
        self.assertEqual(("one", "running", pid), (vm["name"], vm["state"], vm["pid"]))
        self.assertEqual("demo", self.name_in_qemu(self.a, "one"))
        self.a.kill9()
        self.a.start()
        self.assertEqual({"one"}, set(self.a.vms()))
        self.assertEqual(("running", pid), (self.a.vm("one")["state"], self.a.vm("one")["pid"]))
        guest.name = "one"
        self.world.move(guest, self.a, self.b)
        self.assertEqual({"one"}, set(self.b.vms()))
        self.assertEqual("one", self.name_in_qemu(self.b, "one"))
        guest.assert_runs_on(self.b)

    def test_log_of_a_running_guest_has_its_new_name(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        self.rename(self.a, "demo", "one")
        before = len(self.a.log.read_text(encoding="utf-8"))
        self.a.api.post("/v1/vms/one/stop")

        def said():
            return [line for line in self.a.log.read_text(encoding="utf-8")[before:].splitlines() if "exited" in line]
        self.eventually("the end of QEMU in the log", said)
        self.assertEqual((["one"], []), ([name for name in ("one", "demo") for line in said() if f"vm={name} " in line],
                                         [line for line in said() if "vm=demo" in line]))

    def commits_until_renamed(self, name, new_name):
        """How many transactions a coordinator makes from its start to such an answer."""
        points = self.world.dir / "points"
        self.a.env["MIGRD_FAULT_LOG"] = str(points)
        self.a.restart_with_fault("none:drop")
        del self.a.env["MIGRD_FAULT_LOG"]
        self.rename(self.a, name, new_name)
        return points.read_text(encoding="ascii").split().count("store.commit")

    def test_crash_or_full_disk_leaves_one_name(self):
        self.world.guest("demo", area=0).create(self.a)
        commits = self.commits_until_renamed("demo", "one")
        self.a.restart_with_fault(f"store.commit:error:after={commits}")
        with self.assertRaises(ApiError):
            self.rename(self.a, "one", "two")
        self.assertEqual({"one"}, set(self.a.vms()))
        self.assertEqual("one", self.a.vm("one")["definition"]["name"])
        for point, found in ("store.commit", "one"), ("store.committed", "two"):
            self.a.restart_with_fault(f"{point}:crash:after={commits}")
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.rename(self.a, "one", "two")
            self.eventually("the crash", lambda: not self.a.is_up())
            self.a.start()
            self.assertEqual({found}, set(self.a.vms()))
            self.assertEqual(found, self.a.vm(found)["definition"]["name"])

    def test_who_waits_for_the_vm_while_it_is_renamed_hears_of_it(self):
        self.world.guest("demo", area=0).create(self.a)
        hold = self.a.dir / "held"
        self.a.env["MIGRD_FAULT_HOLD"] = str(hold)
        self.a.restart_with_fault("store.commit:hold:times=0")
        del self.a.env["MIGRD_FAULT_HOLD"]
        hold.touch()                    # from here on no record comes to its end
        first = self.a.api.begin("POST", "/v1/vms/demo/rename", {"name": "one"})
        second = self.a.api.begin("POST", "/v1/vms/one/rename", {"name": "two"})
        start = self.a.api.begin("POST", "/v1/vms/one/start")
        hold.unlink()
        self.assertEqual(200, first()[0])
        self.assertEqual("two", second()[2]["name"])
        status, _, vm = start()
        self.assertEqual((200, "two", "running"), (status, vm["name"], vm["state"]))

    # Its QEMU has the later name; the uuid is what counts.
    def test_backup_of_before_the_rename_finds_the_guest_that_was_started_since(self):
        guest = self.world.guest("demo", area=0)
        guest.create(self.a)
        self.a.stop()
        copy = copy_state(self.a)
        self.a.start()
        self.rename(self.a, "demo", "one")
        pid = self.a.api.post("/v1/vms/one/start")["pid"]
        self.a.stop()
        put_back(self.a, copy)
        self.a.start()
        self.eventually("the guest", lambda: self.a.vm("demo")["state"] == "running")
        self.assertEqual(({"demo"}, pid), (set(self.a.vms()), self.a.vm("demo")["pid"]))
        guest.console.assert_single_runner()
