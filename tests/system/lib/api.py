# SPDX-License-Identifier: LGPL-2.1-or-later
"""The REST API as a test sees it: over the UNIX socket, or with a certificate."""
import http.client
import json
import socket
import ssl
import time

from . import contract, jitter, settings


class ApiError(Exception):
    """An answer of 400 and above; BODY is its problem document."""

    def __init__(self, status, body):
        self.status = status
        self.body = body if isinstance(body, dict) else {}
        self.code = self.body.get("code")
        super().__init__(f"{status} {self.code}: {self.body.get('detail', body)}")

    def pointers(self):
        return sorted(e.get("pointer", "") for e in self.body.get("errors", []))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """One request per connection: a test must not depend on an old one."""

    def __init__(self, connect, asks_contract=False):
        self._connect = connect
        self._asks_contract = asks_contract     # whether what it gets is looked at

    @classmethod
    def on_socket(cls, path, asks_contract=True):
        return cls(lambda timeout: UnixConnection(str(path), timeout), asks_contract)

    @classmethod
    def with_certificate(cls, host, port, context):
        return cls(lambda timeout: http.client.HTTPSConnection(host, port, timeout=timeout,
                                                               context=context))

    def send(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, body): the body parsed if it is JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        conn = self._connect(settings.seconds(timeout))
        jitter.pause()
        try:
            conn.request(method, path, body, headers)
            answer = conn.getresponse()
            data = answer.read()
            if "json" in (answer.getheader("Content-Type") or "") and data:
                data = json.loads(data)
        finally:
            conn.close()
        jitter.pause()
        if self._asks_contract and isinstance(data, dict):
            if answer.status < 300:
                contract.check_reply(self, method, path, answer.status, data)
            else:
                contract.check_problem(data)
        return answer.status, answer.headers, data

    def begin(self, method, path, body=None, timeout=60):
        """Sends a request, which is being handled when this returns: one that is sent later has been
        answered.  Returns a function that waits for its answer, as send()."""
        answer = self.ask(method, path, body, timeout)
        self.send("GET", "/healthz")
        return answer

    def ask(self, method, path, body=None, timeout=60):
        """The same, to a coordinator that stands still: it takes the request when it goes on."""
        conn = self._connect(settings.seconds(timeout))
        conn.request(method, path, None if body is None else json.dumps(body),
                     {} if body is None else {"Content-Type": "application/json"})

        def answer():
            got = conn.getresponse()
            found = got.status, got.headers, json.loads(got.read())
            conn.close()
            return found
        return answer

    def call(self, method, path, body=None, headers=None, timeout=30):
        """The body of a good answer; ApiError for any other."""
        status, _, data = self.send(method, path, body, headers, timeout)
        if status >= 400:
            raise ApiError(status, data)
        return data

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.call("POST", path, body, **kwargs)

    def patch(self, path, body, **kwargs):
        return self.call("PATCH", path, body, **kwargs)

    def delete(self, path, **kwargs):
        return self.call("DELETE", path, **kwargs)

    def items(self, path):
        """All items of a list, over all its pages."""
        found, after = [], None
        while True:
            page = self.get(path + (f"{'&' if '?' in path else '?'}after={after}" if after else ""))
            found += page["items"]
            after = page.get("next")
            if not after:
                return found

    def events(self, timeout=60, query=""):
        return Events(self._connect(settings.seconds(timeout)), settings.seconds(timeout), query)


class Events:
    """Server-sent events; `for kind, object in events` waits for each."""

    def __init__(self, conn, timeout, query):
        self._deadline = time.monotonic() + timeout
        conn.connect()
        self._sock = conn.sock
        self._conn = conn
        conn.request("GET", f"/v1/events{query}", headers={"Accept": "text/event-stream"})
        self._answer = conn.getresponse()
        if self._answer.status != 200:
            raise ApiError(self._answer.status, json.loads(self._answer.read()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._conn.close()

    def __iter__(self):
        kind, data = "message", []
        while True:
            self._sock.settimeout(max(0.001, self._deadline - time.monotonic()))
            raw = self._answer.readline()
            if not raw:
                return
            field, _, value = raw.decode().rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif not raw.strip() and data:
                event = json.loads("\n".join(data))
                contract.check_event(kind, event)
                yield kind, event.get(kind, event)
                kind, data = "message", []


def client_context(directory):
    """TLS with the certificate files of a host's (or user's) directory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the name is <id>.host.migrd, the address is loopback
    context.load_verify_locations(f"{directory}/ca.pem")
    context.load_cert_chain(f"{directory}/host.pem", f"{directory}/host-key.pem")
    return context
