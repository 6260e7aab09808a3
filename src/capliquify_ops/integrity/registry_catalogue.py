"""The registry against the catalogue, both ways: tenants without schema, schemas without tenant, names that meet, wrong owners.

A schema is taken for a tenant's by its owner and contents, never by its name. What is being created right now is told apart.
"""

from collections.abc import Mapping

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.observing import healthy, inconclusive, runner, spread_of
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.integrity.registry_disagreements import LOOKS, Disagreement, Registered, RegistryRows, Unregistered, counted
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.quarantine import PREFIX, quarantined_names
from capliquify_ops.tenants.registry_columns import fill_registry

CHECK = check_id("registry_catalogue")
_PACKAGE = "capliquify_ops.integrity"
_GRACE = "provisioning_grace_s"
_AGREE = "All {} registered tenants and the catalogue agree in both directions."


def measure(session: Session, *, profile: Profile, roles: Roles) -> RegistryRows:
    """Read both sides, within the session's open transaction. Raises PrivilegeMissing when the registry is not fully readable."""
    registry = profile.registry
    access = require_registry(session, registry, roles.owner)
    tenants = session.rows(fill_registry(load(_PACKAGE, "registry_catalogue").text, registry), Registered)
    query = fill_registry(load(_PACKAGE, "registry_catalogue_unregistered").text, registry)
    # What a purge or a restore put away is not an orphan: it stands in our own ledger, under a name of our making.
    away = [name for name in quarantined_names(session) if name.startswith(PREFIX)]
    given = {"tables": list(profile.tenant_tables), "others": [*away, *registry.shared_schemas]}
    unregistered = session.rows(query, Unregistered, given)
    return RegistryRows(
        tuple(tenants), tuple(unregistered), roles.owner, access.owner_exists, registry.table, registry.schema_name
    )


def judge(rows: RegistryRows, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per kind of disagreement, or one healthy or inconclusive finding."""
    grace = limits.number(_GRACE)
    disagreements = [disagreement for look in LOOKS for disagreement in look(rows, grace)]
    measured = counted(rows, grace)
    examined = len(rows.tenants) - int(measured["in_progress"])
    findings = [_finding(rows, disagreement, evidence, measured, examined) for disagreement in disagreements]
    if examined and not rows.owner_exists:
        why = f"The role {rows.owner!r} does not exist here, so the owners of the schemas were not judged. Set roles.owner."
        findings.append(inconclusive(CHECK, evidence, why, examined=examined, eligible=examined))
    if not findings and not examined:
        why = "The registry holds no tenant that could be examined."
        return (inconclusive(CHECK, evidence, why, eligible=len(rows.tenants)),)
    return tuple(findings) or (healthy(CHECK, evidence, _AGREE.format(examined), examined, measured),)


run = runner(CHECK, f"{CHECK}, {CHECK}_unregistered", measure, judge)


def _finding(
    rows: RegistryRows, disagreement: Disagreement, evidence: Evidence, measured: Mapping[str, Scalar], examined: int
) -> Finding:
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.TENANT, disagreement.name),
        outcome=Outcome.FAILING,
        severity=disagreement.severity,
        evidence=evidence,
        why=disagreement.why,
        examined=examined,
        eligible=examined,
        measured=measured,
        tenants=spread_of(disagreement.schemas),
        witness=Witness(disagreement.lines, disagreement.look.format(table=rows.table, column=rows.column)),
        grade=Grade.PROOF,
        escalation=disagreement.escalation,
    )
