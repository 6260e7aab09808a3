"""What a verb concerns: rows and bytes of one tenant, at the price of that tenant."""

from dataclasses import dataclass

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.finding import Scalar
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, registry_names

_HERE = "capliquify_ops.tenants"


@dataclass(frozen=True, slots=True)
class Cascading:
    """A table whose rows go with the tenant's row, and the column that says whose they are."""

    schema: str
    relation: str
    attribute: str

    def names(self) -> dict[str, str]:
        """Return the names for `fill`."""
        return {"home": self.schema, "relation": self.relation, "attribute": self.attribute}


@dataclass(frozen=True, slots=True)
class SchemaSize:
    """How much a schema holds. Rows and bytes are what the last VACUUM or ANALYZE found: 0 for a table that never had one."""

    tables: int
    rows_estimated: int
    bytes_estimated: int


def cascading(session: Session, *, registry: str = PRODUCT_REGISTRY) -> list[Cascading]:
    """Return the tables whose rows go with a tenant's row, within the open transaction."""
    return session.rows(fill(load(_HERE, "cascading").text, registry_names(registry)), Cascading)


def schema_size(session: Session, schema: str) -> SchemaSize:
    """Return how much a schema holds, within the open transaction; nothing of one that does not exist."""
    return session.rows(load(_HERE, "schema_size"), SchemaSize, {"schema": schema})[0]


def speak_for(session: Session, tenant: Tenant) -> None:
    """Say until the transaction ends whose rows are meant: the policies of the shared tables hold for every role of ours."""
    session.execute("SELECT pg_catalog.set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})


def shared_rows(session: Session, tenant: Tenant, *, registry: str = PRODUCT_REGISTRY) -> dict[str, int]:
    """Count the tenant's rows in the shared tables, within the open transaction."""
    speak_for(session, tenant)
    count = 'SELECT pg_catalog.count(*) FROM :"home".:"relation" WHERE :"attribute" = %(id)s'
    return {
        f"{one.schema}.{one.relation}": int(session.value(fill(count, one.names()), {"id": tenant.id}))
        for one in cascading(session, registry=registry)
    }


def concerns_of(session: Session, tenant: Tenant) -> dict[str, Scalar]:
    """Return what a plan says about the tenant: status, schema, rows and bytes, within the open transaction."""
    size = schema_size(session, tenant.schema_name)
    found: dict[str, Scalar] = {"status": tenant.subscription_status, "schema": tenant.schema_name}
    found |= {f"rows of {table}": number for table, number in shared_rows(session, tenant).items()}
    return found | {"tables": size.tables, "rows_estimated": size.rows_estimated, "bytes_estimated": size.bytes_estimated}
