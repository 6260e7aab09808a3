"""The check unfinished_objects: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.database import fill, operator
from capliquify_ops.integrity import unfinished_objects
from capliquify_ops.integrity.faults import FINDINGS, Fault, Faults
from capliquify_ops.integrity.unfinished_objects import RULES, judge
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome

KINDS = {
    "unvalidated constraint sales.cheap": "ALTER TABLE :\"b\".sales ADD CONSTRAINT cheap CHECK (channel <> 'x') NOT VALID",
    "unvalidated constraint sales.far": 'ALTER TABLE :"b".sales ADD CONSTRAINT far FOREIGN KEY (product_id) REFERENCES :"b".products NOT VALID',
    "unenforced constraint sales.said": "ALTER TABLE :\"b\".sales ADD CONSTRAINT said CHECK (channel <> 'x') NOT ENFORCED",
    "disabled trigger products.kept": (
        "CREATE FUNCTION :\"b\".tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        ' CREATE TRIGGER kept BEFORE INSERT ON :"b".products FOR EACH ROW EXECUTE FUNCTION :"b".tg();'
        ' ALTER TABLE :"b".products DISABLE TRIGGER kept'
    ),
    "duplicate index sales.again": 'CREATE INDEX again ON :"b".sales (channel)',
    "duplicate index products.key": 'CREATE INDEX key ON :"b".products (id)',
    "duplicate index sales.wide_too": (
        'CREATE INDEX wide ON :"b".sales (quantity) INCLUDE (customer); CREATE INDEX wide_too ON :"b".sales (quantity) INCLUDE (customer)'
    ),
}
"""By the subject of the finding: what the owner runs."""
DIFFERENT = (
    'CREATE INDEX i ON :"b".sales (channel DESC)',
    'CREATE INDEX i ON :"b".sales (product_id)',
    'CREATE INDEX i ON :"b".sales (channel text_pattern_ops)',
    'CREATE INDEX i ON :"b".sales (channel COLLATE "C")',
    'CREATE INDEX i ON :"b".sales USING hash (channel)',
    'CREATE INDEX i ON :"b".sales (channel) WHERE channel IS NOT NULL',
    'CREATE INDEX i ON :"b".sales (lower(channel))',
    'CREATE INDEX i ON :"b".sales (product_id) INCLUDE (customer)',
    'ALTER TABLE :"b".products ADD CONSTRAINT twice UNIQUE (id)',
    'CREATE TABLE :"b".t (a int); CREATE INDEX ON :"b".t (a); CREATE TABLE :"b".u (a int); CREATE INDEX ON :"b".u (a)',
)
"""Indexes that do what no other does, or that something needs."""


def test_every_kind_is_found_and_gone(provoked, two):
    """Nothing is found in two tenants, then exactly what was made, then nothing again."""
    for subject, statement in KINDS.items():
        before, found, after = provoked(unfinished_objects, statement)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        assert set(found) == {subject}
        assert found[subject].tenants.sample == (two["b"],)
        assert found[subject].severity is RULES[subject.rsplit(" ", 1)[0]].severity


def test_triggers_of_a_foreign_key_that_are_switched_off_are_one_fault(provoked, two):
    """DISABLE TRIGGER ALL switches off what enforces foreign keys: the constraint is named, once for its table."""
    _, found, _ = provoked(unfinished_objects, 'ALTER TABLE :"a".sales DISABLE TRIGGER ALL', by="superuser")
    assert found
    assert all(subject.startswith("disabled trigger sales.") and "RI_" not in subject for subject in found)
    assert {each.tenants.sample for each in found.values()} == {(two["a"],)}


@pytest.mark.parametrize("statement", DIFFERENT)
def test_an_index_of_its_own_kind_is_not_a_duplicate(provoked, statement):
    """Fewer columns, another order, class, collation, method, predicate, expression, added column or a constraint: the index stays."""
    _, found, _ = provoked(unfinished_objects, statement)
    assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}


def test_an_index_left_by_a_failed_build_is_found(as_the_owner, checked, operator_url, roles, two):
    """CREATE UNIQUE INDEX CONCURRENTLY over duplicates leaves an invalid index in each tenant: one finding of two, gone with them."""
    as_the_owner(
        'CREATE TABLE :"a".t AS SELECT 1 AS n FROM generate_series(1, 2); CREATE TABLE :"b".t AS SELECT * FROM :"a".t', **two
    )
    for schema in two.values():
        with operator(operator_url, "test") as session, pytest.raises(OpsError, match="alone"):
            _as_owner(session, roles, 'CREATE UNIQUE INDEX CONCURRENTLY alone ON :"s".t (n)', s=schema)
    found = checked(unfinished_objects)
    assert set(found) == {"invalid index t.alone"}
    [finding] = found.values()
    assert finding.tenants.count == 2
    assert "its unique rule does not hold" in finding.why
    as_the_owner('DROP TABLE :"a".t, :"b".t', **two)
    assert [each.outcome for each in checked(unfinished_objects).values()] == [Outcome.HEALTHY]


def _as_owner(session, roles, statement, **names):
    session.outside_transaction(fill('SET ROLE :"owner"', {"owner": roles.owner}))
    session.outside_transaction(fill(statement, names))


def test_an_index_that_is_being_built_is_no_fault(as_the_owner, checked, operator_url, superuser_url, roles, two):
    """While a build waits for an older transaction its index is invalid and no fault; once it is done it is valid."""
    as_the_owner('CREATE TABLE :"a".t (n int)', **two)
    with operator(operator_url, "builder") as builder, operator(superuser_url, "older") as older:
        build = 'CREATE INDEX CONCURRENTLY i ON :"a".t (n)'
        building = threading.Thread(target=_as_owner, args=(builder, roles, build), kwargs=two)
        with older.transaction():
            older.execute(fill('INSERT INTO :"a".t VALUES (1)', two))
            building.start()
            _until(lambda: older.value("SELECT pg_catalog.count(*) FROM pg_catalog.pg_index WHERE NOT indisvalid"))
            while_building = checked(unfinished_objects)
        building.join(60)
    assert [each.outcome for each in while_building.values()] == [Outcome.HEALTHY]
    assert [each.outcome for each in checked(unfinished_objects).values()] == [Outcome.HEALTHY]


def _until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the index never came"
        time.sleep(0.01)


faults = st.builds(
    Fault, st.sampled_from(["a", "b", ""]), st.sampled_from(list(RULES)), st.text("xyz", max_size=2), st.text(max_size=2)
)


@given(st.lists(faults, max_size=60), st.integers(0, 3))
def test_judging_is_total_and_never_silent(found, tenants):
    """Every fault is in a finding, findings stay few, and there is always an answer."""
    evidence = Evidence("unfinished_objects", "db", "2026-01-01T00:00:00.000Z", 1.0)
    findings = judge(Faults(tenants, tuple(found)), load_limits(), evidence)
    assert 1 <= len(findings) <= FINDINGS + 1
    if tenants:
        assert {finding.outcome for finding in findings} == ({Outcome.FAILING} if found else {Outcome.HEALTHY})
        named = {schema for finding in findings if finding.tenants for schema in finding.tenants.sample}
        assert named == {each.schema for each in found} - {""}
