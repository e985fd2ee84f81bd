# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Linux guest with a root shell on its serial port (tests/guest/mklinux).

    guest = LinuxGuest(self.world, "lin", guest_agent=True)
    guest.start(self.a)
    self.assertIn("eth0", guest.sh("ip link"))
"""
import contextlib
import itertools
import re
import select
import shlex
import socket
import subprocess
import threading

from . import settings
from .limits import OutOfTime
from .world import Machine

BOOT_SECONDS = 60
READY = b"migrd-linux: ready\n"
MEMORY_MIB = 128    # 60 MiB of them are free


class Shell:
    """The test's end of the serial port.  Each QEMU connects as a client; the output of all of
    them is one text, because a guest goes on in the middle of a word on another host."""

    _ids = itertools.count(1)

    def __init__(self, path):
        self.path = str(path)
        self._text = bytearray()
        self._more = threading.Condition()
        self._sockets = []      # in the order in which they connected
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def write_log(self, path):
        path.write_bytes(self._text)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                threading.Thread(target=self._read, args=(sock,), daemon=True).start()

    def _read(self, sock):
        with contextlib.suppress(OSError):
            while data := sock.recv(65536):
                with self._more:
                    self._text += data
                    self._more.notify_all()

    def _running(self):
        """The connection of the QEMU in which the guest runs: during a move there are two, and the
        destination's is the later one."""
        poller = select.poll()
        for sock in self._sockets:
            poller.register(sock, 0)    # POLLHUP is reported in any case
        ended = {fd for fd, _ in poller.poll(0)}
        alive = [sock for sock in self._sockets if sock.fileno() not in ended]
        if not alive:
            raise AssertionError("no QEMU is connected to the serial port")
        return alive[0]

    def mark(self):
        """The place of the next output, for wait()."""
        return len(self._text)

    def wait(self, pattern, mark, seconds, what):
        """Waits for the regular expression PATTERN behind MARK."""
        found = None

        def is_there():
            nonlocal found
            found = re.compile(pattern, re.DOTALL).search(self._text, mark)
            return found
        with self._more:
            if not self._more.wait_for(is_there, settings.seconds(seconds)):
                raise OutOfTime(f"not within {seconds} s: {what}; the guest said: "
                                     f"{bytes(self._text[mark:][-2000:])!r}")
            return found

    def run(self, command, seconds):
        """Runs a command in a shell of its own; returns (exit code, all output)."""
        number, mark = next(self._ids), self.mark()
        line = f"echo '<[{number}'; (eval {shlex.quote(command)}) </dev/null; echo \"]{number}> $?\"\n"
        self._running().sendall(line.encode())
        found = self.wait(rb"<\[%d\n(.*)\]%d> (\d+)\n" % (number, number), mark, seconds, command)
        return int(found[2]), found[1].decode(errors="replace")


class LinuxGuest(Machine):
    """EXTRA: members of the definition; KERNEL_ARGS: words for the kernel's command line."""

    def __init__(self, world, name="lin", kernel_args="", **extra):
        guest_dir = settings.build_dir / "linux-guest"
        subprocess.run([str(settings.MKLINUX), str(guest_dir)], check=True)
        self.console = Shell(world.dir / f"{name}.console")
        arguments = f"console=ttyS0 quiet memhp_default_state=online {kernel_args}"
        extra_args = ["-kernel", str(guest_dir / "vmlinuz"), "-initrd", str(guest_dir / "initrd"),
                      "-append", arguments.strip(), *extra.pop("extra_args", [])]
        super().__init__(world, {
            "name": name, "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": MEMORY_MIB,
            "serial": {"type": "socket", "path": self.console.path}, "extra_args": extra_args,
            **extra})

    def start(self, host):
        """Creates the guest if need be, boots it, and waits for its shell."""
        if self.uuid is None:
            self.create(host)
        mark = self.console.mark()
        vm = host.api.post(f"/v1/vms/{self.name}/start")
        self.console.wait(re.escape(READY), mark, BOOT_SECONDS, "the end of the boot")
        return vm

    # A QEMU before 9.0 loses some writes of an emulated guest that runs while it is moved
    # (findings/tcg-before-9.0-loses-writes-in-a-live-move.sh): one kernel in a hundred panicked on
    # a busy host.  Its guests are therefore moved paused, as doc/api.md says.
    @contextlib.contextmanager
    def moving(self, source, destination):
        is_paused = settings.qemu_major() < 9 and self.vm(source)["state"] == "running"
        if is_paused:
            source.api.post(f"/v1/vms/{self.name}/pause")
        yield
        if is_paused:
            destination.api.post(f"/v1/vms/{self.name}/resume")

    def sh(self, command, timeout=20, check=True):
        """Returns the output (stderr too) of COMMAND, run as root, on whatever host the guest is.
        CHECK: an exit code other than 0 is a failure.  Each command has a shell of its own: `cd'
        and variables do not last."""
        code, text = self.console.run(command, timeout)
        if check and code != 0:
            raise AssertionError(f"in the guest: {command}: exit {code}: {text}")
        return text


def make_disk(world, disk_id, mib=8):
    """Makes an empty raw disk on storage that both hosts see, for a definition's `disks'."""
    path = world.dir / f"{disk_id}.raw"
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return {"id": disk_id, "path": str(path), "format": "raw", "shared": True}
