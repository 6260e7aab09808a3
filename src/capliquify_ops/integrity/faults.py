"""Faults that one pass over the catalogue names row by row, and the findings made of them: one per logical object."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.observing import FINDINGS, healthy, inconclusive, runner, spread_of
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry_columns import fill_registry

PACKAGE = "capliquify_ops.integrity"
AT_MOST = 100_000
"""Faults read at most by one statement: a fleet that holds more has one fault many times."""
_LINES = 20
_TENANTS = (
    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace AS n WHERE EXISTS"
    ' (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)'
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One object at fault: `kind` names a rule, `object` is alike in all tenants; `schema` is empty outside of every schema."""

    schema: str
    kind: str
    object: str
    detail: str


@dataclass(frozen=True, slots=True)
class Faults:
    """What was found, and how many schemas of tenants there were to look into."""

    tenants: int
    found: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of fault means: `why` is a sentence about `{object}`, `{where}` and `{detail}` (the first one's)."""

    severity: Severity
    why: str
    grade: Grade = Grade.PROOF
    subject: SubjectKind = SubjectKind.RELATION


@dataclass(frozen=True, slots=True)
class Question:
    """A check that reads faults: its statements, what each kind means, and what is said when there is none.

    A module of a check binds the three methods to its own names.
    """

    check: CheckId
    statements: tuple[str, ...]
    rules: Mapping[str, Rule]
    healthy: str
    given: Callable[[Profile, Roles], Mapping[str, object]] = lambda _profile, _roles: {}

    def measure(self, session: Session, *, profile: Profile, roles: Roles) -> Faults:
        """Run the statements within the open transaction. Raises PrivilegeMissing when the registry is not fully readable."""
        registry = profile.registry
        require_registry(session, registry, roles.owner)
        parameters = {"at_most": AT_MOST, **self.given(profile, roles)}
        found: list[Fault] = []
        for stem in self.statements:
            found += session.rows(fill_registry(load(PACKAGE, stem, session.server_major).text, registry), Fault, parameters)
        return Faults(int(session.value(fill_registry(_TENANTS, registry)) or 0), tuple(found))

    def judge(self, rows: Faults, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
        """Return one finding per logical object, or one healthy or inconclusive finding."""
        del limits  # a fault is a fault: nothing here is a matter of degree
        if not rows.tenants:
            return (inconclusive(self.check, evidence, "No registered tenant has a schema that could be examined."),)
        objects = _by_object(self, rows.found)
        findings = [_failing(self, found, rows, evidence) for found in objects[:FINDINGS]]
        if rest := [fault for found in objects[FINDINGS:] for fault in found]:
            findings.append(_failing(self, rest, rows, evidence, further=len(objects) - FINDINGS))
        why = self.healthy.format(tenants=rows.tenants)
        return tuple(findings) or (healthy(self.check, evidence, why, rows.tenants, _measured(rows)),)

    def run(self, session: Session, limits: Limits, clock: Clock, *, profile: Profile, roles: Roles) -> tuple[Finding, ...]:
        """Measure and judge. What could not be read is INCONCLUSIVE, with the grant."""
        run = runner(self.check, ", ".join(self.statements), self.measure, self.judge)
        return run(session, limits, clock, profile=profile, roles=roles)


def _by_object(question: Question, found: Iterable[Fault]) -> list[list[Fault]]:
    """Return the faults by what they are in every tenant alike: the worst first, then those of most tenants."""
    objects: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in found:
        objects[fault.kind, fault.object].append(fault)
    ranks = list(Severity)
    order = sorted(objects.items(), key=lambda each: (ranks.index(question.rules[each[0][0]].severity), -len(each[1]), each[0]))
    return [faults for _, faults in order]


def _failing(question: Question, found: Sequence[Fault], rows: Faults, evidence: Evidence, further: int = 0) -> Finding:
    first = found[0]
    rule = question.rules[first.kind]
    schemas = sorted({fault.schema for fault in found} - {""})
    why = rule.why.format(object=first.object, where=_where(schemas), detail=first.detail)
    return Finding(
        check=question.check,
        subject=Subject(rule.subject, f"{further} further objects" if further else f"{first.kind} {first.object}"),
        outcome=Outcome.FAILING,
        severity=rule.severity,
        evidence=evidence,
        why=f"{further} further objects are at fault; the first: {why}" if further else why,
        examined=rows.tenants,
        eligible=rows.tenants,
        measured=_measured(rows),
        tenants=spread_of(schemas) if schemas else None,
        witness=Witness(tuple(_line(fault) for fault in found[:_LINES])),
        grade=rule.grade,
    )


def _measured(rows: Faults) -> Mapping[str, Scalar]:
    return MappingProxyType({"faults": len(rows.found)})


def _where(schemas: Sequence[str]) -> str:
    if len(schemas) > 1:
        return f"{len(schemas)} schemas"
    return f"the schema {schemas[0]}" if schemas else "the database"


def _line(fault: Fault) -> str:
    name = f"{fault.schema}.{fault.object}" if fault.schema else fault.object
    return f"{fault.kind} {name}: {fault.detail}" if fault.detail else f"{fault.kind} {name}"
