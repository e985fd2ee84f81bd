# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that the test guest proves (tests/guest/disk.S), and looks at images that no QEMU has open.

    disk = Disk("data", mib=64, format="qcow2", area=16, rate=8, data=16)
    guest = self.world.guest(disks=[disk])
    guest.start(self.a)                         # the first sweep is done
    guest.console.wait_disk_sweeps(2)
    self.a.api.post("/v1/vms/g1/stop")
    disk.assert_stamps()                        # or assert_stamps(path) of a copy of it
"""
import array
import contextlib
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import zlib

from . import guest_image

MIB = 1 << 20
BLOCK = 4096
SECTOR = 512
BLOCK_SECTORS = BLOCK // SECTOR
BLOCKS_PER_MIB = MIB // BLOCK
MAGIC = 0x3064676d              # of disk 0: "mgd0"
MAGIC_STEP = 1 << 24
WORD_MASK = 0xffffffff
SHOWN = 5                       # wrong blocks in a message


class Disk:
    """An image with an area that the guest writes and checks, and maybe one with random data.

    MIB: its size.  SHARED: both hosts have it; otherwise it is local.  AREA, AT: MiB that the guest
    writes, and where.  RATE: MiB/s that it visits, each read and written again; 0: it only fills
    the area; "max".  CHUNK: KiB of a request.  DATA, DATA_AT: MiB of random data that the host puts
    there, as a rule behind the area; the guest checks as much of them as it has area.  FLUSH: at
    the end of each sweep, so that a QEMU that is killed leaves a qcow2 image that has its clusters;
    with cache="unsafe" that costs little.  OPTIONS: those of `qemu-img create -o'.  BASE: the format
    of a backing file that has all of the host's data, under an image that is empty at first.
    DEFINITION: more members of the definition's disk."""

    def __init__(self, disk_id="data", mib=32, format="raw", shared=False, area=16, at=0, rate=16,
                 data=0, data_at=None, chunk=64, flush=False, options="", base=None, **definition):
        self.id = disk_id
        self.mib = mib
        self.format = format
        self.shared = shared
        self.data = data
        self.data_at = at + area if data_at is None else data_at
        self.options = options
        self.base = base
        self.base_path = None
        self.extra = definition
        self.work = guest_image.mkguest().Disk(
            area=area, at=at, rate=str(rate), static=min(data, area), static_at=self.data_at,
            chunk=chunk, flush=int(flush))
        self.is_busy = rate != 0
        self.path = None        # of the image on the host where the guest starts
        self.number = None      # among the guest's disks
        self._data_sums = []

    def make(self, path, number, base_home=None):
        """Makes the image; NUMBER: of the disk among those that are not read-only, by slots.
        BASE_HOME: where its backing file is, if it has one; default: beside it."""
        self.path, self.number = pathlib.Path(path), number
        options = ["-o", self.options] if self.options else []
        if not self.base:
            self._make_image(self.path, self.format, options)
            return
        home = pathlib.Path(base_home or self.path.parent)
        self.base_path = home / f"{self.path.stem}.base.{self.base}"
        self._make_image(self.base_path, self.base)
        self.make_overlay(self.base_path, self.path, *options)

    def _make_image(self, path, format, options=()):
        is_raw = format == "raw"
        raw = path if is_raw else path.with_suffix(".made")
        with open(raw, "wb") as file:
            file.truncate(self.mib * MIB)
            self._write_data(file)
        if not is_raw:
            qemu_img("convert", "-f", "raw", "-O", format, *options, raw, path)
            raw.unlink()

    def make_overlay(self, base, path, *options):
        """Makes an empty image at PATH over BASE."""
        qemu_img("create", "-q", "-f", self.format, "-F", self.base or self.format, "-b", base,
                 *options, path)

    def definition(self):
        shared = {"shared": True} if self.shared else {}
        return {"id": self.id, "path": str(self.path), "format": self.format, **shared,
                **self.extra}

    def backing_file(self, path):
        """Of the image at PATH, also while a QEMU has it open; None: it has none."""
        return json.loads(qemu_img("info", "--force-share", "--output=json", "-f", self.format,
                                   path)).get("full-backing-filename")

    @property
    def magic(self):
        return MAGIC + self.number * MAGIC_STEP

    # ---- what is on it -----------------------------------------------------

    def _write_data(self, file):
        """In each block the words, the sector and the magic have the sum 0."""
        file.seek(self.data_at * MIB)
        self._data_sums = []
        for number in range(self.data * BLOCKS_PER_MIB):
            sector = self.data_at * MIB // SECTOR + number * BLOCK_SECTORS
            words = array.array("I", os.urandom(BLOCK - 4))
            words.append(-(sum(words) + sector + self.magic) & WORD_MASK)
            self._data_sums.append(zlib.crc32(words))
            file.write(words)

    def area_offsets(self):
        """Where the area's blocks are, in the order in which a sweep visits them."""
        work, size = self.work, self.work.chunk_blocks * BLOCK
        chunks = work.area * MIB // size
        return [work.at * MIB + visit * work.step_chunks % chunks * size + inside
                for visit in range(chunks) for inside in range(0, size, BLOCK)]

    def stamped(self, offset, sweep):
        """The block at OFFSET as the guest writes it in SWEEP; 0: when it fills the area."""
        first, sweep, magic = offset // SECTOR, sweep & WORD_MASK, self.magic
        return b"".join(
            struct.pack("<4I", magic, sector, sweep, magic ^ sector ^ sweep) * (SECTOR // 16)
            for sector in range(first, first + BLOCK_SECTORS))

    def assert_stamps(self, path=None, format=None):
        """Checks the area and the data in the image (at PATH if it is another one), which no QEMU
        may have open.  All visits of the sweep under way come before all others in the order of
        visits, so a block that is older or newer than its place is wrong.  Returns the number of
        the newest sweep of which a stamp was found, and of its blocks."""
        path = path or self.path
        with raw_form(path, format or self.format) as file:
            offsets = self.area_offsets()
            blocks = [os.pread(file, BLOCK, offset) for offset in offsets]
            sweeps = [struct.unpack_from("<I", block, 8)[0] if len(block) == BLOCK else None
                      for block in blocks]
            newest = sweeps[0]
            count = next((i for i, sweep in enumerate(sweeps) if sweep != newest), len(sweeps))
            wrong = [f"{offset}: {describe(block)}" for i, (offset, block)
                     in enumerate(zip(offsets, blocks))
                     if newest is None or block != self.stamped(offset, newest - (i >= count))]
            wrong += [f"{offset}: other data" for offset, data_sum in self._data_offsets()
                      if zlib.crc32(os.pread(file, BLOCK, offset)) != data_sum]
        if wrong:
            raise AssertionError(f"{path}: {len(wrong)} wrong blocks, and {count} of sweep "
                                 f"{newest}: {'; '.join(wrong[:SHOWN])}")
        return newest, count

    def _data_offsets(self):
        return [(self.data_at * MIB + i * BLOCK, data_sum)
                for i, data_sum in enumerate(self._data_sums)]


def describe(block):
    if not any(block):
        return "zeros" if block else "behind the end"
    magic, sector, sweep, _ = struct.unpack_from("<4I", block)
    if magic in range(MAGIC, MAGIC + 4 * MAGIC_STEP, MAGIC_STEP):
        return f"sweep {sweep} of disk {(magic - MAGIC) // MAGIC_STEP}, offset {sector * SECTOR}"
    return f"{block[:16].hex()}..."


# ---- images that no QEMU has open ----------------------------------------------


def qemu_img(*args):
    done = subprocess.run(["qemu-img", *map(str, args)], check=False, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise AssertionError(f"qemu-img {' '.join(map(str, args))}: exit {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def raw_form(path, format):
    """A descriptor of what the guest sees on the image."""
    with tempfile.NamedTemporaryFile(dir=pathlib.Path(path).parent) as copy:
        if format != "raw":
            qemu_img("convert", "-f", format, "-O", "raw", path, copy.name)
            path = copy.name
        file = os.open(path, os.O_RDONLY)
        try:
            yield file
        finally:
            os.close(file)


def assert_same_image(one, other, format="raw", other_format=None):
    """A guest sees the same on both images; their formats and what they allocate may differ."""
    qemu_img("compare", "-f", format, "-F", other_format or format, one, other)


def allocated_bytes(path):
    """What the image takes on its filesystem."""
    return os.stat(path).st_blocks * 512
