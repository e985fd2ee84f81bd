# SPDX-License-Identifier: LGPL-2.1-or-later
"""`migrctl web', which gives a browser the page of a host."""
import subprocess

from lib import settings


class Opened:
    """As a user with ROLE; URL can be opened once."""

    def __init__(self, host, role):
        pki = host.dir.parent
        if not (pki / "users" / f"{role}.pem").exists():
            subprocess.run([settings.program("migrctl"), "pki", "user", role, "--role", role, "--dir", str(pki)],
                           check=True, capture_output=True)
        self.process = subprocess.Popen(
            [settings.program("migrctl"), "--host", f"https://{host.address}:{host.api_port}", "--ca", f"{pki}/ca.pem",
             "--cert", f"{pki}/users/{role}.pem", "--key", f"{pki}/users/{role}.key", "web"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.communicate()
