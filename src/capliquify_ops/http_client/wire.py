"""One request on a connection of its own: sent in parts, read slowly, cut off at any moment."""

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Self
from urllib.parse import urlsplit

from capliquify_ops.http_client.client import MOST_BYTES, TIMEOUT_S, Json, Response, other_name, trusted
from capliquify_ops.model.errors import TargetUnreachable

SMALL_BUFFER = 4096
"""Bytes that a slow reader takes before the server has to wait for it."""
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """A request that goes out as far as it is told to. Connects at once; raises TargetUnreachable wherever it fails.

    `line_end` and `head_end` are where the request line and the head end, `length` is the whole of it, in bytes.
    """

    def __init__(
        self,
        base_url: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        json_body: Json = None,
        content: bytes | None = None,
        is_slow: bool = False,
        timeout_s: float = TIMEOUT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        body = content if content is not None else b"" if json_body is None else json.dumps(json_body).encode()
        self.base_url, self._method, self._path, self._monotonic = base_url, method, path, monotonic
        self._bytes, self.line_end, self.head_end = _request(base_url, method, path, headers, body)
        self.length = len(self._bytes)
        self._sent = 0
        self._answer: http.client.HTTPResponse | None = None
        self._first = b""
        self._started = monotonic()
        self._host = other_name(base_url, headers) or urlsplit(base_url).hostname
        self._socket = self._connected(timeout_s, is_slow=is_slow)

    def _connected(self, timeout_s: float, *, is_slow: bool) -> socket.socket:
        parts = urlsplit(self.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = socket.create_connection((parts.hostname or "", port), timeout_s)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if is_slow:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            return trusted().wrap_socket(found, server_hostname=self._host) if parts.scheme == "https" else found
        except OSError as error:
            raise self._unreachable(error) from None

    def send(self, until: int | None = None) -> None:
        """Send the request up to a byte, to its end without one; what was sent is not sent again."""
        end = self.length if until is None else until
        try:
            self._socket.sendall(self._bytes[self._sent : end])
        except OSError as error:
            raise self._unreachable(error) from None
        self._sent = max(self._sent, end)

    def begin(self) -> int:
        """Read the head of the answer and one byte of its body; return the status."""
        try:
            self._answer = http.client.HTTPResponse(self._socket, method=self._method)
            self._answer.begin()
            self._first = self._answer.read(1)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        return self._answer.status

    def answer(self) -> Response:
        """Read the answer, or what is left of it, and close the connection."""
        if self._answer is None:
            self.begin()
        assert self._answer is not None
        try:
            body = self._first + self._answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            self.close()
        headers = {name.lower(): value for name, value in self._answer.getheaders()}
        elapsed = (self._monotonic() - self._started) * 1000
        return Response(self._method, self._path, self._answer.status, headers, body, elapsed)

    def cut(self) -> None:
        """Reset the connection as a client does that is gone: the server is told at once."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection. May be called again."""
        if self._answer is not None:
            self._answer.close()
        self._socket.close()

    def fileno(self) -> int:
        """Return the socket's number, for `await_answers`."""
        return self._socket.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unreachable(self, error: Exception) -> TargetUnreachable:
        said = f"did not answer {self._method} {self._path} in time" if isinstance(error, TimeoutError) else "hung up"
        return TargetUnreachable(f"{self.base_url} {said} ({type(error).__name__}).", hint="Is it running?")


def await_answers(
    wires: Sequence[Wire], seconds: float, *, wanted: int | None = None, monotonic: Callable[[], float] = time.monotonic
) -> bool:
    """Wait until so many of these requests, all without a number, are being answered; False when time was up before."""
    end, waiting = monotonic() + seconds, list(wires)
    enough = len(wires) if wanted is None else wanted
    while len(wires) - len(waiting) < enough:
        # Any number may wait: select() ends at descriptor 1,024.
        ready = frozenset(wait([wire.fileno() for wire in waiting], max(0.0, end - monotonic())))
        if not ready:
            return False
        waiting = [wire for wire in waiting if wire.fileno() not in ready]
    return True


def _request(base_url: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[bytes, int, int]:
    """Return the bytes of a request, and where its first line and its head end."""
    parts = urlsplit(base_url)
    line = f"{method} {parts.path.rstrip('/')}{path} HTTP/1.1\r\n"
    named = {"Host": parts.netloc.rpartition("@")[2], "Accept": "*/*", "Connection": "close"}
    if body:
        named |= {"Content-Type": "application/json"}
    if body or method in {"POST", "PUT", "PATCH"}:
        named |= {"Content-Length": str(len(body))}
    text = "".join(f"{name}: {value}\r\n" for name, value in (named | dict(headers)).items())
    head = f"{line}{text}\r\n".encode("latin-1")
    return head + body, len(line), len(head)
