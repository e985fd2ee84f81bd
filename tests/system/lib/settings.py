# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths and settings; run.py sets them before a test is loaded."""
import functools
import pathlib
import re
import subprocess

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[3]
SCHEMA_DIR = SOURCE_DIR / "schema/api"
MKGUEST = SOURCE_DIR / "tests/guest/mkguest"
MKLINUX = SOURCE_DIR / "tests/guest/mklinux"

build_dir = SOURCE_DIR      # its bin/ holds migrd, migrd-stream, migrctl
qemu = "qemu-system-x86_64"
log_dir = None              # directory for the logs of failed tests
slow_factor = 1             # factor for deadlines (sanitizers are slow)
jitter = None               # who is late on purpose, as lib/jitter.py says, and by which numbers
seed = 0
slot = 0                    # slot among the tests that run at once; 0: the test runs alone
SLOTS = 31


@functools.cache
def qemu_major():
    words = subprocess.run([qemu, "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.search(r"version (\d+)", words)[1])


def is_like_lost_writes(text):
    """A failed test's TEXT says what a QEMU before 9.0 under TCG makes of some live moves: it loses
    what the guest writes (findings/tcg-before-9.0-loses-writes-in-a-live-move.sh), which the guest
    cannot tell from a fault of ours.  Such a test runs once more; a later QEMU has no such excuse."""
    return "wrong words in its memory" in text and qemu_major() < 9


def program(name):
    return str(build_dir / "bin" / name)


def seconds(n):
    return n * slow_factor
