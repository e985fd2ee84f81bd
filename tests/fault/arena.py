# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts and one guest that are used for many cases.  After each fault the guest must run in
exactly one place, no record may be lost, nothing may be left over, and the guest can be moved
again."""
import contextlib
import dataclasses
import hashlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from lib import procs, settings  # noqa: E402
from lib.api import ApiError  # noqa: E402
from lib.disks import Disk  # noqa: E402
from lib.party import write_secret  # noqa: E402
from lib.world import World  # noqa: E402

# The test guest is booted by SeaBIOS, which leaves the variables as they are.
CODE = "/usr/share/seabios/bios-256k.bin"
VARS = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
FIRED = re.compile(r"event=fired point=(\S+) action=(\w+)")
CRASH_STATUS = 99
NOBODY_PORT = 1             # nothing of ours listens there
POLL_SECONDS = 0.02
SILENCE_SECONDS = 0.25      # a shorter silence is a busy machine, not a stopped guest
RUNS_ON_SECONDS = 2         # limit for the guest, after the coordinators are back
CLEAN_SECONDS = 5           # limit for processes that were told to end
QUIET_SECONDS = 0.2         # how long a paused guest's console is watched
FINAL_SECONDS = 25          # limit for a move while both coordinators run


@dataclasses.dataclass(frozen=True)
class Way:
    """How a guest is moved: the body of the request, and the state in which it stays."""
    body: dict
    state: str = "running"
    clean_seconds: int = CLEAN_SECONDS
    has_beside: bool = False    # flash memory with variables, and a TPM
    disks: tuple = ()           # arguments of Disk(): local disks, which the guest proves
    policy: dict = None         # the move's own, which both hosts get
    queued: bool = False        # by the queue, which makes attempts until the guest is there
    finishes: bool = False      # a user ends the transfer by force
    cancels: bool = False       # a user cancels the transfer
    is_told: bool = False       # to a party, at which nobody listens
    is_probed: bool = False     # the link is measured first: neither host knows it


DISKS = ({"disk_id": "data", "mib": 16, "format": "qcow2", "area": 4, "rate": 8, "data": 4},)
# Both hosts have its backing file.
OVERLAY = {"disk_id": "over", "mib": 16, "format": "qcow2", "area": 1, "rate": 2, "data": 4,
           "base": "raw", "shared_base": True}

WAYS = {
    "precopy": Way({}),
    "paused": Way({}, "paused"),
    "paused-disks": Way({}, "paused", disks=DISKS),
    "stopped": Way({}, "stopped", disks=DISKS),
    # A destination's QEMU that waits for data answers no monitor, and a coordinator that was
    # restarted there tries each of two for 5 s before it lets data flow.
    "multifd": Way({"multifd": {"channels": 4, "compression": "zstd"}}, clean_seconds=15),
    "disks": Way({}, disks=(*DISKS, OVERLAY)),
    "held": Way({"hold": {"timeout_s": 1, "then": "release"}}, disks=DISKS,
                clean_seconds=CLEAN_SECONDS + 2),
    "told": Way({}, is_told=True),
    # The processes of a probe whose coordinator has crashed end by themselves.
    "probed": Way({}, is_probed=True, clean_seconds=15),
    "beside": Way({}, has_beside=True),
    # Without a limit a guest as small as this has moved before QEMU switches.
    "postcopy": Way({"postcopy": {"start": "at-once"}, "bandwidth_bytes_per_s": 4 << 20}),
    # A new attempt begins 2.5 s after one that failed, and 5 s after a second one.
    "queued": Way({"priority": "evacuation"}, queued=True, clean_seconds=CLEAN_SECONDS + 10),
    # The guest changes its memory faster than it is sent, and is paused after a second.
    "policy-pause": Way({"policy": "pause", "bandwidth_bytes_per_s": 4 << 20},
                        policy={"name": "pause", "deadline_s": 1, "timeout": "pause"}),
    # The same guest, whose move a user ends by force as soon as that is taken.
    "finish": Way({"bandwidth_bytes_per_s": 4 << 20}, finishes=True),
    # One that does not end by itself, which a user cancels as soon as memory is sent.
    "cancel": Way({"bandwidth_bytes_per_s": 4 << 20}, cancels=True),
}


class CaseFailed(AssertionError):
    """A case ended with a violated rule."""


class Record:
    """The result of one case."""

    def __init__(self):
        self.began_at = time.monotonic()
        self.fired = []         # names of the points that fired, in order
        self.crashed_at = None  # time of the first crash (or other fault)
        self.back_at = None     # when the last coordinator was started again
        self.outcome = "?"
        self.runs_on_s = 0.0    # after back_at: the longest time in which the guest stood still
        self.silence_s = 0.0    # the longest silence of the guest
        self.clean_s = 0.0      # time from back_at until nothing was left
        self.move_id = None

    def text(self):
        return (f"{self.outcome:<11} silent {self.silence_s * 1000:5.0f} ms  "
                f"ran on {self.runs_on_s:5.2f} s  clean {self.clean_s:5.2f} s  "
                f"took {time.monotonic() - self.began_at:5.1f} s")


class Arena:
    host_ids = ("a", "b")   # the guest is on one of these two

    def __init__(self, way="precopy", places=None, **guest_options):
        self.way = WAYS[way]
        self.world = World(self.host_ids, places)
        self.final_seconds = FINAL_SECONDS
        self.seen_moves = set()
        self.seen_entries = set()
        self.a, self.b = self.world["a"], self.world["b"]
        for host in (self.a, self.b):
            host.env = {"MIGRD_FAULT_LOG": str(self.points_path(host))}
            if self.way.is_probed:
                host.write_config(move={"link_probe_ms": 100})
            if self.way.is_told:
                host.write_config(**{"notify nobody": {
                    "url": f"https://127.0.0.1:{NOBODY_PORT}/", "may_delay_s": 60,
                    "secret_file": write_secret(host.dir)}})
        self.world.start()
        if self.way.policy:
            for host in (self.a, self.b):
                host.api.call("PUT", f"/v1/policies/{self.way.policy['name']}", self.way.policy)
        # At least 4 MiB: QEMU's TCG loses pages that stay in its TLB when passes follow each other
        # at once (QEMU 7.2, seen with two bare QEMUs).
        options = {"area": 4, "rate": 32, "memory_mib": 64, "period": 20, **guest_options}
        self.disks = [Disk(**disk) for disk in self.way.disks]
        if self.way.has_beside:
            options["tpm"] = {"model": "tpm-crb"}
            options["firmware"] = {"code": CODE, "vars": str(self.a.images / "g.vars"),
                                   "vars_template": str(VARS)}
        self.guest = self.world.guest("g", disks=self.disks, **options)
        self.guest.start(self.a)
        self.base_sums = self.bases()
        self.here, self.there = self.a, self.b
        self.rest()

    def close(self, keep_as=None):
        faults = self.world.close()
        if keep_as:
            shutil.rmtree(keep_as, ignore_errors=True)
            self.world.keep_logs(pathlib.Path(keep_as))
            for host in (self.a, self.b):
                with contextlib.suppress(OSError):
                    shutil.copy(self.points_path(host), f"{keep_as}/points-{host.id}")
        self.world.remove()
        return faults

    def rest(self):
        """Brings a guest that has run to the state in which it is moved."""
        if self.way.state == "paused":
            self.pause()
        elif self.way.state == "stopped":
            self.here.api.post(f"/v1/vms/{self.guest.name}/stop")
            self.guest.console.forget()

    def pause(self):
        self.guest.console.wait_line(host=self.here.id)
        self.here.api.post(f"/v1/vms/{self.guest.name}/pause")
        self.guest.console.assert_quiet(QUIET_SECONDS)

    # ---- coordinators --------------------------------------------------------

    def points_path(self, host):
        return self.world.dir / f"points-{host.id}"

    def points(self, host):
        """Names of the points that were passed since the log was cleared."""
        with contextlib.suppress(FileNotFoundError):
            return [line.split()[1] for line in
                    self.points_path(host).read_text(encoding="ascii").splitlines()]
        return []

    def fired_in(self, host, offset, action=None):
        """Points that fired, of one action only if ACTION is given."""
        with open(host.log, encoding="utf-8", errors="replace") as f:
            f.seek(offset)
            return [point for point, what in FIRED.findall(f.read()) if action in (None, what)]

    def spawn(self, host, plan=None):
        host.env.pop("MIGRD_FAULTS", None)
        if plan:
            host.env["MIGRD_FAULTS"] = plan
        host.must_be_up = False
        host.spawn()

    def has_crashed(self, host):
        """Returns True if the plan ended the coordinator; any other end is a failure."""
        code = host.process.poll()
        if code is None:
            return False
        if code != CRASH_STATUS:
            raise CaseFailed(f"{host}: migrd ended by itself with {code}\n{host.log_tail()}")
        return True

    def is_ready(self, host):
        """Returns True when the coordinator has found its guests again."""
        with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
            host.api.get("/readyz", timeout=5)
            return True
        return False

    def wait_ready(self, host):
        """Waits until the coordinator is ready; False if its plan ended it before."""
        deadline = time.monotonic() + settings.seconds(20)
        while not self.has_crashed(host):
            if self.is_ready(host):
                return True
            if time.monotonic() > deadline:
                raise CaseFailed(f"{host}: not ready in time\n{host.log_tail()}")
            time.sleep(0.005)
        return False

    def arm(self, plans):
        """Restarts the coordinators of PLANS {host: plan} with their plans."""
        for host in (self.a, self.b):
            self.points_path(host).write_bytes(b"")  # a running daemon has it open
        for host in (self.a, self.b):
            if host in plans or self.way.is_probed:     # it forgets the link
                host.kill9()
                self.spawn(host, plans.get(host))

    def disarm(self, host):
        """Restarts the coordinator without a plan, so that one that has not fired cannot fire
        later."""
        host.kill9()
        self.spawn(host)
        self.wait_ready(host)

    # ---- the move ------------------------------------------------------------

    def ask_to_move(self, record):
        """Sends the request of a user, who does not know of the fault."""
        body = {"vm": self.guest.name, "to": self.there.id, **self.way.body}
        path = "/v1/queue" if self.way.queued else "/v1/moves"
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                made = self.here.api.post(
                    path, body, headers={"Idempotency-Key": str(uuid.uuid4())}, timeout=20)
                record.move_id = None if self.way.queued else made["id"]
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def ask_to_finish(self):
        """Sends the request of a user who asks as long as nothing has come of it."""
        for move in self.active(self.here) or []:
            with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
                self.here.api.post(f"/v1/moves/{move['id']}/finish", {"force": True}, timeout=5)

    def ask_to_cancel(self):
        """Sends the request of a user who asks as long as the transfer goes on."""
        for move in self.active(self.here) or []:
            with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
                if (move.get("progress") or {}).get("ram_transferred_bytes"):
                    self.here.api.post(f"/v1/moves/{move['id']}/cancel", timeout=5)

    def active(self, host):
        """Moves that have not ended, and entries of the queue; None if the coordinator does not
        answer."""
        try:
            return host.moves("?state=active") + host.api.items("/v1/queue?state=active")
        except (OSError, ApiError, http.client.HTTPException):
            return None

    def pass_faults(self, plans, record, second=None):
        """Moves under PLANS {host: plan}.  A crashed coordinator is started again at once, the
        first time with the plan SECOND if there is one."""
        offsets = {host: host.log.stat().st_size for host in plans}
        waiting = dict.fromkeys(plans, second)
        self.arm(plans)

        def revive():
            for host in list(waiting):
                if not self.has_crashed(host):
                    continue
                record.crashed_at = record.crashed_at or time.monotonic()
                self.spawn(host, waiting[host])
                record.back_at = time.monotonic()
                if waiting[host]:
                    waiting[host] = None
                else:
                    del waiting[host]
                return True
            return False

        for host in (self.a, self.b):
            while not self.wait_ready(host):
                revive()
        self.ask_to_move(record)
        deadline = time.monotonic() + settings.seconds(self.final_seconds)
        while True:
            if self.way.finishes:
                self.ask_to_finish()
            if self.way.cancels:
                self.ask_to_cancel()
            if revive():
                deadline = time.monotonic() + settings.seconds(self.final_seconds)
            states = {host: self.active(host) for host in (self.a, self.b)}
            if not any(self.has_crashed(host) for host in waiting) and \
                    all(moves == [] for moves in states.values()) and \
                    all(self.is_ready(host) for host in states):
                break
            if time.monotonic() > deadline:
                raise CaseFailed(f"does not end: {states}")
            time.sleep(POLL_SECONDS)
        for host, offset in offsets.items():
            fired = self.fired_in(host, offset)
            record.fired += fired
            # A coordinator that crashed after the last look is not started again yet.
            late = waiting.get(host, "") == second and self.fired_in(host, offset, "crash")
            if host in waiting and (not fired or waiting[host] != second or late):
                self.disarm(host)
        for host in (self.a, self.b):
            host.must_be_up = True

    # ---- what must hold ------------------------------------------------------

    def find_guest(self):
        """Returns the one host that runs the guest."""
        found = [(host, host.vms().get(self.guest.name)) for host in (self.a, self.b)]
        found = [(host, vm) for host, vm in found if vm]
        if len(found) != 1:
            raise CaseFailed(f"{len(found)} hosts have the guest: {found}")
        return found[0]

    def agreed(self, record):
        """Returns the host and the object of the guest, when both sides say the same of it: the word
        of one may be a moment late at the other."""
        deadline = time.monotonic() + settings.seconds(CLEAN_SECONDS)
        while True:
            try:
                host, vm = self.find_guest()
                self.records_agree(record, host)
                if vm["state"] != self.way.state or vm["job"]:
                    raise CaseFailed(f"the guest is {vm['state']} on {host} (job {vm['job']})")
                return host, vm
            except CaseFailed:
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def records_agree(self, record, host):
        """Both records of the move must agree, and the guest must be where they say."""
        states = {}
        for one in (self.here, self.there):
            moves = {m["id"]: m for m in one.moves()}
            record.move_id = record.move_id or next(
                (m["id"] for m in moves.values() if self.is_new(m)), None)
            move = moves.get(record.move_id)
            states[one.id] = move["state"] if move else None
        source, destination = states[self.here.id], states[self.there.id]
        allowed = {
            "done": (["done"], self.there), "failed": ([None, "failed"], self.here),
            "cancelled": ([None, "failed"], self.here), None: ([None, "failed"], self.here),
        }
        if source not in allowed or destination not in allowed[source][0] or \
                host is not allowed[source][1]:
            raise CaseFailed(f"the records say {states}, and the guest is on {host}")
        if record.outcome == "?":
            record.outcome = source or "none"

    def queue_is_right(self, record):
        """An entry that was recorded has moved the guest, with one move that is done at most; each
        of its attempts' moves is another one."""
        for entry in self.here.api.items("/v1/queue"):
            if entry["id"] in self.seen_entries:
                continue
            attempts = [attempt["move"] for attempt in entry["attempts"] if attempt["move"]]
            moves = [m["id"] for m in self.here.moves() if self.is_new(m)]
            if entry["state"] != "done" or len(set(attempts)) != len(attempts) or \
                    sorted(attempts) != sorted(moves) or record.outcome != "done":
                raise CaseFailed(f"moves {moves} ({record.outcome}) of the entry {entry}")

    def cancel_is_remembered(self, record):
        """A move whose record has the cancel is not called failed, whatever crashed."""
        if not record.move_id or record.outcome != "failed":
            return
        for entry in self.here.api.items(f"/v1/moves/{record.move_id}/timeline"):
            if entry["event"] == "cancel-requested":
                raise CaseFailed("the move was cancelled, and has failed")

    def is_new(self, move):
        return move["id"] not in self.seen_moves

    def remember_moves(self):
        self.seen_moves = {m["id"] for h in (self.a, self.b) for m in h.moves()}
        self.seen_entries = {e["id"] for h in (self.a, self.b)
                             for e in h.api.items("/v1/queue")}

    def leftovers(self, host, vm):
        """Things on HOST that should not be there; VM: the guest's object if it is there."""
        ours = [vm["pid"]] if vm else []
        swtpms = host.children("swtpm")
        if vm and self.way.has_beside and len(swtpms) == 1:
            ours += swtpms
        images = [disk.path.name for disk in self.disks] + ["g.vars"] * self.way.has_beside
        left = [f"process {procs.describe(pid)}" for pid in host.children() if pid not in ours]
        left += [f"{host.run_dir}/moves/{name}" for name in os.listdir(host.run_dir / "moves")]
        left += self.not_of(vm, host.run_dir / "vms", "")
        left += [str(path) for path in self.world.dir.glob(".migrd-same-*")]  # beside images
        left += [str(path) for path in host.images.iterdir()
                 if not (vm and path.name in images) and ".moved-to-" not in path.name]
        if host.tpm_dir.exists():       # keys
            left += self.not_of(vm if self.way.has_beside else None, host.tpm_dir, "")
        if host.log_dir.exists():
            left += self.not_of(vm, host.log_dir, ".log")
        return left

    def not_of(self, vm, directory, ending):
        """What DIRECTORY has beside what belongs to the QEMU of VM, in the one of its two places."""
        names = os.listdir(directory)
        ours = [f"{vm['uuid']}{suffix}{ending}" for suffix in ("", ".2")] if vm else []
        found = [name for name in names if name in ours]
        return [f"{directory}/{name}" for name in names if name not in found[:1]]

    def wait_clean(self, host, vm):
        other = self.b if host is self.a else self.a
        deadline = time.monotonic() + settings.seconds(CLEAN_SECONDS)
        while True:
            left = self.leftovers(host, vm) + self.leftovers(other, None)
            if not left:
                return
            if time.monotonic() > deadline:
                raise CaseFailed("left over:\n  " + "\n  ".join(left))
            time.sleep(POLL_SECONDS)

    def measure_silence(self, record):
        """Measures how long the guest stood still, and when it last went on."""
        since = record.crashed_at or record.began_at
        times = [line.at for line, _ in self.guest.console.all_lines() if line.at > since - 1]
        gaps = [(after - before, after) for before, after in zip(times, times[1:])]
        record.silence_s = max((gap for gap, _ in gaps), default=0.0)
        if record.back_at:
            # A handover that begins after the restart stops the guest for its own time.
            record.runs_on_s = max((min(gap, end - record.back_at) for gap, end in gaps
                                    if gap > SILENCE_SECONDS and end > record.back_at), default=0.0)

    def check_times(self, record):
        """A crash may cost the guest only the time of the restart, and leave nothing behind."""
        for name, value, limit in (("the guest went on", record.runs_on_s, RUNS_ON_SECONDS),
                                   ("all was clean", record.clean_s, self.way.clean_seconds)):
            if value > settings.seconds(limit):
                raise CaseFailed(f"{name} {value:.1f} s after the coordinators were back")

    def assert_history(self):
        """Lines with a gap are no error: QEMU drops output that a slow reader does not take."""
        console = self.guest.console
        console.assert_single_runner()
        console.assert_counter_never_back()
        console.assert_memory_right()
        console.assert_disks_right()

    def check(self, record):
        """Checks all rules after a case; afterwards self.here is the guest's host."""
        state = self.way.state
        host, vm = self.agreed(record)
        self.queue_is_right(record)
        self.cancel_is_remembered(record)
        console = self.guest.console
        if state == "running":
            life, _ = console.wait_line(20, host.id)
            if life.pid != vm["pid"]:
                raise CaseFailed(f"pid {vm['pid']} by the API, {life.pid} by the console")
        if state == "stopped":
            self.check_stopped(host, vm)
        self.wait_clean(host, vm)
        record.clean_s = time.monotonic() - (record.back_at or record.began_at)
        if state != "running":
            console.assert_quiet(QUIET_SECONDS)
        else:
            self.guest.wait_sweeps(1, host)
        self.assert_history()
        if self.way.has_beside and (host.images / "g.vars").read_bytes() != VARS.read_bytes():
            raise CaseFailed(f"the variables on {host} are others")
        self.check_bases(host)
        self.measure_silence(record)
        self.here, self.there = host, self.b if host is self.a else self.a

    def bases(self):
        return {disk.base_path: hashlib.sha256(disk.base_path.read_bytes()).digest()
                for disk in self.disks if disk.base}

    def check_bases(self, host):
        """The backing files are as they were, and those of the images on HOST."""
        if self.bases() != self.base_sums:
            raise CaseFailed("a backing file was changed")
        for disk in self.disks:
            if disk.base and disk.backing_file(host.images / disk.path.name) != str(disk.base_path):
                raise CaseFailed(f"disk {disk.id} on {host} has not its backing file")

    def check_stopped(self, host, vm):
        """No QEMU has been left, no guest has run, and the images are as they were."""
        if vm["pid"] or self.guest.console.all_lines():
            raise CaseFailed(f"the VM is stopped, and has run: {vm}")
        for disk in self.disks:
            disk.assert_stamps(host.images / disk.path.name)

    def move_on(self):
        """Moves the guest once more after a case, to the other host; this must work.  A command
        whose message was lost holds the monitor until its deadline: until then it is refused."""
        done = time.monotonic() + settings.seconds(FINAL_SECONDS)
        while True:
            try:
                move = self.world.move(self.guest, self.here, self.there)
                break
            except ApiError as error:
                if error.code != "busy" or time.monotonic() > done:
                    raise
            time.sleep(POLL_SECONDS)
        done = time.monotonic() + settings.seconds(FINAL_SECONDS)
        while self.active(self.there) and time.monotonic() < done:
            time.sleep(POLL_SECONDS)
        record = Record()
        record.move_id = move["id"]
        self.check(record)
        if self.way.state != "running":
            self.let_run()

    def let_run(self):
        """Lets a guest that did not run in all its moves run, checks what it says, and brings it
        to rest again."""
        action = "resume" if self.way.state == "paused" else "start"
        self.here.api.post(f"/v1/vms/{self.guest.name}/{action}")
        console = self.guest.console
        console.wait_line(20, self.here.id)
        self.guest.wait_sweeps(1, self.here)
        self.assert_history()
        self.rest()

    def next_case(self):
        for host in (self.a, self.b):
            for path in host.images.glob("*.moved-to-*"):
                path.unlink()
        self.guest.console.forget()
        self.remember_moves()


def set_up(build, logs=None, slow=1, slot=0):
    """Settings and process duties of a program that uses arenas."""
    settings.build_dir = pathlib.Path(build).resolve()
    settings.log_dir = pathlib.Path(logs).resolve() if logs else settings.build_dir / "fault-logs"
    settings.slow_factor = slow
    settings.slot = slot
    procs.become_subreaper()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o077)
    return settings.log_dir
