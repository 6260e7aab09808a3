"""A request that is sent twice under one key is done once. The key's row is written in the transaction of what it stands for."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.gate import Visit
from capliquify_ops.reference.service.refusals import Refusal, malformed, success
from capliquify_ops.reference.service.store import Query

HEADER = "idempotency-key"
_MOST_CHARACTERS = 200
_PURGE: LiteralString = "DELETE FROM reference_service.idempotency WHERE created_at < now() - interval '24 hours'"
# A second request of the same key waits here until the first one has ended, either way.
_CLAIM: LiteralString = """
INSERT INTO reference_service.idempotency (key, request) VALUES (%(key)s, %(request)s)
ON CONFLICT (tenant_id, key) DO NOTHING RETURNING true
"""
_KNOWN: LiteralString = "SELECT request, answer FROM reference_service.idempotency WHERE key = %(key)s"
_KEEP: LiteralString = "UPDATE reference_service.idempotency SET answer = %(answer)s WHERE key = %(key)s RETURNING answer"

Work = Callable[[Visit], Awaitable[Response]]


class _Remembered(Visit):
    """A visit whose last statement also stores its answer."""

    __slots__ = ()

    async def finish(self, query: Query, parameters: dict[str, object]) -> str | None:
        """As for any visit; without a row nothing is kept, and the key stays free."""
        row = await self.transaction.first(query, parameters)
        if row is None or row[0] is None:
            return None
        return await self.transaction.finish(_KEEP, {"key": self.request.headers[HEADER], "answer": row[0]})


def idempotent(status: int) -> Callable[[Work], Work]:
    """Makes the work of a POST answer a repeated key with what it answered first, and refuse the key for anything else."""

    def decorate(work: Work) -> Work:
        @wraps(work)
        async def once(visit: Visit) -> Response:
            values = visit.request.headers.getlist(HEADER)
            if not values:
                return await work(visit)
            return await _once(visit, values, work, status)

        return once

    return decorate


async def _once(visit: Visit, values: list[str], work: Work, status: int) -> Response:
    if len(values) > 1 or not 1 <= len(values[0]) <= _MOST_CHARACTERS:
        raise malformed(f"Idempotency-Key must be sent once, with 1 to {_MOST_CHARACTERS} characters.")
    request = f"{visit.request.method} {visit.request.url.path}\n".encode("utf-8", "surrogateescape") + visit.body
    claim = {"key": values[0], "request": hashlib.sha256(request).digest()}
    await visit.transaction.queue(_PURGE, {})
    if await visit.transaction.first(_CLAIM, claim) is not None:
        return await work(_Remembered(visit.service, visit.request, visit.session, visit.transaction, visit.body))
    known = await visit.transaction.first(_KNOWN, claim)
    if known is None or known[0] != claim["request"] or known[1] is None:
        raise Refusal(422, "idempotency_key_reused", "This Idempotency-Key stands for another request; use a new one.")
    return success(known[1], status)
