#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# announce-self of a guest that does not run answers at once and sends nothing; all its frames
# go out together when the guest runs.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3).
# Behaviour: the frames that QEMU makes to announce a guest (by announce-self, or by itself when
# it has loaded one that migrated) go through the NIC's queue, and a queue whose guest is paused
# keeps them.  So a destination that waits with `-S' takes no traffic away from the source, but
# an operator who sends announce-self to a paused guest, to repair a network, gets success and
# no frame; and `cont' sends a burst of all rounds that were announced meanwhile.
# Output seen:
#   paused, announce-self of 5 rounds: success, 0 frames within 2 s
#   cont: 5 frames within 0.1 s
#   running, announce-self of 1 round: 1 frame
# Run: findings/announce-self-of-a-paused-guest-is-sent-when-it-runs.sh; fails if the output is
# another.
# Needs apt sources of Debian 12 on amd64, python3; takes about a minute, no root.
set -euo pipefail

package=qemu-system-x86 version=1:7.2+dfsg-7+deb12u18+b3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/tree"
apt-get -s -o Dir::State::status=/dev/null --no-install-recommends install \
	"$package=$version" >"$work/plan"
sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' "$work/plan" >"$work/packages"
(cd "$work/debs" && xargs apt-get -qq -o APT::Sandbox::User= download <"$work/packages")
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$work/tree"
done

cat >"$work/try.py" <<'END'
import json, os, socket, subprocess, sys, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"

wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)     # what the NIC sends comes here
wire.bind(("127.0.0.1", 0))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
port = own.getsockname()[1]
own.close()
qemu = subprocess.Popen([
    f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
    f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "64", "-S",
    "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
    "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{work}/q.qmp,server=on,wait=off",
    "-netdev", f"socket,id=n,udp=127.0.0.1:{wire.getsockname()[1]},localaddr=127.0.0.1:{port}",
    "-device", "e1000,netdev=n,mac=52:54:00:00:00:01,romfile="],
    env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
sock = socket.socket(socket.AF_UNIX)
until = time.monotonic() + 20
while sock.connect_ex(f"{work}/q.qmp"):
    if time.monotonic() > until:
        sys.exit("no monitor")
    time.sleep(0.02)
stream = sock.makefile("rw")
stream.readline()


def command(name, **arguments):
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline())
        if "return" in answer or "error" in answer:
            return "success" if "return" in answer else "error"


def frames(seconds):
    """How many RARP frames come within SECONDS."""
    count, end = 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            count += wire.recv(2048)[12:14] == b"\x80\x35"
        except TimeoutError:
            break
    return count


command("qmp_capabilities")
answer = command("announce-self", initial=50, max=100, rounds=5, step=10)
print(f"paused, announce-self of 5 rounds: {answer}, {frames(2)} frames within 2 s")
command("cont")
print(f"cont: {frames(0.1)} frames within 0.1 s")
command("announce-self", initial=50, max=100, rounds=1, step=10)
print(f"running, announce-self of 1 round: {frames(1)} frame")
command("quit")
qemu.wait(20)
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
