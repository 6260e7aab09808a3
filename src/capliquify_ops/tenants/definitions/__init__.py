"""The definition of one schema, read from the catalogue: what `pg_dump -n` reads, at the price of one tenant."""

from capliquify_ops.tenants.definitions.definition import DataTable, Definition, define

__all__ = ["DataTable", "Definition", "define"]
