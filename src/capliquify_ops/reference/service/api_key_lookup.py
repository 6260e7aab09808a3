"""A presented API key: which tenant and member it stands for. The database knows its digest alone."""

import hashlib
from typing import LiteralString

from starlette.requests import Request

from capliquify_ops.reference.service import access
from capliquify_ops.reference.service.refusals import Refusal, malformed
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.tokens import Session

HEADER = "x-api-key"
PREFIX = "capk_"
_MOST_CHARACTERS = 200
_USE: LiteralString = "SELECT organization, clerk_user_id FROM reference_service.use_api_key(%(digest)s)"
_COMMITTED: LiteralString = "SELECT 'true'"


def digest_of(secret: str) -> bytes:
    """What is stored of a secret. Random ones need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


async def session_of_key(service: Service, request: Request) -> Session:
    """The member of the key. Refusal 401 for a key that is unknown or revoked, 403 when the header names another organisation."""
    values = request.headers.getlist(HEADER)
    if len(values) > 1 or "authorization" in request.headers:
        raise malformed("Send one credential: X-API-Key once, or Authorization.")
    session = await _session(service, values[0])
    organizations = request.headers.getlist("x-organization-id")
    if organizations not in ([], [session.organization]):
        raise access.not_a_member()
    return session


async def _session(service: Service, key: str) -> Session:
    row = None
    if key.startswith(PREFIX) and len(key) <= _MOST_CHARACTERS:
        async with service.store.transaction("", "", "") as transaction:
            row = await transaction.first(_USE, {"digest": digest_of(key)})
            await transaction.finish(_COMMITTED, {})
    if row is None:
        raise Refusal(401, "session_verification_failed", "The API key is not known or was revoked; use another.")
    organization, user = row
    # No session: nothing that is signed out ends a key, its own revocation does.
    return Session(user, "", organization, is_platform_admin=False, expires_at=0)
