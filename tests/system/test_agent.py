# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest agent: a Linux guest with the real one, asked by API and CLI, over moves and
restarts of the coordinator."""
import concurrent.futures
import time

from lib import settings
from lib.linux import LinuxGuest, make_disk
from lib.world import SystemTest

CLOCK_TOLERANCE_SECONDS = 5
FROZEN_USEC = 200000    # a write that takes longer is held up by a freeze


class AgentTest(SystemTest):
    timeout_seconds = 240

    def ask(self, host, call, body=None):
        return host.api.post(f"/v1/vms/lin/agent/{call}", body)

    def agent(self, host):
        return self.guest.vm(host)["agent"]

    def wait_agent(self, host, **wanted):
        """Waits by the event stream until the agent's state is so."""
        def is_so(vm):
            return vm["agent"] and all(vm["agent"][key] == wanted[key] for key in wanted)
        with host.api.events(30) as events:
            if is_so(self.guest.vm(host)):
                return
            for kind, vm in events:
                if kind == "vm" and vm["name"] == "lin" and vm["host"] == host.id and \
                        vm.get("agent") is not None and is_so(vm):
                    return
        self.fail(f"the agent is not {wanted} but {self.agent(host)}")

    def write(self):
        """Begins a write, which ends only after the thaw."""
        self.guest.sh("rm -f /tmp/written; (echo x >>/mnt/file; sync; touch /tmp/written) &")

    def assert_frozen(self):
        self.write()
        self.guest.sh(f"usleep {FROZEN_USEC}; test ! -e /tmp/written")

    def assert_thawed(self):
        self.guest.sh("until [ -e /tmp/written ]; do usleep 10000; done")

    def test_its_life_on_two_hosts(self):
        """One boot serves all steps, and each step leaves the guest as it was."""
        self.guest = LinuxGuest(self.world, guest_agent=True,
                                disks=[make_disk(self.world, "data")],
                                nics=[{"id": "net0", "type": "user"}])
        self.guest.start(self.a)
        self.guest.sh("mke2fs /dev/vda && mount /dev/vda /mnt && ip addr add 192.0.2.9/24 dev eth0")
        self.wait_agent(self.a, connected=True)
        for step in (self.check_questions, self.check_clock, self.check_freeze,
                     self.check_lease_ends, self.check_two_users,
                     self.check_late_answer, self.check_restart_of_the_agent,
                     self.check_restart_while_frozen, self.check_move_while_frozen,
                     self.check_paused, self.check_shutdown):
            with self.subTest(step.__name__):
                started = time.monotonic()
                step()
                self.notes += f"{step.__name__[6:]} {time.monotonic() - started:.1f} "

    def check_questions(self):
        self.assertEqual(self.ask(self.a, "ping"), {})
        info = self.ask(self.a, "info")
        self.assertIn("guest-fsfreeze-freeze", info["commands"])
        file_systems = self.ask(self.a, "fs-list")["items"]
        self.assertEqual([(fs["mount_point"], fs["devices"]) for fs in file_systems],
                         [("/mnt", ["/dev/vda"])])
        interfaces = {i["name"]: i for i in self.ask(self.a, "network")["items"]}
        self.assertIn({"address": "192.0.2.9", "prefix": 24}, interfaces["eth0"]["addresses"])
        self.assertEqual(self.a.migrctl("vm", "agent", "lin", "ping").stdout,
                         "lin: the agent answers\n")
        self.assertIn("192.0.2.9/24", self.a.migrctl("vm", "agent", "lin", "network").stdout)
        self.assertIn("/dev/vda", self.a.migrctl("vm", "agent", "lin", "fs-list").stdout)
        self.assertIn(info["version"], self.a.migrctl("vm", "agent", "lin", "info").stdout)
        self.assert_api_error(404, "not-found", self.ask, self.a, "dance")
        self.assert_api_error(400, "invalid", self.ask, self.a, "ping", {"lease_ms": 5000})
        self.assert_api_error(400, "invalid", self.ask, self.a, "freeze", {"lease_ms": 5})

    def guest_is_off_by(self):
        return abs(int(self.guest.sh("date +%s")) - time.time())

    def check_clock(self):
        self.guest.sh("date -s @1700000000")
        self.ask(self.a, "set-time")
        self.assertLess(self.guest_is_off_by(), CLOCK_TOLERANCE_SECONDS)

    def check_freeze(self):
        self.assertEqual(self.ask(self.a, "freeze", {"lease_ms": 600000}),
                         {"file_systems": 1, "lease_ms": 600000})
        self.assertTrue(self.agent(self.a)["frozen"])
        self.assert_frozen()
        # A second freeze begins a new lease.
        self.ask(self.a, "freeze", {"lease_ms": 300000})
        self.assertLessEqual(self.agent(self.a)["lease_left_ms"], 300000)
        self.assertEqual(self.ask(self.a, "ping"), {})
        self.assert_api_error(502, "agent-error", self.ask, self.a, "fs-list")
        self.assertEqual(self.ask(self.a, "thaw"), {"file_systems": 1})
        self.assertFalse(self.agent(self.a)["frozen"])
        self.assert_thawed()

    def check_lease_ends(self):
        done = self.a.migrctl("vm", "agent", "lin", "freeze", "--lease", "1")
        self.assertEqual(done.stdout, "lin: 1 file systems frozen\n")
        self.write()
        self.wait_agent(self.a, frozen=False)
        self.assert_thawed()

    def check_two_users(self):
        """Two users wait while the agent is held up, and each gets its own answer."""
        self.guest.sh("kill -STOP $(cat /run/qga.pid)")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(self.ask, self.a, call) for call in ("fs-list", "ping")]
            self.guest.sh("usleep 100000; kill -CONT $(cat /run/qga.pid)")
            file_systems, ping = (future.result() for future in waiting)
        self.assertEqual(len(file_systems["items"]), 1)
        self.assertEqual(ping, {})

    def check_late_answer(self):
        """The agent answers now what an earlier run of the coordinator asked."""
        self.guest.sh("kill -STOP $(cat /run/qga.pid)")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            lost = pool.submit(self.ask, self.a, "info")
            self.eventually("the agent is being asked", lambda: "event=ask vm=lin call=info" in self.a.log_tail())
            self.a.kill9()
            self.a.start()
            with self.assertRaises(OSError):
                lost.result()
        self.assertFalse(self.agent(self.a)["connected"])
        self.guest.sh("kill -CONT $(cat /run/qga.pid)")
        self.wait_agent(self.a, connected=True)
        self.assertEqual(self.ask(self.a, "ping"), {})

    def check_restart_of_the_agent(self):
        self.guest.sh("guest-agent stop")
        self.wait_agent(self.a, connected=False)
        self.assert_api_error(503, "unavailable", self.ask, self.a, "ping")
        self.guest.sh("guest-agent start")
        self.wait_agent(self.a, connected=True)
        self.assertEqual(self.ask(self.a, "ping"), {})

    def check_restart_while_frozen(self):
        """After a restart the coordinator knows no lease, so the guest is thawed."""
        self.ask(self.a, "freeze", {"lease_ms": 600000})
        self.write()
        self.a.kill9()
        self.a.start()
        self.wait_agent(self.a, connected=True, frozen=False)
        self.assert_thawed()

    def check_move_while_frozen(self):
        """A frozen guest is thawed where it arrives, and its clock is set there."""
        self.ask(self.a, "freeze", {"lease_ms": 600000})
        self.assert_frozen()
        self.guest.sh("date -s @1700000000")
        self.world.move(self.guest, self.a, self.b)
        self.wait_agent(self.b, connected=True, frozen=False)
        self.assert_thawed()
        self.eventually("its clock is right",
                        lambda: self.guest_is_off_by() < CLOCK_TOLERANCE_SECONDS)
        self.assertEqual(self.ask(self.b, "ping"), {})

    def check_paused(self):
        self.b.api.post("/v1/vms/lin/pause")
        self.assert_api_error(409, "conflict", self.ask, self.b, "ping")
        self.b.api.post("/v1/vms/lin/resume")
        self.assertEqual(self.ask(self.b, "ping"), {})

    def check_shutdown(self):
        self.assertEqual(self.ask(self.b, "shutdown"), {})
        self.eventually("the guest is off", lambda: self.guest.vm(self.b)["state"] == "stopped",
                        timeout=settings.seconds(20))
        self.assertIsNone(self.agent(self.b))
