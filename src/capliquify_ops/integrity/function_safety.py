"""Functions that a caller can bend, and functions that cannot run: definers without a path, names that mean two things."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.faults import AT_MOST, PACKAGE, Fault, Faults, Question, Rule
from capliquify_ops.integrity.observing import inconclusive, observe
from capliquify_ops.integrity.plpgsql_names import Table, ambiguous, questions, variables
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Severity
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles

CHECK = check_id("function_safety")
RULES = MappingProxyType(
    {
        "unpinned definer": Rule(
            Severity.HIGH,
            "The function {object} of {where} runs with its owner's rights and the caller's search_path: whoever calls"
            " it chooses the tables that it means. ALTER FUNCTION ... SET search_path = its schema, pg_temp.",
        ),
        "definer with temporary objects first": Rule(
            Severity.HIGH,
            "The function {object} of {where} runs with its owner's rights, and its search_path {detail} lets the caller's"
            " temporary tables come first: name pg_temp last.",
        ),
        "function that cannot run": Rule(
            Severity.HIGH,
            "The function {object} of {where} fails whenever it gets there: {detail} is a variable and a column alike, and the"
            " server calls that ambiguous. Qualify the column, or rename the variable.",
            Grade.STRONG,
        ),
    }
)
_QUESTION = Question(
    CHECK,
    ("function_safety",),
    RULES,
    "Every function with its owner's rights has a path of its own, and no text is ambiguous, for all {tenants} tenants.",
)
_SHARED = ("information_schema", "pg_catalog")


@dataclass(frozen=True, slots=True)
class _Body:
    object: str
    body: str
    parameters: list[str]
    schemas: list[str]


@dataclass(frozen=True, slots=True)
class _Columns:
    schema: str
    name: str
    columns: list[str]


def measure(session: Session, *, profile: Profile, roles: Roles) -> Faults:
    """Read definers and texts, within the open transaction. Raises PrivilegeMissing when the registry is not fully readable."""
    rows = _QUESTION.measure(session, profile=profile, roles=roles)
    bodies = session.rows(load(PACKAGE, "function_safety_bodies"), _Body, {"at_most": AT_MOST})
    shared = profile.registry_table.rpartition(".")[0] or "public"
    return Faults(rows.tenants, (*rows.found, *_unable(session, bodies, shared)))


judge = _QUESTION.judge


def run(session: Session, limits: Limits, clock: Clock, *, profile: Profile, roles: Roles) -> tuple[Finding, ...]:
    """Measure and judge. What could not be read is INCONCLUSIVE, with the grant."""
    asked = f"{CHECK}, {CHECK}_bodies, {CHECK}_columns"
    seen = observe(session, clock, asked, lambda s: measure(s, profile=profile, roles=roles))
    if seen.rows is None:
        return (inconclusive(CHECK, seen.evidence, seen.why_not),)
    return judge(seen.rows, limits, seen.evidence)


def _unable(session: Session, bodies: Iterable[_Body], shared: str) -> Iterable[Fault]:
    """Yield a fault for each schema of a text in which a name means two things; one schema stands for all that hold the text."""
    asked = [(body, list(questions(body.body))) for body in bodies]
    tables = {table for _, found in asked for one in found for table in one.tables}
    if not tables:
        return
    schemas = {*_SHARED, shared, *(schema for schema, _ in tables if schema), *(body.schemas[0] for body, _ in asked)}
    given = {"schemas": sorted(schemas), "tables": sorted({name for _, name in tables})}
    read = session.rows(load(PACKAGE, "function_safety_columns"), _Columns, given)
    columns = {(row.schema, row.name): row.columns for row in read}
    for body, found in asked:
        path = (body.schemas[0], shared, "pg_catalog")
        seen: dict[Table, list[str]] = {table: _columns_of(table, path, columns) for one in found for table in one.tables}
        for name in ambiguous(found, variables(body.body, body.parameters), seen):
            for schema in body.schemas:
                is_shared = schema == shared
                yield Fault("" if is_shared else schema, "function that cannot run", body.object, name)


def _columns_of(table: Table, path: Iterable[str], columns: dict[Table, list[str]]) -> list[str]:
    schema, name = table
    places = (schema,) if schema else path
    return next((columns[place, name] for place in places if (place, name) in columns), [])
