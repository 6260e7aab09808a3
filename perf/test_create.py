"""Create a tenant, beside its bare DDL as one script and beside django-tenants."""

import itertools
import json
import subprocess
import sys
import uuid
from importlib import resources
from pathlib import Path

import pytest
from perf.sides import compared

from capliquify_ops.database import fill
from capliquify_ops.database.dsn import parts
from capliquify_ops.model.names import TenantId
from capliquify_ops.tenants.create import NewTenant, create

PEER = Path(__file__).with_name("peer_django_tenants.py")
SCRIPT = """BEGIN;
SET LOCAL ROLE :"owner";
INSERT INTO public.tenants (id, slug, name, schema_name, clerk_organization_id, subscription_tier, subscription_status,
    trial_ends_at, max_users, max_entities, features)
  SELECT :'id'::uuid, :'slug', :'slug', :'schema', :'slug', d.tier, 'trial', pg_catalog.now() + interval '14 days',
    d.max_users, d.max_entities, d.features
  FROM public.tier_defaults() AS d WHERE d.tier = 'starter';
CREATE SCHEMA :"schema";
COMMENT ON SCHEMA :"schema" IS 'a tenant';
SET LOCAL search_path = :"schema", pg_temp;
{body}
GRANT USAGE ON SCHEMA :"schema" TO :"app", :"observer";
COMMIT"""


def tenant_ddl():
    """The statements of the product's own function between its checks and its end, as they stand."""
    text = (resources.files("capliquify_ops.tenants") / "sql/product/0002_provisioning.sql").read_text(encoding="utf-8")
    start, usage = text.index("  CREATE TABLE companies"), text.index("  EXECUTE format('GRANT USAGE")
    rights = text.index("\n", usage), text.index("  RETURN v_schema;", usage)
    return text[start:usage] + text[slice(*rights)]


def bare(session, roles, slug):
    """Make the same schema and registry row with one script in one transaction."""
    names = {"id": str(uuid.uuid4()), "slug": slug, "schema": f"bare_{slug}", **roles.names()}
    session.outside_transaction(fill(SCRIPT.format(body=tenant_ddl()), names))


def made(session, roles, slug):
    """Make a tenant as everybody does."""
    create(session, roles, NewTenant(TenantId(uuid.uuid4()), slug, slug, slug), actor="bench")


def relations(session, prefix):
    """How many tables and indexes stand in the schemas of a prefix."""
    query = (
        "SELECT array[count(*) FILTER (WHERE c.relkind = 'r'), count(*) FILTER (WHERE c.relkind = 'i'), count(DISTINCT n.oid)]"
        " FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid WHERE n.nspname LIKE %(prefix)s"
    )
    with session.transaction():
        return session.value(query, {"prefix": f"{prefix}%"})


def test_bare_script(benchmark, claims, tenants, fleet_size, size):
    """What create adds to the bare DDL: the tenant's lock, the search for collisions, the registry's row read back, the audit."""
    numbers, roles = itertools.count(), tenants.server.roles
    with tenants.operator() as session, tenants.operator() as other:
        made(session, roles, "warm-up")
        bare(other, roles, "warm-up-too")
        ratio = compared(
            benchmark,
            lambda: made(session, roles, f"made-{next(numbers)}"),
            lambda: bare(other, roles, f"bare-{next(numbers)}"),
            rounds=40 if size == "full" else 5,
            peer="script",
        )
    benchmark.extra_info |= {"tenants": fleet_size, "over_script": 1 / ratio}
    claims.at_most("create: times slower than the bare script of DDL", 1 / ratio, full=1.15, ci=5)


@pytest.fixture
def peer(server):
    """A process that makes a schema whenever it is asked, in a database of its own; gives the question."""
    database = server.fresh("django", template="template1")
    found = parts(database.url("superuser"))
    password = Path(found["passfile"]).read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
    connection = {"NAME": "django", "USER": found["user"], "PASSWORD": password, "HOST": found["host"], "PORT": found["port"]}
    command = [sys.executable, PEER, json.dumps(connection)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"

        def ask():
            process.stdin.write("one more\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield database, ask
        process.stdin.close()


def test_django_tenants(benchmark, claims, tenants, peer, size):
    """A schema of as many tables and indexes takes django-tenants several times as long."""
    numbers, roles, (database, ask) = itertools.count(), tenants.server.roles, peer
    ask()
    with tenants.operator() as session:
        ratio = compared(
            benchmark,
            lambda: made(session, roles, f"side-{next(numbers)}"),
            ask,
            rounds=10 if size == "full" else 3,
            peer="django",
        )
    with database.superuser() as session:
        tables, indexes, schemas = relations(session, "peer_")
    benchmark.extra_info |= {"peer_tables": tables // schemas, "peer_indexes": indexes // schemas}
    claims.at_least("create: times faster than django-tenants", ratio, full=4, ci=1)
