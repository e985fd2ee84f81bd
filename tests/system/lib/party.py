# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parties that are told of moves: one HTTPS server, whose paths are parties that answer as the test
says.  Each signature is checked as Standard Webhooks 1.0 says, by code of its own."""
import base64
import hashlib
import hmac
import http.server
import json
import ssl
import subprocess
import threading

KEY = b"a key of thirty-two bytes, or so"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def make_certificate(directory, name):
    """Self-signed, for 127.0.0.1; returns (certificate, key)."""
    cert, key = directory / f"{name}.pem", directory / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(cert)], check=True, capture_output=True)
    return cert, key


def write_secret(directory):
    path = directory / "secret"
    path.write_text(SECRET + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # else each answer waits 40 ms for an ACK
    timeout = 60

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()
        notice = json.loads(body)
        party = self.path.strip("/")
        with self.server.lock:
            self.server.heard.append({
                "party": party, "id": self.headers["webhook-id"], **notice,
                "genuine": self.headers["webhook-signature"] == wanted,
                "media": self.headers["Content-Type"], "signed": text,
                "signature": self.headers["webhook-signature"]})
            answer = self.server.answers.get(party, (200, {}))
        self.answer(*answer)

    def answer(self, status, body):
        """A BODY of None: nothing comes until the server ends; a function does what it likes."""
        if callable(body):
            body(self)
            return
        if body is None:
            self.server.end.wait(60)
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Parties:
    def __init__(self, directory):
        self.dir = directory
        self.cert, key = make_certificate(directory, "party")
        self.secret = write_secret(directory)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.lock, self.server.end = threading.Lock(), threading.Event()
        self.server.heard, self.server.answers = [], {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def section(self, name, **keys):
        """A section of the configuration: its name and keys; with agent_command only these."""
        usual = {} if "agent_command" in keys else {
            "url": self.url(name),
            "secret_file": self.secret, "ca_file": self.cert}
        every = {**usual, **keys}
        return f"notify {name}", {key: every[key] for key in every if every[key] is not None}

    def set(self, name, status, body):
        with self.server.lock:
            self.server.answers[name] = (status, body)

    def heard(self, name, kind):
        """The notices of this kind (before, after) that a party has got."""
        with self.server.lock:
            return [n for n in self.server.heard
                    if n["party"] == name and n["type"] == f"move.{kind}"]

    def url(self, name):
        return f"https://127.0.0.1:{self.server.server_address[1]}/{name}"

    def all_heard(self, name):
        """Whatever a party has got."""
        with self.server.lock:
            return [n for n in self.server.heard if n["party"] == name]

    def close(self):
        self.server.end.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
