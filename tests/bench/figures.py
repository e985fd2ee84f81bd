# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the benchmarks say what they measured."""
import os
import statistics
import time

SYNC_ROUNDS = 50


def text(values, unit="ms", digits=1):
    """median [min-max] of VALUES; "-" for none."""
    if not values:
        return "-"
    low, middle, high = (f"{v:.{digits}f}"
                         for v in (min(values), statistics.median(values), max(values)))
    return f"{middle} [{low}-{high}] {unit}"


def line(name, values, unit="ms", digits=1):
    print(f"  {name:<44} {text(values, unit, digits)}", flush=True)


def ratio(name, values, base):
    """Of the medians; both of this run, so that the machine's mood cancels out."""
    if values and base:
        print(f"  {name:<44} {statistics.median(values) / statistics.median(base):.2f}", flush=True)


def load():
    return f"load average {' '.join(f'{v:.2f}' for v in os.getloadavg())}, {os.cpu_count()} CPUs"


def syncs_ms(directory):
    """What one write of a page and its fdatasync cost there."""
    path = os.path.join(directory, "sync-probe")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    page, spans = b"\xa5" * 4096, []
    try:
        for number in range(SYNC_ROUNDS):
            since = time.monotonic()
            os.pwrite(fd, page, number * len(page))
            os.fdatasync(fd)
            spans.append((time.monotonic() - since) * 1000)
    finally:
        os.close(fd)
        os.unlink(path)
    return spans
