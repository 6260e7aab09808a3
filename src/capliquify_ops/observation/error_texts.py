"""What a line of a log or the title of an error says: which known kind of error, and which names it speaks of. Never its values.

Messages of PostgreSQL are known in English; in other languages by their SQLSTATE where the line has it. What is not known is
told as that.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from capliquify_ops.observation.folding import folded

LONGEST = 8_192
"""Characters that are looked at: a line of megabytes says what it is about at its beginning."""


class Kind(StrEnum):
    """The kind of an error, as it is told."""

    DEADLOCK = "deadlock"
    SCHEMA = "missing schema"
    TABLE = "undefined table"
    COLUMN = "undefined column"
    SLOTS = "no connection slot left"
    POOL = "no connection of the pool in time"
    STATEMENT_TIMEOUT = "statement timeout"
    LOCK_TIMEOUT = "lock timeout"
    IDENTITY = "identity provider refuses by rate"
    RATE = "some service refuses by rate"
    REFUSED = "connection refused or lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What a text says: its kind, and the schema, the relation, the column or the port that it names, "" where it names none."""

    kind: Kind
    schema: str = ""
    relation: str = ""
    column: str = ""
    port: str = ""


_COLOUR = re.compile(r"(?:\x1b|\\u001b|\\x1b|\\033|\\e)\[[0-9;?]{0,20}[A-Za-z]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ESCAPED_QUOTE = re.compile(r'\\{1,4}"')
# No name has the sign of an address. A quote within a name is followed by more of it.
_SIGN = r"(?:[^\"@\n]|\"(?=[^\s,;:.)\"]))"
_MESSAGES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.DEADLOCK, re.compile(r"\bdeadlock detected\b|\bDeadlockDetected\b|\b40P01\b", re.IGNORECASE)),
    (
        Kind.SCHEMA,
        re.compile(rf"\bschema \"(?P<schema>{_SIGN}{{1,63}})\" does not exist|\bInvalidSchemaName\b|(?<![\w-])3F000(?![\w-])"),
    ),
    (
        Kind.COLUMN,
        re.compile(
            rf"\bcolumn \"(?P<column>{_SIGN}{{1,63}})\" of relation \"(?P<relation>{_SIGN}{{1,63}})\" does not exist"
            rf"|\bcolumn (?:\"(?P<quoted>{_SIGN}{{1,63}})\"|(?:\w{{1,63}}\.)?(?P<plain>\w{{1,63}})) does not exist"
            r"|\bUndefinedColumn\b"
        ),
    ),
    (
        Kind.TABLE,
        re.compile(rf"\brelation \"(?P<relation>{_SIGN}{{1,127}})\" does not exist|\bUndefinedTable\b|(?<![\w-])42P01(?![\w-])"),
    ),
    (
        Kind.SLOTS,
        re.compile(
            r"remaining connection slots are reserved|too many clients already|too many connections for (?:role|database)"
            r"|no more connections allowed|\bTooManyConnections\b",
            re.IGNORECASE,
        ),
    ),
    (
        Kind.POOL,
        re.compile(
            r"\bPoolTimeout\b|couldn't get a connection after|timeout exceeded when trying to connect|QueuePool limit of size"
            r"|Timed out fetching a new connection|Timeout acquiring a connection|\bquery_wait_timeout\b",
            re.IGNORECASE,
        ),
    ),
    (Kind.STATEMENT_TIMEOUT, re.compile(r"canceling statement due to statement timeout", re.IGNORECASE)),
    (
        Kind.LOCK_TIMEOUT,
        re.compile(
            r"canceling statement due to lock timeout|could not obtain lock on|\bLockNotAvailable\b|(?<![\w-])55P03(?![\w-])"
        ),
    ),
)
"""Looked for in this order: what says most comes first."""
_STATE = re.compile(
    r"(?:\b(?i:sql_?state|err_?code|code|error|fatal|panic)|\b[A-Z][a-z]{1,30}[A-Z]\w{1,40})[^\w\n]{1,6}(?P<after>57014|42703|53300)(?!\w)"
    r"|(?<!\w)(?P<before>57014|42703|53300)[^\w\n]{1,4}(?:ERROR|FATAL|PANIC)\b"
)
"""SQLSTATEs of digits alone count only beside a word that says so: else they are somebody's number."""
_STATES = {"57014": Kind.STATEMENT_TIMEOUT, "42703": Kind.COLUMN, "53300": Kind.SLOTS}
_CANCELLED = re.compile(r"canceling statement due to", re.IGNORECASE)
_REFUSED = re.compile(
    r"connection refused|\bECONNREFUSED\b|server closed the connection unexpectedly|connection terminated unexpectedly"
    r"|the database system is (?:starting up|shutting down|in recovery mode)|terminating connection due to administrator command"
    r"|(?<![\w-])57P0[123](?![\w-])|database unavailable",
    re.IGNORECASE,
)
_PORT = re.compile(r"\bport (?P<spoken>\d{1,5})\b|\bECONNREFUSED [^\s:]{0,60}:(?P<port>\d{1,5})\b", re.IGNORECASE)
_BY_RATE = re.compile(r"too many requests|\brate.?limit", re.IGNORECASE)
_429 = re.compile(r"(?<![\w.-])429(?![\w.-])")
_OWN_ANSWER = re.compile(r"HTTP/\d(?:\.\d)?\" 429|rate_limit_exceeded")
"""How servers log that they answered 429 to somebody: the service's own limit, which is no error of it."""
_PROVIDER = re.compile(r"clerk|jwks|identity provider|session verification|auth0|okta|cognito", re.IGNORECASE)
_PROCESS = re.compile(
    r"^\s{0,20}Process \d{1,10}: (?P<statement>"
    r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|LOCK|ALTER|CREATE|DROP|TRUNCATE|CALL)\b.*)$",
    re.MULTILINE | re.IGNORECASE,
)
"""Only what begins as a statement: a value with line breaks in it must not be taken for one."""
_WAITS = re.compile(r"Process \d{1,10} waits for \w{1,40} on [^;\n]{1,120}; blocked by process \d{1,10}")


def read_error_text(text: str) -> ErrorText:
    """Return what a text says. Any text is taken: coloured, JSON, with zero bytes, of any length."""
    plain = _plain(text)
    for kind, pattern in _MESSAGES:
        if found := pattern.search(plain):
            return _named(kind, found.groupdict(""))
    if kind_of_state := _state(plain):
        return ErrorText(kind_of_state)
    if _REFUSED.search(plain):
        port = _PORT.search(plain)
        return ErrorText(Kind.REFUSED, port=(port["spoken"] or port["port"]) if port else "")
    return ErrorText(_by_rate(plain))


def deadlock_lines(text: str, schemas: Iterable[str] = ()) -> tuple[str, ...]:
    """Return who waited for whom and with which statements, folded, as far as a server's text about a deadlock tells it."""
    plain, own = _plain(text), tuple(schemas)
    waits = (found[0] for found in _WAITS.finditer(plain))
    return (*waits, *(folded(found["statement"], own) for found in _PROCESS.finditer(plain)))


def _plain(text: str) -> str:
    """Return the beginning of a text without colours, without what cannot be seen, and without the escapes of JSON."""
    short = _ESCAPED_QUOTE.sub('"', text[:LONGEST]).replace("\\n", "\n").replace("\\t", "\t")
    return _CONTROL.sub("", _COLOUR.sub("", short))


def _named(kind: Kind, names: dict[str, str]) -> ErrorText:
    """Return the names of a message. What stands before a column is mostly a short name of one statement: it is left out."""
    column = names.get("column") or names.get("quoted") or names.get("plain") or ""
    relation = names.get("relation", "")
    if kind is Kind.COLUMN:
        return ErrorText(kind, relation=relation, column=column)
    schema, _, table = relation.rpartition(".")
    return ErrorText(kind, schema=names.get("schema", schema), relation=table)


def _state(plain: str) -> Kind | None:
    """Return the kind of a SQLSTATE that is a number; not where the text itself says that a person cancelled the statement."""
    if _CANCELLED.search(plain):
        return None
    if found := _STATE.search(plain):
        return _STATES[found["after"] or found["before"]]
    return Kind.STATEMENT_TIMEOUT if "QueryCanceled" in plain else None


def _by_rate(plain: str) -> Kind:
    """Return whose 429 it is: the identity provider's where the text names it, somebody else's, or the service's own answer."""
    says_number, says_words = bool(_429.search(plain)), bool(_BY_RATE.search(plain))
    if _OWN_ANSWER.search(plain) or not (says_number or says_words):
        return Kind.UNKNOWN
    if _PROVIDER.search(plain):
        return Kind.IDENTITY
    return Kind.RATE if says_number and says_words else Kind.UNKNOWN
