# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes of a test: each has its own exit status."""
import os
import signal
import subprocess
import sys
import threading
import unittest
from unittest import mock

from lib import procs

CODE = 99
spawn = subprocess.Popen._execute_child


class Signalled(threading.Thread):
    """Gets a SIGCHLD, whose handler then runs in the main thread, whatever that one blocks."""

    def __init__(self):
        super().__init__(daemon=True)
        self.is_wanted = threading.Event()
        self.start()

    def run(self):
        self.is_wanted.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGCHLD)


class NameTest(unittest.TestCase):
    # Of 37 worlds one has a directory that begins so.
    def test_name_of_the_scratch_directory_names_no_guest(self):
        self.assertFalse(procs.names_any("/tmp/mig3z8x2t4e/h/a/run/g7.sock", ["g3"]))
        self.assertTrue(procs.names_any("/tmp/mig3z8x2t4e/h/a/run/g3.sock", ["g3"]))
        self.assertTrue(procs.names_any("guest=g3,debug-threads=on", ["g4", "g3"]))


class ChildTest(unittest.TestCase):
    # As on a busy host: the child has ended, and the signal is handled, before anybody knows it.
    def test_child_that_ends_at_once_has_its_exit_status(self):
        thread = Signalled()

        def spawn_and_wait_for_the_end(child, *args, **kwargs):
            spawn(child, *args, **kwargs)
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            thread.is_wanted.set()
            thread.join()

        with mock.patch.object(subprocess.Popen, "_execute_child", spawn_and_wait_for_the_end):
            child = procs.Child([sys.executable, "-c", f"import os; os._exit({CODE})"],
                                stdin=subprocess.DEVNULL, start_new_session=True)
        self.assertEqual(child.end(), CODE)

    # Another thread is reaping orphans, and has not looked at the list of processes yet: the child
    # is started when that has ended, so it cannot be taken for an orphan.
    def test_child_that_is_started_while_orphans_are_reaped_has_its_exit_status(self):
        is_reaping, has_ended = threading.Event(), threading.Event()
        all_pids = procs.all_pids

        def all_pids_later():
            is_reaping.set()
            has_ended.wait(0.5)     # in vain, unless a child can be started meanwhile
            return all_pids()

        def spawn_and_wait_for_the_end(child, *args, **kwargs):
            spawn(child, *args, **kwargs)
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            has_ended.set()
            if reaper.is_alive():
                reaper.join(1)

        with mock.patch.object(procs, "all_pids", all_pids_later), \
                mock.patch.object(procs, "has_dead_child", lambda: True), \
                mock.patch.object(subprocess.Popen, "_execute_child", spawn_and_wait_for_the_end):
            reaper = threading.Thread(target=procs.reap_orphans, daemon=True)
            reaper.start()
            is_reaping.wait()
            child = procs.Child([sys.executable, "-c", f"import os; os._exit({CODE})"],
                                stdin=subprocess.DEVNULL, start_new_session=True)
        self.assertEqual(child.end(), CODE)
