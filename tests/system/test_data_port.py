# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that may only read attacks the data port, and moves get through."""
import socket
import threading
import time

from lib.world import SystemTest

MOVES = 8
SOCKETS_A_SECOND = 200
LINES = ("MIGRD1 {id} ram\n", "MIGRD2 {id} ram 1 " + "0" * 64 + "\n", "")


class Crowd:
    """Opens silent connections with what a viewer knows of a move, until closed."""

    def __init__(self, port):
        self.port = port
        self.move_id = None
        self.opened = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        held = []
        while not self.is_over.wait(1 / SOCKETS_A_SECOND):
            if self.move_id is None:
                continue
            try:
                sock = socket.create_connection(("127.0.0.1", self.port), timeout=2)
                sock.sendall(LINES[self.opened % len(LINES)].format(id=self.move_id).encode())
            except OSError:
                continue
            held.append(sock)
            self.opened += 1
            if len(held) > 400:
                held.pop(0).close()
        for sock in held:
            sock.close()

    def close(self):
        self.is_over.set()
        self.thread.join()


class DataPortTest(SystemTest):
    timeout_seconds = 300

    def test_silent_connections_with_the_moves_id_stop_no_move(self):
        """Every viewer's event stream has the move's id: all of eight moves must get through."""
        guest = self.world.guest("g1", area=4, rate=4, memory_mib=96)
        guest.start(self.a)
        crowds = {host.id: Crowd(host.data_port) for host in (self.a, self.b)}
        for crowd in crowds.values():
            self.addCleanup(crowd.close)
        source, destination = self.a, self.b
        for _ in range(MOVES):
            move = self.world.begin_move(guest, source, destination)
            crowds[destination.id].move_id = move["id"]
            self.world.wait_state(source, move["id"], "done")
            self.world.wait_state(destination, move["id"], "done")
            source, destination = destination, source
        guest.assert_runs_on(source)
        opened = sum(crowd.opened for crowd in crowds.values())
        self.assertGreater(opened, 0)
        self.note(f"{MOVES} moves, {opened} silent connections")

    def test_noise_is_logged_at_a_bounded_rate(self):
        """295 kB/s of log were possible, but strangers must not fill the disk."""
        before = self.a.log.stat().st_size
        begun = time.monotonic()
        for _ in range(1000):
            with socket.create_connection(("127.0.0.1", self.a.data_port), timeout=5) as sock:
                sock.sendall(b"noise\n")
                sock.settimeout(20)
                try:
                    self.assertEqual(sock.recv(1), b"")
                except ConnectionResetError:
                    pass
        periods = 1 + int((time.monotonic() - begun) / 10)
        lines = [line for line in self.a.log.read_bytes()[before:].splitlines()
                 if b"area=port" in line]
        self.assertLessEqual(len(lines), 4 * periods)
        self.assertGreater(len(lines), 0)
