# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that no coordinator started, and functions that tests of adoption share."""
import contextlib
import functools
import json
import os
import socket
import subprocess

from lib import procs, settings
from lib.qmp import ask_program
from lib.world import SystemTest

PLAIN = ("-nodefaults", "-display", "none")


@functools.cache
def reconnecting():
    """Returns the option to reconnect after a second, which each version of QEMU names
    differently."""
    told = json.dumps(ask_program("query-command-line-options", option="chardev"))
    return "reconnect-ms=1000" if '"reconnect-ms"' in told else "reconnect=1"


class Foreign:
    """A QEMU that no coordinator started, with the boot disk and console of GUEST."""

    def __init__(self, guest, host, *args, machine="q35", memory="128", name=True, uuid=None,
                 disk=None, console=True, daemonize=True):
        self.guest = guest
        self.host = host
        world = guest.world
        self.qmp = world.dir / f"{guest.name}.qmp"
        self.pid_file = world.dir / f"{guest.name}.pid"
        if disk is None:
            image = guest.definition["disks"][0]["path"]
            disk = ("-drive", f"file={image},if=virtio,format=raw,readonly=on")
        self.args = [settings.qemu, "-machine", f"{machine},accel=tcg", "-m", memory,
                     *(("-name", guest.name) if name else ()), *(("-uuid", uuid) if uuid else ()),
                     *disk, *args,
                     *(("-chardev", f"socket,id=con,path={guest.console.path},{reconnecting()}",
                        "-serial", "chardev:con") if console else ()),
                     "-qmp", f"unix:{self.qmp},server=on,wait=off", "-pidfile", str(self.pid_file),
                     *(("-daemonize",) if daemonize else ())]

    def start(self):
        # The console and the end of the test find the QEMU by the mark of its host.
        env = {**os.environ, procs.MARK: str(self.host.dir)}
        subprocess.run(self.args, check=True, stdin=subprocess.DEVNULL, env=env,
                       timeout=settings.seconds(30))
        return self

    @property
    def pid(self):
        return int(self.pid_file.read_text(encoding="ascii"))

    def ask(self, **options):
        return {"qmp": f"unix:{self.qmp}", "dry_run": True, **options}

    def look(self, **options):
        return self.host.api.post("/v1/vms/adopt", self.ask(**options))

    def adopt(self, **options):
        """Looks at the QEMU, then adopts it as seen; returns the VM and what was seen."""
        found = self.look(**options)
        vm = self.host.api.post("/v1/vms/adopt", self.ask(**{
            **options, "dry_run": False, "confirm": found["confirm"]}))
        self.guest.uuid = vm["uuid"]
        return vm, found

    def command(self, name, **arguments):
        """Sends one command to the QEMU's monitor, while no other client holds it."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(settings.seconds(10))
            sock.connect(str(self.qmp))
            stream = sock.makefile("rw", encoding="utf-8")
            stream.readline()
            for line in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                stream.write(json.dumps(line) + "\n")
                stream.flush()
                while True:
                    reply = json.loads(stream.readline())
                    if "event" not in reply:
                        break
            return reply


class AdoptBase(SystemTest):
    def foreign(self, *args, guest=None, **kwargs):
        guest = guest or self.world.guest()
        return Foreign(guest, self.a, *args, **kwargs).start()

    def there_and_back(self, guest):
        for source, destination in ((self.a, self.b), (self.b, self.a)):
            self.world.move(guest, source, destination)
            guest.assert_runs_on(destination)
        guest.console.assert_single_runner()

    def refused(self, foreign, status, code, *words, **options):
        error = self.assert_api_error(status, code, foreign.look, **options)
        for word in words:
            self.assertIn(word, json.dumps(error.body))
        return error
