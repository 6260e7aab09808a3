"""Functions that others can bend, and functions that cannot run: names that mean what a caller likes, or two things at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.faults import AT_MOST, PACKAGE, Fault, Faults, Question, Rule
from capliquify_ops.integrity.observing import runner
from capliquify_ops.integrity.plpgsql_names import Table, Use, uses
from capliquify_ops.integrity.plpgsql_schemas import unquoted_schemas
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Severity
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.quarantine import quarantined_names
from capliquify_ops.tenants.registry import registry_names
from capliquify_ops.tenants.registry_columns import fill_registry
from capliquify_ops.tenants.renaming import path_names

CHECK = check_id("function_safety")
_CANNOT_RUN, _UNQUOTED = "function that cannot run", "unquoted schema name"
RULES = MappingProxyType(
    {
        "unpinned definer": Rule(
            Severity.HIGH,
            "The function {object} of {where} runs with its owner's rights and the caller's search_path: whoever calls it"
            " chooses what names mean, in it and in what it calls. ALTER FUNCTION ... SET search_path = its schema, pg_temp.",
        ),
        "definer with temporary objects first": Rule(
            Severity.HIGH,
            "The function {object} of {where} runs with its owner's rights, and its search_path {detail} lets the caller's"
            " temporary tables come first: name pg_temp once, and last.",
        ),
        "open path": Rule(
            Severity.HIGH,
            "CREATE on {object}, in {where}, lets others plant objects that {detail} takes for its own while it runs with its"
            " owner's rights. REVOKE it, or take the schema out of the function's search_path.",
            Grade.STRONG,  # it may name everything with its schema
        ),
        _CANNOT_RUN: Rule(
            Severity.HIGH,
            "The function {object} of {where} fails whenever it gets there: {detail} is a variable and a column alike, and the"
            " server calls that ambiguous. Qualify the column, or rename the variable.",
            Grade.STRONG,  # it was read, not run
        ),
        _UNQUOTED: Rule(
            Severity.HIGH,
            "The function {object} of {where} puts {detail} into CREATE, ALTER or DROP SCHEMA as it is: a name that needs quotes"
            " fails, or is run as SQL. Use format with %I.",
            Grade.STRONG,  # who calls it may have quoted the name
        ),
    }
)
_QUESTION = Question(
    CHECK,
    (),
    RULES,
    "For all {tenants} tenants, nobody else decides what functions with their owner's rights mean, and no function's text is"
    " bound to fail.",
)


@dataclass(frozen=True, slots=True)
class _Body:
    """A text: `schema` has it, and so have all of `tenants`, "" for none; `path` is None where it starts in its own schema."""

    schema: str
    tenants: list[str]
    object: str
    body: str
    path: str | None
    is_decided: bool
    parameters: list[str]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class _Columns:
    schema: str
    name: str
    columns: list[str]


def measure(session: Session, *, profile: Profile, roles: Roles) -> Faults:
    """Read definers and texts, within the open transaction. Raises PrivilegeMissing when the registry is not fully readable."""
    registry = profile.registry
    rows = _QUESTION.measure(session, profile=profile, roles=roles)
    # What was put away is nobody's to call: it lacks every right on its schema.
    given = {"app": roles.app, "away": quarantined_names(session), "at_most": AT_MOST}
    definers = session.rows(fill_registry(load(PACKAGE, "function_safety").text, registry), Fault, given)
    bodies = session.rows(fill_registry(load(PACKAGE, "function_safety_bodies").text, registry), _Body, given)
    unable = _unable(session, bodies, registry_names(registry.table)["registry_schema"])
    unquoted = (_faults(body, _UNQUOTED, name) for body in bodies for name in unquoted_schemas(body.body, body.texts))
    return Faults(rows.tenants, (*definers, *unable, *(fault for each in unquoted for fault in each)))


judge = _QUESTION.judge


run = runner(CHECK, f"{CHECK}, {CHECK}_bodies, {CHECK}_columns", measure, judge)


def _unable(session: Session, bodies: Iterable[_Body], shared: str) -> Iterator[Fault]:
    """Yield a fault for each schema of a text in which a name means two things; one schema stands for all that hold the text."""
    asked = [(body, use) for body in bodies if not body.is_decided for use in uses(body.body, body.parameters)]
    if not asked:
        return
    places = {place for body, use in asked for table in use.tables for place in _places(table, body, shared)}
    given = {"schemas": sorted({schema for schema, _ in places}), "tables": sorted({name for _, name in places})}
    read = session.rows(load(PACKAGE, "function_safety_columns"), _Columns, given)
    columns = {(row.schema, row.name): row.columns for row in read}
    found = ((body, use.name) for body, use in asked if _is_column(use, body, shared, columns))
    yield from dict.fromkeys(fault for body, name in found for fault in _faults(body, _CANNOT_RUN, name))


def _faults(body: _Body, kind: str, name: str) -> Iterator[Fault]:
    return (Fault(schema, kind, body.object, name) for schema in body.tenants)


def _places(table: Table, body: _Body, shared: str) -> Sequence[Table]:
    """Return where a table could be: of a name without a schema, the server's own comes first."""
    schema, name = table
    if schema:
        return (table,)
    path = (body.schema, shared) if body.path is None else path_names(body.path)
    return tuple((place, name) for place in ("pg_catalog", *path))


def _is_column(use: Use, body: _Body, shared: str, columns: Mapping[Table, Sequence[str]]) -> bool:
    """Say whether a name is certainly a column of a table asked: whichever of the places the table is in."""
    found = ([columns[place] for place in _places(table, body, shared) if place in columns] for table in use.tables)
    return any(each and all(use.name in names for names in each) for each in found)
