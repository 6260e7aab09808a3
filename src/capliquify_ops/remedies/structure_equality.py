"""Repairs of structure_equality: what a tenant lacks is added as most tenants, or the template, have it; pure.

What differs, or is one too many, is somebody's decision: nothing here changes or drops what is there.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from capliquify_ops.database import quoted
from capliquify_ops.integrity.structure_equality import CHECK
from capliquify_ops.integrity.structure_groups import StructureRows
from capliquify_ops.remedies.blueprint import Blueprint, belonging
from capliquify_ops.remedies.blueprint_columns import Made
from capliquify_ops.remedies.relocating import NamesTheSchemaError, relocated, settled
from capliquify_ops.remedies.repair_plan import Fact, Stage, Step, for_person
from capliquify_ops.tenants.structure import Difference

RANK = 2
_UNFINISHED = "unfinished_objects"
_HALF_MADE = {"INVALID", "INVALID NOT READY", "NOT READY", "NOT VALID"}
_NO_MAJORITY = "No structure is that of more than half of the tenants: say with --template which schema they must equal."
_NOT_COMPARED = "It differs in more ways than one run compares: repair the others first, then run the command again."
_MIGRATION = "The migration {} ran in other tenants and not here: what is missing may be its work. Finish it first."
_NAMES = "Its text names the schema {!r}, and would go on naming it from here."
_ROWS = "The table has, or had, rows, and they would have no value there: a person says which."
_EXTRA = "It is only here. If nobody needs it, it can go; if it should be everywhere, migrate the others."
_DIFFERS = "It is there and different (expected: {expected}; found: {found}): which one is right, and what becomes of the rows?"
_DROPS = {
    "index": "DROP INDEX CONCURRENTLY {whole}",
    "constraint": "ALTER TABLE {relation} DROP CONSTRAINT {name}",
    "column": "ALTER TABLE {relation} DROP COLUMN {name}",
    "trigger": "DROP TRIGGER {name} ON {relation}",
    "policy": "DROP POLICY {name} ON {relation}",
    "view": "DROP VIEW {whole}",
    "materialized view": "DROP MATERIALIZED VIEW {whole}",
    "table": "DROP TABLE {whole}",
    "sequence": "DROP SEQUENCE {whole}",
    "type": "DROP TYPE {whole}",
}
_REMADE = {"index", "constraint", "trigger", "policy", "view", "materialized view"}
"""What holds no data: dropped by a person, it is missing, and the next run makes it anew."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the plan has to know beside the rows: tables without a single page, and which checks are repaired too.

    `unmigrated` are schemas in which a file has yet to run, with its name: it makes what is missing, and fills it.
    """

    blueprint: Blueprint
    empty: Collection[tuple[str, str]] = ()
    checks: Collection[str] = (_UNFINISHED,)
    unmigrated: Mapping[str, str] = field(default_factory=dict)


def baseline_of(rows: StructureRows) -> str:
    """Say what the tenants are compared with."""
    examined = [tenant for tenant in rows.tenants if tenant.digest]
    equal = sum(tenant.digest not in rows.differences for tenant in examined)
    return f"{rows.baseline_schema!r}, which {equal} of {len(examined)} tenants equal" if examined else ""


def tables_in_question(rows: StructureRows, blueprint: Blueprint) -> set[tuple[str, str]]:
    """Return schemas and tables that must be empty for what is missing to be added."""
    found = set()
    for tenant in rows.tenants:
        for one in rows.differences.get(tenant.digest) or ():
            made = blueprint.made.get((one.kind, one.object))
            if one.found is None and made and made.only_empty:
                found.add((tenant.schema_name, made.relation))
    return found


def steps(rows: StructureRows, known: Known) -> tuple[Step, ...]:
    """Return a step for each difference of each tenant; a missing table brings what belongs to it."""
    found = [step for tenant in rows.tenants for step in _of_schema(rows, tenant.schema_name, tenant.digest, known)]
    if not (rows.is_template or _has_majority(rows)):
        return tuple(step.left(_NO_MAJORITY) for step in found)
    return tuple(_unmigrated(step, known.unmigrated) for step in found)


def _unmigrated(step: Step, unmigrated: Mapping[str, str]) -> Step:
    file = unmigrated.get(step.fact.schema)
    return step.left(_MIGRATION.format(file), f"capliquify-ops fleet migrate {file}") if file else step


def _has_majority(rows: StructureRows) -> bool:
    examined = [tenant for tenant in rows.tenants if tenant.digest]
    equal = sum(tenant.digest not in rows.differences for tenant in examined)
    return not rows.is_tied and 2 * equal > len(examined)


def _of_schema(rows: StructureRows, schema: str, digest: str, known: Known) -> Iterator[Step]:
    differing = rows.differences.get(digest, ())
    if differing is None:
        yield for_person(Fact(CHECK, "structure", "", schema), _NOT_COMPARED)
        return
    lacking = {(one.kind, one.object) for one in differing if one.found is None}
    for one in differing:
        fact = Fact(CHECK, one.kind, one.object, schema)
        if one.found is None:
            yield from _missing(fact, lacking, known)
        elif one.baseline is None:
            yield for_person(fact, _EXTRA, _drop(one, schema))
        elif _is_half_made(one) and _UNFINISHED in known.checks:
            yield Step(fact, covered_by=_UNFINISHED)
        elif not _is_alike(one, known.blueprint.schema, schema):
            yield _different(fact, one, known)


def _is_half_made(one: Difference) -> bool:
    """Whether an index or constraint is the right one, and only not finished: that is another check's."""
    rest = (one.found or "").removeprefix(one.baseline or "").strip()
    return one.found != rest and rest in _HALF_MADE


def _is_alike(one: Difference, baseline: str, schema: str) -> bool:
    """Whether only the quotes differ that a schema's name needs in a search_path."""
    return settled(one.baseline or "", baseline) == settled(one.found or "", schema)


def _missing(fact: Fact, lacking: Collection[tuple[str, str]], known: Known) -> Iterator[Step]:
    made = known.blueprint.made.get((fact.kind, fact.object))
    if fact.kind == "enforcement":
        return  # comes with its constraint
    if made is None:
        yield for_person(fact, "It is not among what can be made by itself.")
    elif made.why_not:
        yield for_person(fact, made.why_not)
    elif fact.kind == "sequence" and made.relation:
        # Its column brings it, or has lost it.
        is_new = ("table", made.relation) in lacking or ("column", f"{made.relation}.{made.column}") in lacking
        if not is_new:
            yield for_person(fact, f"The column {made.relation}.{made.column} is there without it: where should it go on?")
    elif fact.kind == "table":
        yield _step(fact, made, (Stage(made.plain),), known)
        for one in belonging(known.blueprint, made.object):
            yield _step(fact._replace(kind=one.kind, object=one.object), one, (Stage(one.plain),), known)
    elif made.only_empty and (fact.schema, made.relation) not in known.empty:
        yield _step(fact, made, _stages(made), known).left(_ROWS)
    elif fact.kind == "index" and not made.build:
        return  # comes with its constraint
    else:
        yield _step(fact, made, _stages(made), known)


def _stages(made: Made) -> tuple[Stage, ...]:
    """Return how an object is added to tables in use: what takes long blocks nobody, what blocks is short."""
    stages = [Stage((made.build,), is_outside=True, is_weak=True)] if made.build else []
    if made.kind in {"column", "constraint", "index"}:
        stages += [Stage(made.then)] if made.then else []
    else:
        stages.append(Stage(made.plain))
    return (*stages, *([Stage(made.validate, is_weak=True, undo=made.undo)] if made.validate else []))


def _step(fact: Fact, made: Made, stages: tuple[Stage, ...], known: Known) -> Step:
    own = known.blueprint.schema
    try:
        moved = tuple(_moved(stage, own, fact.schema) for stage in stages)
    except NamesTheSchemaError:
        return for_person(fact, _NAMES.format(own))
    is_compared = fact.kind != "rule"
    expected = known.blueprint.expected((made.kind, made.object)) if is_compared else ()
    return Step(fact, moved, locks=made.locks, expected=expected, order=(RANK, 2 * made.position + made.late))


def _moved(stage: Stage, own: str, schema: str) -> Stage:
    statements = tuple(relocated(text, own, schema) for text in stage.statements)
    return replace(stage, statements=statements, undo=tuple(relocated(text, own, schema) for text in stage.undo))


def _different(fact: Fact, one: Difference, known: Known) -> Step:
    why = _DIFFERS.format(expected=one.baseline, found=one.found)
    if _is_half_made(one):
        return for_person(fact, f"It is not finished: {_UNFINISHED} repairs that.", f"capliquify-ops fleet repair {_UNFINISHED}")
    made = known.blueprint.made.get((fact.kind, fact.object))
    if fact.kind == "routine" and made and made.plain:
        return _step(fact, made, (Stage(made.plain[:1]),), known).left(why)
    if fact.kind == "column":
        return for_person(fact, why, _altered(one, fact.schema))
    if fact.kind in _REMADE:
        advice = _drop(one, fact.schema)
        return for_person(fact, why, advice and f"{advice}, and then this command again")
    return for_person(fact, why)


def _altered(one: Difference, schema: str) -> str:
    """Return what makes the usual differences of a column go: its type, NOT NULL or default."""
    expected, found = _column(one.baseline), _column(one.found)
    names = _names(one.object, schema)
    if names is None or expected is None or found is None:
        return ""
    alter = f"ALTER TABLE {names['relation']}"
    said = []
    if expected[0] != found[0]:
        said.append(f"ALTER COLUMN {names['name']} TYPE {expected[0]}")
    if expected[1] != found[1]:
        said.append(f"ALTER COLUMN {names['name']} {'SET' if expected[1] else 'DROP'} NOT NULL")
    if expected[2] != found[2]:
        said.append(f"ALTER COLUMN {names['name']} {f'SET DEFAULT {expected[2]}' if expected[2] else 'DROP DEFAULT'}")
    return f"{alter} {', '.join(said)}" if said else ""


def _column(text: str | None) -> tuple[str, bool, str] | None:
    """Return type, NOT NULL and default of a plain column, as a comparison tells them."""
    if text is None or "GENERATED" in text or "~." in text:
        return None
    declared, _, default = text.partition(" DEFAULT ")
    type_ = declared.removesuffix(" NOT NULL")
    return type_, type_ != declared, default


def _drop(one: Difference, schema: str) -> str:
    names = _names(one.object, schema) if one.kind in _DROPS else None
    return _DROPS[one.kind].format(**names) if names else ""


def _names(name: str, schema: str) -> dict[str, str] | None:
    """Return the object's names as SQL; None where a dot could stand in either of two names."""
    relation, dot, own = name.partition(".")
    if "." in own or not relation:
        return None
    return {"relation": quoted(schema, relation), "name": quoted(own) if dot else "", "whole": quoted(schema, name)}
