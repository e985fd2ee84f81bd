# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks a coordinator everything that its /openapi.json knows of: each route by each role, with
bodies and queries made of the schemas, right ones and wrong ones."""
import collections
import contextlib
import http.client
import json
import random
import re
import ssl
import subprocess
import urllib.parse
import uuid

from . import contract, contract_judge, settings
from .api import ApiError, UnixConnection, client_context
from .contract_judge import Answer
from .schema_values import Values

JSON = {"Content-Type": "application/json"}
CALLERS = ("local", "admin", "operator", "viewer", "peer")
NEVER = {"kvm", "tap", "macvtap"}               # of the machine, not of the coordinator
VM = {"name": "c1", "machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 32}
# Of a definition that a peer sends the document says nothing: it is that of a VM.
ONLY = {"accel": ["tcg"], "url": ["https://127.0.0.1:9/"], "ifname": ["lo"], "definition": [VM],
        "about": [{"labels": {"tier": "web"}}]}
SECONDS = 30            # for one answer


def _user_context(host, pki, role):
    subprocess.run([settings.program("migrctl"), "pki", "user", f"{role}1", "--role", role, "--dir",
                    str(pki), "--force"], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    context = client_context(host.dir)
    context.load_cert_chain(pki / f"users/{role}1.pem", pki / f"users/{role}1.key")
    return context


class Caller:
    """One connection, which is opened again when the server has closed it."""

    def __init__(self, role, connect):
        self.role, self._connect, self._conn = role, connect, None

    def send(self, method, path, body, headers, is_stream=False):
        for is_last in (False, True):
            try:
                return self._send(method, path, body, headers, is_stream)
            except TimeoutError:
                raise AssertionError(f"no answer to {method} {path} as {self.role} with {headers} "
                                     f"and {body}") from None
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if is_last:
                    raise
        raise AssertionError("not reached")

    def _send(self, method, path, body, headers, is_stream):
        if self._conn is None:
            self._conn = self._connect()
        self._conn.request(method, path, body, headers)
        answer = self._conn.getresponse()
        if is_stream and answer.status == 200:
            self.close()
            return Answer(200, answer.headers, b"")
        found = Answer(answer.status, answer.headers, answer.read())
        if answer.will_close:
            self.close()
        return found

    def close(self):
        if self._conn:
            self._conn.close()
        self._conn = None


class Walk:
    """HOSTS: two coordinators; A is asked, as B too.  SEED: of all that is made up.  RIGHT, WRONG:
    so many bodies for each route."""

    def __init__(self, a, b, seed, right, wrong):
        self.a, self.right, self.wrong = a, right, wrong
        self.document = a.api.get("/openapi.json")
        contract.read_document(self.document)
        self.operations = contract_judge.operations(self.document)
        self.seed, self.rnd = seed, random.Random()         # of bodies and queries, for each route anew
        self.place_rnd = random.Random(seed)                # of what they are about
        self.values = Values(self.document["components"]["schemas"], self.rnd, a.dir / "no-dir",
                             {"vm": ["c1"], "to": [b.id], "host": [b.id], "hosts": [b.id],
                              "policy": ["night"], "machine": [VM["machine"]], "name": ["c1"]},
                             ONLY, NEVER)
        self.counts, self.statuses = collections.Counter(), collections.Counter()
        self.differences = []
        pki = a.dir.parent

        def by_tls(context):
            return lambda: http.client.HTTPSConnection("127.0.0.1", a.api_port, context=context,
                                                       timeout=settings.seconds(SECONDS))
        self.callers = {role: Caller(role, by_tls(_user_context(b, pki, role)))
                        for role in ("admin", "operator", "viewer")}
        self.callers["peer"] = Caller("peer", by_tls(client_context(b.dir)))
        self.callers["local"] = Caller("admin", lambda: UnixConnection(
            str(a.socket), settings.seconds(SECONDS)))

    def close(self):
        for caller in self.callers.values():
            caller.close()

    # ---- a world to ask about ----------------------------------------------

    def _try(self, method, path, body=None):
        with contextlib.suppress(ApiError):
            return self.a.api.call(method, path, body)
        return None

    def refresh(self):
        """The host takes guests, and has the VM and the policy that requests are about."""
        self._try("POST", "/v1/maintenances/current/abort", {})
        self._try("POST", "/v1/evacuations/current/abort", {"moves": "cancel"})
        self._try("POST", "/v1/host/uncordon")
        for hold in (self._try("GET", "/v1/holds") or {}).get("items", []):
            self._try("DELETE", f"/v1/holds/{hold['id']}")
        for webhook in (self._try("GET", "/v1/webhooks") or {}).get("items", [])[2:]:
            self._try("DELETE", f"/v1/webhooks/{webhook['id']}")
        for name in self.a.vms():
            if name != VM["name"]:
                self._try("DELETE", f"/v1/vms/{name}")
        self._try("POST", "/v1/vms", VM)
        self._try("PUT", "/v1/policies/night", {"description": "for requests"})

    def _items(self, collection):
        collection = re.sub("^/peer/v1/", "/v1/", collection)
        if collection in self.document["paths"] and "get" in self.document["paths"][collection]:
            return (self._try("GET", collection) or {}).get("items", [])
        return []

    def fill(self, operation, is_known=None):
        """The path of an operation, mostly of something that is there."""
        path = ""
        words = {p["name"]: p["schema"].get("enum") for p in operation.parameters
                 if p["in"] == "path"}
        for part in operation.path.strip("/").split("/"):
            if not part.startswith("{"):
                path += "/" + part
                continue
            key = part[1:-1]
            found = words[key] or [item.get(key) or item.get("id") or item.get("name")
                                   for item in self._items(path)]
            if is_known is None:
                is_known = self.place_rnd.random() < 0.8
            value = self.place_rnd.choice(found) if found and (is_known or words[key]) else str(
                uuid.UUID(int=self.place_rnd.getrandbits(128)))
            path += "/" + urllib.parse.quote(str(value), safe="")
        return path

    def query(self, operation, is_full, share=0.5):
        """A right query; IS_FULL: with SHARE of what may be left out."""
        found = {}
        for parameter in operation.taken("query"):
            schema, name = parameter["schema"], parameter["name"]
            if not parameter["required"] and not (is_full and self.rnd.random() < share):
                continue
            if schema.get("type") == "integer":     # the least time, where it is one
                found[name] = schema["minimum"]
            elif name in ("after", "fields"):
                continue    # only the server knows what may stand there; not the whole answer
            else:
                value = self.values.right(schema, name)
                found[name] = ",".join(value) if isinstance(value, list) else value
        return found

    # ---- asking ------------------------------------------------------------

    def ask(self, caller, operation, path, kind, query=None, body=None, headers=None):
        """Sends it; (the answer, a text that says what was sent)."""
        headers = {**{parameter["name"]: str(parameter["schema"]["minimum"])
                      for parameter in operation.taken("header") if parameter["required"]},
                   **(headers or {})}
        # A wait that says nothing of its end may last longer than the walk.
        if operation.path.endswith("/wait"):
            query = {"timeout": 1, **(query or {})}
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None:
            headers = {**JSON, **headers}
        if query:
            path += "?" + urllib.parse.urlencode(query)
        answer = self.callers[caller].send(operation.method, path, body, headers,
                                           operation.is_stream)
        self.counts[kind] += 1
        self.statuses[answer.status] += 1
        return answer, f"{operation.method} {path} as {caller}, {kind}: {str(body)[:400]}"

    def differ(self, what, found):
        self.differences += [f"{what}\n    {fault}" for fault in found]

    def judge(self, caller, operation, path, kind, **kwargs):
        answer, what = self.ask(caller, operation, path, kind, **kwargs)
        found = contract_judge.faults(operation, self.callers[caller].role, answer)
        self.differ(what, found)
        return answer, what

    def right_body(self, operation):
        return None if operation.body is None else self.values.right(operation.body)

    def least(self, operation):
        return {"none": "viewer", "viewer": "viewer"}.get(operation.role, operation.role)

    def roles(self, operation):
        for caller in CALLERS:
            if contract_judge.may(self.callers[caller].role, operation.role) and operation.method != "GET":
                continue    # right_bodies() asks it
            self.judge(caller, operation, self.fill(operation), "role",
                       body=self.right_body(operation))

    def right_bodies(self, operation):
        """What the document allows is not called invalid."""
        for number in range(self.right if operation.body or operation.taken("query") else 1):
            answer, what = self.judge(
                self.least(operation), operation, self.fill(operation), "right",
                query=self.query(operation, number % 2), body=self.right_body(operation))
            if answer.status == 400:
                self.differ(what, self.refused_wrongly(operation, answer))

    def unknown(self, operation):
        """About what is not there, with all that may be said of it."""
        if "{" in operation.path:
            self.judge(self.least(operation), operation, self.fill(operation, is_known=False),
                       "unknown", query=self.query(operation, True, 1), body=self.right_body(operation))

    def refused_wrongly(self, operation, answer):
        problem = json.loads(answer.body)
        said = [fault["detail"] for fault in problem.get("errors", [])] or [problem["detail"]]
        found = [words for words in said
                 if OF_A_SCHEMA.search(words) and str(operation) != MONITOR]
        self.counts["right, but against a rule between members"] += not found
        return [f"the document allows it, but: {words}" for words in found]

    def wrong_bodies(self, operation):
        least = self.least(operation)
        if operation.body:
            for kind, place, body in self.values.wrong(operation.body, self.wrong):
                # What a newer host says besides is ignored by an older one.
                if operation.path.startswith("/peer/") and kind == "a key of no schema":
                    continue
                answer, what = self.judge(least, operation, self.fill(operation),
                                          f"wrong body ({kind})", body=body)
                self.differ(what, contract_judge.wrong_body_faults(operation, place, answer))
        elif operation.method != "GET":
            self.must(400, least, operation, "body where there is none", body={"no_such_key": 1})
        self.must(415, least, operation, "another media type", body="x=1",
                  headers={"Content-Type": "application/x-www-form-urlencoded"})
        if operation.method != "GET":
            self.must(400, least, operation, "no JSON", body=b'{"a":')

    def wrong_queries(self, operation):
        least = self.least(operation)
        self.must(400, least, operation, "unknown query", query={"no_such_key": "1"})
        for parameter in operation.taken("query"):
            schema, name = parameter["schema"], parameter["name"]
            values = [""]
            if schema["type"] == "integer":
                values += [schema["minimum"] - 1, schema["maximum"] + 1, "x"]
            elif "enum" in schema:
                values.append("no-such-word")
            for value in values:
                self.must(400, least, operation, "wrong query", query={name: value})

    def wrong_headers(self, operation):
        least = self.least(operation)
        for parameter in operation.taken("header"):
            if parameter["required"]:
                self.must(426, least, operation, "another protocol",
                          headers={parameter["name"]: "999"})
            elif "pattern" in parameter["schema"]:
                self.must(400, least, operation, "wrong header",
                          headers={parameter["name"]: "-no-such-"}, body=self.right_body(operation))

    def too_large(self, operation):
        self.must(413, self.least(operation), operation, "too large",
                  body=json.dumps({"name": "x" * (1 << 20)}))

    def must(self, status, caller, operation, kind, **kwargs):
        answer, what = self.judge(caller, operation, self.fill(operation, is_known=True), kind,
                                  **kwargs)
        if answer.status != status:
            self.differ(what, [f"{answer.status}, not {status}: {answer.body[:200]}"])

    def strange_methods(self):
        """What the document does not have is not there."""
        for path in self.document["paths"]:
            operation = next(op for op in self.operations if op.path == path)
            real = self.fill(operation, is_known=False)
            there = contract_judge.methods_of(self.document, real)
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - there:
                answer = self.callers["admin"].send(method, real, None, {})
                self.counts["method"] += 1
                self.statuses[answer.status] += 1
                allowed = set((answer.headers.get("Allow") or "").split(", "))
                if answer.status != 405 or allowed != there:
                    self.differ(f"{method} {real}", [f"{answer.status}, Allow: {allowed}; {there}"])
                self.differ(f"{method} {real}", contract_judge.problem_faults(answer))
            for strange in (real + "/no-such", "/v2" + real):
                if contract_judge.methods_of(self.document, strange):
                    continue
                answer = self.callers["admin"].send("GET", strange, None, {})
                self.counts["path"] += 1
                self.statuses[answer.status] += 1
                if answer.status != 404:
                    self.differ(f"GET {strange}", [f"{answer.status}, not 404"])
                self.differ(f"GET {strange}", contract_judge.problem_faults(answer))

    def strangers(self, contexts):
        """Who has no certificate of a role gets nothing, or 401 or 403."""
        for context in contexts:
            caller = Caller("none", lambda context=context: http.client.HTTPSConnection(
                "127.0.0.1", self.a.api_port, context=context, timeout=settings.seconds(SECONDS)))
            for operation in self.operations:
                self.counts["stranger"] += 1
                try:
                    answer = caller.send(operation.method, self.fill(operation, is_known=False),
                                         None, {}, operation.is_stream)
                except (ssl.SSLError, OSError, http.client.HTTPException):
                    self.statuses["no connection"] += 1
                    caller.close()
                    continue
                self.statuses[answer.status] += 1
                if answer.status not in (401, 403):
                    self.differ(f"{operation} by a stranger", [str(answer.status)])
            caller.close()

    def run(self):
        """Asks everything; the world is made anew after each route that can change it."""
        self.refresh()
        for operation in self.operations:
            self.rnd.seed(f"{self.seed} {operation}")
            self.roles(operation)
            self.wrong_bodies(operation)
            self.wrong_queries(operation)
            self.wrong_headers(operation)
            self.unknown(operation)
            self.right_bodies(operation)
            if operation.method != "GET":
                self.refresh()
        for operation in self.operations[::20]:
            self.too_large(operation)
        self.strange_methods()


# What the decoder says of a single member: its schema should have told it.  Other words are of rules
# between members, which the descriptions tell of, and of what the host does not know.
OF_A_SCHEMA = re.compile("|".join((
    "unknown", "required, but missing", "found an? .* is wanted", r"whole number(?! of huge pages)", "must be a number", "must not be empty",
    "at (most|least)", "^one of ", "one of the words", "longer than", "shorter than", "an object of strings",
    "value of a label", "too (many|few|long|large|small)", "no moment")))
# The command of QMP is an object, that of HMP a text.
MONITOR = "POST /v1/vms/{name}/monitor"
