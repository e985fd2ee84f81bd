# SPDX-License-Identifier: LGPL-2.1-or-later
"""One host: a coordinator with its own directory, certificates and ports."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from . import jitter, procs, settings
from .api import Api, ApiError, client_context
from .limits import OutOfTime

START_SECONDS = 20


def is_probe(pid):
    args = procs.cmdline(pid)
    return ("-machine", "none") in zip(args, args[1:])


class Host:
    def __init__(self, host_id, directory, api_port, data_port, address="127.0.0.1", prefix=()):
        self.id = host_id
        self.address = address
        self.prefix = list(prefix)              # prefix of the daemon's command line
        self.dir = pathlib.Path(directory)      # made by migrctl pki host
        self.api_port = api_port
        self.data_port = data_port
        self.state_dir = self.dir / "state"
        self.run_dir = self.dir / "run"
        self.log_dir = self.dir / "log"         # logs of its QEMUs
        self.socket = self.run_dir / "api.sock"
        self.images = self.dir / "images"       # of local disks
        self.tpm_dir = self.dir / "tpm"
        self.saved = self.dir / "saved"         # guests in files
        self.backups = self.dir / "backups"     # of disks
        self.siblings = ()                      # the other hosts, whose paths are mapped to ours
        self.config = self.dir / "migrd.conf"
        self.log = self.dir / "migrd.log"
        self.process = None
        self.stands_still = False               # frozen, or held at a fault point
        self.must_be_up = False                 # if set, a daemon that ends by itself is a failure
        self.env = {}
        self.build_dir = None                   # of other programs than those that are tested
        self.api = Api.on_socket(self.socket)
        self.pulses = jitter.Pulses(self) if jitter.wants(self) else None

    def __str__(self):
        return f"host {self.id}"

    def api_of(self, name, role="operator"):
        """The API as a person has it: over TLS, with a new certificate for NAME."""
        pki = self.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", name, "--role", role,
                        "--dir", str(pki)], check=True, capture_output=True)
        context = client_context(self.dir)
        context.load_cert_chain(pki / f"users/{name}.pem", pki / f"users/{name}.key")
        return Api.with_certificate("127.0.0.1", self.api_port, context)

    def be_older(self, build_dir):
        """Has the programs of an older version, which knows less than this one's configuration and
        documents."""
        self.build_dir = build_dir
        self.api = Api.on_socket(self.socket, asks_contract=False)
        self.write_config()

    def program(self, name):
        return str(self.build_dir / "bin" / name) if self.build_dir else settings.program(name)

    def write_config(self, **sections):
        """Replaces the configuration; the peers are in the drop-in that pki made."""
        values = {
            "host": {"id": self.id, "state_dir": self.state_dir, "run_dir": self.run_dir,
                     "log_dir": self.log_dir},
            "api": {"listen": f"{self.address}:{self.api_port}"},
            "data": {"listen": f"{self.address}:{self.data_port}"},
            "qemu": {"binary": settings.qemu,
                     "output_program": self.program("migrd-output")},
            "maintenance": {"hook_program": self.program("migrd-hook")},
            "move": {"stream_program": self.program("migrd-stream"),
                     "link_probe_ms": 0},   # it costs each first move some tenths of a second
            "storage": {"dirs": self.images, "save_dirs": self.saved,
                        "backup_dirs": self.backups},
            "tpm": {"state_dir": self.tpm_dir},
            "log": {"level": "debug"},
        }
        if self.siblings:
            values["storage"]["map"] = " ".join(f"{host.images}:{self.images}"
                                                for host in self.siblings)
        for name, section in sections.items():
            values.setdefault(name, {}).update(section)
        text = "\n".join(f"[{name}]\n" + "".join(f"{key} = {value}\n"
                                                 for key, value in section.items() if self.knows(key))
                         for name, section in values.items() if any(map(self.knows, section)))
        self.config.write_text(text, encoding="utf-8")

    def knows(self, key):
        """False: of the configuration, and this host's programs are of an older version: its manual
        page tells."""
        return not self.build_dir or re.search(
            rf"\b{key}\b", (self.build_dir / "man/migrd.conf.5").read_text(encoding="utf-8"))

    # ---- the daemon --------------------------------------------------------

    def spawn(self):
        """Starts the daemon without waiting for it."""
        with open(self.log, "ab") as log:
            self.process = procs.Child(
                [*self.prefix, self.program("migrd"), "-c", str(self.config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **self.env, procs.MARK: str(self.dir)})

    def start(self):
        self.spawn()
        self.wait_ready()
        self.must_be_up = True
        return self

    def wait_ready(self):
        deadline = time.monotonic() + settings.seconds(START_SECONDS)
        pause = 0.005
        while True:
            with contextlib.suppress(OSError, ApiError):
                self.api.get("/readyz", timeout=5)
                return
            if self.process.poll() is not None:
                raise AssertionError(f"{self}: migrd ended with {self.process.returncode}:\n"
                                     f"{self.log_tail()}")
            if time.monotonic() > deadline:
                raise OutOfTime(f"{self}: not ready in {START_SECONDS} s:\n{self.log_tail()}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Sends SIGTERM, so that the daemon stops in order; guests go on."""
        self.must_be_up = False
        code = self.process.end(signal.SIGTERM, timeout=settings.seconds(15))
        if code != 0:
            raise AssertionError(f"{self}: migrd ended with {code}:\n{self.log_tail()}")

    def kill9(self):
        self.must_be_up = False
        self.process.end(signal.SIGKILL)

    def restart_with_fault(self, plan):
        """Restarts the daemon with the fault points of PLAN (base/fault.h), so that a move's state
        is certain; the daemon may die of them.  The next start() is without."""
        self.kill9()
        self.env["MIGRD_FAULTS"] = plan
        self.spawn()
        self.wait_ready()
        del self.env["MIGRD_FAULTS"]

    @contextlib.contextmanager
    def held_at(self, point, begin):
        """Restarts the daemon, which then stands still at the fault point POINT, where BEGIN()
        leads it, for as long as the block lasts (60 s at most).  Gives a future: the answer of
        BEGIN(), which may come only after the block."""
        hold, points = self.dir / "held", self.dir / "points"
        hold.touch()
        points.unlink(missing_ok=True)
        self.env |= {"MIGRD_FAULT_HOLD": str(hold), "MIGRD_FAULT_LOG": str(points)}
        self.restart_with_fault(f"{point}:hold")
        del self.env["MIGRD_FAULT_HOLD"], self.env["MIGRD_FAULT_LOG"]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            try:
                answer = pool.submit(begin)
                self.wait_passed(points, point, answer)
                self.stands_still = True
                yield answer
            finally:
                self.stands_still = False
                hold.unlink()

    def wait_passed(self, points, point, answer):
        deadline = time.monotonic() + settings.seconds(20)
        while point not in points.read_text(encoding="ascii").split():
            if answer.done() and answer.exception():
                raise answer.exception()
            if time.monotonic() > deadline:
                raise OutOfTime(f"{self}: never at {point}:\n{self.log_tail()}")
            time.sleep(0.005)

    def end_guests(self):
        """Kills every QEMU and stream; together with kill9() this plays the loss of the host."""
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        procs.wait_gone(self.children(), settings.seconds(10))

    def freeze(self):
        self.stands_still = True
        if self.pulses:
            self.pulses.leave_alone(True)
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)
        self.stands_still = False
        if self.pulses:
            self.pulses.leave_alone(False)

    def end_pulses(self):
        if self.pulses:
            self.pulses.end()
            self.pulses = None

    def log_tail(self, lines=40):
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    # ---- asking it ---------------------------------------------------------

    def vm(self, name):
        return self.api.get(f"/v1/vms/{name}")

    def vms(self):
        return {vm["name"]: vm for vm in self.api.items("/v1/vms")}

    def moves(self, query=""):
        return self.api.items("/v1/moves" + query)

    def move_state(self, move_id):
        return self.api.get(f"/v1/moves/{move_id}")

    def is_in(self, move_id):
        """It is up, and its side of the move has not ended."""
        with contextlib.suppress(OSError, http.client.HTTPException, ApiError):
            return (not self.stands_still and self.is_up()
                    and not self.move_state(move_id)["final"])
        return False

    def migrctl(self, *args, check=True, timeout=60):
        """Runs migrctl against the local socket; the CompletedProcess."""
        done = subprocess.run([settings.program("migrctl"), "--socket", str(self.socket),
                               *map(str, args)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=settings.seconds(timeout), check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"migrctl {' '.join(map(str, args))}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def migrctl_json(self, *args):
        return json.loads(self.migrctl("-o", "json", *args).stdout)

    # ---- what is left ------------------------------------------------------

    def children(self, program=None):
        """Pids of the processes that the daemon (any run of it) started here and that are still
        there, except for those that end by themselves: the keeper of a QEMU's output goes with the
        last process that can write, and a QEMU without a machine is only a probe of the
        program."""
        daemon = self.process.pid if self.process else None
        return [pid for pid in procs.of_host(self.dir)
                if pid != daemon and (program is None or program in procs.name_of(pid))
                and procs.name_of(pid) != "migrd-output" and not is_probe(pid)]

    def qemus(self):
        return self.children("qemu-system")

    def streams(self):
        return self.children("migrd-stream")

    def sockets(self):
        """Paths of the listening UNIX sockets of this host, except for its API's."""
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
            paths = {line.split()[7] for line in f if len(line.split()) > 7}
        return sorted(p for p in paths if p.startswith(f"{self.dir}/") and p != str(self.socket))

    def traces(self, *needles):
        """All that is left of a guest or move on this host: processes, sockets, files."""
        found = [f"process {procs.describe(pid)}" for pid in self.children()
                 if any(procs.names_any(arg, needles) for arg in procs.cmdline(pid))]
        for top in (self.run_dir, self.state_dir, self.log_dir):
            for directory, dirs, files in os.walk(top):
                found += [f"file {directory}/{name}" for name in dirs + files
                          if any(n in name for n in needles)]
        found += [f"socket {path}" for path in self.sockets() if procs.names_any(path, needles)]
        return found

    def assert_clean(self, vm, moves=()):
        """Nothing of this guest is left on this host: no process, socket, file or object."""
        left = self.traces(vm["name"], vm["uuid"], *moves)
        left += [f"object {found}" for name, found in self.vms().items() if name == vm["name"]]
        active = [m for m in self.moves("?state=active") if m["vm"] == vm["name"]]
        left += [f"active move {m['id']} in {m['state']}" for m in active]
        if left:
            raise AssertionError(f"{self}: left of {vm['name']}:\n  " + "\n  ".join(left))

    def assert_clean_soon(self, vm, *moves):
        """The same, with a moment for processes that have been told to end."""
        deadline = time.monotonic() + settings.seconds(2)
        while True:
            try:
                return self.assert_clean(vm, moves)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            procs.wait_gone(self.children(), 0.05)

    def assert_empty(self):
        """No guest is left: no process but the daemon, no socket but the API's."""
        left = [f"process {procs.describe(pid)}" for pid in self.children()]
        left += [f"socket {path}" for path in self.sockets()]
        left += [f"object {name}" for name in self.vms()]
        if left:
            raise AssertionError(f"{self}: not empty:\n  " + "\n  ".join(left))


FIRST_PORT, PORTS_PER_SLOT = 20000, 400     # below the kernel's range for clients


def free_ports(count):
    """Ports that are free now, all different, in a range that no other slot has."""
    first = FIRST_PORT + settings.slot * PORTS_PER_SLOT
    offset = os.getpid()    # starts elsewhere each time, because a closed port may linger
    found = []
    for i in range(PORTS_PER_SLOT):
        port = first + (offset + i) % PORTS_PER_SLOT
        with contextlib.closing(socket.socket()) as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports from {first} on")


def introduce(hosts):
    """Each host makes images of local disks at a path of its own."""
    for host in hosts:
        host.siblings = [other for other in hosts if other is not host]
        host.images.mkdir()
        host.saved.mkdir()
        host.backups.mkdir()
        host.write_config()


def make_hosts(pki_dir, ids, places=None):
    """Makes a CA and one directory per host, by migrctl pki.  PLACES: {id: (address, prefix of the
    command line)} of the hosts that are not simply on loopback."""
    places = places or {}
    ports = free_ports(2 * len(ids))
    pairs = list(zip(ports[::2], ports[1::2]))
    migrctl = settings.program("migrctl")
    where = {i: places.get(i, ("127.0.0.1", ())) for i in ids}
    specs = [f"{i}={where[i][0]}:{api}:{data}" for i, (api, data) in zip(ids, pairs)]
    for args in (["init"], ["host", *specs]):
        subprocess.run([migrctl, "pki", *args, "--dir", str(pki_dir)], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    hosts = {i: Host(i, pathlib.Path(pki_dir) / i, *pair, *where[i]) for i, pair in zip(ids, pairs)}
    introduce(hosts.values())
    return hosts
