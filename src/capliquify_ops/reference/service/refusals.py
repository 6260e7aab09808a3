"""Answers: the one shape of success and of error, and the exception that carries an error to the edge of the service."""

import json
from collections.abc import Mapping

from starlette.responses import Response


class Refusal(Exception):
    """A request was refused for a reason that the caller may know: status, stable code, one sentence, next step."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        extra: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.extra = extra or {}
        self.headers = headers or {}


class JsonResponse(Response):
    """A response whose body is JSON text that already exists."""

    media_type = "application/json"
    charset = "utf-8"

    def __init__(self, text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text, status, headers)


def success(data: str, status: int = 200, **more: object) -> JsonResponse:
    """`data` is JSON text, mostly made by the database itself; `more` are members beside it."""
    beside = "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items())
    return JsonResponse(f'{{"success": true, "data": {data}{beside}}}', status)


def failure(refusal: Refusal) -> JsonResponse:
    """The error shape: success false, error, message, and hint where there is one."""
    body: dict[str, object] = {"success": False, "error": refusal.code, "message": refusal.message}
    if refusal.hint is not None:
        body["hint"] = refusal.hint
    return JsonResponse(json.dumps(body | dict(refusal.extra)), refusal.status, refusal.headers)


def not_found() -> Refusal:
    """One answer for an id of another tenant, an id that never existed, and a text that is no id."""
    return Refusal(404, "not_found", "There is no such resource in this organisation; check the id.")


def malformed(message: str) -> Refusal:
    """The body or a parameter cannot be used; the text says which and why, without repeating the value."""
    return Refusal(400, "invalid_request", message)


def busy(code: str, message: str, retry_after_s: int = 1) -> Refusal:
    """Something this service depends on is away; trying again later may help."""
    return Refusal(503, code, message, headers={"Retry-After": str(retry_after_s)})
