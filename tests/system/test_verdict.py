# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that has taken a guest never lets another host run it, even if its records are lost."""
import http.client
import json
import uuid

from lib.api import client_context
from lib.world import SystemTest


class VerdictTest(SystemTest):
    host_ids = ("a", "b", "c")

    def setUp(self):
        super().setUp()
        self.guest = self.world.guest()
        self.guest.start(self.a)
        self.vm = self.guest.vm(self.a)

    def lose_answer(self):
        """The guest runs on b, but a has not received the answer."""
        self.a.restart_with_fault("peer.reply.go:drop:times=0")
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        self.world.wait_state(self.a, move_id, "handover")
        self.world.wait_state(self.b, move_id, "done")
        self.a.kill9()
        return move_id

    def flood(self, count):
        """Host c asks about unknown moves COUNT times; returns the number of answers by status."""
        context = client_context(self.world.dir / "h" / "c")
        connection = http.client.HTTPSConnection("127.0.0.1", self.b.api_port, context=context,
                                                 timeout=60)
        answers = {}
        for _ in range(count):
            connection.request("POST", f"/peer/v1/moves/{uuid.uuid4()}/go",
                               json.dumps({"generation": 1, "run": True}),
                               {"Content-Type": "application/json", "Migrd-Protocol": "1"})
            reply = connection.getresponse()
            reply.read()
            answers[reply.status] = answers.get(reply.status, 0) + 1
        connection.close()
        return answers

    # A thousand other records once pushed out the one that the source still needed.
    def test_flood_of_unknown_moves_pushes_no_verdict_out(self):
        move_id = self.lose_answer()
        self.assertEqual(self.flood(1005), {200: 256, 429: 749})
        self.a.start()
        self.world.wait_state(self.a, move_id, "done")
        self.guest.assert_runs_on(self.b)

    # The operator follows the advice for a broken database; the QEMU lives on.
    def test_destination_with_new_database_leaves_the_source_stuck(self):
        move_id = self.lose_answer()
        self.b.stop()
        for path in self.b.state_dir.glob("migrd.db*"):
            path.unlink()
        self.b.spawn()  # a new database counts only when every peer has told what it has
        self.a.start()
        self.b.wait_ready()
        move = self.world.wait_state(self.a, move_id, "stuck")
        self.assertIsNone(move["owner"])
        self.assertIn("has no record", move["reason"])
        self.a.migrctl("move", "resolve", move_id, "--keep", "destination", "--assert-dead", "a")
        self.world.wait_state(self.a, move_id, "done")
        self.guest.console.assert_sane()
        self.b.end_guests()
