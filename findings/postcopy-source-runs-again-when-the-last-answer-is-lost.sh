#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# At the end of a post-copy migration, with the guest complete and running on the destination,
# the source runs it too if its connection breaks before the destination's last answer came.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1), by this script; 11.1.3
# by hand.  Not with 7.2.22, which stays `finish-migrate'.
# Behaviour: `postcopy-active' on the source looks like the point of no return: a connection that
# breaks in it pauses both sides.  But once the source has sent its last page it waits for the
# destination's SHUT on the return path; if the connection breaks there, it takes the migration
# for failed, and resumes the guest as for a failed pre-copy: two run it.  What it resumes to is
# the run state at the switch: if the guest was paused by `stop' just before
# `migrate-start-postcopy', the source stays paused, whenever the connection breaks.  The
# destination, started with -S, runs by `cont' in both cases.
# Output seen:
#   switched while it runs: source failed, running; destination completed, running
#   paused, then switched: source failed, paused; destination completed, running
# Run: findings/postcopy-source-runs-again-when-the-last-answer-is-lost.sh; fails if the output
# is another.
# Needs mmdebstrap and a mirror of Debian 13 on amd64, python3; takes a minute, as root (for
# userfaultfd).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=extract \
	--include=qemu-system-x86=1:10.0.13+ds-0+deb13u1,seabios=1.16.3-2 trixie "$work/tree"

cat >"$work/try.py" <<'END'
import json, os, socket, struct, subprocess, sys, threading, time

tree, work = sys.argv[1:]
lib = f"{tree}/usr/lib/x86_64-linux-gnu"
SHUT = 1            # the destination's last message on the return path
WAIT = 30
CAPABILITIES = [{"capability": name, "state": True} for name in ("return-path", "postcopy-ram")]


class Qemu:
    def __init__(self, name, *words):
        path = f"{work}/{name}.qmp"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "64",
            "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
        self.sock = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + WAIT
        while self.sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit("no monitor")
            time.sleep(0.02)
        self.stream = self.sock.makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")
        self.ask("migrate-set-capabilities", capabilities=CAPABILITIES)

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def states(self):
        return self.ask("query-migrate").get("status"), self.ask("query-status")["status"]

    def until(self, *statuses):
        end = time.monotonic() + WAIT
        while self.states()[0] not in statuses:
            if time.monotonic() > end:
                sys.exit(f"{self.states()} instead of {statuses}")
            time.sleep(0.01)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


class Wire:
    """Carries all from the source to the destination, and back all but SHUT."""

    def __init__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{work}/source.sock")
        self.listener.listen()
        self.there = socket.socket(socket.AF_UNIX)
        self.there.connect(f"{work}/destination.sock")
        threading.Thread(target=self.forth, daemon=True).start()

    def forth(self):
        self.here, _ = self.listener.accept()
        threading.Thread(target=self.back, daemon=True).start()
        while data := self.here.recv(65536):
            self.there.sendall(data)

    def back(self):
        reader = self.there.makefile("rb")
        while len(head := reader.read(4)) == 4:
            kind, size = struct.unpack(">HH", head)
            body = reader.read(size)
            if kind != SHUT:
                self.here.sendall(head + body)

    def end(self):
        self.here.shutdown(socket.SHUT_RDWR)
        self.there.close()
        self.listener.close()


def move(stop_first):
    for name in ("source", "destination"):
        if os.path.exists(f"{work}/{name}.sock"):
            os.unlink(f"{work}/{name}.sock")
    source, destination = Qemu("source"), Qemu("destination", "-S", "-incoming", "defer")
    destination.ask("migrate-incoming", uri=f"unix:{work}/destination.sock")
    wire = Wire()
    source.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 20})
    source.ask("migrate", uri=f"unix:{work}/source.sock")
    source.until("active")
    if stop_first:
        source.ask("stop")
    source.ask("migrate-start-postcopy")
    destination.until("postcopy-active", "completed")
    destination.ask("cont")
    destination.until("completed")
    if source.states()[0] != "postcopy-active":
        sys.exit(f"the source is {source.states()} before its last answer")
    wire.end()
    source.until("failed")
    time.sleep(1)   # what it does next is the question
    seen = source.states() + destination.states()
    source.end()
    destination.end()
    return "source {}, {}; destination {}, {}".format(*seen)


print("switched while it runs:", move(False))
print("paused, then switched:", move(True))
END
python3 "$work/try.py" "$work/tree" "$work" 2>"$work/words" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
