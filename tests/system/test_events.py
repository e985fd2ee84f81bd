# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of real QEMUs: what users are told, the guest's new state, and its reason."""
import json
import re
import subprocess

from lib import settings
from lib.linux import LinuxGuest
from lib.qmp import Qmp, ask_program
from lib.world import SystemTest

# Ports and values that cause each event when a guest writes them (pvpanic; ICH9's ACPI and reset
# control; ib700's time-out: 0 s).
PANIC = "o /b 0x505 1"
POWER_OFF = "o /h 0x604 0x2000"
REBOOT = "o /b 0xcf9 6"
WATCHDOG = "o /b 0x443 0xf"

DEVICES = ["-device", "pvpanic", "-device", "ib700"]
STAY = {"panic": "pause", "watchdog": "pause", "shutdown": "pause"}


class Follower:
    """Follows the event stream from now on, and keeps the events."""

    def __init__(self, host, guest, timeout=20):
        self.guest = guest
        self.seen = []
        self._stream = host.api.events(timeout)
        self._events = iter(self._stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.__exit__()

    def wait(self, kind, is_wanted):
        try:
            for found, event in self._events:
                self.seen.append((found, event))
                if found == kind and is_wanted(event):
                    return event
        except TimeoutError:
            raise AssertionError(f"its time is over; seen: {self.seen}") from None
        raise AssertionError(f"the stream ended; seen: {self.seen}")

    def qemu(self, name, **data):
        """Waits for QEMU's next event with that NAME and DATA."""
        event = self.wait("qemu", lambda e: e["name"] == name and e["vm"] == self.guest.name and
                          data.items() <= (e["data"] or {}).items())
        assert event["vm_uuid"] == self.guest.uuid and event["left_out"] == 0, event
        return event

    def vm(self, state):
        return self.wait("vm", lambda e: e["name"] == self.guest.name and e["state"] == state)


class TableTest(SystemTest):
    host_ids = ()

    def test_every_event_of_this_qemu_is_in_the_table(self):
        table = (settings.SOURCE_DIR / "migrd/qmp/events.h").read_text(encoding="utf-8")
        known = set(re.findall(r"^\tX\((\w+),", table, re.MULTILINE))
        schema = ask_program("query-qmp-schema")
        events = {row["name"] for row in schema if row["meta-type"] == "event"}
        self.assertGreater(len(events), 50)
        self.assertEqual(events - known, set())
        self.note(f"{len(events)} of {len(known)}")


class EventsTest(SystemTest):
    host_ids = ("a",)

    def start(self, **extra):
        guest = self.world.guest(area=0, **{"extra_args": DEVICES, **extra})
        guest.start(self.a)
        guest.console.wait_counted()    # most tests reset it
        monitor = Qmp(self.a, guest.uuid)
        self.addCleanup(monitor.close)
        return guest, monitor

    def expect(self, guest, state, reason):
        vm = guest.vm(self.a)
        self.assertEqual((vm["state"], vm["reason"]), (state, reason))

    def test_events_of_a_guest_that_stays_are_told(self):
        guest, monitor = self.start(actions=STAY, guest_agent=True)
        path = self.world.dir / "new.img"
        with Follower(self.a, guest) as events:
            self.a.api.post("/v1/vms/g1/pause")
            events.qemu("STOP")
            self.a.api.post("/v1/vms/g1/resume")
            events.qemu("RESUME")
            monitor.hmp(REBOOT)
            self.assertEqual(events.qemu("RESET")["data"], {"guest": True, "reason": "guest-reset"})
            guest.console.wait_reset()   # the firmware sets the clock, too
            self.a.api.post("/v1/vms/g1/shutdown")
            events.qemu("POWERDOWN")
            # The clock is set: register B, hours, register B (MC146818).
            for port, value in ((0x70, 0x0b), (0x71, 0x82), (0x70, 4), (0x71, 5),
                                (0x70, 0x0b), (0x71, 0x02)):
                monitor.hmp(f"o /b {port:#x} {value:#x}")
            events.qemu("RTC_CHANGE")
            monitor.command("device_add", driver="virtserialport", id="port9", bus="agent-bus.0")
            monitor.command("device_del", id="port9")
            events.qemu("DEVICE_DELETED", device="port9")
            monitor.command("blockdev-create", **{"job-id": "job9", "options": {
                "driver": "file", "filename": str(path), "size": 1 << 20}})
            events.qemu("JOB_STATUS_CHANGE", id="job9", status="concluded")
        self.expect(guest, "running", "")
        guest.assert_runs_on(self.a)

    def test_guest_that_stops_itself_says_why_and_can_go_on(self):
        guest, monitor = self.start(actions=STAY)
        for line, name, state, reason in (
                (PANIC, "GUEST_PANICKED", "guest-panicked", "the guest panicked"),
                (WATCHDOG, "WATCHDOG", "watchdog", "the guest's watchdog fired")):
            with self.subTest(name), Follower(self.a, guest) as events:
                monitor.hmp(line)
                self.assertEqual(events.qemu(name)["data"]["action"], "pause")
                self.assertEqual(events.vm(state)["reason"], reason)
                self.assertIn(f"name={name}", self.a.log_tail())
                self.a.api.post("/v1/vms/g1/resume")
                self.expect(guest, "running", "")
                guest.assert_runs_on(self.a)

    def test_guest_that_powers_off_and_stays_is_reset_and_runs_again(self):
        guest, monitor = self.start(actions=STAY)
        with Follower(self.a, guest) as events:
            monitor.hmp(POWER_OFF)
            events.qemu("SHUTDOWN", guest=True, reason="guest-shutdown")
            self.assertEqual(events.vm("shutdown")["reason"], "the guest powered off")
            with self.subTest("a restart of the coordinator still knows why"):
                self.a.stop()
                self.a.start()
                self.expect(guest, "shutdown", "the guest powered off")
        self.a.api.post("/v1/vms/g1/reset")
        self.expect(guest, "paused", "")
        guest.console.expect_reset()
        self.a.api.post("/v1/vms/g1/resume")
        guest.assert_runs_on(self.a)

    # QEMU ends by itself; the reason tells a crash from a requested end.
    def test_guest_that_ends_is_stopped_or_crashed(self):
        guest, _ = self.start()
        self.a.api.post("/v1/vms/g1/stop")
        for line, actions, state, reason in (
                (POWER_OFF, {}, "stopped", "the guest powered off"),
                (REBOOT, {"reboot": "shutdown"}, "stopped", "the guest rebooted, and was to end then"),
                (PANIC, {}, "crashed", "the guest panicked"),
                (PANIC, {"panic": "exit-failure"}, "crashed", "the guest panicked"),
                (WATCHDOG, {"watchdog": "poweroff"}, "crashed", "the guest's watchdog fired")):
            with self.subTest(line, actions=actions):
                self.a.api.delete("/v1/vms/g1")
                guest.uuid, guest.definition["actions"] = None, actions
                guest.start(self.a)
                monitor = Qmp(self.a, guest.uuid)
                with Follower(self.a, guest) as events:
                    monitor.send("human-monitor-command", **{"command-line": line})
                    self.assertEqual(events.vm(state)["reason"], reason)
                monitor.close()
                self.assertEqual(self.a.qemus(), [])

    def test_panic_that_is_ignored_is_told_and_the_guest_runs_on(self):
        guest, monitor = self.start(actions={"panic": "none"})
        with Follower(self.a, guest) as events:
            monitor.hmp(PANIC)
            self.assertEqual(events.qemu("GUEST_PANICKED")["data"]["action"], "run")
        self.expect(guest, "running", "the guest panicked")
        guest.assert_runs_on(self.a)
        monitor.hmp(REBOOT)
        self.eventually("the reason is gone", lambda: guest.vm(self.a)["reason"] == "")

    # The guest's second sector cannot be read, once.
    def test_disk_error_stops_the_guest_and_names_the_disk(self):
        guest = self.world.guest(area=0)
        disk = guest.definition["disks"].pop()
        guest.definition["extra_args"] = [
            "-blockdev", json.dumps({
                "driver": "raw", "node-name": "broken-node", "read-only": True,
                "file": {"driver": "blkdebug", "image": {"driver": "file", "filename": disk["path"]},
                         "inject-error": [{"event": "read_aio", "errno": 5, "once": True, "sector": 1}]}}),
            "-device", "virtio-blk-pci,id=broken,drive=broken-node,addr=0x2,bootindex=0,rerror=stop"]
        guest.create(self.a)
        with Follower(self.a, guest) as events:
            self.a.api.post("/v1/vms/g1/start")
            events.qemu("BLOCK_IO_ERROR", action="stop", operation="read")
            self.assertEqual(events.vm("io-error")["reason"],
                             "stopped by an I/O error on disk 'broken': Input/output error")
        self.a.api.post("/v1/vms/g1/resume")
        self.expect(guest, "running", "")
        guest.assert_runs_on(self.a)

    def test_migrctl_prints_them(self):
        guest, monitor = self.start()
        path = self.world.dir / "events.txt"
        with open(path, "w", encoding="utf-8") as out, subprocess.Popen(
                [settings.program("migrctl"), "--socket", str(self.a.socket), "events",
                 "--type", "qemu", "--count", "1"], stdout=out) as migrctl:
            def printed():
                monitor.hmp(REBOOT)
                return migrctl.poll() is not None
            self.eventually("migrctl ends after an event", printed)
        self.assertRegex(path.read_text(encoding="utf-8"), r"^qemu  \S+  g1  RESET\n$")
        self.assertEqual(guest.vm(self.a)["state"], "running")


class LinuxTest(SystemTest):
    """Events that need drivers, or a kernel that really panics."""

    host_ids = ("a",)

    def test_events_of_a_linux_guest_are_told(self):
        guest = LinuxGuest(self.world, guest_agent=True, actions=STAY, extra_args=[
            "-device", "virtio-balloon-pci,addr=0x10", "-device", "pvpanic-pci,addr=0x11"])
        guest.create(self.a)
        with Follower(self.a, guest, 100) as events:
            guest.start(self.a)
            guest.sh("modprobe virtio_balloon; modprobe pvpanic_pci")
            events.qemu("VSERPORT_CHANGE", id="agent-port", open=True)
            guest.sh("killall qemu-ga")
            events.qemu("VSERPORT_CHANGE", id="agent-port", open=False)
            monitor = Qmp(self.a, guest.uuid)
            self.addCleanup(monitor.close)
            monitor.command("balloon", value=120 << 20)
            self.assertLess(events.qemu("BALLOON_CHANGE")["data"]["actual"], 128 << 20)
            guest.sh("echo 0 >/proc/sys/kernel/panic; (sleep 1; echo c >/proc/sysrq-trigger) &")
            events.qemu("GUEST_PANICKED", action="pause")
            self.assertEqual(events.vm("guest-panicked")["reason"], "the guest panicked")


class MoveTest(SystemTest):
    """The same events during a move and after it."""

    def begin(self, name="g1", **extra):
        guest = self.world.guest(name, area=0, extra_args=DEVICES, **extra)
        guest.start(self.a)
        guest.console.wait_counted()    # most tests reset it
        monitor = Qmp(self.a, guest.uuid)
        self.addCleanup(monitor.close)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=128 * 1024)
        self.world.wait_flowing(self.a, move["id"])
        return guest, monitor, move["id"]

    def finish(self, move_id):
        self.a.api.patch(f"/v1/moves/{move_id}", {"bandwidth_bytes_per_s": 0})
        done = self.world.wait_move(self.a, move_id, lambda m: m["final"])
        self.assertEqual((done["state"], done["error"]), ("done", None))
        self.world.wait_state(self.b, move_id, "done")

    def test_guest_that_resets_itself_is_moved_with_its_actions(self):
        guest, monitor, move_id = self.begin(actions=STAY)
        with Follower(self.a, guest) as events:
            monitor.hmp(REBOOT)
            events.qemu("RESET", guest=True)
            guest.console.expect_reset()
            self.finish(move_id)
            names = {e["name"] for kind, e in events.seen if kind == "qemu"}
            while not {"MIGRATION", "MIGRATION_PASS", "STOP"} <= names:
                names.add(events.wait("qemu", lambda _: True)["name"])
        guest.assert_runs_on(self.b)
        there = Qmp(self.b, guest.uuid)
        there.hmp(PANIC)
        self.eventually("it panics there", lambda: guest.vm(self.b)["state"] == "guest-panicked")
        there.close()

    # A guest that has stopped here is stopped on the other host too, with its reason.
    def test_guest_that_stops_itself_arrives_as_it_was(self):
        for line, state, reason in ((PANIC, "guest-panicked", "the guest panicked"),
                                    (POWER_OFF, "shutdown", "the guest powered off")):
            with self.subTest(state):
                guest, monitor, move_id = self.begin(state, actions=STAY)
                monitor.hmp(line)
                self.eventually("it stops", lambda: guest.vm(self.a)["state"] == state)
                self.finish(move_id)
                vm = guest.vm(self.b)
                self.assertEqual((vm["state"], vm["reason"]), (state, reason))
                self.b.api.post(f"/v1/vms/{state}/reset")
                guest.console.expect_reset()
                self.b.api.post(f"/v1/vms/{state}/resume")
                guest.assert_runs_on(self.b)

    def test_guest_that_ends_ends_the_move_and_says_why(self):
        for line, state, reason in ((POWER_OFF, "stopped", "the guest powered off"),
                                    (PANIC, "crashed", "the guest panicked")):
            with self.subTest(state):
                guest, monitor, move_id = self.begin(state)
                monitor.send("human-monitor-command", **{"command-line": line})
                done = self.world.wait_move(self.a, move_id, lambda m: m["final"])
                self.assertEqual(done["state"], "failed")
                self.assertIn(reason, done["error"]["detail"])
                vm = guest.vm(self.a)
                self.assertEqual((vm["state"], vm["reason"]), (state, reason))
                self.b.assert_clean_soon(vm, move_id)
