# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups that are pushed to NBD exports: the guest never waits for a server."""
import json
import shlex
import threading

from lib import settings
from lib.disks import Disk, MIB, assert_same_image
from lib.long_form import only_full
from lib.nbd import NbdServer, OtherServer
from test_backup import BackupCase

RATE = 2 * MIB          # bytes/s: a push that is under way for seconds


class NbdCase(BackupCase):
    def serve(self, name="one", **options):
        server = NbdServer(self.a.backups, name, **options)
        self.addCleanup(server.kill)
        return server

    def target(self, *servers, **uris):
        exports = [{"disk": server.name, "uri": server.uri} for server in servers]
        exports += [{"disk": disk, "uri": uri} for disk, uri in uris.items()]
        return {"type": "nbd", "directory": str(self.place), "exports": exports}

    def ask(self, host, path, servers=(), target=None, **options):
        return (host or self.a).api.post(f"/v1/vms/g1/{path}",
                                         {"target": target or self.target(*servers), **options})

    def whole(self):
        return [name for name in self.names() if len(name) == 36]

    def pushing(self, job):
        """Some of it is on its way to the server, and not all."""
        def is_so():
            backup = self.job(job)
            self.assertFalse(backup["final"], backup)
            words = backup["reason"].rpartition(": ")[2].split()
            return backup["state"] == "push" and len(words) == 2 and int(words[0]) > 0
        self.eventually("the push", is_so, 30)

    def hold_push(self, server, **options):
        return self.a.held_at("vmbackup.push", lambda: self.begin(servers=[server], **options))

    def assert_failed(self, job, code, text):
        """The guest runs on, nothing is left, and what was noted before is still there."""
        error = self.wait_end(job, "failed")["error"]
        self.assertEqual(error["code"], code, error)
        self.assertIn(text, error["detail"])
        self.assertEqual(self.whole(), sorted(self.kept))
        self.assertFalse([name for name in self.names() if name.endswith(".migrd-backup")])
        self.assert_nothing_left()
        self.assertEqual(self.bitmaps(), {"one": self.kept[-1:]})
        self.guest.assert_runs_on(self.a)
        self.assertEqual(self.guest.console.failed_requests(), 0)


class BackupNbdTest(NbdCase):
    timeout_seconds = 240

    # The exports were full of other bytes.
    def test_chain_of_a_running_guest(self):
        one = Disk("one", format="qcow2", area=4, rate=16, data=4)
        raw = Disk("raw", area=4, rate=16, data=2)
        self.start(one, raw)
        servers = self.serve("one"), self.serve("raw")
        self.assertFalse(self.ask(None, "backup?dry_run=true", servers))
        self.a.migrctl("vm", "backup", "g1", self.place, "--watch",
                       *[word for server in servers
                         for word in ("--export", f"{server.name}={server.uri}")])
        full = self.a.api.items("/v1/backups")[0]
        self.assertEqual([(disk["id"], disk["mode"], disk["uri"]) for disk in full["disks"]],
                         [(server.name, "full", server.uri) for server in servers])
        home = self.place / full["id"]
        self.assertEqual([path.name for path in home.iterdir()], ["manifest.json"])
        self.assertEqual(json.loads((home / "manifest.json").read_text())["disks"][0]["uri"],
                         servers[0].uri)
        old = one.assert_stamps(servers[0].path, "raw")
        raw.assert_stamps(servers[1].path, "raw")
        self.assert_nothing_left()

        # What else is in the export stays: an incremental push writes what has changed.
        self.guest.console.wait_disk_sweeps(2, host="a")
        with open(servers[0].path, "r+b") as file:
            file.seek(30 * MIB)
            file.write(b"mine")
        next_ = self.backup(servers=servers, mode="incremental")
        self.assertEqual([(disk["mode"]) for disk in next_["disks"]], ["incremental", "full"])
        self.assertEqual(next_["parent"], full["id"])
        self.assertLess(old[0], one.assert_stamps(servers[0].path, "raw")[0])
        with open(servers[0].path, "r+b") as file:
            file.seek(30 * MIB)
            self.assertEqual(file.read(4), b"mine")
            file.seek(30 * MIB)
            file.write(bytes(4))
        self.assertEqual(self.bitmaps(), {"one": [next_["id"]], "raw": []})

        # Of a guest that stands still, the export is the disk.
        self.a.api.post("/v1/vms/g1/pause")
        last = self.backup(servers=servers, mode="incremental")
        self.stop_guest()
        for disk, server in zip(self.guest.disks, servers):
            assert_same_image(disk.path, server.path, disk.format, "raw")
        refused = self.a.migrctl("vm-backup", "restore", self.place / last["id"], "--to",
                                 self.world.dir, check=False).stderr
        self.assertIn("is in an NBD export: qemu-img convert", refused)
        command = shlex.split(refused.partition("NBD export: ")[2])
        self.assertEqual(command[-2:], [servers[0].uri, "one.qcow2"])

        # Another target is followed by none of these.
        self.guest.start(self.a)
        other = self.serve("other")
        moved = self.backup(target=self.target(one=other.uri), mode="incremental")
        self.assertEqual(moved["disks"][0]["mode"], "full")
        self.assertIn("in another NBD export", moved["disks"][0]["why_full"])
        file = self.backup(target={"type": "file", "directory": str(self.place)}, disks=["one"],
                           mode="incremental")
        self.assertIn("in another NBD export, or one is not asked for", file["disks"][0]["why_full"])
        back = self.backup(target=self.target(one=other.uri), mode="incremental")
        self.assertIn("is no push to an NBD export", back["disks"][0]["why_full"])
        one.assert_stamps(other.path, "raw")

    def test_restart_cancel_and_end_of_the_guest_in_the_middle(self):
        disk = Disk("one", format="qcow2", area=2, rate=8, data=8)
        self.start(disk)
        server = self.serve()
        self.kept = [self.backup(servers=[server])["id"]]

        # Begun over again; the former qemu-img has no way to the server any more.
        job = self.begin(servers=[server], bandwidth_bytes_per_s=RATE)
        self.pushing(job)
        self.a.kill9()
        self.a.start()
        self.wait_end(job)
        disk.assert_stamps(server.path, "raw")
        self.kept.append(job)
        self.assertEqual(self.bitmaps(), {"one": [job]})

        job = self.begin(servers=[server], bandwidth_bytes_per_s=RATE)
        self.pushing(job)
        self.a.migrctl("vm-backup", "cancel", job)
        self.assertEqual(self.job(job)["state"], "cancelled")
        self.assertEqual(self.whole(), sorted(self.kept))
        self.assertEqual(self.bitmaps(), {"one": self.kept[-1:]})
        self.guest.assert_runs_on(self.a)

        # A stop of the coordinator waits for no push.
        job = self.begin(servers=[server], mode="incremental", fallback="refuse",
                         bandwidth_bytes_per_s=MIB // 2)
        self.pushing(job)
        self.a.stop()
        self.a.start()
        self.eventually("the push", lambda: self.job(job)["state"] == "push", 20)
        self.stop_guest()
        self.wait_end(job)
        disk.assert_stamps(server.path, "raw")

    def test_server_that_goes_away_or_fails_costs_the_backup_alone(self):
        disk = Disk("one", format="qcow2", area=2, rate=8, data=8)
        self.start(disk)
        server = self.serve()
        self.kept = [self.backup(servers=[server])["id"]]

        job = self.begin(servers=[server], bandwidth_bytes_per_s=RATE)
        self.pushing(job)
        server.kill()
        self.assert_failed(job, "unavailable", "has closed the connection")
        server.start()
        with self.hold_push(server) as answer:
            server.kill()
        self.assert_failed(answer.result(), "unavailable", "no NBD server listens")
        server.start()

        # A write and a flush that fail on the server's side.
        for kind, mode in (("write", "full"), ("flush", "incremental")):
            server.kill()
            server.image_opts = (f"driver=raw,file.driver=blkdebug,file.image.driver=file,"
                                 f"file.image.filename={server.path},file.inject-error.0.event=none,"
                                 f"file.inject-error.0.iotype={kind},file.inject-error.0.errno=28")
            server.start()
            job = self.begin(servers=[server], mode=mode)
            self.assert_failed(job, "internal", "No space left on device")
        server.kill()
        server.image_opts = None
        server.start()
        last = self.backup(servers=[server], mode="incremental", fallback="refuse")
        self.assertEqual(last["parent"], self.kept[-1])
        disk.assert_stamps(server.path, "raw")
        self.guest.console.assert_disks_right()

    @only_full
    def test_server_that_hangs_ends_the_backup_in_time(self):
        disk = Disk("one", format="qcow2", area=2, rate=8, data=8)
        self.start(disk)
        server = self.serve()
        self.kept = [self.backup(servers=[server])["id"]]
        for mode, rate in (("full", RATE), ("incremental", MIB // 2)):
            job = self.begin(servers=[server], mode=mode, bandwidth_bytes_per_s=rate)
            self.pushing(job)
            server.stop()
            self.guest.assert_runs_on(self.a)
            self.assert_failed(job, "timeout", "nothing went to or came from the NBD server")
            server.go_on()
        job = self.begin(servers=[server])
        self.wait_end(job)
        disk.assert_stamps(server.path, "raw")
        # One that hangs is cancelled at once, and a new job is told of it before it begins.
        job = self.begin(servers=[server], bandwidth_bytes_per_s=RATE)
        self.pushing(job)
        server.stop()
        self.a.migrctl("vm-backup", "cancel", job)
        refused = self.assert_api_error(504, "timeout", self.begin, servers=[server])
        self.assertIn("has not answered in 10 s", str(refused))
        server.go_on()

    def test_what_is_refused(self):
        disk = Disk("one", format="qcow2", mib=8, area=2, rate=4)
        self.start(disk)
        server, small = self.serve(mib=8), self.serve("small", mib=7)
        locked = self.serve("locked", mib=8, options=["-r"])

        def refuse(status, code, text, target, **options):
            refused = self.assert_api_error(status, code, self.begin, target=target, **options)
            self.assertIn(text, str(refused))

        def uri(text):
            return self.target(one=text)
        refuse(400, "invalid", "socat", uri("nbd://10.0.0.1:10809/one"))
        refuse(400, "invalid", "socat", uri("nbd+unix:///one"))
        refuse(400, "invalid", "absolute", uri("nbd+unix:///one?socket=/a/../b"))
        refuse(400, "invalid", "other characters", uri("nbd+unix:///o,x=1?socket=/a/b"))
        refuse(400, "invalid", "required", self.target())
        refuse(400, "invalid", "name the disks", self.target(server), disks=["one"])
        refuse(400, "invalid", "twice", self.target(one=server.uri, two=server.uri))
        refuse(400, "invalid", "type nbd", {**self.target(server), "type": "file"})
        refuse(404, "not-found", "two", self.target(two=server.uri))
        refuse(409, "conflict", "backup_dirs", uri(f"nbd+unix:///one?socket={self.world.dir}/s"))
        refuse(503, "unavailable", "no NBD server listens",
               uri(f"nbd+unix:///one?socket={self.a.backups}/none.sock"))
        refuse(409, "conflict", "is no socket", uri(f"nbd+unix:///one?socket={server.path}"))
        refuse(409, "conflict", "does not give the export 'two'",
               uri(f"nbd+unix:///two?socket={server.socket}"))
        refuse(409, "conflict", "is read-only", self.target(one=locked.uri))

        # Nothing is said to what is no NBD server.
        other = OtherServer(self.a.backups / "other.sock", b'{"QMP": {"version": {}}}\r\n')
        self.addCleanup(other.listener.close)
        heard = []
        serving = threading.Thread(target=lambda: heard.append(other.serve_one()))
        serving.start()
        refuse(409, "conflict", "is no NBD server", uri(other.uri))
        serving.join(settings.seconds(10))
        self.assertEqual(heard, [b""])

        failed = self.wait_end(self.begin(target=self.target(one=small.uri)), "failed")
        self.assertEqual(failed["error"]["code"], "conflict")
        self.assertIn(f"has {8 * MIB} bytes, and the export", failed["error"]["detail"])
        self.assertEqual(self.whole(), [])
        self.assertEqual(self.bitmaps(), {"one": []})
        self.assertIn("DISK=nbd+unix", self.a.migrctl("vm", "backup", "g1", self.place, "--export",
                                                      "one", check=False).stderr)
