# SPDX-License-Identifier: LGPL-2.1-or-later
"""A cancel at every stage: the answer names the guest's owner, and the guest agrees."""
import concurrent.futures
import contextlib
import json
import socket
import sqlite3
import threading

from lib import store
from lib.api import ApiError
from lib.world import SystemTest

HELD = 128 * 1024  # bytes/s


class Later:
    """A call in a thread of its own."""

    def __init__(self, call, *args):
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._future = self._pool.submit(call, *args)

    def result(self):
        self._pool.shutdown()
        return self._future.result()


class CancelBase(SystemTest):
    def setUp(self):
        super().setUp()
        self.guest = self.world.guest()
        self.guest.start(self.a)

    def cancel(self, move_id, by=None):
        """Returns the answer of either kind: an object, or the problem document."""
        try:
            return (by or self.a.api).post(f"/v1/moves/{move_id}/cancel")
        except ApiError as error:
            self.assertEqual((error.status, error.code), (409, "too-late"), error.body)
            return error.body

    def assert_cancelled(self, answer, move_id):
        self.assertEqual((answer["cancelled"], answer["owner"], answer["state"]),
                         (True, "a", "cancelled"), answer)
        self.guest.assert_runs_on(self.a)
        self.b.assert_clean_soon(self.guest.vm(self.a), move_id)
        self.assertEqual(self.guest.vm(self.a)["job"], None)


class CancelTest(CancelBase):
    def test_in_transfer_leaves_the_guest_here(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.assert_cancelled(self.cancel(move["id"]), move["id"])

    def test_record_says_who_began_and_who_cancelled(self):
        ann, bob = self.a.api_of("ann"), self.a.api_of("bob")
        move = ann.post("/v1/moves", {"vm": self.guest.name, "to": "b",
                                      "bandwidth_bytes_per_s": HELD})
        self.world.wait_flowing(self.a, move["id"])
        self.assertEqual(move["began_by"], "ann")
        self.assertNotIn("cancelled_by", self.a.move_state(move["id"]))
        self.cancel(move["id"], bob)
        self.cancel(move["id"])     # the first counts
        self.a.kill9()
        self.a.start()
        kept = self.a.move_state(move["id"])
        self.assertEqual((kept["began_by"], kept["cancelled_by"]), ("ann", "bob"))
        page = self.a.migrctl("move", "show", move["id"]).stdout
        self.assertRegex(page, r"begun by +ann\n *cancel asked by +bob")
        self.assertIn({"event": "cancel-requested", "detail": "by bob"},
                      [{"event": note["event"], "detail": note["detail"]}
                       for note in self.a.api.get(f"/v1/moves/{move['id']}/timeline")["items"]])
        self.assertNotIn("began_by", self.b.move_state(move["id"]))

    def test_record_of_before_names_nobody(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.cancel(move["id"])
        self.a.stop()
        with contextlib.closing(sqlite3.connect(self.a.state_dir / "migrd.db")) as db, db:
            detail = json.loads(db.execute("SELECT detail FROM move").fetchone()[0])
            self.assertEqual((detail.pop("began_by"), detail.pop("cancelled_by")),
                             ("local", "local"))
            db.execute("UPDATE move SET detail = ?", (json.dumps(detail),))
            store.renew_sums(db)
        self.a.start()
        kept = self.a.move_state(move["id"])
        self.assertEqual(kept["state"], "cancelled")
        self.assertFalse({"began_by", "cancelled_by"} & set(kept))
        self.assertNotRegex(self.a.migrctl("move", "show", move["id"]).stdout,
                            "begun by|cancel asked by")

    def test_cancelled_guest_can_move_at_once(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.cancel(move["id"])
        self.world.move(self.guest, self.a, self.b)
        self.guest.assert_runs_on(self.b)

    def test_by_migrctl_says_the_owner(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        out = self.a.migrctl("move", "cancel", move["id"])
        self.assertRegex(out.stdout, r"\ba\b")
        self.guest.assert_runs_on(self.a)

    def test_twice_gives_the_same_answer(self):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        first, again = self.cancel(move["id"]), self.cancel(move["id"])
        self.assertEqual((first["cancelled"], first["owner"]), (again["cancelled"], again["owner"]))

    # Past the point of no return only the destination knows the guest's owner, so the answer to
    # the cancel waits for it.
    def test_in_handover_is_too_late_and_the_move_ends(self):
        with self.b.held_at("api.peer.go", lambda: self.world.begin_move(
                self.guest, self.a, self.b)) as begun:
            move = begun.result()
            self.world.wait_state(self.a, move["id"], "handover")
            cancel = Later(self.cancel, move["id"])
            self.guest.console.assert_quiet()
            self.assertFalse(self.a.move_state(move["id"])["can_cancel"])

        answer = cancel.result()
        self.assertEqual((answer["cancelled"], answer["owner"], answer["state"]),
                         (False, "b", "done"))
        self.assertNotIn("cancelled_by", self.a.move_state(move["id"]))
        self.guest.assert_runs_on(self.b)
        self.a.assert_clean_soon(self.guest.vm(self.b), move["id"])

    def test_after_the_end_is_too_late(self):
        move = self.world.move(self.guest, self.a, self.b)
        answer = self.cancel(move["id"])
        self.assertEqual((answer["cancelled"], answer["owner"], answer["state"]),
                         (False, "b", "done"))
        self.guest.assert_runs_on(self.b)

    # Whichever wins the race, the answer must be what really happened.
    def test_racing_with_the_end_gives_a_true_answer(self):
        for delay_ms in (0, 20, 40, 80, 160):
            with self.subTest(delay_ms=delay_ms):
                self.race(delay_ms)

    def race(self, delay_ms):
        move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        threading.Event().wait(delay_ms / 1000)  # sweeps the race over the end of the move
        answer = self.cancel(move["id"])
        if answer["cancelled"]:
            self.assert_cancelled(answer, move["id"])
            return
        self.world.wait_state(self.a, move["id"], "done")
        self.guest.assert_runs_on(self.b)
        self.world.move(self.guest, self.b, self.a)
        self.guest.assert_runs_on(self.a)


class CancelInSetupTest(CancelBase):
    """The destination's data port accepts connections and does not answer."""

    def prepare(self):
        self.silent = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.addCleanup(self.silent.close)
        port = self.silent.getsockname()[1]
        self.world["b"].write_config(data={"advertise": f"127.0.0.1:{port}"})

    def test_in_setup_leaves_the_guest_here(self):
        move = self.world.begin_move(self.guest, self.a, self.b)
        self.silent.settimeout(30)
        connection, _ = self.silent.accept()    # the source's stream waits for a handshake
        self.addCleanup(connection.close)
        self.guest.console.wait_line(host="a")  # the guest goes on meanwhile
        self.assert_cancelled(self.cancel(move["id"]), move["id"])

    def test_destination_frozen_in_prepare_leaves_the_guest_here(self):
        self.b.freeze()
        move = self.world.begin_move(self.guest, self.a, self.b)
        self.world.wait_state(self.a, move["id"], "prepare")
        cancel = Later(self.cancel, move["id"])
        self.guest.console.wait_line(host="a")
        self.b.thaw()
        self.assert_cancelled(cancel.result(), move["id"])

