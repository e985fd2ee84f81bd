# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Linux guest works the same before and after a move."""
from lib.linux import LinuxGuest, make_disk
from lib.world import SystemTest


class LinuxTest(SystemTest):
    def test_its_shell_answers_before_and_after_a_move(self):
        guest = LinuxGuest(self.world, disks=[make_disk(self.world, "data")],
                           nics=[{"id": "net0", "type": "user"}])
        guest.start(self.a)
        guest.sh("mke2fs /dev/vda && mount /dev/vda /mnt && echo kept >/mnt/file")
        devices = guest.sh("lspci")
        self.assertEqual(devices.count("virtio-pci"), 2)
        # One command runs during the move, another one after it.
        guest.sh("(sleep 1; echo gone on >/tmp/late) &")
        self.world.move(guest, self.a, self.b)
        self.assertEqual(guest.sh("cat /mnt/file"), "kept\n")
        self.assertEqual(guest.sh("lspci"), devices)
        guest.sh("until [ -s /tmp/late ]; do usleep 50000; done")
        # Quotes, standard error, exit codes and syntax errors of a command come through.
        self.assertEqual(guest.sh("echo \"it's $((6 * 7))\"; echo no >&2"), "it's 42\nno\n")
        with self.assertRaisesRegex(AssertionError, "exit 3: why"):
            guest.sh("echo why; exit 3")
        self.assertIn("syntax error", guest.sh("if", check=False))
        self.b.api.post("/v1/vms/lin/shutdown")     # presses the power button
        self.eventually("the guest is off", lambda: guest.vm(self.b)["state"] == "stopped")
