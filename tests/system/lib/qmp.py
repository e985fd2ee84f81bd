# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU's monitor, used beside the coordinator."""
import contextlib
import json
import socket
import subprocess

from . import settings


class Qmp:
    """The spare monitor of a QEMU, which the coordinator does not use, or the one at PATH."""

    def __init__(self, host=None, vm_uuid=None, path=None):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(settings.seconds(20))
        self._sock.connect(str(path or host.run_dir / "vms" / vm_uuid / "qmp1.sock"))
        self._file = self._sock.makefile("rw")
        self._events = []       # events that came before an answer
        self._next()
        self.command("qmp_capabilities")

    def _next(self):
        return json.loads(self._file.readline() or '{"event": "END"}')

    def send(self, name, /, **args):
        self._file.write(json.dumps({"execute": name, "arguments": args}) + "\n")
        self._file.flush()

    def command(self, name, /, **args):
        self.send(name, **args)
        while True:
            answer = self._next()
            if "return" in answer or "error" in answer:
                return answer
            self._events.append(answer.get("event"))
            if self._events[-1] == "END":
                raise AssertionError(f"QEMU ended at {name}")

    def hmp(self, line):
        """The human monitor's answer to LINE; "o /b PORT VALUE" writes to a port as the guest
        would."""
        return self.command("human-monitor-command", **{"command-line": line})["return"]

    def wait_event(self, name):
        """Returns the next event of this name, and drops the events before it."""
        while True:
            event = self._events.pop(0) if self._events else self._next().get("event")
            if event == name:
                return
            if event == "END":
                raise AssertionError(f"QEMU ended before {name}")

    def close(self):
        with contextlib.suppress(BrokenPipeError):  # a last command that QEMU did not live to read
            self._file.close()
        self._sock.close()


def ask_program(name, **args):
    """The answers of a QEMU without a machine.  It is ended by a signal: a QEMU that is told to
    quit drops answers that were not read yet (findings/qmp-answers-unread-at-quit-are-cut.sh)."""
    questions = ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": args})
    with subprocess.Popen([settings.qemu, "-machine", "none", "-nodefaults", "-display", "none",
                           "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as qemu:
        try:
            print(*map(json.dumps, questions), sep="\n", file=qemu.stdin, flush=True)
            answers = (answer for answer in map(json.loads, qemu.stdout)
                       if "return" in answer or "error" in answer)
            next(answers)
            return next(answers)["return"]
        finally:
            qemu.kill()
