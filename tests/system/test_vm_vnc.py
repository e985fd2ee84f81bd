# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users at the display of a guest, by a WebSocket and by migrctl; the guest's own drawing proves which
guest it is, and that its screen has moved with it."""
import os
import signal
import socket
import stat
import subprocess
import sys

from lib import procs, settings
from lib.api import client_context
from lib.foreign import PLAIN, Foreign
from lib.long_form import only_full
from lib.rfb import Viewer
from lib.websocket import Closed, Plain, Refused, WebSocket
from lib.world import SystemTest

PATH = "/v1/vms/g1/vnc"
MEMORY_MAX_KIB = 8192   # beside 256 KiB for each user: what libraries and the heap may keep


class VmVncTest(SystemTest):
    def display_guest(self, model="vga", name="g1"):
        return self.world.guest(name, videos=[{"id": "video0", "model": model}],
                                graphics={"type": "vnc"})

    def web_socket(self, host, path=PATH, headers=()):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(settings.seconds(20))
        sock.connect(str(host.socket))
        self.addCleanup(sock.close)
        return WebSocket(sock, path, headers)

    def viewer(self, host, *args):
        return Viewer(self.web_socket(host, *args))

    def operator(self, host, *words):
        """A command with an operator's certificate."""
        pki = self.a.dir.parent
        if not (pki / "users").exists():
            subprocess.run([settings.program("migrctl"), "pki", "user", "op", "--role", "operator",
                            "--dir", str(pki)], check=True, capture_output=True)
        process = subprocess.Popen(
            [settings.program("migrctl"), "--host", f"https://{host.address}:{host.api_port}",
             "--ca", f"{pki}/ca.pem", "--cert", f"{pki}/users/op.pem",
             "--key", f"{pki}/users/op.key", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def joined(self, path):
        """A viewer's program at the socket of `migrctl vm vnc'."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(settings.seconds(20))
        sock.connect(path)
        self.addCleanup(sock.close)
        return Viewer(Plain(sock))

    def viewer_program(self):
        """A program that joins and says so; the first one stays as long as it can."""
        program = self.world.dir / "viewer"
        program.write_text(f"""#!{sys.executable}
import pathlib, socket, sys
told = pathlib.Path(sys.argv[0] + ".told")
is_first = not told.exists()
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.recv(12, socket.MSG_WAITALL)
with told.open("a") as file:
    file.write("joined\\n")
while is_first and sock.recv(4096):
    pass
""", encoding="utf-8")
        program.chmod(0o700)
        return program, program.with_suffix(".told")

    def assert_ends(self, viewer):
        with self.assertRaises(Closed) as caught:
            while True:
                viewer.take()
        return caught.exception

    def move(self, guest, source, destination):
        move = self.world.begin_move(guest, source, destination)
        self.world.wait_state(source, move["id"], "done")

    def test_display_moves_with_its_guest(self):
        guest = self.display_guest()
        self.assertEqual(guest.create(self.a)["definition"]["videos"],
                         [{"id": "video0", "model": "vga", "pci_address": "0x1"}])
        guest.start(self.a)
        first = self.viewer(self.a, PATH, {"Sec-WebSocket-Protocol": "chat, binary"})
        self.assertIn("Sec-WebSocket-Protocol: binary", first.stream.head)
        first.assert_alive()
        program = self.operator(self.a, "vm", "vnc", "g1")
        place = program.stdout.readline().strip()
        self.assertEqual(stat.S_IMODE(os.stat(place).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(place)).st_mode), 0o700)
        second = self.joined(place)
        second.assert_alive()
        self.assertEqual(self.a.api.get(PATH), {"users": ["local", "op"]})

        program_of_viewer, told = self.viewer_program()
        by_itself = self.operator(self.a, "vm", "vnc", "g1", "--viewer", str(program_of_viewer))
        self.eventually("the viewer has joined", told.exists)
        trial = self.a.api.post("/v1/moves?dry_run=true", {"vm": "g1", "to": "b"})
        self.assertTrue(trial["possible"], trial)
        self.move(guest, self.a, self.b)
        ended = self.assert_ends(first)
        self.assertEqual(ended.code, 1001)
        self.assertIn("the guest has moved", ended.reason)
        self.assert_ends(second)
        self.assertIn("has moved to host 'b'", program.stderr.readline())
        self.assertEqual(by_itself.wait(settings.seconds(20)), 0)   # it was started again, and left
        self.assertEqual(told.read_text(encoding="utf-8"), "joined\n" * 2)
        second = self.joined(place)
        second.assert_alive()
        self.eventually("it alone is there",
                        lambda: self.b.api.get(PATH) == {"users": ["op"]})
        guest.assert_runs_on(self.b)

        third = self.viewer(self.b, PATH + "?take=true")
        third.assert_alive()
        self.assert_ends(second)
        self.assertIn("'local' has taken the display", program.communicate()[1])
        self.assertFalse(os.path.exists(os.path.dirname(place)))
        self.assert_bounded(third)

    def assert_bounded(self, other):
        """A user who asks for much and reads nothing keeps nobody from the display, and takes no
        more memory than is said."""
        before = procs.memory_kib(self.b.process.pid)
        silent = self.viewer(self.b)
        for _ in range(16):     # each answer has more than 1 MB
            silent.ask(incremental=False, height=silent.height)
        other.assert_alive()
        self.assertLess(procs.memory_kib(self.b.process.pid) - before, MEMORY_MAX_KIB)
        refused = self.eventually("no more are let in", self.one_too_many)
        self.assertIn("with as many others as can be", str(refused))

    def one_too_many(self):
        """503: QEMU has not let the last one in yet."""
        try:
            self.web_socket(self.b)
        except Refused as refused:
            self.assertIn(refused.status, (409, 503))
            return refused if refused.status == 409 else None
        return None

    def test_who_may_not_and_where_there_is_none(self):
        guest = self.world.guest()
        guest.create(self.a)
        with self.assertRaises(Refused) as refused:
            self.web_socket(self.a)
        self.assertIn('"graphics\\": {\\"type\\": \\"vnc\\"}', str(refused.exception))
        with self.assertRaises(Refused) as refused:
            self.web_socket(self.a, PATH, {"Origin": "https://elsewhere.example"})
        self.assertEqual(refused.exception.status, 403)
        error = self.assert_api_error(400, "invalid", self.a.api.post, "/v1/vms",
                                      {**guest.definition, "name": "g3", "graphics": {"type": "vnc"}})
        self.assertIn("/graphics", error.pointers())
        guest = self.display_guest(name="g2")
        guest.start(self.a, sweeps=0)
        device = {"kind": "video", "id": "video1", "model": "vga"}
        self.assert_api_error(400, "invalid", self.a.api.post, "/v1/vms/g2/devices", device)
        error = self.assert_api_error(409, "conflict", self.a.api.delete,
                                      "/v1/vms/g2/devices/video0")
        self.assertIn("display adapter", error.body["detail"])
        context = client_context(self.a.dir)    # a peer's certificate is nobody's at a display
        with socket.create_connection((self.a.address, self.a.api_port)) as sock, \
                context.wrap_socket(sock) as tls, self.assertRaises(Refused) as refused:
            WebSocket(tls, PATH)
        self.assertEqual(refused.exception.status, 403)

        # A port of the loopback is for viewers of the same user; a signal leaves nothing behind.
        program = self.operator(self.a, "vm", "vnc", "g2", "--port", "0")
        host, port = program.stdout.readline().strip().split("::")
        sock = socket.create_connection((host, int(port)))
        self.addCleanup(sock.close)
        Viewer(Plain(sock)).assert_alive()
        program.terminate()
        self.assertEqual(program.wait(settings.seconds(5)), -signal.SIGTERM)

    @only_full
    def test_each_model_moves_to_and_fro(self):
        for model in ("cirrus", "virtio", "bochs"):
            with self.subTest(model=model):
                guest = self.display_guest(model, model)
                path = f"/v1/vms/{model}/vnc"
                guest.start(self.a)
                for source, destination in ((self.a, self.b), (self.b, self.a)):
                    viewer = self.viewer(source, path)
                    if model != "bochs":    # it has no text mode of its own
                        viewer.assert_alive()
                    self.move(guest, source, destination)
                    self.assert_ends(viewer)
                    guest.assert_runs_on(destination)

    @only_full
    def test_refreshed_and_adopted_guests_keep_their_displays(self):
        for name, shares in (("g1", False), ("g2", True)):
            with self.subTest(memory_share=shares):
                guest = self.display_guest(name=name)
                guest.definition["memory_share"] = shares
                guest.start(self.a)
                path = f"/v1/vms/{name}/vnc"
                viewer = self.viewer(self.a, path)
                viewer.assert_alive()
                job = self.a.api.post(f"/v1/vms/{name}/refresh", {})["id"]
                self.assertEqual(self.assert_ends(viewer).code, 1001)
                ended = self.eventually("the end of the refresh", lambda at=job: (
                    (found := self.a.api.get(f"/v1/refreshes/{at}"))["final"] and found), 60)
                self.assertEqual(ended["state"], "done")
                self.viewer(self.a, path).assert_alive()
                guest.assert_runs_on(self.a)

        guest = self.world.guest("g3")
        place = self.world.dir / "g3.vnc"
        foreign = Foreign(guest, self.a, *PLAIN, "-device", "VGA", "-vnc", f"unix:{place}").start()
        self.joined(str(place)).assert_alive()
        vm, _ = foreign.adopt()
        self.assertIn(f"unix:{place}", vm["definition"]["extra_args"])
        self.joined(str(place)).assert_alive()
        with self.assertRaises(Refused) as refused:
            self.web_socket(self.a, "/v1/vms/g3/vnc")
        self.assertEqual(refused.exception.status, 409)
        self.move(guest, self.a, self.b)
        guest.assert_runs_on(self.b)
