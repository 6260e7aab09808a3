"""A tenant as commands name and show it."""

from typing import Annotated

import typer

from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration.system import stamp
from capliquify_ops.evidence.canonical import Plain, plain
from capliquify_ops.tenants.registry import Tenant

Key = Annotated[str, typer.Argument(help="Slug, id, schema name or organisation.")]
_FIELDS = (
    "id",
    "slug",
    "name",
    "schema_name",
    "clerk_organization_id",
    "subscription_tier",
    "subscription_status",
    "created_at",
    "deleted_at",
)


def tenant_row(tenant: Tenant) -> dict[str, Plain]:
    """Return a tenant as JSON documents have it."""
    times = {key: stamp(value) for key in ("created_at", "deleted_at") if (value := getattr(tenant, key)) is not None}
    return {key: times.get(key, None if key.endswith("_at") else plain(str(getattr(tenant, key)))) for key in _FIELDS}


def show_tenant(tenant: Tenant, *, json: bool) -> None:
    """Print a tenant."""
    row = tenant_row(tenant)
    if json:
        document({"tenant": row})
        return
    for key, value in row.items():
        line(f"{key}: {'' if value is None else value}")
