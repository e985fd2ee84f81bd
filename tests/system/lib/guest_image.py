# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot disks of the test guest.  Its code is assembled once for each build, not for each guest."""
import importlib.machinery
import importlib.util
import os

from . import settings


def _mkguest():
    loader = importlib.machinery.SourceFileLoader("mkguest", str(settings.MKGUEST))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mkguest", loader))
    loader.exec_module(module)
    return module


def _code(mkguest):
    kept = settings.build_dir / "guest.bin"
    if kept.exists() and kept.stat().st_mtime > mkguest.SOURCE.stat().st_mtime:
        return kept.read_bytes()
    code = mkguest.assemble()
    part = kept.with_suffix(f".{os.getpid()}")   # other tests may be reading
    part.write_bytes(code)
    os.replace(part, kept)
    return code


def make(path, area, rate, static, period):
    """Makes a disk as `tests/guest/mkguest PATH --area AREA ...' does."""
    mkguest = _mkguest()
    mkguest.make(path, area, mkguest.rate_argument(str(rate)), static, period, _code(mkguest))
