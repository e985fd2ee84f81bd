# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest is changed: while it is stopped at once, while it runs when it is started next."""
import http.client
import json
import os
import subprocess
import sys

from lib import settings
from lib.world import SystemTest

# Leaves what it was shown, does the next step: a command, and one text in place of another.
EDITOR = """
import json, pathlib, subprocess, sys
steps, path = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
text = path.read_text(encoding="utf-8")
todo, seen = json.loads(steps.read_text(encoding="utf-8"))
command, old, new = todo[0]
steps.write_text(json.dumps([todo[1:], [*seen, text]]), encoding="utf-8")
if command:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
if old not in text:
    sys.exit(f"{old!r} is not there")
path.write_text(text.replace(old, new), encoding="utf-8")
"""


class EditTest(SystemTest):
    def patch(self, host, **body):
        vm = host.api.call("PATCH", "/v1/vms/demo", body)
        return {edit["member"]: edit["applied"] for edit in vm.get("edits", [])}, vm["definition"]

    def memory_mib(self, host):
        answer = host.migrctl_json("vm", "qmp", "demo", "query-memory-size-summary")
        return answer["return"]["base-memory"] >> 20

    def vcpus(self, host):
        return len(host.migrctl_json("vm", "qmp", "demo", "query-cpus-fast")["return"])

    def test_stopped_guest_is_changed_now(self):
        guest = self.world.guest("demo", area=0)
        guest.create(self.a)
        applied, definition = self.patch(self.a, memory_mib=160, vcpus=2, boot_order=["boot"])
        self.assertEqual({"memory_mib": "now", "vcpus": "now", "boot_order": "now"}, applied)
        self.assertEqual((160, 2), (definition["memory_mib"], definition["vcpus"]))
        self.assertNotIn("next", definition)

        # All of a request or nothing.
        for body in ({"memory_mib": 192, "boot_order": ["boot", "none"]},
                     {"memory_mib": 192, "boot_order": ["boot", "boot"]},
                     {"memory_mib": 192, "vcpus": 0}, {"when": "now"}, {"memory_mib": "192"},
                     {"memory_mib": 192, "max_memory_mib": 512}, {"memory_mib": 192, "remove": ["none"]},
                     {"memory_mib": 192, "disks": [{"id": "boot"}]}):
            self.assert_api_error(400, "invalid", self.patch, self.a, **body)
            self.assert_api_error(400, "invalid", self.a.api.call, "PATCH",
                                  "/v1/vms/demo?dry_run=true", body)
        self.assertFalse(self.a.api.call("PATCH", "/v1/vms/demo?dry_run=true",
                                          {"memory_mib": 192}))
        self.assertEqual(160, self.a.vm("demo")["definition"]["memory_mib"])
        guest.start(self.a)
        self.assertEqual((160, 2), (self.memory_mib(self.a), self.vcpus(self.a)))

    # What waits goes with the guest, and a move is no start.
    def test_running_guest_is_changed_at_its_next_start_wherever_that_is(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        error = self.assert_api_error(409, "conflict", self.patch, self.a, memory_mib=160,
                                      when="now")
        self.assertIn("memory device", error.body["detail"])
        self.assert_api_error(409, "conflict", self.a.api.call, "PATCH",
                              "/v1/vms/demo?dry_run=true", {"memory_mib": 160, "when": "now"})
        self.assertNotIn("next", self.a.vm("demo")["definition"])

        applied, definition = self.patch(self.a, memory_mib=192, vcpus=2)
        self.assertEqual({"memory_mib": "next-start", "vcpus": "next-start"}, applied)
        self.assertEqual((128, {"memory_mib": 192, "vcpus": 2}),
                         (definition["memory_mib"], definition["next"]))
        # A later value takes its place, that of now takes it back.
        self.patch(self.a, memory_mib=160)
        applied, definition = self.patch(self.a, vcpus=1)
        self.assertEqual({"memory_mib": 160}, definition["next"])
        self.assertIn("demo: memory_mib: next-start",
                      self.a.migrctl("vm", "edit", "demo", "--memory", "160M").stdout)

        self.a.kill9()
        self.a.start()
        self.assertEqual({"memory_mib": 160}, self.a.vm("demo")["definition"]["next"])
        self.world.move(guest, self.a, self.b)
        self.assertEqual({"memory_mib": 160}, self.b.vm("demo")["definition"]["next"])
        self.assertEqual(128, self.memory_mib(self.b))
        self.b.api.post("/v1/vms/demo/stop")
        self.b.api.post("/v1/vms/demo/start")
        self.assertEqual(160, self.memory_mib(self.b))
        self.assertNotIn("next", self.b.vm("demo")["definition"])

    def test_devices_wait_for_the_next_start(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        image = self.world.dir / "more.raw"
        image.write_bytes(bytes(1 << 20))
        changes = self.world.dir / "changes.json"
        changes.write_text(json.dumps({
            "disks": [{"id": "more", "path": str(image), "format": "raw"}],
            "nics": [{"id": "net9", "type": "user"}]}), encoding="utf-8")
        self.assertIn("demo: disks: next-start",
                      self.a.migrctl("vm", "edit", "demo", "--file", changes).stdout)
        self.assertEqual({"disks", "nics"}, set(self.a.vm("demo")["definition"]["next"]))
        # The place that the disk will have is free until then.
        self.a.migrctl("vm", "edit", "demo", "--remove", "net9")
        self.a.api.post("/v1/vms/demo/stop")
        self.a.api.post("/v1/vms/demo/start")
        definition = self.a.vm("demo")["definition"]
        self.assertIn("more", [disk["id"] for disk in definition["disks"]])
        self.assertNotIn("net9", [nic["id"] for nic in definition.get("nics", [])])
        self.assertNotIn("next", definition)
        devices = self.a.migrctl_json("vm", "qmp", "demo", "query-block")["return"]
        self.assertIn(str(image), json.dumps(devices))

    def drives(self, host):
        """Of QEMU: id, file."""
        return {block["qdev"].split("/")[-1]: block.get("inserted", {}).get("file", "")
                for block in host.migrctl_json("vm", "qmp", "demo", "query-block")["return"]
                if block.get("removable")}

    # What is in a drive is not the edit's, even if it waits: it changes at once, by other ways.
    def test_cd_drives_come_and_go_at_the_next_start(self):
        one, two, new = (self.world.dir / f"{name}.iso" for name in ("one", "two", "new"))
        for path in one, two, new:
            path.write_bytes(bytes(64 << 10))
        guest = self.world.guest("demo", area=0, cdroms=[
            {"id": "cd0", "bus": "sata", "path": str(one), "boot_index": 7}, {"id": "cd1", "bus": "sata"}])
        guest.start(self.a)
        before = self.a.vm("demo")["definition"]

        # Another medium, or none, is named with the way by which it changes now, and nothing is done.
        for medium in {"path": str(two)}, {}:
            body = {"memory_mib": 160, "cdroms": [{"id": "cd0", "bus": "sata", **medium}]}
            for when in "auto", "next-start":
                error = self.assert_api_error(400, "invalid", self.patch, self.a, when=when, **body)
                self.assertIn(f"/cdroms/0/path: in 'cd0' is {one} now", error.body["detail"])
                self.assertIn("`migrctl vm insert' or `migrctl vm eject'", error.body["detail"])
        error = self.assert_api_error(409, "conflict", self.patch, self.a, when="now",
                                      cdroms=[{"id": "cd2", "bus": "sata"}])
        self.assertIn("QEMU gives a guest its CD drives when it starts", error.body["detail"])
        error = self.assert_api_error(400, "invalid", self.patch, self.a,
                                      firmware={"code": "/x", "vars": "/y"})
        self.assertIn("the variables in its image would be lost or not fit", str(error.body))
        self.assertEqual(before, self.a.vm("demo")["definition"])

        changes = self.world.dir / "changes.json"
        changes.write_text(json.dumps({"labels": {"tier": "web"}, "cdroms": [
            {"id": "cd0", "bus": "scsi", "path": str(one)},
            {"id": "cd2", "bus": "sata", "path": str(new)}]}), encoding="utf-8")
        said = self.a.migrctl("vm", "edit", "demo", "--file", changes, "--remove", "cd1").stdout
        self.assertIn("demo: cdroms: next-start: ", said)
        self.assertIn("demo: remove: next-start: ", said)
        self.assertEqual({"cd0": str(one), "cd1": ""}, self.drives(self.a))
        self.a.migrctl("vm", "insert", "demo", "cd0", two)
        self.a.kill9()
        self.a.start()
        self.world.move(guest, self.a, self.b)
        self.assertEqual({"cd0": str(two), "cd1": ""}, self.drives(self.b))

        self.b.api.post("/v1/vms/demo/stop")
        self.b.api.post("/v1/vms/demo/start")
        self.assertEqual({"cd0": str(two), "cd2": str(new)}, self.drives(self.b))
        definition = self.b.vm("demo")["definition"]
        self.assertNotIn("next", definition)
        self.assertEqual([("cd0", "scsi", 7), ("cd2", "sata", None)],
                         [(drive["id"], drive["bus"], drive.get("boot_index"))
                          for drive in definition["cdroms"]])

        # All at once of one that is stopped, the medium too.
        self.b.api.post("/v1/vms/demo/stop")
        applied, definition = self.patch(self.b, remove=["cd0"], cdroms=[
            {"id": "cd2", "bus": "sata", "path": str(one)}, {"id": "cd3", "bus": "sata"}])
        self.assertEqual({"cdroms": "now", "remove": "now"}, applied)
        self.assertNotIn("next", definition)
        self.b.api.post("/v1/vms/demo/start")
        self.assertEqual({"cd2": str(one), "cd3": ""}, self.drives(self.b))

    # The record of the start has the change too.
    def test_crash_of_a_start_leaves_the_edit_made(self):
        guest = self.world.guest("demo", area=0)
        guest.create(self.a)
        applied, _ = self.patch(self.a, memory_mib=160, vcpus=2, when="next-start")
        self.assertEqual({"memory_mib": "next-start", "vcpus": "next-start"}, applied)
        self.a.restart_with_fault("qemu.spawn:crash")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.a.api.post("/v1/vms/demo/start")
        self.eventually("the crash", lambda: not self.a.is_up())
        self.a.start()
        definition = self.a.vm("demo")["definition"]
        self.assertEqual((160, 2), (definition["memory_mib"], definition["vcpus"]))
        self.assertNotIn("next", definition)

    # The destination has the definition already.
    def test_edit_during_a_move_is_refused(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, hold={"timeout_s": 60, "then": "cancel"})
        self.eventually("the hold", lambda: self.a.move_state(move["id"])["held"])
        for host in self.a, self.b:
            with self.assertRaises(Exception) as caught:
                self.patch(host, memory_mib=160)
            self.assertIn(caught.exception.code, ("busy", "conflict"))
        self.a.api.post(f"/v1/moves/{move['id']}/release")
        self.world.wait_state(self.a, move["id"], "done")
        self.assertNotIn("next", self.b.vm("demo")["definition"])

    # The memory in the file fits only what the guest had.
    def test_saved_guest_is_not_changed(self):
        guest = self.world.guest("demo", area=0)
        guest.start(self.a)
        self.a.migrctl("vm", "save", "demo", self.a.saved / "demo", "--watch")
        self.assert_api_error(409, "conflict", self.patch, self.a, memory_mib=160)
        # What no guest sees may be another.
        self.patch(self.a, labels={"tier": "web"})
        self.a.migrctl("vm", "restore", self.a.saved / "demo", "--watch")
        self.assertEqual(("running", {"tier": "web"}),
                         (self.a.vms()["demo"]["state"], self.a.vm("demo")["definition"]["labels"]))


class EditorTest(SystemTest):
    host_ids = ("a",)

    def prepare(self):
        self.typed = self.world.dir / "typed"
        self.typed.mkdir()
        self.script = self.world.dir / "editor.py"
        self.script.write_text(EDITOR, encoding="utf-8")

    def command(self, *args):
        return [str(settings.program("migrctl")), "--socket", str(self.a.socket), *map(str, args)]

    def edit(self, *steps, options=()):
        """A person does so, one step each time that the editor is opened.  What was shown, and the
        CompletedProcess."""
        file = self.world.dir / "steps.json"
        file.write_text(json.dumps([steps, []]), encoding="utf-8")
        done = subprocess.run(self.command("vm", "edit", "demo", *options), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=settings.seconds(60),
                              env={**os.environ, "TMPDIR": str(self.typed),
                                   "VISUAL": f"{sys.executable} {self.script} {file}"})
        left, seen = json.loads(file.read_text(encoding="utf-8"))
        self.assertEqual([], left, done.stderr)
        return seen, done

    def definition(self):
        return self.a.vm("demo")["definition"]

    def test_definition_is_changed_in_an_editor(self):
        self.world.guest("demo", area=0).create(self.a)
        self.a.migrctl("vm", "label", "demo", "tier=web", "old=yes")
        before = self.definition()
        seen, done = self.edit((None, "", ""))
        self.assertEqual((0, "", "VM 'demo': nothing was changed\n"),
                         (done.returncode, done.stdout, done.stderr))
        self.assertEqual(before, self.definition())
        shown = "".join(line for line in seen[0].splitlines(True) if not line.startswith("#"))
        self.assertEqual(before, json.loads(shown))

        # Faults are told one after another, and all of those that the host finds.
        memory = f'"memory_mib": {before["memory_mib"]}'
        seen, done = self.edit(
            (None, memory, '"memory_mib": ,'),
            (None, '"memory_mib": ,', f'{memory}, "max_memory_mib": 512'),
            (None, f'{memory}, "max_memory_mib": 512', '"memory_mib": 0'),
            (None, '"memory_mib": 0', '"memory_mib": ,'),
            (None, '"memory_mib": ,', '"memory_mib": 192, "autostart": true'),
            options=("--when", "now"))
        self.assertEqual(0, done.returncode, done.stderr)
        for text, words in zip(seen[1:], ("line", "'max_memory_mib' cannot be changed here",
                                          "  /memory_mib: ", "line")):
            comments = [line for line in text.splitlines() if line.startswith("#")]
            self.assertIn(words, "\n".join(comments))
            self.assertIn("# Nothing was changed: ", text)
        self.assertNotIn("  /memory_mib: ", seen[4])     # that was the fault before
        self.assertIn("demo: memory_mib: now\n", done.stdout)
        self.assertEqual(before | {"memory_mib": 192, "autostart": True}, self.definition())

        seen, done = self.edit((None, '"old": "yes"', '"new": "yes"'))
        self.assertEqual({"tier": "web", "new": "yes"}, self.definition()["labels"])
        self.assertEqual([], os.listdir(self.typed))

    def test_cd_drives_are_changed_in_an_editor_and_firmware_is_not(self):
        self.world.guest("demo", area=0, cdroms=[{"id": "cd0", "bus": "sata"},
                                                 {"id": "cd1", "bus": "sata"}]).create(self.a)
        firmware = '"vcpus": 1, "firmware": {"code": "/code", "vars": "/vars"}'
        seen, done = self.edit((None, '"vcpus": 1', firmware), (None, firmware, '"vcpus": 2'))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("'firmware' cannot be changed here: the variables", seen[1])
        _, done = self.edit((None, '"cd1"', '"cd9"'))
        self.assertEqual("demo: cdroms: now\ndemo: remove: now\n", done.stdout)
        self.assertEqual([("cd0", 0), ("cd9", 1)],
                         [(drive["id"], drive["unit"]) for drive in self.definition()["cdroms"]])

    def test_what_was_typed_is_kept_when_it_cannot_be_taken(self):
        self.world.guest("demo", area=0).create(self.a)
        self.edit((None, '"vcpus": 1', '"vcpus": 2'))
        _, done = self.edit((None, '"vcpus": 2', '"vcpus": 0'), (None, "", ""))
        self.assertNotEqual(0, done.returncode)
        (kept,) = self.typed.iterdir()
        self.assertIn(f"what was typed is in '{kept}'", done.stderr)
        self.assertIn('"vcpus": 0', kept.read_text(encoding="utf-8"))
        self.assertEqual(2, self.definition()["vcpus"])
        kept.unlink()

        # Somebody else has changed the VM while it was being typed.
        seen, done = self.edit(
            (self.command("vm", "label", "demo", "tier=web"), '"vcpus": 2', '"vcpus": 3'),
            (None, '"vcpus": 2', '"vcpus": 4'))
        self.assertEqual(0, done.returncode, done.stderr)
        (kept,) = self.typed.iterdir()
        self.assertIn(f"what was typed is in '{kept}'", done.stderr)
        self.assertIn(f"# What was typed is in {kept}\n", seen[1])
        self.assertIn('"vcpus": 3', kept.read_text(encoding="utf-8"))
        self.assertIn('"tier": "web"', seen[1])
        definition = self.definition()
        self.assertEqual((4, {"tier": "web"}), (definition["vcpus"], definition["labels"]))
        kept.unlink()

        self.a.stop()
        _, done = self.edit()
        self.assertNotEqual(0, done.returncode)
        self.assertEqual([], os.listdir(self.typed))
