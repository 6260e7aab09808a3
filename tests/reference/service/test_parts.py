"""Bodies, metrics, the identity client and the package's independence, without a server."""

import ast
import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.reference.service.bodies import check_fields, parse_object
from capliquify_ops.reference.service.directory import Directory, Member
from capliquify_ops.reference.service.metrics import Series, exposition
from capliquify_ops.reference.service.refusals import Refusal
from capliquify_ops.reference.service.resources import (
    FORECASTS,
    INVENTORY,
    PRODUCTS,
    SALES,
    SCENARIOS,
    insert_query,
    update_query,
)

ALLOWED = {"starlette", "granian", "psycopg", "psycopg_pool", "jwt", "cryptography", "prometheus_client"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_package_stands_alone() -> None:
    """It imports nothing of the project outside itself and nothing that its copier would not expect; it never reads the environment."""
    import sys

    for path in Path(str(files("capliquify_ops.reference.service"))).glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                root = name.partition(".")[0]
                assert root in ALLOWED | sys.stdlib_module_names or name.startswith("capliquify_ops.reference.service"), (
                    f"{path}: {name}"
                )
            assert not (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}), path


def outcome(call: Callable, *arguments: object, **named: object) -> object:
    try:
        return call(*arguments, **named)
    except Refusal as refusal:
        return refusal


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_object_or_a_refusal(body: bytes) -> None:
    """Parsing never raises anything but Refusal 400."""
    parsed = outcome(parse_object, body)
    assert isinstance(parsed, dict) or parsed.status == 400


@given(st.sampled_from([PRODUCTS, SALES, INVENTORY, FORECASTS, SCENARIOS]), st.data(), st.booleans())
def test_any_fields_are_accepted_as_known_ones_or_refused(resource: object, data: st.DataObject, is_partial: bool) -> None:
    """Whatever the values are, only known fields without NUL come through, and the rest is Refusal 422."""
    document = data.draw(st.dictionaries(st.sampled_from([*resource.rules, "id", "tenant_id"]), JSON))
    fields = outcome(check_fields, document, resource.rules, is_partial=is_partial)
    if isinstance(fields, Refusal):
        assert fields.status == 422
    else:
        assert fields.keys() <= resource.rules.keys()
        assert "\0" not in "".join(value for value in fields.values() if isinstance(value, str))
        assert insert_query(resource, fields)
        assert update_query(resource, fields, is_whole=not is_partial)


def test_metrics_of_two_workers_add_up_and_outlive_a_worker(tmp_path: Path) -> None:
    """Counters and histograms of a worker that has ended still count; its gauges do not."""
    import os

    gone = 2**22 + 1
    for process in (os.getpid(), gone):
        series = Series(tmp_path, process)
        series.count("http_requests_total", 'method="GET",route="/x",status="200"', 2)
        series.observe("http_request_duration_seconds", 'route="/x"', 0.0004)
        series.observe("http_request_duration_seconds", 'route="/x"', 99)
        series.gauge("database_connections_idle", 5)
        series.close()
    lines = exposition(tmp_path).splitlines()
    assert 'http_requests_total{method="GET",route="/x",status="200"} 4' in lines
    assert 'http_request_duration_seconds_bucket{route="/x",le="0.0005"} 2' in lines
    assert 'http_request_duration_seconds_bucket{route="/x",le="10"} 2' in lines
    assert 'http_request_duration_seconds_bucket{route="/x",le="+Inf"} 4' in lines
    assert 'http_request_duration_seconds_count{route="/x"} 4' in lines
    assert "database_connections_idle 5" in lines
    assert any(line.startswith("process_resident_memory_bytes ") and float(line.split()[1]) > 1e6 for line in lines)


@contextmanager
def provider(status: int, body: bytes, retry_after: str | None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


GOOD = json.dumps({"user_id": "u", "email": "e", "full_name": "n", "role": "admin"}).encode()


def test_identity_answers_are_understood() -> None:
    """200 is a membership and 404 is none."""
    with provider(200, GOOD, None) as url:
        assert asyncio.run(Directory(url).member("o/../x", "u?")) == Member("e", "n", "admin")
    with provider(404, b"{}", None) as url:
        assert asyncio.run(Directory(url).member("o", "u")) is None


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "expected"),
    [
        (429, b"{}", "7", "7"),
        (429, b"{}", None, "1"),
        (503, b"", "soon", "1"),
        (500, b"", None, "1"),
        (401, b"{}", None, "1"),
        (200, b"{", None, "1"),
        (200, b"[]", None, "1"),
        (200, GOOD.replace(b"admin", b"emperor"), None, "1"),
    ],
)
def test_an_identity_provider_that_does_not_answer_is_503(
    status: int, body: bytes, retry_after: str | None, expected: str
) -> None:
    """Too many requests, errors and nonsense become identity_unavailable with the time to wait."""
    with provider(status, body, retry_after) as url, pytest.raises(Refusal) as caught:
        asyncio.run(Directory(url).member("o", "u"))
    assert (caught.value.status, caught.value.code, caught.value.headers) == (
        503,
        "identity_unavailable",
        {"Retry-After": expected},
    )
