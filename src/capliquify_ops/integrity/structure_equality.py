"""Are all tenants built alike? Digests of the whole fleet in one pass; only schemas that stand out are compared word by word.

The yardstick is the template that is given, a schema or a structure from a file, else the structure that most tenants have.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.observing import FINDINGS, healthy, inconclusive, runner, spread_of
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.integrity.structure_groups import (
    DifferingObject,
    Structure,
    StructureRows,
    counted,
    differing_objects,
    not_compared,
    summary,
)
from capliquify_ops.integrity.structure_template import Template
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.fingerprint import definitions, fleet_fingerprints, tenant_fingerprint
from capliquify_ops.tenants.registry import registry_names
from capliquify_ops.tenants.registry_columns import fill_registry
from capliquify_ops.tenants.structure import Definition, Difference, differences

CHECK = check_id("structure_equality")
_GRACE = "provisioning_grace_s"
GROUPS_COMPARED = 400
"""At most this many deviating structures are compared word by word, at 10 ms each; more are counted and said to be unread."""
_LINES = 20


@dataclass(frozen=True, slots=True)
class _Live:
    slug: str
    schema_name: str
    age_s: float


def measure(session: Session, *, profile: Profile, roles: Roles, template: str | Template | None = None) -> StructureRows:
    """Read the fleet, within the session's open transaction.

    Raises PrivilegeMissing when the registry is not fully readable, TenantConflict when the template does not exist,
    UsageError when it is the registry's schema or was written on a server of another major version.
    """
    require_registry(session, profile.registry, roles.owner)
    query = fill_registry(load("capliquify_ops.integrity", "structure_equality").text, profile.registry)
    live = session.rows(query, _Live)
    digests = {found.schema.name: found.digest for found in fleet_fingerprints(session)}
    tenants = tuple(Structure(row.slug, row.schema_name, row.age_s, digests.get(row.schema_name, "")) for row in live)
    if template == registry_names(profile.registry.table)["registry_schema"]:
        raise UsageError(
            f"{template} holds the registry: no tenant must equal it.", hint="Name a tenant's schema, or one made for this."
        )
    baseline, schema = _baseline(session, tenants, template)
    expected = template.definitions if isinstance(template, Template) else None
    compared = _compare(session, tenants, baseline, lambda: definitions(session, schema) if expected is None else expected)
    is_tied = template is None and _is_tied(tenants, baseline, compared)
    return StructureRows(tenants, baseline, schema, template is not None, is_tied, MappingProxyType(compared))


def judge(rows: StructureRows, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per object that differs anywhere, or one healthy or inconclusive finding."""
    grace = limits.number(_GRACE)
    eligible = [tenant for tenant in rows.tenants if tenant.digest or tenant.age_s >= grace]
    examined = [tenant for tenant in eligible if tenant.digest]
    coverage = {"examined": len(examined), "eligible": len(eligible)}
    if not examined:
        return (inconclusive(CHECK, evidence, "No live tenant has a schema that could be examined.", eligible=len(eligible)),)
    if len(examined) == 1 and not rows.is_template:
        why = "One tenant cannot differ from itself: name a template schema to compare it with."
        return (inconclusive(CHECK, evidence, why, **coverage),)
    told = _Told(evidence, counted(rows, examined, eligible), summary(rows), **coverage)
    findings = _failing(rows, told)
    if unread := not_compared(rows):
        why = f"{len(unread)} more tenants differ by digest; only {GROUPS_COMPARED} structures are compared word by word."
        findings.append(inconclusive(CHECK, evidence, why, **coverage))
    if len(examined) < len(eligible):
        why = (
            f"{len(eligible) - len(examined)} of {len(eligible)} live tenants have no schema to examine: see registry_catalogue."
        )
        findings.append(inconclusive(CHECK, evidence, why, **coverage))
    return tuple(findings) or (_healthy(rows, told),)


run = runner(CHECK, f"{CHECK}, fingerprint, definitions", measure, judge)


def _baseline(session: Session, tenants: Iterable[Structure], template: str | Template | None) -> tuple[str, str]:
    """Return the digest to compare with and a schema that has it. Among equally common ones the oldest tenant's.

    Nobody knows the digest of a file: every structure is then compared word by word.
    """
    if isinstance(template, Template):
        template.require_server(session.server_major)
        return "", template.name
    if template is not None:
        return tenant_fingerprint(session, template).digest, template
    examined = [tenant for tenant in tenants if tenant.digest]
    common = Counter(tenant.digest for tenant in examined)
    first = max(examined, key=lambda tenant: common[tenant.digest], default=None)
    return (first.digest, first.schema_name) if first else ("", "")


def _is_tied(tenants: Iterable[Structure], baseline: str, differing: Iterable[str]) -> bool:
    common = Counter(tenant.digest for tenant in tenants)
    return any(common[digest] >= common[baseline] for digest in differing)


def _compare(
    session: Session, tenants: Iterable[Structure], baseline: str, read: Callable[[], tuple[Definition, ...]]
) -> dict[str, tuple[Difference, ...] | None]:
    """Compare one tenant of each deviating digest. A digest without a difference is an equal one, and left out."""
    examples: dict[str, str] = {}
    for tenant in tenants:
        if tenant.digest and tenant.digest != baseline:
            examples.setdefault(tenant.digest, tenant.schema_name)
    found: dict[str, tuple[Difference, ...] | None] = {}
    expected = read() if examples else ()
    for number, (digest, example) in enumerate(examples.items()):
        compared = _difference(session, expected, example) if number < GROUPS_COMPARED else None
        if compared != ():
            found[digest] = compared
    return found


def _difference(session: Session, expected: tuple[Definition, ...], example: str) -> tuple[Difference, ...] | None:
    try:
        return differences(expected, definitions(session, example))
    except TenantConflict:
        return None  # dropped since the digests were taken


@dataclass(frozen=True, slots=True)
class _Told:
    """What every finding of one run says alike."""

    evidence: Evidence
    measured: Mapping[str, Scalar]
    summary: tuple[str, ...]
    examined: int
    eligible: int


def _failing(rows: StructureRows, told: _Told) -> list[Finding]:
    objects = differing_objects(rows)
    findings = [_failed(_one(each, told), told) for each in objects[:FINDINGS]]
    if rest := objects[FINDINGS:]:
        findings.append(_failed(_further(rest), told))
    return findings


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a failing finding says of its own."""

    name: str
    severity: Severity
    why: str
    schemas: tuple[str, ...]
    lines: tuple[str, ...]


def _one(each: DifferingObject, told: _Told) -> _Failure:
    phrases = [f"{len(schemas)} {one.phrase(len(schemas))}" for one, schemas in each.ways.items()]
    lines = [f"expected: {one.baseline or 'nothing'}; found: {one.found or 'nothing'}" for one in each.ways]
    return _Failure(
        name=f"{each.kind} {each.object}",
        severity=Severity.MEDIUM if each.is_extra else Severity.HIGH,
        why=f"Of {told.examined} tenants {', '.join(phrases[:_LINES])}.",
        schemas=each.schemas,
        lines=(*lines[:_LINES], *told.summary[:_LINES]),
    )


def _further(rest: tuple[DifferingObject, ...]) -> _Failure:
    schemas = tuple({schema for each in rest for schema in each.schemas})
    lines = tuple(f"{len(each.schemas)} differ in {each.kind} {each.object}" for each in rest[:_LINES])
    return _Failure(
        "further objects", Severity.HIGH, f"{len(rest)} more objects differ, in {len(schemas)} tenants.", schemas, lines
    )


def _failed(failure: _Failure, told: _Told) -> Finding:
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.RELATION, failure.name),
        outcome=Outcome.FAILING,
        severity=failure.severity,
        evidence=told.evidence,
        why=failure.why,
        examined=told.examined,
        eligible=told.eligible,
        measured=told.measured,
        tenants=spread_of(failure.schemas),
        witness=Witness(failure.lines),
        grade=Grade.PROOF,
    )


def _healthy(rows: StructureRows, told: _Told) -> Finding:
    yardstick = f"the template {rows.baseline_schema}" if rows.is_template else "each other"
    why = f"The structures of all {told.examined} live tenants equal {yardstick}."
    return healthy(CHECK, told.evidence, why, told.examined, told.measured)
