"""Texts of errors by their kind: what PostgreSQL, drivers and pools say, in every dress; what is not known is told as that."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.observation.error_texts import LONGEST, ErrorText, Kind, deadlock_lines, read_error_text

NAMED = [
    ('ERROR:  relation "tenant_a.products" does not exist', ErrorText(Kind.TABLE, "tenant_a", "products")),
    ('relation "products" does not exist at character 15', ErrorText(Kind.TABLE, "", "products")),
    ('schema "tenant_abc" does not exist', ErrorText(Kind.SCHEMA, "tenant_abc")),
    ('schema "T"wo 😀" does not exist', ErrorText(Kind.SCHEMA, 'T"wo 😀')),
    ('column "margin" of relation "products" does not exist', ErrorText(Kind.COLUMN, "", "products", "margin")),
    ('column "margin" does not exist', ErrorText(Kind.COLUMN, column="margin")),
    ("column p.margin does not exist", ErrorText(Kind.COLUMN, column="margin")),
    ("connect ECONNREFUSED 10.0.0.1:6379", ErrorText(Kind.REFUSED, port="6379")),
    ('connection to server at "127.0.0.1", port 5432 failed: Connection refused', ErrorText(Kind.REFUSED, port="5432")),
]
KINDS = [
    ("deadlock detected", Kind.DEADLOCK),
    ("database unavailable: DeadlockDetected 40P01", Kind.DEADLOCK),
    ("ERROR: 40P01: whatever", Kind.DEADLOCK),
    ("database error: UndefinedTable 42P01", Kind.TABLE),
    ("psycopg.errors.UndefinedColumn", Kind.COLUMN),
    ("InvalidSchemaName", Kind.SCHEMA),
    ("ERREUR: 3F000: le schéma n'existe pas", Kind.SCHEMA),
    ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", Kind.SLOTS),
    ("FATAL: sorry, too many clients already", Kind.SLOTS),
    ('FATAL: too many connections for role "app"', Kind.SLOTS),
    ("no more connections allowed (max_client_conn)", Kind.SLOTS),
    ('{"code":"53300"}', Kind.SLOTS),
    ("database unavailable: PoolTimeout None", Kind.POOL),
    ("QueuePool limit of size 5 overflow 10 reached", Kind.POOL),
    ("timeout exceeded when trying to connect", Kind.POOL),
    ("query_wait_timeout", Kind.POOL),
    ("canceling statement due to statement timeout", Kind.STATEMENT_TIMEOUT),
    ("database unavailable: QueryCanceled 57014", Kind.STATEMENT_TIMEOUT),
    ("QueryCanceled", Kind.STATEMENT_TIMEOUT),
    ("SQLSTATE[57014]", Kind.STATEMENT_TIMEOUT),
    ("57014 ERROR:  annulation", Kind.STATEMENT_TIMEOUT),
    ("FEHLER (SQLSTATE 42703)", Kind.COLUMN),
    ("canceling statement due to lock timeout", Kind.LOCK_TIMEOUT),
    ("could not obtain lock on row in relation", Kind.LOCK_TIMEOUT),
    ("server closed the connection unexpectedly", Kind.REFUSED),
    ("the database system is shutting down", Kind.REFUSED),
    ("terminating connection due to administrator command", Kind.REFUSED),
    ("database unavailable: OperationalError None", Kind.REFUSED),
    ("ClerkAPIResponseError: Too Many Requests", Kind.IDENTITY),
    ('HTTP Request: GET https://api.clerk.com/v1/jwks "HTTP/1.1 429 Too Many Requests"', Kind.IDENTITY),
    ("session verification failed: 429", Kind.IDENTITY),
    ("Error: Too Many Requests (429)", Kind.RATE),
]
NOTHING = [
    "",
    '"GET /api/products HTTP/1.1" 429 Too Many Requests',
    '{"error": "rate_limit_exceeded", "message": "Too many requests: 429", "by": "clerk"}',
    "GET /api/products/53300 took 57014 ms for 42703 rows",
    "GET /x 429",
    "too many requests",
    "id 0x3F000 of 3F000-1",
    "canceling statement due to user request",
    "ERROR: 57014: canceling statement due to user request",
    "La relation « products » n'existe pas",
    "リレーションは存在しません",
    'relation "somebody@example.com" does not exist',
    "verified by clerk",
    "the error code is 5701",
    "12:34:56 port 5432 is open",
]


@pytest.mark.parametrize(("text", "said"), NAMED)
def test_what_is_named(text, said):
    """Schema, relation, column and port are taken from the message."""
    assert read_error_text(text) == said


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_kinds(text, kind):
    """By message, by SQLSTATE, by the class of a driver's error."""
    assert read_error_text(text).kind is kind


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_none(text):
    """Numbers that only look like codes, the service's own refusals, other languages and addresses are nothing that is known."""
    assert read_error_text(text) == ErrorText(Kind.UNKNOWN)


DRESSES = [
    lambda text: text,
    lambda text: json.dumps({"level": "error", "msg": text, "pid": 57014}, ensure_ascii=False),
    lambda text: json.dumps({"line": json.dumps({"msg": text}, ensure_ascii=False)}, ensure_ascii=False),
    lambda text: f"\x1b[31mERROR\x1b[0m {text[:3]}\x1b[1m{text[3:]}\x1b[0m",
    lambda text: f"\\u001b[31m{text}\\u001b[39m",
    "\0".join,
    lambda text: f"2030-01-01T00:00:00Z api-1 | {text}\r\n\tat Object.<anonymous>\n",
    lambda text: text + " x" * 10_000_000,
]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("text", "said"), [each for each in NAMED if '"T"' not in each[0]])
def test_in_every_dress(text, said, dress):
    """Colours, JSON in JSON, zero bytes, a prefix, and megabytes behind it change nothing of what a text says."""
    assert read_error_text(dress(text)) == said


HOSTILE = ["\\", '"', 'relation "', 'relation "a"b', 'column "a', 'schema "', "column a.", "Process 1: ", "Process 1: SELECT '"]
HOSTILE += [
    "\x1b[",
    "\x1b[1;",
    "Aa",
    "a",
    "aB",
    " ",
    "\n",
    "ECONNREFUSED a",
    "Process 1 waits for A on ",
    "57014",
    "code: ",
    "429 ",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_texts_are_done_with_soon(part):
    """A megabyte of any beginning takes no longer than its first kilobytes."""
    text = part * (1_000_000 // len(part))
    started = time.perf_counter()
    read_error_text(text)
    deadlock_lines(text)
    assert time.perf_counter() - started < 1.5


PARTS = st.sampled_from([text for text, _ in NAMED] + [text for text, _ in KINDS] + HOSTILE + ["S3CR3T", "\0", "😀"])


@given(st.lists(st.one_of(PARTS, st.text(max_size=30)), max_size=8).map("".join))
def test_any_text_is_taken(text):
    """No text breaks it, and names are short and have no line breaks and no address in them."""
    said = read_error_text(text)
    for name in (said.schema, said.relation, said.column, said.port):
        assert len(name) <= 127
        assert not {"\n", "@"} & set(name)
    assert read_error_text(text) == said


def test_what_stands_behind_the_longest_is_not_read():
    """The bound counts: what a line of megabytes says at its end is not looked for."""
    assert read_error_text("x" * LONGEST + " deadlock detected").kind is Kind.UNKNOWN
    assert read_error_text("x" * (LONGEST - 18) + " deadlock detected").kind is Kind.DEADLOCK


DETAIL = (
    "ERROR:  deadlock detected\nDETAIL:  Process 11 waits for ShareLock on transaction 7; blocked by process 12.\n"
    "\tProcess 12 waits for ShareLock on transaction 8; blocked by process 11.\n"
    "\tProcess 11: UPDATE tenant_a.products SET name = 'S3CR3T' WHERE id = 4711\n"
    "\tProcess 12: delete from tenant_a.sales where note = $$S3CR3T$$\n\tProcess 13: S3CR3T is no statement\nHINT:  x"
)


@pytest.mark.parametrize("dress", [DRESSES[0], DRESSES[1]])
def test_a_deadlocks_statements(dress):
    """Who waits for whom, and the statements without values and tenants' names; a value that looks like a line of it is none."""
    assert deadlock_lines(dress(DETAIL), ["tenant_a"]) == (
        "Process 11 waits for ShareLock on transaction 7; blocked by process 12",
        "Process 12 waits for ShareLock on transaction 8; blocked by process 11",
        "UPDATE ~.products SET name = ? WHERE id = ?",
        "delete from ~.sales where note = ?",
    )
    assert deadlock_lines("nothing of it") == ()
