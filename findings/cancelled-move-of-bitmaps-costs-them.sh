#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A migration with `dirty-bitmaps' that is cancelled costs the source its persistent bitmaps, later
# and without a word.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3); the same by hand on
# 10.0.13 and 11.1.3.
# Behaviour: after the cancel the bitmap is there and records what the guest writes, as
# query-named-block-nodes says, and backups by it are right.  But QEMU took it for the destination's
# when the migration began, and does not store it in the image when it ends.  The next QEMU of that
# image finds it inconsistent; one that was made by the QEMU that was cancelled is not there at all.
# An incremental chain ends where a move was cancelled, at the next start of the guest, and nothing
# tells that this is why.  A transient copy of the bitmap that is sent in its place, under the name
# of the original (block-bitmap-mapping, `transform'), leaves the original as it is.
# Output seen:
#   a quit: the bitmap is in the image
#   a cancelled migration: cancelled, the bitmap is there and records
#   a quit after it: the bitmap is inconsistent
#   with a copy that is sent in its place: cancelled, the bitmap is there and records
#   a quit after it: the bitmap is in the image
# Run: findings/cancelled-move-of-bitmaps-costs-them.sh; fails if the output is another.
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

    def bitmap(self):
        for node in self.ask("query-named-block-nodes"):
            for bitmap in node.get("dirty-bitmaps", []):
                if node["node-name"] == "d" and bitmap["name"] == "backup":
                    return bitmap
        return None


def with_image():
    return Qemu("-blockdev", f"driver=qcow2,node-name=d,file.driver=file,file.filename={image}")


def job(qemu, name, **options):
    qemu.ask("blockdev-create", **{"job-id": name, "options": options})
    qemu.wait(lambda: qemu.ask("query-jobs")[0]["status"], "concluded")
    qemu.ask("job-dismiss", id=name)


def in_image():
    qemu = with_image()
    found = qemu.bitmap()
    qemu.quit()
    if found and found.get("inconsistent"):
        return "the bitmap is inconsistent"
    return "the bitmap is in the image" if found else "the bitmap is gone"


def cancelled_migration(by_copy):
    qemu = with_image()
    if by_copy:
        qemu.ask("transaction", actions=[
            {"type": "block-dirty-bitmap-add", "data": {"node": "d", "name": "copy"}},
            {"type": "block-dirty-bitmap-merge",
             "data": {"node": "d", "target": "copy", "bitmaps": ["backup"]}}])
        qemu.ask("migrate-set-parameters", **{"block-bitmap-mapping": [
            {"node-name": "d", "alias": "d", "bitmaps": [
                {"name": "copy", "alias": "backup", "transform": {"persistent": True}}]}]})
    qemu.ask("migrate-set-capabilities",
             capabilities=[{"capability": "dirty-bitmaps", "state": True}])
    qemu.ask("migrate-set-parameters", **{"max-bandwidth": 1000})
    qemu.ask("migrate", uri="exec:cat >/dev/null")

    def state():
        return qemu.ask("query-migrate")["status"]
    qemu.wait(state, "active")
    qemu.ask("migrate_cancel")
    state = qemu.wait(state, "cancelled", "completed", "failed")
    found = qemu.bitmap()
    qemu.quit()
    return f"{state}, the bitmap is there and {'records' if found['recording'] else 'stands'}"


qemu = Qemu()
open(image, "wb").close()
qemu.ask("blockdev-add", driver="file", filename=image, **{"node-name": "f"})
job(qemu, "create", driver="qcow2", file="f", size=16 << 20)
qemu.quit()
qemu = with_image()
qemu.ask("block-dirty-bitmap-add", node="d", name="backup", persistent=True)
qemu.quit()
print("a quit:", in_image())
print("a cancelled migration:", cancelled_migration(False))
print("a quit after it:", in_image())
qemu = with_image()
qemu.ask("block-dirty-bitmap-remove", node="d", name="backup")
qemu.ask("block-dirty-bitmap-add", node="d", name="backup", persistent=True)
qemu.quit()
print("with a copy that is sent in its place:", cancelled_migration(True))
print("a quit after it:", in_image())
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
diff "$work/seen" - <<'END'
a quit: the bitmap is in the image
a cancelled migration: cancelled, the bitmap is there and records
a quit after it: the bitmap is inconsistent
with a copy that is sent in its place: cancelled, the bitmap is there and records
a quit after it: the bitmap is in the image
END
