#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults from outside, each at named phases of a move, with real QEMUs.

    tests/fault/outside.py --build DIR [--full] [-k PATTERN] [--markdown FILE]

Prints a line for each fault and phase, and a table: what came of the move, how
long the guest stood still, how long until all was clean.  The short form stops
coordinators for 5 s, the full one for 30 s.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import shutil
import signal
import socket
import sys
import time
import traceback

from arena import Arena, CaseFailed, Record, WAYS, procs, set_up, settings

HELD = 128 * 1024       # bytes/s: a transfer that does not end by itself
HOLD_MS = 2000          # how long a fault point holds a phase open
FINAL_SECONDS = 100


def send(pid, signo):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signo)


class Stage:
    """One move, held in a phase."""

    def __init__(self, arena, full):
        self.arena, self.full = arena, full
        self.source, self.destination = arena.here, arena.there
        self.record = Record()
        self.qemu = {}          # host: pid
        self.saved = None

    def ask(self, **options):
        WAYS["outside"] = options
        self.arena.ask_to_move("outside", self.record)
        if self.record.move_id is None:
            raise CaseFailed("the move did not begin")

    def wait_point(self, host, name):
        deadline = time.monotonic() + settings.seconds(30)
        while name not in self.arena.points(host):
            if time.monotonic() > deadline:
                raise CaseFailed(f"{host} does not pass {name}\n{host.log_tail()}")
            time.sleep(0.005)

    def remember_qemus(self):
        self.qemu = {host: host.qemus()[0] for host in (self.source, self.destination)
                     if host.qemus()}

    def open_link(self):
        with contextlib.suppress(Exception):  # the coordinator may be away, or the move over
            self.source.api.patch(f"/v1/moves/{self.record.move_id}",
                                  {"bandwidth_bytes_per_s": 0}, timeout=3)


# ---- phases: hold() brings the move there, let_go() lets it go on ---------------

class Prepare:
    """The destination's QEMU and stream run; it has not answered yet."""

    def hold(self, stage):
        stage.arena.arm({stage.destination: f"qmp.send.migrate-incoming:delay:ms={HOLD_MS}"})
        stage.arena.wait_ready(stage.destination)
        stage.ask()
        stage.wait_point(stage.destination, "qmp.send.migrate-incoming")

    def let_go(self, stage):
        """It goes on by itself."""


class Transfer:
    """Memory flows, slowly."""

    def hold(self, stage):
        stage.ask(bandwidth_bytes_per_s=HELD)
        stage.arena.world.wait_flowing(stage.source, stage.record.move_id)

    def let_go(self, stage):
        stage.open_link()


class Handover:
    """The destination has loaded everything, the source has asked it to go on with
    the guest, and the destination's coordinator does not answer."""

    def hold(self, stage):
        stage.arena.arm({})
        stage.ask(bandwidth_bytes_per_s=HELD)
        stage.arena.world.wait_flowing(stage.source, stage.record.move_id)
        stage.destination.freeze()
        stage.open_link()
        stage.wait_point(stage.source, "peer.send.go")

    def let_go(self, stage):
        send(stage.destination.process.pid, signal.SIGCONT)


class Taken:
    """The destination has written that the guest is its own, and has not let it run."""

    def hold(self, stage):
        stage.arena.arm({stage.destination: f"move.dst.handover:delay:ms={HOLD_MS}"})
        stage.arena.wait_ready(stage.destination)
        stage.ask()
        stage.wait_point(stage.destination, "move.dst.handover")

    def let_go(self, stage):
        """It goes on by itself."""


PHASES = {"prepare": Prepare, "transfer": Transfer, "handover": Handover, "taken": Taken}


# ---- faults: strike() does it, mend() undoes it ---------------------------------

class Fault:
    side = "destination"
    seconds = 0.0           # between strike and mend
    full_seconds = None

    def __init__(self, side):
        self.side = side

    def host(self, stage):
        return stage.source if self.side == "source" else stage.destination

    def lasts(self, stage):
        return self.full_seconds if stage.full and self.full_seconds else self.seconds

    def strike(self, stage):
        raise NotImplementedError

    def mend(self, stage):
        """Nothing to undo."""


class QemuKilled(Fault):
    def strike(self, stage):
        send(stage.qemu[self.host(stage)], signal.SIGKILL)


class StreamKilled(Fault):
    def strike(self, stage):
        for pid in self.host(stage).streams():
            send(pid, signal.SIGKILL)


class CoordinatorStopped(Fault):
    seconds, full_seconds = 5.0, 30.0

    def strike(self, stage):
        self.host(stage).freeze()

    def mend(self, stage):
        self.host(stage).thaw()


class HostLost(Fault):
    """Coordinator, stream and QEMU at once; the coordinator comes back."""
    seconds = 2.0

    def strike(self, stage):
        host = self.host(stage)
        host.must_be_up = False
        pids = [host.process.pid, *host.streams(), *host.qemus()]
        for pid in pids:
            send(pid, signal.SIGKILL)
        host.process.wait(settings.seconds(10))

    def mend(self, stage):
        host = self.host(stage)
        stage.arena.spawn(host)
        stage.arena.wait_ready(host)


class StoreDamaged(Fault):
    """The coordinator ends, its store's file is damaged: it must say so and not start.
    Then the file is put back."""

    def strike(self, stage):
        host = self.host(stage)
        host.kill9()
        store = host.state_dir / "migrd.db"
        stage.saved = stage.arena.world.dir / "saved"
        shutil.rmtree(stage.saved, ignore_errors=True)
        stage.saved.mkdir()
        for path in host.state_dir.glob("migrd.db*"):
            shutil.copy(path, stage.saved)
            path.unlink()
        store.write_bytes(b"this is no database" * 1000)
        stage.arena.spawn(host)
        code = host.process.wait(settings.seconds(20))
        if code == 0 or "migrd.db" not in host.log_tail(3):
            raise CaseFailed(f"a damaged store: exit {code}\n{host.log_tail(5)}")

    def mend(self, stage):
        host = self.host(stage)
        for path in host.state_dir.glob("migrd.db*"):
            path.unlink()
        for path in stage.saved.iterdir():
            shutil.copy(path, host.state_dir)
        stage.arena.spawn(host)
        stage.arena.wait_ready(host)


class Qmp(Fault):
    """A command to QEMU behind the coordinator's back, by the second monitor."""

    def __init__(self, side, command):
        super().__init__(side)
        self.command = command

    def strike(self, stage):
        host = self.host(stage)
        path = next((host.run_dir / "vms").glob("*/qmp1.sock"))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(10)
        sock.connect(str(path))
        with sock, sock.makefile("rw", encoding="utf-8") as f:
            f.readline()
            for command in ("qmp_capabilities", self.command):
                f.write(json.dumps({"execute": command}) + "\n")
                f.flush()
                while True:
                    line = f.readline()
                    if not line or "return" in json.loads(line):
                        break


class Paused(Fault):
    """The user pauses the guest."""

    def strike(self, stage):
        stage.source.api.post(f"/v1/vms/{stage.arena.guest.name}/pause")


# ---- what must come of it --------------------------------------------------------

DONE, FAILED = "done", "failed"     # the guest runs on the destination / on the source
LOST_SRC, LOST_DST = "guest lost on the source", "guest lost on the destination"
PAUSED = "done, paused"
RESET, OFF = "done, after a reset", "guest off"

# (fault, {phase: outcome}); a guest is lost only with the QEMU that it ran in.
TABLE = {
    "destination's QEMU killed": (
        lambda: QemuKilled("destination"),
        {"prepare": FAILED, "transfer": FAILED, "handover": FAILED, "taken": LOST_DST}),
    "source's QEMU killed": (
        lambda: QemuKilled("source"),
        {"prepare": LOST_SRC, "transfer": LOST_SRC, "handover": DONE, "taken": DONE}),
    "destination's stream killed": (
        lambda: StreamKilled("destination"),
        {"prepare": FAILED, "transfer": FAILED, "handover": DONE, "taken": DONE}),
    "source's stream killed": (
        lambda: StreamKilled("source"),
        {"transfer": FAILED, "handover": DONE, "taken": DONE}),
    "destination's coordinator stopped": (
        lambda: CoordinatorStopped("destination"),
        {"prepare": DONE, "transfer": DONE, "handover": DONE, "taken": DONE}),
    "source's coordinator stopped": (
        lambda: CoordinatorStopped("source"),
        {"prepare": DONE, "transfer": DONE, "handover": DONE, "taken": DONE}),
    "destination host lost": (
        lambda: HostLost("destination"),
        {"prepare": FAILED, "transfer": FAILED, "handover": FAILED, "taken": LOST_DST}),
    "source host lost": (
        lambda: HostLost("source"),
        {"prepare": LOST_SRC, "transfer": LOST_SRC, "handover": DONE, "taken": DONE}),
    "destination's store damaged": (
        lambda: StoreDamaged("destination"),
        {"prepare": FAILED, "transfer": DONE, "handover": DONE, "taken": DONE}),
    "source's store damaged": (
        lambda: StoreDamaged("source"),
        {"prepare": FAILED, "transfer": DONE, "handover": DONE, "taken": DONE}),
    "guest paused": (
        lambda: Paused("source"), {"prepare": PAUSED, "transfer": PAUSED}),
    "guest reset": (
        lambda: Qmp("source", "system_reset"), {"prepare": RESET, "transfer": RESET}),
    "guest powered off": (
        lambda: Qmp("source", "quit"), {"prepare": LOST_SRC, "transfer": LOST_SRC}),
}


class Verdict:
    """Looks whether what came is what must come."""

    def __init__(self, stage, expected):
        self.stage, self.expected, self.arena = stage, expected, stage.arena

    def wait_final(self):
        deadline = time.monotonic() + settings.seconds(FINAL_SECONDS)
        hosts = (self.stage.source, self.stage.destination)
        while True:
            states = {host: self.arena.active(host) for host in hosts}
            if all(moves == [] for moves in states.values()) and \
                    all(self.arena.is_ready(host) for host in hosts):
                return
            if time.monotonic() > deadline:
                raise CaseFailed(f"does not end: {states}")
            time.sleep(0.02)

    def check(self):
        self.wait_final()
        record = self.stage.record
        move = self.stage.source.move_state(record.move_id)
        if self.expected in (LOST_SRC, LOST_DST):
            self.check_lost(move)
            return
        expected_state = "failed" if self.expected == FAILED else "done"
        if move["state"] != expected_state:
            raise CaseFailed(f"the move is {move['state']}, not {expected_state}: {move['error']}")
        self.check_guest()

    def check_guest(self):
        record, console = self.stage.record, self.arena.guest.console
        if self.expected == PAUSED:
            self.arena.check(record, state="paused")
            console.assert_quiet(0.3)
            self.arena.here.api.post(f"/v1/vms/{self.arena.guest.name}/resume")
            console.wait_sweeps(1, settings.seconds(60), self.arena.here.id)
            return
        if self.expected == RESET:
            self.arena.forget_history()     # its counter began anew, as it should
            console.wait_line(settings.seconds(20))
            with console.changed:
                for life in console.lives:
                    del life.lines[:-1]
        self.arena.check(record)

    def check_lost(self, move):
        """The guest is gone with its QEMU, and everybody says so plainly."""
        stage = self.stage
        host = stage.source if self.expected == LOST_SRC else stage.destination
        owner, vm = self.arena.find_guest()
        if owner is not host or vm["state"] not in ("crashed", "stopped") or not vm["reason"]:
            raise CaseFailed(f"the guest is {vm['state']} on {owner} ({vm['reason']})")
        expected = "done" if self.expected == LOST_DST else "failed"
        if move["state"] != expected or (expected == "failed" and not move["error"]):
            raise CaseFailed(f"the move is {move['state']} ({move['error']})")
        self.arena.guest.console.assert_quiet(0.3)
        deadline = time.monotonic() + settings.seconds(10)
        while True:
            left = [f"process {procs.describe(pid)}" for one in (stage.source, stage.destination)
                    for pid in one.children()]
            left += [str(path) for one in (stage.source, stage.destination)
                     for path in (*one.run_dir.glob("moves/*"), *one.run_dir.glob("vms/*"))]
            if not left:
                break
            if time.monotonic() > deadline:
                raise CaseFailed("left over:\n  " + "\n  ".join(left))
            time.sleep(0.02)
        stage.record.clean_s = time.monotonic() - (stage.record.back_at or stage.record.crashed_at)


class Outside:
    def __init__(self, args, make_arena):
        self.args = args
        self.make_arena = make_arena
        self.arena = None
        self.rows = []          # (fault, phase, outcome, record or None)

    def run_all(self, table):
        for name, (make_fault, phases) in table.items():
            for phase, expected in phases.items():
                title = f"{name}, in {phase}"
                if not self.args.patterns or any(fnmatch.fnmatch(title, f"*{pattern}*")
                                                 for pattern in self.args.patterns):
                    self.run(name, phase, make_fault, expected)

    def run(self, name, phase_name, make_fault, expected):
        if self.arena is None:
            self.arena = self.make_arena()
        arena = self.arena
        arena.next_case()
        stage, phase, fault = Stage(arena, self.args.full), PHASES[phase_name](), make_fault()
        record = stage.record
        try:
            phase.hold(stage)
            stage.remember_qemus()
            record.crashed_at = time.monotonic()
            for host in (arena.a, arena.b):
                host.must_be_up = False
            fault.strike(stage)
            if getattr(phase, "lets_go_early", True):
                phase.let_go(stage)
            if fault.lasts(stage):
                time.sleep(fault.lasts(stage))  # the fault's own length, not a wait
            fault.mend(stage)
            record.back_at = time.monotonic()
            phase.let_go(stage)
            Verdict(stage, expected).check()
            record.outcome = expected
            if expected in (LOST_SRC, LOST_DST):
                self.close()
            else:
                arena.move_on()
        except Exception as error:
            self.fail(name, phase_name, record, error)
            return
        self.rows.append((name, phase_name, expected, record))
        print(f"ok   {name + ', in ' + phase_name:<48} {record.text()}", flush=True)

    def fail(self, name, phase, record, error):
        logs = self.args.logs / f"outside-{name}-{phase}".replace(" ", "-").replace("'", "")
        words = error if isinstance(error, AssertionError) else "".join(
            traceback.format_exception(error, limit=-4))
        print(f"FAIL {name}, in {phase}\n     {type(error).__name__}: {words}\n     logs: {logs}",
              flush=True)
        self.rows.append((name, phase, "FAILED", None))
        send(self.arena.a.process.pid, signal.SIGCONT)
        send(self.arena.b.process.pid, signal.SIGCONT)
        self.close(logs)

    def close(self, keep_as=None):
        if self.arena:
            arena, self.arena = self.arena, None
            arena.close(keep_as)

    def markdown(self):
        lines = ["| fault | phase | outcome | guest stood still (s) | clean after (s) |",
                 "| --- | --- | --- | --- | --- |"]
        for name, phase, outcome, record in self.rows:
            lost = record is None or outcome in (LOST_SRC, LOST_DST, PAUSED)
            lines.append(f"| {name} | {phase} | {outcome} | "
                         + (f"{record.silence_s:.2f}" if not lost else "-")
                         + f" | {record.clean_s:.2f} |" if record else
                         f"| {name} | {phase} | {outcome} | - | - |")
        return "\n".join(lines)


def parse_arguments(about):
    parser = argparse.ArgumentParser(description=about.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--full", action="store_true", help="longer faults")
    parser.add_argument("-k", action="append", default=[], metavar="PATTERN", dest="patterns",
                        help="only faults (or 'fault, in phase') like this; may be repeated")
    parser.add_argument("--markdown", metavar="FILE", help="where the table goes too")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR",
                        help="deadlines are so many times longer")
    parser.add_argument("--logs", metavar="DIR", help="of failed cases")
    args = parser.parse_args()
    args.logs = set_up(args.build, args.logs, args.slow)
    return args


def report(outside):
    table = outside.markdown()
    print(f"\n{table}")
    if outside.args.markdown:
        with open(outside.args.markdown, "a", encoding="utf-8") as f:
            f.write(table + "\n\n")
    failed = [row for row in outside.rows if row[2] == "FAILED"]
    print(f"\n{len(outside.rows)} cases, {len(failed)} failed")
    return 1 if failed or not outside.rows else 0


def main():
    outside = Outside(parse_arguments(__doc__), Arena)
    try:
        outside.run_all(TABLE)
    finally:
        outside.close()
    return report(outside)


if __name__ == "__main__":
    sys.exit(main())
