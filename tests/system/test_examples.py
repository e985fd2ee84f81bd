# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guests of examples/guests are taken as they are, and QEMU starts what is made of them."""
import json
import pathlib
import subprocess

from lib import settings
from lib.world import SystemTest

GUESTS = sorted((settings.SOURCE_DIR / "examples" / "guests").glob("*.json"))
# What the test has not: the host's bridge and tap.
NOT_STARTED = {"bridge.json"}


class ExamplesTest(SystemTest):
    host_ids = ("a",)

    def here(self, definition):
        """The same with the test's own images, without KVM and with little memory."""
        definition = json.loads(json.dumps(definition))
        definition.update(accel="tcg", memory_mib=128)
        for image in (*definition["disks"], *definition.get("cdroms", [])):
            path = self.world.dir / pathlib.Path(image["path"]).name
            subprocess.run(["qemu-img", "create", "-q", "-f", image.get("format", "raw"), path, "1M"],
                           check=True)
            image["path"] = str(path)
            image.pop("cache", None)    # a tmpfs has no O_DIRECT
        if "firmware" in definition:
            definition["firmware"]["vars"] = str(self.a.images / f"{definition['name']}-vars.fd")
        return definition

    def test_example_is_taken_as_it_is_and_starts(self):
        self.assertGreaterEqual(len(GUESTS), 5)
        for file in GUESTS:
            definition = json.loads(file.read_text(encoding="utf-8"))
            name = definition["name"]
            with self.subTest(file.name):
                self.a.api.post("/v1/vms?dry_run=true", definition)
                self.assertNotIn(name, self.a.vms())
                if file.name in NOT_STARTED:
                    continue
                self.a.api.post("/v1/vms", self.here(definition))
                self.assertEqual(self.a.api.post(f"/v1/vms/{name}/start")["state"], "running")
                self.a.api.post(f"/v1/vms/{name}/stop")
