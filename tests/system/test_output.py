# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's output: its size is limited, even while the coordinator is away, and the reason of QEMU's
end is found in it."""
import contextlib
import os
import signal

from lib import procs, settings
from lib.world import SystemTest

SIZE_KIB = 64
# One line for most executed blocks of the guest's code: a megabyte each second.
TALKATIVE = ["-d", "exec"]


class OutputTest(SystemTest):
    host_ids = ("a",)

    def setUp(self):
        super().setUp()
        self.a.kill9()
        self.a.write_config(qemu={"log_size_kib": SIZE_KIB})
        self.a.start()

    def log_of(self, guest):
        return self.a.log_dir / f"{guest.uuid}.log"

    def wait_turned(self, guest):
        """Waits until the log has been rotated once more."""
        former = self.log_of(guest).with_suffix(".log.1")
        before = former.stat().st_ino if former.exists() else None
        self.eventually("the log is turned",
                        lambda: former.exists() and former.stat().st_ino != before, 60)

    def kept(self, guest):
        """Bytes of the files that are there.  They may be renamed meanwhile: one that is gone is
        not counted, and one that is met under both names is counted once."""
        sizes = {}
        for path in self.a.log_dir.glob(f"{guest.uuid}*"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                sizes[stat.st_ino] = stat.st_size
        self.assertGreater(len(sizes), 0)
        return sum(sizes.values())

    # A QEMU prints without end, and the coordinator dies meanwhile: no more than the limit is
    # kept, nothing gets into the state directory, the guest is not held up, and it can be stopped.
    def test_qemu_that_prints_without_end_is_kept_within_bounds(self):
        guest = self.world.guest(area=0, extra_args=TALKATIVE)
        guest.create(self.a)
        self.a.api.post(f"/v1/vms/{guest.name}/start")
        self.wait_turned(guest)
        self.assertLessEqual(self.kept(guest), SIZE_KIB << 10)
        self.a.kill9()
        self.wait_turned(guest)
        self.assertLessEqual(self.kept(guest), SIZE_KIB << 10)
        self.a.start()
        self.wait_turned(guest)
        self.assertLessEqual(self.kept(guest), SIZE_KIB << 10)
        self.assertEqual([], list(self.a.state_dir.rglob("*.log*")))
        self.assertEqual("running", guest.vm(self.a)["state"])
        self.assertEqual("stopped", self.a.api.post(f"/v1/vms/{guest.name}/stop")["state"])

    # The QEMU dies while the coordinator is away: the restarted coordinator reports its last
    # output.
    def test_last_words_of_a_qemu_that_died_while_migrd_was_away_are_told(self):
        guest = self.world.guest(area=0)
        pid = guest.start(self.a)["pid"]
        self.a.kill9()
        os.kill(pid, signal.SIGTERM)
        procs.wait_gone([pid], settings.seconds(20))
        self.a.start()
        vm = guest.vm(self.a)
        self.assertEqual("crashed", vm["state"])
        self.assertIn("terminating on signal 15", vm["reason"])
