#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The dirty rate of QEMU's page sampling falls to a quarter when it is measured for four times as
# long, and is 0 for a guest that writes what was there.
#
# Seen with: QEMU 10.0.13 (Debian qemu-system-x86 1:10.0.13+ds-0+deb13u1) and 11.1.3
# (1:11.1.3+ds-1); 7.2.22 does the same.
# Behaviour: `calc-dirty-rate' in its default mode compares some pages at the beginning and at the
# end of calc-time, and divides what has another content by calc-time.  A guest that goes over the
# same 64 MiB all the time has a "rate" of 64 MiB by calc-time, however fast it writes: that is the
# size of the set that it writes, not a speed to be compared with the link's.  Who measures for long
# enough finds that every guest converges.  Pages that are written with the same content count 0,
# though a migration sends them again in each pass.
# Output seen (256 MiB of memory, of which 64 MiB are written several times in each second; MiB, the
# set rounded to 32, because it is sampled):
#   10.0.13, other content: rate by calc-time 64 in 1 s, 64 in 4 s; sent again in each pass: yes
#   10.0.13, same content: rate by calc-time 0 in 1 s, 0 in 4 s; sent again in each pass: yes
#   11.1.3, other content: rate by calc-time 64 in 1 s, 64 in 4 s; sent again in each pass: yes
#   11.1.3, same content: rate by calc-time 0 in 1 s, 0 in 4 s; sent again in each pass: yes
# Run: findings/page-sampling-tells-a-set-not-a-rate.sh; fails if the output is another.
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
# The guest stands still.  QEMU's test interface (qtest) writes in its place.
import atexit, json, os, socket, subprocess, sys, threading, time

work, = sys.argv[1:]
WAIT = 60
MIB = 1 << 20
WRITTEN = 64 * MIB
BETWEEN = 0.05  # s
PASSES = 5


def line_socket(path):
    until = time.monotonic() + WAIT
    sock = socket.socket(socket.AF_UNIX)
    while sock.connect_ex(path):
        if time.monotonic() > until:
            sys.exit(f"nobody at {path}")
        time.sleep(0.02)
    return sock.makefile("rw")


class Qemu:
    def __init__(self, suite, changing):
        tree, path = f"{work}/{suite}", f"{work}/{suite}-{changing}"
        lib = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.changing, self.ends = changing, False
        self.process = subprocess.Popen([
            f"{lib}/ld-linux-x86-64.so.2", "--library-path", lib,
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none", "-S",
            "-machine", "pc-i440fx-7.2,accel=tcg", "-m", "256", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{path}.qmp,server=on,wait=off",
            "-qtest", f"unix:{path}.qtest,server=on,wait=off"],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
        atexit.register(self.end)
        self.guest = line_socket(f"{path}.qtest")
        self.monitor = line_socket(f"{path}.qmp")
        self.monitor.readline()
        self.ask("qmp_capabilities")
        self.write(1)
        self.writer = threading.Thread(target=self.write_on, daemon=True)
        self.writer.start()

    def write(self, value):
        self.guest.write(f"memset {WRITTEN} {WRITTEN} {value}\n")
        self.guest.flush()
        if not self.guest.readline().startswith("OK"):
            sys.exit("the test interface refuses")

    def write_on(self):
        value = 1
        while not self.ends:
            value = value % 255 + 1 if self.changing else value
            self.write(value)
            time.sleep(BETWEEN)

    def ask(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def until(self, command, is_so):
        end = time.monotonic() + WAIT
        while not is_so(told := self.ask(command)):
            if time.monotonic() > end:
                sys.exit(f"{told}")
            time.sleep(0.02)
        return told

    def changed_set(self, seconds):
        self.ask("calc-dirty-rate", **{"calc-time": seconds, "sample-pages": 4096})
        told = self.until("query-dirty-rate", lambda told: told["status"] == "measured")
        return round(told["dirty-rate"] * seconds / 32) * 32

    def sent_again(self):
        """Whether passes after the first send much; the bandwidth is too little for an end."""
        self.ask("migrate-set-parameters", **{"max-bandwidth": 128 * MIB})
        self.ask("migrate", uri="exec:cat >/dev/null")
        first, last = [self.until(
            "query-migrate", lambda told, n=n: told.get("ram", {}).get("dirty-sync-count", 0) >= n)
            for n in (2, 2 + PASSES)]
        if last["status"] != "active":
            sys.exit(f"{last}")
        passes = last["ram"]["dirty-sync-count"] - first["ram"]["dirty-sync-count"]
        sent = last["ram"]["transferred"] - first["ram"]["transferred"]
        return "yes" if sent / passes > WRITTEN / 4 else f"{sent / passes}"

    def end(self):
        self.ends = True
        self.process.kill()
        self.process.wait()


for version, suite in (("10.0.13", "trixie"), ("11.1.3", "sid")):
    for words, changing in (("other content", True), ("same content", False)):
        qemu = Qemu(suite, changing)
        sets = [f"{qemu.changed_set(seconds)} in {seconds} s" for seconds in (1, 4)]
        print(f"{version}, {words}: rate by calc-time {', '.join(sets)}; "
              f"sent again in each pass: {qemu.sent_again()}")
        qemu.end()
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
