#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest with a virtio device cannot move from QEMU 10.0.13 to 11.1: its queues are larger than
# the property queue-size says.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1).  7.2.22 has what queue-size says, and takes either.
# Behaviour: in 10.0.13 the queues of virtio devices (blk, net and scsi were looked at) have 1024
# entries, also with queue-size=128, while the property reads 128.  A modern driver may take a
# smaller queue, and SeaBIOS does: a guest that uses the device no further moves.  Others do not:
# 11.1 refuses the state of a queue that is larger than its own.  The guest stays on the source, and
# can be moved to a 7.2 or 10.0, or shut down and started anew.  From 11.1 to 10.0.13 it works.
# Output seen:
#   10.0.13, queue-size 128: 1024 entries
#   11.1.3, queue-size 128: 128 entries
#   10.0.13 to 11.1.3: VQ 0 vring.num 1024 exceeds allocated max 128
#   11.1.3 to 10.0.13: completed
# Run: findings/virtqueues-of-10.0.13-are-larger-than-queue-size.sh; fails if the output is another.
# Needs mmdebstrap and mirrors of Debian trixie and sid on amd64, python3; takes a minute.
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
import json, os, socket, subprocess, sys, time

work, = sys.argv[1:]
WAIT = 30


class Qemu:
    def __init__(self, suite, *words):
        tree = f"{work}/{suite}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        path = f"{work}/{suite}.qmp"
        self.log = f"{work}/{suite}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([
                f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
                f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "pc-i440fx-7.2,accel=tcg",
                "-m", "64", "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
                "-L", f"{tree}/usr/share/qemu", "-S", "-blockdev", "null-co,node-name=disk",
                "-device", "virtio-blk-pci,id=vda,drive=disk,queue-size=128",
                "-qmp", f"unix:{path},server=on,wait=off", *words],
                env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=log)
        self.sock = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + WAIT
        while self.sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit("no monitor")
            time.sleep(0.02)
        self.stream = self.sock.makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


def entries(suite):
    qemu = Qemu(suite)
    status = qemu.ask("x-query-virtio-queue-status", queue=0,
                      path="/machine/peripheral/vda/virtio-backend")
    size = qemu.ask("qom-get", path="/machine/peripheral/vda/virtio-backend", property="queue-size")
    qemu.end()
    return f"queue-size {size}: {status['vring-num-default']} entries"


def move(here, there):
    source, destination = Qemu(here), Qemu(there, "-incoming", "defer")
    destination.ask("migrate-incoming", uri=f"unix:{work}/migration.sock")
    source.ask("migrate", uri=f"unix:{work}/migration.sock")
    until = time.monotonic() + WAIT
    while source.ask("query-migrate").get("status") not in ("completed", "failed"):
        if time.monotonic() > until:
            sys.exit("the migration does not end")
        time.sleep(0.05)
    word = "completed"
    while True:
        with open(destination.log, encoding="utf-8") as log:
            words = [line.split(": ", 1)[1].strip() for line in log if "vring.num" in line]
        if words:
            word = words[0]
            break
        if destination.process.poll() is not None:
            sys.exit(f"{there} exited with {destination.process.poll()} and no such word")
        if destination.ask("query-migrate").get("status") == "completed":
            break
        time.sleep(0.05)
    source.end()
    destination.end()
    return word


NAMES = {"trixie": "10.0.13", "sid": "11.1.3"}
for suite, name in NAMES.items():
    print(f"{name}, {entries(suite)}")
for here, there in (("trixie", "sid"), ("sid", "trixie")):
    print(f"{NAMES[here]} to {NAMES[there]}: {move(here, there)}")
END
python3 "$work/try.py" "$work" >"$work/out"
cat "$work/out"
diff "$work/out" - <<'END'
10.0.13, queue-size 128: 1024 entries
11.1.3, queue-size 128: 128 entries
10.0.13 to 11.1.3: VQ 0 vring.num 1024 exceeds allocated max 128
11.1.3 to 10.0.13: completed
END
