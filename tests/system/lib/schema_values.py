# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values made from JSON schemas, right ones and wrong ones, the same for the same seed."""
import copy
import datetime
import re

try:
    from re import _parser as regex_parser
except ImportError:     # before Python 3.11
    import sre_parse as regex_parser

_DEEPEST = 3            # optional members are left out below
_ITEMS = 2              # of a list, if it may have fewer
_TEXT = "abcdefghijklmnopqrstuvwxyz0123456789"


class Values:
    """SCHEMAS: of `components` of the document.  RND: random.Random.  ROOT: a directory, which every
    path is in.  KNOWN: {key: [values]} that members of these names mostly have, so that a request is
    about what is there.  ONLY: the same, and no other values.  NEVER: words of lists that are not
    used."""

    def __init__(self, schemas, rnd, root, known, only, never):
        self.schemas, self.rnd, self.root = schemas, rnd, root
        self.known, self.only, self.never = known, only, never

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    # ---- right ones --------------------------------------------------------

    def right(self, schema, key="", depth=0):
        """A value that the schema allows."""
        schema = self.resolve(schema)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.right(self.rnd.choice(schema[several]), key, depth)
        if key in self.only:
            return self.rnd.choice(self.only[key])
        if "enum" in schema:
            return self.rnd.choice([word for word in schema["enum"] if word not in self.never])
        kind = schema.get("type", "string")
        if isinstance(kind, list):
            kind = self.rnd.choice(kind)
        return getattr(self, f"_{kind}")(schema, key, depth)

    def _null(self, *_):
        return None

    def _boolean(self, *_):
        return self.rnd.random() < 0.5

    def _integer(self, schema, *_):
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low + (1 << 20))
        return self.rnd.choice([low, high, self.rnd.randint(low, high), min(high, low + 1)])

    def _number(self, schema, *_):
        return float(self._integer(schema))

    def _string(self, schema, key, _):
        if key in self.known and self.rnd.random() < 0.7:
            return self.rnd.choice(self.known[key])
        if schema.get("format") == "date-time":
            at = datetime.datetime(2030, 1, 1) + datetime.timedelta(hours=self.rnd.randint(0, 5000))
            return at.isoformat() + self.rnd.choice(["Z", "+01:00"])
        low, high = schema.get("minLength", 0), min(schema.get("maxLength", 24), 24)
        if "pattern" not in schema:
            return "".join(self.rnd.choices(_TEXT, k=self.rnd.randint(max(low, 1), high)))
        pattern = schema["pattern"]
        if pattern.startswith("^/"):
            return f"{self.root}/" + "".join(self.rnd.choices(_TEXT, k=6))
        for _ in range(1000):
            text = self._of_pattern(regex_parser.parse(pattern))
            if low <= len(text) <= schema.get("maxLength", 64):
                return text
        raise AssertionError(f"no text for {pattern}")

    def _object(self, schema, _, depth):
        found = {}
        for name, member in schema.get("properties", {}).items():
            is_wanted = name in schema.get("required", [])
            if is_wanted or self.rnd.random() < (0.5 if depth < _DEEPEST else 0):
                found[name] = self.right(member, name, depth + 1)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and not found:
            found["k" + self.rnd.choice(_TEXT)] = self.right(extra, "", depth + 1)
        return found

    def _array(self, schema, key, depth):
        low, high = schema.get("minItems", 0), schema.get("maxItems", _ITEMS)
        count = max(low, min(high, self.rnd.randint(0, _ITEMS)))
        return [self.right(schema.get("items", {}), key, depth + 1) for _ in range(count)]

    def _of_pattern(self, parsed):
        return "".join(self._of_token(str(token), value) for token, value in parsed)

    def _of_token(self, token, value):
        if token == "LITERAL":
            return chr(value)
        if token == "NOT_LITERAL":
            return self.rnd.choice([letter for letter in _TEXT if letter != chr(value)])
        if token == "IN":
            return self._of_class(value)
        if token in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, what = value
            count = self.rnd.randint(low, min(int(high), low + 8))
            return "".join(self._of_pattern(what) for _ in range(count))
        if token == "SUBPATTERN":
            return self._of_pattern(value[-1])
        if token == "BRANCH":
            return self._of_pattern(self.rnd.choice(value[1]))
        if token == "AT":
            return ""
        raise AssertionError(f"patterns with {token} are not known here")

    def _of_class(self, members):
        if str(members[0][0]) == "NEGATE":
            return self.rnd.choice(_TEXT)
        kind, value = self.rnd.choice(members)
        return chr(value if str(kind) == "LITERAL" else self.rnd.randint(*value))

    # ---- wrong ones --------------------------------------------------------

    def wrong(self, schema, count):
        """COUNT triples (what is wrong, its place as a JSON pointer, a value that the schema
        forbids), or fewer."""
        found, tries = [], 0
        while len(found) < count and tries < 20 * count:
            tries += 1
            value = self.right(schema)
            places = list(self._places(schema, value, ()))
            what, path, change = self.rnd.choice(places) if places else (None, None, None)
            if what:
                broken = copy.deepcopy(value)
                found.append((what, "".join(f"/{part}" for part in path), change(broken)))
        return found

    def _places(self, schema, value, path):
        """Everything that can be made wrong in VALUE: (what, path, function of the whole value)."""
        schema = self.resolve(schema)
        if "anyOf" in schema or "oneOf" in schema:
            yield "another type", path, _setter(path, 7)
            return
        kinds = schema.get("type")
        if kinds is None and "enum" not in schema:
            return
        kinds = kinds if isinstance(kinds, list) else [kinds]
        other = next(v for v, names in ((["x"], ("array",)), (True, ("boolean",)), ({}, ("object",)))
                     if not set(names) & set(kinds))
        yield "another type", path, _setter(path, other)
        if value is None:
            return
        if "enum" in schema:
            yield "a word of no list", path, _setter(path, "no-such-word")
        if "integer" in kinds and "maximum" in schema:
            yield "too large", path, _setter(path, schema["maximum"] + 1)
        if "integer" in kinds and "minimum" in schema:
            yield "too small", path, _setter(path, schema["minimum"] - 1)
        if "integer" in kinds:
            yield "a fraction", path, _setter(path, 1.5)
        if "string" in kinds and "maxLength" in schema and "enum" not in schema:
            yield "too long", path, _setter(path, "a" * (schema["maxLength"] + 1))
        if "string" in kinds and "pattern" in schema:
            yield "against the pattern", path, _setter(path, "\x7f \x7f")
        if "array" in kinds and "maxItems" in schema and isinstance(value, list) and value:
            yield "too many", path, _setter(path, value * (schema["maxItems"] + 1))
        if isinstance(value, list) and "items" in schema:
            for index, element in enumerate(value):
                yield from self._places(schema["items"], element, (*path, index))
        if isinstance(value, dict):
            if schema.get("additionalProperties") is False:
                yield "a key of no schema", (*path, "no_such_key"), _setter((*path, "no_such_key"), 1)
            for name in schema.get("required", []):
                yield "missing", (*path, name), _remover((*path, name))
            for name, member in value.items():
                if name in schema.get("properties", {}):
                    yield from self._places(schema["properties"][name], member, (*path, name))


def _setter(path, new):
    def change(whole):
        if not path:
            return new
        _inside(whole, path)[path[-1]] = new
        return whole
    return change


def _remover(path):
    def change(whole):
        _inside(whole, path).pop(path[-1], None)
        return whole
    return change


def _inside(whole, path):
    for part in path[:-1]:
        whole = whole[part]
    return whole
