# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts, one guest, one move, and a fault that strikes in a certain phase; and the rules that
must hold when the fault is over, whatever it was."""
import contextlib
import dataclasses
import http.client
import os
import pathlib
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from lib import procs, settings  # noqa: E402
from lib.api import ApiError  # noqa: E402
from lib.disks import Disk  # noqa: E402
from lib.qmp import Qmp  # noqa: E402
from lib.world import World  # noqa: E402

HELD = 128 * 1024           # bytes/s: such a transfer does not end by itself
SILENCE_SECONDS = 0.25      # a shorter silence is a busy machine, not a stopped guest
GO_ON_SECONDS = 3           # limit after a fault's end for a guest in post-copy
FINAL_SECONDS = 60          # limit for a move while all its hosts run
CLEAN_SECONDS = 5
NOBODY = (OSError, ApiError, http.client.HTTPException)
# Small, so that a sweep over its memory is quick; not below 4 MiB (see arena.py).
GUEST = {"area": 4, "static": 4, "rate": 16, "memory_mib": 64, "period": 5}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The required result of a move."""
    words: str
    runs_on: str | None         # host id; None: nowhere
    keeps: str                  # the host whose record the guest is in
    ends: tuple                 # states of the move on the source and on the destination
    state: str = "running"      # the guest's state before a user resumes it, or starts it; "lost":
                                # post-copy, it waits for memory that is nowhere
    forgets: bool = False       # the guest starts anew, with its counter at 0
    row: str = ""               # row of libvirt's table: see report.py
    only_full: bool = False     # not in the short form
    stall_s: float | None = None    # limit instead of the usual one
    long: "Outcome | None" = None   # instead, in the full form, where the fault lasts longer

    def beside(self, row):
        return dataclasses.replace(self, row=row)

    def within(self, seconds):
        return dataclasses.replace(self, stall_s=seconds)

    def if_long(self, outcome):
        return dataclasses.replace(self, long=outcome)

    @property
    def full(self):
        return dataclasses.replace(self, only_full=True)

    @property
    def has_qemu(self):
        return self.state != "stopped" and (self.runs_on is not None or self.state == "lost")


class Scene:
    """The source is a, the destination b."""

    def __init__(self, full=False, make_world=World, plans=None, config=None, setup=None,
                 move=None, disks=(), stopped=False, queued=False, **guest_options):
        """DISKS: arguments of Disk(): local disks of the guest.  STOPPED: the VM has run, and is
        moved while it is stopped.  QUEUED: the move is an attempt of an entry of the queue."""
        self.move = move or {}
        self.queued, self.entry_id, self.move_id = queued, None, None
        self.open_world(full, make_world, plans, config)
        self.disks = [Disk(**disk) for disk in disks]
        self.guest = self.world.guest(disks=self.disks, **{**GUEST, **guest_options})
        self.guest.start(self.a)
        self.uuid = self.guest.vm(self.a)["uuid"]
        if setup:
            setup(self)
        if stopped:
            self.a.api.post(f"/v1/vms/{self.guest.name}/stop", timeout=60)
            self.guest.console.forget()

    def open_world(self, full, make_world, plans=None, config=None):
        """Starts the hosts."""
        self.full = full
        self.world = make_world()
        self.a, self.b = self.world["a"], self.world.hosts.get("b")
        self.hosts = (self.a, self.b) if self.b else (self.a,)
        self.hold = self.world.dir / "hold"
        self.hold.touch()
        for host in self.hosts:
            host.write_config(**(config or {}))
            host.env["MIGRD_FAULT_LOG"] = str(self.points_path(host))
            host.env["MIGRD_FAULT_HOLD"] = str(self.hold)
            if host.id in (plans or {}):
                host.env["MIGRD_FAULTS"] = plans[host.id]
        self.world.start()
        for host in self.hosts:
            host.env.pop("MIGRD_FAULTS", None)  # only for the first start
        self.fault_at = None    # when the fault began
        self.healed_at = None   # when the last part of the fault was undone
        self.frozen = set()     # pids that a phase holds by SIGSTOP
        self.monitors = []

    def close_monitors(self):
        while self.monitors:
            self.monitors.pop().close()

    def close(self, keep_as=None):
        self.close_monitors()
        faults = self.world.close()
        if keep_as:
            shutil.rmtree(keep_as, ignore_errors=True)
            self.world.keep_logs(pathlib.Path(keep_as))
        self.world.remove()
        return faults

    def monitor(self, host):
        self.monitors.append(Qmp(host, self.uuid))
        return self.monitors[-1]

    # ---- the move --------------------------------------------------------------

    def begin(self, timeout=30, **options):
        body = {"vm": self.guest.name, "to": "b", **self.move, **options}
        if self.queued:
            self.entry_id = self.a.api.post("/v1/queue", body, timeout=timeout)["id"]
            self.move_id = self.wait("the entry's move", lambda: self.entry()["move"])
        else:
            self.move_id = self.a.api.post("/v1/moves", body, timeout=timeout)["id"]

    def begin_entry(self):
        """Puts the move into the queue, and does not wait for its attempt."""
        self.entry_id = self.a.api.post("/v1/queue", {"vm": self.guest.name, "to": "b"})["id"]

    def entry(self):
        return self.a.api.get(f"/v1/queue/{self.entry_id}")

    def patch_move(self, **options):
        """Changes the move if its source answers; otherwise the move goes on unchanged."""
        with contextlib.suppress(*NOBODY):
            self.a.api.patch(f"/v1/moves/{self.move_id}", options, timeout=5)

    def points_path(self, host):
        return self.world.dir / f"points-{host.id}"

    def has_passed(self, host, point, times):
        with contextlib.suppress(FileNotFoundError):
            passed = self.points_path(host).read_text(encoding="ascii")
            return passed.count(f" {point}\n") >= times
        return False

    def wait_point(self, host, point, times=1):
        self.wait(f"{host} to pass {point}", lambda: self.has_passed(host, point, times),
                  pause=0.002)

    def wait(self, what, is_true, timeout=FINAL_SECONDS, pause=0.02):
        deadline = time.monotonic() + settings.seconds(timeout)
        while True:
            with contextlib.suppress(*NOBODY):
                value = is_true()
                if value:
                    return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}; {self.states()}")
            time.sleep(pause)

    def state_on(self, host):
        try:
            return host.move_state(self.move_id)["state"]
        except ApiError as error:
            return error.code
        except NOBODY:
            return "silent"

    def states(self):
        return self.state_on(self.a), self.state_on(self.b)

    # ---- what faults are made of -------------------------------------------------

    def freeze(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.frozen.add(pid)

    def thaw(self, *pids):
        for pid in pids or list(self.frozen):
            self.frozen.discard(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def let_go(self):
        """The coordinators that stand still at a fault point (`hold') go on."""
        self.hold.unlink(missing_ok=True)

    def lift_rate(self):
        """The link between the hosts has no limit any more."""
        if hasattr(self.world, "network"):
            self.world.network.lift_rate()

    def kill(self, *pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        procs.wait_gone(pids, settings.seconds(10))

    def kill_coordinators(self, hosts):
        for host in hosts:
            host.must_be_up = False
            host.process.send_signal(signal.SIGKILL)
        for host in hosts:
            host.kill9()

    def start(self, hosts):
        for host in hosts:
            host.spawn()
        for host in hosts:
            host.wait_ready()
            host.must_be_up = True

    def lose(self, host):
        """Kills coordinator, streams and guests at once."""
        host.must_be_up = False
        pids = [host.process.pid, *host.children()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):   # a swtpm ends with its QEMU
                os.kill(pid, signal.SIGKILL)
        host.kill9()
        procs.wait_gone(pids, settings.seconds(10))

    # ---- what must hold ------------------------------------------------------------

    def is_final(self, host):
        try:
            return host.move_state(self.move_id)["final"]
        except ApiError as error:
            return error.status == 404

    def find_move(self):
        """Finds the requested move on any host that answers."""
        return self.wait("the move", lambda: self.a.moves() or self.b.moves())[0]["id"]

    def wait_entry(self):
        """The queue makes attempts until one is done: that is the move that counts.  A later attempt
        has the limit that held the first one for certain, which is taken away."""
        def has_ended():
            for move in self.a.moves("?state=active"):
                if move["options"]["bandwidth_bytes_per_s"]:
                    self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
            entry = self.entry()
            return entry if entry["final"] else None
        entry = self.wait("the end of the entry", has_ended, timeout=2 * FINAL_SECONDS, pause=0.1)
        if entry["state"] != "done":
            raise AssertionError(f"the entry has ended: {entry}")
        self.move_id = entry["move"]

    def wait_ends(self):
        if self.entry_id:
            self.wait_entry()
        self.move_id = self.move_id or self.find_move()
        for host in self.hosts:
            self.wait(f"the end of the move on {host}", lambda h=host: self.is_final(h))

    def leftovers(self, host, keeps, runs):
        """Things on HOST that should not be there."""
        vm = host.vms().get(self.guest.name) if keeps else None
        ours = [vm["pid"]] if vm and vm.get("pid") else []
        if ours and "tpm" in self.guest.definition:
            ours += host.children("swtpm")[:1]
        left = [f"process {procs.describe(p)}" for p in host.children() if p not in ours]
        for directory in (host.run_dir / "vms", host.run_dir / "moves"):
            left += [f"{directory}/{name}" for name in os.listdir(directory)
                     if directory.name == "moves" or not vm or not runs or name != vm["uuid"]]
        left += [str(path) for path in self.world.dir.glob(".migrd-same-*")]  # beside images
        images = [disk.path.name for disk in self.disks]
        left += [str(path) for path in host.images.iterdir()
                 if not (keeps and path.name in images) and ".moved-to-" not in path.name]
        if host.tpm_dir.exists():   # keys
            left += [str(path) for path in host.tpm_dir.iterdir()
                     if not (keeps and path.name == self.uuid)]
        return left + [f"object {name}" for name in host.vms() if not keeps]

    def wait_clean(self, outcome):
        """Returns the seconds from the fault's end until nothing was left."""
        self.wait_left(lambda: [text for host in self.hosts for text in self.leftovers(
            host, host.id == outcome.keeps, outcome.has_qemu)])
        return time.monotonic() - (self.healed_at or self.fault_at)

    @staticmethod
    def wait_left(leftovers):
        """Waits until LEFTOVERS() is empty."""
        deadline = time.monotonic() + settings.seconds(CLEAN_SECONDS)
        while left := leftovers():
            if time.monotonic() > deadline:
                raise AssertionError("left over:\n  " + "\n  ".join(left))
            time.sleep(0.02)

    def vm_is(self, host, words, is_so):
        """Waits until the guest's object on HOST is so, and returns it: a move that has ended may be
        recorded a moment before what it has brought about is shown."""
        deadline = time.monotonic() + settings.seconds(CLEAN_SECONDS)
        while not is_so(vm := self.guest.vm(host)):
            if time.monotonic() > deadline:
                raise AssertionError(f"the guest on {host} is not {words}: {vm}")
            time.sleep(0.02)
        return vm

    def assert_ends(self, outcome):
        ends = self.states()
        # A move that has not reached the destination may be unknown there.
        if ends[0] != outcome.ends[0] or ends[1] not in (
                outcome.ends[1], "not-found" if outcome.runs_on == "a" else outcome.ends[1]):
            errors = []
            for host in self.hosts:
                with contextlib.suppress(*NOBODY):
                    errors.append(host.move_state(self.move_id).get("error"))
            raise AssertionError(f"ends as {ends}, not {outcome.ends}: {errors}")

    def assert_lost(self, outcome):
        """The guest has ended with its QEMU, and both the VM and the move tell so."""
        self.guest.console.assert_quiet(0.3)
        self.vm_is(self.world[outcome.keeps], "known to have ended",
                   lambda vm: vm["state"] in ("crashed", "stopped") and vm["reason"])
        move = self.a.move_state(self.move_id)
        if move["state"] == "failed" and not move["error"]:
            raise AssertionError("the move failed without a word")

    def assert_lost_memory(self, host):
        """The guest waits for memory that is nowhere: the VM and both moves say so, and it can be
        stopped, started anew, and stopped again."""
        self.guest.console.assert_quiet(0.3)
        self.assert_history()
        texts = [self.guest.vm(host)["reason"],
                 *(one.move_state(self.move_id)["error"] for one in self.hosts)]
        if not all(texts):
            raise AssertionError(f"the guest's memory was lost without a word: {texts}")
        for action in ("stop", "start"):
            host.api.post(f"/v1/vms/{self.guest.name}/{action}", timeout=60)
        self.forget_history()
        self.assert_runs(host)
        host.api.post(f"/v1/vms/{self.guest.name}/stop", timeout=60)

    def resume(self, host, state):
        """The guest must still stand still in STATE; then a user resumes it."""
        self.guest.console.assert_quiet(0.3)
        vm = self.vm_is(host, state, lambda vm: vm["state"] == state)
        if state == "stopped":
            self.start_stopped(host, vm)
            return
        monitor = self.monitor(host)
        host.api.post(f"/v1/vms/{self.guest.name}/resume")
        if state == "io-error":     # the guest tries again, and this disk fails too
            monitor.wait_event("BLOCK_IO_ERROR")
            monitor.wait_event("STOP")
            host.api.post(f"/v1/vms/{self.guest.name}/resume")

    def start_stopped(self, host, vm):
        if vm["pid"] or self.guest.console.all_lines():
            raise AssertionError(f"the VM is stopped, and has run: {vm}")
        host.api.post(f"/v1/vms/{self.guest.name}/start", timeout=60)

    def assert_runs(self, host):
        console = self.guest.console
        life, _ = console.wait_line(20, host.id)
        self.vm_is(host, f"running as {life.pid} without a job, as the console says", lambda vm: (
            vm["state"] == "running" and not vm["job"] and life.pid == vm["pid"]))
        self.guest.wait_sweeps(1, host)
        self.close_monitors()   # QEMU's spare monitor has one client at a time
        self.guest.assert_spare_right(host)

    def assert_history(self):
        """Lines with a gap are no error: QEMU drops output that a slow reader does not take."""
        console = self.guest.console
        console.assert_single_runner()
        console.assert_counter_never_back()
        console.assert_memory_right()
        console.assert_disks_right()

    def forget_history(self):
        """Drops all lines, because a reset lets the guest's counter start anew."""
        console = self.guest.console
        with console.changed:
            for life in console.lives:
                life.lines.clear()
                life.garbled.clear()
                life.head, life.tail = None, b""

    def settle(self, outcome):
        """Waits for the end of the move, and checks all that must hold then; returns the seconds
        until nothing was left."""
        self.wait_ends()
        self.ended_at = time.monotonic()
        clean_s = self.wait_clean(outcome)
        self.assert_ends(outcome)
        if outcome.state == "lost":
            self.assert_lost_memory(self.world[outcome.keeps])
        elif outcome.runs_on is None:
            self.assert_lost(outcome)
        else:
            host = self.world[outcome.runs_on]
            if outcome.state != "running":
                self.resume(host, outcome.state)
            self.assert_runs(host)
        self.assert_history()
        return clean_s

    def runners(self, host=None):
        """Where the guest runs.  On HOST it is waited for: a busy machine may let it stand still for
        longer than the window."""
        if host:
            self.guest.console.wait_line(20, host)
        return sorted({*self.guest.console.running_now(0.3), *([host] if host else [])})

    # ---- for how long the guest stood still --------------------------------------------

    def gaps(self, guest=None):
        """(from, to) between two console lines, since shortly before the fault."""
        since = (self.fault_at or 0) - 0.5
        times = [line.at for line, _ in (guest or self.guest).console.all_lines()]
        return [(before, after) for before, after in zip(times, times[1:]) if after > since]

    def stall_s(self):
        return max((after - before for before, after in self.gaps()), default=0.0)

    def ran_on_s(self):
        """Seconds from the fault's end until the guest went on for good."""
        ends = [after for before, after in self.gaps() if after - before > SILENCE_SECONDS]
        return max(0.0, max(ends, default=0.0) - (self.healed_at or self.fault_at or 0.0))

    def late_s(self):
        """(seconds from the fault's end until the guest went on, longest silence that began after
        the fault's end and did not end within GO_ON_SECONDS of it), both while the move went on."""
        healed = self.healed_at or self.fault_at
        gaps = [(before, after) for before, after in self.gaps()
                if before < self.ended_at and after > healed]
        first = max((after - healed for before, after in gaps if before < healed), default=0.0)
        later = max((after - before for before, after in gaps if before >= healed and
                     after > healed + GO_ON_SECONDS), default=0.0)
        return first, later
