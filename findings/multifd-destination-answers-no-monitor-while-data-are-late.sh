#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# While memory comes over several connections (multifd), the destination's QEMU waits for late
# data in its main thread: its monitor answers nothing until the data come.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3).
# Behaviour: over one connection the waiting QEMU reads in a coroutine, and query-status is
# answered while the link stands still.  With the capability multifd the main thread waits at
# each synchronization of the channels for all of them, and holds up the whole process: a link
# that is frozen, or merely limited to a low rate, leaves the monitor dead for as long, a new
# connection to it gets no greeting, and QEMU looks as if it hung.  It is well: when the data
# come, it answers and the move completes.  So a silent monitor of a destination is no reason
# to kill it or to stop sending, and whoever waits for that monitor before the data may go on
# waits for ever.
# Output seen:
#   one connection, link frozen: the monitor answers (inmigrate)
#   multifd, link frozen: no answer within 3 s
#   multifd, link mended: the monitor answers, the move is completed
# Run: findings/multifd-destination-answers-no-monitor-while-data-are-late.sh; fails if the
# output is another.
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
import json, os, socket, subprocess, sys, threading, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"
INIT_BYTES = 64     # with which QEMU presents each multifd channel
WAIT = 20


class Qemu:
    def __init__(self, name, *words):
        path = f"{work}/{name}.qmp"
        self.process = subprocess.Popen([
            f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
            f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "64", "-S",
            "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
        self.sock = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + WAIT
        while self.sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit("no monitor")
            time.sleep(0.02)
        self.text = self.sock.makefile("r")
        self.text.readline()
        self.ask("qmp_capabilities")

    def send(self, command, **arguments):
        self.sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    def answer(self, seconds):
        """None: there is none in time."""
        result = []

        def read():
            for line in self.text:
                if "return" in (reply := json.loads(line)) or "error" in reply:
                    result.append(reply)
                    return
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(seconds)
        self.reader = reader
        return result[0] if result else None

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.answer(WAIT)["return"]


class Link:
    """Carries connections from SRC to DST, and stops on each of them after so many bytes."""
    def __init__(self, first_bytes, other_bytes):
        self.limits, self.other_bytes = [first_bytes], other_bytes
        self.mended = threading.Event()
        self.frozen = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{work}/src")
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(f"{work}/dst")
            limit = self.limits.pop() if self.limits else self.other_bytes
            threading.Thread(target=self.carry, args=(near, far, limit), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, None), daemon=True).start()

    def carry(self, here, there, limit):
        while True:
            size = 65536 if limit is None else limit
            if size == 0:
                self.frozen.set()
                self.mended.wait()
                limit = None
                continue
            try:
                data = here.recv(size)
                if not data:
                    there.shutdown(socket.SHUT_WR)
                    return
                there.sendall(data)
            except OSError:     # a QEMU has ended
                return
            limit = None if limit is None else limit - len(data)

    def close(self):
        self.mended.set()
        self.listener.close()
        os.unlink(f"{work}/src")


def try_it(name, first_bytes, other_bytes, channels):
    link = Link(first_bytes, other_bytes)
    source, destination = Qemu(f"{channels}s"), Qemu(f"{channels}d", "-incoming", "defer")
    for qemu in (source, destination):
        qemu.ask("migrate-set-capabilities", capabilities=[
            {"capability": "return-path", "state": True},
            {"capability": "multifd", "state": channels > 0}])
        if channels:
            qemu.ask("migrate-set-parameters", **{"multifd-channels": channels})
    destination.ask("migrate-incoming", uri=f"unix:{work}/dst")
    source.ask("migrate", uri=f"unix:{work}/src")
    if not link.frozen.wait(WAIT):
        sys.exit("the link was never frozen")
    time.sleep(1)   # what is on its way arrives
    destination.send("query-status")
    reply = destination.answer(3)
    print(f"{name}, link frozen: " + (f"the monitor answers ({reply['return']['status']})"
                                      if reply else "no answer within 3 s"))
    if not reply:
        link.mended.set()
        destination.reader.join(WAIT)
        until = time.monotonic() + WAIT
        while (status := source.ask("query-migrate")["status"]) != "completed" and \
                time.monotonic() < until:
            time.sleep(0.1)
        print(f"{name}, link mended: the monitor "
              f"{'is silent' if destination.reader.is_alive() else 'answers'}, "
              f"the move is {status}")
    link.close()
    for qemu in (source, destination):
        qemu.process.kill()
        qemu.process.wait()


try_it("one connection", 4096, None, 0)
try_it("multifd", None, INIT_BYTES, 2)
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
diff "$work/seen" - <<'END'
one connection, link frozen: the monitor answers (inmigrate)
multifd, link frozen: no answer within 3 s
multifd, link mended: the monitor answers, the move is completed
END
