"""Session tokens signed properly, with a key of the audit's own: who takes the key from the token believes them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

from capliquify_ops.isolation.people import parts_of
from capliquify_ops.isolation.probe import CannotTell

KEY_BITS = 2048
NOWHERE = ("no-such-key", "../../../../dev/null", "/dev/null", "' OR '1'='1")
"""Key ids that name no key: unknown, a path to an empty file, and SQL."""


def resigned(token: str, claims: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield name and text of tokens with the own claims, overlaid, under a signature of our own; nothing for other tokens.

    Raises CannotTell where the packages that sign are not installed.
    """
    header, own = parts_of(token)
    if not header or not own:
        return
    try:
        import jwt  # noqa: PLC0415 -- an extra: the other controls do without it
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    except ImportError:
        raise CannotTell(
            "No token can be signed: pyjwt and cryptography are not installed.", hint="pip install 'capliquify-ops[suites]'"
        ) from None
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    wanted = {**own, **claims}
    kid = header.get("kid")
    for name, extra in _headers(public, kid if isinstance(kid, str) else None):
        yield f"our own key, {name}", jwt.encode(wanted, key, algorithm="RS256", headers=dict(extra))
    yield "an empty key, kid /dev/null", _empty_key(wanted)


def _headers(public: Mapping[str, object], kid: str | None) -> Iterator[tuple[str, Mapping[str, object]]]:
    described = {**public, "kid": "own", "use": "sig", "alg": "RS256"}
    yield "in the header", {"jwk": described, "kid": "own"}
    yield "in the header without key id", {"jwk": dict(public)}
    if kid is not None:
        yield "in the header under the real key id", {"jwk": {**described, "kid": kid}, "kid": kid}
        yield "under the real key id", {"kid": kid}
    yield "without key id", {}
    for name in NOWHERE:
        yield f"key id {name!r}", {"kid": name}


def _empty_key(claims: Mapping[str, object]) -> str:
    header = {"alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null"}
    signed = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{_text(hmac.new(b'', signed.encode(), hashlib.sha256).digest())}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
