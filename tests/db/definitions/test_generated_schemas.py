"""Schemas that nobody thought of are carried like those of the corpus, and names never make psql do anything."""

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from capliquify_ops.database.identifiers import literal, quoted
from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions.parts import safe_in_psql

SAMPLE = settings(max_examples=4, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
WORDS = st.lists(
    st.sampled_from(
        ["\n\\! touch MARKER\n", "\\q", "\\", "\n", '"', "'", ":", ":x", ":'x'", ':"x"', "$$", "$a$", ";", "--", "/*", "*/", "a", "begin", " ", "E'", "\\.\n", "é", "\r", "::", "%", "\t", "(", ")"]
    ),
    min_size=1,
    max_size=8,
).map("".join)  # fmt: skip


@SAMPLE
@given(st.randoms(use_true_random=False))
def _generated(oracle, schemas, random):
    schema, statements = schemas.statements(random, oracle.major, 30)
    try:
        assume(oracle.attempt(statements) > 10)
        oracle.check(schema)
    except DefinitionsRefused:
        assume(False)
    finally:
        oracle.clear(schema)


def test_generated_schemas_are_carried_byte_for_byte(oracle, schemas):
    """A sample of schemas at random; tests/proof/backup_oracle.py runs hundreds."""
    _generated(oracle, schemas)


def _nasty(names, texts):
    schema = names[0][:60]
    column, alias, argument = (quoted(name[:60]) for name in names[1:4])
    table, view, function = (quoted(schema, f"{name[:50]}{i}") for i, name in enumerate(names[4:7]))
    text = [literal(each) for each in texts]
    yield f"CREATE SCHEMA {quoted(schema)}; COMMENT ON SCHEMA {quoted(schema)} IS {text[0]}"
    yield f"CREATE TABLE {table} ({column} text DEFAULT {text[1]} CHECK ({column} <> {text[2]}), n int[])"
    yield f"INSERT INTO {table} ({column}) VALUES ({text[3]})"
    yield f"COMMENT ON TABLE {table} IS {text[1]}; COMMENT ON COLUMN {table}.{column} IS {text[2]}"
    yield f"CREATE VIEW {view} AS SELECT {column} AS {alias}, n[1: length({column})] AS s, n[: length({column})] AS t, {text[0]} AS l FROM {table}"
    yield f"CREATE FUNCTION {function}({argument} text) RETURNS text LANGUAGE plpgsql AS {text[3]}"
    yield f"CREATE FUNCTION {quoted(schema, names[6][:50] + 'x')}({argument} text) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT t.{column} AS {alias} FROM {table} AS t; SELECT {text[1]} || {argument}; END"
    yield f"CREATE POLICY {alias} ON {table} USING ({column} <> {text[2]}); CREATE INDEX {quoted(names[7][:60])} ON {table} ({column}) WHERE {column} <> {text[0]}"


@settings(max_examples=5, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
@given(st.lists(WORDS, min_size=8, max_size=8, unique=True), st.lists(WORDS, min_size=4, max_size=4))
def _named(oracle, names, texts):
    assume(not names[0].startswith("pg_"))
    statements = list(_nasty(names, texts))
    try:
        assume(oracle.attempt(["SET check_function_bodies = off", *statements]) > 5)
        oracle.check(names[0][:60])
    finally:
        oracle.clear(names[0][:60])


def test_no_name_or_text_makes_psql_do_anything(oracle):
    """Names, comments, bodies, defaults and values full of psql's own syntax arrive as they were, and nothing is executed."""
    _named(oracle)


@pytest.mark.parametrize(
    ("statement", "safe"),
    [
        ("SELECT a[1:b]", "SELECT a[1: b]"),
        ('SELECT a[1:"AUTOCOMMIT"]', 'SELECT a[1: "AUTOCOMMIT"]'),
        ("SELECT a[:'x'::int]", "SELECT a[: 'x'::int]"),
        ("SELECT a::text, ':b', \":c\", E'\\':d', $$:e$$, $x$:f$x$", "SELECT a::text, ':b', \":c\", E'\\':d', $$:e$$, $x$:f$x$"),
        (
            "CREATE FUNCTION s.begin() ... BEGIN ATOMIC SELECT 'begin' AS begin",
            'CREATE FUNCTION s."begin"() ... BEGIN ATOMIC SELECT \'begin\' AS "begin"',
        ),
        ("SELECT beginning, the_begin, begin1", "SELECT beginning, the_begin, begin1"),
    ],
)
def test_what_psql_would_misread_is_said_otherwise(statement, safe):
    """Colons before names get a space, names called begin get quotes; literals stay as they are."""
    assert safe_in_psql(statement) == safe
