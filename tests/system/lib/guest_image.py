# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot disks of the test guest.  Its code is assembled once for each build, not for each guest."""
import functools
import importlib.machinery
import importlib.util
import os

from . import settings


@functools.cache
def mkguest():
    loader = importlib.machinery.SourceFileLoader("mkguest", str(settings.MKGUEST))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mkguest", loader))
    loader.exec_module(module)
    return module


def _code(has_disks):
    maker = mkguest()
    kept = settings.build_dir / ("guest-disks.bin" if has_disks else "guest.bin")
    newest = max(source.stat().st_mtime for source in (maker.SOURCE, maker.DISK_SOURCE))
    if kept.exists() and kept.stat().st_mtime > newest:
        return kept.read_bytes()
    code = maker.assemble(has_disks)
    part = kept.with_suffix(f".{os.getpid()}")   # other tests may be reading
    part.write_bytes(code)
    os.replace(part, kept)
    return code


def make(path, area, rate, static, period, disks=(), spare=0, wave=0, busy=0, tick=1):
    """Makes a disk as `tests/guest/mkguest PATH --area AREA ...' does.  DISKS: mkguest().Disk of
    each disk that the guest proves."""
    maker = mkguest()
    maker.make(path, area, maker.rate_argument(str(rate)), static, period, _code(bool(disks)),
               disks, spare, wave, busy, tick)


def assert_spare_right(monitor, spare, path):
    """The spare area of a guest must be as it was filled.  MONITOR: of its QEMU, which writes the
    area to PATH meanwhile."""
    maker = mkguest()
    answer = monitor.command("pmemsave", val=maker.AREA_ADDRESS, size=spare << 20,
                             filename=str(path))
    if "return" not in answer:
        raise AssertionError(f"the spare area cannot be read: {answer}")
    content = path.read_bytes()
    path.unlink()
    size = maker.PAGE_BYTES
    wrong = [number for number in range((spare << 20) // size)
             if content[number * size:(number + 1) * size] != maker.spare_page(number)]
    if wrong:
        raise AssertionError(f"{len(wrong)} pages of the spare area are wrong, the first ones are "
                             f"{wrong[:8]}")
