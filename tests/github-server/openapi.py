"""GitHub's own description of its API, as a judge of answers.

OpenAPI 3.0 says "nullable" where JSON Schema has the type null; that apart it
is given to jsonschema as it is.
"""
import json
import re
import urllib.parse

import jsonschema

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or bool(TIME.fullmatch(value))


@FORMATS.checks("uri")
def is_uri(value):
    return not isinstance(value, str) or (
        bool(urllib.parse.urlsplit(value).scheme) and
        not re.search(r"[\s{}<>]", value))


def plain(node):
    if isinstance(node, list):
        return [plain(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: plain(v) for k, v in node.items() if k != "nullable"}
    if node.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, out]}
    return out


class Description:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            text = json.load(f)
        self.paths = text["paths"]
        self.components = text["components"]
        self.schemas = plain(text["components"]["schemas"])
        self.validators = {}

    def schema(self, method, route, status):
        """What GitHub says of this answer; None if it documents none."""
        answers = self.paths[route][method.lower()]["responses"]
        said = answers.get(str(status))
        if said is None:
            return None
        if "$ref" in said:
            said = self.components["responses"][said["$ref"].split("/")[-1]]
        return plain(said["content"]["application/json"]["schema"])

    def problems(self, method, route, status, body):
        """A list of what is wrong with an answer."""
        key = (method, route, status)
        if key not in self.validators:
            # Bad tokens are refused before any route, so by none of them.
            schema = self.schema(*key) or {
                "$ref": "#/components/schemas/basic-error"}
            self.validators[key] = jsonschema.Draft7Validator(
                {**schema, "components": {"schemas": self.schemas}},
                format_checker=FORMATS)
        return [f"{method} {route} {status}: {'/'.join(map(str, e.path))}: "
                f"{e.message[:300]}" for e in
                self.validators[key].iter_errors(body)]
