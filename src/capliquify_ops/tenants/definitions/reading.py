"""Read what is in one schema, at the price of that schema: every statement starts from OIDs that pg_depend gave."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.definitions import rows
from capliquify_ops.tenants.definitions.rows import Edge, Key

_PACKAGE = "capliquify_ops.tenants.definitions"
_CARRIED = {"pg_class", "pg_type", "pg_proc", "pg_collation", "pg_statistic_ext", "pg_constraint", "pg_default_acl"}
_FIRST_NOT_PINNED = 12_000
"""OIDs below stand for what every server has: FirstUnpinnedObjectId."""
_OF_PUBLICATIONS = {"pg_publication_namespace", "pg_publication_rel"}
"""They hang on a publication, which belongs to the database."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """All rows about one schema. `refused` names what a script cannot carry, `left_out` what nobody would want in one."""

    schema: rows.SchemaRow
    edges: list[Edge]
    relations: dict[int, rows.Relation]
    columns: dict[int, list[rows.Column]]
    constraints: list[rows.Constraint]
    indexes: list[rows.Index]
    attached: list[rows.Attached]
    types: list[rows.Type]
    routines: list[rows.Routine]
    collations: list[rows.Collation]
    statistics: list[rows.Statistics]
    sequences: dict[int, rows.Sequence]
    refused: list[str]
    outside: list[str]


def schema_of(session: Session, name: str) -> rows.SchemaRow:
    """Return a schema by its name. Raises TenantConflict when it does not exist."""
    if found := session.rows(load(_PACKAGE, "schema"), rows.SchemaRow, {"name": name}):
        return found[0]
    message = f"The schema {name!r} does not exist, although the registry names it."
    raise TenantConflict(message, hint="See: capliquify-ops tenant verify")


def read(session: Session, name: str) -> Read:
    """Read a schema within the open transaction."""
    schema = schema_of(session, name)
    edges = session.rows(load(_PACKAGE, "edges"), Edge, {"schema": schema.oid})
    members, unknown = _members(schema, edges)
    relations = _by_oid(_rows(session, "relations", rows.Relation, relations=members["pg_class"]))
    types = _rows(session, "types", rows.Type, types=members["pg_type"])
    with_columns = {oid for oid, row in relations.items() if row.kind in "rpvm"} | {
        row.relation for row in types if row.kind == "c"
    }
    # Parents elsewhere: the order of their columns decides how a child is made.
    with_columns |= {oid for row in relations.values() if row.bound is None for oid in row.parent_oids}
    columns: dict[int, list[rows.Column]] = defaultdict(list)
    for column in _rows(session, "columns", rows.Column, relations=with_columns):
        columns[column.relation].append(column)
    constraints = _of_class(edges, "pg_constraint")
    tables = [oid for oid, row in relations.items() if row.kind in "rpvmf"]
    inside = {edge.key for edge in edges}
    outside = {edge.on for edge in edges if edge.on_object >= _FIRST_NOT_PINNED and edge.on[1] != schema.oid} - inside
    return Read(
        schema=schema,
        edges=edges,
        relations=relations,
        columns=columns,
        constraints=_rows(session, "constraints", rows.Constraint, constraints=constraints),
        indexes=_rows(session, "indexes", rows.Index, relations=tables),
        attached=_rows(session, "attached", rows.Attached, relations=tables),
        types=types,
        routines=_rows(session, "routines", rows.Routine, routines=members["pg_proc"]),
        collations=_rows(session, "collations", rows.Collation, collations=members["pg_collation"]),
        statistics=_rows(session, "statistics", rows.Statistics, statistics=members["pg_statistic_ext"]),
        sequences=_by_oid(
            _rows(session, "sequences", rows.Sequence, relations=[oid for oid, row in relations.items() if row.kind == "S"])
        ),
        refused=_names(session, "described", unknown)
        + [f"a security label on {name}" for name in _names(session, "labels", sorted(inside))],
        outside=_names(session, "addresses", sorted(outside)),
    )


def comments(session: Session, keys: Iterable[Key]) -> list[rows.Comment]:
    """Return the comments of objects."""
    asked = sorted(keys)
    values = {"classes": [key[0] for key in asked], "objects": [key[1] for key in asked]}
    return session.rows(load(_PACKAGE, "comments"), rows.Comment, values)


def _members(schema: rows.SchemaRow, edges: Iterable[Edge]) -> tuple[Mapping[str, list[int]], list[Key]]:
    """Return what stands in the schema by itself, and what of it no script can carry."""
    pieces = {edge.key for edge in edges if edge.kind == "i"}
    of_extensions = {edge.key for edge in edges if edge.kind in "ex"}
    own = {edge.key for edge in edges if edge.on == ("pg_namespace", schema.oid)}
    # An identity column's sequence is a piece of its column, and has a name and rights of its own all the same.
    identities = {edge.key for edge in edges if edge.kind == "i" and edge.class_ == edge.on_class == "pg_class"}
    members: dict[str, list[int]] = defaultdict(list)
    unknown = []
    for class_, oid in sorted(own):
        if class_ in _OF_PUBLICATIONS:
            continue
        if (class_, oid) in of_extensions or class_ not in _CARRIED:
            unknown.append((class_, oid))
        elif (class_, oid) not in pieces or (class_, oid) in identities:
            members[class_].append(oid)
    return members, unknown


def _of_class(edges: Iterable[Edge], class_: str) -> set[int]:
    return {edge.object for edge in edges if edge.class_ == class_}


def _rows(session: Session, stem: str, row: type[T], **oids: Iterable[int]) -> list[T]:
    """Run one of the statements that take OIDs; nothing is asked about nothing."""
    values = {name: sorted(found) for name, found in oids.items()}
    return session.rows(load(_PACKAGE, stem), row, values) if all(values.values()) else []


def _names(session: Session, stem: str, keys: Iterable[Key]) -> list[str]:
    asked = list(keys)
    values = {"classes": [key[0] for key in asked], "objects": [key[1] for key in asked]}
    return session.rows(load(_PACKAGE, stem), str, values) if asked else []


def _by_oid(found: Iterable[T]) -> dict[int, T]:
    return {row.oid: row for row in found}  # type: ignore[attr-defined]
