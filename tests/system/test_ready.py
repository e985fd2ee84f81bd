# SPDX-License-Identifier: LGPL-2.1-or-later
"""Missing requirements of a host are reported before a guest needs them."""
import subprocess

from lib import settings
from lib.world import SystemTest


class ReadyTest(SystemTest):
    # The next probe shows that a program is missing, and that it is back.
    def test_missing_programs_are_named_and_readyz_says_no(self):
        stream = self.world.dir / "migrd-stream"
        stream.symlink_to(settings.program("migrd-stream"))
        self.b.kill9()
        self.b.write_config(move={"stream_program": stream}, qemu={"binary": "qemu-system-x86_64"})
        self.b.start()
        stream.unlink()
        self.eventually("it is not ready", lambda: self.b.api.send("GET", "/readyz")[0] == 503)
        answer = self.b.api.send("GET", "/readyz")[2]
        self.assertEqual(["stream-program"], [c["check"] for c in answer["checks"]])
        self.assertIn(str(stream), answer["detail"])
        stream.symlink_to(settings.program("migrd-stream"))
        self.eventually("it is ready", lambda: self.b.api.send("GET", "/readyz")[0] == 200)

    # The same table, before the daemon runs.
    def test_check_config_names_what_is_missing(self):
        self.b.kill9()
        self.b.write_config(move={"stream_program": "/no/stream"}, qemu={"binary": "no-qemu"})
        done = subprocess.run(
            [settings.program("migrd"), "-c", str(self.b.config), "--check-config"], text=True,
            capture_output=True, timeout=settings.seconds(10), check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, "qemu: not-found: .*'no-qemu'")
        self.assertRegex(done.stderr, "stream-program: not-found: .*'/no/stream'")
        self.b.write_config()
        self.b.start()
