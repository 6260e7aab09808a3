"""Read what is in one schema, at the price of that schema: every statement starts from OIDs that pg_depend gave."""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import SchemaChanged, TenantConflict
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
    comments: list[rows.Comment]
    refused: list[str]
    left_out: list[str]
    outside: list[str]


def read(session: Session, name: str) -> Read:
    """Read a schema within the open transaction, in two round trips. Raises TenantConflict when it does not exist."""
    with session.together():
        asked_schema = session.ask(load(_PACKAGE, "schema"), rows.SchemaRow, {"name": name})
        asked_edges = session.ask(load(_PACKAGE, "edges"), rows.EdgeRow, {"name": name})
        schema, edges = _one(asked_schema(), name), _edges(asked_edges())
    members, unknown = _members(schema, edges)
    inside = {edge.key for edge in edges}
    publications = [key for key in inside if key[0] in _OF_PUBLICATIONS]
    relations, routines = members["pg_class"], members["pg_proc"]
    extensions = {edge.on[1] for edge in edges if edge.kind == "x"}
    with session.together():
        ask = _Asking(session)
        asked_relations = ask.oids("relations", rows.Relation, relations=relations)
        asked_types = ask.oids("types", rows.Type, types=members["pg_type"])
        asked_columns = ask.oids("columns", rows.Column, relations=_with_columns(edges, relations))
        constraints = ask.oids("constraints", rows.Constraint, constraints=_of_class(edges, "pg_constraint"))
        indexes = ask.oids("indexes", rows.Index, relations=relations)
        attached = ask.oids("attached", rows.Attached, relations=relations)
        asked_routines = ask.oids("routines", rows.Routine, routines=routines)
        aggregates = ask.oids("aggregates", rows.Aggregate, routines=routines)
        operators = ask.oids("operators", rows.Operator, operators=members["pg_operator"])
        dictionaries = ask.oids("dictionaries", rows.Dictionary, dictionaries=members["pg_ts_dict"])
        configurations = ask.oids("configurations", rows.Configuration, configurations=members["pg_ts_config"])
        collations = ask.oids("collations", rows.Collation, collations=members["pg_collation"])
        statistics = ask.oids("statistics", rows.Statistics, statistics=members["pg_statistic_ext"])
        sequences = ask.oids("sequences", rows.Sequence, relations=relations)
        asked_extensions = ask.oids("extensions", rows.Extension, extensions=extensions)
        comments = ask.keys("comments", rows.Comment, {*inside, ("pg_namespace", schema.oid)})
        uncarried = ask.keys("uncarried", rows.Uncarried, inside)
        refused = ask.keys("described", str, unknown)
        published = ask.keys("described", str, publications)
        outside = ask.keys("addresses", str, _outside(edges, {*inside, ("pg_namespace", schema.oid)}))
        found, types = _by_oid(asked_relations()), asked_types()
        deparsed = _Deparsed(constraints(), indexes(), statistics(), asked_routines())
        _refuse_gone(name, found.values(), deparsed)
        not_carried = uncarried()
        return Read(
            schema=schema,
            edges=edges,
            relations=found,
            columns=_columns(asked_columns(), found.values(), types),
            constraints=deparsed.constraints,
            indexes=deparsed.indexes,
            attached=attached(),
            types=types,
            routines=deparsed.routines,
            aggregates=_by_oid(aggregates()),
            operators=operators(),
            dictionaries=dictionaries(),
            configurations=configurations(),
            collations=collations(),
            statistics=deparsed.statistics,
            sequences=_by_oid(sequences()),
            extensions=_by_oid(asked_extensions()),
            comments=comments(),
            refused=refused() + [row.name for row in not_carried if row.is_refused],
            left_out=published() + [row.name for row in not_carried if not row.is_refused],
            outside=outside(),
        )


class _Deparsed(NamedTuple):
    """What the server deparses as it is now, not as it was in the snapshot."""

    constraints: list[rows.Constraint]
    indexes: list[rows.Index]
    statistics: list[rows.Statistics]
    routines: list[rows.Routine]


def _refuse_gone(name: str, relations: Iterable[rows.Relation], found: _Deparsed) -> None:
    """Raise SchemaChanged where something was dropped since the snapshot: its definition is NULL then."""
    texts: list[str | None] = [row.query for row in relations if row.kind in "vm"]
    texts += [one.definition for each in (found.constraints, found.indexes, found.statistics) for one in each]
    texts += [row.definition for row in found.routines if row.kind != "a"]
    if None in texts:
        raise SchemaChanged(f"The schema {name} was changed while it was read.", hint="Run the backup again.")


class _Asking:
    """Asks for rows about objects; nothing is asked about nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def oids(self, stem: str, row: type[T], **oids: Collection[int]) -> Callable[[], list[T]]:
        """Send one of the statements that take OIDs."""
        ((name, found),) = oids.items()
        return self._session.ask(load(_PACKAGE, stem), row, {name: array(sorted(found))}) if found else list

    def keys(self, stem: str, row: type[T], keys: Collection[Key]) -> Callable[[], list[T]]:
        """Send one of the statements that take classes and objects."""
        return self._session.ask(load(_PACKAGE, stem), row, asked(keys)) if keys else list


def _one(found: list[rows.SchemaRow], name: str) -> rows.SchemaRow:
    if not found:
        message = f"The schema {name!r} does not exist, although the registry names it."
        raise TenantConflict(message, hint="See: capliquify-ops tenant verify")
    return found[0]


def _edges(found: list[rows.EdgeRow]) -> list[Edge]:
    names = {oid: class_name(oid) for row in found for oid in (row.class_, row.on_class)}
    return [Edge((names[row.class_], row.object), (names[row.on_class], row.on_object), row.kind) for row in found]


def _with_columns(edges: Iterable[Edge], relations: Iterable[int]) -> set[int]:
    """Return whose columns may be wanted: relations, the pieces of composite types, and parents elsewhere."""
    own = set(relations)
    pieces = {edge.key[1] for edge in edges if edge.key[0] == "pg_class" and edge.on[0] == "pg_type" and edge.kind == "i"}
    parents = {edge.on[1] for edge in edges if edge.key[0] == edge.on[0] == "pg_class" and edge.key[1] in own}
    return own | pieces | parents


def _columns(
    found: Iterable[rows.Column], relations: Iterable[rows.Relation], types: Iterable[rows.Type]
) -> dict[int, list[rows.Column]]:
    wanted = {row.oid for row in relations if row.kind in "rpvm"} | {row.relation for row in types if row.kind == "c"}
    # Parents elsewhere: the order of their columns decides how a child is made.
    wanted |= {oid for row in relations if row.bound is None for oid in row.parent_oids}
    by_relation: dict[int, list[rows.Column]] = defaultdict(list)
    for column in found:
        if column.relation in wanted:
            by_relation[column.relation].append(column)
    return by_relation


def _outside(edges: Iterable[Edge], inside: Container[Key]) -> set[Key]:
    """Return what the schema uses and does not hold."""
    used = {edge.on for edge in edges if edge.on[1] >= _FIRST_NOT_PINNED and edge.key[0] not in _OF_PUBLICATIONS}
    return {key for key in used if key not in inside}


def described(session: Session, keys: Iterable[Key]) -> list[str]:
    """Return names of objects for people."""
    return session.rows(load(_PACKAGE, "described"), str, asked(keys))


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


def _by_oid(found: Iterable[T]) -> dict[int, T]:
    return {row.oid: row for row in found}  # type: ignore[attr-defined]
