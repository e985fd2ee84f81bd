# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of a host's files, clocks, certificates and programs."""
import contextlib
import datetime
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from faults import Coordinators, Fault, SIDES
from lib import settings
from lib.world import World

HOUR = 3600
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


# ---- disks -----------------------------------------------------------------------------

class SmallDisk(World):
    """A directory of one host, that of its state, its images or its backups, is on a small file
    system."""

    def __init__(self, side, name="state_dir", size="2m", ids=("a", "b")):
        super().__init__(ids)
        self.small = getattr(self[side], name)
        self.small.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "migrd-test",
                        str(self.small)], check=True)

    def fill(self):
        with open(self.small / "filler", "wb", buffering=0) as f:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while f.write(b"x" * size) == size:
                        pass

    def free(self):
        (self.small / "filler").unlink()

    def let_write(self, may):
        subprocess.run(["mount", "-o", f"remount,{'rw' if may else 'ro'}", str(self.small)], check=True)

    def remove(self):
        subprocess.run(["umount", "-l", str(self.small)], check=False)
        super().remove()


class DiskFull(Fault):
    seconds, full_seconds = 3, 8
    needs_root = True
    stalls = True

    def __init__(self, side):
        self.name = f"{SIDES[side]}'s disk full, space again later"
        self.options = {"make_world": lambda: SmallDisk(side)}

    def strike(self, s):
        s.world.fill()

    def mend(self, s):
        s.world.free()


class ImagesFull(Fault):
    """No image of a local disk can grow on the destination."""
    name = "destination's images have no space left"
    needs_root = True
    options = {"make_world": lambda: SmallDisk("b", "images", "64m")}

    def strike(self, s):
        s.world.fill()

    def mend(self, s):
        s.patch_move(bandwidth_bytes_per_s=0)
        s.wait("the source to give up", lambda: s.is_final(s.a))
        s.world.free()


# ---- the clock -------------------------------------------------------------------------

def faketime_library():
    for path in glob.glob(FAKETIME):
        return path
    raise AssertionError(f"{FAKETIME} is missing: packages/setup test (package faketime)")


class ClockWorld(World):
    """Each host's wall clock can be set; the monotonic clock cannot, as on real hosts."""

    def __init__(self):
        super().__init__()
        for host in self.hosts.values():
            self.set_clock(host, 0)
            host.env |= {"LD_PRELOAD": faketime_library(), "FAKETIME_NO_CACHE": "1",
                         "FAKETIME_TIMESTAMP_FILE": str(self.clock(host)),
                         "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}

    def clock(self, host):
        return self.dir / f"clock-{host.id}"

    def set_clock(self, host, seconds):
        new = self.dir / "clock.new"
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        new.rename(self.clock(host))


class ClockSet(Fault):
    options = {"make_world": ClockWorld}

    def __init__(self, sides, seconds, words):
        self.sides, self.by = sides, seconds
        self.name = f"clock of the {' and the '.join(SIDES[side] for side in sides)} set {words}"

    def strike(self, s):
        for side in self.sides:
            s.world.set_clock(s.world[side], self.by)

    def verify(self, s):
        """The coordinators must have noticed the step of the clock."""
        for side in self.sides:
            notes = s.world[side].api.items(f"/v1/moves/{s.move_id}/timeline")
            times = [datetime.datetime.fromisoformat(note["at"]) for note in notes]
            if max(times) - min(times) < datetime.timedelta(seconds=abs(self.by) - 60):
                raise AssertionError(f"the clock of {side} was not set: {notes}")


def clocks_set(side):
    return (ClockSet(side, HOUR, "forward an hour"), ClockSet(side, -HOUR, "back an hour"))


# ---- certificates ----------------------------------------------------------------------

def new_certificates(world, **env):
    """Makes new certificates and keys for both hosts, by the same authority."""
    with tempfile.TemporaryDirectory(prefix="mig") as tmp:
        made = pathlib.Path(tmp)
        for name in ("ca.pem", "ca-key.pem"):
            shutil.copy(world.dir / "h" / name, made)
        specs = [f"{h.id}={h.address}:{h.api_port}:{h.data_port}" for h in world.hosts.values()]
        subprocess.run([settings.program("migrctl"), "pki", "host", *specs, "--dir", tmp],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       env={**os.environ, **env})
        for host in world.hosts.values():
            for name in ("host.pem", "host-key.pem"):
                if (made / host.id / name).read_bytes() == (host.dir / name).read_bytes():
                    raise AssertionError("pki gave the old certificate")
                shutil.copy(made / host.id / name, host.dir / name)


class CertificatesReplaced(Coordinators):
    """New files are in place, and restarted coordinators read them."""
    what = "started again, with new certificates"

    def strike(self, s):
        new_certificates(s.world)
        for host in self.hosts(s):
            host.stop()
        s.start(self.hosts(s))


class CertificatesExpire(ClockSet):
    """Both hosts' clocks go forward by a year and a month.  Neither host accepts the other until
    there are new certificates; the guest and the local socket must work all the same."""

    def __init__(self):
        super().__init__("ab", 400 * 24 * HOUR, "")
        self.name = "certificates expire on both hosts, replaced later"

    def strike(self, s):
        super().strike(s)
        self.wait_seen(s)

    def wait_seen(self, s):
        for host in s.hosts:
            s.wait(f"{host} to see that its certificate has expired",
                   lambda h=host: not h.api.get("/v1/host")["certificate"]["valid"])

    def mend(self, s):
        new_certificates(s.world, LD_PRELOAD=faketime_library(), FAKETIME=f"{self.by:+d}")
        for host in s.hosts:
            host.process.send_signal(signal.SIGHUP)


class CertificatesExpireAtStart(CertificatesExpire):
    """Expired certificates must not keep a coordinator from its guests and its local socket."""

    def __init__(self):
        super().__init__()
        self.name += ", coordinators killed"

    def strike(self, s):
        s.kill_coordinators(s.hosts)
        ClockSet.strike(self, s)
        for host in s.hosts:
            host.spawn()
        self.wait_seen(s)
        for host in s.hosts:
            host.must_be_up = True


# ---- the programs ----------------------------------------------------------------------

class NewerBuild(Coordinators):
    """The daemon stops in order, and programs of another version start in its place; streams and
    QEMUs keep running the old ones."""
    what = "replaced by a newer build"
    old, new = b"0.1.0", b"0.1.9"

    def strike(self, s):
        other = s.world.dir / "newer" / "bin"
        other.mkdir(parents=True)
        for name in ("migrd", "migrd-stream", "migrd-output", "migrctl"):
            (other / name).write_bytes(pathlib.Path(settings.program(name)).read_bytes()
                                       .replace(self.old + b"\0", self.new + b"\0"))
            (other / name).chmod(0o755)
        before, settings.build_dir = settings.build_dir, other.parent
        try:
            for host in self.hosts(s):
                host.stop()
                host.write_config()
            s.start(self.hosts(s))
        finally:
            settings.build_dir = before
        for host in self.hosts(s):
            if host.api.get("/v1/host")["version"] != self.new.decode():
                raise AssertionError(f"{host} is no newer build")


# ---- storage ---------------------------------------------------------------------------

class StorageWorld(World):
    """The guest writes to a disk; b has a mount namespace of its own, in which another file system
    can be mounted over that disk's storage."""

    def __init__(self):
        super().__init__(places={"b": ("127.0.0.1", ["unshare", "-m"])})
        self.shared, self.other = self.dir / "shared", self.dir / "other"
        for directory in (self.shared, self.other):
            directory.mkdir()
            with open(directory / "d.raw", "wb") as disk:
                disk.truncate(8 << 20)

    def guest(self, name="g1", **kwargs):
        guest = super().guest(name, **kwargs)
        guest.definition["disks"].append({"id": "data", "path": str(self.shared / "d.raw"),
                                          "format": "raw", "shared": True})
        return guest

    def on_b(self, *command):
        subprocess.run(["nsenter", "-t", str(self["b"].process.pid), "-m", *command], check=True)

    def unmount(self):
        self.on_b("mount", "--bind", str(self.other), str(self.shared))

    def mount(self):
        self.on_b("umount", str(self.shared))


class StorageNotMounted(Fault):
    """Another file has the disk's path: an old copy, for example."""
    name = "destination's storage not mounted, another file there"
    needs_root = True
    options = {"make_world": StorageWorld}

    def strike(self, s):
        s.world.unmount()

    def mend(self, s):
        s.move_id = s.move_id or s.find_move()
        s.wait("the move's end", lambda: s.is_final(s.a))
        s.world.mount()

    def verify(self, s):
        """The refusal must have a reason, and come before anything was made there."""
        words = s.a.move_state(s.move_id)["error"]["detail"]
        if "is another file here than on host 'a'" not in words:
            raise AssertionError(f"not refused for its disk: {words}")
        if s.world["b"].vms():
            raise AssertionError(f"host b has {s.world['b'].vms()}")
