# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text of the benchmarks' results."""
import os
import statistics
import time

SYNC_ROUNDS = 50


def text(values, unit="ms", digits=1):
    """"median [min-max]" of VALUES; "-" for none."""
    if not values:
        return "-"
    low, middle, high = (f"{v:.{digits}f}"
                         for v in (min(values), statistics.median(values), max(values)))
    return f"{middle} [{low}-{high}] {unit}"


def line(name, values, unit="ms", digits=1):
    print(f"  {name:<44} {text(values, unit, digits)}", flush=True)


def ratio(name, values, base):
    """Prints the ratio of the medians; both are of this run, because the machine's speed
    varies."""
    if values and base:
        print(f"  {name:<44} {statistics.median(values) / statistics.median(base):.2f}", flush=True)


def load():
    return f"load average {' '.join(f'{v:.2f}' for v in os.getloadavg())}, {os.cpu_count()} CPUs"


def syncs_ms(directory):
    """The time of a one-page write and its fdatasync in DIRECTORY."""
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
