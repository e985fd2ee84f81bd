#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A source with switchover-ack that gets no answer of its destination sends on, and its guest runs;
# with QEMU 11.1 that depends on the guest's machine type: one of the newest type is stopped first.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1).
# Behaviour: with the capability `switchover-ack' a source does not stop its guest before the
# destination has said that it may, over the return path.  A guest without a device that wants that
# word is let go at once by the destination, so whoever holds the bytes of the return path back
# seems to have a switch that decides when the guest is stopped.  QEMU 10.0 waits for the word
# whatever devices there are: `active', and the guest runs.  QEMU 11.1 does so only for a guest of an
# older machine type.  One of its own type it stops (`device'), and what is held back keeps the guest
# stopped until it comes.
# Output seen (the return path is held back for three seconds):
#   10.0.13, its own pc: while it is held back: active, the guest is running; then: completed
#   11.1.3, pc-i440fx-7.2: while it is held back: active, the guest is running; then: completed
#   11.1.3, its own pc: while it is held back: device, the guest is finish-migrate; then: completed
# Run: findings/switchover-ack-waits-by-machine-type.sh; fails if the output is another.
# Needs mmdebstrap and mirrors of Debian trixie and sid on amd64, python3; takes a minute, no root.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unpack() { # SUITE VERSION SEABIOS
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="qemu-system-x86=$2,seabios=$3" "$1" "$work/$1"
}
unpack trixie 1:10.0.13+ds-0+deb13u1 1.16.3-2
unpack sid 1:11.1.3+ds-1 1.17.0-1

cat >"$work/try.py" <<'END'
import atexit, json, os, socket, subprocess, sys, threading, time

work, = sys.argv[1:]
WAIT = 60
HELD = 3    # s


class Qemu:
    def __init__(self, suite, machine, name, *more):
        tree, self.path = f"{work}/{suite}", f"{work}/{suite}-{machine}-{name}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none",
            "-machine", f"{machine},accel=tcg", "-m", "64", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{self.path}.qmp,server=on,wait=off",
            *more],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
        atexit.register(self.end)
        sock, until = socket.socket(socket.AF_UNIX), time.monotonic() + WAIT
        while sock.connect_ex(f"{self.path}.qmp"):
            if time.monotonic() > until:
                sys.exit("QEMU does not come")
            time.sleep(0.02)
        self.monitor = sock.makefile("rw")
        self.monitor.readline()
        self.ask("qmp_capabilities")
        self.ask("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in ("return-path", "switchover-ack")])

    def ask(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def end(self):
        self.process.kill()
        self.process.wait()


def carry(here, there, may_go):
    may_go.wait()
    while data := here.recv(1 << 16):
        there.sendall(data)
    there.shutdown(socket.SHUT_WR)


def connect(source, destination):
    """Carries the migration from the one to the other.  What is set lets the answers through."""
    port, answers, always = socket.socket(socket.AF_UNIX), threading.Event(), threading.Event()
    port.bind(f"{source.path}.out")
    port.listen(1)
    always.set()
    destination.ask("migrate-incoming", uri=f"unix:{destination.path}.in")
    source.ask("migrate", uri=f"unix:{source.path}.out")
    here, there = port.accept()[0], socket.socket(socket.AF_UNIX)
    there.connect(f"{destination.path}.in")
    for args in ((here, there, always), (there, here, answers)):
        threading.Thread(target=carry, args=args, daemon=True).start()
    return answers


for suite, version, machine, words in (
        ("trixie", "10.0.13", "pc", "its own pc"), ("sid", "11.1.3", "pc-i440fx-7.2", "pc-i440fx-7.2"),
        ("sid", "11.1.3", "pc", "its own pc")):
    source = Qemu(suite, machine, "source")
    destination = Qemu(suite, machine, "destination", "-incoming", "defer")
    answers = connect(source, destination)
    time.sleep(HELD)
    held = source.ask("query-migrate")["status"], source.ask("query-status")["status"]
    answers.set()
    until = time.monotonic() + WAIT
    while (end := source.ask("query-migrate")["status"]) not in ("completed", "failed"):
        if time.monotonic() > until:
            sys.exit(end)
        time.sleep(0.02)
    print(f"{version}, {words}: while it is held back: {held[0]}, the guest is {held[1]}; "
          f"then: {end}")
    source.end()
    destination.end()
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n '/^# Output seen/,/^# Run/{s/^#   \([0-9].*\)/\1/p}' "$0" | diff - "$work/seen"
