# SPDX-License-Identifier: LGPL-2.1-or-later
"""/openapi.json is a document from which a client can be generated: what generators and linters
look for.  (That answers agree with it is checked in every test: lib/contract.py.)"""
import re
import subprocess

from lib import contract, settings
from lib.world import SystemTest


def _all_refs(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for member in value.values():
            yield from _all_refs(member)
    elif isinstance(value, list):
        for element in value:
            yield from _all_refs(element)


def _resolve(document, ref):
    place = document
    for part in ref.removeprefix("#/").split("/"):
        place = place[part]
    return place


class OpenapiTest(SystemTest):
    host_ids = ("a",)

    def read(self):
        self.document = self.a.api.get("/openapi.json")
        self.operations = {(method, path): operation
                           for path, methods in self.document["paths"].items()
                           for method, operation in methods.items()}

    def test_document_is_whole(self):
        self.read()
        self.assertEqual(self.document["openapi"], "3.1.0")
        ids = [operation["operationId"] for operation in self.operations.values()]
        self.assertEqual(sorted(ids), sorted(set(ids)))
        for ref in set(_all_refs(self.document)):
            self.assertTrue(_resolve(self.document, ref), ref)
        tags = {tag["name"] for tag in self.document["tags"]}
        used = {tag for operation in self.operations.values() for tag in operation["tags"]}
        self.assertEqual(used, tags)
        for (method, path), operation in self.operations.items():
            with self.subTest(method=method, path=path):
                keys = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
                self.assertEqual(keys, re.findall(r"{(\w+)}", path))
                self.assertIn("4XX", operation["responses"])
                self.assertTrue([s for s in operation["responses"] if s.startswith("2") or s == "101"])

    def test_each_object_has_a_title_of_its_own(self):
        """Generators that name types by titles need no numbers then."""
        self.read()
        titles = []

        def walk(schema):
            if "properties" in schema:
                titles.append(schema.get("title"))
            for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", [])):
                walk(inner)
            if "items" in schema:
                walk(schema["items"])
        for schema in self.document["components"]["schemas"].values():
            walk(schema)
        self.assertNotIn(None, titles)
        self.assertEqual([title for title in set(titles) if titles.count(title) > 1], [])
        self.assertIn("HoldOfMoveRequest", titles)

    def test_roles_are_those_of_the_routes(self):
        self.read()
        printed = subprocess.run([settings.program("migrd"), "--print-routes"], check=True,
                                 capture_output=True, text=True).stdout
        # METHOD PATH ROLE, and the keys of its query; the page is not for programs.
        routes = {(method.lower(), path): role
                  for method, path, role, *_ in map(str.split, printed.splitlines())
                  if not path.startswith("/ui")}
        self.assertEqual({key: operation["x-role"]
                          for key, operation in self.operations.items()}, routes)

    def test_codes_of_problems_are_those_of_the_table(self):
        self.read()
        rows = re.findall(r"^\| `([a-z-]+)` \| ([45]\d\d) ",
                          (settings.SOURCE_DIR / "schema/errors.md").read_text(), re.MULTILINE)
        wanted = {}
        for code, status in rows:
            if code != "method-not-allowed":    # of no operation
                wanted.setdefault(status, []).append(code)
        found = {status: answer["x-codes"]
                 for status, answer in self.document["components"]["responses"].items()
                 if status.isdigit() and status != "431"}
        self.assertEqual(found, wanted)

    def test_examples_are_taken(self):
        self.read()
        contract.read_document(self.document)
        found = 0
        for (_, path), operation in self.operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in body:
                found += 1
                self.assertEqual(contract.faults(body["example"], body["schema"]), [], path)
        self.assertGreater(found, 4)
