# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first command of README.md does what README.md says."""
import json
import os
import shutil
import subprocess

from lib import settings
from lib.world import SystemTest

SCRIPT = settings.SOURCE_DIR / "examples" / "quickstart"


class QuickstartTest(SystemTest):
    host_ids = ()   # the script makes hosts of its own
    timeout_seconds = 300   # a guest of 512 MiB is moved twice

    def run_script(self, *args):
        """Runs the script with the build and the QEMU under test."""
        programs = self.world.dir / "bin"
        programs.mkdir()
        (programs / "qemu-system-x86_64").symlink_to(shutil.which(settings.qemu))
        return subprocess.run(
            [SCRIPT, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "MIGRD_BUILD": str(settings.build_dir),
                 "PATH": f"{programs}:{os.environ['PATH']}"})

    def test_guest_moves_there_and_back_and_the_last_line_says_so(self):
        done = self.run_script("--no-build")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        *_, verdict, last = done.stdout.splitlines()
        report = json.loads(last)
        self.assertEqual([(m["from"], m["to"], m["state"]) for m in report["moves"]],
                         [("a", "b", "done"), ("b", "a", "done")])
        self.assertIs(report["memory_ok"], True)
        self.assertIn(", 0 wrong words: one runner at every moment", verdict)
        self.assertGreater(report["blackout_ms"], 0)

    def test_option_that_it_does_not_know_is_refused_before_anything_is_done(self):
        done = self.run_script("--no-packages")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("'--no-packages' is not understood", done.stderr)
