# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thirty moves to and fro, for errors that happen once in thirty moves."""
import statistics

from lib.world import SystemTest

MOVES = 30


class PingPongTest(SystemTest):
    timeout_seconds = 300

    def test_thirty_moves_keep_one_runner_and_the_memory(self):
        guest = self.world.guest(area=24, rate=48, static=24, memory_mib=128)
        guest.start(self.a)
        here, there = self.a, self.b
        totals = []
        for number in range(MOVES):
            before = guest.vm(here)
            move = self.world.move(guest, here, there)
            totals.append(move["times"]["total_ms"])
            guest.console.wait_line(host=there.id)
            here.assert_clean_soon(before, move["id"])
            if number % 10 == 9:
                guest.assert_runs_on(there)
            here, there = there, here

        self.assertEqual(len(guest.console.handovers()), MOVES)
        guest.console.assert_sane()
        blackouts = guest.console.blackouts_ms()
        self.note(f"blackout {figures(blackouts)}; total {figures(totals)} ms")


def figures(values):
    return f"min {min(values):.0f} median {statistics.median(values):.0f} max {max(values):.0f}"
