"""A fleet for benchmarks: standard tenants, made by the product's own function."""

from capliquify_ops.database import fill as filled
from capliquify_ops.database import operator
from capliquify_ops.reference import fleet

REGISTERED = """
SELECT count(*), count(n.oid), count(DISTINCT t.subscription_tier), min(t.subscription_status::text)
FROM public.tenants AS t LEFT JOIN pg_namespace AS n ON n.nspname = t.schema_name"""


def test_fleet_is_of_standard_tenants(database):
    """As many tenants as asked for are added, each with schema, tables, owner and company, in every tier; more can be added."""
    assert fleet.fill(database.operator_url, database.roles, 23, connections=2) == 23
    assert fleet.fill(database.operator_url, database.roles, 1) == 1
    with operator(database.superuser_url, "test") as session, session.transaction():
        assert session.rows(REGISTERED, lambda *row: row) == [(24, 24, 3, "active")]
        assert session.value("SELECT count(DISTINCT tenant_id) FROM public.users WHERE role = 'owner'") == 24
        for schema in session.rows("SELECT schema_name FROM public.tenants", str):
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = %(schema)s AND tableowner = %(owner)s"
            assert session.value(tables, {"schema": schema, "owner": database.roles.owner}) == 9
            assert session.value(filled('SELECT count(*) FROM :"schema".companies', {"schema": schema})) == 1
