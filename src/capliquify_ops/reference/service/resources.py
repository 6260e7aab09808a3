"""The tenant's own tables as resources: which fields come in, which go out, and the statements between.

Table names stand without a schema: the transaction's search_path holds the schema of one tenant and nothing else.
Rows leave the database as JSON text, so that no worker spends time on turning them into objects and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import LiteralString

from psycopg import sql

from capliquify_ops.reference.service.bodies import Rule, Rules

_MONEY = 99_999_999_999.0  # numeric(15, 4)
_AMOUNT = 999_999_999_999.0  # numeric(15, 3)
_CASTS: Mapping[str, LiteralString] = {
    "text": "text",
    "number": "numeric",
    "integer": "integer",
    "boolean": "boolean",
    "uuid": "uuid",
    "date": "date",
    "object": "jsonb",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A table: the columns that are shown, and the rules of the fields that may be sent."""

    table: LiteralString
    shown: tuple[LiteralString, ...]
    rules: Rules


PRODUCTS = Resource(
    "products",
    (
        "id",
        "company_id",
        "sku",
        "name",
        "description",
        "category",
        "unit_cost",
        "unit_price",
        "is_active",
        "created_at",
        "updated_at",
    ),
    {
        "sku": Rule("text", is_required=True, most=100),
        "name": Rule("text", is_required=True, most=255),
        "description": Rule("text", can_be_null=True, most=10_000),
        "category": Rule("text", can_be_null=True, most=100),
        "unit_cost": Rule("number", least=0, most=_MONEY, decimals=4),
        "unit_price": Rule("number", least=0, most=_MONEY, decimals=4),
        "is_active": Rule("boolean"),
    },
)
SALES = Resource(
    "sales",
    ("id", "product_id", "sold_on", "quantity", "unit_price", "total_amount", "customer", "channel", "created_at"),
    {
        "product_id": Rule("uuid", is_required=True),
        "sold_on": Rule("date", is_required=True),
        "quantity": Rule("number", is_required=True, least=0, most=_AMOUNT, decimals=3),
        "unit_price": Rule("number", least=0, most=_MONEY, decimals=4),
        "customer": Rule("text", can_be_null=True, most=255),
        "channel": Rule("text", can_be_null=True, most=100),
    },
)
INVENTORY = Resource(
    "inventory",
    (
        "id",
        "product_id",
        "location",
        "quantity_on_hand",
        "quantity_reserved",
        "quantity_available",
        "reorder_point",
        "created_at",
        "updated_at",
    ),
    {
        "product_id": Rule("uuid", is_required=True),
        "location": Rule("text", most=100),
        "quantity_on_hand": Rule("number", is_required=True, least=0, most=_AMOUNT, decimals=3),
        "quantity_reserved": Rule("number", least=0, most=_AMOUNT, decimals=3),
        "reorder_point": Rule("number", can_be_null=True, least=0, most=_AMOUNT, decimals=3),
    },
)
FORECASTS = Resource(
    "forecasts",
    ("id", "product_id", "period", "quantity", "lower_bound", "upper_bound", "method", "created_at"),
    {
        "product_id": Rule("uuid", is_required=True),
        "period": Rule("date", is_required=True),
        "quantity": Rule("number", is_required=True, least=0, most=_AMOUNT, decimals=3),
        "lower_bound": Rule("number", can_be_null=True, least=0, most=_AMOUNT, decimals=3),
        "upper_bound": Rule("number", can_be_null=True, least=0, most=_AMOUNT, decimals=3),
    },
)
SCENARIOS = Resource(
    "scenarios",
    ("id", "name", "status", "assumptions", "results", "created_at", "updated_at"),
    {
        "name": Rule("text", is_required=True, most=255),
        "status": Rule("text", choices=("draft", "final", "archived")),
        "assumptions": Rule("object"),
    },
)
WORKING_CAPITAL = Resource(
    "working_capital_metrics",
    (
        "id",
        "measured_on",
        "cash",
        "accounts_receivable",
        "inventory_value",
        "accounts_payable",
        "short_term_debt",
        "current_assets",
        "current_liabilities",
        "working_capital",
        "cash_conversion_cycle",
        "created_at",
    ),
    {},
)

COMPANY_PARAMETER = "company_name"
"""What a tenant's first company is called when nothing has made one yet."""


def list_query(resource: Resource) -> sql.Composed:
    """One page, newest first, as a JSON array. Parameters: limit, offset."""
    return _list_query(resource.table, resource.shown)


def get_query(resource: Resource) -> sql.Composed:
    """One row as a JSON object, or no row. Parameter: id."""
    return _get_query(resource.table, resource.shown)


def insert_query(resource: Resource, given: Mapping[str, object]) -> sql.Composed:
    """Inserts the given fields and returns the row as JSON; no row when the product does not exist.

    Parameters: the fields, company_name.
    """
    columns = tuple((name, resource.rules[name].kind) for name in sorted(given))
    return _insert_query(resource.table, resource.shown, columns)


def update_query(resource: Resource, given: Mapping[str, object], *, is_whole: bool) -> sql.Composed:
    """Changes the given fields, and when `is_whole` resets the others; returns the row as JSON. Parameters: the fields, id."""
    columns = tuple((name, resource.rules[name].kind) for name in sorted(given))
    reset = tuple(sorted(resource.rules.keys() - given.keys())) if is_whole else ()
    return _update_query(resource.table, resource.shown, columns, reset)


def delete_query(resource: Resource) -> sql.Composed:
    """Deletes one row and returns its id as JSON, or no row. Parameter: id."""
    return sql.SQL("DELETE FROM {} WHERE id = %(id)s::uuid RETURNING json_build_object('id', id)::text").format(
        sql.Identifier(resource.table)
    )


@lru_cache(maxsize=64)
def _list_query(table: str, shown: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(
        "SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM"
        " (SELECT {} FROM {} ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page"
    ).format(_names(shown), sql.Identifier(table))


@lru_cache(maxsize=64)
def _get_query(table: str, shown: tuple[str, ...]) -> sql.Composed:
    statement = sql.SQL("SELECT row_to_json(one)::text FROM (SELECT {} FROM {} WHERE id = %(id)s::uuid) AS one")
    return statement.format(_names(shown), sql.Identifier(table))


@lru_cache(maxsize=1024)
def _insert_query(table: str, shown: tuple[str, ...], columns: tuple[tuple[str, str], ...]) -> sql.Composed:
    source = _OF_PRODUCT if ("product_id", "uuid") in columns else _OF_FIRST_COMPANY
    return sql.SQL(
        "WITH {source}, made AS (INSERT INTO {table} (company_id, {names}) SELECT company.id, {values} FROM company RETURNING *)"
        " SELECT row_to_json(one)::text,"
        " pg_notify('reference_service_events', current_setting('app.tenant_id') || {kind} || one.id)"
        " FROM (SELECT {shown} FROM made) AS one"
    ).format(
        kind=sql.Literal(f" {table} "),
        source=source,
        table=sql.Identifier(table),
        names=_names(tuple(name for name, _ in columns)),
        values=sql.SQL(", ").join(_value(name, kind) for name, kind in columns),
        shown=_names(shown),
    )


@lru_cache(maxsize=1024)
def _update_query(
    table: str, shown: tuple[str, ...], columns: tuple[tuple[str, str], ...], reset: tuple[str, ...]
) -> sql.Composed:
    changes = [sql.SQL("{} = {}").format(sql.Identifier(name), _value(name, kind)) for name, kind in columns]
    changes += [sql.SQL("{} = DEFAULT").format(sql.Identifier(name)) for name in reset]
    return sql.SQL(
        "WITH made AS (UPDATE {} SET {}, updated_at = now() WHERE id = %(id)s::uuid RETURNING *)"
        " SELECT row_to_json(one)::text FROM (SELECT {} FROM made) AS one"
    ).format(sql.Identifier(table), sql.SQL(", ").join(changes), _names(shown))


_OF_PRODUCT = sql.SQL("company AS (SELECT company_id AS id FROM products WHERE id = %(product_id)s::uuid)")
_OF_FIRST_COMPANY = sql.SQL(
    "first AS (SELECT id FROM companies ORDER BY created_at, id LIMIT 1),"
    " opened AS (INSERT INTO companies (name) SELECT %(company_name)s::text WHERE NOT EXISTS (SELECT FROM first) RETURNING id),"
    " company AS (SELECT id FROM first UNION ALL SELECT id FROM opened)"
)


def _names(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _value(name: str, kind: str) -> sql.Composed:
    return sql.SQL("{}::{}").format(sql.Placeholder(name), sql.SQL(_CASTS[kind]))
