# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts, one guest, one move, held where a fault shall meet it; and what
must hold when the fault is over, whatever it was.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from lib import procs, settings  # noqa: E402
from lib.api import ApiError  # noqa: E402
from lib.qmp import Qmp  # noqa: E402
from lib.world import World  # noqa: E402

HELD = 128 * 1024           # bytes/s: such a transfer does not end by itself
STALL_SECONDS = 1.5         # more is a guest that was stopped, not a busy machine
FINAL_SECONDS = 60          # for a move whose hosts are all there again
CLEAN_SECONDS = 5
FIRST_SLOT = 16             # of ports: the system tests have the lower ones
NOBODY = (OSError, ApiError, http.client.HTTPException)


class Scene:
    """THE source is a, the destination b."""

    def __init__(self, full=False, world=None, plans=None, config=None, **guest_options):
        self.full = full
        self.world = world or World()
        self.a, self.b = self.world["a"], self.world["b"]
        for host in (self.a, self.b):
            host.write_config(**(config or {}))
            plan = (plans or {}).get(host.id)
            if plan:
                host.env["MIGRD_FAULTS"] = plan
        self.world.start()
        for host in (self.a, self.b):
            host.env.pop("MIGRD_FAULTS", None)  # of its first life only
        options = {"area": 8, "static": 4, "rate": 8, "memory_mib": 64, "period": 5,
                   **guest_options}
        self.guest = self.world.guest(**options)
        self.guest.start(self.a)
        self.uuid = self.guest.vm(self.a)["uuid"]
        self.pid = self.guest.vm(self.a)["pid"]
        self.move_id = None
        self.fault_at = None    # when the fault began
        self.healed_at = None   # when the last of what was taken away was given back
        self.monitors = []

    def close(self, keep_as=None):
        for monitor in self.monitors:
            monitor.close()
        faults = self.world.close()
        if keep_as:
            shutil.rmtree(keep_as, ignore_errors=True)
            self.world.keep_logs(pathlib.Path(keep_as))
        self.world.remove()
        return faults

    def long(self, short_s, full_s):
        return full_s if self.full else short_s

    def monitor(self, host):
        self.monitors.append(Qmp(host, self.uuid))
        return self.monitors[-1]

    # ---- where the move is held ------------------------------------------------

    def begin(self, **options):
        self.move_id = self.world.begin_move(self.guest, self.a, self.b, **options)["id"]
        return self.move_id

    def in_transfer(self):
        """Memory is being sent, so slowly that it does not end."""
        self.begin(bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, self.move_id)

    def let_go(self):
        self.a.api.patch(f"/v1/moves/{self.move_id}", {"bandwidth_bytes_per_s": 0})

    def in_handover(self):
        """The source's QEMU has completed, and the destination's coordinator is frozen:
        nobody answers `go'."""
        monitor = self.monitor(self.a)
        self.in_transfer()
        self.b.freeze()
        self.let_go()
        self.world.wait_state(self.a, self.move_id, "handover")
        self.wait("the source's QEMU to complete", lambda: monitor.command("query-migrate")
                  ["return"].get("status") == "completed")

    def when_stopped(self):
        """Returns at QEMU's STOP on the source."""
        monitor = self.monitor(self.a)
        self.in_transfer()
        self.let_go()
        monitor.wait_event("STOP")

    def when_running_there(self):
        """The guest runs on b, whose coordinator is held at a fault point before its answer."""
        self.begin()
        self.guest.console.wait_line(settings.seconds(30), "b")

    # ---- faults ----------------------------------------------------------------

    def fault(self):
        self.fault_at = self.fault_at or time.monotonic()

    def healed(self):
        self.healed_at = time.monotonic()

    def kill(self, *pids):
        self.fault()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        procs.wait_gone(pids, settings.seconds(10))

    def kill_coordinators(self, *hosts):
        self.fault()
        for host in hosts:
            host.must_be_up = False
            host.process.send_signal(signal.SIGKILL)
        for host in hosts:
            host.kill9()

    def start(self, *hosts):
        for host in hosts:
            host.spawn()
        for host in hosts:
            host.wait_ready()
            host.must_be_up = True
        self.healed()

    def away(self, hosts, seconds):
        """Their coordinators are killed, and started again after so long."""
        self.kill_coordinators(*hosts)
        self.sleep(seconds)
        self.start(*hosts)

    def frozen(self, hosts, seconds):
        self.fault()
        for host in hosts:
            host.freeze()
        self.sleep(seconds)
        for host in hosts:
            host.thaw()
        self.healed()

    def lose(self, host):
        """Coordinator, streams and guests at once."""
        self.fault()
        host.must_be_up = False
        pids = [host.process.pid, *host.children()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        host.kill9()
        procs.wait_gone(pids, settings.seconds(10))

    @staticmethod
    def sleep(seconds):
        """How long a fault lasts is part of the fault."""
        time.sleep(seconds)

    def wait(self, what, is_true, timeout=FINAL_SECONDS):
        deadline = time.monotonic() + settings.seconds(timeout)
        while True:
            with contextlib.suppress(*NOBODY):
                value = is_true()
                if value:
                    return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}; {self.states()}")
            time.sleep(0.02)

    def state_on(self, host):
        try:
            return host.move_state(self.move_id)["state"]
        except ApiError as error:
            return error.code
        except NOBODY:
            return "silent"

    def states(self):
        return f"{self.state_on(self.a)} / {self.state_on(self.b)}"

    # ---- what must hold --------------------------------------------------------

    def is_final(self, host):
        try:
            return host.move_state(self.move_id)["final"]
        except ApiError as error:
            return error.status == 404

    def leftovers(self, host, keeps_guest):
        """What is on HOST and should not be."""
        vm = host.vms().get(self.guest.name) if keeps_guest else None
        ours = [vm["pid"]] if vm and vm.get("pid") else []
        left = [f"process {procs.describe(p)}" for p in host.children() if p not in ours]
        for directory in (host.run_dir / "vms", host.run_dir / "moves"):
            left += [f"{directory}/{name}" for name in os.listdir(directory)
                     if directory.name == "moves" or not vm or name != vm["uuid"]]
        left += [f"object {name}" for name in host.vms() if not keeps_guest]
        return left

    def settle(self, runs_on, keeps=None):
        """Waits for the end of the move, and asserts all that must be true then.
        RUNS_ON: a host id, or None: nowhere, and the record of it is on KEEPS."""
        keeps = keeps or runs_on
        began = self.healed_at or self.fault_at
        for host in (self.a, self.b):
            self.wait(f"the end of the move on {host}", lambda h=host: self.is_final(h))
        deadline = time.monotonic() + settings.seconds(CLEAN_SECONDS)
        while True:
            left = [text for host in (self.a, self.b)
                    for text in self.leftovers(host, host.id == keeps)]
            if not left:
                break
            if time.monotonic() > deadline:
                raise AssertionError("left over:\n  " + "\n  ".join(left))
            time.sleep(0.02)
        clean_s = time.monotonic() - began
        if runs_on:
            self.assert_runs(self.world[runs_on])
        else:
            self.guest.console.assert_quiet()
        self.assert_history()
        return clean_s

    def assert_runs(self, host):
        console = self.guest.console
        life, _ = console.wait_line(settings.seconds(20), host.id)
        vm = self.guest.vm(host)
        if vm["state"] != "running" or vm["job"] or life.pid != vm["pid"]:
            raise AssertionError(f"the guest on {host}: {vm['state']}, pid {vm['pid']} by the API "
                                 f"and {life.pid} by the console, job {vm['job']}")
        console.wait_sweeps(1, settings.seconds(60), host.id)

    def assert_history(self):
        """Lines with a hole are no fault: QEMU drops what a starved reader does not take."""
        console = self.guest.console
        console.assert_single_runner()
        console.assert_counter_never_back()
        console.assert_memory_right()

    def runners(self):
        return sorted(set(self.guest.console.running_now(0.4)))

    def stall_s(self):
        """The longest silence of the guest since shortly before the fault."""
        since = (self.fault_at or 0) - 0.5
        times = [line.at for line, _ in self.guest.console.all_lines()]
        return max((after - before for before, after in zip(times, times[1:]) if after > since),
                   default=0.0)


# ---- cases -------------------------------------------------------------------

class Case:
    """One fault at one phase.  RUN(scene) does it and returns nothing; the rest says
    what must be true afterwards."""

    def __init__(self, run, phase, fault, **expected):
        self.run, self.phase, self.fault = run, phase, fault
        self.runs_on = expected.pop("runs_on")
        self.keeps = expected.pop("keeps", None)
        self.ends = expected.pop("ends")                # "source / destination"
        self.stall = expected.pop("stall", STALL_SECONDS)  # a bound, or None
        self.row = expected.pop("row", "")              # of libvirt's table
        self.libvirt = expected.pop("libvirt", "")
        self.only_full = expected.pop("only_full", False)
        self.scene = expected                           # options of Scene()

    @property
    def name(self):
        return f"{self.phase}: {self.fault}"


class Row:
    def __init__(self, case):
        self.case = case
        self.ok = False
        self.ends = self.runners = self.error = ""
        self.stall_s = self.clean_s = self.took_s = 0.0

    def text(self):
        verdict = "ok  " if self.ok else "FAIL"
        runs = ",".join(self.runners) or "-"
        return (f"{verdict} {self.case.name:<66} {self.ends:<20} runs on {runs:<3} "
                f"stall {self.stall_s:6.2f} s  clean {self.clean_s:6.2f} s  {self.took_s:5.1f} s")

    def markdown(self):
        runs = f"{len(self.runners)} ({', '.join(self.runners).upper()})" if self.runners else "0"
        return (f"| {self.case.phase} | {self.case.fault} | {self.ends} | {runs} | "
                f"{self.stall_s:.2f} s | {self.clean_s:.2f} s | {self.case.row} | "
                f"{self.case.libvirt} |" + ("" if self.ok else " **FAILED** |"))


HEADER = ("| phase | fault | ends (source / destination) | guests running | longest stall | "
          "final and clean after | libvirt row | libvirt 9.0 |\n|" + "---|" * 8)


def run_case(case, make_scene, logs):
    """Runs CASE in a scene of its own; its Row."""
    row, scene = Row(case), None
    began = time.monotonic()
    directory = logs / re.sub(r"[^a-z0-9]+", "-", case.name.lower())
    try:
        scene = make_scene(case)
        case.run(scene)
        row.clean_s = scene.settle(case.runs_on, case.keeps)
        row.stall_s = scene.stall_s()
        row.ends, row.runners = scene.states(), scene.runners()
        allowed = settings.seconds(case.stall(scene) if callable(case.stall) else case.stall or 0)
        if not re.fullmatch(case.ends, row.ends):
            raise AssertionError(f"ends as {row.ends}, not {case.ends}")
        if row.runners != ([case.runs_on] if case.runs_on else []):
            raise AssertionError(f"runs on {row.runners}")
        if case.stall and row.stall_s > allowed:
            raise AssertionError(f"the guest stood still for {row.stall_s:.1f} s "
                                 f"(at most {allowed:.1f} s)")
        row.ok = True
    except Exception as error:  # whatever it is, it is this case's failure
        row.error = f"{type(error).__name__}: {error}"
    if scene:
        if not row.ok:
            with contextlib.suppress(Exception):
                row.ends = row.ends or scene.states()
                row.runners = row.runners or scene.runners()
                row.stall_s = row.stall_s or scene.stall_s()
        faults = scene.close(None if row.ok else directory)
        if faults:
            row.ok, row.error = False, row.error + "; ".join(faults)
    row.took_s = time.monotonic() - began
    print(row.text(), flush=True)
    if not row.ok:
        print(f"     {row.error}\n     logs: {directory}", flush=True)
    return row


def arguments(parser):
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("-k", action="append", default=[], metavar="TEXT", dest="only",
                        help="only cases with this in their name; may be repeated")
    parser.add_argument("--full", action="store_true", help="all cases, with long faults")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N",
                        help="so many cases at once, each with a process of its own")
    parser.add_argument("--markdown", metavar="FILE", help="append the table there")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer")
    parser.add_argument("--logs", metavar="DIR", help="of failed cases (default BUILD/fault-logs)")


def set_up(args):
    settings.build_dir = pathlib.Path(args.build).resolve()
    settings.log_dir = pathlib.Path(args.logs or settings.build_dir / "fault-logs").resolve()
    settings.slow_factor = args.slow
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o077)


def work(chosen, queue, results, make_scene):
    """A process that takes one case after the other from QUEUE."""
    procs.become_subreaper()
    while index := os.read(queue, 1):
        row = run_case(chosen[index[0]], make_scene, settings.log_dir)
        kept = {key: value for key, value in vars(row).items() if key != "case"}
        os.write(results, json.dumps({"index": index[0], **kept}).encode() + b"\n")


def run_in_processes(chosen, jobs, make_scene):
    """Rows in the order of CHOSEN.  Each process has guests and reaps orphans of its own."""
    queue_out, queue = os.pipe()
    results, results_in = os.pipe()
    os.write(queue, bytes(range(len(chosen))))
    os.close(queue)
    workers = []
    for number in range(jobs):
        pid = os.fork()
        if pid == 0:
            os.close(results)
            settings.slot = FIRST_SLOT + number
            work(chosen, queue_out, results_in, make_scene)
            sys.exit(0)     # with what atexit has to do
        workers.append(pid)
    os.close(results_in)
    rows = {}
    try:
        with open(results, encoding="utf-8") as lines:
            for line in lines:
                kept = json.loads(line)
                index = kept.pop("index")
                row = rows[index] = Row(chosen[index])
                vars(row).update(kept)
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    return [rows.get(index) or Row(case) for index, case in enumerate(chosen)]


def run_cases(cases, args, make_scene):
    """Runs those that ARGS ask for, prints and returns an exit status."""
    chosen = [case for case in cases if (args.full or not case.only_full)
              and (not args.only or any(text in case.name for text in args.only))]
    if args.list:
        print("\n".join(case.name for case in chosen))
        return 0
    began = time.monotonic()
    rows = run_in_processes(chosen, args.jobs, make_scene)
    if args.markdown:
        with open(args.markdown, "a", encoding="utf-8") as f:
            f.write("\n".join([HEADER, *(row.markdown() for row in rows)]) + "\n")
    failed = [row for row in rows if not row.ok]
    print(f"{len(rows) - len(failed)} passed, {len(failed)} failed, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed or not rows else 0
