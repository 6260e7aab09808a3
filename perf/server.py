"""The benchmarks' server: databases made from its pristine one, fleets, and tenants of a given size."""

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from capliquify_ops.database import fill, observer, operator
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import fleet
from capliquify_ops.reference.postgres_programs import locate
from capliquify_ops.reference.stack import Stack
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import Tenant

SETTINGS = {"wal_level": "replica", "shared_buffers": "512MB", "max_wal_size": "8GB"}
"""As in production, rows of a table made in the same transaction go through the log too: nobody has a short cut."""
BYTES_PER_SALE = 184
"""Of the text that COPY writes."""


@dataclass(frozen=True)
class Server:
    """A running server and the programs of its version."""

    stack: Stack
    programs: Path

    @property
    def roles(self) -> Roles:
        return self.stack.roles

    def url(self, who: str, database: str) -> Secret:
        return Secret(urlunsplit(urlsplit(getattr(self.stack, f"{who}_url"))._replace(path=f"/{database}")))

    def fresh(self, name: str, template: str = "capliquify") -> "Database":
        """Make a database anew, with the product installed."""
        with operator(self.url("superuser", "postgres"), "bench") as session:
            session.outside_transaction(fill('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', {"name": name}))
            names = {"name": name, "template": template, "owner": self.roles.owner}
            session.outside_transaction(fill('CREATE DATABASE :"name" TEMPLATE :"template" OWNER :"owner"', names))
            session.outside_transaction("CHECKPOINT")
        return Database(self, name)


@dataclass(frozen=True)
class Database:
    """A database of a benchmark."""

    server: Server
    name: str

    def url(self, who: str) -> Secret:
        return self.server.url(who, self.name)

    def observer(self):
        return observer(self.url("database"), "bench")

    def operator(self):
        return operator(self.url("operator"), "bench")

    def superuser(self):
        return operator(self.url("superuser"), "bench")

    def configuration(self, folder: Path) -> Path:
        """Write a configuration whose target `running` is this database."""
        lines = ["[targets.running]", 'class = "loopback"', f'app_role = "{self.server.roles.app}"', 'profile = "capliquify"']
        for key, who in (("database_url_file", "database"), ("operator_url_file", "operator")):
            (folder / key).write_text(self.url(who).reveal(), encoding="utf-8")
            lines.append(f'{key} = "{folder / key}"')
        lines += [
            "[targets.running.roles]",
            *(f'{name} = "{getattr(self.server.roles, name)}"' for name in ("owner", "observer", "operator")),
        ]
        path = folder / "bench.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path


def programs_of(given: Path | None) -> Path:
    """Return the folder of pg_dump and pg_restore: given, or the wheel's own."""
    return given or locate(None)


def filled(server: Server, name: str, tenants: int) -> tuple[Database, float]:
    """Make a database with a fleet, and say how many seconds the fleet took."""
    database = server.fresh(name)
    began = time.perf_counter()
    fleet.fill(database.url("operator"), server.roles, tenants)
    return database, time.perf_counter() - began


def new_tenant(slug: str) -> NewTenant:
    """A tenant with its first owner and company, as any other."""
    owner = FirstUser(f"user_{slug}", f"{slug}@example.test", "Owner")
    return NewTenant(TenantId(uuid.uuid4()), slug, slug.title(), f"org_{slug}", owner=owner, company=slug.title())


def large_tenant(database: Database, slug: str, megabytes: int) -> Tenant:
    """Create a tenant whose rows are so many megabytes of COPY text, nearly all of them sales."""
    roles = database.server.roles
    with database.operator() as session:
        tenant = create(session, roles, new_tenant(slug), actor="bench")
        names, values = {"schema": tenant.schema_name}, {"sales": megabytes * 1_000_000 // BYTES_PER_SALE}
        with session.transaction(), as_owner(session, roles):
            session.execute("SET LOCAL statement_timeout = 0")
            session.execute(fill(_PRODUCTS, names))
            session.execute(fill(_SALES, names), values)
    with operator(database.url("superuser"), "bench") as session:
        session.outside_transaction("VACUUM ANALYZE")
    return tenant


_PRODUCTS = """INSERT INTO :"schema".products (company_id, sku, name)
  SELECT c.id, 'sku-' || n, 'Product ' || n FROM :"schema".companies AS c, pg_catalog.generate_series(1, 1000) AS n"""
_SALES = """INSERT INTO :"schema".sales (company_id, product_id, sold_on, quantity, unit_price, customer, channel)
  SELECT p.company_id, p.id, date '2020-01-01' + (n %% 2000)::int, n %% 97, (n %% 1000) / 10.0, 'customer ' || n %% 5000, 'web'
  FROM pg_catalog.generate_series(1, %(sales)s::bigint) AS n
  JOIN (SELECT q.*, pg_catalog.row_number() OVER (ORDER BY q.sku) AS position FROM :"schema".products AS q) AS p
    ON p.position = 1 + n %% 1000"""
