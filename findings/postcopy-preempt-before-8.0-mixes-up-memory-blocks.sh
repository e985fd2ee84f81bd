#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Post-copy with `postcopy-preempt' from a QEMU before 8.0 puts pages into another part of memory.
#
# Seen with: QEMU 7.2.22 as the source (Debian qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3), in each
# move; 7.1 has the same code.  Not without the capability, and not with 10.0.13
# (1:10.0.13+ds-0+deb13u1).
# Behaviour: a page in the stream names its memory block, or says "that of the page before".  With
# the capability there are two streams, and the source remembers only one block for both; it
# forgets it where it changes the stream for a page, but not where it goes back to the first at the
# end of a turn (each 50 ms, or when the bandwidth of the turn is used up).  If the last page of the
# turn was one that the guest waited for, the next says "that of the page before", and the
# destination takes the block of the page before in the other stream.  So the guest finds the memory
# of another place in a page; or the destination, which has that page already, ends with
# "postcopy_place_page: File exists", and the guest is lost, as the source has none any more.  It
# needs two blocks with pages left: NUMA nodes, added memory, a large VGA memory.  Mended upstream
# for 8.0 (ec6f3ab9, "migration: Move last_sent_block into PageSearchStatus").
# Output seen (a guest of two NUMA nodes compares each page that it reads with what belongs there):
#   7.2.22, with postcopy-preempt: lost
#   7.2.22, without: right
#   10.0.13, with postcopy-preempt: right
# Run: findings/postcopy-preempt-before-8.0-mixes-up-memory-blocks.sh; fails if the output is another.
# Needs mmdebstrap, binutils and mirrors of Debian bookworm and trixie on amd64, python3; takes a
# minute, as root (for userfaultfd).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unpack() { # SUITE VERSION
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="qemu-system-x86=$2,seabios" "$1" "$work/$1"
}
unpack bookworm 1:7.2+dfsg-7+deb12u18+b3
unpack trixie 1:10.0.13+ds-0+deb13u1

# A boot sector for 64 MiB in two nodes of 32.  Each page from 2 MiB on has its own address.  Then it
# reads pages of both nodes by turns, each far from the last one: "." is right.
cat >"$work/guest.S" <<'END'
	.code16
	.globl	_start
_start:	cli
	ljmp	$0, $begin
begin:	xor	%ax, %ax
	mov	%ax, %ds
	lgdt	table
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmp	$8, $flat
	.code32
flat:	mov	$16, %ax
	mov	%ax, %ds
	mov	$0x200000, %ebx
fill:	mov	%ebx, (%ebx)
	add	$0x1000, %ebx
	cmp	$0x4000000, %ebx
	jb	fill
from:	mov	$0x200000, %ebx
next:	lea	0x2000000(%ebx), %edi
	call	look
	mov	%ebx, %edi
	call	look
	add	$0x61000, %ebx
	cmp	$0x2000000, %ebx
	jb	next
	sub	$0x1e00000, %ebx
	jmp	next
look:	rdtsc
	mov	%eax, %esi
wait:	rdtsc
	sub	%esi, %eax
	cmp	$60000000, %eax
	jb	wait
	mov	$'.', %al
	cmp	%edi, (%edi)
	je	said
	mov	$'L', %al
said:	mov	$0x3f8, %dx
	out	%al, %dx
	ret
	.align	8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
table:	.word	. - gdt - 1
	.long	gdt
	.org	510
	.word	0xaa55
END
as --32 -o "$work/guest.o" "$work/guest.S"
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$work/guest.img" "$work/guest.o"
truncate -s 1474560 "$work/guest.img"

cat >"$work/try.py" <<'END'
import atexit, contextlib, json, os, socket, subprocess, sys, threading, time

work, = sys.argv[1:]
WAIT = 120
ENOUGH = 600            # pages that the guest reads on the destination
SLOW = 40960            # bytes/s, before the switch
# Then QEMU's thread is done with a turn's share after 32 pages, which it also writes at once.  The link
# takes so long for them that the guest asks for a page meanwhile, and that the next turn is due.
PAGES, PAGE, TURNS = 32, 4096 + 8, 10
SHARE = int((PAGES - 0.5) * PAGE * TURNS)
PAUSE = 0.3


class Qemu:
    def __init__(self, suite, name, preempt, *words):
        tree, path = f"{work}/{suite}", f"{work}/{name}.qmp"
        lib, base = (f"{tree}/{top}lib/x86_64-linux-gnu" for top in ("usr/", ""))
        self.serial = f"{work}/{name}.serial"
        self.process = subprocess.Popen([
            f"{base}/ld-linux-x86-64.so.2", "--library-path", f"{base}:{lib}",
            f"{tree}/usr/bin/qemu-system-x86_64", "-L", f"{tree}/usr/share/seabios",
            "-L", f"{tree}/usr/share/qemu", "-nodefaults", "-display", "none",
            "-machine", "pc-i440fx-7.2", "-accel", "tcg", "-m", "64", "-boot", "a",
            "-object", "memory-backend-ram,id=m0,size=32M", "-numa", "node,memdev=m0",
            "-object", "memory-backend-ram,id=m1,size=32M", "-numa", "node,memdev=m1",
            "-drive", f"if=floppy,format=raw,readonly=on,file={work}/guest.img",
            "-serial", f"file:{self.serial}", "-qmp", f"unix:{path},server=on,wait=off", *words],
            env={**os.environ, "QEMU_MODULE_DIR": f"{lib}/qemu"}, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)
        self.sock = socket.socket(socket.AF_UNIX)
        until(lambda: self.sock.connect_ex(path) == 0)
        self.stream = self.sock.makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")
        names = ["return-path", "postcopy-ram"] + ["postcopy-preempt"] * preempt
        self.ask("migrate-set-capabilities",
                 capabilities=[{"capability": name, "state": True} for name in names])

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def said(self):
        with open(self.serial, encoding="ascii") as serial:
            return serial.read()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()
        os.unlink(self.serial)


class Link:
    """Between the two, and slow for the first connection's data: not for the pages asked for."""

    def __init__(self):
        self.slow = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(f"{work}/link.sock")
        self.server.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        first = True
        while True:
            here, _ = self.server.accept()
            there = socket.socket(socket.AF_UNIX)
            there.connect(f"{work}/migration.sock")
            threading.Thread(target=self.forth, args=(here, there, first), daemon=True).start()
            threading.Thread(target=self.back, args=(there, here), daemon=True).start()
            first = False

    def forth(self, here, there, is_first):
        with contextlib.suppress(OSError):
            while data := here.recv(PAGES * PAGE):
                there.sendall(data)
                if is_first and self.slow.is_set():
                    time.sleep(PAUSE * len(data) / (PAGES * PAGE))

    def back(self, here, there):
        with contextlib.suppress(OSError):
            while data := here.recv(PAGE):
                there.sendall(data)


def until(is_so):
    end = time.monotonic() + WAIT
    while not is_so():
        if time.monotonic() > end:
            sys.exit("it did not come in time")
        time.sleep(0.02)


def move(suite, preempt):
    source = Qemu(suite, "source", preempt)
    destination = Qemu(suite, "destination", preempt, "-incoming", "defer")
    until(lambda: len(source.said()) > 10)
    destination.ask("migrate-incoming", uri=f"unix:{work}/migration.sock")
    source.ask("migrate-set-parameters",
               **{"max-bandwidth": SLOW, "max-postcopy-bandwidth": SHARE})
    link = Link()
    source.ask("migrate", uri=f"unix:{work}/link.sock")
    until(lambda: source.ask("query-migrate").get("status") == "active")
    source.ask("migrate-start-postcopy")

    def is_lost():
        return "L" in destination.said() or destination.process.poll() is not None or \
            source.ask("query-migrate")["status"] == "postcopy-paused"

    until(lambda: destination.said() or is_lost())
    if preempt:     # one stream would be slow for the pages asked for too
        link.slow.set()
    until(lambda: len(destination.said()) > ENOUGH or is_lost())
    seen = "lost" if is_lost() else "right"
    source.end()
    destination.end()
    os.unlink(f"{work}/link.sock")
    return seen


print("7.2.22, with postcopy-preempt:", move("bookworm", True))
print("7.2.22, without:", move("bookworm", False))
print("10.0.13, with postcopy-preempt:", move("trixie", True))
END
python3 "$work/try.py" "$work" | tee "$work/seen"
sed -n 's/^#   //p' "$0" | diff - "$work/seen"
