"""What is said of parts that are made: comments, dependencies on extensions; and the roles and features that they need."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from capliquify_ops.database import Session, literal, quoted
from capliquify_ops.tenants.definitions.assembly import Declared
from capliquify_ops.tenants.definitions.classes import class_name
from capliquify_ops.tenants.definitions.grants import grantees
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.reading import Read, described
from capliquify_ops.tenants.definitions.rows import Key


class _Owned(Protocol):
    @property
    def owner(self) -> str: ...


class _Granted(_Owned, Protocol):
    @property
    def acl(self) -> Sequence[str] | None: ...


def targets(found: Read, parts: Iterable[Part], declared: Declared) -> dict[Key, str]:
    """Return how COMMENT names each object."""
    named: dict[Key, str] = {("pg_namespace", found.schema.oid): f"SCHEMA {quoted(found.schema.name)}"}
    for edge in found.edges:
        # What a table or view makes of itself: its row type, a view's rule.
        if edge.kind == "i" and edge.on[0] == "pg_class" and edge.on[1] in declared:
            table = declared[edge.on[1]]
            if edge.key[0] == "pg_type":
                named[edge.key] = f"TYPE {table.name}"
            elif edge.key[0] == "pg_rewrite":
                named[edge.key] = f'RULE "_RETURN" ON {table.name}'
    for table in declared.values():
        # Constraints that come with others: inherited ones, copies on partitions.
        for one in table.constraints:
            named["pg_constraint", one.oid] = f"CONSTRAINT {quoted(one.name)} ON {table.name}"
    for part in parts:
        named |= {key: target for key, target in part.makes.items() if target}
        if part.target:
            named[part.key] = part.target
    return named


def spoken(session: Session, found: Read, declared: Declared, named: Mapping[Key, str]) -> tuple[list[str], list[str]]:
    """Return the comments as statements, and the names of those objects whose comment no statement can make."""
    columns = {(one.relation, one.number): one.name for each in found.columns.values() for one in each}
    statements, unnamed = [], set()
    for row in found.comments:
        key = (class_name(row.class_), row.object)
        target = named.get(key)
        if target is None:
            unnamed.add(key)
            continue
        if row.part:
            relation = declared[row.object].name if row.object in declared else target.split(" ", 1)[1]
            target = f"COLUMN {relation}.{quoted(columns[row.object, row.part])}"
        statements.append(f"COMMENT ON {target} IS {literal(row.text)}")
    return statements, [f"the comment on {name}" for name in (described(session, unnamed) if unnamed else [])]


def extension_dependencies(found: Read, named: Mapping[Key, str]) -> Iterator[str]:
    """Yield what makes an object go with an extension."""
    for edge in found.edges:
        if edge.kind == "x" and edge.key in named:
            yield f"ALTER {named[edge.key]} DEPENDS ON EXTENSION {quoted(found.extensions[edge.on[1]].name)}"


def roles(found: Read) -> tuple[str, ...]:
    """Return all roles that the schema names: owners, grantees, those of policies and default privileges."""
    granted: list[_Granted] = [found.schema, *found.relations.values(), *found.types, *found.routines]
    owned: list[_Owned] = [*granted, *found.collations, *found.statistics, *found.operators]
    owned += [*found.dictionaries, *found.configurations]
    named = {row.owner for row in owned}.union(*(grantees(row.acl) for row in granted if row.acl))
    for one in (column for each in found.columns.values() for column in each if column.acl):
        named |= grantees(one.acl)
    for role, _, acl in map(json.loads, found.schema.default_acls):
        named |= {role, *grantees(acl)}
    return tuple(sorted(named.union(*(each.roles for each in found.attached))))


def features(found: Read) -> tuple[str, ...]:
    """Return what the server has to be built with."""
    columns = [one for each in found.columns.values() for one in each]
    named = {"icu" for one in found.collations if one.provider == "i"} | {"lz4" for one in columns if one.compression == "l"}
    return tuple(sorted(named))


def outside(found: Read) -> tuple[str, ...]:
    """Return what the schema uses and does not hold, tablespaces included."""
    named = {row.tablespace for row in found.relations.values() if row.tablespace}
    named |= {row.tablespace for row in found.indexes if row.tablespace}
    return (*found.outside, *(json.dumps(["tablespace", [name], []]) for name in sorted(named)))
