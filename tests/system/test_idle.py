# SPDX-License-Identifier: LGPL-2.1-or-later
"""A coordinator with nothing to do neither polls nor computes."""
import os
import pathlib
import re
import socket
import subprocess
import time
import unittest

from lib.world import SystemTest

VMS = 16
SECONDS = 10
# A few keep-alives are allowed; a timer that fires each second is not.
CALLS_MAX = 5
# Memory of its own: pages of the program and its libraries are shared, and grow with each feature.
RSS_MAX_KIB = 9 * 1024
# The first bytes of a TLS handshake record.
HANDSHAKE_BEGINS = b"\x16\x03\x01"


class IdleTest(SystemTest):
    runs_alone = True    # it measures, so nothing may run beside it
    host_ids = ("a", "b")

    def test_sixteen_paused_guests_cost_no_calls_and_little_memory(self):
        self.eventually("QEMU was asked what it offers, and what that took was given back",
                        lambda: "event=probed" in self.a.log_tail(200))
        self.a.api.get("/openapi.json")     # a large one, made for the first who asks
        for number in range(VMS):
            guest = self.world.guest(f"g{number}", area=0, period=1000, memory_mib=32)
            guest.create(self.a)
            self.a.api.post(f"/v1/vms/g{number}/start")
            self.a.api.post(f"/v1/vms/g{number}/pause")

        # The tail of the last request may come late on a busy machine.
        self.eventually("it has come to rest", self.is_at_rest(self.a.process.pid))
        calls = self.count_system_calls(self.a.process.pid)
        rss_kib = self.rss_kib(self.a.process.pid)

        self.note(f"{sum(calls.values())} system calls in {SECONDS} s, {rss_kib} KiB of its own")
        self.assertLessEqual(sum(calls.values()), CALLS_MAX, calls)
        self.assertLess(rss_kib, RSS_MAX_KIB)

    def test_handshake_that_stands_still_keeps_no_cpu_busy(self):
        with socket.create_connection(("127.0.0.1", self.a.api_port)) as client:
            client.sendall(HANDSHAKE_BEGINS)
            before, since = self.cpu_s(self.a.process.pid), time.monotonic()
            client.settimeout(2)
            with self.assertRaises(TimeoutError):    # the coordinator waits for more bytes
                client.recv(1)
            used = self.cpu_s(self.a.process.pid) - before

        self.note(f"{used:.2f} s of CPU in {time.monotonic() - since:.1f} s")
        self.assertLess(used, 0.3)

    @staticmethod
    def cpu_s(pid):
        """Processor time of all threads: utime and stime of proc(5)."""
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def is_at_rest(pid):
        """Returns a question: has no thread woken for half a second?"""
        last = {"switches": None, "at": 0.0}

        def ask():
            switches = {}
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                text = (task / "status").read_text(encoding="ascii")
                switches[task.name] = re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text)[1]
            if switches != last["switches"]:
                last.update(switches=switches, at=time.monotonic())
            return time.monotonic() - last["at"] > 0.5
        return ask

    def count_system_calls(self, pid):
        summary = self.world.dir / "strace.txt"
        done = subprocess.run(["timeout", "-s", "INT", str(SECONDS), "strace", "-c", "-f",
                               "-o", str(summary), "-p", str(pid)],
                              capture_output=True, text=True, check=False)
        if "Operation not permitted" in done.stderr:
            raise unittest.SkipTest("strace may not attach here")
        self.assertIn("attached", done.stderr)
        # % time, seconds, usecs/call, calls, errors (may be empty), syscall
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$",
                          summary.read_text(encoding="utf-8"), re.M)
        return {name: int(count) for count, name in rows if name != "total"}

    def rss_kib(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])
