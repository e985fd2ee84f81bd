#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines of Debian with their own systemd live with the packages of migrd.

    tests/boot/run.py --debs DIR --next DIR [--suite bookworm] [--tree DIR] [--guests 20]

DIR: migrd_*.deb, migrctl_*.deb and migrd-doc_*.deb; --next: the same of a higher version.  As
root; needs mmdebstrap.  The machines are namespaces of this one (tests/boot/machine) with a wire
between them.  Installs, makes the first move, reloads, upgrades both hosts while all guests move,
reboots one with autostart, and purges.  Prints what `systemd-analyze' says of the unit.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MKGUEST = HERE.parent / "guest/mkguest"
ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}
PACKAGES = ("migrd", "migrctl", "migrd-doc")
MOVES_MAX = 64
GUEST = "^[^ ]*qemu-system[^ ]* -name guest="
BASE = "systemd,systemd-sysv,dbus,udev,iproute2"


def out(*argv):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout


def patiently(what, is_true, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        value = is_true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def packages_in(directory):
    """One of each package; what is wrong with DIRECTORY is said by argparse."""
    found = {name: sorted(pathlib.Path(directory).glob(f"{name}_*.deb")) for name in PACKAGES}
    for name, files in found.items():
        if len(files) != 1:
            raise argparse.ArgumentTypeError(
                f"'{directory}' has {len(files) or 'no'} {name}_*.deb, one is wanted: "
                "`dpkg-buildpackage -us -uc -b' in the source tree puts the packages beside it")
    return [str(files[0]) for files in found.values()]


def make_tree(tree, suite, debs):
    """What the packages depend on is in the tree, so that nothing is fetched later."""
    if (tree / "usr").exists():
        return
    depends = set()
    for deb in debs:
        for field in out("dpkg-deb", "-f", deb, "Depends", "Pre-Depends").splitlines():
            for item in field.split(":", 1)[1].split(","):
                depends.add(re.split(r"[ (|]", item.strip())[0])
    depends -= {*PACKAGES, ""}
    subprocess.run(["mmdebstrap", "--quiet", "--variant=apt",
                    f"--include={BASE},{','.join(sorted(depends))}", suite, str(tree)], check=True)


class Machine:
    def __init__(self, name, tree, work):
        self.name, self.tree, self.dir = name, tree, work / name
        self.dir.mkdir()
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        place = next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)
        if not place:
            sys.exit("no cgroup2 is mounted here, which a systemd of its own needs: "
                     "`mount -t cgroup2 none DIR'")
        self.cgroup = pathlib.Path(place) / f"migrd-boot-{os.getpid()}-{name}"
        self.process = self.pid = None

    def boot(self):
        self.cgroup.mkdir(exist_ok=True)
        words = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork",
                 "--kill-child", str(HERE / "machine"), self.name, str(self.tree), str(self.dir)]
        join = f'echo $$ >"{self.cgroup}/cgroup.procs"; exec "$@"'
        with open(self.dir / "console.log", "ab") as log:
            self.process = subprocess.Popen(["sh", "-c", join, "sh", *words], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = patiently(f"{self.name} has a first process", self.find_init)
        patiently(f"{self.name} has booted", self.is_booted)

    def find_init(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(text.split()[0]) if text.split() else None

    def is_booted(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {(self.dir / 'console.log').read_text()[-2000:]}")
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def run(self, *argv, check=True, timeout=300):
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", "env", "-i",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
                               *argv], text=True, capture_output=True, timeout=timeout,
                              check=False, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(argv)}: {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def file(self, path):
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def show(self, *argv):
        return json.loads(self.run("migrctl", *argv, "-o", "json").stdout)

    def is_active(self):
        return self.run("systemctl", "is-active", "migrd", check=False).stdout.strip() == "active"

    def running(self):
        return {vm["name"] for vm in self.show("vm", "list")["items"] if vm["state"] == "running"}

    def reboot(self):
        self.run("systemctl", "--no-block", "reboot")
        self.process.wait(timeout=120)
        self.boot()

    def end(self):
        if self.process and self.process.poll() is None:
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
        for directory, _, _ in os.walk(self.cgroup, topdown=False):
            patiently("a cgroup is empty", lambda at=directory: self.remove_cgroup(at), 10)

    @staticmethod
    def remove_cgroup(path):
        try:
            os.rmdir(path)
        except OSError:
            return False
        return True


def wire(machines):
    ends = [f"mb{os.getpid()}{name}" for name in machines]
    out("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for machine, end in zip(machines.values(), ends):
        out("ip", "link", "set", end, "netns", str(machine.pid))
        machine.run("ip", "link", "set", end, "name", "wire")
        machine.run("ip", "address", "add", f"{ADDRESSES[machine.name]}/24", "dev", "wire")
        machine.run("ip", "link", "set", "wire", "up")


class Trial:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.machines = {name: Machine(name, args.tree, work) for name in ADDRESSES}
        self.a, self.b = self.machines.values()
        self.names = [f"g{n}" for n in range(args.guests)]

    def dpkg(self, machine, debs):
        place = machine.file("/var/tmp/debs")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for deb in debs:
            shutil.copy(deb, place)
        machine.run("sh", "-c", "DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/debs/*.deb")

    def step_install(self):
        for machine in self.machines.values():
            self.dpkg(machine, self.args.debs)
            enabled = machine.run("systemctl", "is-enabled", "migrd").stdout.strip()
            assert enabled == "enabled", enabled
            state = machine.run("systemctl", "is-failed", "migrd", check=False).stdout.strip()
            assert state == "inactive", f"without a configuration the unit is {state}"
        print(self.a.run("systemd-analyze", "verify", "--man=no", "migrd.service").stderr.strip()
              or "systemd-analyze verify: nothing to say")
        print(self.a.run("systemd-analyze", "security", "--no-pager", "migrd.service",
                         check=False).stdout.strip().splitlines()[-1])

    def step_first_move(self):
        self.a.run("migrctl", "pki", "init", "--dir", "/root/pki")
        self.a.run("migrctl", "pki", "host", "--dir", "/root/pki",
                   *(f"{name}={address}" for name, address in ADDRESSES.items()))
        for name, machine in self.machines.items():
            shutil.copytree(self.a.file(f"/root/pki/{name}"), machine.file("/etc/migrd"),
                            dirs_exist_ok=True)
            machine.file("/etc/migrd/migrd.conf.d/moves.conf").write_text(
                f"[move]\nin_max = {MOVES_MAX}\noffers_max = {MOVES_MAX}\n")
            machine.file("/srv/guest.img").write_bytes((self.work / "guest.img").read_bytes())
            machine.run("systemctl", "start", "migrd")
            assert machine.is_active()
        self.create("first")
        self.a.run("migrctl", "move", "start", "first", "--to", "b", "--watch")
        assert "first" in self.b.running()

    def create(self, name):
        definition = {"name": name, "machine": self.args.machine, "accel": "tcg", "memory_mib": 32,
                      "disks": [{"id": "boot", "path": "/srv/guest.img", "format": "raw",
                                 "readonly": True, "shared": True, "boot_index": 0}],
                      "serial": {"type": "file", "path": f"/srv/{name}.console"}}
        self.a.file(f"/root/{name}.json").write_text(json.dumps(definition))
        self.a.run("migrctl", "vm", "create", f"/root/{name}.json", "--start")

    def step_reload(self):
        pid = self.a.run("systemctl", "show", "-P", "MainPID", "migrd").stdout
        self.a.run("systemctl", "reload", "migrd")
        patiently("the reload is in the journal", lambda: "area=reload" in self.a.run(
            "journalctl", "--no-pager", "-u", "migrd", "-p", "info").stdout)
        patiently("the unit is active again", self.a.is_active)
        assert self.a.run("systemctl", "show", "-P", "MainPID", "migrd").stdout == pid
        assert not self.a.run("journalctl", "-q", "--no-pager", "-u", "migrd", "-p", "err").stdout

    def qemus(self, machine):
        """Those of guests: migrd also starts one to see what it offers."""
        done = machine.run("pgrep", "-f", GUEST, check=False)
        return set(done.stdout.split())

    def step_upgrade_while_guests_move(self):
        """Half of the moves wait at their end, the others send slowly: all are under way."""
        self.a.run("migrctl", "policy", "set", "patient", "deadline_s=3600")
        for name in self.names:
            self.create(name)
        before = self.qemus(self.a)
        assert len(before) == len(self.names), before
        for number, name in enumerate(self.names):
            how = ("--hold", "3600") if number % 2 else ("--bandwidth", "64K")
            self.a.run("migrctl", "move", "start", name, "--to", "b",
                       "--policy", "patient", *how)
        patiently("all moves are in transfer", lambda: self.states() == {"transfer"})
        for machine in (self.b, self.a):
            old = machine.run("systemctl", "show", "-P", "MainPID", "migrd").stdout
            self.dpkg(machine, self.args.next)
            assert machine.is_active()
            assert machine.run("systemctl", "show", "-P", "MainPID", "migrd").stdout != old
            assert self.qemus(self.a) == before, "an upgrade has ended a guest"
        assert self.states() == {"transfer"}, self.states()
        for number, name in enumerate(self.names):
            if number % 2:
                self.a.run("migrctl", "move", "release", name)
            else:
                self.a.run("migrctl", "move", "set", name, "--bandwidth", "100M")
        patiently("all moves are done", lambda: self.states() == {"done"}, 600)
        assert set(self.names) <= self.b.running(), self.b.running()
        assert not self.qemus(self.a)
        for name in self.names:
            patiently(f"{name} counts on", lambda name=name: self.counts_on(name))

    def counts_on(self, name):
        text = self.b.file(f"/srv/{name}.console").read_text(errors="replace")
        lines = re.findall(r"T([0-9a-f]{8}) S[0-9a-f]{8} E([0-9a-f]{8})", text)
        assert all(int(errors, 16) == 0 for _, errors in lines), f"{name}: wrong memory"
        return len(lines) > 2

    def states(self):
        newest = {}
        for move in self.a.show("move", "list")["items"]:
            newest.setdefault(move["vm"], move["state"])
        return {state for name, state in newest.items() if name in self.names}

    def step_reboot_with_autostart(self):
        self.b.run("migrctl", "vm", "autostart", "first", "on")
        self.b.reboot()
        wire(self.machines)
        patiently("migrd is up after the boot", self.b.is_active)
        patiently("the guest is started", lambda: "first" in self.b.running())

    def step_purge(self):
        images = self.b.file("/var/lib/migrd/images")
        images.mkdir(exist_ok=True)
        (images / "kept.img").write_bytes(b"a guest's")
        self.b.run("dpkg", "-P", *PACKAGES)
        assert self.qemus(self.b), "a purge has ended a guest"
        assert self.b.file("/var/lib/migrd/migrd.db").exists(), "a guest runs, and its record is gone"
        self.b.run("pkill", "-f", GUEST)
        patiently("the guest is ended", lambda: not self.qemus(self.b))
        self.dpkg(self.b, self.args.next)
        self.b.run("dpkg", "-P", *PACKAGES)
        for gone in ("/etc/migrd", "/run/migrd", "/var/log/migrd", "/var/lib/migrd/migrd.db"):
            assert not self.b.file(gone).exists(), f"{gone} is left over"
        assert (images / "kept.img").read_bytes() == b"a guest's"

    def run(self):
        out(str(MKGUEST), str(self.work / "guest.img"), "--area", "8", "--rate", "1",
            "--static", "8", "--period", "500")
        for machine in self.machines.values():
            machine.boot()
        wire(self.machines)
        for name in [name for name in dir(self) if name.startswith("step_")]:
            assert name in STEPS, f"'{name}' is no step"
        for name in STEPS:
            began = time.monotonic()
            getattr(self, name)()
            print(f"ok {time.monotonic() - began:7.1f} s  {name[5:]}", flush=True)


STEPS = ("step_install", "step_first_move", "step_reload", "step_upgrade_while_guests_move",
         "step_reboot_with_autostart", "step_purge")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debs", required=True, type=packages_in)
    parser.add_argument("--next", required=True, type=packages_in)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--tree", type=pathlib.Path)
    parser.add_argument("--machine", default="pc-q35-7.2")
    parser.add_argument("--guests", type=int, default=20)
    args = parser.parse_args()
    args.tree = (args.tree or pathlib.Path(f"/var/tmp/migrd-boot-{args.suite}")).resolve()
    make_tree(args.tree, args.suite, args.debs)
    work = pathlib.Path(tempfile.mkdtemp(prefix="migrd-boot.", dir="/var/tmp"))
    trial = Trial(args, work)
    try:
        trial.run()
    except BaseException:
        for machine in trial.machines.values():
            if machine.pid:
                print(machine.run("journalctl", "--no-pager", "-n", "8", "-u", "migrd",
                                  check=False).stdout, file=sys.stderr)
        raise
    finally:
        for machine in trial.machines.values():
            machine.end()
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
