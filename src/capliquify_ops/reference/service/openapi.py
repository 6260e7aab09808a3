"""What the service says of itself: an OpenAPI 3.1 document made from the table of routes, so that it lists each of them."""

import json
import re
from collections.abc import Iterable, Mapping

VERSION = "3.1.0"
_PARAMETER = re.compile(r"\{(\w+)\}")
_OPEN = frozenset({"/api/health", "/metrics", "/openapi.json"})


def document(routes: Iterable[tuple[str, Mapping[str, object]]]) -> str:
    """The document as JSON text. `routes`: path, then what answers each method."""
    paths = {path: _path(path, methods) for path, methods in routes}
    schemes = {
        "session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "organization": {"type": "apiKey", "in": "header", "name": "X-Organization-ID"},
    }
    info = {"title": "Reference service", "version": "1"}
    return json.dumps({"openapi": VERSION, "info": info, "paths": paths, "components": {"securitySchemes": schemes}})


def _path(path: str, methods: Mapping[str, object]) -> dict[str, object]:
    given = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _PARAMETER.findall(path)]
    operations = {method.lower(): _operation(path, method) for method in methods}
    return {**({"parameters": given} if given else {}), **operations}


def _operation(path: str, method: str) -> dict[str, object]:
    words = [method.lower(), *(word for word in re.split(r"\W+", path) if word)]
    return {
        "operationId": "_".join(words),
        "responses": {"default": {"description": "The answer, or why there is none."}},
        "security": [] if path in _OPEN else [{"session": [], "organization": []}],
    }
