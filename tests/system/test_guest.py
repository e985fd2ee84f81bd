# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test guest must notice each error in its memory and its clock."""
import struct
import subprocess

from lib import procs, settings
from lib.gdb import Gdb
from lib.history import History, Life, Line
from lib.world import SystemTest, World

AREA_ADDRESS = 16 << 20
PAGE = 4096
AREA_MIB, RATE_MIB_PER_S, STATIC_MIB = 8, 16, 8
PAGES = AREA_MIB * 256


class HistoryTest(SystemTest):
    host_ids = ()

    @staticmethod
    def history(*lives):
        """Of lives that are lists of (second of reading, count)."""
        history = History(4)
        for number, lines in enumerate(lives):
            life = Life(number, number, "ab"[number])
            life.lines = [Line(at, ticks, 0, 0) for at, ticks in lines]
            history.lives.append(life)
        return history

    # A busy machine reads late, and one test in thousands would fail of it.
    def test_line_that_was_read_late_is_no_second_runner(self):
        history = self.history([(1.0, 4), (1.1, 8), (1.3, 12)], [(1.2, 16), (1.4, 20)])
        history.assert_sane()
        self.assertEqual([after.ticks for _, after in history.handovers()], [16])

    def test_two_that_count_on_from_the_same_number_are_two_runners(self):
        history = self.history([(1.0, 4), (1.1, 8), (1.3, 12)], [(1.2, 12), (1.4, 16)])
        self.assertRaisesRegex(AssertionError, "two runners", history.assert_single_runner)
        history = self.history([(1.0, 4), (1.1, 8), (1.5, 20)], [(1.2, 12), (1.4, 16)])
        self.assertRaisesRegex(AssertionError, "two runners", history.assert_single_runner)


class GuestAloneTest(SystemTest):
    """QEMU without a coordinator: the test changes the memory behind the guest's back."""

    work = {"area": AREA_MIB, "rate": RATE_MIB_PER_S, "static": STATIC_MIB}

    def setUp(self):
        self.world = World(ids=())
        self.addCleanup(self._close_world)
        self.guest = self.world.guest(**self.work)
        self.console = self.guest.console
        self.gdb_socket = self.world.dir / "gdb.sock"
        disk = self.guest.definition["disks"][0]["path"]
        self.qemu = procs.Child(
            [settings.qemu, "-machine", "pc-q35-7.2,accel=tcg", "-m", "64", "-nodefaults",
             "-display", "none", "-drive", f"if=virtio,format=raw,readonly=on,file={disk}",
             "-chardev", f"socket,id=con,path={self.console.path}", "-serial", "chardev:con",
             "-chardev", f"socket,id=gdb,path={self.gdb_socket},server=on,wait=off",
             "-gdb", "chardev:gdb"], stdin=subprocess.DEVNULL)
        self.addCleanup(self.qemu.end)
        self.console.wait_line()


class SlowClockTest(GuestAloneTest):
    runs_alone = True
    work = {"area": AREA_MIB, "rate": 0, "period": 500, "tick": 50}

    # A busy host makes the guest lose ticks for a moment; a wrong clock is wrong in every window.
    def test_it_counts_milliseconds_all_the_same(self):
        _, first = self.console.wait_line()
        paces = []
        while len(paces) < 8 and not (paces and 0.8 < paces[-1] < 1.2):
            _, last = self.console.wait_line()
            paces.append((last.ticks - first.ticks) / 1000 / (last.at - first.at))
            first = last
        self.assertEqual(last.ticks % 500, 0)
        self.assertAlmostEqual(paces[-1], 1, delta=0.2, msg=f"of the windows {paces}")


class PaceTest(GuestAloneTest):
    runs_alone = True

    # A wrong clock would make every measured blackout wrong.  A busy host makes the guest lose
    # ticks for a moment; a wrong clock is wrong in every window.
    def test_clock_and_pace_agree_with_the_host(self):
        _, first = self.console.wait_line()
        paces = []
        while len(paces) < 8 and not (paces and 0.9 < paces[-1] < 1.1):
            self.console.wait_sweeps(4)
            _, last = self.console.wait_line()
            paces.append((last.ticks - first.ticks) / 1000 / (last.at - first.at))
            first = last
        self.assertAlmostEqual(paces[-1], 1, delta=0.1, msg=f"of the windows {paces}")
        sweep_ms = AREA_MIB / RATE_MIB_PER_S * 1000
        self.assertAlmostEqual(last.sweeps, last.ticks / sweep_ms, delta=1.5)


class GuestTest(GuestAloneTest):
    def setUp(self):
        super().setUp()
        self.console.wait_sweeps(1)

    def change_memory(self, change):
        gdb = Gdb(self.gdb_socket)
        change(gdb)
        gdb.detach()

    def assert_noticed(self, words):
        """Exactly WORDS errors are counted within two sweeps."""
        _, line = self.console.wait_line()
        target = line.sweeps + 3
        self.console.wait_until("three more sweeps", 30,
                           lambda: self.console.newest()[0][1].sweeps >= target)
        self.assertEqual(self.console.errors(), words)

    def test_untouched_memory_is_right(self):
        self.console.wait_sweeps(2)
        self.console.assert_sane()
        self.assertEqual(self.console.errors(), 0)

    def test_one_bit_in_a_dirty_page_is_noticed(self):
        def change(gdb):
            address = AREA_ADDRESS + (PAGES // 2) * PAGE + PAGE - 4
            word = gdb.read(address, 4)
            gdb.write(address, bytes([word[0] ^ 1]) + word[1:])
        self.change_memory(change)
        self.assert_noticed(words=1)

    def test_wrong_static_page_is_noticed_in_every_sweep(self):
        def change(gdb):
            gdb.write(AREA_ADDRESS + (PAGES + PAGES - 1) * PAGE, bytes(4))
        self.change_memory(change)
        self.console.wait_until("an error", 30, lambda: self.console.newest()[0][1].errors >= 2)

    # As if a move had missed a page that was written again.
    def test_page_of_an_older_sweep_is_noticed(self):
        address = AREA_ADDRESS + 100 * PAGE
        old = []
        self.change_memory(lambda gdb: old.append(gdb.read(address, PAGE)))
        self.console.wait_sweeps(1)
        self.change_memory(lambda gdb: gdb.write(address, old[0]))
        self.assert_noticed(words=4)

    # As if a move had mixed up two pages of the same pass.
    def test_two_pages_in_each_others_place_are_noticed(self):
        one, two = (AREA_ADDRESS + n * PAGE for n in (PAGES - 3, PAGES - 2))

        def change(gdb):
            first, second = gdb.read(one, PAGE), gdb.read(two, PAGE)
            self.assertNotEqual(struct.unpack_from("<I", first), struct.unpack_from("<I", second))
            gdb.write(one, second)
            gdb.write(two, first)
        self.change_memory(change)
        # Stamps are turned by a byte for each word, so neighbours' stamps differ in every word.
        self.assert_noticed(words=8)
