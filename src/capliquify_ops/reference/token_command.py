"""The identity command's protocol: a document in, a document out (`{"requests": [...]}` or `{"forget": RUN}`)."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.protocols import Clock, TokenRequest, TokenVariant
from capliquify_ops.reference import tokens

_EXPECTED = (
    'Expected: {"requests": [{"user_id", "email", "organization_id", "role", "variant", "ensure", "lasting_s", "claims"}]}'
    ' or {"forget": "RUN"}'
)
_TEXTS = ("user_id", "email", "organization_id", "role")
_KNOWN = frozenset(field.name for field in fields(TokenRequest)) | {"claims"}
_MOST_CHARACTERS = 255


def answer(document: bytes, run_folder: Path, clock: Clock) -> bytes:
    """Do what a document asks for and return the answer's JSON. Raises UsageError for a document of another shape.

    A variant that is not known here is answered with null, as the protocol says, and not with an error.
    """
    asked = _parsed(document)
    match asked:
        case {"requests": list(rows), **others} if not others:
            requests = [_request(row, at) for at, row in enumerate(rows)]
            claims = [_claims(row, at) for at, row in enumerate(rows)]
            return _line({"tokens": _tokens(requests, claims, run_folder, clock)})
        case {"forget": str(run), **others} if not others:
            return _line({"forgotten": tokens.forget(run_folder, run)})
        case _:
            raise UsageError("The document on standard input asks for nothing known.", hint=_EXPECTED)


def _tokens(
    requests: list[TokenRequest | None], claims: list[Mapping[str, object]], run_folder: Path, clock: Clock
) -> list[str | None]:
    made = iter(tokens.make_tokens(run_folder, [request for request in requests if request], clock))
    found = [next(made) if request else None for request in requests]
    pairs = zip(found, claims, strict=True)
    return [tokens.overlaid(run_folder, token, over) if token and over else token for token, over in pairs]


def _claims(row: object, at: int) -> Mapping[str, object]:
    claims = row.get("claims", {}) if isinstance(row, dict) else {}
    if not isinstance(claims, dict):
        raise UsageError(f"requests[{at}].claims must be an object.", hint=_EXPECTED)
    return claims


def _parsed(document: bytes) -> object:
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        raise UsageError("Standard input is not JSON.", hint=_EXPECTED) from None


def _request(row: object, at: int) -> TokenRequest | None:
    if not isinstance(row, dict) or not row.keys() <= _KNOWN or not row.keys() >= set(_TEXTS):
        raise UsageError(f"requests[{at}] does not have the fields of a request.", hint=_EXPECTED)
    for name in _TEXTS:
        if not _is_text(row[name]):
            raise UsageError(f"requests[{at}].{name} must be text of at most {_MOST_CHARACTERS} characters.", hint=_EXPECTED)
    ensure, variant = row.get("ensure", False), row.get("variant", TokenVariant.VALID.value)
    lasting_s = row.get("lasting_s", 0)
    if not isinstance(ensure, bool) or not isinstance(variant, str) or not isinstance(lasting_s, int):
        raise UsageError(f"requests[{at}]: ensure is true or false, variant is text, lasting_s whole seconds.", hint=_EXPECTED)
    if not row["user_id"]:
        raise UsageError(f"requests[{at}].user_id is empty.", hint=_EXPECTED)
    if variant not in set(TokenVariant):
        return None
    user, email, organization, role = (str(row[name]) for name in _TEXTS)
    return TokenRequest(user, email, organization, role, TokenVariant(variant), ensure, lasting_s)


def _is_text(value: object) -> bool:
    """JSON can carry halves of surrogate pairs, which no file and no URL can."""
    return isinstance(value, str) and len(value) <= _MOST_CHARACTERS and not any("\ud800" <= each <= "\udfff" for each in value)


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode() + b"\n"
