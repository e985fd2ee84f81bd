#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Post-copy cannot fetch memory into a plain file, and QEMU 7.2 finds that out after the switch.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3), 10.0.13
# (1:10.0.13+ds-0+deb13u1) and 11.1.3 (1:11.1.3+ds-1).
# Behaviour: the kernel tells of pages that are not there (userfaultfd) only in anonymous memory,
# tmpfs and huge pages.  10.0 and 11.1 look at the file system of each memory-backend-file when the
# destination is told of post-copy, and refuse.  7.2 takes the capability and the guest, and its
# destination ends when it wants to register the memory: after the switch, so the source stays
# paused, and waits for a destination that is gone.
# Output seen:
#   7.2.22, tmpfs: source completed; destination completed
#   7.2.22, plain file: source postcopy-paused; destination exited with 1
#   10.0.13, tmpfs: source completed; destination completed
#   10.0.13, plain file: Postcopy is not supported: Host backend files need to be TMPFS or HUGETLBFS only
#   11.1.3, tmpfs: source completed; destination completed
#   11.1.3, plain file: Postcopy is not supported: Host backend files need to be TMPFS or HUGETLBFS only
# Run: findings/postcopy-into-memory-of-a-plain-file.sh; fails if the output is another.
# Needs mmdebstrap and mirrors of Debian bookworm, trixie and sid on amd64, python3, /var/tmp on a
# disk; takes two minutes, as root (for userfaultfd).
set -euo pipefail

work=$(mktemp -d /var/tmp/postcopy.XXXXXX)
trap 'rm -rf "$work" /dev/shm/"${work##*/}"' EXIT
mkdir /dev/shm/"${work##*/}"
unpack() { # SUITE VERSION
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="qemu-system-x86=$2,seabios" "$1" "$work/$1"
}
unpack bookworm 1:7.2+dfsg-7+deb12u18+b3
unpack trixie 1:10.0.13+ds-0+deb13u1
unpack sid 1:11.1.3+ds-1

cat >"$work/try.py" <<'END'
import json, os, pathlib, socket, subprocess, sys, time

work, = sys.argv[1:]
WAIT = 30
CAPABILITIES = [{"capability": name, "state": True} for name in ("return-path", "postcopy-ram")]


class Refused(Exception):
    pass


class Qemu:
    def __init__(self, suite, name, memory, *words):
        tree = f"{work}/{suite}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        loader = next(path for path in (f"{lib}/ld-linux-x86-64.so.2",
                                        f"{tree}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
                      if os.path.exists(path))
        path = f"{work}/{name}.qmp"
        self.log = pathlib.Path(f"{work}/{name}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([
                loader, "--library-path", f"{lib}:{tree}/lib/x86_64-linux-gnu",
                f"{tree}/usr/bin/qemu-system-x86_64", "-accel", "tcg",
                "-machine", "pc-q35-7.2,memory-backend=m",
                "-object", f"memory-backend-file,id=m,size=64M,mem-path={memory}",
                "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
                "-L", f"{tree}/usr/share/qemu", "-S", "-qmp", f"unix:{path},server=on,wait=off",
                *words], env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=log)
        self.sock = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + WAIT
        while self.sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit(f"no monitor: {self.log.read_text()}")
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
                raise Refused(answer["error"]["desc"])
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
            time.sleep(0.01)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


def move(suite, place):
    source = Qemu(suite, "source", "/dev/shm")
    destination = Qemu(suite, "destination", place, "-incoming", "defer")
    try:
        for qemu in (source, destination):
            qemu.ask("migrate-set-capabilities", capabilities=CAPABILITIES)
        destination.ask("migrate-incoming", uri=f"unix:{work}/migration.sock")
        source.ask("migrate-set-parameters", **{"max-bandwidth": 40960})
        source.ask("migrate", uri=f"unix:{work}/migration.sock")
        source.until("active")
        source.ask("migrate-start-postcopy")
        source.until("postcopy-active", "postcopy-paused", "completed", "failed")
        source.ask("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})
        time.sleep(3)     # what follows comes by itself
        return f"source {source.status()}; destination {destination.status()}"
    except Refused as words:
        return str(words)
    finally:
        source.end()
        destination.end()


for suite, name in (("bookworm", "7.2.22"), ("trixie", "10.0.13"), ("sid", "11.1.3")):
    for place, words in (("/dev/shm", "tmpfs"), (work, "plain file")):
        print(f"{name}, {words}: {move(suite, place)}")
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
