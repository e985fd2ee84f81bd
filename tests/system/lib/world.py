# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts on loopback, guests on them, and the actions of a test."""
import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from . import guest_image, history, procs, settings
from .api import ApiError
from .console import Console
from .host import make_hosts
from .limits import OutOfTime
from .qmp import Qmp

SANITIZER_REPORT = re.compile(
    r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error:)")
MOVE_SECONDS = 60
END_SECONDS = 2     # for one side of a move to end after the other


class Machine:
    """A VM definition; a caller that makes one may add `console', which the world closes."""

    console = None

    def __init__(self, world, definition):
        self.world = world
        self.name = definition["name"]
        self.uuid = None
        self.definition = definition
        world.guests[self.name] = self

    def create(self, host):
        vm = host.api.post("/v1/vms", self.definition)
        self.uuid = vm["uuid"]
        return vm

    def vm(self, host):
        return host.vm(self.name)

    def moving(self, source, destination):
        """A context that surrounds a whole move."""
        return contextlib.nullcontext()


class Guest(Machine):
    """A definition with its boot disk and console.  DISKS: Disk objects of lib/disks.py, which the
    guest proves; those that are not shared are on the world's first host, where it starts, and
    their backing files where both hosts see them.  AREA, RATE, STATIC, SPARE, PERIOD, WAVE,
    BUSY, TICK: those of tests/guest/mkguest.  By default a sweep takes a quarter of a second: a test
    waits for one when the guest starts, and for two when it is to prove its memory."""

    def __init__(self, world, name, area=8, rate=32, static=None, period=4, memory_mib=128,
                 disks=(), spare=0, wave=0, busy=0, tick=1, **extra):
        self.disks = list(disks)
        self.spare = spare
        self.is_busy = area > 0 and rate != 0   # otherwise no sweep is ever completed
        image = world.dir / f"{name}.img"
        static = area if static is None else static
        guest_image.make(image, area, rate, static, period, [disk.work for disk in self.disks],
                         spare, wave, busy, tick)
        for number, disk in enumerate(self.disks):
            home = world.dir if disk.shared else next(iter(world.hosts.values())).images
            disk.make(home / f"{name}-{disk.id}.{disk.format}", number, world.dir)
        self.console = Console(world.dir / f"{name}.console", period,
                               form=history.DISKS if self.disks else history.MEMORY)
        super().__init__(world, {
            "name": name, "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": memory_mib,
            "disks": [{"id": "boot", "path": str(image), "format": "raw", "readonly": True,
                       "shared": True, "boot_index": 0},
                      *(disk.definition() for disk in self.disks)],
            "serial": {"type": "socket", "path": self.console.path},
            **extra,
        })

    def start(self, host, sweeps=1):
        """Creates and starts the guest, and waits until it has begun to work."""
        if self.uuid is None:
            self.create(host)
        vm = host.api.post(f"/v1/vms/{self.name}/start")
        self.console.wait_line(20, host.id)
        if sweeps:
            self.wait_sweeps(sweeps, host)
        return vm

    def wait_sweeps(self, count, host):
        """Waits for COUNT more sweeps of its memory and of its disks, as far as it makes any."""
        if self.is_busy:
            self.console.wait_sweeps(count, 60, host.id)
        if any(disk.is_busy for disk in self.disks):
            self.console.wait_disk_sweeps(count, 60, host.id)

    def assert_spare_right(self, host):
        """On the host where all of its memory is."""
        if self.spare:
            with contextlib.closing(Qmp(host, self.uuid)) as monitor:
                guest_image.assert_spare_right(monitor, self.spare, self.world.dir / "spare")

    def assert_runs_on(self, host, sweeps=2):
        """API, guest and memory must agree that the guest runs on HOST and nowhere else."""
        vm = self.vm(host)
        if vm["state"] != "running":
            raise AssertionError(f"{self.name} is {vm['state']} on {host}: {vm.get('reason')}")
        life, _ = self.console.wait_line(20, host.id)
        if life.pid != vm["pid"]:
            raise AssertionError(f"{self.name}: pid {vm['pid']} by the API, {life.pid} by the console")
        if sweeps:
            self.wait_sweeps(sweeps, host)
        self.assert_spare_right(host)
        self.console.assert_sane()


class World:
    open_worlds = set()     # worlds that an interrupted run must still end

    def __init__(self, ids=("a", "b"), places=None):
        # Short, because a UNIX socket's path has at most 107 bytes, and run_dir at most 50.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mig", dir="/tmp"))
        self.guests = {}
        World.open_worlds.add(self)
        self.hosts = {}
        if ids:
            self.hosts = make_hosts(self.dir / "h", ids, places)

    def __getitem__(self, host_id):
        return self.hosts[host_id]

    def start(self):
        for host in self.hosts.values():
            host.spawn()
        for host in self.hosts.values():
            host.wait_ready()
            host.must_be_up = True
        return self

    def guest(self, name="g1", **kwargs):
        return Guest(self, name, **kwargs)

    # ---- moves -------------------------------------------------------------

    def begin_move(self, guest, source, destination, **options):
        """Starts a move; returns its object as first answered."""
        return source.api.post("/v1/moves", {"vm": guest.name, "to": destination.id, **options})

    def wait_move(self, host, move_id, is_reached, timeout=MOVE_SECONDS):
        """Waits by the event stream until IS_REACHED(move), and returns that move."""
        last = None
        with host.api.events(timeout) as events:
            last = host.move_state(move_id)
            with contextlib.suppress(TimeoutError):
                if is_reached(last):
                    return self._ended_on_both(host, last)
                for kind, move in events:
                    if kind != "move" or move["id"] != move_id:
                        continue
                    last = move
                    if is_reached(move):
                        return self._ended_on_both(host, move)
        raise OutOfTime(f"{host}: move {move_id} stays {last['state']} ({last.get('reason')}); "
                        f"by the API now: {host.move_state(move_id)}")

    def _ended_on_both(self, host, move):
        """Each side of a move ends it by itself, one after the other: what ended on HOST alone has
        a moment to end where else it is known, so that a test may look there.  A side that is down,
        frozen or led astray by the test is not waited for, or not long.  Returns MOVE."""
        deadline = time.monotonic() + settings.seconds(END_SECONDS)
        others = [other for other in self.hosts.values() if move["final"] and other is not host]
        for other in others:
            while other.is_in(move["id"]) and time.monotonic() < deadline:
                time.sleep(0.02)
        return move

    def cancel(self, host, move_id):
        """Cancels a move and returns the answer, when the other host has ended its side too."""
        answer = host.api.post(f"/v1/moves/{move_id}/cancel", timeout=60)
        self._ended_on_both(host, host.move_state(move_id))
        return answer

    def wait_state(self, host, move_id, *states, timeout=MOVE_SECONDS):
        move = self.wait_move(host, move_id, lambda m: m["state"] in states or m["final"], timeout)
        if move["state"] not in states:
            raise AssertionError(f"{host}: move ended in {move['state']} ({move.get('error')}), "
                                 f"not {' or '.join(states)}")
        return move

    def wait_flowing(self, host, move_id, timeout=MOVE_SECONDS):
        """Waits until the guest's memory is being sent."""
        return self.wait_move(
            host, move_id, timeout=timeout,
            is_reached=lambda m: m["state"] == "transfer"
            and (m.get("progress") or {}).get("ram_transferred_bytes", 0) > 0)

    def move(self, guest, source, destination, timeout=MOVE_SECONDS, **options):
        """Makes a whole move, which must succeed; returns its final object on the source."""
        with guest.moving(source, destination):
            move = self.begin_move(guest, source, destination, **options)
            done = self.wait_move(source, move["id"], lambda m: m["final"], timeout)
            if done["state"] != "done":
                raise AssertionError(
                    f"move {move['id']} ended in {done['state']}: {done.get('error')}\n"
                    f"{source.log_tail()}\n---\n{destination.log_tail()}")
            # The destination's record may be a moment late: its guest runs already.
            self.wait_state(destination, move["id"], "done")
        return done

    # ---- the end -----------------------------------------------------------

    def close(self):
        """Ends everything, and returns a list of what went wrong."""
        for host in self.hosts.values():
            host.end_pulses()
        faults = [fault for host in self.hosts.values() for fault in self._end_in_order(host)]
        procs.kill_all(self.dir)
        for host in self.hosts.values():
            if host.process:
                host.process.end()
        for guest in self.guests.values():
            if guest.console:
                guest.console.close()
        for log in self.dir.rglob("*.log"):
            report = SANITIZER_REPORT.search(log.read_text(encoding="utf-8", errors="replace"))
            if report:
                faults.append(f"{log.name}: {report.group()}")
        return faults

    def _end_in_order(self, host):
        """Sends SIGTERM, so that a sanitizer can look for leaks too."""
        if not host.must_be_up:
            return
        if not host.is_up():
            yield f"{host}: migrd ended by itself with {host.process.returncode}\n{host.log_tail()}"
            return
        try:
            host.thaw()
            host.stop()
        except (AssertionError, subprocess.TimeoutExpired) as fault:
            yield f"{host}: {fault}"

    def keep_logs(self, target):
        target.mkdir(parents=True, exist_ok=True)
        for path in [*self.dir.rglob("*.log"), *self.dir.rglob("*.conf"), *self.dir.rglob("*.db*")]:
            if path.is_file():
                shutil.copy(path, target / "-".join(path.relative_to(self.dir).parts))
        for guest in self.guests.values():
            if guest.console:
                guest.console.write_log(target / f"{guest.name}-console.txt")

    def remove(self):
        World.open_worlds.discard(self)
        shutil.rmtree(self.dir, ignore_errors=True)


@atexit.register
def end_open_worlds():
    for world in list(World.open_worlds):
        world.close()
        world.remove()


class SystemTest(unittest.TestCase):
    """A test with a world of its own.  The runner keeps its logs if it fails."""

    host_ids = ("a", "b")
    timeout_seconds = 120
    notes = ""

    def setUp(self):
        self.world = World(self.host_ids)
        self.addCleanup(self._close_world)
        self.prepare()
        self.world.start()
        self.a = self.world.hosts.get("a")
        self.b = self.world.hosts.get("b")

    def prepare(self):
        """Called before the daemons start, for tests with a configuration of their own."""

    def _close_world(self):
        faults = self.world.close()
        self.world.keep_logs(log_directory(self))
        self.world.remove()
        if faults:
            raise AssertionError("\n".join(faults))

    def assert_api_error(self, status, code, call, *args, **kwargs):
        """CALL must be refused like this; returns the ApiError for more checks."""
        with self.assertRaises(ApiError) as caught:
            call(*args, **kwargs)
        self.assertEqual((caught.exception.status, caught.exception.code), (status, code),
                         caught.exception.body)
        return caught.exception

    def configure_move(self, host, **move):
        """Takes over another section `move' without a restart."""
        self.configure(host, move=move)

    def configure(self, host, /, **sections):
        """Takes over another configuration without a restart."""
        host.write_config(**sections)
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        answer = self.eventually("the reload is over", lambda: (
            (found := host.api.get("/v1/host").get("reload")) and found["at"] != before and found))
        self.assertTrue(answer["ok"], answer)

    def assert_move_refused(self, guest, source, destination, *words, **options):
        """A move of GUEST must fail with WORDS in its error; who runs the guest is the caller's to
        look at."""
        move_id = self.world.begin_move(guest, source, destination, **options)["id"]
        error = json.dumps(self.world.wait_state(source, move_id, "failed")["error"])
        for word in words:
            self.assertIn(word, error)

    def assert_gone(self, host, name="g1"):
        """The VM is not on HOST, which may end its side of a move a moment later than the other."""
        def is_its_own(arg):    # of `-name'; a path may hold the name by chance
            return arg.split(",")[0] in (name, f"guest={name}")

        self.eventually(f"no VM {name} and no QEMU of it on {host}", lambda: name not in host.vms()
                        and not any(map(is_its_own, (arg for pid in host.qemus()
                                                     for arg in procs.cmdline(pid)))))

    def note(self, text):
        """Adds figures that the runner prints beside the test's name."""
        self.notes = text

    def eventually(self, what, is_true, timeout=10):
        """Repeats a question until the answer is true, where no event tells."""
        deadline = time.monotonic() + settings.seconds(timeout)
        pause = 0.01
        while True:
            value = is_true()
            if value:
                return value
            if time.monotonic() > deadline:
                raise OutOfTime(f"not within {timeout} s: {what}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)


def log_directory(test):
    return settings.log_dir / test.id()
