#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The baseline: a bare QMP script that moves a guest with as few steps as possible.

Two QEMUs, one UNIX socket, plain or with QEMU's own TLS.  The script records no owner of
the guest and checks for no failure: a coordinator's cost is the difference to this.

    tests/bench/bare_move.py [--moves N] [--memory MIB] [--area MIB] [--rate MIB/S]
"""
import argparse
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import figures  # noqa: E402
from lib import guest_image, procs, settings  # noqa: E402
from lib.console import Console  # noqa: E402

CAPABILITIES = ["events", "return-path", "late-block-activate"]
TLS_HOST = "a"
TLS_NAME = f"{TLS_HOST}.host.migrd"
WORK_MS = 500
# The bandwidth is unlimited, as in migrd; the pause has QEMU's default limit, of which migrd
# allows an eighth at first (migrd/move/downtime.h).
PARAMETERS = {"max-bandwidth": 1 << 40, "downtime-limit": 300}


class Monitor:
    """One QMP connection, which sends one command at a time and keeps the events."""

    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(path)
        self._file = self._sock.makefile("rb")
        self.events = []
        self._read()  # the greeting
        self.command("qmp_capabilities")

    def _read(self):
        message = json.loads(self._file.readline())
        if "event" in message:
            self.events.append(message)
        return message

    def command(self, name, **arguments):
        self._sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._read()
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def wait_migration(self, status):
        """Returns the time of the event, in seconds of QEMU's wall clock."""
        while True:
            for event in self.events:
                if event["event"] == "MIGRATION" and event["data"]["status"] == status:
                    return stamp(event)
            if self._read().get("data", {}).get("status") == "failed":
                raise RuntimeError("the migration failed")

    def wait_event(self, name):
        while True:
            for event in self.events:
                if event["event"] == name:
                    return stamp(event)
            self._read()

    def close(self):
        self._file.close()
        self._sock.close()


def stamp(event):
    at = event["timestamp"]
    return at["seconds"] + at["microseconds"] / 1e6


@functools.lru_cache
def reconnects(program):
    """How PROGRAM is told to connect again after a second: since 9.2 `reconnect-ms', and 11.1 does not
    know the other."""
    text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    version = tuple(map(int, re.search(r"version (\d+)\.(\d+)", text).groups()))
    return "reconnect-ms=1000" if version >= (9, 2) else "reconnect=1"


class Qemu:
    """A QEMU with the command line of migrd/cmdline/cmdline.c and one monitor."""

    def __init__(self, directory, name, image, console, memory_mib, incoming=False, extra=()):
        path = f"{directory}/{name}.qmp"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        fd = listener.fileno()
        argv = [settings.qemu, "-name", f"guest={name},debug-threads=on",
                "-machine", "pc-q35-7.2,accel=tcg", "-cpu", "qemu64", "-m", f"{memory_mib}M",
                "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                "-chardev", f"socket,id=mon0,fd={fd},server=on,wait=off",
                "-mon", "chardev=mon0,mode=control",
                "-blockdev", "driver=raw,node-name=boot-node,read-only=on,file.driver=file,"
                             f"file.filename={image}",
                "-device", "virtio-blk-pci,id=boot,drive=boot-node,addr=0x3,bootindex=0",
                "-chardev", f"socket,id=serial0,path={console},server=off,"
                             f"{reconnects(settings.qemu)}",
                "-serial", "chardev:serial0", "-S", *extra,
                *(["-incoming", "defer"] if incoming else [])]
        self.process = procs.Child(argv, pass_fds=[fd], stdin=subprocess.DEVNULL,
                                   env={**os.environ, procs.MARK: f"{directory}/{name}"})
        listener.close()
        self.monitor = Monitor(path)

    def prepare(self, tls, endpoint):
        self.monitor.command("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in CAPABILITIES])
        if tls:
            self.monitor.command("object-add", **{
                "qom-type": "tls-creds-x509", "id": f"tls-{endpoint}", "dir": tls,
                "endpoint": endpoint, "verify-peer": True, "sanity-check": False})
            self.monitor.command("migrate-set-parameters", **{
                "tls-creds": f"tls-{endpoint}", "tls-hostname": TLS_NAME})

    def end(self):
        self.monitor.close()
        self.process.end()


def make_tls(pki_dir, host_id, directory):
    """Makes a host's certificate files, under the names that QEMU wants (for both endpoints)."""
    os.mkdir(directory)
    names = {"ca.pem": ["ca-cert"], "host.pem": ["server-cert", "client-cert"],
             "host-key.pem": ["server-key", "client-key"]}
    for name, copies in names.items():
        for copy in copies:
            shutil.copy(f"{pki_dir}/{host_id}/{name}", f"{directory}/{copy}.pem")


def move(source, start_destination, directory, tls=None):
    """Moves the guest once, encrypted by QEMU itself if TLS (a directory) is given; returns the
    new QEMU and the figures in milliseconds."""
    uri = f"unix:{directory}/ram.sock"
    source.monitor.events.clear()  # those of the guest's own arrival
    began = time.monotonic()
    destination = start_destination()
    started = time.monotonic()
    destination.prepare(tls, "server")
    destination.monitor.command("migrate-incoming", uri=uri)
    source.prepare(tls, "client")
    source.monitor.command("migrate-set-parameters", **PARAMETERS)
    source.monitor.command("migrate", uri=uri)
    completed = source.monitor.wait_migration("completed")
    destination.monitor.wait_migration("completed")
    destination.monitor.command("cont")
    info = source.monitor.command("query-migrate")
    source.monitor.command("quit")
    source.process.wait()
    ended = time.monotonic()
    source.end()
    resumed = destination.monitor.wait_event("RESUME")
    total_ms = (ended - started) * 1000
    return destination, {
        "total_ms": total_ms,
        "total_with_start_ms": (ended - began) * 1000,
        "qemu_total_ms": info["total-time"],
        "overhead_ms": total_ms - info["total-time"],
        "overhead_with_start_ms": (ended - began) * 1000 - info["total-time"],
        "completed_to_resume_ms": (resumed - completed) * 1000,
    }


def run(image, period_ms, moves, memory_mib, is_busy, pki_dir=None):
    """Moves the guest on IMAGE MOVES times, after one move that does not count: {name: [ms,
    ...]}."""
    with tempfile.TemporaryDirectory(prefix="bare", dir="/tmp") as directory:
        console = Console(f"{directory}/console", period_ms)
        number, source, results = 0, None, []
        tls = f"{directory}/tls" if pki_dir else None
        if tls:
            make_tls(pki_dir, TLS_HOST, tls)

        def start(incoming=True):
            nonlocal number
            number += 1
            return Qemu(directory, f"q{number}", image, console.path, memory_mib, incoming)
        try:
            source = start(incoming=False)
            source.monitor.command("cont")
            for _ in range(moves + 1):
                let_it_work(console)
                source, result = move(source, start, directory, tls)
                results.append(result)
            if is_busy:
                console.wait_sweeps(1)
            console.assert_sane()
            blackouts = console.blackouts_ms()
        finally:
            if source:
                source.end()
            procs.kill_all(directory)
            console.close()
    found = {name: [r[name] for r in results[1:]] for name in results[0]}
    found["blackout_ms"] = blackouts[1:]
    return found


def let_it_work(console):
    """Waits, so that the guest works at its usual pace when the next move begins."""
    _, first = console.wait_line()
    console.wait_until(f"{WORK_MS} ms of the guest's time", 30,
                       lambda: console.last()[1].ticks >= first.ticks + WORK_MS)


def make_image(path, area, rate, period_ms=4):
    guest_image.make(path, area, rate, 0, period_ms)


def main():
    parser = argparse.ArgumentParser(description="moves a guest by a bare QMP script")
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--memory", type=int, default=512, metavar="MIB")
    parser.add_argument("--area", type=int, default=0, metavar="MIB")
    parser.add_argument("--rate", default="0", metavar="MIB/S")
    args = parser.parse_args()
    procs.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="bare-image-") as directory:
        image = f"{directory}/guest.img"
        make_image(image, args.area, args.rate)
        found = run(image, 4, args.moves, args.memory, args.area > 0 and args.rate != "0")
    print(f"bare QMP script, {args.moves} moves, {figures.load()}")
    for name, values in found.items():
        figures.line(name, values)


if __name__ == "__main__":
    main()
