#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# QEMU cuts the name of an internal snapshot to 255 bytes and says nothing: two long names become
# two snapshots of one name, and neither is found by the name that it was made with.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3); the same by hand on
# 10.0.13 and 11.1.3.
# Behaviour: blockdev-snapshot-internal-sync takes a name of any length and answers that all is
# well.  The image has its first 255 bytes.  The second name, which differs behind them, should be
# refused as a name that is there already, which is what happens to short ones; it is not.  A delete
# by the name that was given answers that there is no such snapshot.  So whoever makes names by a
# prefix and an id has to keep them short, and look into the image for what there is.
# Output seen:
#   first: done
#   second: done
#   in the image: 255 255, the same name twice: True
#   delete by the name given: refused
#   two equal short names: done, refused
# Run: findings/internal-snapshot-names-are-cut-to-255-bytes.sh; fails if the output is another.
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
import json, os, struct, subprocess, sys

tree, image = sys.argv[1], sys.argv[2]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"
PREFIX = "n" * 254

# An empty qcow2 image of version 2, of one cluster of 64 KiB for each of: header, refcount table,
# refcount block, L1 table.
CLUSTER = 1 << 16
header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 16 << 20, 0, 1,
                     3 * CLUSTER, CLUSTER, 1, 0, 0)
with open(image, "wb") as file:
    file.write(header.ljust(CLUSTER, b"\0"))
    file.write(struct.pack(">Q", 2 * CLUSTER).ljust(CLUSTER, b"\0"))
    file.write(struct.pack(">4H", 1, 1, 1, 1).ljust(CLUSTER, b"\0"))
    file.write(bytes(CLUSTER))

qemu = subprocess.Popen([
    f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
    f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none",
    "-qmp", "stdio",
    "-blockdev", f"driver=qcow2,node-name=d,file.driver=file,file.filename={image}"],
    env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"},
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(command, **arguments):
    qemu.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    qemu.stdin.flush()
    while "event" in (answer := json.loads(qemu.stdout.readline())):
        pass
    return answer


def make(name):
    answer = ask("blockdev-snapshot-internal-sync", device="d", name=name)
    return "done" if "return" in answer else "refused"


json.loads(qemu.stdout.readline())      # the greeting
ask("qmp_capabilities")
print("first:", make(PREFIX + "-first"))
print("second:", make(PREFIX + "-second"))
names = [snapshot["name"] for node in ask("query-named-block-nodes")["return"]
         for snapshot in node["image"].get("snapshots", [])]
print("in the image:", *(len(name) for name in names), end=", ")
print("the same name twice:", len(set(names)) == 1)
answer = ask("blockdev-snapshot-delete-internal-sync", device="d", name=PREFIX + "-first")
print("delete by the name given:", "refused" if "error" in answer else "done")
print("two equal short names:", make("s") + ",", make("s"))
ask("quit")
END
python3 "$work/try.py" "$work/tree" "$work/d.qcow2" | tee "$work/seen"
diff "$work/seen" - <<'END'
first: done
second: done
in the image: 255 255, the same name twice: True
delete by the name given: refused
two equal short names: done, refused
END
