"""From checks to a plan: each is measured now, over the whole fleet, and its rows become steps."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, describe, load
from capliquify_ops.integrity import access_rights as rights
from capliquify_ops.integrity import cross_references as crossing
from capliquify_ops.integrity import function_safety as functions
from capliquify_ops.integrity import registry_catalogue as catalogue
from capliquify_ops.integrity import sequence_health as sequences
from capliquify_ops.integrity import structure_equality as structure
from capliquify_ops.integrity import unfinished_objects as unfinished
from capliquify_ops.integrity.faults import Fault
from capliquify_ops.integrity.fleet_check import CHECKS
from capliquify_ops.integrity.registry_disagreements import RegistryRows
from capliquify_ops.integrity.structure_groups import StructureRows
from capliquify_ops.model.errors import ServerUnsupported, UsageError
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.remedies import (
    access_rights,
    cross_references,
    function_safety,
    registry_catalogue,
    sequence_health,
    structure_equality,
    unfinished_objects,
)
from capliquify_ops.remedies.blueprint import read_blueprint
from capliquify_ops.remedies.repair_plan import Fact, Plan, Step, Whose, by_whom, for_person
from capliquify_ops.tenants.history import BACKUPS
from capliquify_ops.tenants.quarantine import quarantined_tenants

_PACKAGE = "capliquify_ops.remedies"
_GRACE = "provisioning_grace_s"
_LAGGING = (sequence_health.BEHIND, sequence_health.AHEAD)
_LEDGERS = (
    "SELECT pg_catalog.count(*) = 3 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'capliquify_ops' AND c.relname IN ('audit', 'sequence', 'quarantine')"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
)
_BACKED_UP = (
    "SELECT DISTINCT a.tenant_id::text FROM capliquify_ops.audit AS a"
    " WHERE a.verb = ANY (%(verbs)s) AND a.tenant_id::text = ANY (%(tenants)s)"
)
_MIGRATES = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'capliquify_ops' AND c.relname = 'tenant_migration')"
)
_UNMIGRATED = (
    "SELECT s.schema AS one, pg_catalog.min(f.file_name) AS other"
    " FROM (SELECT m.file_name, m.sha256, pg_catalog.min(m.started_at) FROM capliquify_ops.tenant_migration AS m"
    " WHERE m.state = 'done' GROUP BY 1, 2) AS f (file_name, sha256, begun)"
    " JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(ages)s::float8[])) AS s (schema, age_s)"
    " ON pg_catalog.now() - pg_catalog.make_interval(secs => s.age_s) < f.begun"
    " WHERE NOT EXISTS (SELECT 1 FROM capliquify_ops.tenant_migration AS d WHERE d.state = 'done'"
    " AND d.schema_name = s.schema AND (d.file_name = f.file_name OR d.sha256 = f.sha256)) GROUP BY 1"
)
"""A tenant that is younger than the migration was made after it, and needs no run of it."""
_UNFINISHED = "SELECT s.tenant_id::text FROM capliquify_ops.sequence AS s WHERE s.finished_at IS NULL"
_SAYS = (
    "SELECT n.nspname::text, pg_catalog.substr(d.description, 8) FROM pg_catalog.pg_description AS d"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = d.objoid"
    " WHERE d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objsubid = 0"
    " AND d.description LIKE 'tenant %%' AND n.nspname::text = ANY (%(schemas)s)"
)


class _Pair(NamedTuple):
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at and with whose names. `pooled`: nothing can run outside a transaction; `archived`: there is a folder.

    `strangers` are schemas and roles that an earlier look found at fault: still at fault while any right is left.
    """

    profile: Profile
    roles: Roles
    limits: Limits
    clock: Clock
    checks: tuple[str, ...] = ()
    template: str | None = None
    pooled: bool = False
    archived: bool = False
    strangers: Collection[tuple[str, str]] = ()


def measured(session: Session, scope: Scope) -> Plan:
    """Measure the scope's checks, all or those named, and return the plan.

    Raises UsageError for a check that has no remedy, ServerUnsupported, and what the checks' `measure` raises.
    """
    if strange := set(scope.checks) - set(ALL):
        raise UsageError(f"There is no check {min(strange)!r}.", hint=f"One of: {', '.join(ALL)}")
    if why_not := describe(session).why_not():
        raise ServerUnsupported(why_not, hint="Nothing is repaired on a server that this version does not know.")
    named = scope.checks or ALL
    plan = Plan()
    for check in (check for check in ALL if check in named):
        own = replace(scope, checks=named)
        found = REMEDIES[check](session, own) if check in REMEDIES else Plan(_people(session, own, check))
        plan = replace(plan, steps=(*plan.steps, *found.steps), baseline=found.baseline or plan.baseline)
    with session.transaction():
        registry = catalogue.measure(session, profile=scope.profile, roles=scope.roles)
    steps = by_whom(_possible(plan.steps, scope), _whose(registry), scope.roles.owner)
    return replace(plan, steps=steps)


def _possible(steps: Iterable[Step], scope: Scope) -> tuple[Step, ...]:
    """Leave what needs a session of its own to a person where there is a pooler in between."""
    why = "It runs outside a transaction, which takes a direct connection: the target is pooled."
    return tuple(step.left(why) if scope.pooled and step.is_outside else step for step in steps)


def _whose(rows: RegistryRows) -> Mapping[str, Whose]:
    return {row.schema_name: Whose(_uuid(row.id), row.slug, row.schema_name, row.owner) for row in rows.tenants}


def _uuid(text: str) -> TenantId | None:
    try:
        return TenantId(uuid.UUID(text))
    except ValueError:
        return None


def _people(session: Session, scope: Scope, check: str) -> tuple[Step, ...]:
    """Return what a check without remedies finds, or could not tell, as what needs a person."""
    found = CHECKS[check](session, scope.limits, scope.clock, profile=scope.profile, roles=scope.roles)
    told = (finding for finding in found if finding.outcome not in {Outcome.HEALTHY, Outcome.NOT_APPLICABLE})
    return tuple(for_person(Fact(finding.check, finding.subject.name, "", ""), finding.why) for finding in told)


def _registry(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        return _of_registry(session, scope)


def _of_registry(session: Session, scope: Scope) -> Plan:
    rows = catalogue.measure(session, profile=scope.profile, roles=scope.roles)
    grace = scope.limits.number(_GRACE)
    has_ledgers = bool(session.value(_LEDGERS))
    ids = [tenant.id for tenant in registry_catalogue.missing_tenants(rows, grace)]
    template = scope.profile.provision.removeprefix("template:")
    known = registry_catalogue.Known(
        has_ledgers=has_ledgers,
        remembered=_remembered(session, ids) if has_ledgers and ids else {},
        says=dict(session.rows(_SAYS, _Pair, {"schemas": [schema.name for schema in rows.unregistered]})),
        provision=scope.profile.provision,
        is_archived=scope.archived,
        templates=frozenset(filter(None, (template, scope.template))),
    )
    return Plan(registry_catalogue.steps(rows, grace, known))


def _remembered(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Say by tenant what our ledgers know of rows that there were."""
    given = {"verbs": list(BACKUPS), "tenants": list(ids)}
    found = dict.fromkeys(session.rows(_BACKED_UP, str, given), "There is a backup of it.")
    found |= {str(each): "A schema of it is in quarantine." for each in quarantined_tenants(session)}
    return found | dict.fromkeys(session.rows(_UNFINISHED, str), "Another verb on it is unfinished.")


def _structure(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        return _of_structures(session, scope)


def _of_structures(session: Session, scope: Scope) -> Plan:
    rows = structure.measure(session, profile=scope.profile, roles=scope.roles, template=scope.template)
    if not any(rows.differences.get(tenant.digest, ()) != () for tenant in rows.tenants):
        return Plan(baseline=structure_equality.baseline_of(rows))
    blueprint = read_blueprint(session, rows.baseline_schema)
    pairs = sorted(structure_equality.tables_in_question(rows, blueprint))
    given = {"schemas": [schema for schema, _ in pairs], "tables": [table for _, table in pairs]}
    empty = set(session.rows(load(_PACKAGE, "empty_tables"), _Pair, given)) if pairs else set()
    known = structure_equality.Known(blueprint, empty, scope.checks, _unmigrated(session, rows))
    return Plan(structure_equality.steps(rows, known), structure_equality.baseline_of(rows))


def _unmigrated(session: Session, rows: StructureRows) -> Mapping[str, str]:
    """Return the schemas that differ and lack a migration which others had while they were there already, with its file.

    Raises PrivilegeMissing where nobody could tell.
    """
    differing = [tenant for tenant in rows.tenants if rows.differences.get(tenant.digest, ()) != ()]
    given = {"schemas": [each.schema_name for each in differing], "ages": [each.age_s for each in differing]}
    return dict(session.rows(_UNMIGRATED, _Pair, given)) if session.value(_MIGRATES) else {}


def _unfinished_objects(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        faults = unfinished.measure(session, profile=scope.profile, roles=scope.roles).found
        given = {"schemas": _schemas(faults)}
        found = session.rows(load(_PACKAGE, "unfinished_names"), unfinished_objects.Unfinished, given) if faults else []
        return Plan(unfinished_objects.steps(faults, found))


def _cross_references(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        return Plan(cross_references.steps(crossing.measure(session, profile=scope.profile, roles=scope.roles).found))


def _function_safety(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        faults = functions.measure(session, profile=scope.profile, roles=scope.roles).found
        given = {"schemas": _schemas(faults)}
        found = session.rows(load(_PACKAGE, "definers"), function_safety.Definer, given) if faults else []
        return Plan(function_safety.steps(faults, found))


def _sequence_health(session: Session, scope: Scope) -> Plan:
    rows = sequences.measure(session, profile=scope.profile, roles=scope.roles)
    found = sequence_health.steps(rows)
    lagging = {step.fact.finding for step in found}
    evidence = Evidence(sequences.CHECK, "", "", 0.0)
    told = [each for each in sequences.judge(rows, scope.limits, evidence) if each.outcome is not Outcome.HEALTHY]
    others = (each for each in told if each.id not in lagging and not each.subject.name.startswith(_LAGGING))
    return Plan((*found, *(for_person(Fact(each.check, each.subject.name, "", ""), each.why) for each in others)))


def _access_rights(session: Session, scope: Scope) -> Plan:
    with session.transaction():
        faults = rights.measure(session, profile=scope.profile, roles=scope.roles).found
        known = {(fault.schema, fault.object) for fault in faults if fault.kind == access_rights.ROLE}
        asked = {*known, *scope.strangers}
        schemas = sorted({*_schemas(faults), *(schema for schema, _ in scope.strangers)})
        given = {"schemas": schemas, "roles": sorted({role for _, role in asked}), "app": scope.roles.app}
        found = session.rows(load(_PACKAGE, "stray_grants"), access_rights.Grant, given) if schemas else []
        # In a single schema the check takes a role for one that belongs there: half-way through it would find no fault any more.
        left = {(one.schema, one.role) for one in found} & set(scope.strangers) - known
        faults = (*faults, *(Fault(schema, access_rights.ROLE, role, "") for schema, role in sorted(left)))
        return Plan(access_rights.steps(faults, found, scope.roles.app))


def _schemas(faults: Iterable[Fault]) -> list[str]:
    return sorted({fault.schema for fault in faults} - {""})


REMEDIES: Mapping[str, Callable[[Session, Scope], Plan]] = MappingProxyType(
    {
        catalogue.CHECK: _registry,
        structure.CHECK: _structure,
        crossing.CHECK: _cross_references,
        unfinished.CHECK: _unfinished_objects,
        functions.CHECK: _function_safety,
        sequences.CHECK: _sequence_health,
        rights.CHECK: _access_rights,
    }
)
"""By the check whose faults they repair."""
ALL = tuple(dict.fromkeys((*CHECKS, *REMEDIES)))
"""Every check, in the order of `fleet check`; what one without remedies finds needs a person."""
