"""Reading one tenant's definition costs what that tenant costs, however many others there are."""

import json

import pytest

from capliquify_ops.database import load, observer, operator
from capliquify_ops.database.connect import Session
from capliquify_ops.reference import fleet
from capliquify_ops.tenants.definitions import define

TENANTS = 100
GROWING = {
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_description",
    "pg_index",
    "pg_proc",
    "pg_trigger",
    "pg_type",
}
"""Catalogues with rows for each tenant. (A standard tenant has no views, sequences, policies, enums or children.)"""


@pytest.fixture
def many(new_database):
    """A database with many standard tenants, and the name of one of their schemas."""
    database = new_database()
    fleet.fill(database.operator_url, database.roles, TENANTS)
    with operator(database.superuser_url, "test") as session:
        session.outside_transaction("VACUUM ANALYZE")
        with session.transaction():
            schemas = session.rows("SELECT t.schema_name FROM public.tenants AS t ORDER BY 1", str)
    return database, schemas[TENANTS // 2]


def _scans(node):
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for each in node.get("Plans", ()):
        yield from _scans(each)


def _plan(session, prefix, text, params):
    return session.value(f"EXPLAIN ({prefix}FORMAT JSON) {text}", params)[0]["Plan"]


def _numbered(query):
    """A statement with $1, $2 for its parameters, as EXPLAIN (GENERIC_PLAN) takes it."""
    text = query.text
    for number, name in enumerate(query.params, 1):
        text = text.replace(f"%({name})s", f"${number}")
    return text.replace("%%", "%")


def test_no_statement_scans_the_catalogue_of_a_fleet(many, monkeypatch):
    """No plan, for these values or for any, reads a whole catalogue that grows with the number of tenants."""
    database, schema = many
    asked = []

    def recorded(method):
        def call(session, query, row, params=None):
            asked.append((query, params))
            return method(session, query, row, params)

        return call

    for name in ("rows", "ask"):
        monkeypatch.setattr(Session, name, recorded(getattr(Session, name)))
    with observer(database.observer_url, "test") as session, session.transaction():
        tables = [table.oid for table in define(session, schema).tables]
        asked.append((load("capliquify_ops.tenants.archive", "changes"), {"schema": schema}))
        asked.append((load("capliquify_ops.tenants.archive", "sizes"), {"tables": tables, "at_least": 1}))
        assert len(asked) > 10
        for query, params in asked:
            plans = [_plan(session, "", query.text, params)]
            plans.append(_plan(session, "GENERIC_PLAN, ", _numbered(query), None))
            for plan in plans:
                assert set(_scans(plan)) & GROWING == set(), (query.name, json.dumps(plan, indent=1))
