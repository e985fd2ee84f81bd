# SPDX-License-Identifier: LGPL-2.1-or-later
"""Empty qcow2 images (QEMU's docs/interop/qcow2.txt), also over a backing file."""
import struct

CLUSTER = 1 << 16
MAGIC = b"QFI\xfb"
BACKING_FORMAT = 0xe2792aca     # magic of the header extension
BACKING_NAME_AT = 512


def make_qcow2(path, size=8 << 20, backing=None, backing_format="raw"):
    """An image of four clusters: header, refcount table, refcount block and first-level table."""
    name = str(backing).encode() if backing else b""
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", MAGIC, 3, BACKING_NAME_AT if name else 0, len(name),
                         16, size, 0, 1, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104)
    if name:
        header += struct.pack(">II8s", BACKING_FORMAT, len(backing_format),
                              backing_format.encode())
    with open(path, "wb") as file:
        file.write(header)
        file.seek(BACKING_NAME_AT)
        file.write(name)
        file.seek(CLUSTER)
        file.write(struct.pack(">Q", 2 * CLUSTER))
        file.seek(2 * CLUSTER)
        file.write(struct.pack(">4H", 1, 1, 1, 1))
        file.truncate(4 * CLUSTER)
    return path


def set_magic(path, magic):
    """With a wrong magic QEMU does not open the image again."""
    with open(path, "r+b") as file:
        file.write(magic)
