#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A source of post-copy that has sent all stays `postcopy-active', without a word, when its
# connection breaks before the destination's last answer came: QEMU 7.2 neither fails nor pauses.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3).
# Behaviour: a connection that breaks in post-copy makes QEMU pause on both sides, and the source
# then waits for `migrate' with `resume'.  But a source that has sent its last page, and only
# waits for the destination's SHUT on the return path, goes on to report `postcopy-active' for as
# long as one waits: no event comes, `migrate-pause' is refused, and `migrate_cancel' succeeds and
# leaves it `cancelling'.  So who waits for `postcopy-paused' or `failed' before the next step
# waits for ever, although the guest may be complete on the destination; the destination's status
# alone tells.  `quit' ends this source.  (10.0 fails in the same place, and may run the guest:
# see postcopy-source-runs-again-when-the-last-answer-is-lost.sh.)
# Output seen:
#   10 s after the break: source postcopy-active; destination completed
#   migrate-pause: Failed to pause source migration
#   migrate_cancel: accepted; source cancelling
#   quit: the source ends
# Run: findings/postcopy-source-7.2-stays-active-when-the-last-answer-is-lost.sh; fails if the
# output is another.
# Needs apt sources of Debian 12 on amd64, python3; takes about a minute, as root (for
# userfaultfd).
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
import json, os, socket, struct, subprocess, sys, threading, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"
SHUT = 1            # the destination's last message on the return path
WAIT = 30
CAPABILITIES = [{"capability": name, "state": True} for name in ("return-path", "postcopy-ram")]


class Refused(Exception):
    pass


class Qemu:
    def __init__(self, name, *words):
        path = f"{work}/{name}.qmp"
        self.process = subprocess.Popen([
            f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
            f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "64",
            "-nodefaults", "-display", "none", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
        self.sock = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + WAIT
        while self.sock.connect_ex(path):
            if time.monotonic() > until:
                sys.exit("no monitor")
            time.sleep(0.02)
        self.stream = self.sock.makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")
        self.ask("migrate-set-capabilities", capabilities=CAPABILITIES)

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                raise Refused(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def states(self):
        return self.ask("query-migrate").get("status"), self.ask("query-status")["status"]

    def until(self, *statuses):
        end = time.monotonic() + WAIT
        while self.states()[0] not in statuses:
            if time.monotonic() > end:
                sys.exit(f"{self.states()} instead of {statuses}")
            time.sleep(0.01)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


class Wire:
    """Carries all from the source to the destination, and back all but SHUT."""

    def __init__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{work}/source.sock")
        self.listener.listen()
        self.there = socket.socket(socket.AF_UNIX)
        self.there.connect(f"{work}/destination.sock")
        threading.Thread(target=self.forth, daemon=True).start()

    def forth(self):
        self.here, _ = self.listener.accept()
        threading.Thread(target=self.back, daemon=True).start()
        while data := self.here.recv(65536):
            self.there.sendall(data)

    def back(self):
        reader = self.there.makefile("rb")
        while len(head := reader.read(4)) == 4:
            kind, size = struct.unpack(">HH", head)
            body = reader.read(size)
            if kind != SHUT:
                self.here.sendall(head + body)

    def end(self):
        self.here.shutdown(socket.SHUT_RDWR)
        self.there.close()
        self.listener.close()


def move():
    source, destination = Qemu("source"), Qemu("destination", "-S", "-incoming", "defer")
    destination.ask("migrate-incoming", uri=f"unix:{work}/destination.sock")
    wire = Wire()
    source.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 20})
    source.ask("migrate", uri=f"unix:{work}/source.sock")
    source.until("active")
    source.ask("stop")
    source.ask("migrate-start-postcopy")
    destination.until("postcopy-active", "completed")
    destination.ask("cont")
    destination.until("completed")
    if source.states()[0] != "postcopy-active":
        sys.exit(f"the source is {source.states()} before its last answer")
    wire.end()
    for _ in range(10):
        time.sleep(1)   # nothing comes of it is the answer
        if source.states()[0] != "postcopy-active":
            break
    return source, destination


def answer_to(source, command):
    try:
        source.ask(command)
        time.sleep(1)
        return f"accepted; source {source.states()[0]}"
    except Refused as refused:
        return str(refused)


source, destination = move()
print("10 s after the break: source {}; destination {}".format(
    source.states()[0], destination.states()[0]))
print("migrate-pause:", answer_to(source, "migrate-pause"))
print("migrate_cancel:", answer_to(source, "migrate_cancel"))
source.stream.write(json.dumps({"execute": "quit"}) + "\n")
source.stream.flush()
source.process.wait(WAIT)
print("quit: the source ends")
destination.end()
END
python3 "$work/try.py" "$work/tree" "$work" 2>"$work/words" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
