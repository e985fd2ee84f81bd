#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a guest writes to its flash memory while it is moved is lost, and the old content is written
# over the destination's image.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1); 7.2.22 does the same.
# Behaviour: flash memory (pflash, where UEFI firmware keeps its variables) is sent as a block of
# memory, but the model of the device changes a byte that the guest programs without marking its
# page.  A page that was sent before is not sent again, and the migration completes.  As soon as the
# destination's QEMU runs, it writes all of its flash memory to its image.  If both QEMUs have the
# same image, the variable that the source had stored is gone from there too.  A write to ordinary
# memory at the same moment arrives.
# Output seen (a byte that is not programmed is ff; both QEMUs have the same image):
#   10.0.13: programmed before the move: 55; while it was sent: aa
#   10.0.13: memory written while it was sent: 66; flash: 55 ff; image: 55 ff
#   11.1.3: programmed before the move: 55; while it was sent: aa
#   11.1.3: memory written while it was sent: 66; flash: 55 ff; image: 55 ff
# Run: findings/flash-written-in-a-live-move-is-lost.sh; fails if the output is another.
# Needs mmdebstrap and mirrors of Debian trixie and sid on amd64, python3; takes a minute, no root.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unpack() { # SUITE VERSION
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="qemu-system-x86=$2" "$1" "$work/$1"
}
unpack trixie 1:10.0.13+ds-0+deb13u1
unpack sid 1:11.1.3+ds-1

cat >"$work/try.py" <<'END'
# The guest only halts.  QEMU's test interface (qtest) reads and writes in its place.
import atexit, json, os, socket, subprocess, sys, time

work, = sys.argv[1:]
WAIT = 60
FLASH_SIZE = 1 << 17
FLASH = (1 << 32) - (1 << 18) - FLASH_SIZE      # below the code, which is 256 KiB
PROGRAM, READ_ARRAY = 0x40, 0xFF                # commands of the flash memory
BEFORE, DURING = 0, 0x100                       # offsets of the two bytes that are programmed
HALT = b"\xf4\xeb\xfd"                          # hlt, and again, at the address of the reset
RAM, RAM_SIZE = 0x100000, 48 << 20


def line_socket(path):
    until = time.monotonic() + WAIT
    sock = socket.socket(socket.AF_UNIX)
    while sock.connect_ex(path):
        if time.monotonic() > until:
            sys.exit(f"nobody at {path}")
        time.sleep(0.02)
    return sock.makefile("rw")


class Qemu:
    def __init__(self, suite, name, *words):
        tree, path = f"{work}/{suite}", f"{work}/{suite}-{name}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none",
            "-machine", "pc-i440fx-7.2,pflash0=code,pflash1=vars,accel=tcg", "-m", "64",
            "-blockdev", f"raw,node-name=code,read-only=on,file.driver=file,file.filename={work}/code",
            "-blockdev", f"raw,node-name=vars,file.driver=file,file.filename={work}/vars",
            "-qmp", f"unix:{path}.qmp,server=on,wait=off",
            "-qtest", f"unix:{path}.qtest,server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
        atexit.register(self.end)
        self.guest = line_socket(f"{path}.qtest")
        self.monitor = line_socket(f"{path}.qmp")
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

    def access(self, *words):
        self.guest.write(" ".join(words) + "\n")
        self.guest.flush()
        answer = self.guest.readline().split()
        if answer[0] != "OK":
            sys.exit(f"{words}: {answer}")
        return answer[1:]

    def program(self, offset, value):
        for byte in (PROGRAM, value, READ_ARRAY):
            self.access("writeb", hex(FLASH + offset), hex(byte))

    def byte(self, address):
        return f"{int(self.access('readb', hex(address))[0], 16):02x}"

    def migration(self, is_so):
        until = time.monotonic() + WAIT
        while not is_so(told := self.ask("query-migrate")):
            if time.monotonic() > until or told.get("status") == "failed":
                sys.exit(f"{told}")
            time.sleep(0.01)

    def end(self):
        self.process.kill()
        self.process.wait()


def image(offset):
    with open(f"{work}/vars", "rb") as vars:
        vars.seek(offset)
        return vars.read(1).hex()


def look(suite, version):
    with open(f"{work}/code", "wb") as code:
        code.write(b"\xff" * ((1 << 18) - 16) + HALT.ljust(16, b"\xff"))
    with open(f"{work}/vars", "wb") as vars:
        vars.write(b"\xff" * FLASH_SIZE)
    source = Qemu(suite, "source")
    source.program(BEFORE, 0x55)
    source.access("memset", hex(RAM), hex(RAM_SIZE), "0x41")
    destination = Qemu(suite, "destination", "-incoming", "defer")
    destination.ask("migrate-incoming", uri=f"unix:{work}/{suite}.migrate")
    # Memory is written once more in the second pass, so that the migration goes on until it may end.
    source.ask("migrate-set-parameters", **{"max-bandwidth": 20 << 20, "downtime-limit": 1})
    source.ask("migrate", uri=f"unix:{work}/{suite}.migrate")
    source.migration(lambda told: told.get("ram", {}).get("remaining", 1 << 30) < RAM_SIZE / 2)
    source.access("memset", hex(RAM), hex(RAM_SIZE), "0x42")
    source.migration(lambda told: told.get("ram", {}).get("dirty-sync-count", 0) > 1
                     and told["status"] == "active")
    source.program(DURING, 0xAA)
    source.access("writeb", hex(RAM), "0x66")
    source.migration(lambda told: told["status"] == "active")
    print(f"{version}: programmed before the move: {image(BEFORE)}; "
          f"while it was sent: {image(DURING)}")
    source.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 2000})
    source.migration(lambda told: told["status"] == "completed")
    source.end()
    destination.migration(lambda told: told.get("status") == "completed")
    until = time.monotonic() + WAIT
    while not destination.ask("query-status")["running"]:
        if time.monotonic() > until:
            sys.exit("the destination does not run")
        time.sleep(0.02)
    print(f"{version}: memory written while it was sent: {destination.byte(RAM)}; "
          f"flash: {destination.byte(FLASH + BEFORE)} {destination.byte(FLASH + DURING)}; "
          f"image: {image(BEFORE)} {image(DURING)}")
    destination.end()


look("trixie", "10.0.13")
look("sid", "11.1.3")
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
