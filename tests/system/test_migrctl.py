# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrctl in a shell: pipes that are closed, wrong files, the completion of bash."""
import pathlib
import subprocess

from lib import settings
from lib.world import SystemTest

COMPLETION = pathlib.Path(__file__).resolve().parents[2] / "doc" / "migrctl.bash"
# What bash sets for the function, and what it takes of it.
ASK = r"""
source "$1"; compopt() { echo "compopt $*"; }
COMP_LINE=$2 COMP_POINT=${#2}; cur=${2##* }
_migrctl migrctl "$cur"; printf '%s\n' "${COMPREPLY[@]}"
"""


class MigrctlTest(SystemTest):
    def complete(self, line):
        program = pathlib.Path(settings.program("migrctl"))
        done = subprocess.run(
            ["bash", "-c", f'PATH="{program.parent}:$PATH"; ' + ASK, "bash", COMPLETION, line],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "MIGRD_SOCKET": str(self.a.socket)})
        self.assertEqual("", done.stderr)
        return done.stdout.split()

    def assert_quiet_end(self, *args):
        """With a reader that has gone."""
        child = subprocess.Popen(  # pylint: disable=consider-using-with
            [settings.program("migrctl"), "--socket", str(self.a.socket), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdout.close()
        errors = child.stderr.read()
        child.stderr.close()
        self.assertEqual((0, ""), (child.wait(settings.seconds(30)), errors))

    # head and grep -q go when they have seen enough: that is no error.
    def test_reader_that_has_gone_is_a_clean_end(self):
        for args in ("vm", "list"), ("--help",), ("-o", "json", "host", "show"):
            self.assert_quiet_end(*args)

    def test_directory_as_file_is_named(self):
        done = self.a.migrctl("vm", "create", self.world.dir, check=False)
        self.assertEqual(f"migrctl: invalid: '{self.world.dir}' is a directory: a file is needed\n",
                         done.stderr)

    # The value of an option is neither a noun nor a verb.
    def test_completion_goes_on_behind_an_option_with_a_value(self):
        self.world.guest("one").start(self.a)
        for options in "", "-o json ", f"--socket {self.a.socket} ", "--host https://a:8443 ":
            self.assertIn("start", self.complete(f"migrctl {options}move st"))
        self.assertEqual(["one"], self.complete("migrctl -o json vm stop o"))
        self.assertEqual(["json"], self.complete("migrctl -o j"))
        self.assertEqual(["--to"], self.complete("migrctl move start one --t"))
        self.assertEqual(["compopt", "-o", "default"], self.complete("migrctl --socket /ru"))
        self.assertEqual(["compopt", "-o", "default"], self.complete("migrctl vm create gu"))
