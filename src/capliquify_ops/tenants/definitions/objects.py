"""Types, routines, collations, sequences, statistics objects."""

from collections.abc import Iterator
from collections.abc import Sequence as Rows

from capliquify_ops.database import literal, quoted
from capliquify_ops.tenants.definitions.grants import grants
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import (
    Collation,
    Column,
    Constraint,
    Key,
    Routine,
    Sequence,
    Statistics,
    Type,
)
from capliquify_ops.tenants.definitions.table import Table, column_text

COLLATION, TYPE, ROUTINE, SEQUENCE, STATISTICS = 10, 20, 30, 41, 75
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def collation_part(schema: str, row: Collation) -> Part:
    """Return a collation; its version is the server's business."""
    options = [f"provider = {_PROVIDERS[row.provider]}"]
    if row.provider == "c":
        options += [f"lc_collate = {literal(row.lc_collate or '')}", f"lc_ctype = {literal(row.lc_ctype or '')}"]
    else:
        options.append(f"locale = {literal(row.locale or row.lc_collate or '')}")
    if not row.is_deterministic:
        options.append("deterministic = false")
    if row.rules is not None:
        options.append(f"rules = {literal(row.rules)}")
    name = quoted(schema, row.name)
    statements = (f"CREATE COLLATION {name} ({', '.join(options)})", f"ALTER COLLATION {name} OWNER TO {quoted(row.owner)}")
    return Part(("pg_collation", row.oid), COLLATION, row.name, statements, target=f"COLLATION {name}")


def type_part(schema: str, row: Type, columns: Rows[Column], constraints: Rows[Constraint]) -> Part:
    """Return an enum, composite type, range or domain; a domain with the constraints that are given."""
    name = quoted(schema, row.name)
    match row.kind:
        case "e":
            create = f"CREATE TYPE {name} AS ENUM ({', '.join(literal(label) for label in row.labels)})"
        case "c":
            create = f"CREATE TYPE {name} AS ({', '.join(column_text(column) for column in columns)})"
        case "r":
            create = f"CREATE TYPE {name} AS RANGE ({', '.join(_range(schema, row))})"
        case _:
            create = f"CREATE DOMAIN {name} AS {row.base}{_domain(row, constraints)}"
    word = "DOMAIN" if row.kind == "d" else "TYPE"
    statements = (create, f"ALTER {word} {name} OWNER TO {quoted(row.owner)}")
    makes: dict[Key, str | None] = {
        ("pg_constraint", one.oid): f"CONSTRAINT {quoted(one.name)} ON DOMAIN {name}" for one in constraints
    }
    if row.relation:
        # Comments of its columns hang there.
        makes["pg_class", row.relation] = f"TYPE {name}"
    given = tuple(grants(f"{word} {name}", row.owner, row.acl))
    return Part(("pg_type", row.oid), TYPE, row.name, statements, target=f"{word} {name}", makes=makes, grants=given)


def domain_constraint_part(schema: str, row: Type, one: Constraint) -> Part:
    """Return a domain's constraint as a statement of its own: one that was never validated comes after the data."""
    name = quoted(schema, row.name)
    statement = f"ALTER DOMAIN {name} ADD CONSTRAINT {quoted(one.name)} {one.definition}"
    target = f"CONSTRAINT {quoted(one.name)} ON DOMAIN {name}"
    key = ("pg_constraint", one.oid)
    return Part(key, TYPE, f"{row.name}.{one.name}", (statement,), is_late=not one.is_validated, target=target)


def routine_part(schema: str, row: Routine) -> Part:
    """Return a function or procedure as the server deparses it."""
    word = "PROCEDURE" if row.kind == "p" else "FUNCTION"
    what = f"{word} {quoted(schema, row.name)}({row.arguments})"
    statements = ((row.definition or "").rstrip().removesuffix(";"), f"ALTER {what} OWNER TO {quoted(row.owner)}")
    given = tuple(grants(what, row.owner, row.acl))
    return Part(("pg_proc", row.oid), ROUTINE, f"{row.name}({row.arguments})", statements, target=what, grants=given)


def sequence_part(table: Table, row: Sequence, owner: Table | None, column: Column | None) -> Part:
    """Return a sequence of its own, with the column that owns it, or the identity of a column."""
    relation, name = table.row, table.name
    options = (
        f"START WITH {row.start} INCREMENT BY {row.increment} MINVALUE {row.minimum} MAXVALUE {row.maximum} CACHE {row.cache}"
        f"{' CYCLE' if row.cycle else ' NO CYCLE'}"
    )
    if row.ownership == "i" and column:
        always = "ALWAYS" if column.identity == "a" else "BY DEFAULT"
        add = f"ALTER TABLE {row.table_name} ALTER COLUMN {quoted(column.name)} ADD GENERATED {always} AS IDENTITY"
        is_other = owner is not None and owner.row.persistence != relation.persistence
        logged = ({"u": "UNLOGGED ", "p": "LOGGED "}[relation.persistence]) if is_other else ""
        if row.type == column.type:
            statements = [f"{add} (SEQUENCE NAME {name} {logged}{options})"]
        else:
            statements = [f"{add} (SEQUENCE NAME {name} {logged})", f"ALTER SEQUENCE {name} AS {row.type} {options}"]
    else:
        unlogged = "UNLOGGED " if relation.persistence == "u" else ""
        statements = [f"CREATE {unlogged}SEQUENCE {name} AS {row.type} {options}"]
        statements.append(f"ALTER SEQUENCE {name} OWNER TO {quoted(relation.owner)}")
        if row.ownership:
            statements.append(f"ALTER SEQUENCE {name} OWNED BY {row.table_name}.{quoted(row.column or '')}")
    given = tuple(grants(f"SEQUENCE {name}", relation.owner, relation.acl))
    return Part(("pg_class", row.oid), SEQUENCE, relation.name, tuple(statements), target=f"SEQUENCE {name}", grants=given)


def statistics_part(schema: str, row: Statistics) -> Part:
    """Return an extended statistics object."""
    name = quoted(schema, row.name)
    statements = [row.definition, f"ALTER STATISTICS {name} OWNER TO {quoted(row.owner)}"]
    if row.target >= 0:
        statements.append(f"ALTER STATISTICS {name} SET STATISTICS {row.target}")
    key = ("pg_statistic_ext", row.oid)
    return Part(key, STATISTICS, row.name, tuple(statements), is_late=True, target=f"STATISTICS {name}")


def _range(schema: str, row: Type) -> Iterator[str]:
    yield f"SUBTYPE = {row.subtype}"
    if row.multirange:
        yield f"MULTIRANGE_TYPE_NAME = {quoted(schema, row.multirange)}"
    if row.operator_class:
        yield f"SUBTYPE_OPCLASS = {row.operator_class}"
    if row.range_collation:
        yield f"COLLATION = {row.range_collation}"
    if row.subtype_diff:
        yield f"SUBTYPE_DIFF = {row.subtype_diff}"


def _domain(row: Type, constraints: Rows[Constraint]) -> str:
    text = f" COLLATE {row.collation}" if row.collation else ""
    text += f" DEFAULT {row.default_value}" if row.default_value else ""
    named = [one for one in constraints if one.kind == "n"]
    if row.not_null:
        text += f" CONSTRAINT {quoted(named[0].name)} NOT NULL" if named else " NOT NULL"
    checks = [one for one in constraints if one.kind == "c"]
    return text + "".join(f" CONSTRAINT {quoted(one.name)} {one.definition}" for one in checks)
