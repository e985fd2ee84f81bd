# SPDX-License-Identifier: LGPL-2.1-or-later
"""Intruders at both ports are refused, and guests and other moves are not disturbed."""
import socket
import ssl

from lib import settings
from lib.api import Api, ApiError
from lib.intruder import TOKEN_OK, Intruder, blind_context, stranger_directory
from lib.world import SystemTest

HELD = 128 * 1024           # bytes/s
# More than the 64 connections that may wait at the data port, and than the 32 of one network that
# may be without a certificate at the API; the hosts are in that network too.
CROWD = {"data": 70, "api": 40}
WRONG_TOKEN = b"0" * 64 + b"\n"
QUIET_MS_MAX = 1500         # a guest on a busy machine; a frozen one is silent for much longer


class IntruderTest(SystemTest):
    host_ids = ("a", "b", "c")
    timeout_seconds = 180

    def setUp(self):
        super().setUp()
        self.c = self.world["c"]
        self.stranger = stranger_directory(self.world.dir / "stranger")
        self.guest = self.world.guest("held")
        self.guest.start(self.a)
        self.move = self.world.begin_move(self.guest, self.a, self.b, bandwidth_bytes_per_s=HELD)
        self.world.wait_flowing(self.a, self.move["id"])
        self.other = self.world.guest("other")
        self.other.start(self.b)
        self.open = []
        self.addCleanup(lambda: [i.close() for i in self.open])

    def intruder(self, port):
        self.open.append(Intruder(port))
        return self.open[-1]

    def assert_undisturbed(self):
        """The held move goes on, another one is made there and back, then the held one
        completes."""
        self.assertEqual(self.a.move_state(self.move["id"])["state"], "transfer")
        self.world.move(self.other, self.b, self.a)
        self.world.move(self.other, self.a, self.b)
        self.other.assert_runs_on(self.b)
        self.a.api.patch(f"/v1/moves/{self.move['id']}", {"bandwidth_bytes_per_s": 0})
        self.world.wait_state(self.a, self.move["id"], "done")
        self.guest.assert_runs_on(self.b)
        for guest in (self.guest, self.other):
            self.assertLess(longest_silence_ms(guest.console), settings.seconds(QUIET_MS_MAX))

    def each_port(self):
        for host in (self.a, self.b):
            yield "data", host.data_port
            yield "api", host.api_port

    def test_silent_clients_disturb_nobody(self):
        crowd = [self.intruder(port) for what, port in self.each_port() for _ in range(CROWD[what])]
        self.assert_undisturbed()
        # In the end each connection is closed without a byte.
        for intruder in crowd:
            self.assertEqual(intruder.read_to_end(), b"")

    def test_whoever_comes_in_is_thrown_out_and_the_move_goes_on(self):
        slow = self.intruder(self.b.data_port).send(b"MIGRD2 ")     # and says no more
        for name, come_in in (("noise", self.make_noise),
                              ("noise after a right preamble", self.make_noise_on_a_channel),
                              ("second claim of a channel", self.claim_again),
                              ("unknown moves and channels", self.claim_what_is_not_there),
                              ("stranger at the API", self.come_as_a_stranger),
                              ("client without a certificate", self.come_without_certificate),
                              ("third host", self.come_as_third_host)):
            with self.subTest(name):
                come_in()
                self.assertEqual(self.a.move_state(self.move["id"])["state"], "transfer")
        self.assert_undisturbed()
        with self.subTest("slow talker"):
            self.assertEqual(slow.read_to_end(), b"")

    def make_noise(self):
        for _, port in self.each_port():
            self.intruder(port).send_noise().read_to_end()

    def make_noise_on_a_channel(self):
        for host in (self.a, self.b):
            self.intruder(host.data_port).preamble(self.move["id"]).send_noise().read_to_end()

    def claim_again(self):
        for directory in (self.a.dir, self.c.dir, self.stranger):
            intruder = self.intruder(self.b.data_port).preamble(self.move["id"])
            self.assertFalse(intruder.start_tls(directory) and intruder.read_to_end(),
                             directory.name)

    def claim_what_is_not_there(self):
        for move, channel in (("0190a000-0000-7000-8000-000000000000", "ram"),
                              (self.move["id"], "no-such"), (self.move["id"], "../../x"),
                              ("x" * 500, "ram")):
            intruder = self.intruder(self.b.data_port).preamble(move, channel)
            self.assertEqual(intruder.read_to_end(), b"", (move, channel))

    def come_as_a_stranger(self):
        for host in (self.a, self.b):
            self.assert_no_answer(host, blind_context(self.stranger))

    def come_without_certificate(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.assert_no_answer(self.b, context)

    def assert_no_answer(self, host, context):
        api = Api.with_certificate("127.0.0.1", host.api_port, context)
        with self.assertRaises((ssl.SSLError, OSError, ApiError)) as caught:
            api.get("/v1/vms")
        if isinstance(caught.exception, ApiError):
            self.assertEqual(caught.exception.status, 401)

    def come_as_third_host(self):
        """Host c has a certificate of ours, but is not part of this move."""
        api = Api.with_certificate("127.0.0.1", self.b.api_port, blind_context(self.c.dir))
        protocol = {"Migrd-Protocol": "1"}
        generation = self.guest.vm(self.a)["generation"]
        path = f"/peer/v1/moves/{self.move['id']}"
        new_id = "0190a000-0000-7000-8000-000000000000"
        for method, route, body, headers in (
                ("POST", f"{path}/go", {"generation": generation}, protocol),
                ("POST", f"{path}/drop", {"generation": generation}, protocol),
                ("GET", path, None, protocol),
                # an offer in the name of a
                ("POST", f"/peer/v1/moves/{new_id}/prepare",
                 {"move_id": new_id, "source": "a", "generation": 1,
                  "definition": self.guest.definition}, protocol),
                # users' routes
                ("GET", "/v1/vms", None, {}),
                ("POST", f"/v1/moves/{self.move['id']}/cancel", {}, {})):
            self.assert_refused(api, method, route, body, headers)
        # one id in the path, another in the body
        status, _, answer = api.send(
            "POST", "/peer/v1/moves/0190a000-0000-7000-8000-000000000001/prepare",
            {"move_id": "0190a000-0000-7000-8000-000000000002", "source": "c",
             "generation": 1, "definition": self.guest.definition}, protocol)
        self.assertEqual(status, 400, answer)

    def assert_refused(self, api, method, path, body, headers):
        status, _, answer = api.send(method, path, body, headers)
        self.assertIn(status, (400, 401, 403, 404, 409), (method, path, answer))


def read_line(sock):
    """Reads one line and not a byte more, because TLS follows."""
    line = b""
    while not line.endswith(b"\n"):
        line += sock.recv(1) or b"\n"
    return line


class TokenTest(SystemTest):
    """The channel of a move that no source has claimed yet: the source's own stream was sent
    elsewhere, so that the intruder comes first, with the source's own first line."""

    host_ids = ("a", "b", "c")

    def prepare(self):
        self.elsewhere = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.addCleanup(self.elsewhere.close)
        port = self.elsewhere.getsockname()[1]
        self.world["b"].write_config(data={"advertise": f"127.0.0.1:{port}"})

    def setUp(self):
        super().setUp()
        self.stranger = stranger_directory(self.world.dir / "stranger")
        self.guest = self.world.guest()
        self.guest.start(self.a)
        self.elsewhere.settimeout(30)

    def begin(self):
        """Another move, whose first line is overheard.  The stream of an earlier one may have tried
        again meanwhile."""
        self.move, self.overheard = self.world.begin_move(self.guest, self.a, self.b), b""
        while self.move["id"].encode() not in self.overheard:
            self.lost, _ = self.elsewhere.accept()
            self.addCleanup(self.lost.close)
            self.lost.settimeout(30)
            self.overheard = read_line(self.lost)

    def try_token(self, directory, token):
        """The answer of b's data port to TOKEN; b"" when it closes without a byte."""
        intruder = Intruder(self.b.data_port).send(self.overheard)
        self.addCleanup(intruder.close)
        if not intruder.start_tls(directory):
            return b""
        return intruder.send(token).read_to_end()

    def test_nobody_comes_in_with_the_line_of_the_source(self):
        for name, come_in in (
                ("stranger", lambda: self.assert_refused(self.stranger, WRONG_TOKEN)),
                ("third host", lambda: self.assert_refused(self.world["c"].dir, WRONG_TOKEN)),
                ("right host, wrong token", lambda: self.assert_refused(self.a.dir, WRONG_TOKEN)),
                ("right host, no token", lambda: self.assert_refused(self.a.dir, b"\n")),
                # As recorded from the network.
                ("token of another move",
                 lambda: self.assert_refused(self.a.dir, self.relay_and_record())),
                # Every viewer can see the move's id.
                ("right id without a proof", self.assert_closed_before_tls),
                ("the line once more", self.assert_line_is_good_once)):
            with self.subTest(name):
                self.begin()
                come_in()
                self.guest.console.wait_line(host="a")
                self.end_move()
                self.b.assert_clean_soon(self.guest.vm(self.a), self.move["id"])
        self.guest.assert_runs_on(self.a)

    def assert_refused(self, directory, token):
        self.assertNotIn(TOKEN_OK, self.try_token(directory, token))

    def assert_closed_before_tls(self):
        intruder = Intruder(self.b.data_port).preamble(self.move["id"])
        self.addCleanup(intruder.close)
        self.assertEqual(intruder.read_to_end(), b"")

    def assert_line_is_good_once(self):
        self.assert_refused(self.world["c"].dir, WRONG_TOKEN)
        again = Intruder(self.b.data_port).send(self.overheard)
        self.addCleanup(again.close)
        self.assertEqual(again.read_to_end(), b"")

    def end_move(self):
        """Cancels the move, unless it has already failed for lack of an answer."""
        _, _, answer = self.a.api.send("POST", f"/v1/moves/{self.move['id']}/cancel")
        self.assertEqual(answer["owner"], "a")
        self.assertIn(answer["state"], ("cancelled", "failed"))

    def relay_and_record(self):
        """Plays b for a's stream, with b's own certificate, and keeps a's first line."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.b.dir / "host.pem", self.b.dir / "host-key.pem")
        context.load_verify_locations(self.b.dir / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        with context.wrap_socket(self.lost, server_side=True) as tls:
            token = tls.recv(100)
        self.end_move()
        self.begin()
        return token


def longest_silence_ms(console):
    """The longest time between two lines of one life."""
    with console.changed:
        return max((two.at - one.at) * 1000 for life in console.lives
                   for one, two in zip(life.lines, life.lines[1:]))
