# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that what a coordinator sends agrees with its /openapi.json and schema/api: no other
keys, every required key, each value of its type.  A client ignores keys that it does not know;
here such a key is a fault, since no table of migrd/wire has it."""
import functools
import json
import re

from . import settings

_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool,
          "object": dict, "array": list, "null": type(None)}
# Members that only some problems have.
PROBLEM_KEYS = ("checks", "qemu", "cancelled", "under_way", "owner", "state")

_routes = None      # [(method, pattern of the path, {status: schema})]
_components = {}    # schemas by their references


def _is(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def faults(value, schema, where=""):
    """Returns what is wrong with VALUE, one line each."""
    if "$ref" in schema:
        return faults(value, _components[schema["$ref"]], where)
    if "anyOf" in schema:
        found = [faults(value, either, where) for either in schema["anyOf"]]
        return [] if [] in found else found[0]
    types = schema.get("type", list(_TYPES))
    types = [types] if isinstance(types, str) else types
    if not any(_is(value, name) for name in types):
        return [f"{where}: {value!r} is no {' or '.join(types)}"]
    if value not in schema.get("enum", [value]):
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    found = []
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{where}/{key}: missing" for key in schema.get("required", [])
                  if key not in value]
        for key, member in value.items():
            if key in schema["properties"]:
                found += faults(member, schema["properties"][key], f"{where}/{key}")
            else:
                found.append(f"{where}/{key}: in no table")
    if isinstance(value, list):
        for index, element in enumerate(value):
            found += faults(element, schema.get("items", {}), f"{where}/{index}")
    return found


def _read_routes(openapi):
    found = []
    for path, methods in openapi["paths"].items():
        pattern = re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + "$")
        for method, operation in methods.items():
            answers = {int(status): answer.get("content", {}).get("application/json", {}).get("schema")
                       for status, answer in operation["responses"].items() if status.isdigit()}
            found.append((method.upper(), pattern, answers))
    return found


def read_document(document):
    """From now on answers are checked by DOCUMENT, of GET /openapi.json."""
    global _routes
    _components.update((f"#/components/schemas/{name}", schema)
                       for name, schema in document["components"]["schemas"].items())
    _routes = _read_routes(document)


def check_reply(api, method, path, status, value):
    """Checks VALUE, the answer of a request that succeeded.  API gets the contract, once."""
    path, _, query = path.partition("?")
    if "fields=" in query:      # only what was asked for is there
        return
    if path == "/openapi.json":     # API gets it below
        return
    if _routes is None:
        read_document(api.get("/openapi.json"))
    for candidate, pattern, answers in _routes:
        if candidate == method and pattern.match(path):
            assert status in answers, f"{method} {path}: {status} is none of {sorted(answers)}"
            schema = answers[status]
            found = faults(value, schema) if schema else [f"{path}: the route says nothing of it"]
            assert not found, f"{method} {path}: {found}"
            return


@functools.cache
def _published(name):
    return json.loads((settings.SCHEMA_DIR / f"{name}.json").read_text())


def check_problem(value):
    found = faults({k: v for k, v in value.items() if k not in PROBLEM_KEYS}, _published("problem"))
    assert not found, f"problem {value}: {found}"


def check_event(kind, value):
    is_gone = kind == "vm" and value.get("state") == "gone"
    found = faults(value, _published(f"event-{kind}-gone" if is_gone else f"event-{kind}"))
    assert not found, f"event {kind}: {found}"
