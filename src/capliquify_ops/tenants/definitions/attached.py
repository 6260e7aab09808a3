"""What is attached to a relation after its data: keys, foreign keys, indexes, triggers, rules, policies."""

import re

from capliquify_ops.database import quoted
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import Attached, Constraint, Index, Key
from capliquify_ops.tenants.definitions.table import Table, with_options

INDEX, KEY, FOREIGN_KEY, ATTACHED = 70, 71, 72, 73
_DEFERRED = re.compile(r" DEFERRABLE(?: INITIALLY DEFERRED)?$")
_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_WORDS = {"pg_trigger": "TRIGGER", "pg_rewrite": "RULE", "pg_policy": "POLICY"}


def index_part(table: Table, index: Index, constraint: Constraint | None) -> Part:
    """Return an index, or the constraint that makes it, with what neither definition says."""
    name = quoted(table.schema, index.name)
    if constraint:
        statements = [_constraint(table, constraint, index)]
        if index.options and constraint.kind == "x":
            statements.append(f"ALTER INDEX {name} SET ({with_options(index.options)})")
    else:
        statements = [index.definition]
    if index.tablespace:
        statements.append(f"ALTER INDEX {name} SET TABLESPACE {quoted(index.tablespace)}")
    for number, target in (each.split() for each in index.statistics):
        statements.append(f"ALTER INDEX {name} ALTER COLUMN {number} SET STATISTICS {target}")
    if index.parent:
        statements.append(f"ALTER INDEX {index.parent} ATTACH PARTITION {name}")
    if index.is_clustered:
        kind = "MATERIALIZED VIEW" if table.row.kind == "m" else "TABLE"
        statements.append(f"ALTER {kind} {table.name} CLUSTER ON {quoted(index.name)}")
    if index.is_identity:
        statements.append(f"ALTER TABLE ONLY {table.name} REPLICA IDENTITY USING INDEX {quoted(index.name)}")
    makes: dict[Key, str | None] = {}
    if constraint:
        makes["pg_constraint", constraint.oid] = f"CONSTRAINT {quoted(constraint.name)} ON {table.name}"
    rank = KEY if constraint else INDEX
    return Part(("pg_class", index.oid), rank, index.name, tuple(statements), is_late=True, target=f"INDEX {name}", makes=makes)


def _constraint(table: Table, constraint: Constraint, index: Index) -> str:
    """Return a key; its index's options stand inside, since the index of a partitioned table takes none afterwards."""
    definition = constraint.definition
    if index.options and constraint.kind != "x":
        end = _DEFERRED.search(definition)
        cut = end.start() if end else len(definition)
        definition = f"{definition[:cut]} WITH ({with_options(index.options)}){definition[cut:]}"
    return f"ALTER TABLE ONLY {table.name} ADD CONSTRAINT {quoted(constraint.name)} {definition}"


def foreign_key_part(table: Table, constraint: Constraint) -> Part:
    """Return a foreign key; one of a partitioned table reaches its partitions."""
    only = "" if table.row.partition_key else "ONLY "
    statement = f"ALTER TABLE {only}{table.name} ADD CONSTRAINT {quoted(constraint.name)} {constraint.definition}"
    target, name = f"CONSTRAINT {quoted(constraint.name)} ON {table.name}", f"{table.row.name}.{constraint.name}"
    return Part(("pg_constraint", constraint.oid), FOREIGN_KEY, name, (statement,), is_late=True, target=target)


def attached_part(table: Table, one: Attached) -> Part:
    """Return a trigger, rule or policy with its state; a trigger's copy on a partition is only its state."""
    word = _WORDS[one.class_]
    statements = []
    if one.class_ == "pg_policy":
        statements.append(f"CREATE POLICY {quoted(one.name)} ON {table.name}{one.definition}")
    elif one.definition:
        statements.append(one.definition.rstrip().removesuffix(";"))
    # A copy that is on where its original is not.
    state = _STATES.get(one.state, "ENABLE" if one.definition is None else "")
    if state:
        statements.append(f"ALTER TABLE {table.name} {state} {word} {quoted(one.name)}")
    key, needs = (one.class_, one.oid), (("pg_class", one.relation),)
    name = f"{table.row.name}.{one.name}"
    target = f"{word} {quoted(one.name)} ON {table.name}"
    rank = ATTACHED + (one.definition is None)
    return Part(key, rank, name, tuple(statements), is_late=True, target=target, needs=needs)
