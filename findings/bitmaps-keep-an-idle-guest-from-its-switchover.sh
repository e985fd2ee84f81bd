#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With `dirty-bitmaps' the migration of a guest that changes little does not come to its end: the
# larger the disk, the less.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3); the same by hand on
# 10.0.13.
# Behaviour: QEMU counts a byte for each bit of a bitmap that is to be sent, whatever is set in it,
# until the guest stands still, and stops the guest when what is left can be sent in
# `downtime-limit' at the rate of the last moment.  An idle guest has sent nothing in that moment, so
# the rate is nearly 0, and so is what may be left: a bitmap of 1 TiB in pieces of 64 KiB is 16 MiB
# of it, for ever.  The migration stays active and QEMU goes round its loop as fast as it can.  A
# busy guest hides it.  Tell QEMU the rate of the last pass: avail-switchover-bandwidth, since 8.2
# (by hand on 10.0.13: 4 s for a disk of 256 GiB).
# Output seen:
#   without dirty-bitmaps: completed
#   with a bitmap of 1 GiB: completed
#   with a bitmap of 1 TiB: active after 20 s
# Run: findings/bitmaps-keep-an-idle-guest-from-its-switchover.sh; fails if the output is another.
# Needs apt sources of Debian 12 on amd64, python3; takes about a minute, no root.
set -euo pipefail

package=qemu-system-x86 version=1:7.2+dfsg-7+deb12u18+b3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/tree"
# All that it needs, as on a machine with nothing installed.
apt-get -s -o Dir::State::status=/dev/null --no-install-recommends install \
	"$package=$version" >"$work/plan"
sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' "$work/plan" >"$work/packages"
(cd "$work/debs" && xargs apt-get -qq -o APT::Sandbox::User= download <"$work/packages")
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$work/tree"
done

cat >"$work/try.py" <<'END'
import json, os, subprocess, sys, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"
image = f"{work}/d.qcow2"


class Qemu:
    """One QEMU with a guest that stands still."""

    def __init__(self, *extra):
        self.process = subprocess.Popen([
            f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
            f"{tree}/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none", "-S",
            "-machine", "pc,accel=tcg", "-m", "64", "-L", f"{tree}/usr/share/seabios",
            "-qmp", "stdio", *extra],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        json.loads(self.process.stdout.readline())      # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        while "event" in (answer := json.loads(self.process.stdout.readline())):
            pass
        return answer["return"]

    def quit(self):
        self.ask("quit")
        self.process.wait(60)

    def wait(self, what, *states):
        for _ in range(1200):
            state = what()
            if state in states:
                return state
            time.sleep(0.05)
        sys.exit(f"still {state} after a minute")


def with_image():
    return Qemu("-blockdev", f"driver=qcow2,node-name=d,file.driver=file,file.filename={image}")


def job(qemu, name, **options):
    qemu.ask("blockdev-create", **{"job-id": name, "options": options})
    qemu.wait(lambda: qemu.ask("query-jobs")[0]["status"], "concluded")
    qemu.ask("job-dismiss", id=name)


def migrate(gib, with_bitmap):
    qemu = Qemu()
    open(image, "wb").close()
    qemu.ask("blockdev-add", driver="file", filename=image, **{"node-name": "f"})
    job(qemu, "create", driver="qcow2", file="f", size=gib << 30)
    qemu.quit()
    qemu = with_image()
    qemu.ask("block-dirty-bitmap-add", node="d", name="backup", persistent=True, granularity=1 << 16)
    qemu.ask("migrate-set-capabilities",
             capabilities=[{"capability": "dirty-bitmaps", "state": with_bitmap}])
    qemu.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 33, "downtime-limit": 300})
    qemu.ask("migrate", uri="exec:cat >/dev/null")
    end = time.monotonic() + (20 if gib > 1 else 60)
    while (state := qemu.ask("query-migrate")["status"]) != "completed" and time.monotonic() < end:
        time.sleep(0.1)
    qemu.process.kill()
    qemu.process.wait()
    os.unlink(image)
    return state


print("without dirty-bitmaps:", migrate(1024, False))
print("with a bitmap of 1 GiB:", migrate(1, True))
print("with a bitmap of 1 TiB:", migrate(1024, True), "after 20 s")
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
diff "$work/seen" - <<'END'
without dirty-bitmaps: completed
with a bitmap of 1 GiB: completed
with a bitmap of 1 TiB: active after 20 s
END
