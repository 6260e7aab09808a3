"""What a service's published document allows: requests that are sent to it, and answers that a fake of it may give."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from openapi_schema_validator import OAS30Validator, OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "api"
_BASE = "urn:published"
_KINDS = {"integer": int, "number": float, "boolean": lambda text: {"true": True, "false": False}[text]}


def published(file, *, patch=lambda document: None):
    """The document of that name; the test is skipped, visibly, where it is not there. `patch` mends its known mistakes."""
    path = FOLDER / file
    if not path.is_file():
        pytest.skip(f"the published document {file} is not here: requests and answers are not compared with it")
    text = path.read_text(encoding="utf-8")
    document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    patch(document)
    return Published(document)


class Published:
    """One document of OpenAPI 3 (or Swagger 2, whose bodies are parameters)."""

    def __init__(self, document):
        self.document = document
        kind = OAS31Validator if str(document.get("openapi", "")).startswith("3.1") else OAS30Validator
        resolver = Registry().with_resource(_BASE, Resource(document, DRAFT202012)).resolver(_BASE)
        self._validator = lambda schema: kind(schema, _resolver=resolver)

    def operation(self, method, path):
        """Return the operation of a path that was asked for, and the values in the path. Literal paths come first."""
        for template in sorted(self.document["paths"], key=lambda each: (each.count("{"), each)):
            names = re.findall(r"{(\w+)}", template)
            found = re.fullmatch(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(template)), path)
            operations = self.document["paths"][template]
            if found and method.lower() in operations:
                shared = [self._resolved(each) for each in operations.get("parameters", [])]
                operation = operations[method.lower()]
                own = [self._resolved(each) for each in operation.get("parameters", [])]
                return operation, [*shared, *own], dict(zip(names, map(unquote, found.groups()), strict=True))
        raise AssertionError(f"{method} {path} is not in the published document")

    def check_request(self, asked, path=None):
        """Refuse a request that the document does not know: its path, its query, its body."""
        operation, parameters, in_path = self.operation(asked.method, path or asked.path)
        known = {each["name"]: each for each in parameters if each["in"] == "query"}
        given = {}
        for name, value in asked.query:
            given.setdefault(name, []).append(value)
        assert set(given) <= set(known), f"{asked.path}: the document knows no {sorted(set(given) - set(known))}"
        missing = {name for name, each in known.items() if each.get("required")} - set(given)
        assert missing == set(), f"{asked.path}: the document requires {missing}"
        for name, values in given.items():
            self._check_values(known[name], values, f"{asked.path}?{name}")
        for each in parameters:
            if each["in"] == "path":
                self._check_values(each, [in_path[each["name"]]], f"{asked.path} {each['name']}")
        self._check_body(operation, parameters, asked)

    def check_answer(self, method, path, status, document):
        """Refuse an answer that the document does not allow for that status; None is an answer without a body."""
        operation, _, _ = self.operation(method, path)
        answers = operation["responses"]
        answer = self._resolved(answers.get(str(status)) or answers.get("default") or {})
        assert answer, f"{method} {path}: the document knows no answer {status}"
        schema = self._schema_of(answer)
        if document is None or schema is None:
            assert document is None or schema is not None, f"{method} {path} {status} has no body in the document"
            return
        self._check(schema, document, f"{method} {path} {status}")

    def _check_body(self, operation, parameters, asked):
        body = self._resolved(operation.get("requestBody") or {})
        schema = self._schema_of(body) or next((each["schema"] for each in parameters if each["in"] == "body"), None)
        if asked.body in (None, b""):
            assert not body.get("required"), f"{asked.path}: the document requires a body"
        elif schema is not None:
            self._check(schema, asked.body, f"{asked.method} {asked.path} body")

    def _check_values(self, parameter, values, where):
        schema = self._resolved(parameter.get("schema") or {key: parameter[key] for key in ("type", "enum") if key in parameter})
        if schema.get("type") == "array":
            inner = self._resolved(schema.get("items", {}))
            self._check(schema, [self._typed(inner, value) for value in values], where)
        else:
            assert len(values) == 1, f"{where} is given {len(values)} times"
            self._check(schema, self._typed(schema, values[0]), where)

    @staticmethod
    def _typed(schema, text):
        try:
            return _KINDS.get(schema.get("type"), str)(text)
        except (ValueError, KeyError):
            return text

    def _schema_of(self, answer):
        if "schema" in answer:
            return answer["schema"]
        content = answer.get("content") or {}
        return next((each.get("schema") for kind, each in content.items() if "json" in kind), None)

    def _check(self, schema, value, where):
        found = [
            f"{'/'.join(map(str, each.absolute_path))}: {each.message[:200]}"
            for each in self._validator(schema).iter_errors(value)
        ]
        assert found == [], f"{where}: {found[:5]}"

    def _resolved(self, node):
        while "$ref" in node:
            at = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                at = at[unquote(part).replace("~1", "/").replace("~0", "~")]
            node = at
        return node
