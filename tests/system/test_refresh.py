# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that a new QEMU of the same host takes over."""
import os
import pathlib
import shutil
import signal
import socket

from lib import settings
from lib.api import ApiError
from lib.disks import Disk
from lib.world import Machine, SystemTest

# The test guest is booted by SeaBIOS, which leaves the variables as they are.
CODE = "/usr/share/seabios/bios-256k.bin"
VARS = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
HAS_CPR = settings.qemu_major() >= 10
USUAL_WAY = "cpr-transfer" if HAS_CPR else "stream"


class RefreshTest(SystemTest):
    host_ids = ("a",)

    # ---- what the tests are made of --------------------------------------------

    def start(self, **options):
        self.guest = self.world.guest(**{"area": 8, "rate": 64, "memory_mib": 96,
                                         "memory_share": True, **options})
        self.guest.start(self.a)

    def begin(self, **body):
        return self.a.api.post("/v1/vms/g1/refresh", body)["id"]

    def wait_end(self, job, *states):
        def ended():
            refresh = self.a.api.get(f"/v1/refreshes/{job}")
            return refresh if refresh["final"] else None
        refresh = self.eventually("the end of the job", ended, 60)
        self.assertIn(refresh["state"], states or ("done",), refresh)
        return refresh

    def refresh(self, **body):
        before = self.guest.vm(self.a)["pid"]
        refresh = self.wait_end(self.begin(**body))
        self.assertNotEqual(self.guest.vm(self.a)["pid"], before)
        self.assert_one_qemu()
        self.note(f"stood still for {refresh['blackout_ms']} ms")
        return refresh

    def assert_one_qemu(self):
        self.assertEqual(self.a.qemus(), [self.guest.vm(self.a)["pid"]])
        self.assertEqual(len(list((self.a.run_dir / "vms").iterdir())), 1)
        self.assertEqual(len(list(self.a.log_dir.iterdir())), 1)

    def assert_went_on(self):
        self.guest.assert_runs_on(self.a)
        self.guest.console.assert_single_runner()
        self.guest.console.assert_counter_never_back()

    def assert_runs_on_in(self, pid):
        """The guest is where it was, and nothing is left of another QEMU."""
        self.assertEqual(self.guest.vm(self.a)["pid"], pid)
        self.eventually("one QEMU is left", lambda: self.a.qemus() == [pid])
        self.assert_one_qemu()
        self.assert_went_on()

    def assert_refused(self, words, **body):
        pid = self.guest.vm(self.a)["pid"]
        with self.assertRaises(ApiError) as caught:
            self.begin(**body)
        for word in words:
            self.assertIn(word, caught.exception.body["detail"])
        self.assertEqual(self.a.api.items("/v1/refreshes"), [])
        self.assert_runs_on_in(pid)

    def program(self, line):
        """A QEMU for which LINE is done when it is to wait for a guest; $@ are its arguments."""
        qemu = shutil.which(settings.qemu)
        path = self.world.dir / "qemu"
        path.write_text(f'#!/bin/bash\nqemu={qemu}\ncase " $* " in *" -machine none "*) ;; *)\n'
                        f'{line}\n;; esac\nexec "$qemu" "$@"\n', encoding="ascii")
        path.chmod(0o755)
        return str(path)


class TakeOverTest(RefreshTest):
    def test_guest_goes_on_where_it_was_and_again(self):
        self.start(disks=[Disk(format="qcow2", area=4, rate=8)], area=4, rate=16)
        for _ in range(2):
            refresh = self.refresh()
            self.assertEqual(refresh["way"], USUAL_WAY)
            self.assert_went_on()
        self.guest.console.assert_disks_right()
        self.a.kill9()
        self.a.start()
        self.assert_went_on()
        self.a.api.post("/v1/vms/g1/stop")
        self.assertEqual(self.a.qemus(), [])

    # Its memory is copied, also of a guest that changes it faster than any host copies.
    def test_guest_without_shared_memory_is_copied(self):
        self.start(memory_share=False, area=48, rate="max", memory_mib=160)
        self.assertEqual(self.refresh()["way"], "stream")
        self.assert_went_on()

    def test_paused_guest_stays_paused(self):
        self.start()
        self.a.api.post("/v1/vms/g1/pause")
        self.assertIsNone(self.refresh()["blackout_ms"])
        self.assertEqual(self.guest.vm(self.a)["state"], "paused")
        self.a.api.post("/v1/vms/g1/resume")
        self.assert_went_on()

    # The new QEMU reads the image of the variables while both have their pages.
    def test_variables_of_firmware_stay(self):
        path = self.a.images / "g1.vars"
        self.start(firmware={"code": CODE, "vars": str(path), "vars_template": str(VARS)})
        for way in (USUAL_WAY, "stream"):
            self.refresh(way=way)
            self.assert_went_on()
            self.assertEqual(path.read_bytes(), VARS.read_bytes())

    def test_migrctl(self):
        self.start()
        self.assertRegex(self.a.migrctl("vm", "refresh", "g1", "--watch").stdout,
                         r"done, the guest stood still for [0-9]+ ms\n$")
        self.assert_went_on()
        (job,) = self.a.migrctl_json("refresh", "list")["items"]
        self.assertIn(USUAL_WAY, self.a.migrctl("refresh", "show", job["id"]).stdout)
        late = self.a.migrctl("refresh", "cancel", job["id"], check=False)
        self.assertIn("the job is done", late.stderr)
        kinds = [one["kind"] for one in self.a.migrctl_json("job", "list")["items"]]
        self.assertEqual(kinds, ["REFRESH"])


class RefusedTest(RefreshTest):
    def test_reasons_are_given_together(self):
        self.start(memory_share=False,
                   monitors=[{"id": "mine", "type": "unix", "protocol": "qmp",
                              "path": str(self.world.dir / "mine.sock")}])
        self.assert_refused(["monitor 'mine'", "memory_share", "no program '/no/such'"],
                            emulator="/no/such", way="cpr-transfer")

    # A new QEMU would remove the socket and listen there itself, so a rollback would leave nobody.
    def test_raw_argument_that_listens_is_refused(self):
        path = self.world.dir / "raw.sock"
        value = f"socket,id=raw,path={path},server=on,wait=off"
        self.start(extra_args=["-chardev", value, "-serial", "file:/dev/null"])
        inode = path.stat().st_ino
        self.assert_refused([f"the raw argument '-chardev {value}' listens",
                             "the raw argument '-serial file:/dev/null'"])
        self.assertEqual(path.stat().st_ino, inode)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))

    # Both QEMUs would have its file, and the copy be older than what its users write meanwhile.
    def test_shared_memory_is_not_copied(self):
        path = self.world.dir / "shm"
        path.write_bytes(bytes(1 << 20))
        self.start(shared_memory=[{"id": "shm0", "path": str(path), "size_mib": 1}])
        self.assert_refused(["shared memory 'shm0'"], way="stream")

    def test_program_that_is_no_qemu_is_refused(self):
        self.start()
        self.assert_refused(["does not answer as QEMU does"], emulator="/bin/true")

    def test_copy_is_refused_where_the_host_has_no_memory_for_it(self):
        for name, backend, is_named in (("m1", {}, True),
                                        ("m2", {"type": "memfd", "huge_page_mib": 2}, False)):
            Machine(self.world, {"name": name, "machine": "pc-q35-7.2", "accel": "tcg",
                                 "memory_mib": 1 << 23, "memory_backend": backend}).create(self.a)
            error = self.assert_api_error(409, "conflict", self.a.api.post,
                                          f"/v1/vms/{name}/refresh", {"way": "stream"})
            self.assertEqual("a copy of its memory needs" in error.body["detail"], is_named)

    def test_vm_without_guest_is_refused(self):
        self.start()
        self.a.api.post("/v1/vms/g1/stop")
        with self.assertRaises(ApiError) as caught:
            self.begin()
        self.assertIn("it is stopped", caught.exception.body["detail"])


class GoneWrongTest(RefreshTest):
    def begin_that_hangs(self):
        """A refresh whose new QEMU never waits for the guest; its pid."""
        self.pid = self.guest.vm(self.a)["pid"]
        self.job = self.begin(emulator=self.program("kill -STOP $$"))
        return self.eventually("the new QEMU is there", lambda: [
            pid for pid in self.a.children("bash") if pid != self.pid])[0]

    def test_new_qemu_that_does_not_start_changes_nothing(self):
        self.start()
        pid = self.guest.vm(self.a)["pid"]
        emulator = self.program('set -- "$@" -device no-such-device')
        refresh = self.wait_end(self.begin(emulator=emulator), "failed")
        self.assertIn("no-such-device", refresh["error"]["detail"])
        self.assert_runs_on_in(pid)
        self.refresh()

    def test_new_qemu_that_is_killed_changes_nothing(self):
        self.start()
        os.kill(self.begin_that_hangs(), signal.SIGKILL)
        self.assertIn("has ended", self.wait_end(self.job, "failed")["error"]["detail"])
        self.assert_runs_on_in(self.pid)

    def test_cancelled_refresh_changes_nothing(self):
        self.start()
        self.begin_that_hangs()
        self.a.api.post(f"/v1/refreshes/{self.job}/cancel")
        self.wait_end(self.job, "cancelled")
        self.assert_runs_on_in(self.pid)

    # It has loaded nothing yet when it is killed, and the old QEMU has been told to give the guest.
    def test_new_qemu_killed_in_the_transfer_leaves_the_guest_where_it_was(self):
        self.start()
        pid = self.guest.vm(self.a)["pid"]
        with self.a.held_at("qmp.send.migrate-incoming", self.begin) as job:
            (new,) = [one for one in self.a.qemus() if one != pid]
            os.kill(new, signal.SIGKILL)
        self.wait_end(job.result(), "failed")
        self.assert_runs_on_in(pid)

    # A guest with firmware stands still before it is given away.  When that fails, the job lets it
    # go on, however often its monitor fails, since nobody else would.
    def test_cont_that_does_not_reach_the_old_qemu_is_said_again(self):
        self.start(firmware={"code": CODE, "vars": str(self.a.images / "g1.vars"),
                             "vars_template": str(VARS)})
        pid = self.guest.vm(self.a)["pid"]
        self.a.restart_with_fault("qmp.send.migrate:error:times=0,qmp.send.cont:error:times=3")
        self.wait_end(self.begin(way="stream"), "failed")
        self.assert_runs_on_in(pid)

    # The record has named the new QEMU, and the guest has not run there: it is lost, as with any
    # QEMU that dies, and the old one is not let run, whose guest may be older than the record.
    def test_new_qemu_killed_after_the_record_is_a_crash_of_the_guest(self):
        self.start()
        pid = self.guest.vm(self.a)["pid"]
        with self.a.held_at("refresh.switched", self.begin) as job:
            (new,) = [one for one in self.a.qemus() if one != pid]
            os.kill(new, signal.SIGKILL)
        self.wait_end(job.result(), "failed")
        self.assertEqual(self.guest.vm(self.a)["state"], "crashed")
        self.assertEqual(self.a.qemus(), [])
        self.a.api.post("/v1/vms/g1/start")
        self.guest.console.expect_reset()
        self.guest.assert_runs_on(self.a)
