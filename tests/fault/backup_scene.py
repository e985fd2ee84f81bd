# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose disk is backed up while a fault strikes; and what must hold whatever the fault was."""
import dataclasses
import os
import shutil
import time

from faults_host import SmallDisk
from lib.disks import Disk
from lib.world import World
from scene import GUEST, Scene

SLOW = 128 * 1024       # bytes/s: a copy that does not end by itself while a fault lasts
MADE = ".{}.migrd-backup"
BITMAP = "migrd-backup-"


@dataclasses.dataclass(frozen=True)
class BackedUp:
    """What must be said of a backup, and of the next one."""
    words: str
    state: str = "done"
    told: str = ""              # in its error
    ends_guest: bool = False    # with its QEMU: it is started again
    why_full: str = ""          # of the next one; "": that is incremental
    leaves: bool = False        # what was made is left, as the error says
    row: str = ""
    only_full: bool = False
    long: None = None

    @property
    def full(self):
        return dataclasses.replace(self, only_full=True)


def backup_world():
    """With a small file system for the backups, where there is root."""
    return SmallDisk("a", "backups", "64m", ids=("a",)) if os.geteuid() == 0 else World(ids=("a",))


class BackupScene(Scene):
    """Good for many cases, one after another: each ends with a whole backup, which the next one
    follows."""

    def __init__(self, full=False):
        self.open_world(full, backup_world)
        self.target = self.a.backups / "vm"
        self.target.mkdir()
        # A QEMU that is killed leaves what was flushed: see faults.LOCAL_DISKS.
        self.disk = Disk("one", mib=8, format="qcow2", area=1, rate=4, data=4, flush=True,
                         cache="unsafe")
        self.guest = self.world.guest(disks=[self.disk], **GUEST)
        self.guest.start(self.a)
        self.uuid = self.guest.vm(self.a)["uuid"]
        self.job_id = None
        self.elsewhere = set()      # backups that are gone, whose bitmaps may be there
        self.newest = self.backup("full")["id"]
        self.next_case()

    def next_case(self):
        self.fault_at = self.healed_at = None
        self.pid = self.guest.vm(self.a)["pid"]
        self.whole = set(os.listdir(self.target))
        self.hold.touch()
        self.points_path(self.a).write_bytes(b"")   # a running daemon has it open
        self.guest.console.forget()

    # ---- the job ----------------------------------------------------------------------

    def begin_backup(self, mode="full", **wish):
        target = {"type": "file", "directory": str(self.target)}
        return self.a.api.post(f"/v1/vms/{self.guest.name}/backup",
                               {"target": target, "mode": mode, **wish}, timeout=30)["id"]

    def job(self, job_id=None):
        return self.a.api.get(f"/v1/backups/{job_id or self.job_id}")

    def wait_job(self, what, is_so, job_id=None):
        return self.wait(f"the backup {what}", lambda: is_so(job := self.job(job_id)) and job)

    def wait_end(self, job_id=None):
        return self.wait_job("has ended", lambda job: job["final"], job_id)

    def backup(self, mode):
        """One without a fault, which must work."""
        job = self.wait_end(self.begin_backup(mode))
        if job["state"] != "done":
            raise AssertionError(f"a backup without a fault: {job}")
        self.disk.assert_stamps(self.target / job["id"] / "one.qcow2", "qcow2")
        return job

    def states(self):
        return self.job_id and self.job()

    def lift(self):
        """The copy has no limit any more, if it is still there."""
        self.monitor(self.a).command("block-job-set-speed", device="migrd-one", speed=0)
        self.close_monitors()

    def lose_target(self):
        """All backups there are gone."""
        shutil.rmtree(self.target)
        self.whole = set()
        self.elsewhere.add(self.newest)

    # ---- what must hold -----------------------------------------------------------------

    def in_qemu(self):
        """What QEMU has of backups: (jobs and nodes, ids of those whose bitmaps there are)."""
        monitor = self.monitor(self.a)
        jobs = monitor.command("query-jobs")["return"]
        nodes = monitor.command("query-named-block-nodes", flat=True)["return"]
        self.close_monitors()
        left = [f"job {job['id']}" for job in jobs]
        left += [f"node {node['node-name']}" for node in nodes if node["node-name"] == "migrd-one"]
        return left, {bitmap["name"][len(BITMAP):len(BITMAP) + 36] for node in nodes
                      for bitmap in node.get("dirty-bitmaps", [])
                      if bitmap.get("name", "").startswith(BITMAP)}

    def backup_leftovers(self, bitmaps):
        """BITMAPS: of which backups there are any; None: of whichever."""
        left, found = self.in_qemu()
        names = set(os.listdir(self.target))
        left += [f"files {name}" for name in names - self.whole]
        left += [f"missing {name}" for name in self.whole - names]
        if bitmaps is not None and found - self.elsewhere != bitmaps - self.elsewhere:
            left.append(f"bitmaps of {found}, not of {bitmaps}")
        return left

    def assert_told(self, outcome):
        job = self.wait_end()
        error = (job["error"] or {}).get("detail", "")
        if job["state"] != outcome.state or outcome.told not in error or bool(error) != bool(outcome.told):
            raise AssertionError(f"it is not {outcome.state}, told {outcome.told!r}: {job}")
        if job["state"] == "done":
            self.note_whole(job)
            self.disk.assert_stamps(self.target / job["id"] / "one.qcow2", "qcow2")
        made = self.target / MADE.format(job["id"])
        if outcome.leaves != (f"may be left in '{made}'" in error) or (outcome.leaves and not made.is_dir()):
            raise AssertionError(f"what is left in {made} is not as it is told: {job}")
        if outcome.leaves:
            shutil.rmtree(made)     # as the error wants

    def note_whole(self, job):
        self.newest = job["id"]
        self.whole.add(self.newest)

    def start_again(self):
        self.vm_is(self.a, "known to have ended", lambda vm: (
            vm["state"] in ("crashed", "stopped") and vm["reason"] and not (vm["job"] or vm["pid"])))
        self.guest.console.assert_quiet(0.3)
        self.assert_history()
        self.guest.console.forget()
        self.a.api.post(f"/v1/vms/{self.guest.name}/start", timeout=60)
        self.assert_runs(self.a)

    def assert_goes_on(self):
        self.assert_runs(self.a)
        if self.guest.vm(self.a)["pid"] != self.pid or self.guest.console.failed_requests():
            raise AssertionError(f"the guest has not gone on: {self.guest.vm(self.a)}")

    def assert_next(self, outcome):
        """Incremental, or it says why not; and now there is one bitmap, of this one."""
        job = self.backup("incremental")
        disk, = job["disks"]
        if disk["mode"] != ("full" if outcome.why_full else "incremental") or \
                outcome.why_full not in disk["why_full"]:
            raise AssertionError(f"not as wanted ({outcome.why_full or 'incremental'}): {job}")
        self.note_whole(job)
        self.wait_left(lambda: self.backup_leftovers({job["id"]}))

    def settle(self, outcome):
        """Waits for the end of the backup, and checks all that must hold then; returns the seconds
        until nothing was left."""
        self.assert_told(outcome)
        if outcome.ends_guest:
            self.start_again()
        else:
            self.assert_goes_on()
        # A QEMU that has ended may have kept the bitmap of a backup that failed, until the next one.
        bitmaps = None if outcome.ends_guest else {self.newest}
        self.wait_left(lambda: self.backup_leftovers(bitmaps))
        clean_s = time.monotonic() - self.healed_at
        self.assert_next(outcome)
        self.assert_history()
        return clean_s
