# SPDX-License-Identifier: LGPL-2.1-or-later
"""The queue of moves."""
import concurrent.futures
import os
import shutil
import signal

from lib import settings
from lib.long_form import only_full
from lib.world import SystemTest

HELD = {"hold": {"timeout_s": 600, "then": "cancel"}}


class QueueBase(SystemTest):
    out_max = 2

    def prepare(self):
        for host in self.world.hosts.values():
            # Nobody listens at the address of host c.
            host.write_config(queue={"out_max": self.out_max}, move={"outage_ping_min_ms": 0},
                              **{"peer c": {"address": "127.0.0.1:9"}})

    def run_guests(self, count, larger=()):
        self.guests = [self.world.guest(f"g{i}", area=0, memory_mib=128 if i in larger else 32)
                       for i in range(count)]
        for guest in self.guests:
            guest.start(self.a, sweeps=0)

    def add(self, guest, to="b", host=None, **more):
        return (host or self.a).api.post("/v1/queue", {"vm": guest.name, "to": to, **more})

    def entry(self, entry, host=None):
        return (host or self.a).api.get(f"/v1/queue/{entry['id']}")

    def wait(self, entry, *states, timeout=60):
        """Waits until the entry is in one of STATES."""
        def is_there():
            now = self.entry(entry)
            if now["final"] and now["state"] not in states:
                self.fail(f"the entry has ended: {now}")
            return now if now["state"] in states else None
        return self.eventually(f"{states} of {entry['vm']}", is_there, timeout)

    def release(self, entry):
        """False: its move is not there yet, or does not wait yet."""
        move_id = self.entry(entry)["move"]
        if not move_id or not self.a.move_state(move_id)["held"]:
            return False
        self.a.api.post(f"/v1/moves/{move_id}/release")
        return True

    def assert_all_on(self, host):
        other = self.a if host is self.b else self.b
        for guest in self.guests:
            guest.assert_runs_on(host, sweeps=0)
            self.assert_gone(other, guest.name)


class QueueTest(QueueBase):
    # ---- order, limits ----------------------------------------------------------

    def test_guests_go_by_priority_and_two_at_a_time(self):
        self.run_guests(8, larger=[2])
        priorities = ["balancing"] * 4 + ["evacuation"] * 2 + ["interactive"] * 2
        hold = {"timeout_s": 600, "then": "release"}
        first = [self.add(guest, priority=priority, hold=hold)
                 for guest, priority in zip(self.guests[:2], priorities)]
        held = [self.wait(entry, "moving") for entry in first]
        rest = [self.add(guest, priority=priority)
                for guest, priority in zip(self.guests[2:], priorities[2:])]
        waiting = [self.entry(entry) for entry in rest]
        self.assertEqual([entry["state"] for entry in waiting], ["waiting"] * 6)
        self.assertEqual([entry["position"] for entry in waiting], [6, 5, 3, 4, 1, 2])
        for entry in waiting:
            self.assertIn("as many as out_max", entry["reason"])
        self.assertEqual(waiting[0]["attempts"], [])
        self.assert_expected(rest)

        # A cancel of one that waits needs no move, and the others move up.
        gone = self.a.api.post(f"/v1/queue/{rest[5]['id']}/cancel")
        self.assertEqual((gone["state"], gone["attempts"], gone["error"]["code"]),
                         ("cancelled", [], "cancelled"))
        self.assertEqual(self.a.moves(f"?vm={self.guests[7].name}"), [])
        first_now = self.a.api.call("PATCH", f"/v1/queue/{rest[1]['id']}",
                                    {"priority": "interactive"})
        self.assertEqual((first_now["priority"], first_now["position"]), ("interactive", 1))
        self.assertIn("it has place 1 of those that wait", first_now["did"])
        for entry in held:
            move_id = self.eventually("its move", lambda: self.entry(entry)["move"])
            self.eventually("the hold", lambda: self.a.move_state(move_id)["held"], 30)
            self.a.api.post(f"/v1/moves/{move_id}/release")
        for entry in [*first, *rest[:5]]:
            ended = self.wait(entry, "done")
            self.assertEqual((ended["attempts"][-1]["host"], ended["attempts"][-1]["code"],
                              ended["position"]), ("b", None, None))
        stay = self.guests.pop()
        self.assert_all_on(self.b)
        stay.assert_runs_on(self.a, sweeps=0)
        began = [self.entry(rest[i])["attempts"][0]["began_at"] for i in (1, 4, 2, 3, 0)]
        self.assertEqual(began, sorted(began))
        self.assert_two_at_a_time()

    def assert_expected(self, entries):
        """The two that are held may go on until their holds end, and a short one goes before a long
        one of the same priority."""
        entries = [self.eventually("expected times", lambda e=entry: (
            (now := self.entry(e))["expected_end"] and now)) for entry in entries]
        longer, shorter = entries[0], entries[1]
        self.assertIn("shorter ones that came", longer["reason"])
        self.assertEqual((longer["forecast"]["by"], longer["forecast"]["bytes"]["expected"]),
                         ("size", 128 << 20))
        self.assertGreater(longer["forecast"]["duration_ms"], shorter["forecast"]["duration_ms"])
        for entry in entries:
            for times in (entry["expected_start"], entry["expected_end"]):
                self.assertLessEqual(times["earliest"], times["expected"])
                self.assertLessEqual(times["expected"], times["latest"])
            self.assertLess(entry["expected_start"]["expected"], entry["expected_end"]["expected"])
        self.assertLessEqual(shorter["expected_start"]["expected"],
                             longer["expected_start"]["expected"])
        self.assertLess(shorter["expected_end"]["expected"], longer["expected_end"]["expected"])

    def assert_two_at_a_time(self):
        spans = sorted((attempt["began_at"], attempt["ended_at"])
                       for entry in self.a.api.items("/v1/queue") for attempt in entry["attempts"])
        for began, _ in spans:
            at_once = [span for span in spans if span[0] <= began < span[1]]
            self.assertLessEqual(len(at_once), self.out_max, spans)

    # ---- over a crash, and with hosts that refuse -----------------------------------

    def test_killed_coordinator_goes_on_where_it_stood(self):
        self.run_guests(6)
        # One is on its way at each kill, however fast the others are.
        entries = [self.add(guest, **(HELD if guest is self.guests[0] else {}))
                   for guest in self.guests]
        for host in (self.a, self.b, self.a):
            self.wait(entries[0], "moving")
            host.kill9()
            host.start()
        self.eventually("it is let go", lambda: self.release(entries[0]), 60)
        for entry in entries:
            self.wait(entry, "done", timeout=90)
        self.assert_all_on(self.b)
        for guest, entry in zip(self.guests, entries):
            moves = self.a.moves(f"?vm={guest.name}")
            attempts = self.entry(entry)["attempts"]
            self.assertEqual(sorted(a["move"] for a in attempts if a["move"]),
                             sorted(move["id"] for move in moves))
            self.assertEqual([m["state"] for m in moves].count("done"), 1)

    # No move can begin meanwhile, and that is no failed attempt.
    def test_vm_that_starts_is_waited_for(self):
        fifo, program = self.world.dir / "go", self.world.dir / "slow-qemu"
        os.mkfifo(fifo)
        program.write_text(f'#!/bin/sh\ncase "$*" in *guest=g0*) read -r go < {fifo};; esac\n'
                           f'exec {shutil.which(settings.qemu)} "$@"\n', encoding="ascii")
        program.chmod(0o755)
        self.a.write_config(queue={"out_max": self.out_max}, qemu={"binary": program})
        self.a.kill9()
        self.a.start()
        guest = self.world.guest("g0", area=0, memory_mib=32)
        self.guests = [guest]
        guest.create(self.a)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # It may have moved before it says anything here.
            started = pool.submit(self.a.api.post, "/v1/vms/g0/start")
            self.eventually("the start", lambda: "g0" in self.a.vms() and
                            guest.vm(self.a)["state"] == "starting")
            entry = self.add(guest, attempts_max=1)
            self.eventually("the wait", lambda: "is starting" in self.entry(entry)["reason"])
            fifo.write_text("go\n", encoding="ascii")
            started.result()
        self.wait(entry, "done")
        self.assert_all_on(self.b)

    def test_host_that_refuses_is_followed_by_the_next(self):
        self.run_guests(1)
        entry = self.add(self.guests[0], to=["c", "b"])
        ended = self.wait(entry, "done")
        first, last = ended["attempts"]
        self.assertEqual((first["host"], last["host"], last["code"]), ("c", "b", None))
        self.assertEqual((first["code"], ended["attempts_made"]), ("unavailable", 1))
        self.assert_all_on(self.b)

    # Each attempt asks a host that is silent for some seconds.
    @only_full
    def test_entry_says_when_it_goes_on_and_gives_up_as_it_was_told_to(self):
        self.run_guests(1)
        entry = self.add(self.guests[0], to="c", attempts_max=2)
        waiting = self.eventually("the wait", lambda: (now := self.entry(entry))
                                  ["next_attempt_at"] and now)
        self.assertIn("attempt 1 of 2 failed: ", waiting["reason"])
        failed = self.eventually("the end", lambda: (now := self.entry(entry))
                                 ["final"] and now, 30)
        self.assertEqual((failed["state"], failed["error"]["code"], failed["attempts_made"]),
                         ("failed", "unavailable", 2))
        self.assertIn("2 attempts have failed; the last one", failed["error"]["detail"])
        self.assert_all_on(self.a)

    # ---- users -------------------------------------------------------------------

    def test_people_steer_it(self):
        self.run_guests(1)
        guest, = self.guests
        hold = ["--hold", "600", "--policy", "gentle"]
        entry = self.a.migrctl_json("queue", "add", "g0", "--to", "b", "--priority", "balancing",
                                    *hold)
        self.assertEqual((entry["request"]["hold"], entry["request"]["policy"]),
                         ({"timeout_s": 600}, "gentle"))
        moving = self.wait(entry, "moving")
        move_id = self.eventually("its move", lambda: self.entry(entry)["move"])
        shown = self.a.migrctl("queue", "set", "g0", "--priority", "interactive").stdout
        self.assertRegex(shown, "recorded, and its move has it: 1 settings changed.*"
                                "priority 'interactive'")
        self.assertRegex(shown, "priority +interactive")
        self.assertEqual(self.a.move_state(move_id)["options"]["priority"], "interactive")
        self.assertIn(moving["id"], self.a.migrctl("queue", "list", "--active").stdout)
        self.assertRegex(self.a.migrctl("queue", "show", "g0").stdout, f"move +{move_id}")
        self.assert_api_error(409, "conflict", self.add, guest)

        # A cancel of one that is moving ends its move, and no other is begun.
        self.a.migrctl("queue", "cancel", "g0")
        self.assertEqual(self.wait(entry, "cancelled")["error"]["code"], "cancelled")
        self.world.wait_state(self.a, move_id, "cancelled")
        self.assertEqual(self.a.api.post(f"/v1/queue/{entry['id']}/cancel")["state"], "cancelled")
        self.assert_api_error(409, "too-late", self.a.api.call, "PATCH",
                              f"/v1/queue/{entry['id']}", {"priority": "balancing"})

        # A move that somebody cancels ends its entry too.
        entry = self.add(guest, hold={"timeout_s": 600})
        move_id = self.eventually("its move", lambda: self.entry(entry)["move"])
        self.world.cancel(self.a, move_id)
        self.assertEqual(self.wait(entry, "cancelled")["attempts_made"], 0)

        # A VM that somebody else moves ends its entry.
        held = self.world.begin_move(guest, self.a, self.b, hold={"timeout_s": 600})["id"]
        entry = self.add(guest)
        self.eventually("the other job", lambda: "another job" in self.entry(entry)["reason"])
        self.a.api.post(f"/v1/moves/{held}/release")
        gone = self.wait(entry, "failed")
        self.assertIn(f"move {held} has brought it to host 'b'", gone["error"]["detail"])
        self.assertEqual(gone["attempts"], [])
        self.assert_api_error(409, "too-late", self.a.api.post, f"/v1/queue/{gone['id']}/cancel")
        self.assert_all_on(self.b)
        metrics = self.a.api.send("GET", "/metrics")[2].decode()
        self.assertIn('migrd_queue_entries{state="waiting"} 0', metrics)
        self.assertIn("migrd_queue_waiting_seconds_count 2", metrics)

    def test_cancel_that_is_too_late_names_nobody(self):
        self.run_guests(1)
        guest, = self.guests
        ann = self.a.api_of("ann")
        with self.b.held_at("api.peer.go", lambda: self.add(guest)) as begun:
            entry = begun.result()
            self.world.wait_state(self.a, self.entry(entry)["move"], "handover")
            self.assert_api_error(409, "too-late", ann.post, f"/v1/queue/{entry['id']}/cancel")
            self.assertNotIn("cancelled_by", self.entry(entry))
        self.assertNotIn("cancelled_by", self.wait(entry, "done"))
        self.assert_all_on(self.b)

    def test_bad_orders_are_refused(self):
        self.run_guests(1)
        for body, words in (({"to": []}, "/to"), ({"to": ""}, "/to"), ({"to": ["B"]}, "/to/0"),
                            ({"to": ["b", "b"]}, "twice"), ({"to": ["b"] * 17}, "/to"), ({}, "/to"),
                            ({"to": "b", "priority": "high"}, "balancing"),
                            ({"to": "b", "attempts_max": 0}, "/attempts_max"),
                            ({"to": "b", "give_up_s": 0}, "/give_up_s"),
                            ({"to": "b", "hold": {"timeout_s": 0}}, "timeout_s"),
                            ({"to": "b", "hold": {"until": "2026-01-01T00:00:00Z"}}, "past"),
                            ({"to": "b", "xbzrle": True, "multifd": {}}, "xbzrle"),
                            ({"to": "b", "limit": 1}, "unknown key")):
            error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/queue",
                                          {"vm": "g0", **body})
            self.assertIn(words, str(error.body))
        for body, code in (({"to": "d"}, "not-found"), ({"to": ["b", "d"]}, "not-found"),
                           ({"to": "b", "outage_ping_ms": 20}, "conflict"),
                           ({"to": "b", "vm": "g9"}, "not-found"),
                           ({"to": "b", "policy": "none"}, "not-found"),
                           ({"to": "a"}, "conflict")):
            self.assert_api_error(404 if code == "not-found" else 409, code, self.a.api.post,
                                  "/v1/queue", {"vm": "g0", **body})
        self.assertEqual(self.a.api.items("/v1/queue"), [])
        self.assert_api_error(404, "not-found", self.a.api.get, "/v1/queue/none")
        key = {"Idempotency-Key": "k"}
        body = {"vm": "g0", "to": "b", "hold": {"timeout_s": 600}}
        first = self.a.api.post("/v1/queue", body, headers=key)
        self.assertEqual(self.a.api.post("/v1/queue", body, headers=key)["id"], first["id"])
        self.assert_api_error(422, "key-reused", self.a.api.post, "/v1/queue",
                              {**body, "priority": "balancing"}, headers=key)
        for priority in ("high", None):
            self.assert_api_error(400, "invalid", self.a.api.call, "PATCH",
                                  f"/v1/queue/{first['id']}", {"priority": priority})
        self.a.api.post(f"/v1/queue/{first['id']}/cancel")
        self.wait(first, "cancelled")
        self.guests[0].assert_runs_on(self.a, sweeps=0)


    def test_restart_keeps_the_priority_that_a_user_gave_to_a_move(self):
        self.run_guests(1)
        entry = self.add(self.guests[0], priority="balancing", hold={"timeout_s": 600})
        move_id = self.eventually("its move", lambda: self.entry(entry)["move"])
        self.world.wait_move(self.a, move_id, lambda move: move["held"])
        for of_entry, of_move in (None, "evacuation"), ("interactive", None), (None, "evacuation"):
            if of_entry:
                self.a.api.call("PATCH", f"/v1/queue/{entry['id']}", {"priority": of_entry})
                self.assertEqual(self.a.move_state(move_id)["options"]["priority"], of_entry)
            else:
                self.a.api.call("PATCH", f"/v1/moves/{move_id}", {"priority": of_move})
            self.a.stop()
            self.a.start()
            self.world.wait_move(self.a, move_id, lambda move: move["held"])
            self.assertEqual(self.a.move_state(move_id)["options"]["priority"],
                             of_entry or of_move)
        self.assertEqual(self.entry(entry)["priority"], "interactive")
        self.a.api.post(f"/v1/queue/{entry['id']}/cancel")
        self.wait(entry, "cancelled")
        self.assert_all_on(self.a)

    # ---- what a reload changes ----------------------------------------------------

    def test_more_go_when_a_reload_allows_it(self):
        self.run_guests(3)
        entries = [self.add(guest, hold={"timeout_s": 600}) for guest in self.guests]
        for entry in entries[:2]:
            self.wait(entry, "moving")
        self.eventually("the limit", lambda: "out_max" in self.entry(entries[2])["reason"])
        self.a.write_config(queue={"out_max": 3})
        os.kill(self.a.process.pid, signal.SIGHUP)
        self.wait(entries[2], "moving")
        for entry in entries:
            self.a.api.post(f"/v1/queue/{entry['id']}/cancel")
        for entry in entries:
            self.wait(entry, "cancelled")
        self.assert_all_on(self.a)


class OldStoreTest(QueueBase):
    out_max = 1

    def prepare(self):
        self.world["a"].write_config(queue={"out_max": self.out_max})

    # Its records say that one guest is being moved, and that the other waits: both are gone.
    def test_store_put_back_moves_nothing_that_is_elsewhere(self):
        self.run_guests(2)
        first = self.add(self.guests[0], hold={"timeout_s": 600})
        move_id = self.eventually("its move", lambda: self.entry(first)["move"])
        self.world.wait_move(self.a, move_id, lambda move: move["held"])
        second = self.add(self.guests[1])
        self.eventually("the limit", lambda: "out_max" in self.entry(second)["reason"])
        self.a.stop()
        copy = self.a.dir / "copy"
        shutil.copytree(self.a.state_dir, copy)
        self.a.start()
        self.world.wait_move(self.a, move_id, lambda move: move["held"])
        self.a.api.post(f"/v1/moves/{move_id}/release")
        for entry in (first, second):
            self.wait(entry, "done")
        self.a.stop()
        shutil.rmtree(self.a.state_dir)
        shutil.copytree(copy, self.a.state_dir)
        self.a.start()
        ended = [self.eventually("the end", lambda e=entry: (now := self.entry(e))["final"] and now,
                                 60) for entry in (first, second)]
        self.assertEqual(ended[1]["state"], "failed")
        self.assertIn("is on host 'b' now", ended[1]["error"]["detail"])
        self.assertEqual(ended[1]["attempts"], [])
        for guest in self.guests:
            guest.assert_runs_on(self.b, sweeps=0)
            guest.console.assert_single_runner()


class FullHostTest(QueueBase):
    out_max = 16

    def prepare(self):
        super().prepare()
        self.world["b"].write_config(move={"offers_max": 1})

    def test_host_without_a_free_place_is_asked_again_when_a_move_has_ended(self):
        self.run_guests(5)
        first = self.add(self.guests[0], **HELD)
        entries = [first] + [self.add(guest) for guest in self.guests[1:]]
        self.eventually("one of the others is refused", lambda: any(
            attempt["code"] == "limit" for entry in entries[1:]
            for attempt in self.entry(entry)["attempts"]))
        self.a.api.post(f"/v1/moves/{self.entry(first)['move']}/release")
        ended = [self.wait(entry, "done") for entry in entries]
        self.assertEqual([entry["attempts_made"] for entry in ended], [0] * 5)
        codes = [attempt["code"] for entry in ended for attempt in entry["attempts"]]
        self.assertEqual(set(codes) - {None}, {"limit"})
        # Those that were on their way when the host said so first, and some that were tried later.
        self.assertLess(len(codes), 5 + 12, codes)
        self.assert_all_on(self.b)
        self.note(f"{len(codes)} attempts")
