# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of a process and the use of the CPUs, as the kernel counts them; turns of a coordinator's
loop, as it counts them; times of events, as QEMU says them."""
import os
import re
import threading

TURN = re.compile(r'^migrd_loop_turn_seconds_bucket\{le="(.*?)"\} (\d+)', re.M)
EVENT_TIME = re.compile(r"at (\d+) us")


def memory_kib(pid):
    """RSS by kind, PSS and private memory of one process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(re.findall(r"^(\w+):\s+(\d+)", f.read(), re.M))
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
    found = {name: int(status[key]) for name, key in (
        ("RSS", "VmRSS"), ("RSS, highest", "VmHWM"), ("of it anonymous", "RssAnon"),
        ("of it files", "RssFile"))}
    found["PSS"] = int(rollup["Pss"])
    found["private"] = int(rollup["Private_Clean"]) + int(rollup["Private_Dirty"])
    return found


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


def turns(host):
    """{upper bound in seconds: turns of the coordinator's loop up to that}"""
    return {float(bound): int(count) for bound, count in TURN.findall(host.api.get("/metrics").decode())}


class CpuUse:
    """What the processes below this one use of the CPUs, by program: a thread looks at them EVERY
    seconds.  Of a process that ends, what it has used since the last look is missed there; `busy' is
    the kernel's own sum for the whole machine, in which it is not."""

    def __init__(self, every=0.1):
        self.every = every
        self.ticks, self.last = {}, {}
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.began, self.began_busy = os.times().elapsed, self._busy()
        self._look(is_first=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        self._look()
        self.seconds = os.times().elapsed - self.began
        self.busy = self._busy() - self.began_busy

    @staticmethod
    def _busy():
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, _, _, irq, softirq = (int(n) for n in f.readline().split()[1:8])
        return user + nice + system + irq + softirq

    def _watch(self):
        while not self.stopped.wait(self.every):
            self._look()

    @staticmethod
    def _processes():
        """{pid: (name, fields of /proc/PID/stat from the state on)}"""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue                # it has ended
            found[int(pid)] = (text[text.index("(") + 1:text.rindex(")")],
                               text.rpartition(")")[2].split())
        return found

    @staticmethod
    def _is_ours(pid, processes):
        while pid in processes and pid != os.getpid():
            pid = int(processes[pid][1][1])
        return pid == os.getpid()

    def _look(self, is_first=False):
        processes, now = self._processes(), {}
        for pid, (name, fields) in processes.items():
            if not self._is_ours(pid, processes):
                continue
            key = pid, fields[19]       # when it was started: pids are used again
            now[key] = int(fields[11]) + int(fields[12])
            if not is_first:
                self.ticks[name] = self.ticks.get(name, 0) + now[key] - self.last.get(key, 0)
        self.last = now

    def percent(self):
        """Of all CPUs together: {"busy": 81.0, "qemu-system-x86": 55.2, ...}, what is below 0.5
        left out."""
        whole = self.seconds * os.cpu_count() * os.sysconf("SC_CLK_TCK") / 100
        use = {"busy": self.busy / whole}
        use |= {name: ticks / whole for name, ticks in
                sorted(self.ticks.items(), key=lambda item: -item[1])}
        return {name: round(value, 1) for name, value in use.items() if value >= 0.5}


def event_us(host, move_id, event, detail=""):
    """QEMU's own time of the last such event in the timeline."""
    found = [EVENT_TIME.search(item["detail"]) for item in host.api.items(
                 f"/v1/moves/{move_id}/timeline")
             if item["event"] == event and detail in item["detail"]]
    times = [int(match[1]) for match in found if match]
    return times[-1] if times else None
