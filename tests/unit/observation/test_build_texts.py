"""Logs of builds and starts: what each tool writes when it fails, what it writes when it does not, and texts of any kind."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.observation.build_texts import LONGEST, Kind, classify, cleaned

PRISMA = """Applying migration `20260101_add_index`
Error: P3018

A migration failed to apply. New migrations cannot be applied before the error is recovered from.

Migration name: 20260101_add_index

Database error code: 42P07

Database error:
ERROR: relation "idx_products" already exists"""
ALEMBIC = """INFO  [alembic.runtime.migration] Running upgrade 1a2b -> 3c4d, add email
Traceback (most recent call last):
  File "/app/.venv/lib/sqlalchemy/engine.py", line 1967, in _exec
sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "users_email"
DETAIL:  Key (email)=(jane@secret.example) already exists.
[SQL: INSERT INTO users (email)
VALUES ('jane@secret.example')]
[parameters: {}]"""
DJANGO = """Running migrations:
  Applying billing.0007_amount... OK
  Applying billing.0008_currency...Traceback (most recent call last):
django.db.utils.DataError: invalid input syntax for type integer: "4111-secret\""""
FLYWAY = """ERROR: Migration V3__add_sku.sql failed
-----------------------------------
SQL State  : 42703
Error Code : 0
Message    : ERROR: column "skuu" does not exist
Location   : V3__add_sku.sql
Line       : 1
Statement  : UPDATE products
SET sku = 'secret-7'

Caused by: org.postgresql.util.PSQLException"""
GOLANG = 'error: migration failed: syntax error at or near "TABEL" (column 8) in line 1: CREATE TABEL x (a int) (details: pq: syntax error)'


def one(text, known=()):
    found = classify(text.split("\n"), known)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (PRISMA, "20260101_add_index", ["SQLSTATE 42P07", 'message: relation "idx_products" already exists']),
        (ALEMBIC, "3c4d", ["statement: INSERT INTO users (email) VALUES (?)", "error UniqueViolation"]),
        (DJANGO, "billing.0008_currency", ["message: invalid input syntax for type integer: ?"]),
        (FLYWAY, "V3__add_sku.sql", ["statement: UPDATE products SET sku = ?", "SQLSTATE 42703"]),
        (GOLANG, None, ["statement: CREATE TABEL x (a int)", "message: syntax error"]),
        ("error: Dirty database version 17. Fix and force version.", "17", []),
        ("Release command failed: database migration failed after 3 s", None, ["the log says: Release command failed"]),
    ],
)
def test_a_migration_that_failed(text, name, said):
    """Each tool's report gives the migration, its statement without values, and why; secrets of the row are not shown."""
    found = one(text)
    assert found.kind is Kind.MIGRATION
    assert found.names == ((name,) if name else ())
    for each in said:
        assert any(line.startswith(each) for line in found.lines), (each, found.lines)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("KeyError: 'STRIPE_KEY'", "STRIPE_KEY"),
        ("error: Environment variable not found: DATABASE_URL.", "DATABASE_URL"),
        ("Error: Missing required environment variable: CLERK_SECRET_KEY", "CLERK_SECRET_KEY"),
        ("missing env var `API_TOKEN`", "API_TOKEN"),
        ("environment variable 'PORT' is required", "PORT"),
        ("REDIS_URL is not defined", "REDIS_URL"),
        ("Error: SENTRY_DSN must be set", "SENTRY_DSN"),
        ("process.env.JWT_SECRET is undefined", "JWT_SECRET"),
        ("missing value: process.env.MAIL_FROM", "MAIL_FROM"),
        ("\x1b[31mREDIS_URL is required\x1b[0m", "REDIS_URL"),
        ("PORT is not defined", "PORT"),
    ],
)
def test_a_variable_that_is_missing_is_named(text, name):
    """Whatever words are used for it."""
    found = one(text, known={"PORT"})
    assert (found.kind, found.names) == (Kind.VARIABLE, (name,))
    assert name in found.lines[0]


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("src/app.ts(12,5): error TS2322: Type 'secret' is not assignable", Kind.TYPESCRIPT, "TS2322 in src/app.ts:12"),
        ("src/a/b.tsx:3:9 - error TS2307: Cannot find module 'x'", Kind.TYPESCRIPT, "TS2307 in src/a/b.tsx:3"),
        ("error TS5023: Unknown compiler option", Kind.TYPESCRIPT, "TS5023"),
        ("Error: Cannot find module 'express'", Kind.MODULE, "express"),
        ("Module not found: Error: Can't resolve '@acme/ui/x'", Kind.MODULE, "@acme/ui/x"),
        ("ModuleNotFoundError: No module named 'psycopg'", Kind.MODULE, "psycopg"),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", Kind.MEMORY, "heap out of memory"),
        ("==> Exited with status 1\nKilled", Kind.MEMORY, "Killed"),
        ("npm ERR! code ERESOLVE", Kind.PACKAGES, "ERESOLVE"),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", Kind.PACKAGES, "ERR_PNPM_OUTDATED_LOCKFILE"),
        ("npm ERR! A complete log", Kind.PACKAGES, "npm ERR!"),
        ("ERROR: No matching distribution found for nothing==1", Kind.PACKAGES, "nothing"),
        ("ERROR: failed to solve: process did not finish", Kind.DOCKER, "failed to solve"),
        (
            'Traceback (most recent call last):\n  File "/app/main.py", line 3, in x\nValueError: token sk-secret',
            Kind.PYTHON,
            "ValueError in /app/main.py:3",
        ),
    ],
)
def test_kinds_of_failure(text, kind, name):
    """Each is known by its tool's words, and shown by names, codes and places, never by the line."""
    found = one(text)
    assert (found.kind, found.names) == (kind, (name,))
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "==> Build successful",
        "Applying billing.0007_amount... OK\n0 failed migrations",
        "Found 0 errors. Watching for file changes.",
        "ERROR is not defined by anybody",
        "using process.env.NODE_ENV",
        "All migrations have been successfully applied.",
        "sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) server closed the connection",
        "HTTP 500 in 137 ms",
    ],
)
def test_what_is_no_failure(text):
    """Lines of builds and services that are well, and words that mean something else."""
    assert classify(text.split("\n")) == ()


def test_what_says_why_comes_before_what_follows_from_it():
    """A compiler's error ends npm and Docker too: only the first says why. Two that say why are both told."""
    follows = ["npm ERR! code ELIFECYCLE", "ERROR: failed to solve: exit code: 2"]
    assert [each.kind for each in classify(["error TS1005: ';' expected", *follows])] == [Kind.TYPESCRIPT]
    assert [each.kind for each in classify(["error TS1005: x", "REDIS_URL is required"])] == [Kind.VARIABLE, Kind.TYPESCRIPT]
    assert [each.kind for each in classify(follows)] == [Kind.PACKAGES]


def test_many_are_counted():
    """Of twelve errors five are shown, and how many more there are."""
    found = one("\n".join(f"src/a.ts({number},1): error TS2322: x" for number in range(12)))
    assert (len(found.names), len(found.lines), found.lines[-1]) == (12, 6, "and 7 more")


PIECES = [
    "error TS1",
    "KeyError: '",
    "[SQL: ",
    "Migration ",
    "migrat",
    " failed",
    "A_B",
    "A" * 300,
    "'" * 80,
    "\x1b[",
    "\x00",
    "P3018",
    "\ud800",
]
ANY = st.lists(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)), max_size=30)


@given(ANY)
def test_any_text_is_read(lines):
    """Nothing that a program can write breaks the reading, and what is shown is short and without control characters."""
    for problem in classify(lines):
        assert problem.names or problem.lines
        for line in problem.lines:
            assert len(line) <= 300
            assert line.isprintable() or not any(ord(letter) < 32 for letter in line)


@pytest.mark.parametrize(
    "piece", [*PIECES, "process.env.A", "Applying a", "migration failed in line 1: ", "a@", "=(", ': "', "[SQL: x"]
)
def test_huge_lines_are_read_in_no_time(piece):
    """Ten lines of a megabyte each, made to be slow: a pattern that goes back and forth would take minutes."""
    line = piece * (1_000_000 // len(piece))
    started = time.monotonic()
    classify([line] * 10)
    assert time.monotonic() - started < 3
    assert len(cleaned(line)) <= LONGEST


def test_credentials_are_masked():
    """What has the shape of a credential is no part of a line any more."""
    assert "hunter2" not in cleaned("postgresql://app:hunter2@db/x")
    assert cleaned("\x1b[1;31mred\x1b[0m\x00\x07") == "red"
