"""Session tokens that nobody issued: made from a valid one, without any key. Pure."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

from capliquify_ops.isolation.people import parts_of


def shuffled(token: str) -> str:
    """Return the token with two neighbouring, different letters of its middle part swapped."""
    middle = len(token) // 2
    for at in range(middle, len(token) - 1):
        if token[at] != token[at + 1] and "." not in token[at : at + 2]:
            return token[:at] + token[at + 1] + token[at] + token[at + 2 :]
    return token + "x"


def forgeries(token: str, claims: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each forgery of a JSON web token that claims something else; nothing for other tokens."""
    header, own = parts_of(token)
    if not header or not own:
        return
    signature = token.rsplit(".", 1)[1]
    wanted = _packed({**own, **claims})
    for algorithm in ("none", "None", "nOnE"):
        for ending in ("", signature):
            tail = "the old signature" if ending else "no signature"
            yield f"other claims, alg {algorithm}, {tail}", f"{_packed({**header, 'alg': algorithm})}.{wanted}.{ending}"
    yield "other claims, the old signature", f"{_packed(header)}.{wanted}.{signature}"
    yield "other claims, no signature", f"{_packed(header)}.{wanted}."
    for name, key in (
        ("an empty key", b""),
        ("the key id as key", str(header.get("kid", "kid")).encode()),
        ("the key 'secret'", b"secret"),
    ):
        signed = f"{_packed({**header, 'alg': 'HS256'})}.{wanted}"
        mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
        yield f"other claims, HS256 with {name}", f"{signed}.{_text(mac)}"
    yield "the own claims, alg none", f"{_packed({**header, 'alg': 'none'})}.{_packed(own)}."


def spliced(token: str, other: str) -> str:
    """Return the first token's header and claims with the other one's signature."""
    return f"{token.rsplit('.', 1)[0]}.{other.rsplit('.', 1)[-1]}"


def _packed(value: Mapping[str, object]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
