# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/evacuate does what README.md says, with fewer guests."""
import json
import os
import shutil
import subprocess
import unittest

from lib import settings
from lib.long_form import only_full
from lib.world import SystemTest

SCRIPT = settings.SOURCE_DIR / "examples" / "evacuate"


class EvacuateExampleTest(SystemTest):
    host_ids = ()   # the script makes hosts of its own
    timeout_seconds = 900

    def run_script(self, *args):
        """Runs the script with the build and the QEMU under test."""
        programs = self.world.dir / "bin"
        programs.mkdir()
        (programs / "qemu-system-x86_64").symlink_to(shutil.which(settings.qemu))
        return subprocess.run(
            [SCRIPT, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "MIGRD_BUILD": str(settings.build_dir),
                 "PATH": f"{programs}:{os.environ['PATH']}"})

    def run_small(self, *args):
        done = self.run_script("--no-build", "--guests", "8", "--others", "1", "--link", "1000", *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    @only_full
    @unittest.skipUnless(os.geteuid() == 0, "needs root, for network namespaces")
    def test_hosts_are_emptied_and_filled_again_and_the_last_line_says_so(self):
        report = self.run_small()
        self.assertEqual((report["evacuate"]["moved"], report["return"]["moved"]), (8, 8))
        self.assertEqual({host: told["returned"] for host, told in report["maintenance"].items()},
                         {"a": 8, "b": 1, "c": 1, "d": 1})

    @only_full
    def test_without_root_it_runs_on_loopback(self):
        self.assertEqual(self.run_small("--loopback")["evacuate"]["moved"], 8)

    def test_option_that_it_does_not_know_is_refused_before_anything_is_done(self):
        done = self.run_script("--no-packages")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
