# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that have no right to connect."""
import contextlib
import os
import socket
import ssl
import subprocess

from . import settings
from .api import client_context

PREAMBLE = "MIGRD2 {move} {channel} {attempt} {proof}\n"
TOKEN_OK = b"K"


def stranger_directory(parent):
    """The certificate files of a host "a" that another CA signed; all else is right."""
    migrctl = settings.program("migrctl")
    for args in (["init"], ["host", "a=127.0.0.1"]):
        subprocess.run([migrctl, "pki", *args, "--dir", str(parent)], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return parent / "a"


def blind_context(directory):
    """A TLS context with DIRECTORY's certificate, which accepts any server."""
    context = client_context(directory)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Intruder:
    """One connection; reading ends when the other side closes."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=settings.seconds(20))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        with contextlib.suppress(OSError):
            self.sock.sendall(data)
        return self

    def send_noise(self, size=65536):
        return self.send(os.urandom(size))

    def preamble(self, move_id, channel="ram", attempt=1, proof="0" * 64):
        """A line in the right form; without the move's token the proof can only be guessed."""
        return self.send(PREAMBLE.format(move=move_id, channel=channel, attempt=attempt,
                                         proof=proof).encode())

    def start_tls(self, directory):
        """Returns False when the other side does not even finish the handshake."""
        try:
            self.sock = blind_context(directory).wrap_socket(self.sock)
            return True
        except OSError:
            return False

    def read_to_end(self):
        """Returns all data until the other side closes; AssertionError if it does not."""
        data = b""
        try:
            while part := self.sock.recv(65536):
                data += part
        except TimeoutError as error:
            raise AssertionError("the intruder was not thrown out") from error
        except OSError:
            pass
        return data

    def close(self):
        self.sock.close()
