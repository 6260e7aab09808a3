"""Tokens signed here, with a key of the deployment's test environment."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

import jwt

from capliquify_ops.identity_providers.tampering import tampered
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.protocols import Clock, TokenRequest, TokenVariant

LIFE = timedelta(minutes=15)
"""Longer than any suite takes; short enough that a token left in a log is soon worthless."""


class JwtTokens:
    """Signs tokens with a PEM key. Options: algorithm (RS256), key_id, issuer, authorized_party, claims (more of them)."""

    def __init__(self, key: str, options: Mapping[str, object], clock: Clock) -> None:
        claims = options.get("claims", {})
        if not isinstance(claims, Mapping):
            raise ConfigurationInvalid("identity.claims must be a table.")
        self._key = key
        self._algorithm = str(options.get("algorithm", "RS256"))
        self._headers = {"kid": str(options["key_id"])} if "key_id" in options else {}
        named = {"iss": options.get("issuer"), "azp": options.get("authorized_party")}
        self._claims = {**claims, **{name: value for name, value in named.items() if value}}
        self._clock = clock

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return one token for each request; foreign environments and signed out sessions cannot be made with one key."""
        return [self._token(request) for request in requests]

    def signed(self, request: TokenRequest, claims: Mapping[str, object]) -> str | None:
        """Return a valid session's token with these claims over its own."""
        return self._token(request, claims)

    def forget(self, run: str) -> None:
        """Nothing was made, so nothing is removed."""

    def _token(self, request: TokenRequest, over: Mapping[str, object] = MappingProxyType({})) -> str | None:
        if request.variant in {TokenVariant.FOREIGN_ENVIRONMENT, TokenVariant.SIGNED_OUT, TokenVariant.PLATFORM_ADMIN}:
            return None
        life = max(LIFE, timedelta(seconds=request.lasting_s))
        start = self._clock.now() - (life * 2 if request.variant is TokenVariant.EXPIRED else timedelta(seconds=1))
        session = hashlib.sha256(f"{request.user_id} {request.organization_id} {start}".encode()).hexdigest()[:24]
        claims = {**self._claims, "sub": request.user_id, "sid": f"sess_{session}", "org_id": request.organization_id}
        times = {"iat": start, "nbf": start, "exp": start + life}
        try:
            token = jwt.encode({**claims, **times, **over}, self._key, algorithm=self._algorithm, headers=self._headers)
        except (jwt.PyJWTError, ValueError, NotImplementedError, TypeError):
            raise ConfigurationInvalid(f"identity.key_file holds no usable {self._algorithm} key.") from None
        return tampered(token) if request.variant is TokenVariant.TAMPERED else token
