"""What the parts of an ALTER TABLE do to a live table: which of them read or rewrite it under their lock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from capliquify_ops.tenants.migration_names import Against
from capliquify_ops.tenants.migration_nodes import kind, strings, walk, words


@dataclass(slots=True)
class Seen:
    """What earlier statements of the file did: tables made (nobody uses them yet), tables altered, constraints not validated.

    A `temporary` table may bear the name of a live one, which the path finds first.
    """

    created: set[str] = field(default_factory=set)
    temporary: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    unvalidated: set[tuple[str, str]] = field(default_factory=set)


_SHORT = words(
    "AT_ColumnDefault AT_CookedColumnDefault AT_DropNotNull AT_DropExpression AT_SetStatistics AT_SetOptions AT_ResetOptions"
    " AT_SetStorage AT_SetCompression AT_AlterConstraint AT_DropConstraint AT_SetRelOptions AT_ResetRelOptions"
    " AT_ReplaceRelOptions AT_EnableTrig AT_EnableAlwaysTrig AT_EnableReplicaTrig AT_DisableTrig AT_EnableTrigUser"
    " AT_DisableTrigUser AT_EnableRowSecurity AT_DisableRowSecurity AT_ForceRowSecurity AT_NoForceRowSecurity AT_SetIdentity"
    " AT_DropIdentity AT_AddIdentity AT_ReplicaIdentity AT_ClusterOn AT_DropCluster AT_DetachPartition AT_AddOf AT_DropOf"
)
"""Parts that change the catalogue only."""
_LONG = {
    "AT_AlterColumnType": "changing-column-type",
    "AT_SetNotNull": "adding-not-nullable-field",
    "AT_DropColumn": "ban-drop-column",
    "AT_SetExpression": "rewriting-table",
    "AT_SetLogged": "rewriting-table",
    "AT_SetUnLogged": "rewriting-table",
    "AT_SetTableSpace": "rewriting-table",
    "AT_SetAccessMethod": "rewriting-table",
    "AT_AttachPartition": "rewriting-table",
}
_STEADY = words(
    "now transaction_timestamp statement_timestamp current_database current_schema current_setting version lower upper concat"
    " format to_char to_date to_timestamp date_trunc make_date make_interval coalesce jsonb_build_object jsonb_build_array"
    " array_fill encode decode md5 timezone"
)
"""Functions that are known not to be volatile: a default of them is computed once, for all rows."""
_SERIAL = words("serial serial2 serial4 serial8 smallserial bigserial")


def altered(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """Judge the parts of an ALTER of a table, view, index, sequence or type."""
    relation = statement.relation.relname or ""
    is_new = relation in seen.created
    for part in statement.cmds or ():
        yield from _part(part, relation, seen, is_new=is_new)
    if not is_new:
        seen.altered.add(relation)


def _part(part: Any, relation: str, seen: Seen, *, is_new: bool) -> Iterator[Against]:  # noqa: ANN401 -- a node
    what, name = part.subtype.name, f"{relation}.{part.name}" if part.name else relation
    if what == "AT_AddColumn":
        yield from () if is_new else _column(part.def_, f"{relation}.{part.def_.colname}")
    elif what == "AT_AddConstraint":
        yield from () if is_new else _constraint(part.def_, relation, seen)
    elif what == "AT_ValidateConstraint":
        if (relation, part.name) in seen.unvalidated:
            yield "validate-in-same-transaction", name
    elif what == "AT_AlterConstraint" and part.def_.is_enforced and part.def_.alterEnforceability:
        yield from () if is_new else [("adding-foreign-key-constraint", f"{relation}.{part.def_.conname}")]
    elif what in _LONG:
        if not is_new:
            yield _LONG[what], name
    elif what not in _SHORT:
        yield "other-statement", f"{what.removeprefix('AT_')} of {name}"


def _column(column: Any, name: str) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """Judge ADD COLUMN."""
    given = {each.contype.name: each for each in column.constraints or ()}
    default = given.get("CONSTR_DEFAULT")
    generated = given.get("CONSTR_GENERATED")
    is_stored = generated is not None and generated.generated_kind != "v"
    names = [each.sval for each in column.typeName.names] if column.typeName else []
    is_numbered = "CONSTR_IDENTITY" in given or (bool(names) and names[-1] in _SERIAL)
    if is_stored or is_numbered or (default is not None and not _is_steady(default.raw_expr)):
        yield "adding-field-with-default", name
    if "CONSTR_NOTNULL" in given and default is None and generated is None and not is_numbered:
        yield "adding-required-field", name
    if given.keys() & {"CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_EXCLUSION"}:
        yield "disallowed-unique-constraint", name
    if "CONSTR_CHECK" in given:
        yield "constraint-missing-not-valid", name
    # Without a default every row has NULL, and the server reads none of them.
    if "CONSTR_FOREIGN" in given and default is not None:
        yield "adding-foreign-key-constraint", name


def _constraint(constraint: Any, relation: str, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """Judge ADD CONSTRAINT. What is NOT VALID or NOT ENFORCED is not read."""
    name = f"{relation}.{constraint.conname}" if constraint.conname else relation
    if constraint.skip_validation:
        seen.unvalidated.add((relation, constraint.conname))
        return
    match constraint.contype.name:
        case "CONSTR_CHECK":
            yield "constraint-missing-not-valid", name
        case "CONSTR_FOREIGN":
            yield "adding-foreign-key-constraint", name
        case "CONSTR_NOTNULL":
            yield "adding-not-nullable-field", name
        case _ if not constraint.indexname:
            yield "disallowed-unique-constraint", name


def _is_steady(expression: object) -> bool:
    """Whether a default is the same for all rows: no function but those that are known, no operator of one's own."""
    for place in walk(expression):
        if kind(place.value) == "FuncCall":
            *schema, name = strings(place.value.funcname)
            if name not in _STEADY or schema not in ([], ["pg_catalog"]):
                return False
        if kind(place.value) == "A_Expr" and len(place.value.name) > 1:
            return False
    return True
