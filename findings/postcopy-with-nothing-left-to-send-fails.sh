#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A switch to post-copy when all memory has been sent already ends the destination's QEMU.
#
# Seen with: QEMU 11.1.3 (Debian qemu-system-x86 1:11.1.3+ds-1).  Not with 7.2.22 and 10.0.13.
# Behaviour: `migrate-start-postcopy' takes effect when QEMU's thread looks at it next, which may
# be 50 ms later, with everything sent in between.  7.2 and 10.0 look first whether the migration
# can end without post-copy, and end it so.  11.1 looks at the wish first, and switches with
# nothing left: the destination reports "loadvm failed during postcopy: -1: Failed to load section
# ID" and exits, and the source fails, after it said `postcopy-active'.  A guest that changes
# little, or was paused, gets there easily.  With a few pages left it works.  A max-bandwidth so
# low that QEMU sends one page each 100 ms keeps them.
# Output seen:
#   all was sent before the switch: source failed; destination exited with 1
#   pages were left at the switch: source completed; destination completed
# Run: findings/postcopy-with-nothing-left-to-send-fails.sh; fails if the output is another.
# Needs mmdebstrap and a mirror of Debian sid on amd64, python3; takes a minute, as root (for
# userfaultfd).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
	--include=qemu-system-x86=1:11.1.3+ds-1,seabios=1.17.0-1 sid "$work/tree"

cat >"$work/try.py" <<'END'
import json, os, socket, subprocess, sys, time

tree, work = sys.argv[1:]
lib = f"{tree}/usr/lib/x86_64-linux-gnu"
TRIES = 20      # the switch has to come while the last pages are sent
WAIT = 30
CAPABILITIES = [{"capability": name, "state": True} for name in ("return-path", "postcopy-ram")]


class Qemu:
    def __init__(self, name, *words):
        path = f"{work}/{name}.qmp"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "256",
            "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-S", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
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

    def status(self):
        try:
            return self.ask("query-migrate").get("status")
        except (OSError, json.JSONDecodeError):
            return f"exited with {self.process.wait()}"

    def until(self, *statuses):
        end = time.monotonic() + WAIT
        while (status := self.status()) not in statuses:
            if time.monotonic() > end or "exited" in status:
                sys.exit(f"{status} instead of {statuses}")
            time.sleep(0.001)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


def move(bandwidth):
    source, destination = Qemu("source"), Qemu("destination", "-incoming", "defer")
    destination.ask("migrate-incoming", uri=f"unix:{work}/migration.sock")
    if bandwidth:
        source.ask("migrate-set-parameters", **{"max-bandwidth": bandwidth})
    source.ask("migrate", uri=f"unix:{work}/migration.sock")
    source.until("active", "completed")
    source.ask("migrate-start-postcopy")
    source.until("completed", "failed")
    time.sleep(0.5)     # the destination may end a little later
    seen = f"source {source.status()}; destination {destination.status()}"
    source.end()
    destination.end()
    return seen


def some_move(bandwidth):
    for _ in range(TRIES):
        if "failed" in (seen := move(bandwidth)):
            break
    return seen


print("all was sent before the switch:", some_move(None))
print("pages were left at the switch:", some_move(40960))
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
