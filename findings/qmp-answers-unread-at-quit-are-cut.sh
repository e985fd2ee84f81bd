#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# QEMU that is told to quit drops those of its QMP answers that nobody has read yet, and its
# exit status is 0.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3); the same by hand
# on 10.0.13 and 11.1.3 (the cut is where the pipe was full).
# Behaviour: a script writes qmp_capabilities, query-qmp-schema and quit to `-qmp stdio' and
# then reads.  The answer to the second is some 200 KB, a pipe holds 64 KiB, and QEMU keeps
# the rest for later; at quit it ends without waiting for the reader.  The answer is cut in
# the middle of a word, and a reader that is fast enough never sees it: a script that parses
# the output works for years and then does not.  So read each answer before the next
# command, and quit last.
# Output seen:
#   reads first: exit status 0, the answer is whole
#   reads late: exit status 0, the answer is cut
# Run: findings/qmp-answers-unread-at-quit-are-cut.sh; fails if the output is another.
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
import json, os, subprocess, sys

tree = sys.argv[1]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"


def start():
    return subprocess.Popen([
        f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}",
        f"{tree}/usr/bin/qemu-system-x86_64", "-machine", "none", "-nodefaults",
        "-display", "none", "-qmp", "stdio"],
        env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(qemu, *commands):
    for command in commands:
        qemu.stdin.write(json.dumps({"execute": command}) + "\n")
    qemu.stdin.flush()


def judge(name, qemu, schema):
    try:
        is_whole = isinstance(json.loads(schema)["return"], list)
    except ValueError:
        is_whole = False
    print(f"{name}: exit status {qemu.wait(20)}, the answer is "
          f"{'whole' if is_whole else 'cut'}")


first = start()
say(first, "qmp_capabilities", "query-qmp-schema")
lines = [first.stdout.readline() for _ in range(3)]     # the greeting, {}, the schema
say(first, "quit")
judge("reads first", first, lines[2])

late = start()
say(late, "qmp_capabilities", "query-qmp-schema", "quit")
late.wait(20)
judge("reads late", late, late.stdout.read().splitlines()[2])
END
python3 "$work/try.py" "$work/tree" | tee "$work/seen"
diff "$work/seen" - <<'END'
reads first: exit status 0, the answer is whole
reads late: exit status 0, the answer is cut
END
