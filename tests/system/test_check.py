# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stray objects of a host are found, explained, and repaired only when that is safe."""
import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading

from lib import procs, settings, store
from lib.api import Api, ApiError, client_context
from lib.disks import Disk
from lib.world import SystemTest

FOUND = 20
STRAY = "0190a000-0000-7000-8000-00000000000"    # and one more digit
HELD = 128 * 1024  # bytes/s


class CheckCase(SystemTest):
    def check(self, host, *args):
        """Runs `migrctl host check', whose exit code must fit; returns {kind: [finding]}."""
        done = host.migrctl("-o", "json", "host", "check", *args, check=False)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["clean"] else FOUND, done.stderr)
        found = {}
        for item in report["items"]:
            self.assertTrue(item["explanation"] and item["remedy"], item)
            found.setdefault(item["kind"], []).append(item)
        return found

    def only(self, found, kind):
        """Returns the one finding of KIND."""
        self.assertEqual(len(found.get(kind, [])), 1, found)
        return found[kind][0]

    def assert_words(self, item, *words):
        for word in words:
            self.assertIn(str(word), f"{item['object']} {item['explanation']} {item['remedy']}")

    @contextlib.contextmanager
    def database(self, host):
        """The database of HOST, whose daemon is down, for changes by hand."""
        db = sqlite3.connect(next(host.state_dir.glob("*.db")))
        try:
            with db:
                yield db
                store.renew_sums(db)
        finally:
            db.close()

    def vm_dir(self, host, uuid):
        return host.run_dir / "vms" / uuid


class CheckTest(CheckCase):
    def test_host_at_work_is_clean(self):
        running, paused, stopped = (self.world.guest(n, area=0) for n in ("run", "pause", "stop"))
        running.start(self.a)
        paused.start(self.a)
        self.a.api.post("/v1/vms/pause/pause")
        stopped.create(self.a)
        self.assertEqual(self.check(self.a), {})
        self.assertEqual(self.check(self.a, "--repair"), {})
        self.assertIn("nothing was found", self.a.migrctl("host", "check").stdout)
        running.assert_runs_on(self.a)

    # Both sides of a move hold the guest by right.
    def test_move_under_way_and_after_is_clean(self):
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        for host in (self.a, self.b):
            self.assertEqual(self.check(host, "--repair"), {})
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        for host in (self.a, self.b):
            self.assertEqual(self.check(host, "--repair"), {})

    # The storage of b fails until the move has given up: the image that is left is told,
    # with what it is, and can be removed by hand as it says.
    def test_image_that_a_move_could_not_remove_is_told(self):
        self.b.restart_with_fault("images.remove:error:times=5")
        disk = Disk(mib=32, area=1, data=16, rate=4)
        guest = self.world.guest(area=4, memory_mib=64, disks=(disk,))
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=1 << 20)["id"]
        self.world.wait_move(self.a, move, lambda m: m["state"] == "transfer" and any(
            d["copied_bytes"] for d in m["progress"].get("disks", ())))
        mark = self.b.images / f".{disk.path.name}.migrd-{move}"
        self.assertTrue(mark.exists())
        self.assertEqual(self.check(self.b), {})
        self.world.cancel(self.a, move)
        for host in (self.a, self.b):
            self.world.wait_state(host, move, "failed", "cancelled")
        item = self.only(self.check(self.b, "--repair"), "leftover-mark")
        self.assertEqual((item["object"], item["repair"]), (str(mark), "none"))
        self.assert_words(item, guest.name, "host 'a'", "never ran here", "remove both")
        self.assertEqual(self.check(self.a), {})
        guest.assert_runs_on(self.a)
        (self.b.images / disk.path.name).unlink()
        mark.unlink()
        self.assertEqual(self.check(self.b), {})

    # A running guest's QEMU must never be ended by a guess.
    def test_qemu_without_record_is_told_and_never_touched(self):
        lost, known = self.world.guest("lost", area=0), self.world.guest("known", area=0)
        lost.start(self.a)
        known.start(self.a)
        pid = lost.vm(self.a)["pid"]
        self.a.kill9()
        with self.database(self.a) as db:
            db.execute("DELETE FROM vm WHERE name = 'lost'")
        self.a.start()
        for args in ((), ("--repair",), ("--repair",)):
            with self.subTest(args):
                found = self.check(self.a, *args)
                item = self.only(found, "unknown-qemu")
                self.assertEqual(list(found), ["unknown-qemu"])
                self.assert_words(item, f"process {pid}", lost.uuid, "'lost'", f"kill {pid}")
                self.assertEqual((item["safe"], item["repair"]), (False, "none"))
        text = self.a.migrctl("host", "check", check=False).stdout
        self.assertRegex(text, rf"unknown-qemu +process {pid}")
        self.assertIn("left alone", text)
        for guest in (lost, known):
            guest.console.wait_line(host="a")
            self.assertEqual(len(guest.console.lives), 1)
        known.assert_runs_on(self.a)
        self.assertTrue((self.vm_dir(self.a, lost.uuid) / "qmp0.sock").exists())
        # Once a person has ended it, what it leaves is safe to remove.
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(procs.wait_gone([pid], 10))
        found = self.check(self.a, "--repair")
        self.assertEqual(sorted(found), ["leftover-log", "leftover-vm-dir"])
        self.assertEqual(self.check(self.a), {})
        self.assertEqual(self.a.traces(lost.uuid), [])
        known.assert_runs_on(self.a)

    # All records are lost: only the check and the peers tell what runs here.
    def test_qemu_of_a_lost_database_is_told_and_comes_back_with_a_backup(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        seen = guest.vm(self.a)
        backup = self.a.dir / "backup.db"
        self.a.migrctl("backup", backup)
        self.a.stop()
        for path in self.a.state_dir.glob("migrd.db*"):
            path.unlink()
        self.a.start()
        self.assertEqual(self.a.vms(), {})
        item = self.only(self.check(self.a, "--repair"), "unknown-qemu")
        self.assert_words(item, f"process {seen['pid']}", guest.uuid, "'g1'", "--restore",
                          f"kill {seen['pid']}")
        # A new record would be a guess, even one that is read from the QEMU's monitor.
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms",
                                      seen["definition"])
        self.assertIn("host check", error.body["detail"])
        error = self.assert_api_error(
            409, "conflict", self.a.api.post, "/v1/vms/adopt",
            {"qmp": f"unix:{self.vm_dir(self.a, guest.uuid)}/qmp0.sock", "dry_run": True})
        self.assertIn("no record", error.body["detail"])
        self.a.stop()
        subprocess.run([settings.program("migrd"), "-c", str(self.a.config), "--restore",
                        str(backup)], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.a.start()
        self.eventually("the records to count",
                        lambda: self.a.vm("g1")["state"] == "running" and self.check(self.a) == {})
        self.assertEqual(guest.vm(self.a)["pid"], seen["pid"])
        guest.assert_runs_on(self.a)
        self.assertEqual(len(guest.console.lives), 1)

    # A record whose QEMU is another process: two of them may run the guest.
    def test_second_qemu_of_a_vm_is_told_and_never_touched(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        pid = guest.vm(self.a)["pid"]
        self.a.kill9()
        with self.database(self.a) as db:
            db.execute("UPDATE vm SET qemu_start_time = qemu_start_time + 1")
        self.a.start()
        self.assertEqual(guest.vm(self.a)["state"], "crashed")
        found = self.check(self.a, "--repair")
        self.assertEqual(sorted(found), ["crashed-vm", "unknown-qemu"])
        self.assert_words(self.only(found, "unknown-qemu"), "second QEMU", f"process {pid}",
                          "no process")
        # The VM is not started a second time, either.
        error = self.assert_api_error(409, "conflict", self.a.api.post, "/v1/vms/g1/start")
        self.assertIn("another QEMU", error.body["detail"])
        self.assertEqual(self.a.qemus(), [pid])
        self.assertTrue((self.vm_dir(self.a, guest.uuid) / "qmp0.sock").exists())
        guest.console.wait_line(host="a")
        self.assertTrue(procs.is_running(pid))

    # The directory is removed at the start, because a dead QEMU's files are of no use.
    def test_crashed_vm_is_told(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        pid = guest.vm(self.a)["pid"]
        self.a.kill9()
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(procs.wait_gone([pid], 10))
        self.a.start()
        self.assertFalse(self.vm_dir(self.a, guest.uuid).exists())
        found = self.check(self.a, "--repair")
        self.assertEqual(list(found), ["crashed-vm"])
        self.assert_words(self.only(found, "crashed-vm"), "VM g1", "migrctl vm start g1")
        self.assertEqual(self.only(found, "crashed-vm")["repair"], "none")
        self.a.api.post("/v1/vms/g1/start")     # boots from the beginning, with the counter at 0
        guest.console.wait_line(host="a")
        self.assertEqual(self.check(self.a), {})

    def test_leftovers_are_removed_unless_in_use_or_foreign(self):
        vms, moves, logs = (self.a.run_dir / "vms", self.a.run_dir / "moves",
                            self.a.log_dir)
        logs.mkdir(exist_ok=True)
        dead, used, foreign, move = (STRAY + str(i) for i in range(1, 5))
        for path in (vms / dead, vms / used, vms / foreign, moves / move):
            path.mkdir()
        for path in (vms / dead / "qmp0.sock", vms / used / "qmp0.sock"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(str(path))
            sock.listen()
            if used in str(path):
                self.addCleanup(sock.close)
            else:
                sock.close()
        (vms / dead / "pid").write_text("1\n")
        (vms / foreign / "notes.txt").write_text("mine\n")
        (vms / "README").write_text("mine\n")
        (moves / move / "stream.log").write_text("")
        (logs / f"{dead}.log").write_text("words\n")
        (logs / "notes.log").write_text("mine\n")

        before = self.check(self.a)
        self.assertEqual({kind: sorted((os.path.basename(i["object"]), i["safe"]) for i in items)
                          for kind, items in before.items()},
                         {"leftover-vm-dir": [(dead, True), (used, False), (foreign, False)],
                          "leftover-move-dir": [(move, True)],
                          "leftover-log": [(f"{dead}.log", True)],
                          "foreign-file": [("README", False)]})
        after = self.check(self.a, "--repair")
        for kind, items in after.items():
            for item in items:
                self.assertEqual(item["repair"], "done" if item["safe"] else "none", item)
        self.assertEqual(sorted(p.name for p in vms.iterdir()), sorted(["README", used, foreign]))
        self.assertEqual(list(moves.iterdir()), [])
        self.assertEqual([p.name for p in logs.iterdir()], ["notes.log"])
        self.assertTrue((vms / foreign / "notes.txt").exists())
        self.assertTrue((vms / used / "qmp0.sock").exists())
        self.assertEqual(sorted(self.check(self.a)), ["foreign-file", "leftover-vm-dir"])

    # QEMU locks its pid file by itself, however it was started.
    def test_directory_with_a_locked_pid_file_is_in_use(self):
        directory = self.vm_dir(self.a, STRAY + "1")
        directory.mkdir()
        pid_file = self.world.dir / "link.pid"
        os.link(_touch(directory / "pid"), pid_file)
        qemu = procs.Child([settings.qemu, "-S", "-M", "none", "-display", "none", "-nodefaults",
                            "-pidfile", str(pid_file)], stdin=subprocess.DEVNULL)
        try:
            self.eventually("QEMU has its pid file", lambda: pid_file.read_text() != "")
            item = self.only(self.check(self.a, "--repair"), "leftover-vm-dir")
            self.assertFalse(item["safe"])
            self.assert_words(item, "still uses it")
        finally:
            qemu.end()
        item = self.only(self.check(self.a, "--repair"), "leftover-vm-dir")
        self.assertEqual(item["repair"], "done")
        self.assertFalse(directory.exists())

    def held_move(self):
        guest = self.world.guest()
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        return guest, move

    # A stream is known to be useless only when a record says that its move has ended.
    def test_stream_of_an_ended_move_is_ended_at_the_start(self):
        guest, move = self.held_move()
        stream = self.b.streams()
        self.b.kill9()
        with self.database(self.b) as db:
            db.execute("UPDATE move SET state = 'failed', verdict = 'refused', is_final = 1, "
                       "error_code = 'internal', error_text = 'planted', ended_ms = updated_ms")
            db.execute("DELETE FROM vm")
        self.b.start()
        self.assertTrue(procs.wait_gone(stream, 10))
        self.eventually("its directory is gone",
                        lambda: not (self.b.run_dir / "moves" / move["id"]).exists())
        # Without the link the guest stays where it was.
        self.world.wait_move(self.a, move["id"], lambda m: m["final"])
        guest.assert_runs_on(self.a)

    # The SQLite log is gone with its records, so the store is in doubt (store/identity.h).
    # A QEMU ends with its stream once it reads from it, and not before.
    def test_stream_without_any_record_is_ended_and_the_guest_runs_on(self):
        guest, move = self.held_move()
        self.eventually("the destination's QEMU reads", lambda: any(
            item["event"] == "MIGRATION" and item["detail"].startswith("active")
            for item in self.b.api.items(f"/v1/moves/{move['id']}/timeline")))
        self.b.kill9()
        with self.database(self.b) as db:
            db.execute("DELETE FROM timeline")
            db.execute("DELETE FROM move")
            db.execute("DELETE FROM vm")
        self.b.start()
        self.eventually("stream and QEMU have ended", lambda: not self.b.children())
        self.world.wait_state(self.a, move["id"], "failed")
        self.check(self.b, "--repair")
        self.assertEqual(self.check(self.b), {})
        guest.assert_runs_on(self.a)

    # A move that waits for the other host is reported, with the command that shows more.
    def test_waiting_move_is_told_with_its_reason(self):
        guest, move = self.held_move()
        self.b.restart_with_fault("api.peer.go:crash")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_move(self.a, move["id"],
                             lambda m: m["state"] == "handover" and m["reason"])
        found = self.check(self.a, "--repair")
        self.assertEqual(sorted(found), ["silent-peer", "waiting-move"])
        self.assert_words(self.only(found, "waiting-move"), move["id"], "handover",
                          "waiting for host 'b'", f"migrctl move show {move['id']} --timeline")
        self.b.start()
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        self.assertEqual(self.check(self.a), {})

    def copy_row(self, name, generation):
        """Copies the row of a VM from a to b; both must be down."""
        with self.database(self.a) as db:
            db.row_factory = sqlite3.Row
            row = dict(db.execute("SELECT * FROM vm WHERE name = ?", (name,)).fetchone())
        row.update(generation=generation, qemu_pid=0, qemu_start_time=0, boot_id="",
                   intent="stopped")
        with self.database(self.b) as db:
            db.execute(f"INSERT INTO vm ({', '.join(row)}) "
                       f"VALUES ({', '.join('?' * len(row))})", list(row.values()))

    def test_vm_of_two_hosts_is_told_on_both_and_left_alone(self):
        guest = self.world.guest(area=0)
        guest.start(self.a)
        self.a.stop()
        self.b.stop()
        self.copy_row("g1", generation=5)
        self.a.start()
        self.b.start()
        for host in (self.a, self.b):
            with self.subTest(str(host)):
                found = self.check(host, "--repair")
                self.assertEqual(list(found), ["double-claim"])
                item = self.only(found, "double-claim")
                self.assertEqual((item["safe"], item["repair"]), (False, "none"))
                self.assert_words(item, "VM g1", guest.uuid, "generation 1", "generation 5",
                                  "later owner: host 'b'", "on host 'a'")
        guest.assert_runs_on(self.a)
        self.assertEqual(guest.vm(self.b)["state"], "stopped")

    def test_silent_peer_is_said_and_not_guessed(self):
        self.b.stop()
        found = self.check(self.a)
        self.assertEqual(list(found), ["silent-peer"])
        self.assert_words(self.only(found, "silent-peer"), "host 'b'", "not known")
        self.b.start()
        self.assertEqual(self.check(self.a), {})

    def test_word_of_a_newer_version_is_told(self):
        self.world.guest(area=0).create(self.a)
        self.a.stop()
        with self.database(self.a) as db:
            db.execute("UPDATE vm SET intent = 'hibernated'")
        self.a.start()
        found = self.check(self.a, "--repair")
        self.assert_words(self.only(found, "unknown-state"), "VM g1", "'hibernated'", "newer migrd")

    # The start removes an incoming record that no move uses.
    def test_incoming_record_without_a_move_is_removed_at_the_start(self):
        self.world.guest(area=0).create(self.a)
        self.a.stop()
        with self.database(self.a) as db:
            db.execute("UPDATE vm SET role = 'incoming'")
        self.a.start()
        self.assertEqual(self.a.vms(), {})
        self.assertEqual(self.check(self.a), {})


class StuckTest(CheckCase):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"stuck_after_ms": 100})

    # Where only a person can decide, the reason and the two commands are given.
    def test_stuck_move_points_to_what_would_end_it(self):
        guest = self.world.guest()
        guest.start(self.a)
        self.b.restart_with_fault("api.peer.go:crash")
        move = self.world.begin_move(guest, self.a, self.b)
        self.world.wait_state(self.a, move["id"], "stuck")
        item = self.only(self.check(self.a, "--repair"), "stuck-move")
        self.assert_words(item, move["id"], "is stuck: ", "host 'b'",
                          f"migrctl move show {move['id']} --timeline",
                          f"migrctl move resolve {move['id']} --keep source|destination")
        self.b.start()
        self.world.wait_state(self.a, move["id"], "done")
        guest.assert_runs_on(self.b)
        self.assertEqual(self.check(self.a), {})


class StopTest(CheckCase):
    # A peer that hangs delays neither the end of the daemon nor other requests.
    def test_daemon_that_is_stopped_in_a_check_ends_in_order(self):
        self.check(self.a)  # opens the connection to b
        self.b.freeze()
        was_busy = threading.Event()
        asking = [threading.Thread(target=self.ask, args=(was_busy,)) for _ in range(2)]
        try:
            for thread in asking:
                thread.start()
            self.eventually("one check makes the other one busy", was_busy.is_set)
            self.a.stop()
            for thread in asking:
                thread.join()
        finally:
            self.b.thaw()

    def ask(self, was_busy):
        """Each of two who ask waits for the end of its check, or is told of the other one's.  Who
        gave up its request would end its check, too."""
        while not was_busy.is_set():
            try:
                self.a.api.get("/v1/host/check")
            except ApiError as error:
                if error.code != "busy":
                    return      # the daemon is stopping
                was_busy.set()
            except (OSError, http.client.HTTPException):
                return


class RoleTest(CheckCase):
    def api_of(self, who):
        context = client_context(self.world.hosts["b"].dir)
        if who != "peer":
            pki = self.a.dir.parent
            subprocess.run([settings.program("migrctl"), "pki", "user", who, "--role", who, "--dir",
                            str(pki)], check=True, stdout=subprocess.DEVNULL)
            context.load_cert_chain(pki / f"users/{who}.pem", pki / f"users/{who}.key")
        return Api.with_certificate("127.0.0.1", self.a.api_port, context)

    def status(self, api, method, path):
        try:
            return 200 if api.call(method, path, headers={"Migrd-Protocol": "1"}) else 0
        except ApiError as error:
            return error.status

    def test_roles(self):
        cases = {"viewer": (200, 403, 403), "operator": (200, 403, 403), "admin": (200, 200, 403),
                 "peer": (403, 403, 200)}
        for who, expected in cases.items():
            with self.subTest(who):
                api = self.api_of(who)
                self.assertEqual((self.status(api, "GET", "/v1/host/check"),
                                  self.status(api, "POST", "/v1/host/check/repair"),
                                  self.status(api, "GET", "/peer/v1/vms")), expected)

    def test_peer_is_told_each_vm(self):
        for i in range(3):
            self.world.guest(f"g{i}", area=0).create(self.a)
        page = self.api_of("peer").get("/peer/v1/vms?after=g0", headers={"Migrd-Protocol": "1"})
        self.assertEqual([(vm["name"], vm["role"], vm["generation"], vm["state"])
                          for vm in page["items"]],
                         [("g1", "owned", 1, "stopped"), ("g2", "owned", 1, "stopped")])


def _touch(path):
    path.write_text("")
    return path
