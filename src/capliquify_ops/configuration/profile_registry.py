"""The registry as a deployment has it: its table, what its columns are called, and which of its rows are no tenants."""

from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.model.errors import ConfigurationInvalid

_KEYS = frozenset({"table", "columns", "statuses", "shared_schemas"})
_COLUMNS = ("schema_name", "id", "slug", "status", "created_at", "deleted_at")
_STATUSES = ("deleted", "cancelled")


@dataclass(frozen=True, slots=True)
class Registry:
    """Table and columns of the registry; "" is a column that it does not have. The defaults are this product's own.

    Without status and deleted_at every row is a live tenant's, without created_at every row counts as old. Tenants of one of
    `deleted_statuses` are gone, those of `cancelled_statuses` may have lost their schema; `shared_schemas` are no tenants'.
    """

    table: str
    schema_name: str = "schema_name"
    id: str = "id"
    slug: str = "slug"
    status: str = "subscription_status"
    created_at: str = "created_at"
    deleted_at: str = "deleted_at"
    deleted_statuses: tuple[str, ...] = ()
    cancelled_statuses: tuple[str, ...] = ()
    shared_schemas: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the table must have."""
        return tuple(filter(None, (getattr(self, key) for key in _COLUMNS)))

    @property
    def is_ours(self) -> bool:
        """Whether the table can be read as it is: columns of our names, and a tenant in every row."""
        return self == Registry(self.table)


def parse_registry(row: Mapping[str, object], where: str) -> Registry:
    """Parse a profile's [registry]. Where [registry.columns] is given, a column that it does not name is none.

    Raises ConfigurationInvalid, and KeyError without a table.
    """
    _only(row, _KEYS, f"{where}: registry")
    columns = _table(row, "columns", _COLUMNS, where)
    statuses = _table(row, "statuses", _STATUSES, where)
    found = Registry(
        _text(row["table"], f"{where}: registry.table"),
        **_named(columns, f"{where}: registry.columns") if "columns" in row else {},
        deleted_statuses=_texts(statuses.get("deleted", []), f"{where}: registry.statuses.deleted"),
        cancelled_statuses=_texts(statuses.get("cancelled", []), f"{where}: registry.statuses.cancelled"),
        shared_schemas=_texts(row.get("shared_schemas", []), f"{where}: registry.shared_schemas"),
    )
    if statuses and not found.status:
        raise ConfigurationInvalid(f"{where}: registry.statuses needs a status column.", hint="Name it in registry.columns.")
    return found


def _named(columns: Mapping[str, object], at: str) -> dict[str, str]:
    named = {key: _text(value, f"{at}.{key}") for key, value in columns.items()}
    schema_name = named.get("schema_name", "schema_name")
    usual = {"schema_name": schema_name, "id": "id", "slug": schema_name}
    return {**dict.fromkeys(_COLUMNS, ""), **usual, **named}


def _table(row: Mapping[str, object], key: str, known: tuple[str, ...], where: str) -> Mapping[str, object]:
    found = row.get(key, {})
    if not isinstance(found, dict):
        raise ConfigurationInvalid(f"{where}: registry.{key} must be a table.")
    _only(found, known, f"{where}: registry.{key}")
    return found


def _only(row: Mapping[str, object], known: frozenset[str] | tuple[str, ...], where: str) -> None:
    for key in row:
        if key not in known:
            raise unknown("key", key, known, where)


def _texts(value: object, at: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigurationInvalid(f"{at} must be a list.")
    return tuple(_text(each, at) for each in value)


def _text(value: object, at: str) -> str:
    """Take a name or a value of the registry; a percent sign in a statement would be read as a parameter's."""
    if not isinstance(value, str) or not value or "%" in value or "\0" in value:
        raise ConfigurationInvalid(f"{at} must be a text, not empty, without % and NUL.")
    return value
