# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of a process, as the kernel counts it."""
import os
import re


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
