#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A move of a guest whose memory is a memfd takes all of the guest's memory on both hosts, also what
# the guest never used.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1), Linux 6; 7.2.22 does the same.
# Behaviour: the source reads each page to see whether it is all zero, and the destination does so
# before it writes a zero page.  To read a page that was never written costs nothing with anonymous
# memory (one page of zeroes is there for all); a hole of a memfd, with share=on and share=off, is
# filled with a page of its own.  Nothing is sent for them: 3 MiB went over in each case.  So hosts
# that count on unused memory (overcommit, limits of a memory cgroup) run short in the middle of a
# move, and the source keeps what it took after a move that failed.
# Output seen (1 GiB that nobody wrote to; memory that the two processes hold, rounded to 64 MiB):
#   10.0.13, memory-backend-ram: before 0; after: source 0, destination 0
#   10.0.13, memory-backend-memfd,share=off: before 0; after: source 1024, destination 1024
#   10.0.13, memory-backend-memfd,share=on: before 0; after: source 1024, destination 1024
#   11.1.3, memory-backend-ram: before 0; after: source 0, destination 0
#   11.1.3, memory-backend-memfd,share=off: before 0; after: source 1024, destination 1024
#   11.1.3, memory-backend-memfd,share=on: before 0; after: source 1024, destination 1024
# Run: findings/move-fills-the-holes-of-memfd-memory.sh; fails if the output is another.
# Needs mmdebstrap and mirrors of Debian trixie and sid on amd64, python3, 2.5 GiB of free memory;
# takes a minute, no root.
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
WAIT = 60
STEP = 64       # MiB; QEMU itself holds less


class Qemu:
    def __init__(self, suite, backend, name, *words):
        tree, path = f"{work}/{suite}", f"{work}/{name}.qmp"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none",
            "-machine", "pc-i440fx-7.2,memory-backend=ram,accel=tcg", "-m", "1G", "-S",
            "-object", f"{backend},id=ram,size=1G", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
        atexit.register(self.end)
        until = time.monotonic() + WAIT
        sock = socket.socket(socket.AF_UNIX)
        while sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit("no monitor")
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

    def holds(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            kib = sum(int(line.split()[1]) for line in status
                      if line.startswith(("RssAnon:", "RssShmem:")))
        return kib // 1024 // STEP * STEP

    def end(self):
        self.process.kill()
        self.process.wait()


def look(version, suite, backend):
    source = Qemu(suite, backend, "source")
    destination = Qemu(suite, backend, "destination", "-incoming", "defer")
    before = source.holds()
    destination.ask("migrate-incoming", uri=f"unix:{work}/migration")
    source.ask("migrate", uri=f"unix:{work}/migration")
    until = time.monotonic() + WAIT
    while (status := source.ask("query-migrate").get("status")) != "completed":
        if status == "failed" or time.monotonic() > until:
            sys.exit(f"the migration is {status}")
        time.sleep(0.05)
    print(f"{version}, {backend}: before {before}; "
          f"after: source {source.holds()}, destination {destination.holds()}")
    source.end()
    destination.end()


for version, suite in (("10.0.13", "trixie"), ("11.1.3", "sid")):
    for backend in ("memory-backend-ram", "memory-backend-memfd,share=off",
                    "memory-backend-memfd,share=on"):
        look(version, suite, backend)
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
