"""The migration that failed, by the words of Prisma, Alembic, Django, Flyway, golang-migrate: its statement and why. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from capliquify_ops.observation.folding import folded

_STATEMENT_LINES, _SHOWN = 20, 200
_FAILED = re.compile(
    r"\bP30(?:09|18)\b|A migration failed to apply|\bsqlalchemy\.exc\.\w+|\bdjango\.db\.utils\.\w+Error|Flyway\w*Exception"
    r"|Migration \S{1,200} failed\b|\bmigration failed\b|Dirty database version \d"
    r"|\bmigrat\w{1,10}\b[^\n]{0,80}\bfail(?:ed|ure)\b"
    r"|\bfail(?:ed|ure)\b[^\n]{0,80}\bmigrat\w{1,10}\b",
    re.IGNORECASE,
)
_RUNNERS = re.compile(r"\balembic\b|Applying [\w.]{1,200}\.\.\.|Running upgrade|prisma migrate|\bmigrat", re.IGNORECASE)
_NEEDS_RUNNER = re.compile(r"\bsqlalchemy\.exc\.\w+|\bdjango\.db\.utils\.")
_NOT_FAILED = re.compile(r"\b(?:0|no) (?:migrations? )?(?:failed|failures)\b|\bno failed migrations?\b", re.IGNORECASE)
_MIGRATIONS = (
    re.compile(r"Migration name: ([\w.-]{1,200})"),
    re.compile(r"Running upgrade (?:\w{0,80} )?-> (\w{1,80})"),
    re.compile(r"Applying ([\w.]{1,200}?)\.\.\.(?! OK)"),
    re.compile(r"Migration ([\w.-]{1,200}\.sql) failed"),
    re.compile(r"Dirty database version (\d{1,20})"),
)
_SQLSTATES = (
    re.compile(r"Database error code: ([0-9A-Z]{5})\b"),
    re.compile(r"SQL ?State {0,20}:? ([0-9A-Z]{5})\b", re.IGNORECASE),
    re.compile(r"\(SQLSTATE ([0-9A-Z]{5})\)"),
    re.compile(r"\bpsycopg2?\.errors\.(\w{1,80})"),
)
_MESSAGES = (
    re.compile(r"^(?:Database error: ?)?ERROR: +(.{1,400})"),
    re.compile(r"^Message {0,20}: (?:ERROR: )?(.{1,400})"),
    re.compile(r"\(details: (?:pq: )?(.{1,400}?)\)"),
    re.compile(r"\bsqlalchemy\.exc\.\w+: \([\w.]+\) (.{1,400})"),
    re.compile(r"\bdjango\.db\.utils\.\w+: (.{1,400})"),
)
_STATEMENTS = (
    (re.compile(r"\[SQL: (.*)"), "]"),
    (re.compile(r"^Statement {0,20}: (.*)"), ""),
    (re.compile(r"\bin line \d{1,7}: (.*?)(?: \(details:|$)"), None),
)
_NEXT_KEY = re.compile(r"^(?:SQL State|Error Code|Message|Location|Line|Caused by)\b|^\s*(?:at |-{3,}|$)")
_VALUES = (
    (re.compile(r"'[^'\n]*(?:'|$)"), "?"),
    (re.compile(r": \"[^\n]*"), ": ?"),
    (re.compile(r"=\([^)\n]*\)?"), "=(?)"),
    (re.compile(r"[^\s@<>\"]{1,100}@[^\s@<>\"]{1,100}"), "?"),
)


@dataclass(slots=True)
class Migration:
    """A migration that failed: its names, its lines, and the number of the first of them."""

    at: int
    names: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=())


def find_migration(texts: Sequence[str]) -> Migration | None:
    """Return the first migration that failed, None where none did. Values in statements and messages are left out."""
    has_runner = any(_RUNNERS.search(text) for text in texts)
    failed = (at for at, text in enumerate(texts) if _is_failure(text, has_runner=has_runner))
    first = next(failed, None)
    if first is None:
        return None
    # The tools differ in what they say before and after the failure.
    near = texts[max(0, first - _STATEMENT_LINES) : first + 2 * _STATEMENT_LINES]
    names = _found(near, _MIGRATIONS)
    lines = [
        *(f"migration {name}" for name in names[-1:]),
        *(f"statement: {each}" for each in [_statement(near)] if each),
        *(f"SQLSTATE {code}" if code.isupper() or code.isdigit() else f"error {code}" for code in _found(near, _SQLSTATES)[:1]),
        *(f"message: {_without_values(each)}" for each in _found(near, _MESSAGES)[:1]),
    ]
    return Migration(first, names[-1:], tuple(lines) or (f"the log says: {_without_values(texts[first])}",))


def _is_failure(text: str, *, has_runner: bool) -> bool:
    if not _FAILED.search(text) or _NOT_FAILED.search(text):
        return False
    return has_runner or not _NEEDS_RUNNER.search(text)


def _found(texts: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> tuple[str, ...]:
    return tuple(match[1] for text in texts for pattern in patterns if (match := pattern.search(text)))


def _statement(texts: Sequence[str]) -> str:
    for at, text in enumerate(texts):
        for pattern, end in _STATEMENTS:
            if match := pattern.search(text):
                following = () if end is None else texts[at + 1 : at + _STATEMENT_LINES]
                return _cut(folded(_joined(match[1], following, end)))
    return ""


def _joined(first: str, following: Sequence[str], end: str | None) -> str:
    """Put a statement of several lines together: up to its closing bracket, or to the next key of the report."""
    parts = [first]
    for text in following:
        if (end and parts[-1].rstrip().endswith(end)) or (not end and _NEXT_KEY.search(text)):
            break
        parts.append(text)
    found = "\n".join(parts).rstrip()
    return found.removesuffix(end) if end else found


def _without_values(text: str) -> str:
    for pattern, instead in _VALUES:
        text = pattern.sub(instead, text)
    return _cut(" ".join(text.split()))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
