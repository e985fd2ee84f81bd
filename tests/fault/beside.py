#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults from outside, each at a named phase of a move: processes and hosts that
die or stop, guests that end, disks that are full, files that are damaged.

    tests/fault/beside.py --build DIR [--full] [-k TEXT] [--markdown FILE]

One line a case.  The short form leaves out what outside.py has too.  Figures of
libvirt 9.0: measured with the same faults, where there is a row number.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from scene import NOBODY, Case, Scene, arguments, run_cases, set_up

from lib import procs, settings  # noqa: E402  (scene.py has set the path)
from lib.world import World  # noqa: E402

DELAY_MS = 4000
# The loop of the destination's coordinator hangs between QEMU's word that the guest
# runs and the answer to the source.
BEFORE_ANSWER = {"b": f"qmp.reply.cont:delay:ms={DELAY_MS}"}
AT_STOP = {"a": "qmp.event.STOP:crash"}
# A guest that stands still in the handover runs on so soon after the coordinators are back.
RUNS_ON_SECONDS = 3

CASES = []


def case(phase, fault, **expected):
    def add(run):
        CASES.append(Case(run, phase, fault, **expected))
        return run
    return add


def away_s(scene):
    return scene.long(3, 8)


def away_long_s(scene):
    return scene.long(6, 30)


def until_back(scene):
    return (scene.healed_at or scene.fault_at) - scene.fault_at + RUNS_ON_SECONDS


# ---- processes of the move ------------------------------------------------------

def kill_qemu(host_id):
    def run(s):
        s.in_transfer()
        s.kill(*s.world[host_id].qemus())
    return run


def kill_stream(host_id):
    def run(s):
        s.in_transfer()
        s.kill(*s.world[host_id].streams())
    return run


case("transfer", "QEMU killed on the source", runs_on=None, keeps="a", ends="failed / failed",
     stall=None, row="4", libvirt="0, lost (cannot be helped)")(kill_qemu("a"))
case("transfer", "QEMU killed on the destination", runs_on="a", ends="failed / failed",
     row="5", libvirt="1 (A), no stop")(kill_qemu("b"))
case("transfer", "migrd-stream killed on the source", runs_on="a",
     only_full=True, ends="failed / failed")(kill_stream("a"))
case("transfer", "migrd-stream killed on the destination", runs_on="a",
     only_full=True, ends="failed / failed")(kill_stream("b"))

# ---- coordinators, in transfer ---------------------------------------------------

BOTH = ("a", "b")
# With a link of 4 MiB/s it takes 4 s.
CONVERGING = {"area": 4, "rate": 2}
NAMES = {("a",): "source's coordinator", ("b",): "destination's coordinator",
         BOTH: "both coordinators"}
LOST = "1 (A), move lost"


def in_transfer_away(ids, converging=False):
    def run(s):
        hosts = [s.world[i] for i in ids]
        s.in_transfer()
        if converging:
            converge(s)
            s.away(hosts, away_long_s(s))
        else:
            s.away(hosts, away_s(s))
            s.let_go()
    return run


def in_transfer_frozen(ids, converging=False):
    def run(s):
        s.in_transfer()
        if converging:
            converge(s)
        s.frozen([s.world[i] for i in ids], s.long(10, 30))
        if not converging:
            s.let_go()
    return run


def converge(scene):
    """From here the move would end by itself, some seconds later: QEMU has the word."""
    monitor = scene.monitor(scene.a)
    scene.a.api.patch(f"/v1/moves/{scene.move_id}", {"bandwidth_bytes_per_s": 4 << 20})
    scene.wait("QEMU's limit", lambda: monitor.command("query-migrate-parameters")
               ["return"]["max-bandwidth"] == 4 << 20)


for ids, row in ((("a",), "1"), (("b",), "2"), (BOTH, "3")):
    case("transfer", f"{NAMES[ids]} killed, back later", runs_on="b", ends="done / done", row=row,
         libvirt=f"{LOST}, no stop")(in_transfer_away(ids))
for ids, row, words in ((("a",), "1b", f"{LOST}, 0.1 s"), (("b",), "2", f"{LOST}, no stop"),
                        (BOTH, "3b", f"{LOST}, stopped 24.5 s of 30 s away")):
    case("transfer, converging", f"{NAMES[ids]} killed, back later", runs_on="b",
         ends="done / done", row=row, libvirt=words, **CONVERGING)(in_transfer_away(ids, True))
for ids, row, words in ((("a",), "9", f"{LOST}, <= 0.4 s"), (("b",), "9c", f"{LOST}, <= 0.4 s"),
                        (BOTH, "", "")):
    case("transfer", f"{NAMES[ids]} stopped (SIGSTOP)", runs_on="b", ends="done / done", row=row,
         libvirt=words, only_full=True)(in_transfer_frozen(ids))
for ids, row, words in ((("a",), "9b", "1 (B), stopped 14.5 s of 20 s"), (("b",), "", ""),
                        (BOTH, "", "")):
    case("transfer, converging", f"{NAMES[ids]} stopped (SIGSTOP)", runs_on="b",
         ends="done / done", row=row, libvirt=words, **CONVERGING)(in_transfer_frozen(ids, True))


# ---- hosts -------------------------------------------------------------------------

@case("transfer", "destination's host lost, back later", runs_on="a", only_full=True,
      ends="failed / failed")
def _(s):
    s.in_transfer()
    s.lose(s.b)
    s.sleep(2)
    s.start(s.b)


@case("transfer", "source's host lost, back later", runs_on=None, keeps="a", stall=None,
      only_full=True, ends="failed / failed")
def _(s):
    s.in_transfer()
    s.lose(s.a)
    s.sleep(2)
    s.start(s.a)


# ---- the user ------------------------------------------------------------------------

@case("transfer", "client killed", runs_on="b", ends="done / done", row="0b",
      libvirt="1 (B), 0.2 s; nobody is told")
def _(s):
    watcher = procs.Child([settings.program("migrctl"), "--socket", str(s.a.socket), "move",
                           "start", s.guest.name, "--to", "b", "--bandwidth", "128K", "--watch"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    move = s.wait("the move", lambda: s.a.moves("?state=active"))[0]
    s.move_id = move["id"]
    s.world.wait_flowing(s.a, s.move_id)
    s.fault()
    watcher.end()
    s.let_go()


@case("transfer", "cancelled", runs_on="a", ends="cancelled / failed", row="0a",
      libvirt="1 (A), <= 0.1 s")
def _(s):
    s.in_transfer()
    s.fault()
    s.a.api.post(f"/v1/moves/{s.move_id}/cancel")


# ---- handover: nobody has answered ----------------------------------------------------

HANDOVER = {"phase": "handover, completed"}


@case("handover, at STOP", "source's coordinator killed, back later", runs_on="b",
      ends="done / done", stall=until_back, plans=AT_STOP, row="11",
      libvirt="1 (A), stopped 8.1 s of 8 s away")
def _(s):
    s.begin()
    s.wait("the crash", lambda: s.a.process.poll() is not None)
    s.fault()
    s.away([s.a], away_s(s))


# QEMU then waits in its last pass, and answers no monitor.
@case("handover, at STOP, much left", "source's coordinator killed, back later", runs_on="b",
      ends="done / done", stall=until_back, plans=AT_STOP, area=32, rate=64, memory_mib=96)
def _(s):
    s.begin(downtime_limit_ms=1000)
    s.wait("the crash", lambda: s.a.process.poll() is not None)
    s.fault()
    s.away([s.a], away_s(s))


@case("handover, at STOP", "destination's coordinator killed, back later", runs_on="b",
      ends="done / done", stall=until_back, row="12", libvirt="1 (A), 0.1 s")
def _(s):
    s.when_stopped()
    s.away([s.b], away_s(s))


@case("handover, at STOP", "both coordinators killed, back later", runs_on="b",
      ends="done / done", stall=until_back, plans=AT_STOP, row="13",
      libvirt="1 (A), stopped 8.1 s of 8 s away")
def _(s):
    s.begin()
    s.wait("the crash", lambda: s.a.process.poll() is not None)
    s.away([s.a, s.b], away_s(s))


@case("handover, at STOP", "QEMU of the destination hangs", runs_on="a", ends="failed / failed",
      stall=6, area=32, rate=64, memory_mib=96)
def _(s):
    monitor = s.monitor(s.a)
    s.begin(downtime_limit_ms=1000)
    monitor.wait_event("STOP")
    s.fault()
    pid, = s.b.qemus()
    os.kill(pid, signal.SIGSTOP)
    s.wait("the end", lambda: s.is_final(s.a))


@case("handover, completed", "source's coordinator killed, back later", runs_on="b",
      ends="done / done", stall=until_back, row="14", libvirt="1 (A), stopped 8.3 s of 8 s away")
def _(s):
    s.in_handover()
    s.kill_coordinators(s.a)
    s.b.thaw()
    s.sleep(away_s(s))
    s.start(s.a)


@case("handover, completed", "destination's coordinator killed, back later", runs_on="b",
      ends="done / done", stall=until_back, row="15", libvirt="1 (A), 0.2 s")
def _(s):
    s.in_handover()
    s.away([s.b], away_s(s))


@case("handover, completed", "both coordinators killed, back later", runs_on="b",
      ends="done / done", stall=until_back, row="16", libvirt="1 (A), stopped 8.2 s of 8 s away")
def _(s):
    s.in_handover()
    s.away([s.a, s.b], away_s(s))


@case("handover, completed", "destination's coordinator stopped (SIGSTOP)", runs_on="b",
      ends="done / done", stall=until_back)
def _(s):
    s.in_handover()
    s.frozen([s.b], s.long(10, 30))


@case("handover, completed", "source's coordinator stopped (SIGSTOP)", runs_on="b",
      ends="done / done", stall=until_back)
def _(s):
    s.in_handover()
    s.fault()
    s.a.freeze()
    s.b.thaw()
    s.sleep(s.long(10, 30))
    s.a.thaw()
    s.healed()


@case("handover, completed", "QEMU killed on the source", runs_on="b", ends="done / done", stall=5)
def _(s):
    s.in_handover()
    s.kill(s.pid)
    s.b.thaw()
    s.healed()


@case("handover, completed", "QEMU killed on the destination", runs_on="a",
      ends="failed / failed", stall=5)
def _(s):
    s.in_handover()
    s.kill(*s.b.qemus())
    s.b.thaw()
    s.healed()


@case("handover, completed", "migrd-stream killed on both sides", runs_on="b", ends="done / done",
      stall=5)
def _(s):
    s.in_handover()
    s.kill(*s.a.streams(), *s.b.streams())
    s.b.thaw()
    s.healed()


@case("handover, completed", "destination's host lost, back later", runs_on="a",
      ends="failed / failed", stall=until_back)
def _(s):
    s.in_handover()
    s.lose(s.b)
    s.sleep(away_s(s))
    s.start(s.b)


@case("handover, completed", "source's host lost, back later", runs_on="b", ends="done / done",
      stall=until_back)
def _(s):
    s.in_handover()
    s.sleep(0.5)    # that it saw `completed' is on disk: else see the next case
    s.lose(s.a)
    s.b.thaw()
    s.sleep(away_s(s))
    s.start(s.a)


@case("handover, completed", "source's host lost for good, resolved", runs_on="b",
      ends="done / done", stall=None, config={"move": {"stuck_after_ms": 1000}})
def _(s):
    s.in_handover()
    s.lose(s.a)
    s.b.thaw()
    s.world.wait_state(s.b, s.move_id, "stuck")
    s.guest.console.assert_quiet()
    s.b.migrctl("move", "resolve", s.move_id, "--keep", "destination", "--assert-dead", "a")
    s.world.wait_state(s.b, s.move_id, "done")
    s.assert_runs(s.b)
    s.start(s.a)
    s.wait("the source's end", lambda: s.is_final(s.a))


@case("handover, completed", "destination's host lost for good, resolved", runs_on="a",
      ends="failed / failed", stall=None, config={"move": {"stuck_after_ms": 1000}})
def _(s):
    s.in_handover()
    s.lose(s.b)
    s.world.wait_state(s.a, s.move_id, "stuck")
    s.guest.console.assert_quiet()
    s.a.migrctl("move", "resolve", s.move_id, "--keep", "source", "--assert-dead", "b")
    s.wait("the source's end", lambda: s.is_final(s.a))
    s.assert_runs(s.a)
    s.start(s.b)


# ---- the guest runs there, and the source does not know yet ---------------------------

@case("after taken", "destination's coordinator killed, back later", runs_on="b",
      ends="done / done", plans=BEFORE_ANSWER, row="17",
      libvirt="**2: runs twice**, 6 of 6")
def _(s):
    s.when_running_there()
    s.away([s.b], away_s(s))


@case("after taken", "source's coordinator killed, back later", runs_on="b", ends="done / done",
      plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.away([s.a], away_s(s))


@case("after taken", "both coordinators killed, back later", runs_on="b", ends="done / done",
      plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.away([s.a, s.b], away_s(s))


@case("after taken", "QEMU killed on the source", runs_on="b", ends="done / done",
      plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.kill(s.pid)


@case("after taken", "QEMU killed on the destination", runs_on=None, keeps="b", stall=None,
      ends="done / done", plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.kill(*s.b.qemus())


@case("after taken", "source's host lost, back later", runs_on="b", only_full=True,
      ends="done / done",
      plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.lose(s.a)
    s.sleep(away_s(s))
    s.start(s.a)


@case("after taken", "destination's host lost, back later", runs_on=None, keeps="b", stall=None,
      only_full=True, ends="done / done", plans=BEFORE_ANSWER)
def _(s):
    s.when_running_there()
    s.lose(s.b)
    s.sleep(away_s(s))
    s.guest.console.assert_quiet()
    s.start(s.b)


# ---- the guest -------------------------------------------------------------------------

def stays_paused(s):
    """In place of settle's word that the guest runs: it must not, until it is told to."""
    s.wait("the end", lambda: s.is_final(s.a) and s.is_final(s.b))
    s.guest.console.assert_quiet()
    vm = s.guest.vm(s.b)
    if vm["state"] != "paused":
        raise AssertionError(f"the guest was paused, and is {vm['state']}")
    s.b.api.post(f"/v1/vms/{s.guest.name}/resume")


@case("before", "guest paused", runs_on="b", ends="done / done", stall=None)
def _(s):
    s.a.api.post(f"/v1/vms/{s.guest.name}/pause")
    s.fault()
    s.begin()
    stays_paused(s)


@case("transfer", "guest paused", runs_on="b", only_full=True, ends="done / done", stall=None)
def _(s):
    s.in_transfer()
    s.fault()
    s.a.api.post(f"/v1/vms/{s.guest.name}/pause")
    s.let_go()
    stays_paused(s)


@case("handover, completed", "guest paused before, both coordinators killed", runs_on="b",
      only_full=True, ends="done / done", stall=None)
def _(s):
    s.a.api.post(f"/v1/vms/{s.guest.name}/pause")
    s.in_handover()
    s.away([s.a, s.b], away_s(s))
    stays_paused(s)


def forget_before_reset(s):
    """The counter begins anew, and rightly so."""
    console = s.guest.console
    with console.changed:
        for life in console.lives:
            life.lines.clear()
            life.garbled.clear()
            life.head, life.tail = None, b""


@case("transfer", "guest resets itself", runs_on="b", only_full=True,
      ends="done / done", stall=None)
def _(s):
    s.in_transfer()
    s.fault()
    s.monitor(s.a).command("system_reset")
    s.sleep(0.3)    # what is in the socket belongs to the life before
    forget_before_reset(s)
    s.guest.console.wait_sweeps(1, settings.seconds(60), "a")
    s.let_go()


@case("transfer", "guest shuts down", runs_on=None, keeps="a", stall=None, ends="failed / failed",
      actions={"reboot": "shutdown"})
def _(s):
    s.in_transfer()
    s.fault()
    with contextlib.suppress(AssertionError, OSError):
        s.monitor(s.a).command("system_reset")  # by its reboot action the guest's end


@case("transfer", "guest panics", runs_on=None, keeps="a", stall=None, ends="failed / failed",
      extra_args=["-device", "pvpanic"])
def _(s):
    s.in_transfer()
    s.fault()
    with contextlib.suppress(AssertionError, OSError):
        s.monitor(s.a).command("human-monitor-command", **{"command-line": "o /b 0x505 1"})
    s.sleep(1)


# ---- the store -------------------------------------------------------------------------

@case("transfer", "store damaged while the source's coordinator is down", runs_on="b",
      only_full=True, ends="done / done")
def _(s):
    s.in_transfer()
    s.kill_coordinators(s.a)
    store, = s.a.state_dir.glob("*.db")
    good = {path: path.read_bytes() for path in s.a.state_dir.glob("*.db*")}
    data = good[store]
    store.write_bytes(b"no database" + data[11:])
    s.a.spawn()
    if s.a.process.wait(settings.seconds(20)) == 0 or "is broken" not in s.a.log_tail(1):
        raise AssertionError(f"a damaged store was not refused in words:\n{s.a.log_tail(5)}")
    s.guest.console.wait_line(settings.seconds(5), "a")
    for path, content in good.items():
        path.write_bytes(content)
    s.start(s.a)
    s.let_go()


class SmallDisk(World):
    """HOST_ID's state is on a file system of 2 MiB."""

    def __init__(self, host_id):
        super().__init__()
        self.state = self[host_id].state_dir
        self.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "migrd-test",
                        str(self.state)], check=True)

    def fill(self):
        with open(self.state / "filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while f.write(b"x" * size) == size:
                        pass

    def free(self):
        (self.state / "filler").unlink()

    def remove(self):
        subprocess.run(["umount", "-l", str(self.state)], check=False)
        super().remove()


@case("before", "source's disk full, space again later", runs_on="b", ends="done / done",
      disk="a")
def _(s):
    s.world.fill()
    s.fault()
    move_id = None
    with contextlib.suppress(*NOBODY):
        move_id = s.a.api.post("/v1/moves", {"vm": s.guest.name, "to": "b"}, timeout=3)["id"]
    s.guest.console.wait_line(settings.seconds(5), "a")
    s.world.free()
    s.healed()
    s.move_id = move_id or s.wait("the move", lambda: s.a.moves())[0]["id"]


def disk_full_in_transfer(s):
    s.in_transfer()
    s.world.fill()
    s.fault()
    s.let_go()
    s.sleep(3)
    s.world.free()
    s.healed()


for side, name in (("a", "source"), ("b", "destination")):
    case("transfer, converging", f"{name}'s disk full, space again later", runs_on="b",
         ends="done / done", disk=side, stall=until_back)(disk_full_in_transfer)


# ---- the programs, the certificates ------------------------------------------------------

@case("transfer", "both coordinators replaced by another build", runs_on="b", ends="done / done")
def _(s):
    s.in_transfer()
    other = s.world.dir / "other" / "bin"
    other.mkdir(parents=True)
    for name in ("migrd", "migrd-stream", "migrctl"):
        shutil.copy(settings.program(name), other / name)
    s.fault()
    s.a.stop()
    s.b.stop()
    before, settings.build_dir = settings.build_dir, other.parent
    try:
        s.start(s.a, s.b)
    finally:
        settings.build_dir = before
    s.let_go()


@case("transfer", "certificates replaced, coordinators started again", runs_on="b",
      ends="done / done")
def _(s):
    s.in_transfer()
    s.fault()
    with tempfile.TemporaryDirectory(prefix="mig") as tmp:
        shutil.copytree(s.world.dir / "h", tmp, dirs_exist_ok=True,
                        ignore=lambda *_: ["run", "state", "migrd.log"])
        for host in (s.a, s.b):
            shutil.rmtree(pathlib.Path(tmp) / host.id)
        specs = [f"{h.id}=127.0.0.1:{h.api_port}:{h.data_port}" for h in (s.a, s.b)]
        subprocess.run([settings.program("migrctl"), "pki", "host", *specs, "--dir", tmp],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for host in (s.a, s.b):
            for name in ("host.pem", "host-key.pem"):
                old = (host.dir / name).read_bytes()
                shutil.copy(pathlib.Path(tmp) / host.id / name, host.dir / name)
                if (host.dir / name).read_bytes() == old:
                    raise AssertionError("pki gave the old certificate")
    s.a.stop()
    s.b.stop()
    s.start(s.a, s.b)
    s.let_go()


# ---- the program --------------------------------------------------------------------------

def make_scene(args):
    def make(one):
        options = dict(one.scene)
        disk = options.pop("disk", None)
        if disk:
            options["world"] = SmallDisk(disk)
        return Scene(args.full, **options)
    return make


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments(parser)
    args = parser.parse_args()
    set_up(args)
    cases = [one for one in CASES if "disk" not in one.scene or os.geteuid() == 0]
    return run_cases(cases, args, make_scene(args))


if __name__ == "__main__":
    sys.exit(main())
