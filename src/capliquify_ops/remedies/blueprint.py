"""What a sound schema would give to one that lacks something of it: each object by the name that a comparison gives it.

Statements are the definitions reader's own, of the sound schema; `relocating` makes them another's.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from capliquify_ops.database import Session, quoted
from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.remedies.blueprint_columns import Made, column_made
from capliquify_ops.remedies.relocating import settled
from capliquify_ops.tenants.definitions.assembly import Declared, assemble
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.reading import Read, read
from capliquify_ops.tenants.definitions.rows import Constraint, Index, Key
from capliquify_ops.tenants.definitions.table import Table
from capliquify_ops.tenants.fingerprint import definitions
from capliquify_ops.tenants.structure import Definition, neutral

Name = tuple[str, str]
"""Kind and object, as in a Difference."""
_CREATE_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX ")
_DEFERRED = re.compile(r"(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?\Z")
_NOTHING = "nothing that is in use"
_VIEWS = {"v": "view", "m": "materialized view"}
_ATTACHED = {"pg_trigger": "trigger", "pg_policy": "policy", "pg_rewrite": "rule"}
_SAYS_IT = ("NOT VALID", "NOT ENFORCED")


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a schema is made of. Of names that stand for two things (`a.b` and `c`, `a` and `b.c`) there is nothing in `made`."""

    schema: str
    made: Mapping[Name, Made]
    told: tuple[Definition, ...]

    def expected(self, name: Name) -> tuple[tuple[str, str, str], ...]:
        """Return the neutral definitions that making an object has to lead to; of a table, its columns and checks too."""
        found: dict[Name, list[str]] = defaultdict(list)
        for one in self.told:
            is_column = name[0] == "table" and one.relation == name[1] and one.kind == "column"
            if (one.kind, one.object) == name or is_column:
                found[one.kind, one.object].append(settled(one.definition, self.schema))
        return tuple((kind, what, "; ".join(texts)) for (kind, what), texts in found.items())


def read_blueprint(session: Session, schema: str) -> Blueprint:
    """Read a schema within the open transaction. Raises TenantConflict when it does not exist."""
    found = read(session, schema)
    told = definitions(session, schema)
    try:
        declared, before, after = assemble(found, session.server_major)
    except DefinitionsRefused:
        return Blueprint(schema, {}, told)
    neutralise = neutral(schema)
    made: dict[Name, list[Made]] = defaultdict(list)
    for one in _Making(found, declared, [*before, *after]).all():
        made[one.kind, neutralise(one.object)].append(replace(one, object=neutralise(one.object)))
    return Blueprint(schema, {name: each[0] for name, each in made.items() if len(each) == 1}, told)


class _Making:
    """Goes through what was read, and says of each object how it is made."""

    def __init__(self, found: Read, declared: Declared, parts: list[Part]) -> None:
        self._found, self._declared = found, declared
        self._parts = {part.key: part for part in parts}
        self._positions = {part.key: position for position, part in enumerate(parts)}
        self._positions |= {key: self._positions[part.key] for part in parts for key in part.makes if key not in self._positions}
        self._keys = {one.index_oid: one for one in found.constraints if one.kind in "pux"}

    def all(self) -> Iterator[Made]:
        found = self._found
        for oid, table in self._declared.items():
            yield from self._relation(oid, table)
        for type_ in found.types:
            yield self._plain("type", type_.name, ("pg_type", type_.oid), _NOTHING)
        for routine in found.routines:
            yield self._plain("routine", f"{routine.name}({routine.arguments})", ("pg_proc", routine.oid), _NOTHING)
        for index in found.indexes:
            yield self._index(self._declared[index.relation], index)
        for one in found.constraints:
            if one.kind in "cfpux" and one.relation in self._declared and not one.parent:
                yield self._constraint(self._declared[one.relation], one)
        for each in found.attached:
            if each.class_ in _ATTACHED:
                name = self._declared[each.relation].row.name
                locks = f"{name} ({'SHARE ROW' if each.class_ == 'pg_trigger' else 'ACCESS'} EXCLUSIVE)"
                made = self._plain(_ATTACHED[each.class_], f"{name}.{each.name}", (each.class_, each.oid), locks)
                yield replace(made, relation=name)

    def _plain(self, kind: str, name: str, key: Key, locks: str) -> Made:
        """Return an object that is one part, and made by its statements as they are."""
        return Made(kind, name, self._position(key), _with_grants(self._parts.get(key)), locks=locks)

    def _position(self, key: Key) -> int:
        return self._positions.get(key, len(self._positions))

    def _relation(self, oid: int, table: Table) -> Iterator[Made]:
        row, key = table.row, ("pg_class", oid)
        if row.kind in "rp":
            yield self._table(oid, table)
            for column in table.columns:
                yield column_made(table, column, self._position(key), self._of_sequences(oid, column.name))
        elif row.kind in _VIEWS:
            made = self._plain(_VIEWS[row.kind], row.name, key, _NOTHING)
            fill = (f"REFRESH MATERIALIZED VIEW {table.name}",) if row.kind == "m" and row.is_populated else ()
            yield replace(made, plain=made.plain and (*made.plain, *fill))
        elif row.kind == "S":
            made = self._plain("sequence", row.name, key, _NOTHING)
            sequence = self._found.sequences[oid]
            owner = self._declared.get(sequence.table_oid or 0)
            # One of nobody's needs nothing, and defaults of tables may need it.
            position = made.position if owner else -1
            yield replace(made, relation=owner.row.name if owner else "", column=sequence.column or "", position=position)

    def _table(self, oid: int, table: Table) -> Made:
        """A table that is new is empty: all of it is made at once, up to what has a name of its own."""
        keys: list[Key] = [("pg_class", oid), ("settings", oid), ("late", oid), ("validated", oid)]
        keys += [("pg_attrdef", one.default_oid) for one in table.columns if one.default_oid is not None]
        keys += [("pg_class", row.oid) for row in self._found.sequences.values() if row.table_oid == oid]
        parts = sorted((self._parts[key] for key in keys if key in self._parts), key=lambda part: self._positions[part.key])
        statements = [*(text for part in parts for text in part.statements), *(text for part in parts for text in part.grants)]
        why_not = "It is a partition or inherits from another table." if table.row.parents or table.row.of_type else ""
        position = self._position(("pg_class", oid))
        return Made("table", table.row.name, position, tuple(statements), locks=_NOTHING, why_not=why_not)

    def _of_sequences(self, table: int, column: str) -> tuple[str, ...]:
        own = [row.oid for row in self._found.sequences.values() if row.table_oid == table and row.column == column]
        return tuple(text for oid in own for text in _with_grants(self._parts.get(("pg_class", oid))))

    def _index(self, table: Table, one: Index) -> Made:
        constraint = self._keys.get(one.oid)
        plain = () if constraint or not one.is_valid else _with_grants(self._parts.get(("pg_class", one.oid)))
        build = _CREATE_INDEX.sub(lambda found: f"{found[0]}CONCURRENTLY ", one.definition, count=1)
        why_not = "Its table is partitioned: each part needs the index first." if table.row.partition_key or one.parent else ""
        if constraint and (constraint.kind == "x" or "WITHOUT OVERLAPS" in constraint.definition):
            build = ""  # comes with its constraint, whatever else is there
        if not one.is_valid:
            why_not = "In the schema that is compared with it is invalid itself."
        return Made(
            "index",
            one.name,
            self._position(("pg_class", one.oid)),
            plain,
            relation=table.row.name,
            build=build,
            then=plain[1:],
            locks=f"{table.row.name} (SHARE UPDATE EXCLUSIVE)",
            why_not=why_not,
        )

    def _constraint(self, table: Table, one: Constraint) -> Made:
        name, row = f"{table.row.name}.{one.name}", table.row
        locks = (
            f"{row.name} ({'SHARE ROW EXCLUSIVE, and the table that it references' if one.kind == 'f' else 'ACCESS EXCLUSIVE'})"
        )
        why_not = "It comes from a parent table." if not one.is_local else ""
        if one.kind in "pux":
            position = self._position(("pg_class", one.index_oid))
            plain = _with_grants(self._parts.get(("pg_class", one.index_oid)))
            made = Made("constraint", name, position, plain, relation=row.name, locks=locks, why_not=why_not)
            # Behind the index that it takes over.
            return replace(made, then=(self._using_index(table, one, plain),), late=1)
        position = self._position(("pg_constraint", one.oid))
        add = f"ALTER TABLE {table.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}"
        is_whole = any(word in one.definition for word in _SAYS_IT) or bool(row.partition_key)
        then = (add,) if is_whole else (f"{add} NOT VALID",)
        validate = () if is_whole else (f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {quoted(one.name)}",)
        # Not validated, a CHECK refuses every update of the rows that break it; a foreign key only those of its own columns.
        undo = (f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {quoted(one.name)}",) if one.kind == "c" else ()
        # A CHECK of a new table stands in the table's own declaration.
        plain = (add,) if one.kind == "f" else ()
        made = Made("constraint", name, position, plain, relation=row.name, then=then, locks=locks, why_not=why_not)
        return replace(made, validate=validate, undo=undo)

    def _using_index(self, table: Table, one: Constraint, plain: tuple[str, ...]) -> str:
        if one.kind == "x" or "WITHOUT OVERLAPS" in one.definition or table.row.partition_key:
            return plain[0] if plain else ""
        index = next(each.name for each in self._found.indexes if each.oid == one.index_oid)
        word = "PRIMARY KEY" if one.kind == "p" else "UNIQUE"
        end = _DEFERRED.search(one.definition)
        late = end[0] if end else ""
        return f"ALTER TABLE {table.name} ADD CONSTRAINT {quoted(one.name)} {word} USING INDEX {quoted(index)}{late}"


def _with_grants(part: Part | None) -> tuple[str, ...]:
    return (*part.statements, *part.grants) if part else ()


def belonging(blueprint: Blueprint, table: str) -> Iterable[Made]:
    """Return what a table needs beside itself, each with statements of its own."""
    kinds = {"index", "constraint", "trigger", "policy", "rule"}
    return (one for one in blueprint.made.values() if one.relation == table and one.kind in kinds and one.plain)
