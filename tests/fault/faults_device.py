# SPDX-License-Identifier: LGPL-2.1-or-later
"""A block device under a host's images that fails."""
import contextlib
import fcntl
import os
import struct
import subprocess

from faults import Fault
from lib.world import World

DEVICE_BYTES = 96 << 20
# linux/fs.h, linux/loop.h
FIBMAP, FIGETBSZ = 1, 2
LOOP_SET_STATUS64, LOOP_GET_STATUS64 = 0x4C04, 0x4C05
LOOP_INFO_BYTES, SIZE_LIMIT_AT = 232, 32


class FailingDevice(World):
    """The images of host a are on a device of their own, whose end can be made to fail: the kernel
    refuses what is beyond a loop device's size."""

    def __init__(self):
        super().__init__()
        self.images = self["a"].images
        under = self.dir / "device"
        with open(under, "wb") as file:
            file.truncate(DEVICE_BYTES)
        self.device = subprocess.run(["losetup", "--find", "--show", str(under)], check=True,
                                     capture_output=True, text=True).stdout.strip()
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", self.device], check=True)
        subprocess.run(["mount", self.device, str(self.images)], check=True)
        (self.images / "lost+found").rmdir()

    def limit(self, size):
        """The device has SIZE bytes; 0: all."""
        with open(self.device, "rb") as device:
            info = bytearray(LOOP_INFO_BYTES)
            fcntl.ioctl(device, LOOP_GET_STATUS64, info)
            struct.pack_into("Q", info, SIZE_LIMIT_AT, size)
            fcntl.ioctl(device, LOOP_SET_STATUS64, bytes(info))

    def fail_behind(self, path, offset):
        """All of the device fails that is behind OFFSET of the file PATH."""
        with open(path, "rb") as file:
            os.fsync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            block_bytes, = struct.unpack("i", fcntl.ioctl(file, FIGETBSZ, bytes(4)))
            block = fcntl.ioctl(file, FIBMAP, struct.pack("i", offset // block_bytes))
        self.limit(struct.unpack("i", block)[0] * block_bytes)

    def remove(self):
        subprocess.run(["umount", "-l", str(self.images)], check=False)
        subprocess.run(["losetup", "--detach", self.device], check=False)
        super().remove()


class ImageUnreadable(Fault):
    """A part of an image that the guest does not use cannot be read any more."""
    name = "a part of the source's image cannot be read, local disks"
    needs_root = True
    options = {"make_world": FailingDevice, "disks": (
        {"disk_id": "one", "mib": 24, "area": 4, "rate": 4, "data": 4},
        {"disk_id": "old", "mib": 40, "area": 1, "rate": 0, "data": 32})}

    def strike(self, s):
        s.world.fail_behind(s.disks[1].path, 24 << 20)
        s.patch_move(bandwidth_bytes_per_s=0)
        s.wait("the source to give up", lambda: s.is_final(s.a))
        s.world.limit(0)

    def verify(self, s):
        """The reason names the disk."""
        words = s.a.move_state(s.move_id)["error"]["detail"]
        if "'old'" not in words or "Input/output error" not in words:
            raise AssertionError(f"the move did not fail for its disk: {words}")
        return contextlib.nullcontext()
