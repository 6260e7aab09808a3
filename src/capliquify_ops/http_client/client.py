"""A client for one base address. It never follows a redirect: an answer from another host is not the target's."""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from capliquify_ops.model.errors import IntegrationFailed, TargetUnreachable

TIMEOUT_S = 10.0
"""A health check of the runbook gives up sooner; nothing that we ask takes longer on a working service."""
MOST_BYTES = 16 * 1024 * 1024
"""More than this of one answer is not read: a misbehaving target must not fill our memory."""

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*")
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
Json = object


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `elapsed_ms` counts from sending to the last byte; header names are lower case."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed_ms: float = 0.0

    def json(self) -> Json:
        """Return the body as JSON. Raises IntegrationFailed when it is something else, such as an HTML page."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no content type")
            raise IntegrationFailed(
                f"{self.method} {self.path} answered {self.status} with {kind}, not JSON.", hint="Check base_url."
            ) from None


LONGEST_ANSWER_S = 60.0
"""An answer that trickles for longer would hold up whoever asked for ever: no time-out of a single step ends it."""


@cache
def trusted() -> ssl.SSLContext:
    """Return what certificates are checked with: to read it takes longer than most requests, so it is read once."""
    return httpx.create_ssl_context(trust_env=False)


def other_name(base_url: str, headers: Mapping[str, str]) -> str:
    """Return the host that a TLS connection is opened for where a request names another one than the address, else ""."""
    parts = urlsplit(base_url)
    name = headers.get("Host", "").partition(":")[0].lower()
    return name if parts.scheme == "https" and name != parts.hostname and _HOST_NAME.fullmatch(name) else ""


class Client:
    """Requests to one base address, safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        connections: int = 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url
        self._monotonic = monotonic
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._new = partial(
            httpx.Client,
            base_url=base_url,
            headers=dict(headers or {}),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=trusted(),
            limits=limits,
        )
        self._client = self._new()
        self._by_host: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Json = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """Send one request and read the whole answer, each step of it within `timeout_s` where that is given.

        Of an event stream, which does not end, the first piece. Raises TargetUnreachable, IntegrationFailed.
        """
        started = self._monotonic()
        try:
            timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
            request = self._client.build_request(
                method, path, json=json, content=content, headers=dict(headers or {}), timeout=timeout
            )
            answer = self._sent(request)
            try:
                body = self._read(answer, method, path)
            finally:
                answer.close()
        except httpx.TimeoutException:
            raise TargetUnreachable(f"{self.base_url} did not answer {method} {path} in time.", hint="Is it running?") from None
        except httpx.DecodingError:
            raise IntegrationFailed(
                f"{method} {path} answered with a body that cannot be decoded.", hint="Check base_url."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None
        elapsed = (self._monotonic() - started) * 1000
        return Response(method, path, answer.status_code, dict(answer.headers), body, elapsed)

    def _unreachable(self, error: Exception) -> TargetUnreachable:
        # httpx names httpcore's error as the cause, which has the origin as its context; what went wrong earlier lies behind.
        origin = error.__cause__.__context__ if error.__cause__ else None
        if isinstance(origin, ssl.SSLCertVerificationError):
            why = f"{self.base_url} shows a certificate that does not hold: {origin.verify_message}."
            return TargetUnreachable(why, hint="Give the service one of an authority that is trusted; it is always checked.")
        return TargetUnreachable(f"{self.base_url} cannot be reached ({type(error).__name__}).", hint="Check base_url.")

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """Send a request, a reading one again where the server closed a kept connection at that moment (RFC 9110, 9.2.2)."""
        client = self._client_for(request)
        try:
            return client.send(request, stream=True)
        except httpx.RemoteProtocolError:
            if request.method not in _REPEATABLE:
                raise
            return client.send(request, stream=True)

    def _client_for(self, request: httpx.Request) -> httpx.Client:
        """Return the client for a request's Host; over TLS each host but our own has its connections, opened in its name."""
        name = other_name(self.base_url, request.headers)
        if not name:
            return self._client
        request.extensions = {**request.extensions, "sni_hostname": name}
        with self._lock:
            return self._by_host.setdefault(name, self._by_host.get(name) or self._new())

    def _read(self, answer: httpx.Response, method: str, path: str) -> bytes:
        body, end = bytearray(), self._monotonic() + LONGEST_ANSWER_S
        is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
        for chunk in answer.iter_bytes():
            body += chunk
            if is_stream:
                break
            if self._monotonic() > end:
                message = f"{method} {path} did not end its answer within {LONGEST_ANSWER_S:g} s."
                raise TargetUnreachable(message, hint="Is it a stream? Then its route is of the surface events.")
            if len(body) > MOST_BYTES:
                raise IntegrationFailed(f"{method} {path} answered more than {MOST_BYTES} bytes.", hint="Check base_url.")
        return bytes(body)

    def read_until(
        self, path: str, is_enough: Callable[[bytes], bool], *, headers: Mapping[str, str], seconds: float
    ) -> Response:
        """GET a stream and read it until `is_enough(body)`, its end, or a time; return what had come by then.

        A stream that says nothing is left after so many seconds. Raises TargetUnreachable where no answer begins.
        """
        started = self._monotonic()
        body = bytearray()
        try:
            answer = self._sent(self._client.build_request("GET", path, headers=dict(headers), timeout=seconds))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetUnreachable(f"{self.base_url}{path} gave no stream ({type(error).__name__}).") from None
        try:
            with suppress(httpx.HTTPError):
                for piece in answer.iter_bytes():
                    body += piece
                    if is_enough(bytes(body)) or len(body) > MOST_BYTES or self._monotonic() - started > seconds:
                        break
        finally:
            answer.close()
        elapsed = (self._monotonic() - started) * 1000
        return Response("GET", path, answer.status_code, dict(answer.headers), bytes(body), elapsed)

    def require_same_host(self, answer: Response) -> Response:
        """Refuse a redirect that leads to another host. Raises IntegrationFailed."""
        location = answer.headers.get("location", "")
        host = urlsplit(location).netloc
        if location and host and host != urlsplit(self.base_url).netloc:
            raise IntegrationFailed(f"{self.base_url} redirects to another host, {host}.", hint="Set base_url to that.")
        return answer

    def close(self) -> None:
        """Close all connections."""
        for client in (self._client, *self._by_host.values()):
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
