"""The identity provider as this service sees it: is this user a member of this organisation, and as what."""

import asyncio
import http.client
import json
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from capliquify_ops.reference.service.access import ROLES
from capliquify_ops.reference.service.refusals import Refusal, busy

TIMEOUT_S = 3.0
_CONCURRENT = 8
_LONGEST_ANSWER = 65536


@dataclass(frozen=True, slots=True)
class Member:
    """A membership as the identity provider knows it."""

    email: str
    full_name: str
    role: str


class Directory:
    """Asks the identity provider, a bounded number of questions at a time. Used for first logins only."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = parts.scheme == "https"
        self._path = parts.path.rstrip("/")
        self._turn = asyncio.Semaphore(_CONCURRENT)

    async def member(self, organization: str, user: str) -> Member | None:
        """The membership or None; Refusal 503 identity_unavailable when the provider does not answer the question."""
        async with self._turn:
            status, retry_after, body = await asyncio.to_thread(self._ask, organization, user)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise _unavailable(retry_after)
        return _member(body)

    def _ask(self, organization: str, user: str) -> tuple[int, str | None, bytes]:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(
                "GET", f"{self._path}/organizations/{quote(organization, safe='')}/memberships/{quote(user, safe='')}"
            )
            response = connection.getresponse()
            return response.status, response.getheader("Retry-After"), response.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException):
            return 0, None, b""
        finally:
            connection.close()


def _member(body: bytes) -> Member:
    try:
        answer = json.loads(body)
        member = Member(answer["email"], answer["full_name"] or "", answer["role"])
    except (ValueError, KeyError, TypeError):
        raise _unavailable(None) from None
    if not isinstance(member.email, str) or not isinstance(member.full_name, str) or member.role not in ROLES:
        raise _unavailable(None)
    return member


def _unavailable(retry_after: str | None) -> Refusal:
    seconds = int(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else 1
    return busy(
        "identity_unavailable",
        "The identity provider cannot be asked at the moment; try again shortly.",
        max(1, min(seconds, 3600)),
    )
