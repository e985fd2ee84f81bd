#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# QEMU before 9.0 under TCG does not send all that a guest wrote while it was being migrated.
#
# Seen with: QEMU 7.2.22 (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3), by this script and 10 of
# 10 by hand; not with 10.0.13 and 11.1.3 (2 of 2 each).  KVM has another dirty log.
# Behaviour: a guest writes a number to one page every few milliseconds, and compares it with a
# register before the next write.  A live migration with a pass between the bulk of the memory
# and the stop completes, and the guest finds an older number in its page: registers and memory
# are of different moments.  The sync of the dirty log clears a page's mark and leaves the vCPU's
# TLB entry for it as one that needs no mark, so that later writes through that entry are not
# seen, until something evicts it (upstream mended it for 9.0: "physmem: Fix migration dirty
# bitmap coherency with TCG memory access").  A kernel that idles keeps such entries: about one
# in a hundred moved Linux guests panicked in its idle task on busy machines.  A paused guest
# loses nothing.
# Output seen:
#   running: L
#   paused: .
# Run: findings/tcg-before-9.0-loses-writes-in-a-live-move.sh; fails if the output is another.
# Needs apt sources of Debian 12 on amd64, python3; takes about two minutes, no root.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/tree"
# All that they need, as on a machine with nothing installed.
apt-get -s -o Dir::State::status=/dev/null --no-install-recommends install \
	qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 binutils=2.40-2 >"$work/plan"
sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' "$work/plan" >"$work/packages"
(cd "$work/debs" && xargs apt-get -qq -o APT::Sandbox::User= download <"$work/packages")
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$work/tree"
done

# A boot sector: ebx counts, 0x20000 has the count; "." is right, "L" is an older one.
cat >"$work/guest.S" <<'END'
	.code16
	.globl	_start
_start:	cli
	ljmp	$0, $begin
begin:	xor	%ax, %ax
	mov	%ax, %ds
	mov	$0x2000, %ax
	mov	%ax, %es
	mov	$0x3f8, %dx
	xor	%ebx, %ebx
	mov	%ebx, %es:0
again:	rdtsc
	mov	%eax, %esi
wait:	rdtsc
	sub	%esi, %eax
	cmp	$30000000, %eax
	jb	wait
	mov	$'L', %al
	cmp	%ebx, %es:0
	jne	lost
	inc	%ebx
	mov	%ebx, %es:0
	mov	$'.', %al
	mov	$0x3f8, %dx
	out	%al, %dx
	jmp	again
lost:	mov	$0x3f8, %dx
	out	%al, %dx
	hlt
	jmp	lost
	.org	510
	.word	0xaa55
END

cat >"$work/try.py" <<'END'
import json, os, socket, subprocess, sys, time

tree, work = sys.argv[1:]
arch = "lib/x86_64-linux-gnu"
lib = f"{tree}/usr/{arch}"
loader = [f"{tree}/{arch}/ld-linux-x86-64.so.2", "--library-path", f"{tree}/{arch}:{lib}"]

subprocess.run([*loader, f"{tree}/usr/bin/x86_64-linux-gnu-as", "--32", "-o", f"{work}/guest.o",
                f"{work}/guest.S"], check=True)
subprocess.run([*loader, f"{tree}/usr/bin/x86_64-linux-gnu-ld", "-m", "elf_i386", "-Ttext", "0x7c00",
                "--oformat", "binary", "-o", f"{work}/guest.bin", f"{work}/guest.o"], check=True)
with open(f"{work}/guest.bin", "rb") as f, open(f"{work}/guest.img", "wb") as image:
    image.write(f.read().ljust(1474560, b"\0"))


def say(stream, command, **arguments):
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while True:
        message = json.loads(stream.readline())
        if "event" not in message:
            return message["return"]


def start(name, *extra):
    qemu = subprocess.Popen([
        *loader, f"{tree}/usr/bin/qemu-system-x86_64", "-L", f"{tree}/usr/share/seabios",
        "-L", f"{tree}/usr/share/qemu", "-nodefaults", "-display", "none", "-machine", "q35",
        "-accel", "tcg", "-m", "16", "-boot", "a",
        "-drive", f"if=floppy,format=raw,readonly=on,file={work}/guest.img",
        "-serial", f"file:{work}/{name}.serial", "-qmp", f"unix:{work}/{name}.qmp,server=on,wait=off",
        *extra], env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"})
    for _ in range(400):
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(f"{work}/{name}.qmp")
            break
        except OSError:
            time.sleep(0.05)
    sock.settimeout(60)
    stream = sock.makefile("rw")
    stream.readline()
    say(stream, "qmp_capabilities")
    return qemu, stream


def said(name):
    try:
        with open(f"{work}/{name}.serial") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def wait_for(is_so):
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.05)
    sys.exit("it did not come within a minute")


# So slow that after the bulk one more pass is needed, and a moment passes behind it.
def move(kind, is_paused):
    source, ours = start(f"{kind}-source")
    destination, theirs = start(f"{kind}-destination", "-incoming", f"unix:{work}/{kind}")
    wait_for(lambda: len(said(f"{kind}-source")) > 20)
    if is_paused:
        say(ours, "stop")
    say(ours, "migrate-set-parameters", **{"max-bandwidth": 30000, "downtime-limit": 50})
    say(ours, "migrate", uri=f"unix:{work}/{kind}")
    wait_for(lambda: say(ours, "query-migrate")["status"] == "completed")
    if is_paused:
        say(theirs, "cont")
    wait_for(lambda: said(f"{kind}-destination"))
    for qemu in source, destination:
        qemu.kill()
        qemu.wait()
    return said(f"{kind}-destination")[0]


# Where the pass falls is up to the clocks: three moves, of which one is enough.
print("running:", max(move(f"running{i}", False) for i in range(3)))
print("paused:", max(move(f"paused{i}", True) for i in range(3)))
END
python3 "$work/try.py" "$work/tree" "$work" | tee "$work/seen"
diff "$work/seen" - <<'END'
running: L
paused: .
END
