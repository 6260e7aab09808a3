"""One request again and again over one connection, as fast as it goes: several times what the general client can."""

import http.client
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from capliquify_ops.http_client.client import MOST_BYTES, TIMEOUT_S, Response, trusted
from capliquify_ops.model.errors import TargetUnreachable


class Repeater:
    """A kept connection for reads of one path. Each thread needs one of its own."""

    def __init__(
        self, base_url: str, path: str, headers: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(base_url)
        self._base_url, self._path, self._headers, self._monotonic = base_url, path, dict(headers), monotonic
        self._target = parts.path.rstrip("/") + path
        host = parts.hostname or ""
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=trusted())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        )

    def send(self) -> Response:
        """Send the request once more, again when a kept connection was closed meanwhile. Raises TargetUnreachable."""
        started = self._monotonic()
        try:
            answer, body = self._sent()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            try:
                answer, body = self._sent()
            except (OSError, http.client.HTTPException) as error:
                said = type(error).__name__
                raise TargetUnreachable(f"{self._base_url} cannot be reached ({said}).", hint="Check base_url.") from None
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Response("GET", self._path, answer.status, headers, body, (self._monotonic() - started) * 1000)

    def _sent(self) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request("GET", self._target, headers=self._headers)
        answer = self._connection.getresponse()
        return answer, answer.read(MOST_BYTES)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
