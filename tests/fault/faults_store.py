# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of a host's records while its QEMUs live on."""
import subprocess

from faults import Fault, SIDES
from lib import settings


class StoreTaken(Fault):
    """The files of a dead coordinator are changed; later the good ones are put back."""
    what = "?"

    def __init__(self, side):
        self.side, self.good = side, {}
        self.name = f"{SIDES[side]}'s store {self.what}, put back later"

    def take(self, s):
        """Kills the coordinator and keeps its good files; returns the host."""
        host = s.world[self.side]
        s.kill_coordinators([host])
        self.good = {path: path.read_bytes() for path in host.state_dir.glob("*.db*")}
        return host

    def mend(self, s):
        host = s.world[self.side]
        s.kill_coordinators([host])
        for path in host.state_dir.glob("*.db*"):
            path.unlink()
        for path, content in self.good.items():
            path.write_bytes(content)
        s.start([host])


class StoreDamaged(StoreTaken):
    """A damaged store must be refused with a reason, and no guest disturbed."""
    what = "damaged"

    def strike(self, s):
        host = self.take(s)
        # The log is damaged too: it may hold the first page, and would repair it.
        for path, content in self.good.items():
            path.write_bytes(b"no database" + content[11:])
        host.spawn()
        if host.process.wait(settings.seconds(20)) == 0 or "is broken" not in host.log_tail(1):
            raise AssertionError(f"a damaged store was not refused in words:\n{host.log_tail(5)}")


class StoreLost(StoreTaken):
    """The coordinator begins with an empty database."""
    what = "lost"
    seconds = 3

    def strike(self, s):
        host = self.take(s)
        for path in self.good:
            path.unlink()
        host.spawn()
        s.wait(f"{host} to speak", lambda: host.api.get("/v1/host"))


class StoreLostAndImagesLeft(StoreLost):
    """The QEMU has ended meanwhile, and whether its guest has run only a person can know: the images
    stay, and the timeline says so."""

    def mend(self, s):
        super().mend(s)
        host = s.world[self.side]
        s.world.wait_state(host, s.move_id, "failed")
        notes = host.api.items(f"/v1/moves/{s.move_id}/timeline")
        if not any("may have run here" in note["detail"] for note in notes):
            raise AssertionError(f"the timeline does not tell of the images: {notes}")
        left = sorted(path.name for path in host.images.iterdir())
        made = [disk.path.name for disk in s.disks]
        if left != sorted(made + [f".{name}.migrd-{s.move_id}" for name in made]):
            raise AssertionError(f"not just images and marks: {left}")
        for path in host.images.iterdir():
            path.unlink()


class StoreOld(Fault):
    """A backup from before the move is put back, for good.  PERSON decides what the hosts cannot
    know."""

    def __init__(self, side, person=None):
        self.side, self.person = side, person
        self.name = f"backup from before the move put back on the {SIDES[side]}"
        if person:
            self.name += f", {person.__name__.replace('_', ' ')}"
        self.options = {"setup": self.copy, "config": {"move": {"stuck_after_ms": 1000}}}

    def backup(self, s):
        return s.world[self.side].dir / "backup.db"

    def copy(self, s):
        s.world[self.side].migrctl("backup", self.backup(s))

    def strike(self, s):
        host = s.world[self.side]
        s.kill_coordinators([host])
        subprocess.run([settings.program("migrd"), "-c", str(host.config), "--restore",
                        str(self.backup(s))], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)
        host.spawn()
        s.wait(f"{host} to speak", lambda: host.api.get("/v1/host"))
        host.must_be_up = True

    def mend(self, s):
        if self.person:
            self.person(s)


class StoreOldAlone(StoreOld):
    """The peers are down too, so they cannot tell the source that its records are old; a user's
    false word that they are dead must not let the guest run that its QEMU has sent away."""

    def __init__(self, person):
        super().__init__("a", person)
        self.name += ", peer down, resume tried with a false word"

    def strike(self, s):
        s.kill_coordinators([s.b])
        super().strike(s)
        s.wait("the QEMU to be known", lambda: s.guest.vm(s.a)["state"] == "paused")
        refused = s.a.migrctl("vm", "resume", s.guest.name, "--assert-dead", "b", check=False)
        if refused.returncode == 0 or "may be old" not in refused.stderr:
            raise AssertionError(f"resumed in doubt: {refused.stdout}{refused.stderr}")

    def mend(self, s):
        s.start([s.b])
        super().mend(s)


def resolved_for_the_destination(s):
    """The guest is complete on the destination, and the source answers that it does not know the
    move."""
    s.world.wait_state(s.b, s.move_id, "stuck")
    s.wait("the QEMU to be known", lambda: s.guest.vm(s.a)["state"] == "paused")
    s.guest.console.assert_quiet(0.3)
    refused = s.a.migrctl("vm", "resume", s.guest.name, check=False)
    if refused.returncode == 0 or "has sent the guest to another host" not in refused.stderr:
        raise AssertionError(f"an old memory was resumed: {refused.stdout}{refused.stderr}")
    if "sent-away-vm" not in s.a.migrctl("-o", "json", "host", "check", check=False).stdout:
        raise AssertionError("the check of the host does not tell of it")
    s.b.migrctl("move", "resolve", s.move_id, "--keep", "destination", "--assert-dead", "a")
    old_record_forgotten(s)


def resolved_for_the_source(s):
    """The destination has lost its records of the guest."""
    s.world.wait_state(s.a, s.move_id, "stuck")
    s.guest.console.assert_quiet(0.3)
    s.kill(*s.b.qemus())
    s.a.migrctl("move", "resolve", s.move_id, "--keep", "source", "--assert-dead", "b")
    s.b.migrctl("host", "check", "--repair")


def leftovers_removed(s):
    """Removes what is left of the QEMU that waited for a guest and ended with the stream."""
    s.wait("the end of the QEMU", lambda: not s.b.qemus())
    s.b.migrctl("host", "check", "--repair")


def old_record_forgotten(s):
    """Deletes the old record, which must never start."""
    s.wait("the record to be known as old", lambda: s.guest.vm(s.a)["state"] == "was-here")
    s.a.migrctl("vm", "delete", s.guest.name)
