"""Clone: the rows of one moment, sequences and definitions, proven equal, and free of its source."""

import threading
import uuid

import pytest
from tests.db.archive.conftest import rows, world

from capliquify_ops.database import fill, operator
from capliquify_ops.model.errors import OpsError, SchemaChanged, TenantConflict
from capliquify_ops.tenants import clone as cloning
from capliquify_ops.tenants.clone import clone, plan_clone
from capliquify_ops.tenants.create import NewTenant
from capliquify_ops.tenants.definitions import define
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.verify import verify


def new(slug="twin"):
    return NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", status="active")


def test_a_clone_is_equal_and_free_of_its_source(session, roles, tenant):
    """Rows, sequences, identity and structure are the source's; what the clone changes, the source does not see."""
    with session.transaction(), as_owner(session, roles):
        one = {"s": tenant.schema_name}
        session.script(fill('CREATE TABLE :"s".counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, twice int GENERATED ALWAYS AS (n * 2) STORED);'
            'INSERT INTO :"s".counted DEFAULT VALUES; INSERT INTO :"s".counted DEFAULT VALUES; CREATE TABLE :"s".bare (); INSERT INTO :"s".bare DEFAULT VALUES', one))  # fmt: skip
    made = clone(session, roles, "acme", new(), actor="me")
    assert rows(session, roles, made.schema_name) == rows(session, roles, tenant.schema_name)
    assert verify(session, roles, "twin", template=tenant.schema_name).differences == ()
    with session.transaction(), as_owner(session, roles):
        for schema, expected in ((made.schema_name, 3), (tenant.schema_name, 3)):
            query = fill('INSERT INTO :"s".counted DEFAULT VALUES RETURNING id', {"s": schema})
            assert session.value(query) == expected


def test_a_clone_that_cannot_be_leaves_nothing(session, roles, tenant):
    """A name that is taken, or a routine that names the source, refuse it, and nothing changes."""
    before = world(session)
    with pytest.raises(TenantConflict, match="slug 'acme' is taken"):
        plan_clone(session, "acme", new("acme"))
    assert world(session) == before
    with session.transaction(), as_owner(session, roles):
        body = fill('SELECT 1 FROM :"s".companies', {"s": tenant.schema_name}).as_string(None)
        session.execute(fill("CREATE FUNCTION :\"s\".f() RETURNS int LANGUAGE sql AS :'b'", {"s": tenant.schema_name, "b": body}))
    before = world(session)
    with pytest.raises(TenantConflict, match="Routines name the schema"):
        clone(session, roles, "acme", new(), actor="me")
    assert world(session) == before


@pytest.mark.parametrize(
    "change",
    ['TRUNCATE :"s".companies CASCADE', 'ALTER TABLE :"s".companies ALTER name TYPE varchar(500)', 'VACUUM FULL :"s".companies'],
)
def test_a_table_that_is_emptied_meanwhile_is_noticed(session, roles, tenant, database, monkeypatch, change):
    """A table truncated or rewritten after the clone's moment looks empty to it: the clone is refused."""
    count = fill('SELECT count(*) FROM :"s".companies', {"s": tenant.schema_name})

    def defined(mine, schema):
        found = define(mine, schema)
        monkeypatch.setattr(cloning, "define", define)
        statement = fill(change, {"s": tenant.schema_name})
        with operator(database.superuser_url, "other") as other:
            if change.startswith("VACUUM"):
                other.outside_transaction(statement)
            else:
                with other.transaction():
                    other.execute(statement)
        return found

    monkeypatch.setattr(cloning, "define", defined)
    with pytest.raises(SchemaChanged, match="was truncated or rewritten"):
        clone(session, roles, "acme", new(), actor="me")
    with session.transaction(), as_owner(session, roles):
        assert session.value(count) == (0 if change.startswith("TRUNCATE") else 10)
        assert session.value("SELECT count(*) FROM public.tenants WHERE slug = 'twin'") == 0


def test_two_clones_at_once(roles, tenant, database, session):
    """Two operators cloning one tenant to one slug: one clone, one clear refusal."""
    results = []

    def run():
        try:
            with operator(database.operator_url, "op") as mine:
                results.append(clone(mine, roles, "acme", new(), actor="me"))
        except OpsError as fault:
            results.append(fault)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(result, OpsError) for result in results) == [False, True], results
    with session.transaction():
        assert session.value("SELECT count(*) FROM public.tenants WHERE slug = 'twin'") == 1
        count = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^(tenant_|cloning_)'"
        assert session.value(count) == 1
