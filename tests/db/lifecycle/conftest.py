"""What the tests of lifecycle verbs share: a session, tenants with rows, archives that notice, and a digest of everything."""

import hashlib
import importlib.util
import json
import sys
import uuid
from pathlib import Path

import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

HERE = Path(__file__).parent


def _module(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


archives_module = _module("archives")


@pytest.fixture
def session(operator_url):
    with operator(operator_url, "test") as opened:
        yield opened


@pytest.fixture
def archives(tmp_path, roles):
    """The stand-in for the archive."""
    return archives_module.Archives(tmp_path, roles)


@pytest.fixture(scope="session")
def archive_folder():
    """Makes the stand-in for the archive in a folder, for other servers than this run's."""
    return archives_module.Archives


@pytest.fixture
def make(session, roles):
    """Makes a tenant with an owner, a company and some products."""

    def new(slug="acme", products=3, **changes):
        values = {
            "id": uuid.uuid4(),
            "slug": slug,
            "name": slug.title(),
            "organization": f"org_{slug}",
            "owner": FirstUser(f"user_{slug}", f"{slug}@example.com"),
            "company": f"{slug} Ltd",
        }
        tenant = create(session, roles, NewTenant(**values | changes), actor="tester")
        with session.transaction(), as_owner(session, roles):
            query = (
                'INSERT INTO :"s".products (company_id, sku, name) SELECT c.id, i::text, i::text'
                ' FROM :"s".companies AS c, pg_catalog.generate_series(1, %(n)s) AS i'
            )
            session.execute(fill(query, {"s": tenant.schema_name}), {"n": products})
        return tenant

    return new


@pytest.fixture
def content(session, roles):
    """Everything in a schema, as text."""

    def read(schema):
        with session.transaction():
            return archives_module.content_of(session, roles, schema)

    return read


_STATE = {
    "registry": "SELECT t::text FROM public.tenants AS t ORDER BY 1",
    "audit": "SELECT a::text FROM capliquify_ops.audit AS a ORDER BY 1",
    "sequences": "SELECT s::text FROM capliquify_ops.sequence AS s ORDER BY 1",
    "quarantine": "SELECT q::text FROM capliquify_ops.quarantine AS q ORDER BY 1",
    "schemas": "SELECT oid || nspname || nspowner || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
    "relations": "SELECT oid || relname || relnamespace || coalesce(relacl::text, '') FROM pg_class WHERE oid > 16384 ORDER BY 1",
    "constraints": "SELECT oid || conname FROM pg_constraint WHERE oid > 16384 ORDER BY 1",
}


@pytest.fixture
def everything(superuser_url):
    """A digest of registry, ledgers and catalogue, seen by a superuser."""

    def digest():
        with operator(superuser_url, "digest") as seen, seen.transaction():
            found = {name: seen.rows(query, str) for name, query in _STATE.items()}
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    return digest
