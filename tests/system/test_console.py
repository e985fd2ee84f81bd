# SPDX-License-Identifier: LGPL-2.1-or-later
"""The proofs of console and history must fail where there is an error."""
import pathlib
import socket
import tempfile
import threading
import unittest

from lib.console import Console


class ConsoleTest(unittest.TestCase):
    """The test plays QEMU: it connects and writes the guest's lines."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="mig", dir="/tmp")
        self.addCleanup(tmp.cleanup)
        self.console = Console(pathlib.Path(tmp.name) / "con", period_ms=4)
        self.addCleanup(self.console.close)

    def connect(self):
        known = len(self.console.lives)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(self.console.path)
        self.addCleanup(sock.close)
        self.console.wait_until("a connection", 20, lambda: len(self.console.lives) > known)
        return sock

    def say(self, sock, ticks, sweeps=0, errors=0):
        count = len(self.console.all_lines())
        sock.sendall(b"T%08x S%08x E%08x\n" % (ticks, sweeps, errors))
        self.console.wait_until("the line", 20, lambda: len(self.console.all_lines()) > count)

    def test_one_life_after_the_other_is_sane(self):
        a = self.connect()
        self.say(a, 4)
        self.say(a, 8)
        b = self.connect()
        self.say(b, 12)
        self.console.assert_sane()
        self.assertEqual(self.console.counter_gaps_ms(), [0])
        self.assertEqual(len(self.console.blackouts_ms()), 1)

    def test_two_runners_are_found(self):
        a, b = self.connect(), self.connect()
        self.say(a, 4)
        self.say(b, 8)
        self.say(a, 12)
        with self.assertRaisesRegex(AssertionError, "two runners"):
            self.console.assert_single_runner()

    def test_counter_that_goes_back_is_found(self):
        a = self.connect()
        self.say(a, 8)
        b = self.connect()
        self.say(b, 8)
        with self.assertRaisesRegex(AssertionError, "counter went"):
            self.console.assert_counter_never_back()

    def test_wrong_memory_is_found(self):
        self.say(self.connect(), 4, errors=1)
        with self.assertRaisesRegex(AssertionError, "1 wrong words"):
            self.console.assert_sane()

    def test_garbled_line_is_found(self):
        a = self.connect()
        self.say(a, 4)
        a.sendall(b"T0000zz\n")
        self.say(a, 8)
        with self.assertRaisesRegex(AssertionError, "does not write"):
            self.console.assert_sane()

    # The source's CPU may stop anywhere in a line.
    def test_line_split_over_a_handover_is_joined(self):
        a = self.connect()
        self.say(a, 4)
        line = b"T%08x S%08x E%08x\n" % (8, 0, 0)
        a.sendall(line[:7])
        b = self.connect()
        b.sendall(line[7:])
        self.console.wait_until("both parts", 20, lambda: self.console.lives[0].tail
                           and self.console.lives[1].head)
        self.say(b, 12)
        self.console.assert_sane()
        self.assertEqual([line.ticks for line, _ in self.console.all_lines()], [4, 8, 12])
        self.assertEqual(self.console.counter_gaps_ms(), [0])

    def test_guest_that_speaks_is_not_quiet(self):
        a = self.connect()
        self.say(a, 4)
        self.console.assert_quiet(window=0.05)
        # Output in both windows: a single line alone may have been on its way.
        is_over = threading.Event()

        def speak():
            ticks = 4
            while not is_over.wait(0.02):
                ticks += 4
                self.say(a, ticks)
        speaker = threading.Thread(target=speak)
        speaker.start()
        self.addCleanup(speaker.join)
        self.addCleanup(is_over.set)
        with self.assertRaisesRegex(AssertionError, "should be stopped"):
            self.console.assert_quiet(window=0.5)
