# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two daemons of libvirt on one machine, which move a guest to each other.

Each has a mount and a UTS namespace of its own, with directories and a name of its own, since
libvirt moves nothing to the host that it runs on.  QEMU runs as root with all capabilities, since
post-copy needs userfaultfd on the destination, and without a security driver.  As root; Debian's
packages libvirt-daemon and libvirt-clients are enough.
"""
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import uuid

import bare_move
from lib import guest_image, history, procs, settings
from lib.console import Console
from lib.host import free_ports, make_hosts

# Where libvirt keeps what two daemons cannot share.
DIRECTORIES = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt",
               "/run/libvirt")
# Lines that a daemon sees at the end of these files.  libvirtd does not start without the account,
# whoever runs QEMU (Debian's libvirt-daemon-system makes it), and looks up its name at each move.
USER = "libvirt-qemu"
LINES = {"/etc/passwd": f"{USER}:x:64055:64055::/nonexistent:/usr/sbin/nologin",
         "/etc/group": f"{USER}:x:64055:",
         "/etc/hosts": "127.0.0.1 a b"}
START_SECONDS = 30
MOVE_SECONDS = 300

# $1: name; $2: the daemon's own directory; the rest: where what is in it belongs.
ENTER = """
name=$1 own=$2; shift 2
hostname "$name"
for path; do mount --bind "$own$path" "$path" || exit 1; done
exec libvirtd -f "$own/libvirtd.conf" -p "$own/libvirtd.pid"
"""

LIBVIRTD_CONF = """
unix_sock_dir = "{own}"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
"""

QEMU_CONF = """
user = "root"
group = "root"
clear_emulator_capabilities = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
migrate_tls_x509_cert_dir = "{tls}"
"""

# As migrd/cmdline/cmdline.c has it.
DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>
  <devices>
    <emulator>{qemu}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/>
      <readonly/><shareable/>
    </disk>
    {disks}
    <serial type='unix'>
      <source mode='connect' path='{console}'><reconnect enabled='yes' timeout='1'/></source>
    </serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""

# A local disk as migrd has it, on the root bus: the guest looks for its disks there.
DISK = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}' cache='none' discard='unmap'/><source file='{path}'/>
      <target dev='{target}' bus='virtio'/>
      <address type='pci' domain='0' bus='0' slot='{slot}' function='0'/>
    </disk>
"""
FIRST_SLOT = 8
PORTS_MAX = 200

EVENT = re.compile(r"event MIGRATION at (\d+)\.(\d+) for domain '(.*?)':.*\"completed\"")


class Daemon:
    def __init__(self, name, directory, tls, prefix=()):
        self.name = name
        self.prefix = prefix
        self.own = pathlib.Path(directory)
        for path in DIRECTORIES:
            (self.own / path[1:]).mkdir(parents=True)
        for path, line in LINES.items():
            text = pathlib.Path(path).read_text(encoding="utf-8")
            (self.own / path[1:]).write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
        (self.own / "etc/libvirt/qemu.conf").write_text(QEMU_CONF.format(tls=tls), encoding="ascii")
        (self.own / "libvirtd.conf").write_text(
            LIBVIRTD_CONF.format(own=self.own, uuid=uuid.uuid4()), encoding="ascii")
        self.uri = f"qemu+unix:///system?socket={self.own}/libvirt-sock"
        self.log = self.own / "libvirtd.log"
        self.completed_us = {}  # by name of the guest: QEMU's own time of its MIGRATION `completed'
        self._children = []

    def start(self):
        with open(self.log, "wb") as log:
            self._spawn([*self.prefix, "unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c",
                         ENTER, "sh", self.name, str(self.own), *DIRECTORIES, *LINES],
                        stdout=log, stderr=log)
        self._wait_ready()
        self._watch()

    def _spawn(self, argv, **kwargs):
        child = procs.Child(argv, stdin=subprocess.DEVNULL, start_new_session=True,
                            env={**os.environ, procs.MARK: str(self.own)}, **kwargs)
        self._children.append(child)
        return child

    def _wait_ready(self):
        deadline = time.monotonic() + settings.seconds(START_SECONDS)
        while self.virsh("version", check=False).returncode != 0:
            if self._children[0].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"libvirtd {self.name} does not answer:\n{self.log.read_text()}")

    def _watch(self):
        """Notes the ends of moves, as QEMU says them."""
        watcher = self._spawn(["stdbuf", "-oL", "virsh", "-c", self.uri, "qemu-monitor-event",
                               "--event", "MIGRATION", "--loop"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)

        def read():
            for line in watcher.stdout:
                found = EVENT.match(line)
                if found:
                    self.completed_us[found[3]] = int(found[1]) * 1000000 + int(found[2])
        threading.Thread(target=read, daemon=True).start()

    def virsh(self, *args, check=True, timeout=60):
        done = subprocess.run(["virsh", "-q", "-c", self.uri, *map(str, args)], check=False,
                              stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              timeout=settings.seconds(timeout))
        if check and done.returncode != 0:
            raise AssertionError(f"virsh {' '.join(map(str, args))}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}{self.log_tail()}")
        return done

    def log_tail(self):
        paths = [self.log, *self.own.glob("var/log/libvirt/qemu/*.log")]
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
                         for path in paths)

    def close(self):
        procs.kill_all(self.own)
        for child in self._children:
            child.end()


class Guest:
    """As lib.world.Guest, for libvirt."""

    def __init__(self, directory, name, area, rate, static, period, memory_mib, disks=(),
                 wave=0):
        image = f"{directory}/{name}.img"
        guest_image.make(image, area, rate, static, period, [disk.work for disk in disks],
                         wave=wave)
        for number, disk in enumerate(disks):
            disk.make(f"{directory}/{name}-{disk.id}.{disk.format}", number)
        self.name = name
        self.targets = [f"vd{chr(ord('b') + number)}" for number in range(len(disks))]
        self.console = Console(f"{directory}/{name}.console", period,
                               form=history.DISKS if disks else history.MEMORY)
        self.xml = pathlib.Path(f"{directory}/{name}.xml")
        self.xml.write_text(DOMAIN.format(
            name=name, memory_mib=memory_mib, image=image, console=self.console.path,
            disks="".join(DISK.format(format=disk.format, path=disk.path, target=target,
                                      slot=FIRST_SLOT + disk.number)
                          for disk, target in zip(disks, self.targets)),
            qemu=shutil.which(settings.qemu)), encoding="ascii")


class LibvirtPair:
    """Daemons a and b; DIRECTORY must have a short path, since sockets are made below it.  NETWORK
    is a Network of tests/fault/network.py, or None for loopback."""

    def __init__(self, directory, network=None):
        self.dir = pathlib.Path(directory)
        self.made = [path for path in DIRECTORIES if not os.path.isdir(path)]
        for path in self.made:
            os.mkdir(path)
        make_hosts(self.dir / "pki", [bare_move.TLS_HOST])
        tls = self.dir / "tls"
        bare_move.make_tls(self.dir / "pki", bare_move.TLS_HOST, tls)
        self.a, self.b = (Daemon(name, self.dir / name, tls, network.prefix(name) if network else ())
                          for name in ("a", "b"))
        self.address = network.address("b") if network else "127.0.0.1"
        self.told_ports = set()
        try:
            self.a.start()
            self.b.start()
        except BaseException:
            self.close()
            raise

    def start(self, guest):
        self.a.virsh("create", guest.xml)

    def _free_port(self):
        """libvirt 9.0 never gives back a port for disks that it was told."""
        port = next(port for port in free_ports(PORTS_MAX) if port not in self.told_ports)
        self.told_ports.add(port)
        return port

    def move(self, guest, bandwidth_mib, tls, *options):
        """From a to b; returns when virsh does.  No bandwidth: as much as there is."""
        if tls:
            options = ("--tls", "--tls-destination", bare_move.TLS_NAME, *options)
        if bandwidth_mib:
            options = ("--bandwidth", bandwidth_mib, *options)
        self.a.virsh("migrate", "--live", "--p2p", *options,
                     "--migrateuri", f"tcp://{self.address}:{self._free_port()}",
                     "--listen-address", self.address, guest.name, self.b.uri,
                     timeout=MOVE_SECONDS)

    def move_disks(self, guest, bandwidth_mib, tls, home, new_home, how, *options):
        """The same with its disks, which are in HOME: to images of b that are in NEW_HOME.  HOW:
        --copy-storage-all or --copy-storage-inc."""
        xml = self.a.virsh("dumpxml", "--migratable", guest.name).stdout
        new_xml = guest.xml.with_suffix(".new.xml")
        new_xml.write_text(xml.replace(f"'{home}/", f"'{new_home}/"), encoding="utf-8")
        self.move(guest, bandwidth_mib, tls, how, "--xml", new_xml,
                  "--migrate-disks", ",".join(guest.targets), "--disks-port", self._free_port(),
                  *options)

    def end(self, guest):
        for daemon in (self.a, self.b):
            daemon.virsh("destroy", guest.name, check=False)
        guest.console.close()

    def close(self):
        for daemon in (self.a, self.b):
            daemon.close()
        for path in self.made:
            os.rmdir(path)
