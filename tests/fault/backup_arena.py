# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose disks are backed up, under faults.  After each it must run on as before, every
directory in the target must be a whole backup of one moment, QEMU must have nothing of it but the
bitmap of the last whole one, and a next incremental backup must be right."""
import contextlib
import http.client
import json
import os
import time

from arena import Arena, CaseFailed, POLL_SECONDS
from lib import settings
from lib.api import ApiError
from lib.qmp import Qmp

JOB_SECONDS = 30
PREFIX = "migrd-backup-"


class BackupArena(Arena):
    """WAY is "backup", of all of a disk, or "backup-next", an incremental one."""

    def __init__(self, way):
        self.mode = "incremental" if way == "backup-next" else "full"
        super().__init__("disks")
        self.pid = None
        if self.mode == "incremental":
            self.backup("full")

    # ---- jobs ------------------------------------------------------------------

    def jobs(self):
        return {job["id"]: job for job in self.here.api.items("/v1/backups")}

    def begin(self, mode):
        return self.here.api.post(f"/v1/vms/{self.guest.name}/backup",
                                  {"target": {"type": "file", "directory": str(self.here.backups)},
                                   "mode": mode}, timeout=20)["id"]

    def ask_to_move(self, record):
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                record.move_id = self.begin(self.mode)
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def active(self, host):
        try:
            return [job for job in host.api.items("/v1/backups") if not job["final"]]
        except (OSError, ApiError, http.client.HTTPException):
            return None

    def backup(self, mode):
        """One without a fault, which must work.  A command whose message was lost holds the monitor
        until its deadline: until then a job is refused."""
        done = time.monotonic() + settings.seconds(JOB_SECONDS)
        job_id = None
        while time.monotonic() < done:
            try:
                job_id = job_id or self.begin(mode)
            except ApiError as error:
                if error.code != "busy":
                    raise
            job = self.jobs().get(job_id) if job_id else None
            if job and job["final"]:
                if job["state"] != "done":
                    raise CaseFailed(f"backup: {job}")
                return job
            time.sleep(POLL_SECONDS)
        raise CaseFailed(f"the backup does not end: {self.jobs().get(job_id)}")

    # ---- what must hold ---------------------------------------------------------

    def remember_moves(self):
        self.seen_moves = set(self.jobs())
        self.pid = self.guest.vm(self.here)["pid"]
        self.seen_backups = set(os.listdir(self.here.backups))

    def state_of_job(self, record):
        new = [job for key, job in self.jobs().items() if key not in self.seen_moves]
        state = new[0]["state"] if new else None
        if len(new) > 1 or state not in (None, "done", "failed", "cancelled"):
            raise CaseFailed(f"jobs: {new}")
        if record.outcome == "?":
            record.outcome = state or "none"
        return new[0] if new else None

    def check_files(self, job):
        names = set(os.listdir(self.here.backups)) - self.seen_backups
        wanted = {job["id"]} if job and job["state"] == "done" else set()
        if names != wanted:
            raise CaseFailed(f"in the target: {names}, wanted: {wanted}")
        if wanted:
            self.check_backup(job)

    def check_backup(self, job):
        home = self.here.backups / job["id"]
        manifest = json.loads((home / "manifest.json").read_text(encoding="utf-8"))
        if manifest["id"] != job["id"] or (manifest.get("parent") or None) != job["parent"]:
            raise CaseFailed(f"manifest {manifest} of {job}")
        for disk in self.disks:
            disk.assert_stamps(home / f"{disk.id}.qcow2", "qcow2")

    def check_qemu(self):
        """No job, no node; one bitmap at most for each whole backup."""
        monitor = Qmp(self.here, self.guest.uuid)
        try:
            jobs = monitor.command("query-jobs")["return"]
            nodes = monitor.command("query-named-block-nodes", flat=True)["return"]
        finally:
            monitor.close()
        left = [node["node-name"] for node in nodes
                if node["node-name"] in [f"migrd-{disk.id}" for disk in self.disks]]
        bitmaps = {bitmap["name"][len(PREFIX):len(PREFIX) + 36]
                   for node in nodes for bitmap in node.get("dirty-bitmaps", [])
                   if bitmap.get("name", "").startswith(PREFIX)}
        extra = bitmaps - set(os.listdir(self.here.backups))
        if jobs or left or extra or len(bitmaps) > 1:
            raise CaseFailed(f"QEMU has jobs {jobs}, nodes {left}, bitmaps {bitmaps}")

    def check(self, record):
        job = self.state_of_job(record)
        vm = self.guest.vm(self.here)
        if vm["state"] != "running" or vm["job"] or vm["pid"] != self.pid:
            raise CaseFailed(f"job {job}: {vm}")
        self.check_qemu()
        self.wait_clean(self.here, vm)
        record.clean_s = time.monotonic() - (record.back_at or record.began_at)
        self.check_files(job)
        self.guest.wait_sweeps(1, self.here)
        self.assert_history()
        self.measure_silence(record)

    def move_on(self):
        """What the next one copies is right whatever has become of the one under faults; after a
        fault nothing of what is noted is lost."""
        had = len(os.listdir(self.here.backups)) > 0
        job = self.backup("incremental")
        if had and any(disk["mode"] != "incremental" for disk in job["disks"]):
            raise CaseFailed(f"not incremental: {job}")
        self.check_backup(job)
        self.guest.console.assert_disks_right()

    def next_case(self):
        self.guest.console.forget()
        self.remember_moves()
