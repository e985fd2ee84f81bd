# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that a new QEMU of its host takes over, under faults.  After each it must run in one QEMU,
the old one or the new one as the job says, with nothing left of the other."""
import contextlib
import http.client
import os
import subprocess
import time

from arena import Arena, CaseFailed, POLL_SECONDS, QUIET_SECONDS
from lib import settings
from lib.api import ApiError

JOB_SECONDS = 30


class RefreshArena(Arena):
    """WAY is "refresh", "refresh-paused", of a guest that stays paused, "refresh-tap", of one that
    has a tap, as root, or "refresh-tpm", of one with a TPM and flash memory."""

    ways = {"refresh-paused": "paused", "refresh-tpm": "beside"}    # of Arena

    def __init__(self, way):
        self.pid = None             # of the QEMU before the case
        options = {"memory_share": True}
        self.tap = f"mwalk{os.getpid() % 10 ** 9}" if way == "refresh-tap" else None
        if self.tap:
            self.ip("tuntap", "add", self.tap, "mode", "tap")
            self.ip("link", "set", self.tap, "up")
            options["nics"] = [{"id": "n", "type": "tap", "ifname": self.tap}]
        super().__init__(self.ways.get(way, "precopy"), **options)

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True)

    def close(self, keep_as=None):
        faults = super().close(keep_as)
        if self.tap:
            self.ip("link", "del", self.tap)
        return faults

    # ---- jobs ------------------------------------------------------------------

    def jobs(self):
        return {job["id"]: job for job in self.here.api.items("/v1/refreshes")}

    def begin(self):
        return self.here.api.post(f"/v1/vms/{self.guest.name}/refresh", {}, timeout=20)["id"]

    def ask_to_move(self, record):
        with contextlib.suppress(OSError, http.client.HTTPException):
            try:
                record.move_id = self.begin()
            except ApiError as error:
                record.outcome = f"refused ({error.code})"

    def active(self, host):
        try:
            return [job for job in host.api.items("/v1/refreshes") if not job["final"]]
        except (OSError, ApiError, http.client.HTTPException):
            return None

    def refresh(self):
        """Refreshes without a fault, which must work.  A command whose message was lost holds the
        monitor until its deadline: until then a job is refused."""
        done = time.monotonic() + settings.seconds(JOB_SECONDS)
        job_id = None
        while time.monotonic() < done:
            try:
                job_id = job_id or self.begin()
            except ApiError as error:
                if error.code != "busy":
                    raise
            job = self.jobs().get(job_id) if job_id else None
            if job and job["final"]:
                if job["state"] != "done":
                    raise CaseFailed(f"refresh: {job}")
                return
            time.sleep(POLL_SECONDS)
        raise CaseFailed(f"the refresh does not end: {self.jobs().get(job_id)}")

    # ---- what must hold ---------------------------------------------------------

    def remember_moves(self):
        self.seen_moves = set(self.jobs())
        self.pid = self.guest.vm(self.here)["pid"]

    def state_of_job(self, record):
        new = [job for key, job in self.jobs().items() if key not in self.seen_moves]
        state = new[0]["state"] if new else None
        if len(new) > 1 or state not in (None, "done", "failed", "cancelled"):
            raise CaseFailed(f"jobs: {new}")
        if record.outcome == "?":
            record.outcome = state or "none"
        return state

    def check_guest(self, vm):
        console = self.guest.console
        if self.way.state == "paused":
            console.assert_quiet(QUIET_SECONDS)
            return
        life, _ = console.wait_line(20, self.here.id)
        if life.pid != vm["pid"]:
            raise CaseFailed(f"pid {vm['pid']} by the API, {life.pid} by the console")
        self.guest.wait_sweeps(1, self.here)

    def check_keys(self):
        """The state of the TPM is the one that the guest's swtpm has."""
        if not self.way.has_beside:
            return
        states, places = (os.listdir(path) for path in (self.here.tpm_dir, self.here.run_dir / "vms"))
        if states != places:
            raise CaseFailed(f"the keys are in {states}, and the QEMU in {places}")

    def check(self, record):
        state = self.state_of_job(record)
        vm = self.guest.vm(self.here)
        if vm["state"] != self.way.state or vm["job"] or (state == "done") != (vm["pid"] != self.pid):
            raise CaseFailed(f"job {state}, QEMU before {self.pid}: {vm}")
        self.check_guest(vm)
        self.wait_clean(self.here, vm)
        self.check_keys()
        record.clean_s = time.monotonic() - (record.back_at or record.began_at)
        self.assert_history()
        self.measure_silence(record)

    def move_on(self):
        """The guest goes on in a new QEMU once more, and its memory is right.  A paused one has to
        run before: QEMU does not give a guest away that has come back and has not run since."""
        if self.way.state == "paused":
            self.let_run()
        self.refresh()
        if self.way.state == "paused":
            self.let_run()
        else:
            self.guest.wait_sweeps(1, self.here)
            self.assert_history()

    def next_case(self):
        self.guest.console.forget()
        self.remember_moves()
