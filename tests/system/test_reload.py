# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGHUP and new certificates while guests run and move, without any disturbance."""
import datetime
import os
import re
import shutil
import signal
import ssl
import socket
import subprocess

from lib import settings
from lib.api import Api, ApiError
from lib.websocket import Closed, WebSocket
from lib.world import SystemTest

HELD = 128 * 1024           # bytes/s


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True).stdout


def make_dated(host, pki_dir, start="20190101000000Z", end="20200101000000Z"):
    """Makes a certificate for the same host by the same authority, valid for that time."""
    request = host.dir / "expired.csr"
    extensions = host.dir / "expired.ext"
    openssl("req", "-new", "-key", host.dir / "host-key.pem", "-subj", f"/CN={host.id}",
            "-out", request)
    extensions.write_text(
        "[v3]\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        f"subjectAltName=DNS:{host.id}.host.migrd\n", encoding="utf-8")
    database = host.dir / "ca-db"
    database.mkdir()
    (database / "index.txt").touch()
    (database / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}/index.txt\nnew_certs_dir={database}\n"
        "default_md=sha256\nrand_serial=yes\npolicy=p\n[p]\ncommonName=supplied\n",
        encoding="utf-8")
    openssl("ca", "-batch", "-config", database / "ca.cnf", "-cert", pki_dir / "ca.pem",
            "-keyfile", pki_dir / "ca-key.pem", "-in", request, "-out", host.dir / "host.pem",
            "-startdate", start, "-enddate", end,
            "-extfile", extensions, "-extensions", "v3", "-notext")


class ReloadTest(SystemTest):
    timeout_seconds = 240

    def reload(self, host):
        """Sends SIGHUP; returns what GET /v1/host reports of it."""
        before = host.api.get("/v1/host").get("reload", {}).get("at")
        os.kill(host.process.pid, signal.SIGHUP)
        return self.eventually("the reload is over", lambda: (
            (found := host.api.get("/v1/host").get("reload")) and found["at"] != before and found))

    def renew(self, host):
        subprocess.run([settings.program("migrctl"), "pki", "host", host.id, "--force",
                        "--dir", str(self.world.dir / "h")], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def served(self, host):
        """The certificate that a new connection is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(self.b.dir / "host.pem", self.b.dir / "host-key.pem")
        with socket.create_connection(("127.0.0.1", host.api_port), timeout=10) as sock:
            with context.wrap_socket(sock) as tls:
                return tls.getpeercert(True)

    def test_reload_and_new_certificates_during_a_move_and_between_two(self):
        guest = self.world.guest("g1", area=4, rate=4, memory_mib=96)
        guest.start(self.a)
        move = self.world.begin_move(guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, move["id"])
        old = self.served(self.a)
        for host in (self.a, self.b):
            self.renew(host)
            self.assertTrue(self.reload(host)["ok"])
        self.assertNotEqual(self.served(self.a), old)
        self.assertEqual(self.a.move_state(move["id"])["state"], "transfer")
        self.a.api.patch(f"/v1/moves/{move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, move["id"], "done")
        self.world.wait_state(self.b, move["id"], "done")
        for host in (self.a, self.b):
            self.renew(host)
            self.assertTrue(self.reload(host)["ok"])
        self.world.move(guest, self.b, self.a)
        guest.assert_runs_on(self.a)

    def test_bad_configuration_leaves_the_old_in_force(self):
        good = self.a.config.read_text(encoding="utf-8")
        self.a.config.write_text(good + "\n[nonsense]\nkey = 1\n", encoding="utf-8")
        answer = self.reload(self.a)
        self.assertFalse(answer["ok"])
        self.assertIn("nonsense", answer["error"])
        self.assertIn("nonsense", self.a.migrctl("host", "show").stdout)
        self.a.config.write_text(good, encoding="utf-8")
        self.assertTrue(self.reload(self.a)["ok"])

    def test_broken_certificate_leaves_the_old_in_force(self):
        old = self.served(self.a)
        kept = (self.a.dir / "host.pem").read_bytes()
        (self.a.dir / "host.pem").write_bytes(b"nonsense")
        self.assertFalse(self.reload(self.a)["ok"])
        self.assertEqual(self.served(self.a), old)
        (self.a.dir / "host.pem").write_bytes(kept)

    def user_context(self, pki, name):
        self.pki("user", name, "--role", "operator", "--dir", pki)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{pki}/ca.pem")
        context.load_cert_chain(f"{pki}/users/{name}.pem", f"{pki}/users/{name}.key")
        return context

    def pki(self, *args):
        subprocess.run([settings.program("migrctl"), "pki", *map(str, args)], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def test_user_of_an_authority_that_is_gone_is_sent_away(self):
        """Also from a console and a stream of events, which make no further request."""
        guest = self.world.guest("g1", area=0, rate=0, memory_mib=32)
        guest.definition["serial"] = {"type": "console"}
        guest.create(self.a)
        self.a.api.post("/v1/vms/g1/start")
        place = (self.a.address, self.a.api_port)
        context = self.user_context(self.world.dir / "h", "op")
        console = WebSocket(context.wrap_socket(socket.create_connection(place)),
                            "/v1/vms/g1/console")
        self.addCleanup(console.close)
        console.recv(1)
        other = self.world.dir / "other"
        names = ("ca.pem", "host.pem", "host-key.pem")
        kept = {name: (self.a.dir / name).read_bytes() for name in names}
        self.pki("init", "--dir", other)
        self.pki("host", "a=127.0.0.1:1:2", "--dir", other)
        with Api.with_certificate(*place, context).events(20) as events:
            self.assertTrue(self.reload(self.a)["ok"])  # nothing is new: they stay
            console.recv(1)
            for name in names:
                (self.a.dir / name).write_bytes((other / "a" / name).read_bytes())
            self.assertTrue(self.reload(self.a)["ok"])
            with self.assertRaises(Closed) as closed:
                while True:
                    console.recv(1)
            self.assertEqual(closed.exception.code, 1008)
            self.assertIn("not trusted any more", closed.exception.reason)
            for _ in events:
                pass
        for name in names:
            (self.a.dir / name).write_bytes(kept[name])
        self.assertTrue(self.reload(self.a)["ok"])

    def test_what_cannot_change_is_named_and_peers_and_level_do(self):
        self.a.write_config(log={"level": "info"}, qemu={"start_timeout_ms": 20000})
        drop_ins = self.a.dir / "migrd.conf.d"
        drop_ins.mkdir(exist_ok=True)
        (drop_ins / "zz.conf").write_text("[peer c]\naddress = 127.0.0.1:9\n", encoding="utf-8")
        self.assertTrue(self.reload(self.a)["ok"])
        self.assertIn("c", [peer["id"] for peer in self.a.api.items("/v1/peers")])
        self.assertIn("key=start_timeout_ms", self.a.log_tail())
        (drop_ins / "zz.conf").unlink()
        self.assertTrue(self.reload(self.a)["ok"])
        self.assertNotIn("c", [peer["id"] for peer in self.a.api.items("/v1/peers")])

    def test_many_hangups_at_start_and_end_do_not_end_it(self):
        self.a.stop()
        self.a.spawn()
        self.eventually("it catches SIGHUP", lambda: caught(self.a.process.pid, signal.SIGHUP))
        for _ in range(200):
            os.kill(self.a.process.pid, signal.SIGHUP)
        self.a.wait_ready()
        os.kill(self.a.process.pid, signal.SIGTERM)
        for _ in range(200):
            os.kill(self.a.process.pid, signal.SIGHUP)      # the process is not reaped yet
        self.a.must_be_up = False
        self.assertEqual(self.a.process.wait(settings.seconds(15)), 0)

    def test_expired_certificate_at_restart_leaves_guest_and_local_socket(self):
        guest = self.world.guest("g1", area=0, rate=0, memory_mib=32)
        guest.start(self.a, sweeps=0)
        self.a.stop()
        kept = (self.a.dir / "host.pem").read_bytes()
        make_dated(self.a, self.world.dir / "h")
        self.a.spawn()
        self.eventually("the guest is found again", lambda: self.is_running(guest))
        status, _, answer = self.a.api.send("GET", "/readyz")
        self.assertEqual(status, 503, answer)
        self.assertIn("expired at 2020-01-01", str(answer))
        self.assertFalse(self.a.api.get("/v1/host")["certificate"]["valid"])
        move = self.world.begin_move(guest, self.a, self.b)
        ended = self.world.wait_move(self.a, move["id"], lambda m: m["final"])
        self.assertEqual(ended["state"], "failed")
        self.assertTrue(self.is_running(guest))
        (self.a.dir / "host.pem").write_bytes(kept)
        self.assertTrue(self.reload(self.a)["ok"])
        self.assertEqual(self.a.api.send("GET", "/readyz")[0], 200)
        self.world.move(guest, self.a, self.b)
        shutil.rmtree(self.a.dir / "ca-db")

    def test_certificate_that_ends_within_30_days_is_warned_of(self):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10, hours=1)
        self.a.stop()
        make_dated(self.a, self.world.dir / "h", end=end.strftime("%Y%m%d%H%M%SZ"))
        self.a.start()
        self.assertRegex(self.a.log.read_text(encoding="utf-8"),
                         r"area=certificate event=ends-soon days_left=10 ")
        certificate = self.a.api.get("/v1/host")["certificate"]
        self.assertEqual((certificate["valid"], certificate["days_left"]), (True, 10))
        self.assertRegex(self.a.migrctl("host", "show").stdout, r"days left:? +10\b")
        _, headers, text = self.a.api.send("GET", "/metrics",
                                           headers={"Accept": "application/openmetrics-text"})
        self.assertIn("application/openmetrics-text", headers["Content-Type"])
        self.assertTrue(text.endswith(b"\n# EOF\n"))
        sample = re.search(rb"^migrd_certificate_expiration_timestamp_seconds (\d+)$", text, re.M)
        self.assertEqual(int(sample[1]), int(end.timestamp()))

    def is_running(self, guest):
        try:
            return guest.vm(self.a)["state"] == "running"
        except (OSError, ApiError):                # the API does not answer yet
            return False


def caught(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("SigCgt:"):
                return int(line.split()[1], 16) >> (number - 1) & 1
    return False
