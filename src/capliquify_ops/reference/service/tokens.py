"""Session tokens: RS256 verification against a local key set, cached by the token's digest until it expires.

Sign-out is not decided here: a cached signature says nothing about a session's end, so the database is asked each time.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jwt
from jwt import PyJWK

LEEWAY_S = 2
"""Clocks of the issuer and this host may differ by this much; never more than 5 s."""
MAX_TOKEN_BYTES = 8192
"""Longer than any session token that an identity provider issues; bounds the work on garbage."""
CACHE_ENTRIES = 10_000
_REQUIRED = ["iss", "sub", "sid", "azp", "iat", "nbf", "exp"]


class TokenInvalid(Exception):
    """The token does not prove a session; the text is a short stable reason for the audit log, never the token."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a verified token says: the user, the session, the organisation if any, and until when."""

    user: str
    session: str
    organization: str | None
    is_platform_admin: bool
    expires_at: int


class KeySet:
    """The public keys by key id, read again when the file changes and an unknown id comes in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at_ns = 0
        self._keys: dict[str, PyJWK] = {}
        self._reload()

    def find(self, key_id: object) -> PyJWK | None:
        """The key of that id, or None."""
        if not isinstance(key_id, str):
            return None
        if key_id not in self._keys and self._path.stat().st_mtime_ns != self._read_at_ns:
            self._reload()
        return self._keys.get(key_id)

    def _reload(self) -> None:
        self._read_at_ns = self._path.stat().st_mtime_ns
        entries = json.loads(self._path.read_text(encoding="utf-8"))["keys"]
        # An entry of another type must not become a way to present another algorithm.
        self._keys = {entry["kid"]: PyJWK(entry, algorithm="RS256") for entry in entries if entry.get("kty") == "RSA"}


class TokenVerifier:
    """Verifies tokens of one issuer for one authorised party."""

    def __init__(self, keys: KeySet, issuer: str, authorized_party: str, now: Callable[[], float]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._authorized_party = authorized_party
        self._now = now
        self._verified: dict[bytes, Session] = {}

    def verify(self, token: str) -> Session:
        """The session that the token proves; TokenInvalid when it proves none."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is not None and self._now() < known.expires_at:
            return known
        self._verified.pop(digest, None)
        session = self._verify_afresh(token)
        if len(self._verified) >= CACHE_ENTRIES:
            self._forget()
        self._verified[digest] = session
        return session

    def _verify_afresh(self, token: str) -> Session:
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenInvalid("too_long")
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise TokenInvalid("unknown_key")
            claims = jwt.decode(
                token, key, algorithms=["RS256"], issuer=self._issuer, leeway=LEEWAY_S, options={"require": _REQUIRED}
            )
        except jwt.ExpiredSignatureError:
            raise TokenInvalid("expired") from None
        except (jwt.PyJWTError, ValueError):
            raise TokenInvalid("not_verified") from None
        return self._session(claims)

    def _session(self, claims: dict[str, object]) -> Session:
        if claims["azp"] != self._authorized_party:
            raise TokenInvalid("other_party")
        user, session, organization, expires_at = claims["sub"], claims["sid"], claims.get("org_id"), claims["exp"]
        if not (isinstance(user, str) and user and isinstance(session, str) and session):
            raise TokenInvalid("no_session")
        if not (organization is None or (isinstance(organization, str) and organization)):
            raise TokenInvalid("no_organization")
        if "\0" in user + session + (organization or ""):
            raise TokenInvalid("not_verified")
        is_platform_admin = claims.get("platform_admin") is True and organization is None
        return Session(user, session, organization, is_platform_admin, int(str(expires_at).partition(".")[0]))

    def _forget(self) -> None:
        now = self._now()
        self._verified = {digest: session for digest, session in self._verified.items() if now < session.expires_at}
        for digest in list(self._verified)[: max(0, len(self._verified) - CACHE_ENTRIES // 2)]:
            del self._verified[digest]
