"""Does anything in one schema hang on another tenant's? By the catalogue's dependencies, and by the words of functions.

What leaves a tenant for `public`, or for a schema of an extension, is none of this check's business; what enters a tenant's
schema from outside is, wherever it stands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.observing import FINDINGS, healthy, inconclusive, runner, spread_of
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.quarantine import quarantined_names
from capliquify_ops.tenants.registry_columns import fill_registry

CHECK = check_id("cross_references")
_PACKAGE = "capliquify_ops.integrity"
AT_MOST = 100_000
"""References read at most: a fleet that holds more has one fault many times."""
_LINES = 20
_TENANTS = (
    "SELECT count(*) FROM pg_catalog.pg_namespace AS n WHERE EXISTS"
    ' (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)'
)
_WORDS = frozenset({"function text"})
"""Kinds that a comment or a message may explain: they are strong evidence and no proof."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of `from_schema` that hangs on, or names, `to_schema`; `target` is empty where words name the schema alone.

    `is_tenants`: whether the object stands in a tenant's schema itself.
    """

    is_tenants: bool
    from_schema: str
    kind: str
    object: str
    to_schema: str
    target: str


@dataclass(frozen=True, slots=True)
class References:
    """All references into tenants' schemas from other schemas, and how many schemas of tenants there are."""

    tenants: int
    found: tuple[Reference, ...]


def measure(session: Session, *, profile: Profile, roles: Roles) -> References:
    """Read the references, within the open transaction. Raises PrivilegeMissing when the registry is not fully readable."""
    require_registry(session, profile.registry, roles.owner)
    found: list[Reference] = []
    for stem in ("cross_references", "cross_references_words"):
        found += session.rows(fill_registry(load(_PACKAGE, stem).text, profile.registry), Reference, {"at_most": AT_MOST})
    # What a restore put away still names the schema that it was.
    away = set(quarantined_names(session))
    kept = tuple(reference for reference in found if reference.from_schema not in away)
    return References(int(session.value(fill_registry(_TENANTS, profile.registry)) or 0), kept)


def judge(rows: References, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per logical object, or one healthy or inconclusive finding."""
    del limits  # nothing here is a matter of degree
    if not rows.tenants:
        return (inconclusive(CHECK, evidence, "No registered tenant has a schema that could be examined."),)
    objects = _by_object(rows.found)
    findings = [_failing(kind, name, found, rows, evidence) for (kind, name), found in objects[:FINDINGS]]
    if rest := [reference for _, found in objects[FINDINGS:] for reference in found]:
        findings.append(_failing("further", "objects", rest, rows, evidence))
    why = f"Nothing outside the schemas of the {rows.tenants} tenants hangs on them, and none names another one."
    return tuple(findings) or (healthy(CHECK, evidence, why, rows.tenants, _measured(rows)),)


run = runner(CHECK, f"{CHECK}, {CHECK}_words", measure, judge)


def _by_object(found: Iterable[Reference]) -> list[tuple[tuple[str, str], list[Reference]]]:
    """Return references by what they are in every tenant alike, those of most tenants first."""
    objects: dict[tuple[str, str], list[Reference]] = defaultdict(list)
    for reference in found:
        objects[reference.kind, reference.object].append(reference)
    return sorted(objects.items(), key=lambda each: (-len(each[1]), each[0]))


def _failing(kind: str, name: str, found: list[Reference], rows: References, evidence: Evidence) -> Finding:
    schemas = {reference.from_schema for reference in found}
    others = {reference.to_schema for reference in found}
    is_words = kind in _WORDS
    verb = "names" if is_words or kind == "function settings" else "hangs on"
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.RELATION, f"{kind} {name}"),
        outcome=Outcome.FAILING,
        severity=Severity.HIGH if is_words else Severity.CRITICAL,
        evidence=evidence,
        why=f"{kind.capitalize()} {name}, of {_schemas(schemas)}, {verb} what is another tenant's: {_schemas(others)}.",
        examined=rows.tenants,
        eligible=rows.tenants,
        measured=_measured(rows),
        tenants=spread_of({reference.from_schema for reference in found if reference.is_tenants} | others),
        witness=Witness(tuple(_line(reference) for reference in found[:_LINES])),
        grade=Grade.STRONG if is_words else Grade.PROOF,
    )


def _measured(rows: References) -> Mapping[str, Scalar]:
    return MappingProxyType({"references": len(rows.found)})


def _schemas(names: Iterable[str]) -> str:
    found = sorted(names)
    return f"the schema {found[0]}" if len(found) == 1 else f"{len(found)} schemas"


def _line(reference: Reference) -> str:
    target = f".{reference.target}" if reference.target else ""
    return f"{reference.kind} {reference.from_schema}.{reference.object} -> {reference.to_schema}{target}"
