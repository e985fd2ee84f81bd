#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A downtime-limit of 0 does not keep QEMU from stopping a guest that has nothing left to send.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1).
# Behaviour: whoever wants a transfer that is kept up to date, and a guest that is not stopped
# before somebody says so, looks for a limit that no rest fits into.  QEMU takes 0 for
# `downtime-limit', and from 8.2 on 1 byte a second for `avail-switchover-bandwidth', which makes
# of any limit nothing.  But it compares what is left with what fits, and nothing left is not more
# than nothing: a guest that changes little is stopped and sent with both.  The one that is held by
# it is the guest that never comes to nothing.
# Output seen (a guest of 64 MiB that waits in its firmware):
#   10.0.13, downtime-limit 0: completed
#   10.0.13, downtime-limit 0 and avail-switchover-bandwidth 1: completed
#   11.1.3, downtime-limit 0: completed
#   11.1.3, downtime-limit 0 and avail-switchover-bandwidth 1: completed
# Run: findings/downtime-limit-0-still-switches.sh; fails if the output is another.
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
import atexit, json, os, socket, subprocess, sys, time

work, = sys.argv[1:]
WAIT = 30   # s


class Qemu:
    def __init__(self, suite, name, *more):
        tree, self.path = f"{work}/{suite}", f"{work}/{suite}-{name}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none",
            "-machine", "pc,accel=tcg", "-m", "64", "-L", f"{tree}/usr/share/seabios",
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


for suite, version in (("trixie", "10.0.13"), ("sid", "11.1.3")):
    for limits in ({"downtime-limit": 0},
                   {"downtime-limit": 0, "avail-switchover-bandwidth": 1}):
        source = Qemu(suite, "source")
        destination = Qemu(suite, "destination", "-incoming", "defer")
        source.ask("migrate-set-parameters", **limits)
        destination.ask("migrate-incoming", uri=f"unix:{destination.path}.in")
        source.ask("migrate", uri=f"unix:{destination.path}.in")
        until = time.monotonic() + WAIT
        while (end := source.ask("query-migrate")["status"]) not in ("completed", "failed") and \
                time.monotonic() < until:
            time.sleep(0.02)
        words = " and ".join(f"{name} {value}" for name, value in limits.items())
        print(f"{version}, {words}: {end}")
        source.end()
        destination.end()
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n '/^# Output seen/,/^# Run/{s/^#   \([0-9].*\)/\1/p}' "$0" | diff - "$work/seen"
