# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of a process, as the kernel counts it; times of events, as QEMU says them."""
import os
import re

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


def event_us(host, move_id, event, detail=""):
    """QEMU's own time of the last such event in the timeline."""
    found = [EVENT_TIME.search(item["detail"]) for item in host.api.items(
                 f"/v1/moves/{move_id}/timeline")
             if item["event"] == event and detail in item["detail"]]
    times = [int(match[1]) for match in found if match]
    return times[-1] if times else None
