"""Aggregates, operators and text search: what the server does not deparse by itself."""

from collections.abc import Iterator

from capliquify_ops.database import literal, quoted
from capliquify_ops.tenants.definitions.grants import grants
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import Aggregate, Configuration, Dictionary, Operator, Routine

AGGREGATE, OPERATOR, DICTIONARY, CONFIGURATION = 31, 32, 33, 34
_MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
_PARALLEL = {"s": "SAFE", "r": "RESTRICTED"}
_HYPOTHETICAL = "h"


def aggregate_part(schema: str, row: Routine, aggregate: Aggregate) -> Part:
    """Return an aggregate; ordered-set ones among them."""
    name, types = quoted(schema, row.name), ", ".join(aggregate.types)
    create = f"CREATE AGGREGATE {name}({aggregate.arguments or '*'}) ({', '.join(_aggregate(aggregate))})"
    target = f"AGGREGATE {name}({types or '*'})"
    statements = (create, f"ALTER {target} OWNER TO {quoted(row.owner)}")
    given = tuple(grants(f"FUNCTION {name}({types})", row.owner, row.acl))
    return Part(("pg_proc", row.oid), AGGREGATE, f"{row.name}({types})", statements, target=target, grants=given)


def operator_part(schema: str, row: Operator) -> Part:
    """Return an operator."""
    name = f"{quoted(schema)}.{row.name}"
    options = {
        "FUNCTION": row.function,
        "LEFTARG": row.left,
        "RIGHTARG": row.right,
        "COMMUTATOR": row.commutator,
        "NEGATOR": row.negator,
        "RESTRICT": row.restrict,
        "JOIN": row.join,
    }
    said = [f"{key} = {value}" for key, value in options.items() if value]
    said += ["MERGES"] * row.can_merge + ["HASHES"] * row.can_hash
    target = f"OPERATOR {name} ({row.left or 'NONE'}, {row.right})"
    statements = (f"CREATE OPERATOR {name} ({', '.join(said)})", f"ALTER {target} OWNER TO {quoted(row.owner)}")
    return Part(("pg_operator", row.oid), OPERATOR, target, statements, target=target)


def dictionary_part(schema: str, row: Dictionary) -> Part:
    """Return a text search dictionary."""
    target = f"TEXT SEARCH DICTIONARY {quoted(schema, row.name)}"
    options = f", {row.options}" if row.options else ""
    statements = (f"CREATE {target} (TEMPLATE = {row.template}{options})", f"ALTER {target} OWNER TO {quoted(row.owner)}")
    return Part(("pg_ts_dict", row.oid), DICTIONARY, row.name, statements, target=target)


def configuration_part(schema: str, row: Configuration) -> Part:
    """Return a text search configuration with its mappings."""
    target = f"TEXT SEARCH CONFIGURATION {quoted(schema, row.name)}"
    statements = [f"CREATE {target} (PARSER = {row.parser})", f"ALTER {target} OWNER TO {quoted(row.owner)}"]
    statements += [f"ALTER {target} ADD MAPPING FOR {mapping}" for mapping in row.mappings]
    return Part(("pg_ts_config", row.oid), CONFIGURATION, row.name, tuple(statements), target=target)


def _aggregate(row: Aggregate) -> Iterator[str]:
    yield f"SFUNC = {row.transition}"
    yield f"STYPE = {row.state}"
    yield f"SSPACE = {row.space}"
    functions = {"FINALFUNC": row.final, "COMBINEFUNC": row.combine, "SERIALFUNC": row.serial, "DESERIALFUNC": row.deserial}
    functions |= {"MSFUNC": row.moving_transition, "MINVFUNC": row.moving_inverse, "MFINALFUNC": row.moving_final}
    yield from (f"{key} = {function}" for key, function in functions.items() if function)
    if row.moving_state:
        yield f"MSTYPE = {row.moving_state}"
        yield f"MSSPACE = {row.moving_space}"
    yield from (f"{key} = {literal(value)}" for key, value in _initial(row).items() if value is not None)
    if row.final:
        yield f"FINALFUNC_MODIFY = {_MODIFY[row.final_modify]}"
    if row.moving_final:
        yield f"MFINALFUNC_MODIFY = {_MODIFY[row.moving_final_modify]}"
    yield from _flags(row)


def _initial(row: Aggregate) -> dict[str, str | None]:
    return {"INITCOND": row.initial, "MINITCOND": row.moving_initial}


def _flags(row: Aggregate) -> Iterator[str]:
    if row.final_extra:
        yield "FINALFUNC_EXTRA"
    if row.moving_final_extra:
        yield "MFINALFUNC_EXTRA"
    if row.sort_operator:
        yield f"SORTOP = {row.sort_operator}"
    if row.kind == _HYPOTHETICAL:
        yield "HYPOTHETICAL"
    if row.parallel in _PARALLEL:
        yield f"PARALLEL = {_PARALLEL[row.parallel]}"
