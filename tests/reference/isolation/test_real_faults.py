"""Faults of the database itself, with the service untouched: the audit sees them over HTTP."""

from contextlib import contextmanager

import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.isolation import run_control, run_scenario
from capliquify_ops.model.outcome import Grade, Outcome


@contextmanager
def as_owner(target):
    with operator(target.changing_url(), "test fault") as session, session.transaction():
        session.execute(fill('SET LOCAL ROLE :"owner"', {"owner": target.roles.owner}))
        yield session


@pytest.fixture
def inventory_of_the_neighbour(world):
    """In A's schema, `inventory` is a view of B's table: as left behind by a clone that kept the source's name."""
    names = {"a": world.tenants["a"].schema_name, "b": world.tenants["b"].schema_name, "app": world.target.roles.app}

    def change(*statements):
        with as_owner(world.target) as session:
            for statement in statements:
                session.execute(fill(statement, names))

    yield lambda: change(
        'ALTER TABLE :"a".inventory RENAME TO inventory_kept',
        'CREATE VIEW :"a".inventory AS SELECT * FROM :"b".inventory',
        'GRANT SELECT, INSERT, UPDATE, DELETE ON :"a".inventory TO :"app"',
    )
    change('DROP VIEW IF EXISTS :"a".inventory', 'ALTER TABLE IF EXISTS :"a".inventory_kept RENAME TO inventory')


def test_a_view_of_another_tenants_table(world, inventory_of_the_neighbour):
    """One route that reads another tenant's table turns SEC-001 and SEC-015 red, naming the other tenant's secrets."""
    inventory_of_the_neighbour()
    for check in ("sec_001_other_tenants_data", "sec_015_own_rows_only"):
        found = run_control(check, world)
        assert found.outcome is Outcome.FAILING, found.why
        assert found.grade is Grade.PROOF
        assert found.tenants is not None
        assert found.tenants.sample == ("b",)
        assert any("/api/inventory" in line and "of b" in line for line in found.witness.lines)


@pytest.mark.whole
def test_and_without_the_view(world):
    """With the tenant's own table back, both controls are healthy."""
    for check in ("sec_001_other_tenants_data", "sec_015_own_rows_only"):
        found = run_control(check, world)
        assert found.outcome is Outcome.HEALTHY, found.why


def test_a_registry_that_points_elsewhere(world):
    """A registry row that names another tenant's schema is found by INT-09, INT-16 and SEC-015."""
    a, b = world.tenants["a"], world.tenants["b"]

    def point(schema):
        with as_owner(world.target) as session:
            session.execute("UPDATE public.tenants SET schema_name = %(name)s WHERE id = %(id)s", {"name": schema, "id": a.id})

    with as_owner(world.target) as session:
        session.execute("UPDATE public.tenants SET schema_name = 'kept_for_the_test' WHERE id = %(id)s", {"id": b.id})
    try:
        point(b.schema_name)
        for check in ("int_16_a_sees_only_a", "int_09_tenant_schema"):
            found = run_scenario(check, world)
            assert found.outcome is Outcome.FAILING, found.why
            assert found.grade is Grade.PROOF
    finally:
        point(a.schema_name)
        with as_owner(world.target) as session:
            session.execute(
                "UPDATE public.tenants SET schema_name = %(name)s WHERE id = %(id)s", {"name": b.schema_name, "id": b.id}
            )
    for check in ("int_16_a_sees_only_a", "int_09_tenant_schema"):
        found = run_scenario(check, world)
        assert found.outcome is Outcome.HEALTHY, found.why
