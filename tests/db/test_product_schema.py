"""What the product's SQL promises: counts, rights, row security, provisioning, resolution, append-only ledgers."""

import uuid

import pytest

from capliquify_ops.database import fill, observer, operator
from capliquify_ops.model.errors import PrivilegeMissing, StatementFailed
from capliquify_ops.tenants.ownership import as_owner

HOSTILE = [
    'quo"te',
    "apo'strophe",
    "Üpper Case",
    "tenant_😀",
    "percent%s {brace} :\"owner\" :'app'",
    "$$; DROP SCHEMA public CASCADE; --",
    "back\\slash.dot",
    "x" * 63,
    "é" * 31 + "z",
]


def _register(session, roles, name, schema=None):
    with as_owner(session, roles):
        return session.value(
            "INSERT INTO public.tenants (slug, name, schema_name, clerk_organization_id)"
            " VALUES (%(name)s, 'x', %(schema)s, %(org)s) RETURNING id",
            {"name": name, "schema": schema, "org": f"org_{name}"},
        )


def _provision(session, roles, name, schema=None):
    tenant = _register(session, roles, name, schema)
    return tenant, session.value("SELECT public.create_tenant_schema(%(id)s)", {"id": tenant})


def test_a_tenant_has_the_documented_size(operator_url, roles):
    """A fresh tenant is 9 tables, 37 indexes, 64 rows of pg_class with TOAST, 44 internal triggers and 21 constraints (63 on 18)."""
    with operator(operator_url, "test") as session, session.transaction():
        _, schema = _provision(session, roles, "acme")
        counts = session.mappings(
            """
            WITH own AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s)
            SELECT count(*) FILTER (WHERE relkind = 'r') AS tables, count(*) FILTER (WHERE relkind = 'i') AS indexes,
              count(*) + 2 * count(*) FILTER (WHERE reltoastrelid <> 0) AS with_toast,
              (SELECT count(*) FROM pg_trigger t JOIN own ON own.oid = t.tgrelid WHERE t.tgisinternal) AS internal_triggers,
              (SELECT count(*) FROM pg_trigger t JOIN own ON own.oid = t.tgrelid WHERE NOT t.tgisinternal) AS triggers,
              (SELECT count(*) FROM pg_constraint c JOIN own ON own.oid = c.conrelid) AS constraints
            FROM own""",
            {"schema": schema},
        )[0]
        expected = 63 if session.server_major >= 18 else 21
    assert counts == {
        "tables": 9, "indexes": 37, "with_toast": 64, "internal_triggers": 44, "triggers": 0, "constraints": expected,
    }  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_any_storable_schema_name_is_provisioned_as_it_is(operator_url, roles, name):
    """Quotes, emoji, upper case, SQL and 63 bytes are names like others: the registry's text is the schema's name."""
    with operator(operator_url, "test") as session, session.transaction():
        _, schema = _provision(session, roles, "acme", name)
        tables = session.value(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname::text = %(name)s AND c.relkind = 'r'",
            {"name": name},
        )
    assert schema == name
    assert tables == 9


def test_the_schema_name_defaults_to_the_rows_id(operator_url, roles):
    """Without a schema name the row gets tenant_ and the digits of its own id, so the two can never disagree."""
    with operator(operator_url, "test") as session, session.transaction():
        tenant, schema = _provision(session, roles, "acme")
    assert schema == f"tenant_{tenant.hex}"


@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32])
def test_a_name_that_postgresql_would_cut_is_refused(operator_url, roles, name):
    """A schema name of more than 63 bytes, or of none, is never stored."""
    with operator(operator_url, "test") as session, pytest.raises(StatementFailed), session.transaction():
        _register(session, roles, "acme", name)


@pytest.mark.parametrize("name", ["$user", "pg_mine", "public"])
def test_a_name_with_a_meaning_of_its_own_is_not_provisioned(operator_url, roles, name):
    """A name that means something else in a search_path, or that is reserved, makes no tables anywhere."""
    with operator(operator_url, "test") as session, pytest.raises(StatementFailed), session.transaction():
        _provision(session, roles, "acme", name)


def test_provisioning_needs_the_row_and_a_free_name(operator_url, roles):
    """An unknown id and a schema that exists are errors, never a silent success."""
    with operator(operator_url, "test") as session:
        with pytest.raises(StatementFailed, match="no tenant has the id"), session.transaction():
            session.value("SELECT public.create_tenant_schema(%(id)s)", {"id": uuid.uuid4()})
        with session.transaction():
            tenant, _ = _provision(session, roles, "acme")
        with pytest.raises(StatementFailed, match="already exists"), session.transaction():
            session.value("SELECT public.create_tenant_schema(%(id)s)", {"id": tenant})


def test_two_tenants_of_one_session_are_alike_and_apart(operator_url, roles):
    """The provisioning function leaves no search_path behind: a second call in the same session builds in its own schema."""
    with operator(operator_url, "test") as session, session.transaction():
        before = session.value("SELECT current_setting('search_path')")
        _, first = _provision(session, roles, "a")
        _, second = _provision(session, roles, "b")
        counts = session.rows(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ANY (%(names)s) GROUP BY n.oid",
            int,
            {"names": [first, second]},
        )
        assert session.value("SELECT current_setting('search_path')") == before
    assert counts == [46, 46]


def _mark_deleted(session, roles, tenant):
    with as_owner(session, roles):
        session.execute("UPDATE public.tenants SET deleted_at = now() WHERE id = %(id)s", {"id": tenant})


def test_a_schema_of_a_live_tenant_stays(operator_url, roles):
    """delete_tenant_schema refuses a tenant that is not soft-deleted."""
    with operator(operator_url, "test") as session:
        with session.transaction():
            tenant, _ = _provision(session, roles, "acme")
        with pytest.raises(StatementFailed, match="not deleted"), session.transaction():
            session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant})
        with session.transaction():
            _mark_deleted(session, roles, tenant)
            dropped = session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant})
    assert dropped == f"tenant_{tenant.hex}"


@pytest.mark.parametrize("name", ["public", "capliquify_ops", "reference_service", "information_schema", "pg_temp", "pg_x"])
def test_a_schema_that_is_nobodys_cannot_be_a_tenants(operator_url, roles, name):
    """A registry row cannot name a schema that belongs to the server, the product or its ledgers."""
    row = "INSERT INTO public.tenants (slug, name, clerk_organization_id, schema_name) VALUES ('a', 'A', 'o', %(name)s)"
    refused = pytest.raises(StatementFailed, match="tenants_schema_name_free")
    with operator(operator_url, "test") as session, refused, session.transaction(), as_owner(session, roles):
        session.execute(row, {"name": name})


def test_a_schema_that_was_not_made_for_the_tenant_stays(operator_url, roles):
    """A row pointed at another schema of the owner does not get it dropped; pointed back at its own, that one goes."""
    with operator(operator_url, "test") as session:
        with session.transaction():
            tenant, schema = _provision(session, roles, "acme")
            with as_owner(session, roles):
                session.execute("CREATE SCHEMA ledgers_of_somebody")
                session.execute("UPDATE public.tenants SET schema_name = 'ledgers_of_somebody' WHERE id = %(id)s", {"id": tenant})
            _mark_deleted(session, roles, tenant)
        with pytest.raises(StatementFailed, match="was not made for tenant"), session.transaction():
            session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant})
        with session.transaction():
            with as_owner(session, roles):
                session.execute("UPDATE public.tenants SET schema_name = %(s)s WHERE id = %(id)s", {"id": tenant, "s": schema})
            assert session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant}) == schema


@pytest.mark.parametrize(
    "outside",
    [
        'CREATE VIEW public.outside AS SELECT id FROM :"schema".products',
        'CREATE TABLE public.outside (company uuid REFERENCES :"schema".companies)',
        'CREATE TABLE public.outside (company :"schema".companies)',
        'CREATE FUNCTION :"schema".f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE TABLE public.outside (n int DEFAULT :"schema".f())',
        'CREATE TABLE :"schema".p (n int) PARTITION BY LIST (n); CREATE TABLE public.outside PARTITION OF :"schema".p FOR VALUES IN (1)',
        'CREATE TABLE public.outside () INHERITS (:"schema".products)',
        'CREATE EXTENSION hstore SCHEMA :"schema"',
    ],
)
def test_a_schema_that_others_need_is_not_dropped(operator_url, superuser_url, roles, outside):
    """Whatever outside depends on the schema is named, and nothing is dropped; without it the schema goes."""
    with operator(operator_url, "test") as session, operator(superuser_url, "test") as superuser:
        with session.transaction():
            tenant, schema = _provision(session, roles, "acme")
            _mark_deleted(session, roles, tenant)
        if "hstore" in outside and not _has_extension(superuser, "hstore"):
            outside = 'CREATE TABLE public.outside (company uuid REFERENCES :"schema".companies)'
        with superuser.transaction():
            role = "" if "EXTENSION" in outside else 'SET LOCAL ROLE :"owner"; '
            superuser.script(fill(role + outside, {"schema": schema, "owner": roles.owner}))
        with pytest.raises(StatementFailed, match="needed from outside"), session.transaction():
            session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant})
        with superuser.transaction():
            superuser.script(
                fill("DROP TABLE IF EXISTS public.outside", {}) if "TABLE public.outside" in outside else _undo(outside)
            )
        with session.transaction():
            assert session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant}) == schema


def _has_extension(session, name):
    with session.transaction():
        return session.value("SELECT count(*) FROM pg_available_extensions WHERE name = %(name)s", {"name": name}) == 1


def _undo(outside):
    return fill("DROP VIEW public.outside" if "VIEW" in outside else "DROP EXTENSION hstore", {})


def test_the_service_role_cannot_reach_registry_or_provisioning(database):
    """The app role reads no registry, provisions nothing, removes nothing and cannot rewrite its audit log."""
    refused = (
        "SELECT count(*) FROM public.tenants",
        "UPDATE public.tenants SET features = '{}'",
        "SELECT public.create_tenant_schema(gen_random_uuid())",
        "SELECT public.delete_tenant_schema(gen_random_uuid())",
        "DELETE FROM public.audit_logs",
        "UPDATE public.audit_logs SET action = 'x'",
        "CREATE TABLE public.mine ()",
        "SELECT count(*) FROM capliquify_ops.audit",
    )
    with operator(database.app_url, "test") as session:
        for statement in refused:
            with pytest.raises(PrivilegeMissing), session.transaction():
                session.execute(statement)


def test_resolution_answers_and_sets_the_tenant(database, roles):
    """resolve_tenant gives tenant and role in one row, none for an unknown organisation, and row security follows it."""
    with operator(database.operator_url, "test") as session, session.transaction():
        tenant, schema = _provision(session, roles, "acme")
        _provision(session, roles, "other")
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant)})
        with as_owner(session, roles):
            session.execute(
                "INSERT INTO public.users (clerk_user_id, email, tenant_id, role) VALUES ('u', 'e', %(id)s, 'admin')",
                {"id": tenant},
            )
    resolve = "SELECT * FROM public.resolve_tenant(%(org)s, %(user)s)"
    seen = "SELECT current_setting('app.tenant_id') || ' ' || (SELECT count(*) FROM public.users)"
    with operator(database.app_url, "test") as session, session.transaction():
        member = session.mappings(resolve, {"org": "org_acme", "user": "u"})[0]
        assert session.value(seen) == f"{tenant} 1"
        stranger = session.mappings(resolve, {"org": "org_acme", "user": "v"})[0]
        assert session.mappings(resolve, {"org": "org_other", "user": "u"})[0]["role"] is None
        assert session.value(seen).endswith(" 0")
        assert session.mappings(resolve, {"org": "org_nobody", "user": "u"}) == []
        assert session.value(seen) == " 0"
    assert (member["tenant_id"], member["schema_name"], member["role"], member["subscription_status"]) == (
        tenant,
        schema,
        "admin",
        "trial",
    )
    assert (stranger["tenant_id"], stranger["user_id"], stranger["role"]) == (tenant, None, None)


def test_row_security_holds_without_a_tenant_and_across_tenants(database, roles):
    """Unset or empty app.tenant_id shows no row of the shared tables, and no row of another tenant can be written."""
    with operator(database.operator_url, "test") as session, session.transaction():
        tenant, _ = _provision(session, roles, "acme")
        other, _ = _provision(session, roles, "other")
    with operator(database.app_url, "test") as session:
        with session.transaction():
            session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant)})
            session.execute("INSERT INTO public.audit_logs (tenant_id, action) VALUES (%(id)s, 'login')", {"id": tenant})
            assert session.value("SELECT count(*) FROM public.audit_logs") == 1
        with session.transaction():
            assert session.value("SELECT count(*) FROM public.audit_logs") == 0
        with session.transaction():
            session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant)})
            with pytest.raises(PrivilegeMissing, match="row-level security"), session.transaction():
                session.execute("INSERT INTO public.audit_logs (tenant_id, action) VALUES (%(id)s, 'login')", {"id": other})


@pytest.mark.parametrize("table", ["audit", "journal"])
def test_the_ledgers_only_grow(database, roles, table):
    """Nobody changes or removes a row of our audit: not the operator, not the owner, not a superuser."""
    columns = "(actor, verb) VALUES ('a', 'v')" if table == "audit" else "(entry) VALUES ('e')"
    statements = (f"DELETE FROM capliquify_ops.{table}", f"TRUNCATE capliquify_ops.{table}")
    with operator(database.operator_url, "test") as session, operator(database.superuser_url, "test") as superuser:
        with session.transaction():
            session.execute(f"INSERT INTO capliquify_ops.{table} {columns}")
        for statement in statements:
            with pytest.raises(PrivilegeMissing), session.transaction():
                session.execute(statement)
            with pytest.raises(PrivilegeMissing), session.transaction(), as_owner(session, roles):
                session.execute(statement)
            with pytest.raises(PrivilegeMissing, match="append-only"), superuser.transaction():
                superuser.execute(statement)


def test_the_observer_reads_what_it_must_and_changes_nothing(database, roles):
    """The observer reads registry and tenant tables through its own grants, and has no right to write."""
    with operator(database.operator_url, "test") as session, session.transaction():
        _, schema = _provision(session, roles, "acme")
    names = {"schema": schema}
    with observer(database.observer_url, "test") as session, session.transaction():
        assert session.value("SELECT count(*) FROM public.tenants") == 1
        assert session.value(fill('SELECT count(*) FROM :"schema".products', names)) == 0
    with operator(database.observer_url, "test") as session:
        for statement in ('DELETE FROM :"schema".products', "DELETE FROM public.tenants", "CREATE TABLE public.mine ()"):
            with pytest.raises(PrivilegeMissing), session.transaction():
                session.execute(fill(statement, names))


def test_every_tier_has_its_limits_in_one_place(database):
    """tier_defaults holds the three tiers, and a higher tier has at least the features of the lower one."""
    with observer(database.observer_url, "test") as session, session.transaction():
        tiers = session.mappings("SELECT tier::text, max_users, max_entities, features FROM public.tier_defaults()")
    assert [(t["tier"], t["max_users"], t["max_entities"]) for t in tiers] == [
        ("starter", 5, 500), ("professional", 25, 5000), ("enterprise", 100, None),
    ]  # fmt: skip
    features = [set(tier["features"]) for tier in tiers]
    assert features[0] < features[1] < features[2]
    assert all(value is True for tier in tiers for value in tier["features"].values())
