# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parties that are told of moves and may delay them: signed webhooks."""
import json
import os
import pathlib
import signal
import ssl
import subprocess

from lib import settings
from lib.api import Api
from lib.host import free_ports
from lib.linux import LinuxGuest
from lib.long_form import only_full
from lib.party import Parties, make_certificate, write_secret
from lib.world import SystemTest

RECEIVER = settings.SOURCE_DIR / "examples/notice-receiver"


class NoticeTest(SystemTest):
    def prepare(self):
        self.parties = Parties(self.world.dir)
        self.addCleanup(self.parties.close)

    def configure(self, **parties):
        """Host a gets these parties: {name: keys}."""
        return self.configure_host(self.a, **parties)

    def configure_host(self, host, **parties):
        host.write_config(**dict(self.parties.section(name, **keys)
                                 for name, keys in parties.items()))
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        self.eventually("the reload", lambda: (
            (found := host.api.get("/v1/host").get("reload")) and found["at"] != before))
        return host.api.get("/v1/host")["reload"]

    def begin(self, **options):
        if not self.world.guests:
            self.guest = self.world.guest(area=0)
            self.guest.start(self.a)
        return self.world.begin_move(self.guest, self.a, self.b, **options)["id"]

    def move(self, move_id):
        return self.a.api.get(f"/v1/moves/{move_id}")

    def row(self, move_id, party):
        return next(row for row in self.move(move_id)["notices"] if row["party"] == party)

    def wait_before(self, move_id, party, state):
        return self.eventually(f"{party}: {state}", lambda: (
            (row := self.row(move_id, party))["before"] == state and row), settings.seconds(30))

    def wait_after(self, move_id, party, state):
        self.eventually(f"{party} after: {state}",
                        lambda: self.row(move_id, party)["after"] == state, settings.seconds(30))

    def as_user(self, name):
        """The API of host a with a viewer's certificate of this name."""
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", name, "--role", "viewer",
                        "--dir", str(pki)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{pki}/ca.pem")
        context.load_cert_chain(f"{pki}/users/{name}.pem", f"{pki}/users/{name}.key")
        return Api.with_certificate(self.a.address, self.a.api_port, context)

    def assert_waits(self, move_id):
        move = self.move(move_id)
        self.assertEqual((move["state"], move["held"], move["progress"]["ram_transferred_bytes"]),
                         ("transfer", True, 0))
        self.guest.assert_runs_on(self.a)

    def test_delay_waits_over_a_restart_for_its_party_and_nobody_else(self):
        self.configure(backup={"may_delay_s": 600}, told={})
        self.parties.set("backup", 200, {"delay_s": 300, "reason": "a snapshot is under way"})
        move_id = self.begin()
        self.wait_before(move_id, "backup", "delays")
        self.assert_waits(move_id)
        self.a.kill9()
        self.a.start()
        self.eventually("what it waits for", lambda: "a snapshot is under way" in
                        self.move(move_id)["reason"])
        self.assert_waits(move_id)
        notice, = self.parties.heard("backup", "before")    # its answer was on disk
        self.assertTrue(notice["genuine"])
        self.assertEqual((notice["id"], notice["media"], notice["data"]["vm"],
                          notice["data"]["destination"], notice["data"]["may_delay_s"]),
                         (f"before-{move_id}", "application/json", "g1", "b", 600))
        self.assertRegex(self.a.migrctl("move", "show", move_id).stdout,
                         r"(?m)^backup +delays .*a snapshot is under way")
        # Nobody else may delay it, and the party not for longer than it may.
        path, row = f"/v1/moves/{move_id}/delay", self.row(move_id, "backup")
        for caller in (self.as_user("stranger"), self.as_user("told"), self.a.api):
            error = self.assert_api_error(403, "forbidden", caller.post, path, {"delay_s": 30})
            self.assertIn("nothing was changed", str(error))
        party = self.as_user("backup")
        self.assert_api_error(409, "conflict", party.post, path, {"delay_s": 601})
        for body in ({}, {"delay_s": -1}, {"delay_s": "1"}, {"delay_s": 1, "why": "x"}):
            self.assert_api_error(400, "invalid", party.post, path, body)
        self.assertEqual(self.row(move_id, "backup"), row)
        # It wants more time, then less.
        self.assertEqual(party.post(path, {"delay_s": 200, "reason": "longer"})["id"], move_id)
        self.assertEqual(self.row(move_id, "backup")["reason"], "longer")
        party.post(path, {"delay_s": 0})
        for host in (self.a, self.b):
            self.world.wait_state(host, move_id, "done")
        self.guest.assert_runs_on(self.b)
        self.assert_api_error(409, "too-late", party.post, path, {"delay_s": 1})
        for name in ("backup", "told"):
            self.wait_after(move_id, name, "told")
            notice, = self.parties.heard(name, "after")
            self.assertTrue(notice["genuine"])
            self.assertEqual((notice["data"]["outcome"], notice["data"]["owner"],
                              notice["data"]["error"]), ("done", "b", None))
        status, _, text = self.a.api.send("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn(b'migrd_notices_total{result="refused"} 5', text)

    def test_dry_run_names_the_parties_and_tells_none(self):
        self.configure(backup={"may_delay_s": 600}, told={"timeout_ms": 500},
                       later={"when": "after"}, elsewhere={"label": "tier=database"},
                       inside={"agent_command": "/bin/x"})
        self.guest = self.world.guest(area=0, guest_agent=True)
        self.guest.start(self.a)
        said = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g1", "to": "b"})
        self.assertEqual(
            [(n["party"], n["timeout_ms"], n["may_delay_s"], n["in_guest"])
             for n in said["notices"]],
            [("backup", 10000, 600, False), ("told", 500, 0, False), ("inside", 10000, 0, True)])
        text = self.a.migrctl("move", "start", "g1", "--to", "b", "--dry-run").stdout
        self.assertRegex(text, r"(?m)^party backup .* 10000 ms to answer, and may delay it for 600 s$")
        self.assertRegex(text, r"(?m)^party told .* 500 ms to answer, and may not delay it$")
        self.assertEqual(self.parties.server.heard, [])

    # The authorities are read when the configuration is; the name must be the party's, too.
    def test_authorities_of_parties_are_read_once(self):
        at = f"https://localhost:{self.parties.server.server_address[1]}/named"
        self.configure(backup={}, named={"url": at}, trusted={"ca_file": None})
        self.parties.cert.unlink()
        move_id = self.begin()
        self.world.wait_state(self.a, move_id, "done")
        self.assertEqual(self.row(move_id, "backup")["before"], "go")
        for name, words in (("named", "'localhost'"), ("trusted", "NOT trusted")):
            self.assertEqual(self.row(move_id, name)["before"], "unheard")
            self.assertIn(words, self.row(move_id, name)["reason"])
            self.assertEqual(self.parties.heard(name, "before"), [])

    def test_operator_releases_a_delay(self):
        self.configure(backup={"may_delay_s": 600})
        self.parties.set("backup", 200, {"delay_s": 600, "reason": "busy"})
        move_id = self.begin()
        self.wait_before(move_id, "backup", "delays")
        self.assertIn("for the parties that were told", self.move(move_id)["progress"]["sentence"])
        self.a.migrctl("move", "release", move_id)
        move = self.world.wait_state(self.a, move_id, "done")
        self.assertEqual(self.row(move_id, "backup")["before"], "released")
        self.assertGreater(move["times"]["parties_ms"], 0)
        shown = self.a.migrctl("move", "show", move_id).stdout
        self.assertRegex(self.a.migrctl("move", "show", "--times", move_id).stdout,
                         r"(?m)^of that for parties +[0-9]")
        self.assertIn("for the answers of parties that were told before memory", shown)
        self.assertIn("since party 'backup' had asked for a delay (busy)", shown)
        self.assertNotIn("held as was asked for", shown)
        self.guest.assert_runs_on(self.b)

    # The answer is not on disk, so the party is asked again, and can tell by the id.
    def test_coordinator_killed_while_a_party_is_asked_asks_again(self):
        self.configure(backup={"may_delay_s": 600, "timeout_ms": 60000})
        self.parties.set("backup", 200, None)
        move_id = self.begin()
        self.eventually("it is told", lambda: self.parties.heard("backup", "before"), 30)
        self.a.kill9()
        self.parties.set("backup", 200, {})
        self.a.start()
        self.world.wait_state(self.a, move_id, "done")
        first, second = self.parties.heard("backup", "before")
        self.assertEqual((first["id"], first["timestamp"]), (second["id"], second["timestamp"]))
        self.guest.assert_runs_on(self.b)

    def test_parties_that_do_not_answer_well_keep_nothing_back(self):
        answers = {"error": (500, {"delay_s": 60}), "garbage": (200, b"\x00<html>"),
                   "large": (200, b"{" + b" " * 5000 + b"}"), "redirect": (302, {"delay_s": 60}),
                   "silent": (200, None)}
        words = {"error": "HTTP status 500", "garbage": "not understood", "large": "over 4096",
                 "redirect": "no redirect", "silent": "no answer within 1000 ms",
                 "stranger": "certificate", "nobody": ""}
        for name, answer in answers.items():
            self.parties.set(name, *answer)
        keys = {"may_delay_s": 600, "when": "before", "timeout_ms": 20000}
        port, = free_ports(1)
        other, _ = make_certificate(self.world.dir, "other")
        self.configure(**{name: keys for name in answers if name != "silent"},
                       silent={**keys, "timeout_ms": 1000}, stranger={**keys, "ca_file": other},
                       nobody={**keys, "url": f"https://127.0.0.1:{port}/"},
                       elsewhere={**keys, "label": "tier=database"})
        move_id = self.begin()
        self.world.wait_state(self.a, move_id, "done")
        rows = {row["party"]: row for row in self.move(move_id)["notices"]}
        self.assertEqual({name: row["before"] for name, row in rows.items()},
                         {name: "unheard" for name in words})
        for name, row in rows.items():
            self.assertIn(words[name], row["reason"])
        self.assertEqual((self.parties.heard("elsewhere", "before"),
                          self.parties.heard("stranger", "before")), ([], []))
        timeline = json.dumps(self.a.api.items(f"/v1/moves/{move_id}/timeline"))
        for name in words:
            self.assertIn(f"party '{name}'", timeline)
        self.guest.assert_runs_on(self.b)

    def test_bad_parties_are_refused_and_the_former_stay(self):
        self.configure(backup={"may_delay_s": 600})
        loose = self.world.dir / "loose"
        loose.write_text(self.parties.secret.read_text("ascii"), "ascii")
        loose.chmod(0o644)
        for keys, words in (({"secret_file": loose}, "mode 0644"),
                            ({"url": "http://127.0.0.1/"}, "https"),
                            ({"when": "after", "may_delay_s": 5}, "cannot delay")):
            self.assertIn(words, self.configure(backup=keys)["error"])
            check = subprocess.run([settings.program("migrd"), "-c", self.a.config,
                                    "--check-config"], capture_output=True, text=True, check=False)
            self.assertNotEqual(check.returncode, 0)
            self.assertIn(words, check.stderr)
        self.assertNotIn(self.parties.secret.read_text("ascii").strip(),
                         self.a.log.read_text(encoding="utf-8"))
        move_id = self.begin()
        self.world.wait_state(self.a, move_id, "done")
        self.assertEqual(self.row(move_id, "backup")["may_delay_s"], 600)

    # Memory is sent so slowly that no move ends.
    @only_full
    def test_program_in_the_guest_delays_its_move(self):
        program = ("cat >/tmp/told; echo \"$1\" >/tmp/argument; test -e /tmp/broken && exit 3; "
                   "test -e /tmp/busy && cat /tmp/busy; exit 0")
        self.configure(guest={"agent_command": "/tmp/notice --now", "when": "before",
                              "may_delay_s": 600})
        self.guest = self.world.guests["lin"] = LinuxGuest(self.world, guest_agent=True)
        self.guest.start(self.a)
        self.guest.sh(f"echo '#!/bin/sh' >/tmp/notice; echo '{program}' >>/tmp/notice; "
                      "chmod 755 /tmp/notice")
        self.eventually("the agent", lambda: self.guest.vm(self.a)["agent"]["connected"], 30)
        wish = {"delay_s": 300, "reason": "the guest is busy"}
        for setting, state, reason in (
                (f"echo '{json.dumps(wish)}' >/tmp/busy", "delays", "the guest is busy"),
                ("rm /tmp/busy", "go", ""),
                ("touch /tmp/broken", "unheard", "its program ended with status 3"),
                ("mv /tmp/notice /tmp/away", "unheard", "guest agent refused")):
            self.guest.sh(setting)
            move_id = self.begin(bandwidth_bytes_per_s=1024)
            self.assertIn(reason, self.wait_before(move_id, "guest", state)["reason"])
            self.a.migrctl("move", "cancel", move_id)
            self.world.wait_state(self.a, move_id, "cancelled")
        told = json.loads(self.guest.sh("cat /tmp/told"))
        self.assertEqual((told["type"], told["data"]["vm"]), ("move.before", "lin"))
        self.assertEqual(self.guest.sh("cat /tmp/argument").strip(), "--now")

    # Each host tells the guest that it has, by its own configuration.
    @only_full
    def test_program_in_the_guest_is_told_of_the_end(self):
        for host in (self.a, self.b):
            self.configure_host(host, guest={"agent_command": "/tmp/notice", "when": "after"})
        self.guest = self.world.guests["lin"] = LinuxGuest(self.world, guest_agent=True)
        self.guest.start(self.a)
        self.guest.sh("echo '#!/bin/sh' >/tmp/notice; echo 'test ! -e /tmp/broken && cat >>/tmp/told'"
                      " >>/tmp/notice; chmod 755 /tmp/notice")
        self.eventually("the agent", lambda: self.guest.vm(self.a)["agent"]["connected"], 30)
        move_id = self.begin(bandwidth_bytes_per_s=1024)
        self.a.migrctl("move", "cancel", move_id)
        self.wait_after(move_id, "guest", "told")
        told = json.loads(self.guest.sh("cat /tmp/told; rm /tmp/told"))
        self.assertEqual((told["type"], told["data"]["outcome"], told["data"]["owner"],
                          told["data"]["move"]), ("move.after", "cancelled", "a", move_id))
        # Its first try there fails, and is made again by a coordinator that was restarted.
        self.guest.sh("touch /tmp/broken")
        move_id = self.world.move(self.guest, self.a, self.b)["id"]
        self.assertEqual(self.row(move_id, "guest")["after"], "there")
        self.eventually("a try that failed", lambda: self.b.api.get(f"/v1/moves/{move_id}")[
            "notices"][0]["after_reason"] != "", settings.seconds(30))
        self.b.kill9()
        self.b.start()
        self.guest.sh("rm /tmp/broken")
        self.eventually("it was told there", lambda: self.b.api.get(f"/v1/moves/{move_id}")[
            "notices"][0]["after"] == "told", settings.seconds(60))
        told = json.loads(self.guest.sh("cat /tmp/told"))
        self.assertEqual((told["type"], told["data"]["outcome"], told["data"]["owner"],
                          told["data"]["move"]), ("move.after", "done", "b", move_id))

    def test_example_delays_moves_while_its_file_is_there(self):
        cert, key = make_certificate(self.world.dir, "example")
        busy, port = self.world.dir / "busy", free_ports(1)[0]
        busy.write_text("backup until noon\n", encoding="utf-8")
        receiver = subprocess.Popen(
            [RECEIVER, "--listen", f"127.0.0.1:{port}", "--cert", cert, "--key", key, "--secret",
             write_secret(self.world.dir), "--busy", busy, "--delay", "300"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(receiver.stdout.close)
        self.addCleanup(receiver.wait)
        self.addCleanup(receiver.kill)
        self.configure(example={"url": f"https://127.0.0.1:{port}/", "ca_file": cert,
                                "may_delay_s": 600})
        self.eventually("the receiver listens", lambda: self.listens(port))
        move_id = self.begin()
        self.assertEqual(self.wait_before(move_id, "example", "delays")["reason"],
                         "backup until noon")
        self.a.migrctl("move", "cancel", move_id)
        self.wait_after(move_id, "example", "told")
        before, after = (json.loads(receiver.stdout.readline()) for _ in range(2))
        self.assertEqual((before["type"], after["type"], after["data"]["outcome"]),
                         ("move.before", "move.after", "cancelled"))
        busy.unlink()
        move_id = self.begin()
        self.world.wait_state(self.a, move_id, "done")
        self.assertEqual(self.row(move_id, "example")["before"], "go")

    def listens(self, port):
        return f":{port:04X} " in pathlib.Path("/proc/net/tcp").read_text("ascii")
