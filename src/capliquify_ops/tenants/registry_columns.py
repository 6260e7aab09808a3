"""Statements about the registry, whatever its columns are called: where they name the table, they read rows of our columns."""

import json

from capliquify_ops.configuration import Registry
from capliquify_ops.database import fill, load
from capliquify_ops.database.connect import Query
from capliquify_ops.tenants.registry import registry_names

_TABLE = ':"registry_schema".:"registry_table"'


def fill_registry(text: str, registry: Registry) -> Query:
    """Fill a statement in which `:"registry_schema".:"registry_table"` stands for a relation of one row for each tenant.

    Its columns are id, slug, schema_name, subscription_status, created_at and deleted_at. A table that is this product's own is
    named as it is; of any other, the query takes the table's place that gives its rows in that form.
    """
    names = registry_names(registry.table)
    if registry.is_ours:
        return fill(text, names)
    tenants = load("capliquify_ops.tenants", "registry_tenants").text
    return fill(text.replace(_TABLE, f"(\n{tenants})"), names | _columns(registry) | _lists(registry))


def _columns(registry: Registry) -> dict[str, str]:
    optional = {"status": registry.status, "created_at": registry.created_at, "deleted_at": registry.deleted_at}
    return {
        "registry_id": registry.id,
        "registry_name": registry.schema_name,
        "registry_slug": registry.slug,
        **{f"registry_{key}": column or registry.schema_name for key, column in optional.items()},
        **{f"has_{key}": "true" if column else "false" for key, column in optional.items()},
    }


def _lists(registry: Registry) -> dict[str, str]:
    lists = {
        "deleted_statuses": registry.deleted_statuses,
        "cancelled_statuses": registry.cancelled_statuses,
        "shared_schemas": registry.shared_schemas,
    }
    return {name: json.dumps(each, ensure_ascii=False) for name, each in lists.items()}
