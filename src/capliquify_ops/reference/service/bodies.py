"""What callers send: bodies read within a limit, JSON parsed strictly, fields checked against a table of rules."""

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from psycopg.types.json import Json
from starlette.requests import Request

from capliquify_ops.reference.service.refusals import Refusal, malformed, not_found

MAX_BODY_BYTES = 1 << 20
MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_MAX_OFFSET = 1_000_000_000
_MAX_DEPTH = 32

Kind = Literal["text", "number", "integer", "boolean", "uuid", "date", "object"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field may hold. `most` is characters of a text and the largest value of a number."""

    kind: Kind
    is_required: bool = False
    can_be_null: bool = False
    least: float = -math.inf
    most: float = math.inf
    decimals: int = 0
    choices: tuple[str, ...] = ()


Rules = Mapping[str, Rule]


async def read_body(request: Request) -> bytes:
    """The whole body; Refusal 413 beyond 1 MiB, whatever Content-Length said."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def parse_object(body: bytes) -> dict[str, object]:
    """The JSON object of a body; Refusal 400 when it is none."""
    try:
        document = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        raise Refusal(400, "invalid_json", "The body is not valid JSON; send one JSON object.") from None
    if not isinstance(document, dict):
        raise Refusal(400, "invalid_json", "The body must be one JSON object; send one.")
    return document


def check_fields(document: Mapping[str, object], rules: Rules, *, is_partial: bool = False) -> dict[str, object]:
    """The values to store; Refusal 422 naming the first field that breaks its rule. Never repeats what was sent."""
    if any(name not in rules for name in document):
        raise _invalid(f"The body has unknown fields; allowed are {', '.join(sorted(rules))}.")
    missing = [name for name, rule in rules.items() if rule.is_required and name not in document]
    if missing and not is_partial:
        raise _invalid(f"The field '{missing[0]}' is missing; send it.")
    if is_partial and not document:
        raise _invalid("The body changes nothing; send at least one field.")
    return {name: _checked(name, value, rules[name]) for name, value in document.items()}


def page_of(request: Request) -> dict[str, int]:
    """Page size `limit` (1 to 200, default 50) and offset from the query string; Refusal 400 for anything else."""
    limit = _whole(request.query_params.get("limit"), DEFAULT_LIMIT)
    offset = _whole(request.query_params.get("offset"), 0)
    if not 1 <= limit <= MAX_LIMIT or offset > _MAX_OFFSET:
        raise malformed(f"'limit' must be 1 to {MAX_LIMIT} and 'offset' 0 or more; correct them.")
    return {"limit": limit, "offset": offset}


def resource_id(request: Request) -> str:
    """The id of the path in its canonical form; a text that is no UUID is a resource that does not exist."""
    text = request.path_params["id"]
    if not _is_uuid(text):
        raise not_found()
    return str(text).lower()


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_OFFSET))):
        raise malformed("'limit' and 'offset' must be whole numbers; correct them.")
    return int(text)


def _checked(name: str, value: object, rule: Rule) -> object:
    if value is None and rule.can_be_null:
        return None
    problem = _CHECKS[rule.kind](value, rule)
    if problem is not None:
        raise _invalid(f"The field '{name}' {problem}.")
    return Json(value, dumps=_dumps) if rule.kind == "object" else value


def _text_problem(value: object, rule: Rule) -> str | None:
    if not isinstance(value, str) or not _is_storable(value):
        return "must be a text without NUL characters"
    if rule.choices and value not in rule.choices:
        return f"must be one of {', '.join(rule.choices)}"
    if len(value) > rule.most or (rule.is_required and not value.strip()):
        return f"must have 1 to {rule.most:g} characters" if rule.is_required else f"must have at most {rule.most:g} characters"
    return None


def _number_problem(value: object, rule: Rule) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return "must be a number"
    if not rule.least <= value <= rule.most:
        return f"must be between {rule.least:g} and {rule.most:.17g}"
    exponent = value.normalize().as_tuple().exponent if isinstance(value, Decimal) else 0
    if not isinstance(exponent, int) or -exponent > rule.decimals:
        return f"must have at most {rule.decimals} decimals"
    return None


def _integer_problem(value: object, rule: Rule) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "must be a whole number"
    return _number_problem(value, rule)


def _boolean_problem(value: object, _rule: Rule) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _uuid_problem(value: object, _rule: Rule) -> str | None:
    return None if isinstance(value, str) and _is_uuid(value) else "must be the id of a resource"


def _date_problem(value: object, _rule: Rule) -> str | None:
    try:
        is_date = isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_date = False
    return None if is_date else "must be a date such as 2026-01-31"


def _object_problem(value: object, _rule: Rule) -> str | None:
    return (
        None
        if isinstance(value, dict) and _is_storable(value)
        else f"must be a JSON object without NUL characters, at most {_MAX_DEPTH} levels deep"
    )


_CHECKS = {
    "text": _text_problem, "number": _number_problem, "integer": _integer_problem, "boolean": _boolean_problem,
    "uuid": _uuid_problem, "date": _date_problem, "object": _object_problem,
}  # fmt: skip


def _is_storable(value: object) -> bool:
    """PostgreSQL stores neither NUL characters nor halves of surrogate pairs; nesting beyond any use is refused too."""
    level = [value]
    for _depth in range(_MAX_DEPTH):
        texts = [item for item in level if isinstance(item, str)]
        if any("\0" in text or any("\ud800" <= character <= "\udfff" for character in text) for text in texts):
            return False
        nested = [item for item in level if isinstance(item, dict)]
        level = [part for item in level if isinstance(item, list) for part in item]
        level += [part for item in nested for pair in item.items() for part in pair]
        if not level:
            return True
    return False


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _dumps(value: object) -> str:
    return json.dumps(value, default=float)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _invalid(message: str) -> Refusal:
    return Refusal(422, "validation_failed", message)


def _too_large() -> Refusal:
    return Refusal(
        413, "body_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes; send less.", headers={"Connection": "close"}
    )
