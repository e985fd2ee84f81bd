# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that UEFI firmware boots, and that proves its variables, TPM and disk (tests/guest/uefi.c).

    guest = Uefi(self)
    guest.create(self.a)
    guest.start(self.a)                     # it ticks
    self.world.move(guest, self.a, self.b)
    guest.assert_ticks()                    # on: nothing was lost
"""
import hashlib
import os
import pathlib
import re
import struct
import subprocess
import tempfile

from . import settings
from .world import Machine

SOURCE = settings.MKGUEST.parent / "uefi.c"
CODE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
TEMPLATE = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
BOOT_SECONDS = 60
VAR_TICKS = 20              # as in the source
WROTE = "wrote to the variables"
TICK = re.compile(rb"tick (\d+)(?: pcr=([0-9a-f]{64}))?\r\n")
BEGIN = re.compile(rb"begin var=(\d+) nv=(\d+) disk=(\w+) tpm=(\w+)\r\n")
BASE = 0x1000               # of the code in the image
ROOM = 0x10000              # for what the code leaves uninitialized
HEADER = 60                 # of a variable: MdeModulePkg, AUTHENTICATED_VARIABLE_HEADER
VALID = (0x3f, 0x3e)        # 0x3e: another value is being written, and is not valid yet


def application():
    """The application's file, made once for each build."""
    kept = settings.build_dir / "uefi.efi"
    if not kept.exists() or kept.stat().st_mtime < SOURCE.stat().st_mtime:
        with tempfile.TemporaryDirectory() as folder:
            part = kept.with_suffix(f".{os.getpid()}")
            part.write_bytes(_pe(*_code(pathlib.Path(folder))))
            os.replace(part, kept)
    return kept


def _code(folder):
    """The machine code, and where it begins."""
    obj, elf, flat = (folder / name for name in ("uefi.o", "uefi.elf", "uefi.bin"))
    subprocess.run(["gcc", "-c", "-O1", "-std=gnu17", "-fshort-wchar", "-ffreestanding", "-fpie",
                    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-mno-red-zone",
                    "-fcf-protection=none", "-fvisibility=hidden", "-o", obj, SOURCE], check=True)
    subprocess.run(["ld", "-N", "--no-warn-rwx-segments", f"-Ttext={BASE:#x}", "-e", "efi_main", "-o", elf, obj], check=True)
    subprocess.run(["objcopy", "-O", "binary", elf, flat], check=True)
    return flat.read_bytes(), struct.unpack_from("<Q", elf.read_bytes(), 24)[0]


def _pe(code, entry):
    """A PE32+ image with one section, which needs no relocation."""
    size = -(-len(code) // 512) * 512
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x22e)
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 0, 0, size, 0, 0, entry, BASE, 0, BASE, 512,
        0, 0, 0, 0, 0, 0, 0, BASE + size + ROOM, 512, 0, 10, 0, 0, 0, 0, 0, 0, 16) + bytes(128)
    section = struct.pack("<8sIIIIIIHHI", b".text", size + ROOM, BASE, size, 512, 0, 0, 0, 0,
                          0xe0000020)
    return (dos + coff + optional + section).ljust(512, b"\0") + code.ljust(size, b"\0")


def tick_of(image):
    """The value of the guest's variable in an image of variables."""
    data = pathlib.Path(image).read_bytes()
    name = "Tick\0".encode("utf-16-le")
    at, values = data.find(name), {}
    while at >= 0:
        start, state = struct.unpack_from("<HB", data, at - HEADER)
        if start == 0x55aa:
            values[state] = struct.unpack_from("<Q", data, at + len(name))[0]
        at = data.find(name, at + 1)
    return next(values[state] for state in VALID if state in values)


class _Serial:
    """What the guest has printed, also before a move."""

    def __init__(self, path):
        self.path = path

    def text(self):
        return self.path.read_bytes() if self.path.exists() else b""

    def write_log(self, path):
        path.write_bytes(self.text())

    def close(self):
        pass


class Uefi(Machine):
    """Its variables are made of the firmware's template on the host where it starts.  DISK: a local
    disk.  TPM: a member of the definition."""

    def __init__(self, test, name="u1", disk=True, tpm=None, **extra):
        world = test.world
        self.eventually = test.eventually
        home = next(iter(world.hosts.values())).images
        self.console = _Serial(world.dir / f"{name}.serial")
        self.disk = home / f"{name}.raw" if disk else None
        self.vars = home / f"{name}.vars"
        if disk:
            with open(self.disk, "wb") as file:
                file.truncate(1 << 20)
        super().__init__(world, {
            "name": name, "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 128,
            "firmware": {"code": str(CODE), "vars": str(self.vars), "vars_template": str(TEMPLATE)},
            "disks": [{"id": "data", "path": str(self.disk), "format": "raw"}] if disk else [],
            "serial": {"type": "file", "path": str(self.console.path)},
            "extra_args": ["-kernel", str(application())],
            **({"tpm": tpm} if tpm else {}), **extra,
        })

    def start(self, host):
        """Starts it, and waits until it ticks; what the boot found: (variable, NV memory)."""
        before = len(BEGIN.findall(self.console.text()))
        if self.uuid is None:
            self.create(host)
        host.api.post(f"/v1/vms/{self.name}/start")
        self.eventually("it ticks", lambda: len(self.begins()) > before and self.ticks(),
                        BOOT_SECONDS)
        var, nv, disk, tpm = self.begins()[-1]
        assert (disk, tpm) == ("yes" if self.disk else "no",
                               "yes" if "tpm" in self.definition else "no"), (disk, tpm)
        return int(var), int(nv)

    def move(self, here, there, **options):
        """Moves it; a move fails if the guest writes its variable meanwhile."""
        for _ in range(5):
            move = self.world.begin_move(self, here, there, **options)
            done = self.world.wait_move(here, move["id"], lambda m: m["final"])
            if done["state"] == "done":
                self.world.wait_state(there, move["id"], "done")
                return done
            if WROTE not in str(done["error"]):
                break
            self.world.wait_move(there, move["id"], lambda m: m["final"])  # its copies are gone
        raise AssertionError(f"{done['state']}: {done['error']}")

    def begins(self):
        return [tuple(group.decode() for group in begin.groups())
                for begin in BEGIN.finditer(self.console.text())]

    def ticks(self):
        """Those since it was booted last: (number, PCR 16)."""
        text = self.console.text()
        begin = list(BEGIN.finditer(text))
        return [(int(number), pcr.decode())
                for number, pcr in TICK.findall(text, begin[-1].end() if begin else len(text))]

    def written(self):
        """The value that the variable should have."""
        return (self.ticks()[-1][0] - 1) // VAR_TICKS * VAR_TICKS + 1

    def assert_kept(self, host):
        """It was stopped on HOST, and its variables and its disk are those that it had last.  Returns
        its variable."""
        last = self.ticks()[-1][0]
        left = tick_of(host.images / self.vars.name)
        assert left in [(tick - 1) // VAR_TICKS * VAR_TICKS + 1 for tick in (last, last + 1)], \
            (left, last)
        if self.disk:
            with open(host.images / self.disk.name, "rb") as file:
                file.seek(last % 1024 * 512)
                assert file.read(512) == last.to_bytes(8, "little") * 64, last
        return left

    def assert_ticks(self, count=3):
        """Waits for COUNT more ticks, and checks all: none is missing, and PCR 16 is what
        they make of it."""
        last = self.ticks()[-1][0]
        self.eventually("it ticks on", lambda: self.ticks()[-1][0] >= last + count, BOOT_SECONDS)
        if b"WRONG" in self.console.text():
            raise AssertionError(self.console.text()[-2000:])
        pcr, number = bytes(32), self.ticks()[0][0]
        for tick, shown in self.ticks():
            if tick != number:
                raise AssertionError(f"tick {tick} after {number - 1}")
            if shown:
                pcr = hashlib.sha256(pcr + struct.pack(">Q", tick) + bytes(24)).digest()
                if shown != pcr.hex():
                    raise AssertionError(f"PCR 16 is {shown} at tick {tick}, not {pcr.hex()}")
            number += 1
        return last
