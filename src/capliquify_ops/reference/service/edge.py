"""The outermost layer: refuses plain HTTP, adds the headers that every answer carries, measures, and logs accesses."""

import json
import logging
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capliquify_ops.reference.service.metrics import Series
from capliquify_ops.reference.service.refusals import Refusal, failure

LOG = logging.getLogger("reference_service")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"strict-transport-security", b"max-age=31536000"),
]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_INTERNAL = Refusal(500, "internal_error", "The service failed; the failure was logged. Try again, or contact support.")
_PLAIN_HTTP = Refusal(403, "https_required", "This service answers over HTTPS only; use https://.")


class Edge:
    """Wraps the application. `templates` maps an endpoint to its route, so that a metric never holds a raw path."""

    def __init__(self, app: ASGIApp, templates: Mapping[Any, str], access_log: str | None) -> None:
        self._app = app
        self._templates = templates
        self._log = os.open(access_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600) if access_log else None
        self.series: Series | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan of the worker."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        try:
            if _is_plain_http(scope):
                await failure(_PLAIN_HTTP)(scope, receive, send_on)
            else:
                await self._app(scope, receive, send_on)
        except Exception as problem:  # noqa: BLE001 -- the edge of the process: whatever it is, the caller learns nothing of it
            _report(problem)
            if not status:
                await failure(_INTERNAL)(scope, receive, send_on)
        finally:
            self._record(scope, status, perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._templates.get(scope.get("endpoint"), "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        if self.series is not None:
            self.series.count("http_requests_total", f'method="{method}",route="{route}",status="{status}"')
            self.series.observe("http_request_duration_seconds", f'route="{route}"', seconds)
        if self._log is not None:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {
                "at": at,
                "method": method,
                "route": route,
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 3),
            }
            # One write to a file opened for appending: lines of several workers never mix.
            os.write(self._log, (json.dumps(line) + "\n").encode())


def _is_plain_http(scope: Scope) -> bool:
    """Whether a proxy says that the caller came over plain HTTP."""
    return any(
        name == b"x-forwarded-proto" and b"http" in (hop.strip().lower() for hop in value.split(b","))
        for name, value in scope["headers"]
    )


def _report(problem: BaseException) -> None:
    """Where it failed and the kind of failure; never its text, which may quote data."""
    LOG.error("%s\n%s", type(problem).__name__, "".join(traceback.format_tb(problem.__traceback__)))
