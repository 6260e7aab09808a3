"""What all outside services share: a credential, patience that ends, and errors that say which service said what."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import MappingProxyType, TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.http_client import Client, Response
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
    TargetUnreachable,
)
from capliquify_ops.model.protocols import Clock

BUDGET_S = 8.0
"""One operation with all its tries: seven diagnoses of a healthy service take less than 10 s together."""
TRIES = 3
_BACKOFF_S = 0.25
_SAID = 200
_REDIRECTS, _BROKEN = 300, 500
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Service:
    """One outside service: what it is called, where it is, and which setting holds the credential.

    `headers` carry the credential; whatever of them is secret is masked in every error, as are `secrets`.
    """

    name: str
    base_url: str
    setting: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: `json` is None where the service sends no body. Header names are lower case."""

    status: int
    json: Any = field(repr=False)
    headers: Mapping[str, str]
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one operation may take with all its tries, how many those are, and how the time goes by.

    `dice` gives numbers from 0 to 1: callers that failed together come back apart.
    """

    clock: Clock
    dice: Callable[[], float]
    budget_s: float = BUDGET_S
    tries: int = TRIES
    sleep: Callable[[float], None] = time.sleep


class Caller:
    """Requests to one outside service. What can be repeated is tried again where that may help, within one budget of time."""

    def __init__(self, service: Service, patience: Patience) -> None:
        self.service = service
        self._patience = patience
        self._client = Client(service.base_url, headers=service.headers)
        self._redactor = Redactor([*service.secrets, *(value.split()[-1] for value in service.headers.values() if value)])

    def get(self, path: str, query: Query = ()) -> Answer:
        """Read. Raises the subclass of IntegrationFailed that says why not."""
        return self._asked("GET", _with(path, query), None, is_repeatable=True)

    def send(self, method: str, path: str, body: object = None, *, query: Query = (), is_repeatable: bool = False) -> Answer:
        """Change something. Without `is_repeatable` it is sent again only where the service says that it did nothing (429)."""
        return self._asked(method, _with(path, query), body, is_repeatable=is_repeatable)

    def _asked(self, method: str, path: str, body: object, *, is_repeatable: bool) -> Answer:
        end = self._patience.clock.monotonic() + self._patience.budget_s
        for number in range(1, self._patience.tries + 1):
            fault = self._tried(method, path, body, end)
            if isinstance(fault, Answer):
                return fault
            wait = self._wait(fault, number, is_repeatable=is_repeatable)
            if wait is None or number == self._patience.tries or self._patience.clock.monotonic() + wait >= end:
                raise fault
            self._patience.sleep(wait)
        raise AssertionError  # pragma: no cover -- the last try returns or raises

    def _tried(self, method: str, path: str, body: object, end: float) -> Answer | IntegrationFailed:
        left = max(0.05, end - self._patience.clock.monotonic())
        try:
            found = self._client.request(method, path, json=body, timeout_s=left)
        except TargetUnreachable as fault:
            return ServiceBroken(f"{self.service.name}: {self._redactor.text(fault.what)}", hint="See its status page.")
        if found.status >= _REDIRECTS:
            return self._fault(found)
        if not found.body.strip():
            return Answer(found.status, None, found.headers)
        try:
            return Answer(found.status, found.json(), found.headers, found.body.decode("utf-8", "replace"))
        except IntegrationFailed:
            return Answer(found.status, None, found.headers, found.body.decode("utf-8", "replace"))

    def _fault(self, found: Response) -> IntegrationFailed:
        path = found.path.partition("?")[0]
        what = f"{self.service.name} answered {found.method} {path} with {found.status}{self._said(found)}."
        match found.status:
            case 401:
                return CredentialRefused(what, hint=f"Set a credential that is valid: {self.service.setting}.")
            case 403:
                return OperationForbidden(what, hint=f"Give the credential the right to do this: {self.service.setting}.")
            case 404 | 410:
                return NotThere(what, hint="Check the id in the configuration.")
            case 429:
                return RateLimited(what, hint="Try again later.", retry_after_s=self._retry_after(found.headers))
            case status if status >= _BROKEN:
                return ServiceBroken(what, hint="See its status page.")
            case _:
                return IntegrationFailed(what)

    def _said(self, found: Response) -> str:
        """Return what the service says about it, in its usual places or as plain text, cut and masked."""
        try:
            said = _message(found.json())
        except IntegrationFailed:
            said = _plain(found.body)
        return f": {self._redactor.text(' '.join(said.split()))[:_SAID]}" if said else ""

    def _wait(self, fault: IntegrationFailed, number: int, *, is_repeatable: bool) -> float | None:
        """Return for how long to wait before another try, None when there must be none."""
        pause = _BACKOFF_S * 2.0 ** (number - 1) * (0.5 + self._patience.dice())
        if isinstance(fault, RateLimited):
            return pause if fault.retry_after_s is None else fault.retry_after_s + pause * 0.1
        return pause if isinstance(fault, ServiceBroken) and is_repeatable else None

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Read Retry-After, in seconds or as a date; where there is none, Ratelimit-Reset, which is the same in seconds."""
        value = (headers.get("retry-after") or headers.get("ratelimit-reset", "")).strip()
        if value.isascii() and value.isdigit():
            return float(value)
        try:
            wanted: float = parsedate_to_datetime(value).timestamp() - self._patience.clock.now().timestamp()
        except (ValueError, TypeError):
            return None
        return max(0.0, wanted)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _with(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _plain(body: bytes) -> str:
    """Return a reason that is one short line, such as Slack's `invalid_payload`; a page is none, whatever type it claims."""
    said = body.decode("utf-8", "replace").strip()
    return said if len(said) <= _SAID and said.isprintable() and not {"<", "\ufffd"} & set(said) else ""


def _message(body: object) -> str:
    """Return the message of an error document: `message`, `detail`, `error`, or the first of `errors`."""
    if isinstance(body, dict):
        for key in ("message", "long_message", "detail", "error", "errors"):
            if said := _message(body.get(key)):
                return said
    if isinstance(body, list) and body:
        return _message(body[0])
    return body if isinstance(body, str) else ""
