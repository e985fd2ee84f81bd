# SPDX-License-Identifier: LGPL-2.1-or-later
"""A state directory that must not be changed is refused, with advice."""
import shutil
import sqlite3
import subprocess

from lib import settings
from lib.host import free_ports
from lib.world import SystemTest


class StoreTest(SystemTest):
    host_ids = ("a",)

    def database(self):
        found = list(self.a.state_dir.glob("*.db"))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def assert_refused(self, config, *words):
        """migrd must end by itself, with WORDS in its last output."""
        done = subprocess.run([settings.program("migrd"), "-c", str(config)], text=True,
                              capture_output=True, timeout=settings.seconds(20), check=False)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_second_daemon_on_the_same_state_is_refused(self):
        api, data = free_ports(2)
        other = self.world.dir / "other.conf"
        text = self.a.config.read_text(encoding="utf-8")
        text = text.replace(str(self.a.run_dir), f"{self.world.dir}/run2")
        text = text.replace(str(self.a.api_port), str(api)).replace(str(self.a.data_port), str(data))
        other.write_text(text, encoding="utf-8")
        for name in ("ca.pem", "host.pem", "host-key.pem"):
            shutil.copy(self.a.dir / name, self.world.dir / name)
        self.assert_refused(other, str(self.a.state_dir))
        self.a.api.get("/v1/host")

    def test_newer_schema_is_refused_and_left_alone(self):
        self.a.stop()
        with sqlite3.connect(self.database()) as db:
            db.execute("PRAGMA user_version = 9999")
        db.close()
        before = self.database().read_bytes()
        self.assert_refused(self.a.config, "9999", self.database().name)
        self.assertEqual(self.database().read_bytes(), before)

    def test_broken_file_is_refused_and_left_alone(self):
        self.a.stop()
        self.database().write_bytes(b"this is not a database" * 1000)
        self.assert_refused(self.a.config, self.database().name)
        self.assertEqual(self.database().read_bytes(), b"this is not a database" * 1000)

    def test_what_was_answered_is_there_after_a_kill(self):
        guest = self.world.guest(area=0)
        guest.create(self.a)
        self.a.kill9()
        self.a.start()
        self.assertEqual(list(self.a.vms()), ["g1"])
