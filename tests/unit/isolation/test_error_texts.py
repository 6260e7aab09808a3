"""Errors that tell of the database are named for what they tell; those that only echo, count or refuse are not."""

import json

import pytest

from capliquify_ops.http_client import Response
from capliquify_ops.isolation.disclosures import wanted
from capliquify_ops.isolation.error_texts import betrayed, told_in
from capliquify_ops.isolation.exchange import Call, Exchange

NAMES = wanted({"constraint or index products_sku_key": "products_sku_key", "schema of tenant a": "tenant_acme"})
TELLING = {
    "a duplicate": 'duplicate key value violates unique constraint "products_sku_key"\nDETAIL:  Key (sku)=(X) already exists.',
    "a code alone": "23505",
    "a code in words": "error 22P02 while saving",
    "a lost table": 'relation "products" does not exist',
    "a lost table with its place": 'relation "products" does not exist\nLINE 1: SELECT * FROM products',
    "a cancelled statement": "canceling statement due to statement timeout",
    "a number": "numeric field overflow",
    "a text": "value too long for type character varying(100)",
    "a date": 'date/time field value out of range: "2026-02-30"',
    "a key": 'Key (product_id)=(7) is not present in table "products".',
    "a driver": "psycopg.errors.UniqueViolation",
    "another driver": "(psycopg2.errors.ForeignKeyViolation) insert or update",
    "a mapper": "sqlalchemy.exc.IntegrityError",
    "java": "org.postgresql.util.PSQLException: ERROR",
    "ruby": "PG::UniqueViolation: ERROR",
    "go": "pq: duplicate",
    "node": "QueryFailedError: nope",
    "NUL": "PostgreSQL text fields cannot contain NUL (0x00) bytes",
    "a schema": "no access to tenant_acme",
    "a constraint alone": "conflict in products_sku_key",
    "a primary key": "sales_pkey",
    "an address": "could not reach postgresql://app:pw@db/main",
    "a trace": 'Traceback (most recent call last):\n  File "app.py", line 3',
}
SILENT = {
    "a refusal": "Something with this name or key exists already; choose another.",
    "a limit": "The field 'name' may hold at most 40000 characters.",
    "a code of the service": "missing_api_key",
    "a field": "The field 'product_id' is missing; send it.",
    "an id": "There is no row 8f423505-1111-4222-8333-57014aaaaaaa.",
    "a time": "2026-01-01T23:50:52.235051Z",
    "a version": "1.23505.2",
    "details": "details: the date is out of range",
    "a hint": "hint: use another sku",
}


def answered(body, status=409, headers=None, call=None):
    call = call or Call("POST", "/api/products", json={"sku": "X"})
    return Exchange(call, Response("POST", call.path, status, headers or {}, body), frozenset(), ())


@pytest.mark.parametrize("name", sorted(TELLING))
def test_telling(name):
    """Plain, inside JSON, and in a header: each is found."""
    text = TELLING[name]
    assert betrayed(answered(text.encode()), NAMES)
    assert betrayed(answered(json.dumps({"message": text}).encode()), NAMES)
    assert betrayed(answered(b"{}", headers={"x-error": text.replace("\n", " ")}), NAMES)


@pytest.mark.parametrize("name", sorted(SILENT))
def test_silent(name):
    """What services say by right is no finding."""
    assert betrayed(answered(json.dumps({"message": SILENT[name]}).encode()), NAMES) == ()


def test_an_echo_is_taken_out():
    """Own input may be shown again, wherever it came from; the rest of the answer still counts."""
    sent = 'x" violates unique constraint "products_sku_key" 23505'
    call = Call("POST", "/api/products", json={"sku": sent})
    assert betrayed(answered(json.dumps({"message": f"{sent!r} is no sku"}).encode(), call=call), NAMES) == ()
    assert betrayed(answered(json.dumps({"message": f"{sent!r}: 57014"}).encode(), call=call), NAMES)
    assert betrayed(answered(b"23505", call=Call("GET", "/api/products/23505")), NAMES) == ()


def test_a_success_may_hold_such_words():
    """Rows may hold the words of databases; names of the database, and addresses, count there too."""
    assert betrayed(answered(b'{"name": "How 23505 came about: psycopg"}', 200), NAMES) == ()
    assert betrayed(answered(b'{"name": "tenant_acme"}', 200), NAMES)


def test_the_text_of_a_failed_job():
    """A reason inside a successful answer is looked through as an error is."""
    assert told_in('relation "scenarios" does not exist') != ()
    assert told_in("The label is missing.") == ()
    assert told_in("no 23505 here", ["23505"]) == ()
