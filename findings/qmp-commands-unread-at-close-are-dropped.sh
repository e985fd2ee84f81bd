#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# QEMU drops commands that it has not read yet when its client closes the QMP socket.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3); the same by hand
# on 10.0.13 and 11.1.3.
# Behaviour: a client writes `cont' and closes its UNIX socket at once, while QEMU is busy
# (here: stopped by SIGSTOP, to make that certain).  QEMU sees the hang-up first and throws
# away what lies in the socket: the guest does not run, and no event or log tells.  A client
# that shuts down its writing side only, or stays, has its command done.  So "write, then
# close" is no way to send a last command: wait for its answer.
# Output seen:
#   stays: running
#   shuts down its writing side: running
#   closes: prelaunch
# Run: findings/qmp-commands-unread-at-close-are-dropped.sh; fails if the output is another.
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
import json, os, signal, socket, subprocess, sys, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"


def connect(path):
    for _ in range(200):
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            break
        except OSError:
            time.sleep(0.05)
    sock.settimeout(20)
    stream = sock.makefile("rw")
    stream.readline()
    say(stream, "qmp_capabilities")
    return sock, stream


def say(stream, command):
    stream.write(json.dumps({"execute": command}) + "\n")
    stream.flush()
    while True:
        message = json.loads(stream.readline())
        if "event" not in message:
            return message["return"]


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def try_to(name, end):
    paths = [f"{work}/{end.__name__}{i}" for i in range(2)]
    sockets = [word for p in paths for word in ("-qmp", f"unix:{p},server=on,wait=off")]
    qemu = subprocess.Popen([
        f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
        f"{tree}/usr/bin/qemu-system-x86_64",
        "-L", f"{tree}/usr/share/seabios", "-L", f"{tree}/usr/share/qemu", "-nodefaults",
        "-display", "none", "-machine", "q35", "-accel", "tcg", "-S", *sockets],
        env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
    watcher, (sock, stream) = connect(paths[1])[1], connect(paths[0])
    os.kill(qemu.pid, signal.SIGSTOP)
    while state_of(qemu.pid) != "T":
        time.sleep(0.01)
    sock.sendall(b'{"execute": "cont"}\n')
    end(sock, stream)
    os.kill(qemu.pid, signal.SIGCONT)
    status = "prelaunch"
    for _ in range(20):     # two seconds in which it could be done
        status = say(watcher, "query-status")["status"]
        if status == "running":
            break
        time.sleep(0.1)
    print(f"{name}: {status}")
    qemu.kill()
    qemu.wait()


def stay(sock, stream):
    pass


def shut_down(sock, stream):
    sock.shutdown(socket.SHUT_WR)


def close(sock, stream):
    stream.close()
    sock.close()


try_to("stays", stay)
try_to("shuts down its writing side", shut_down)
try_to("closes", close)
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
diff "$work/seen" - <<'END'
stays: running
shuts down its writing side: running
closes: prelaunch
END
