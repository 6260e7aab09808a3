"""Whether a session token holds, decided here from the instance's public keys: no request is made and no clock is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from capliquify_ops.integrations.clerk_records import SigningKey
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.secret import Secret

LEEWAY = timedelta(seconds=5)
"""Clocks of two machines differ; Clerk's own libraries allow the same."""
_ALGORITHMS = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a token says, where its signature holds, and why it is refused ("" when it is not)."""

    why: str
    user_id: str | None = None
    session_id: str | None = None
    organization_id: str | None = None
    expires_at: datetime | None = None

    @property
    def is_valid(self) -> bool:
        """Whether nothing speaks against the token."""
        return not self.why


def verify_offline(
    token: Secret, keys: Sequence[SigningKey], now: datetime, authorized_parties: Sequence[str] = ()
) -> Verification:
    """Check signature, times and, where parties are given, who asked for the token (`azp`).

    The algorithm is the key's, never the token's. Raises ConfigurationInvalid without pyjwt and cryptography, IntegrationFailed
    when the key itself cannot be used.
    """
    try:
        import cryptography  # noqa: F401, PLC0415 -- an extra, as the next: all other operations do without them
        import jwt  # noqa: PLC0415

        headers = jwt.get_unverified_header(token.reveal())
    except ImportError:
        raise _no_packages() from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        return Verification("it is not a signed token")
    key = next((each for each in keys if each.id == headers.get("kid")), None)
    if key is None:
        return Verification("no key of the instance signed it")
    claims = _claims(token, key)
    return Verification("its signature does not hold") if claims is None else _judged(claims, now, authorized_parties)


def _no_packages() -> ConfigurationInvalid:
    what = "No token can be verified: pyjwt and cryptography are not installed."
    return ConfigurationInvalid(what, hint="pip install 'capliquify-ops[suites]'")


def _claims(token: Secret, key: SigningKey) -> Mapping[str, object] | None:
    """Return the claims of a token that this key signed. Times are judged by the clock that was given, not by the package's."""
    import jwt  # noqa: PLC0415

    if key.algorithm not in _ALGORITHMS[key.kind]:
        raise IntegrationFailed(f"Clerk's signing key {key.id} is for {key.algorithm}, which is no signature of its kind.")
    options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_sub", "verify_jti"), False)
    try:
        public = jwt.PyJWK.from_dict({**key.parts, "kty": key.kind, "alg": key.algorithm}, key.algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise IntegrationFailed(f"Clerk's signing key {key.id} cannot be used.") from None
    try:
        found: Mapping[str, object] = jwt.decode(token.reveal(), public.key, algorithms=[key.algorithm], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return found


def _judged(claims: Mapping[str, object], now: datetime, authorized_parties: Sequence[str]) -> Verification:
    end, start = _moment(claims.get("exp"), now), _moment(claims.get("nbf"), now)
    user, session = _text(claims.get("sub")), _text(claims.get("sid"))
    why = ""
    if end is None or user is None or session is None:
        why = "it names no user, no session or no end"
    elif now >= end + LEEWAY:
        why = "it has expired"
    elif start is not None and now < start - LEEWAY:
        why = "its time has not come"
    elif authorized_parties and claims.get("azp") not in authorized_parties:
        why = "another party asked for it"
    return Verification(why, user, session, _organization(claims), end)


def _organization(claims: Mapping[str, object]) -> str | None:
    """Return the active organisation: `org_id` in tokens of version 1, `o.id` in those of version 2."""
    inner = claims.get("o")
    return _text(claims.get("org_id")) or (_text(inner.get("id")) if isinstance(inner, dict) else None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object, now: datetime) -> datetime | None:
    """Return a NumericDate (RFC 7519) in the zone of `now`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, now.tzinfo)
    except (OverflowError, ValueError, OSError):
        return None
