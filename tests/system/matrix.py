#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves a guest in each way between each two versions of QEMU, saves it by the one and restores it by
the other, lets the other take it over on the same host (refresh), and prints a table.  A dry run must
say before what becomes of the move.

    tests/system/matrix.py --build DIR [--covering] [--qemu VERSION=PROGRAM]... [--way WAY]...

Default: the QEMU of this host, and those of tests/qemu (as root, with mmdebstrap).  The machine
type is the oldest one's.  Total and blackout are of one move each, in milliseconds (of a save: until
it is done, and restored); a blackout that matters is measured by tests/bench.  With --covering two ways of each pair, so that each pair and
each way is there: "-" is not tried.
"""
import argparse
import itertools
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import long_form, settings  # noqa: E402
from lib.disks import MIB, Disk, allocated_bytes  # noqa: E402
from lib.world import World  # noqa: E402

WAYS = {
    "plain": {},
    "multifd": {"multifd": {"channels": 4}},
    "zlib": {"multifd": {"channels": 4, "compression": "zlib"}},
    "zstd": {"multifd": {"channels": 4, "compression": "zstd"}},
    "xbzrle": {"xbzrle": True},
    "auto-converge": {"auto_converge": True},
    # Without a limit a guest as small as this has moved before QEMU switches.
    "postcopy": {"postcopy": {"start": "at-once"}, "bandwidth_bytes_per_s": 16 << 20},
    "postcopy, multifd": {"postcopy": {"start": "at-once"}, "multifd": {"channels": 4},
                          "bandwidth_bytes_per_s": 16 << 20},
    "memfd, NUMA": {},
    "disks": {},
    "disks, multifd": {"multifd": {"channels": 4}},
    "save": {},
    "save, live": {"live": True},
    "refresh": {},
    "refresh, disks": {},
    "refresh, TPM": {},
}
# What the guest's definition has besides.
MEMBERS = {
    "memfd, NUMA": {"memory_backend": {"type": "memfd"},
                    "numa_nodes": [{"memory_mib": 64, "cpus": "0"}, {"memory_mib": 64}]},
    "refresh, TPM": {"tpm": {"model": "tpm-crb"}},
}
# Not moved: saved on the source, which then has the other QEMU.
SAVES = ("save", "save, live")
# Before, a background snapshot is refused, and mapped-ram is not known.
LIVE_SINCE = MAPPED_RAM_SINCE = (9, 0)
# The guest has local disks, which are copied.
LOCAL = ("disks", "disks, multifd")
# Not moved: another QEMU of the source takes the guest over.
REFRESHES = ("refresh", "refresh, disks", "refresh, TPM")
# Memory is handed over by QEMUs since this one to those that are not older, and copied otherwise.
CPR_SINCE = (10, 0)
# Ways that both QEMUs must be new enough for, and the word in the refusal.
SINCE = {"postcopy, multifd": ((10, 1), "as QEMU 10.1 can")}

# Pairs that the QEMUs do not manage with a guest that has driven a virtio disk, and their words:
# findings/virtqueues-of-10.0.13-are-larger-than-queue-size.sh.
IMPOSSIBLE = {("10.0", "11.1"): "device 'raw' (virtqueue 0: 1024, and 256 "}


def later_qemu(version):
    return subprocess.run([HERE.parent / "qemu", version], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def has_switched(source, move_id):
    return any("postcopy-active" in note["detail"]
               for note in source.api.items(f"/v1/moves/{move_id}/timeline"))


def local_disks():
    """A raw and a qcow2 disk, both mostly empty, and one over a shared backing file, to which the
    guest writes."""
    return (Disk("raw", mib=64, area=4, data=8, rate=8),
            Disk("qcow2", mib=64, format="qcow2", area=4, data=8, rate=8),
            Disk("over", mib=64, format="qcow2", area=4, data=8, rate=8, base="raw",
                 shared_base=True))


def check_images(host, disks):
    """The guest has ended: each image on HOST has what the guest wrote, and no more room."""
    for disk in disks:
        path = host.images / disk.path.name
        disk.assert_stamps(path)
        data = 0 if disk.base else disk.data
        used, size = (disk.work.area + data + 2) * MIB, allocated_bytes(path)
        if size > used:
            raise AssertionError(f"disk {disk.id} takes {size} bytes, more than {used}")


def assert_said(world, name, options, word=None):
    """A dry run says what becomes of the move: it is possible, or refused with WORD in a reason."""
    said = world["a"].api.post("/v1/moves?dry_run=true", {"vm": name, "to": "b", **options})
    details = [reason["detail"] for reason in said["reasons"] if reason["blocks"]]
    if said["possible"] != (word is None) or (word and not any(word in text for text in details)):
        raise AssertionError(f"a dry run says: possible {said['possible']}, {details}")


def move(world, name, options, disks=(), **members):
    """Starts a guest on a, moves it, checks it there, and ends it.  Returns a cell of the table."""
    a, b = world["a"], world["b"]
    guest = world.guest(name, disks=disks, **members)
    guest.start(a)
    if not options:
        assert_said(world, name, options)
    ended = world.move(guest, a, b, **options)
    guest.assert_runs_on(b)
    if "postcopy" in options and not has_switched(a, ended["id"]):
        raise AssertionError("the guest went over with all its memory")
    times = a.move_state(ended["id"])["times"]
    b.api.post(f"/v1/vms/{name}/stop")
    check_images(b, disks)
    return f"{times['total_ms']:.0f} / {times['blackout_ms']:.0f}"


def refuse(world, name, options, word, disks=()):
    """Sees that a move is refused with WORD in the reason, and that the guest is where it was."""
    a, b = world["a"], world["b"]
    guest = world.guest(name, disks=disks)
    guest.start(a)
    assert_said(world, name, options, word)
    move_id = world.begin_move(guest, a, b, **options)["id"]
    ended = world.wait_move(a, move_id, lambda move: move["final"])
    if ended["state"] != "failed" or word not in ended["error"]["detail"]:
        raise AssertionError(f"not refused: {ended['state']} {ended['error']}")
    guest.assert_runs_on(a)
    a.api.post(f"/v1/vms/{name}/stop")
    return "refused"


def number(version):
    return tuple(int(n) for n in version.split("."))


def is_possible(way, versions):
    """VERSIONS are those of both QEMUs, such as "7.2"."""
    return all(number(v) >= SINCE[way][0] for v in versions)


def job_done(host, *words):
    """Saves or restores by migrctl; returns how long that took."""
    began = time.monotonic()
    result = host.migrctl("vm", *words, "--watch", check=False)
    if result.returncode:
        raise AssertionError(result.stderr)
    return time.monotonic() - began


def refusal(reason, host, *words):
    """The same is refused, or fails, with REASON."""
    try:
        job_done(host, *words)
    except AssertionError as error:
        if reason in str(error):
            return "refused"
        raise
    return "FAIL not refused"


def use_qemu(host, program):
    host.stop()
    host.write_config(qemu={"binary": program})
    host.start()


def save_and_restore(world, name, options, versions, programs):
    """Saves a guest on a, and restores it there by the other QEMU.  Returns a cell of the table."""
    host = world["a"]
    file = host.saved / name
    guest = world.guest(name)
    guest.start(host)
    save = ("save", name, file, *(["--live"] if options else []))
    if options and number(versions[0]) < LIVE_SINCE:
        cell = refusal("can leave the guest hanging", host, *save)
        guest.assert_runs_on(host)
        host.api.post(f"/v1/vms/{name}/stop")
        return cell
    saved = job_done(host, *save)
    if options:
        guest.console.expect_reset()
        host.api.post(f"/v1/vms/{name}/stop")
    use_qemu(host, programs[1])
    try:
        if not options and number(versions[0]) >= MAPPED_RAM_SINCE > number(versions[1]):
            return refusal("wrote it as mapped-ram", host, "restore", file)
        restored = job_done(host, "restore", file)
        guest.assert_runs_on(host)
        host.api.post(f"/v1/vms/{name}/stop")
        return f"{saved * 1000:.0f} / {restored * 1000:.0f}"
    finally:
        use_qemu(host, programs[0])


def refuse_refresh(guest, host, program, word):
    """Each way is refused with WORD before there is a job, and the guest runs in its QEMU."""
    vm = guest.vm(host)
    for way in ("cpr-transfer", "stream"):
        error = host.migrctl("vm", "refresh", guest.name, "--emulator", shutil.which(program),
                             "--way", way, check=False).stderr
        if word not in error:
            raise AssertionError(f"not refused: {way} {error}")
    if any(job["vm"] == guest.name for job in host.api.items("/v1/refreshes")):
        raise AssertionError("there is a job")
    if guest.vm(host)["pid"] != vm["pid"]:
        raise AssertionError(f"another QEMU: {vm} {guest.vm(host)}")
    return "refused"


def refresh(world, name, way, versions, programs):
    """Starts a guest on a, lets the other QEMU take it over there, and ends it."""
    a = world["a"]
    guest = world.guest(name, memory_share=True, disks=local_disks() if way == "refresh, disks" else (),
                        **MEMBERS.get(way, {}))
    guest.start(a)
    if way == "refresh, disks" and versions in IMPOSSIBLE:
        cell = refuse_refresh(guest, a, programs[1], IMPOSSIBLE[versions])
        guest.assert_runs_on(a)
        a.api.post(f"/v1/vms/{name}/stop")
        return cell
    a.migrctl("vm", "refresh", name, "--emulator", shutil.which(programs[1]), "--watch")
    found = a.api.items("/v1/refreshes")[0]
    older, newer = map(number, versions)
    way = "cpr-transfer" if CPR_SINCE <= older <= newer else "stream"
    if (found["state"], found["way"]) != ("done", way):
        raise AssertionError(f"not refreshed by {way}: {found}")
    guest.assert_runs_on(a)
    a.api.post(f"/v1/vms/{name}/stop")
    return f"{way} / {found['blackout_ms']}"


def try_way(world, name, way, versions, programs):
    if way in SAVES:
        return save_and_restore(world, name, WAYS[way], versions, programs)
    if way in REFRESHES:
        return refresh(world, name, way, versions, programs)
    if way in SINCE and not is_possible(way, versions):
        return refuse(world, name, WAYS[way], SINCE[way][1])
    disks = local_disks() if way in LOCAL else ()
    if disks and versions in IMPOSSIBLE:
        return refuse(world, name, WAYS[way], IMPOSSIBLE[versions], disks)
    return move(world, name, WAYS[way], disks, **MEMBERS.get(way, {}))


def row(source, destination, versions, ways):
    """Returns the cells of one pair; a failure is a cell, too, and a way that is None is left out."""
    world, cells = World(("a", "b")), []
    try:
        world["a"].write_config(qemu={"binary": source})
        world["b"].write_config(qemu={"binary": destination})
        world.start()
        for index, way in enumerate(ways):
            if way is None:
                cells.append("-")
                continue
            try:
                cells.append(try_way(world, f"g{index}", way, versions, (source, destination)))
            except Exception as error:  # every error is this cell's failure
                cells.append(f"FAIL {error}")
    finally:
        cells += [f"FAIL {fault}" for fault in world.close()]
        world.remove()
    return cells


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--covering", action="store_true")
    parser.add_argument("--qemu", action="append", default=[], metavar="VERSION=PROGRAM")
    parser.add_argument("--way", action="append", default=[], choices=WAYS)
    long_form.add_arguments(parser)
    return parser.parse_args()


def main():
    args = parse_arguments()
    long_form.set_up(args)
    programs = dict(word.split("=", 1) for word in args.qemu) or {
        "7.2": settings.qemu, "10.0": later_qemu("10.0"), "11.1": later_qemu("11.1")}
    ways = args.way or list(WAYS)
    failed = 0
    print(f"| from, to | {' | '.join(ways)} |\n|{' --- |' * (len(ways) + 1)}", flush=True)
    for pair, (source, destination) in enumerate(itertools.product(programs, repeat=2)):
        tried = {ways[(pair + offset) % len(ways)] for offset in (0, len(ways) // 2)}
        cells = row(programs[source], programs[destination], (source, destination),
                    [way if way in tried or not args.covering else None for way in ways])
        failed += sum(cell.startswith("FAIL") for cell in cells)
        print(f"| {source}, {destination} | {' | '.join(cells)} |", flush=True)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
