"""Read what is in one schema, at the price of that schema: every statement starts from OIDs that pg_depend gave."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.definitions import rows
from capliquify_ops.tenants.definitions.classes import array, asked, class_name
from capliquify_ops.tenants.definitions.rows import Edge, Key

_PACKAGE = "capliquify_ops.tenants.definitions"
_CARRIED = {
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_default_acl",
    "pg_operator",
    "pg_proc",
    "pg_statistic_ext",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_type",
}
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
    aggregates: dict[int, rows.Aggregate]
    operators: list[rows.Operator]
    dictionaries: list[rows.Dictionary]
    configurations: list[rows.Configuration]
    collations: list[rows.Collation]
    statistics: list[rows.Statistics]
    sequences: dict[int, rows.Sequence]
    extensions: dict[int, rows.Extension]
    refused: list[str]
    left_out: list[str]
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
    edges = _edges(session, schema.oid)
    members, unknown = _members(schema, edges)
    relations = _by_oid(_rows(session, "relations", rows.Relation, relations=members["pg_class"]))
    types = _rows(session, "types", rows.Type, types=members["pg_type"])
    routines = _rows(session, "routines", rows.Routine, routines=members["pg_proc"])
    tables = [oid for oid, row in relations.items() if row.kind in "rpvmf"]
    refused, left_out = _uncarried(session, edges, unknown)
    return Read(
        schema=schema,
        edges=edges,
        relations=relations,
        columns=_columns(session, relations.values(), types),
        constraints=_rows(session, "constraints", rows.Constraint, constraints=_of_class(edges, "pg_constraint")),
        indexes=_rows(session, "indexes", rows.Index, relations=tables),
        attached=_rows(session, "attached", rows.Attached, relations=tables),
        types=types,
        routines=routines,
        aggregates=_by_oid(
            _rows(session, "aggregates", rows.Aggregate, routines=[row.oid for row in routines if row.kind == "a"])
        ),
        operators=_rows(session, "operators", rows.Operator, operators=members["pg_operator"]),
        dictionaries=_rows(session, "dictionaries", rows.Dictionary, dictionaries=members["pg_ts_dict"]),
        configurations=_rows(session, "configurations", rows.Configuration, configurations=members["pg_ts_config"]),
        collations=_rows(session, "collations", rows.Collation, collations=members["pg_collation"]),
        statistics=_rows(session, "statistics", rows.Statistics, statistics=members["pg_statistic_ext"]),
        sequences=_by_oid(
            _rows(session, "sequences", rows.Sequence, relations=[oid for oid, row in relations.items() if row.kind == "S"])
        ),
        extensions=_by_oid(
            _rows(session, "extensions", rows.Extension, extensions={edge.on[1] for edge in edges if edge.kind == "x"})
        ),
        refused=refused,
        left_out=left_out,
        outside=_outside(session, schema, edges),
    )


def _edges(session: Session, schema: int) -> list[Edge]:
    found = session.rows(load(_PACKAGE, "edges"), rows.EdgeRow, {"schema": schema})
    names = {oid: class_name(oid) for row in found for oid in (row.class_, row.on_class)}
    return [Edge((names[row.class_], row.object), (names[row.on_class], row.on_object), row.kind) for row in found]


def _columns(session: Session, relations: Iterable[rows.Relation], types: Iterable[rows.Type]) -> dict[int, list[rows.Column]]:
    wanted = {row.oid for row in relations if row.kind in "rpvm"} | {row.relation for row in types if row.kind == "c"}
    # Parents elsewhere: the order of their columns decides how a child is made.
    wanted |= {oid for row in relations if row.bound is None for oid in row.parent_oids}
    found: dict[int, list[rows.Column]] = defaultdict(list)
    for column in _rows(session, "columns", rows.Column, relations=wanted):
        found[column.relation].append(column)
    return found


def _uncarried(session: Session, edges: Iterable[Edge], unknown: Iterable[Key]) -> tuple[list[str], list[str]]:
    inside = {edge.key for edge in edges}
    publications = sorted(key for key in inside if key[0] in _OF_PUBLICATIONS)
    found = session.rows(load(_PACKAGE, "uncarried"), rows.Uncarried, asked(inside)) if inside else []
    refused = _names(session, "described", unknown) + [row.name for row in found if row.is_refused]
    return refused, _names(session, "described", publications) + [row.name for row in found if not row.is_refused]


def _outside(session: Session, schema: rows.SchemaRow, edges: Iterable[Edge]) -> list[str]:
    """Return what the schema uses and does not hold, as pg_get_object_address takes it."""
    inside = {edge.key for edge in edges} | {("pg_namespace", schema.oid)}
    found = {edge.on for edge in edges if edge.on[1] >= _FIRST_NOT_PINNED and edge.key[0] not in _OF_PUBLICATIONS} - inside
    return _names(session, "addresses", sorted(found))


def comments(session: Session, keys: Iterable[Key]) -> list[rows.Comment]:
    """Return the comments of objects."""
    return session.rows(load(_PACKAGE, "comments"), rows.Comment, asked(keys))


def described(session: Session, keys: Iterable[Key]) -> list[str]:
    """Return names of objects for people."""
    return _names(session, "described", sorted(keys))


def _members(schema: rows.SchemaRow, edges: Iterable[Edge]) -> tuple[Mapping[str, list[int]], list[Key]]:
    """Return what stands in the schema by itself, and what of it no script can carry."""
    pieces = {edge.key for edge in edges if edge.kind == "i"}
    of_extensions = {edge.key for edge in edges if edge.kind == "e"}
    own = {edge.key for edge in edges if edge.on == ("pg_namespace", schema.oid)}
    # An identity column's sequence is a piece of its column, and has a name and rights of its own all the same.
    identities = {edge.key for edge in edges if edge.kind == "i" and edge.key[0] == edge.on[0] == "pg_class"}
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
    return {edge.key[1] for edge in edges if edge.key[0] == class_}


def _rows(session: Session, stem: str, row: type[T], **oids: Collection[int]) -> list[T]:
    """Run one of the statements that take OIDs; nothing is asked about nothing."""
    ((name, found),) = oids.items()
    return session.rows(load(_PACKAGE, stem), row, {name: array(sorted(found))}) if found else []


def _names(session: Session, stem: str, keys: Iterable[Key]) -> list[str]:
    found = sorted(keys)
    return session.rows(load(_PACKAGE, stem), str, asked(found)) if found else []


def _by_oid(found: Iterable[T]) -> dict[int, T]:
    return {row.oid: row for row in found}  # type: ignore[attr-defined]
