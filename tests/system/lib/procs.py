# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes that outlive their parents: find them, wait for them, end them.

Every daemon of a test is started with MARK=<its directory> in its environment;
what it starts inherits that, so that a QEMU is found even when the daemon that
started it is dead.
"""
import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import threading

MARK = "MIGRD_TEST_HOST"
SCRATCH = re.compile(r"/tmp/mig[a-z0-9_]{8}")
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def become_subreaper():
    """Makes this process the parent of orphans and reaps them at once: process 1 may be slow
    to."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    signal.signal(signal.SIGCHLD, lambda *_: reap_orphans())


def reap_orphans():
    """Reaps our zombies, except for those that a Popen object waits for: a daemon's children have
    sessions of their own, our children have ours or are a Child.  Any thread, and the handler of a
    signal: it never waits; what another reaps or starts meanwhile is looked at when that is done."""
    global _is_wanted
    _is_wanted = True
    while _is_wanted and _family.acquire(blocking=False):
        try:
            _is_wanted = False
            _reap()
        finally:
            _family.release()


def has_dead_child():
    """SIGCHLD comes for children that are stopped, too, and to look at all processes takes long."""
    try:
        return bool(os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    except ChildProcessError:
        return False


def _reap():
    if not has_dead_child():
        return
    for pid in all_pids():
        stat = read_stat(pid)
        if (stat and stat["state"] == "Z" and stat["ppid"] == os.getpid()
                and stat["session"] != os.getsid(0) and pid not in _ours):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


_ours = set()
_family = threading.Lock()  # held while a Child is started, and while orphans are reaped
_is_wanted = False          # somebody wants orphans reaped; who holds _family looks at it again


class Child(subprocess.Popen):
    """A process of the test's own; reap_orphans() leaves it to its owner."""

    def _execute_child(self, *args, **kwargs):
        # A child that dies at once must be known before orphans are reaped.  To block SIGCHLD
        # would not do: another thread gets the signal, and its handler runs in the main one.
        with _family:
            super()._execute_child(*args, **kwargs)
            _ours.add(self.pid)
        reap_orphans()

    def end(self, signo=signal.SIGKILL, timeout=10):
        """Sends SIGNO if it still runs, and waits for it."""
        if self.poll() is None:
            self.send_signal(signo)
        code = self.wait(timeout)
        _ours.discard(self.pid)
        return code


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_stat(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            rest = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return {"state": rest[0], "ppid": int(rest[1]), "session": int(rest[3])}


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return [a.decode(errors="replace") for a in f.read().split(b"\0")[:-1]]
    except OSError:
        return []


def names_any(text, needles):
    """TEXT, a path or an argument, has one of NEEDLES in it.  The random name of a scratch directory
    (/tmp/mig1x2y3z4a: lib/world.py) is no part of it: it has a short name as g1 by chance."""
    return any(n in SCRATCH.sub("", text) for n in needles)


def host_mark(pid):
    """The directory of the test host that PID belongs to, or None."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            env = f.read().split(b"\0")
    except OSError:
        return None
    prefix = MARK.encode() + b"="
    return next((e[len(prefix):].decode() for e in env if e.startswith(prefix)), None)


def is_running(pid):
    stat = read_stat(pid)
    return stat is not None and stat["state"] not in "ZX"


def of_host(directory):
    """The running processes of one test host (or of all below DIRECTORY)."""
    directory = str(directory)
    return [pid for pid in all_pids() if is_running(pid) and _belongs(pid, directory)]


def _belongs(pid, directory):
    mark = host_mark(pid)
    if mark is not None:
        return mark == directory or mark.startswith(directory + "/")
    return any(directory + "/" in arg for arg in cmdline(pid)) and pid != os.getpid()


def memory_kib(pid):
    """What it has in memory now."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def name_of(pid):
    args = cmdline(pid)
    if "--argv0" in args:   # another system's loader runs the program
        return args[args.index("--argv0") + 1]
    return os.path.basename(args[0]) if args else "?"


def describe(pid):
    return f"{pid} {' '.join(cmdline(pid))[:160]}"


def wait_gone(pids, timeout):
    """Returns True when all of PIDS have exited within TIMEOUT seconds (by pidfd: no polling)."""
    fds = []
    for pid in pids:
        with contextlib.suppress(OSError):
            fds.append(os.pidfd_open(pid))
    try:
        poller = select.poll()
        for fd in fds:
            poller.register(fd, select.POLLIN)
        left = set(fds)
        while left:
            ready = poller.poll(timeout * 1000)
            if not ready:
                return False
            for fd, _ in ready:
                poller.unregister(fd)
                left.discard(fd)
        return True
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def stopped(pid):
    """The process does nothing meanwhile (SIGSTOP)."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_all(directory):
    """Ends the processes that a test left behind, and only those that bear its mark."""
    pids = of_host(directory)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
    wait_gone(pids, 10)
    return pids
