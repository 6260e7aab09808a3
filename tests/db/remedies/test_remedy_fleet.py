"""Remedies for tenants and tables, on a real database."""

import psycopg
import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.model.errors import TargetForbids, TenantConflict, TenantNotFound, UsageError
from capliquify_ops.remedies.acting import Options, State
from capliquify_ops.remedies.fleet_steps import CREATE_MISSING_INDEXES, PROVISION_SCHEMA
from capliquify_ops.remedies.maintenance import ANALYZE_TABLES, VACUUM_TABLES, parsed
from capliquify_ops.remedies.settings_advice import POOL_SETTINGS
from capliquify_ops.remedies.suspending import SUSPEND_TENANT


def counts(url, schema, table="products"):
    with operator(url, "test") as session, session.transaction():
        query = (
            "SELECT s.vacuum_count + s.analyze_count FROM pg_catalog.pg_stat_all_tables AS s"
            " WHERE s.schemaname = %(schema)s AND s.relname = %(table)s"
        )
        return session.value(query, {"schema": schema, "table": table})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.b", ("a", "b")),
        ('"a.b".c', ("a.b", "c")),
        ('"a""b"."c d"', ('a"b', "c d")),
        ("tenant 1.products", ("tenant 1", "products")),
    ],
)
def test_names_of_tables(text, names):
    """Schema and table, quoted where a dot or a quote is in them."""
    assert parsed(text) == names


@pytest.mark.parametrize("text", ["", "a", "a.b.c", ".b", "a.", '"a".', '""."b"'])
def test_what_names_no_table(text):
    """Anything else is refused."""
    with pytest.raises(UsageError, match="does not name a schema and a table"):
        parsed(text)


def test_tables_are_vacuumed(taken, two, context, operator_url, superuser_url):
    """Named tables are vacuumed and analysed as the owner, one whose schema needs quotes too; the server has counted it."""
    quoted = '"' + two["b"].replace('"', '""') + '".products'
    by = context(operator_url)
    before = [counts(superuser_url, two[key]) for key in "ab"]
    plan, report = taken(VACUUM_TABLES, by=by, arguments=(f"{two['a']}.products", quoted))
    assert "VACUUM (ANALYZE, SKIP_LOCKED)" in plan.steps[0].statement
    assert (report.state, report.verified.holds, report.database) == (State.DONE, True, "written")
    assert len(report.changed["vacuumed"]) == 2
    assert [counts(superuser_url, two[key]) for key in "ab"] == [number + 2 for number in before]
    _, report = taken(ANALYZE_TABLES, by=by, arguments=(f"{two['a']}.products",))
    assert report.changed == {"analyzed": [f"{two['a']}.products"]}


def test_a_locked_table_is_skipped_and_said(taken, two, context, operator_url, superuser_url, monkeypatch):
    """What somebody else has locked is left alone, the other table is not; nothing waits."""
    monkeypatch.setattr("capliquify_ops.remedies.maintenance._SEEN_S", 0.3)
    with psycopg.connect(superuser_url.reveal()) as holder:
        holder.execute(fill('LOCK TABLE :"a".products', {"a": two["a"]}).as_string(None))
        names = (f"{two['a']}.products", f"{two['a']}.sales")
        _, report = taken(ANALYZE_TABLES, by=context(operator_url), arguments=names)
    assert report.changed == {"analyzed": [names[1]]}
    assert "somebody else holds a lock" in report.left[0]
    assert report.exit_code == 17


def test_what_is_no_table(context, two, operator_url):
    """A view, an index, something that is not there, a pooled target: refused before anything is done."""
    here = context(operator_url)
    for name, why in (
        ("pg_catalog.pg_class_oid_index", "is an index"),
        ("pg_catalog.pg_stats", "is a view"),
        ("no.such", "there is no"),
    ):
        with pytest.raises(UsageError, match=why):
            VACUUM_TABLES.prepare(here, Options((name,)))
    with pytest.raises(TargetForbids, match="pooled"):
        VACUUM_TABLES.prepare(context(operator_url, pooled=True), Options(("a.b",)))


def test_an_index_that_one_tenant_lacks(taken, furnish_three, context, operator_url, as_the_owner):
    """The missing index is built beside the work where it is missing, and the check finds none any more."""
    schemas = furnish_three
    as_the_owner('DROP INDEX :"s".:"i"', s=schemas[0], i=_some_index(operator_url, schemas[0]))
    plan, report = taken(CREATE_MISSING_INDEXES, by=context(operator_url))
    assert len(plan.steps) == 2, "the index, and the audit"
    assert "CREATE INDEX CONCURRENTLY" in plan.steps[0].statement
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, True, 0)
    assert report.changed["repaired"] == 1
    assert CREATE_MISSING_INDEXES.prepare(context(operator_url), Options()).plan.steps == ()


def _some_index(url, schema):
    with operator(url, "test") as session, session.transaction():
        query = (
            "SELECT c.relname::text FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid"
            " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %(s)s AND NOT i.indisunique"
            " ORDER BY 1 LIMIT 1"
        )
        return session.value(query, {"s": schema})


@pytest.fixture
def furnish_three(two, operator_url, roles):
    """Three tenants: a majority says what is right."""
    import uuid

    from capliquify_ops.tenants.create import NewTenant, create

    with operator(operator_url, "test") as session:
        third = create(session, roles, NewTenant(uuid.uuid4(), "c", "c", "org_c"), actor="test").schema_name
    return [two["a"], two["b"], third]


def test_a_missing_schema(taken, two, context, operator_url, superuser_url, as_the_owner, rows):
    """A registered tenant without a schema gets one; who has one, or is nobody, is refused with the reason."""

    class Patient:
        def number(self, name):
            from capliquify_ops.configuration import load_limits

            return 0 if name == "provisioning_grace_s" else load_limits().number(name)

    for schema in two.values():
        as_the_owner('DROP SCHEMA :"s" CASCADE', s=schema)
    here = context(operator_url, limits=Patient())
    plan, report = taken(PROVISION_SCHEMA, by=here, arguments=("a",))
    assert plan.subject == "a"
    assert "create_tenant_schema" in plan.steps[0].statement
    assert (report.state, report.verified.holds) == (State.DONE, True)
    assert len([step for step in plan.steps if step.statement.startswith("SELECT")]) == 1
    assert counts(superuser_url, two["a"]) is not None
    assert counts(superuser_url, two["b"]) is None, "nobody asked for that one"
    assert rows()[-1]["slug"] == "a"
    with pytest.raises(TenantConflict, match="Nothing was provisioned for 'a'"):
        PROVISION_SCHEMA.prepare(here, Options(("a",)))
    with pytest.raises(TenantNotFound):
        PROVISION_SCHEMA.prepare(here, Options(("nobody",)))
    with pytest.raises(UsageError):
        PROVISION_SCHEMA.prepare(here, Options(("a", "b")))


def test_a_tenant_is_suspended(taken, two, context, operator_url, superuser_url, rows):
    """Through the lifecycle's verb, with its audit and ours; nobody was asked whether the service refuses, so 17."""
    _, report = taken(SUSPEND_TENANT, by=context(operator_url), arguments=("a",), reason="breach")
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, None, 17)
    assert "nobody asks" in report.verified.says
    assert report.changed["suspended"] == "a"
    with operator(superuser_url, "test") as session, session.transaction():
        assert session.value("SELECT subscription_status::text FROM public.tenants WHERE slug = 'a'") == "suspended"
        verbs = session.rows("SELECT verb FROM capliquify_ops.audit WHERE slug = 'a' ORDER BY id", str)
    assert verbs[-2:] == ["tenant suspend", "remedy suspend-tenant"]
    with pytest.raises(TenantConflict):
        SUSPEND_TENANT.prepare(context(operator_url), Options(("a",), reason="again"))


def test_a_tenant_that_changed_meanwhile(taken, two, context, operator_url, superuser_url):
    """Deleted between plan and act: failed, nothing changed, on the record."""

    def between():
        with operator(superuser_url, "test") as session, session.transaction():
            session.execute("UPDATE public.tenants SET deleted_at = now() WHERE slug = 'a'")

    _, report = taken(SUSPEND_TENANT, between, by=context(operator_url), arguments=("a",), reason="breach")
    assert (report.state, report.changed, report.exit_code) == (State.FAILED, {}, 64)


def test_settings_of_pools(context, client):
    """The numbers are measured: connections that there are, in use by others and by the application; the role's own limit counts."""
    [client() for _ in range(3)]
    plan = POOL_SETTINGS.prepare(context(), Options(processes=4)).plan
    assert plan.concerns["max_connections"] == 200
    assert plan.concerns["in_use_by_the_application"] == 3
    assert plan.concerns["processes"] == "4 (--processes)"
    assert any(step.statement == "pool_mode = transaction" for step in plan.steps)
    assert "Give it: --processes" in POOL_SETTINGS.prepare(context(), Options()).plan.concerns["processes"]


def test_a_part_of_a_partitioned_table_that_is_locked(
    taken, two, context, operator_url, superuser_url, as_the_owner, monkeypatch
):
    """One of two parts is skipped: the table is not said to be vacuumed. Once it is free, it is."""
    monkeypatch.setattr("capliquify_ops.remedies.maintenance._SEEN_S", 0.3)
    as_the_owner('CREATE TABLE :"a".whole (n int) PARTITION BY LIST (n)', a=two["a"])
    for part in ("one", "two"):
        number = "1" if part == "one" else "2"
        as_the_owner(f'CREATE TABLE :"a".{part} PARTITION OF :"a".whole FOR VALUES IN ({number})', a=two["a"])
    by, name = context(operator_url), f"{two['a']}.whole"
    for remedy, word in ((VACUUM_TABLES, "vacuumed"), (ANALYZE_TABLES, "analyzed")):
        with psycopg.connect(superuser_url.reveal()) as holder:
            # It keeps out a vacuum, and lets the whole table be read for its numbers.
            holder.execute(fill('LOCK TABLE :"a".two IN SHARE MODE', {"a": two["a"]}).as_string(None))
            _, report = taken(remedy, by=by, arguments=(name,))
            assert (report.state, report.changed) == (State.REFUSED, {}), word
            assert "some of its 2 parts: skipped" in report.left[0]
        _, report = taken(remedy, by=by, arguments=(name,))
        assert (report.state, report.changed) == (State.DONE, {word: [name]})


def test_a_temporary_table_is_somebodys(context, operator_url, client):
    """A temporary table of another session, which the server would skip in silence, is refused before anything is done."""
    session = client(operator_url)
    session.execute("CREATE TEMP TABLE mine (n int)")
    [(schema,)] = session.execute("SELECT pg_my_temp_schema()::regnamespace::text").fetchall()
    session.commit()
    with pytest.raises(UsageError, match="is a temporary table"):
        VACUUM_TABLES.prepare(context(operator_url), Options((f"{schema}.mine",)))
