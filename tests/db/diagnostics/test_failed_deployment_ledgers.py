"""What a rollback leaves: ledgers of each tool in a real database, before and after the last good deploy."""

import dataclasses
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from tests.unit.integrations.conftest import Fake
from tests.unit.integrations.fake_render import TOKEN, FakeRender

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, quoted
from capliquify_ops.diagnostics import failed_deployment
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.failed_deployment_ledgers import read_applied, rollback_lines
from capliquify_ops.diagnostics.failed_deployment_questions import LEDGERS
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.errors import PrivilegeMissing
from capliquify_ops.model.secret import Secret

SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE, AFTER = "2026-01-01 11:59:59", "2026-01-01 12:00:01"
TABLES = {
    "prisma": (
        "_prisma_migrations",
        "migration_name text, started_at timestamptz, finished_at timestamptz, rolled_back_at timestamptz",
        [f"('old', NULL, '{BEFORE}Z', NULL)", f"('new', NULL, '{AFTER}Z', NULL)", f"('undone', NULL, '{AFTER}Z', '{AFTER}Z')"],
        {"new"},
    ),
    "django": (
        "django_migrations",
        "app text, name text, applied timestamptz",
        [f"('a', '1', '{BEFORE}Z')", f"('a', '2', '{AFTER}Z')"],
        {"a.2"},
    ),
    "flyway": (
        "flyway_schema_history",
        "version text, script text, success boolean, installed_on timestamp",
        [f"('1', 'V1', true, '{BEFORE}')", f"('2', 'V2', true, '{AFTER}')", f"('3', 'V3', false, '{AFTER}')", f"(NULL, 'R', true, '{AFTER}')"],
        {"2", "R"},
    ),
    "ecto": (
        "schema_migrations",
        "version bigint, inserted_at timestamp",
        [f"(1, '{BEFORE}')", f"(2, '{AFTER}')"],
        {"2"},
    ),
}  # fmt: skip


@pytest.fixture
def mighty(database):
    with psycopg.connect(database.superuser_url.reveal(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def ledger(mighty, roles):
    """Makes a ledger of a tool in a schema, readable or not."""

    def make(schema, table, columns, entries=(), *, readable=True):
        name = quoted(schema, table)
        mighty.execute(f"CREATE TABLE {name} ({columns})")
        for each in entries:
            mighty.execute(f"INSERT INTO {name} VALUES {each}")
        if readable:
            mighty.execute(f"GRANT SELECT ON {name} TO {quoted(roles.observer)}")
            mighty.execute(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(roles.observer)}")

    return make


@pytest.fixture
def applied(database):
    def run(since=SINCE):
        with observer(database.observer_url, "test") as session:
            return read_applied(session, since)[0]

    return run


@pytest.mark.parametrize("tool", sorted(TABLES))
def test_what_was_applied_since(two, ledger, applied, tool):
    """Only what went well after the deploy, in a tenant whose name needs quotes as well as in public."""
    table, columns, entries, expected = TABLES[tool]
    before = applied()
    assert (before.migrations, before.timeless) == ({}, ())
    ledger("public", table, columns, entries)
    ledger(two["b"], table, columns, entries)
    found = applied()
    assert set(found.migrations) == expected
    assert set(found.migrations.values()) == {tuple(sorted(("public", two["b"])))}
    assert applied(SINCE + timedelta(seconds=2)).migrations == {}


def test_our_own_ledger(mighty, applied):
    """What fleet migrate ran is read from the product's own table, once for all tenants."""
    for state, name in (("done", "0007_x.sql"), ("failed", "0008_y.sql")):
        mighty.execute(
            "INSERT INTO capliquify_ops.tenant_migration VALUES (%s, gen_random_uuid(), %s, 's', 'r', false, %s, now(), %s, %s)",
            [name, name, state, f"{AFTER}Z", "why" if state == "failed" else None],
        )
    assert dict(applied().migrations) == {"0007_x.sql": ("capliquify_ops",)}


@pytest.mark.parametrize(
    ("table", "columns", "name"),
    [
        ("alembic_version", "version_num text", "Alembic"),
        ("schema_migrations", "version bigint, dirty boolean", "golang-migrate"),
        ("schema_migrations", "version text", "schema_migrations"),
    ],
)
def test_tools_without_times(ledger, applied, table, columns, name):
    """A ledger that keeps no times cannot tell: that is said, and nothing else."""
    ledger("public", table, columns)
    found = applied()
    assert (found.migrations, found.timeless) == ({}, (name,))


def test_ledgers_that_may_not_be_read(two, ledger, applied, roles, mighty):
    """One of two: the grant is among the lines. The only one, our own aside: the grant is the answer."""
    table, columns, entries, _ = TABLES["django"]
    ledger(two["a"], table, columns, entries, readable=False)
    found = applied()
    grant = f"GRANT SELECT ON TABLE {quoted(two['a'], table)} TO {quoted(roles.observer)}"
    assert any(grant in line for line in rollback_lines(found))
    mighty.execute("DROP TABLE capliquify_ops.tenant_migration")
    with pytest.raises(PrivilegeMissing) as refused:
        applied()
    assert grant in refused.value.hint


def test_a_failed_deploy_names_what_a_rollback_leaves(two, ledger, database, roles, tmp_path, mighty):
    """The whole way: a deploy that failed, a migration applied since the last good one, named with the schema that has it."""
    world = FakeRender()
    world.now = datetime(2026, 1, 1, tzinfo=UTC)
    service = world.add()
    world.push(service, "a1")
    fake = Fake(world)
    integration = Integration({"base_url": f"{fake.url}/v1", "service": service}, {"token": Secret(TOKEN)})
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), database.observer_url, roles=roles)
    target = dataclasses.replace(target, integrations={"render": integration})
    inquiry = Inquiry(target, load_limits(), SystemClock(), lambda: 0.5)
    ledger(two["a"], *TABLES["django"][:3])
    [diagnosis] = diagnose(inquiry, [failed_deployment.NAME])
    assert (diagnosis.causes, [each.name for each in diagnosis.sources]) == ((), ["deploys"])
    world._new_deploy(service, "new_commit", {"id": "b2", "message": "x"}, "build_failed")
    [diagnosis] = diagnose(inquiry, [failed_deployment.NAME])
    [cause] = [each for each in diagnosis.causes if each.name == "missing environment variable"]
    line = "a rollback leaves these 2 migrations applied, which the older code does not know: "
    assert any(each.startswith(line) and f"a.1 in {two['a']}" in each for each in cause.evidence), cause
    assert next(each for each in diagnosis.sources if each.name == LEDGERS).answered
    mighty.execute(f"DELETE FROM {quoted(two['a'], 'django_migrations')}")
    [diagnosis] = diagnose(inquiry, [failed_deployment.NAME])
    assert any("no migration was applied since" in each for each in diagnosis.causes[0].evidence)
    fake.close()
