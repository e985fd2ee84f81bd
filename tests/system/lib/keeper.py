# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd is to a coordinator: starts it again when it has ended, and is asked for a restart,
here by a hook."""
import contextlib
import threading

from . import settings

POLL_SECONDS = 0.05
# $1: the file with the coordinator's pid; $2: where each run leaves a line.
RESTART = """#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# restart PID-FILE LOG -- ends the coordinator of PID-FILE, and waits until another one is there.
# One that has ended before is not the one that began this: its file is about to be written.
set -eu
echo "$$" >>"$2"
old=$(cat "$1")
until kill -TERM "$old" 2>/dev/null; do
	sleep 0.1
	old=$(cat "$1")
done
while [ "$(cat "$1")" = "$old" ]; do sleep 0.1; done
echo "restarted: $old, then $(cat "$1")"
"""


def pid_file(host):
    return host.dir / "migrd.pid"


def note_pid(host):
    """Tells hooks which process the coordinator is."""
    new = host.dir / "migrd.pid.new"
    new.write_text(f"{host.process.pid}\n", encoding="ascii")
    new.rename(pid_file(host))


def restarts_log(host):
    return host.dir / "restarts"


def restarts(host):
    """How often the hook has run there."""
    with contextlib.suppress(FileNotFoundError):
        return len(restarts_log(host).read_text(encoding="ascii").splitlines())
    return 0


def restart_hook(host, directory, timeout_s=60):
    """Sections of the configuration of HOST for a hook named `restart'."""
    script = directory / "restart"
    if not script.exists():
        script.write_text(RESTART, encoding="ascii")
        script.chmod(0o755)
    return {"hook restart": {"program": f"{script} {pid_file(host)} {restarts_log(host)}",
                             "restarts": "yes", "timeout_s": timeout_s}}


class Keeper:
    """Keeps the coordinators of HOSTS, which run, until it is closed; from then on one that has
    ended stays so.  Use as a context."""

    def __init__(self, hosts):
        self.hosts = list(hosts)
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.keep, daemon=True)

    def __enter__(self):
        for host in self.hosts:
            note_pid(host)
            host.must_be_up = False
        self.thread.start()
        return self

    def keep(self):
        while not self.is_over.wait(POLL_SECONDS):
            for host in self.hosts:
                if not host.is_up():
                    host.spawn()
                    note_pid(host)

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join(settings.seconds(10))
        for host in self.hosts:
            host.must_be_up = host.is_up()
