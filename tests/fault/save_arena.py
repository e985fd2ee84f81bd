# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that is saved to a file and restored from it, on one of two hosts, under faults.  After each
it must run, with the former file as it was, or be in the file alone, and then it can be restored."""
import contextlib
import hashlib
import http.client
import json
import struct
import time

from arena import Arena, CaseFailed, POLL_SECONDS, QUIET_SECONDS
from lib import settings
from lib.api import ApiError

JOB_SECONDS = 30


class SaveArena(Arena):
    """WAY is "save", "live" (a background snapshot) or "restore": which of them meets the faults;
    "live-disks" and "restore-disks": of background snapshots of a guest with disks."""

    def __init__(self, way):
        self.has_disks = way.endswith("-disks")
        self.is_live = way == "live" or self.has_disks
        self.verb = "restore" if way.startswith("restore") else "save"
        super().__init__("disks" if self.has_disks else "precopy")
        self.file = self.here.saved / "g"
        self.sums = None            # of the images of a stopped VM
        self.before = b""           # the file before the case

    # ---- jobs ------------------------------------------------------------------

    def jobs(self):
        return {job["id"]: job for job in self.here.api.items("/v1/saves")}

    def begin(self, verb):
        path = f"/v1/vms/{self.guest.name}/save" if verb == "save" else "/v1/vms/restore"
        body = {"file": str(self.file)}
        if verb == "save" and self.is_live:
            body["live"] = True
        return self.here.api.post(path, body, timeout=20)["id"]

    def do(self, verb):
        """Saves or restores without a fault, which must work.  A command whose message was lost
        holds the monitor until its deadline: until then a job is refused."""
        done = time.monotonic() + settings.seconds(JOB_SECONDS)
        job_id = None
        while time.monotonic() < done:
            try:
                job_id = job_id or self.begin(verb)
            except ApiError as error:
                if error.code != "busy":
                    raise
            job = self.jobs().get(job_id) if job_id else None
            if job and job["final"]:
                if job["state"] != "done":
                    raise CaseFailed(f"{verb}: {job}")
                return
            time.sleep(POLL_SECONDS)
        raise CaseFailed(f"{verb} does not end: {self.jobs().get(job_id)}")

    def is_saved(self):
        return bool(self.guest.vm(self.here)["saved_in"])

    def ask_to_move(self, record):
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                record.move_id = self.begin(self.verb)
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def active(self, host):
        try:
            return [job for job in host.api.items("/v1/saves") if not job["final"]]
        except (OSError, ApiError, http.client.HTTPException):
            return None

    # ---- what must hold ---------------------------------------------------------

    def remember_moves(self):
        self.seen_moves = set(self.jobs())

    def state_of_job(self, record):
        new = [job for key, job in self.jobs().items() if key not in self.seen_moves]
        state = new[0]["state"] if new else None
        if len(new) > 1 or state not in (None, "done", "failed", "cancelled"):
            raise CaseFailed(f"jobs: {new}")
        if record.outcome == "?":
            record.outcome = state or "none"
        return state

    def check_file(self, state, vm):
        names = sorted(path.name for path in self.here.saved.iterdir())
        if names != ([self.file.name] if self.before or state == "done" else []):
            raise CaseFailed(f"files: {names}")
        if self.verb == "save" and state != "done" and self.before and \
                self.file.read_bytes() != self.before:
            raise CaseFailed("the former file was changed")
        if vm["saved_in"] not in (None, str(self.file)):
            raise CaseFailed(f"saved in {vm['saved_in']}")

    # ---- disks -------------------------------------------------------------------

    def file_id(self):
        """That of the save in the file; None: there is no file, or it was restored from."""
        if not self.file.exists():
            return None
        data = self.file.read_bytes()
        if data[512:520] == b"RESTORED":
            return None
        return json.loads(data[4096:4096 + struct.unpack_from("<I", data, 12)[0]])["id"]

    def image_sums(self):
        return [hashlib.sha256(disk.path.read_bytes()).digest() for disk in self.disks]

    def leftovers(self, host, vm):
        """A file that can be restored has a copy of each disk, and only such copies are there; what
        a restore has put aside stays."""
        left = super().leftovers(host, vm)
        if not self.has_disks or host is not self.here:
            return left
        copies = [f"{disk.path}.saved-{self.file_id()}" for disk in self.disks] \
            if self.file_id() else []
        missing = [f"missing: {copy}" for copy in copies if copy not in left]
        return missing + [path for path in left if path not in copies and ".before-" not in path]

    def check_disks(self, state):
        """A stopped VM has the disks that it had."""
        if self.verb == "restore" and state != "done" and self.image_sums() != self.sums:
            raise CaseFailed("an image has changed")
        before = sum(1 for path in self.here.images.iterdir() if ".before-" in path.name)
        if before != (len(self.disks) if state == "done" and self.verb == "restore" else 0):
            raise CaseFailed(f"{before} images put aside by a job that is {state}")

    def stop_guest(self):
        self.guest.console.expect_reset()
        if self.guest.vm(self.here)["state"] != "stopped":
            self.here.api.post(f"/v1/vms/{self.guest.name}/stop")

    def check(self, record):
        state = self.state_of_job(record)
        vm = self.guest.vm(self.here)
        if self.has_disks:
            self.check_disks(state)
        if self.has_disks and self.verb == "restore" and state != "done":
            self.check_stopped_vm(record, state, vm)
            return
        is_saved = not self.is_live and (state == "done") == (self.verb == "save")
        wanted = "stopped" if is_saved else "running"
        if vm["state"] != wanted or vm["job"] or bool(vm["saved_in"]) != is_saved:
            raise CaseFailed(f"job {state}: {vm}")
        self.check_file(state, vm)
        console = self.guest.console
        if is_saved:
            console.assert_quiet(QUIET_SECONDS)
        else:
            life, _ = console.wait_line(20, self.here.id)
            if life.pid != vm["pid"]:
                raise CaseFailed(f"pid {vm['pid']} by the API, {life.pid} by the console")
            self.guest.wait_sweeps(1, self.here)
        self.wait_clean(self.here, vm)
        record.clean_s = time.monotonic() - (record.back_at or record.began_at)
        self.assert_history()

    def check_stopped_vm(self, record, state, vm):
        """A restore of a background snapshot that has failed: the VM is stopped as it was."""
        if vm["state"] != "stopped" or vm["job"] or vm["saved_in"]:
            raise CaseFailed(f"job {state}: {vm}")
        self.check_file(state, vm)
        self.wait_clean(self.here, vm)
        record.clean_s = time.monotonic() - (record.back_at or record.began_at)

    def move_on(self):
        """The guest is saved and restored once more, and its memory is right; of background
        snapshots the present one is restored, whichever that is."""
        if self.is_live and not self.file.exists():
            return
        if self.has_disks and not self.file_id():
            return
        if self.is_live:
            self.stop_guest()
        elif not self.is_saved():
            self.do("save")
        self.do("restore")
        self.guest.wait_sweeps(1, self.here)
        self.assert_history()

    def next_case_of_disks(self):
        """Before a restore the VM is stopped, and its disks are newer than those in the file."""
        for path in self.here.images.iterdir():
            if ".before-" in path.name:
                path.unlink()
        if self.verb == "restore":
            self.do("save")
            self.guest.wait_sweeps(1, self.here)
            self.stop_guest()
            self.sums = self.image_sums()

    def next_case(self):
        if self.has_disks:
            self.next_case_of_disks()
        elif self.verb == "restore" and not self.is_saved():
            self.do("save")
        elif self.verb == "save" and self.is_saved():
            self.do("restore")
        self.before = self.file.read_bytes() if self.file.exists() else b""
        self.guest.console.forget()
        self.remember_moves()
