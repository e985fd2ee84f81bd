# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an answer is one that /openapi.json tells of: role, status, media type, document."""
import collections
import json
import re

from . import contract

PROBLEM_TYPE = "application/problem+json"
RANKS = {"none": 0, "viewer": 1, "operator": 2, "admin": 3}

Answer = collections.namedtuple("Answer", "status headers body")


def may(caller, needed):
    """Whether a caller of this role may ask what needs that one."""
    if needed == "none":
        return True
    if "peer" in (caller, needed):
        return caller == needed
    return RANKS[caller] >= RANKS[needed]


class Operation:
    """A method of a path of the document."""

    def __init__(self, document, path, method, fields):
        self.document, self.path, self.method, self.fields = document, path, method, fields
        self.id = fields["operationId"]
        self.role = fields["x-role"]
        self.parameters = fields.get("parameters", [])
        self.statuses = {int(status): self._resolve(answer)
                         for status, answer in fields["responses"].items() if status.isdigit()}
        body = fields.get("requestBody", {})
        self.body = body.get("content", {}).get("application/json", {}).get("schema")
        self.needs_body = body.get("required", False)
        self.is_stream = "text/event-stream" in self.statuses[min(self.statuses)].get("content", {})

    def __str__(self):
        return f"{self.method} {self.path}"

    def _resolve(self, answer):
        while "$ref" in answer:
            place = self.document
            for part in answer["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            answer = place
        return answer

    def taken(self, place):
        """Its parameters in `query' or `header'."""
        return [p for p in self.parameters if p["in"] == place]


def operations(document):
    return [Operation(document, path, method.upper(), fields)
            for path, methods in document["paths"].items() for method, fields in methods.items()]


def methods_of(document, path):
    """All methods of the routes that a path fits."""
    found = set()
    for template, methods in document["paths"].items():
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            found |= {method.upper() for method in methods}
    return found


def problem_faults(answer):
    """What is wrong with a problem document, whatever it says."""
    if answer.headers.get("Content-Type") != PROBLEM_TYPE:
        return [f"the media type of a problem is {answer.headers.get('Content-Type')}"]
    problem = json.loads(answer.body)
    found = contract.faults({key: value for key, value in problem.items()
                             if key not in contract.PROBLEM_KEYS},
                            {"$ref": "#/components/schemas/problem"})
    if problem.get("status") != answer.status:
        found.append(f"status {problem.get('status')} in the document of {answer.status}")
    return found


def _good_faults(operation, answer):
    content = operation.statuses[answer.status].get("content", {})
    kind = (answer.headers.get("Content-Type") or "").partition(";")[0]
    if not content:
        return [f"a body of {kind}, where none is said"] if answer.body else []
    if kind not in content:
        return [f"the media type is {kind}, not {' or '.join(content)}"]
    if kind != "application/json":
        return []
    return contract.faults(json.loads(answer.body), content[kind]["schema"])


def _problem_faults(operation, answer):
    said = operation.statuses[answer.status]
    problem = json.loads(answer.body)
    found = contract.faults(problem, said["content"][PROBLEM_TYPE]["schema"])
    if problem.get("code") not in said["x-codes"]:
        found.append(f"code {problem.get('code')} is none of {said['x-codes']}")
    return found


def faults(operation, caller, answer):
    """What in ANSWER the document does not say of OPERATION; one line each."""
    if answer.status >= 400 and (found := problem_faults(answer)):
        return found
    if answer.status == 500:    # a fault of migrd itself
        return [f"500: {answer.body[:300]}"]
    if answer.status not in operation.statuses:
        return [f"status {answer.status} is not said: {answer.body[:200]}"]
    is_allowed = may(caller, operation.role)
    if not is_allowed and answer.status != 403:
        return [f"{caller} got {answer.status}, though it needs {operation.role}"]
    if is_allowed and answer.status == 403 and b"; this needs " in answer.body:
        return [f"{caller} may not, though it needs only {operation.role}"]
    judge = _problem_faults if answer.status >= 400 else _good_faults
    return judge(operation, answer)


def wrong_body_faults(operation, place, answer):
    """A body that the schema forbids: it must be refused, and the fault named, if that was it.  What
    hosts say to each other names no places."""
    if not 400 <= answer.status < 500:
        return [f"it was answered with {answer.status}"]
    problem = json.loads(answer.body)
    if problem["code"] != "invalid" or operation.role == "peer":
        return []   # what it is about came first
    pointers = [fault["pointer"] for fault in problem.get("errors", [])]
    near = [p for p in pointers if p.startswith(place) or place.startswith(p)]
    return [] if near or not place else [f"the fault at {place!r} is not named, but {pointers}"]
