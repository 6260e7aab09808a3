"""Who may do what: the application's role, everybody, roles of nobody's knowledge, and row security that binds nobody.

Without the application's role in the database nothing can be said of it: that is INCONCLUSIVE, beside whatever else is found.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.integrity.faults import Faults, Question, Rule
from capliquify_ops.integrity.observing import inconclusive, runner
from capliquify_ops.model.finding import Evidence, Finding, SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import registry_names

CHECK = check_id("access_rights")
TENANT_COLUMNS = ("tenant_id", "tenant", "org_id", "organization_id")
"""A shared table with one of these columns holds rows of many tenants."""
_UNKNOWN = "unknown application"
_CLUSTER, _DATABASE = SubjectKind.CLUSTER, SubjectKind.DATABASE
RULES = MappingProxyType(
    {
        "unbound application": Rule(
            Severity.CRITICAL,
            "The application's role {detail} has {object}: row security does not bind it. ALTER ROLE ... NO{object}.",
            subject=_CLUSTER,
        ),
        "application membership": Rule(
            Severity.CRITICAL,
            "The application's role {detail} has the rights of {object}, or may take them: REVOKE the membership.",
            subject=_CLUSTER,
        ),
        "wide membership": Rule(
            Severity.HIGH,
            "The application's role {detail} is a member of {object}, beyond all grants: REVOKE it, grant what it needs.",
            subject=_CLUSTER,
        ),
        "powerful application": Rule(
            Severity.HIGH,
            "The application's role {detail} has {object}, and so more than its grants: ALTER ROLE ... NO{object}.",
            subject=_CLUSTER,
        ),
        "needless attribute": Rule(
            Severity.LOW,
            "The application's role {detail} has {object}, which no request needs: ALTER ROLE ... NO{object}.",
            subject=_CLUSTER,
        ),
        "application owns": Rule(
            Severity.HIGH,
            "The application owns the {object} in {where}, as {detail}: it may drop it and switch its row security off."
            " Give it to the owner's role, or name {detail} as the owner in the target's roles.",
        ),
        "open relation": Rule(
            Severity.CRITICAL,
            "PUBLIC holds {detail} on {object} in {where}, and so does every role that will ever be made: REVOKE it.",
        ),
        "open shared table": Rule(Severity.HIGH, "PUBLIC holds {detail} on {object}, which tells of all tenants: REVOKE it."),
        "open schema": Rule(
            Severity.HIGH,
            "PUBLIC holds {object} on {where}: for every role only grants of single tables stand in the way. REVOKE it.",
        ),
        "open function": Rule(
            Severity.MEDIUM,
            "PUBLIC may run {object} in {where}, which acts with its owner's rights: REVOKE it, and grant it by name.",
        ),
        "open shared schema": Rule(
            Severity.MEDIUM,
            "PUBLIC may create objects in the schema {object} and so shadow what others call: REVOKE CREATE ON SCHEMA.",
            subject=_DATABASE,
        ),
        "foreign role": Rule(
            Severity.HIGH,
            "The role {object}, none of the target's, holds rights in {where} ({detail}): REVOKE them, or suppress this.",
            subject=_DATABASE,
        ),
        "default privilege": Rule(
            Severity.HIGH,
            "Default privileges in {where} give future {object} ({detail}), with every table or tenant that is made:"
            " ALTER DEFAULT PRIVILEGES ... REVOKE.",
            subject=_DATABASE,
        ),
        "row security off": Rule(
            Severity.HIGH,
            "Row security of {object} does not bind the application: {detail}. ENABLE and FORCE ROW LEVEL SECURITY.",
        ),
        "row security not forced": Rule(
            Severity.MEDIUM,
            "Row security of {object} does not bind its owner: his functions and views see all tenants. FORCE it.",
        ),
        "open policy": Rule(
            Severity.HIGH, "The policy {object} lets the application at every tenant's rows: {detail}. Compare the tenant in it."
        ),
        "view past row security": Rule(
            Severity.HIGH,
            "The view {object} in {where} shows the application {detail} as its owner sees it, past row security:"
            " set security_invoker, or give it to a role that is bound.",
            grade=Grade.STRONG,  # it may filter by itself
        ),
    }
)


def _given(profile: Profile, roles: Roles) -> Mapping[str, object]:
    registry = profile.registry
    return {
        **roles.names(),
        "known": sorted(set(roles.names().values())),
        "shared": [registry_names(registry.table)["registry_schema"], *registry.shared_schemas, *_schemas(profile.shared_tables)],
        "columns": list(TENANT_COLUMNS),
        "is_ours": registry.is_ours,
    }


def _schemas(tables: Iterable[str]) -> list[str]:
    """Return the schemas of the shared tables that the profile names with one; the others stand beside the registry."""
    return sorted({table.rpartition(".")[0] for table in tables} - {""})


_QUESTION = Question(
    CHECK,
    ("access_rights", "access_rights_application", "access_rights_shared"),
    RULES,
    "In the schemas of all {tenants} tenants nothing is open to PUBLIC, no role beyond the target's holds rights in two of them,"
    " and no row security of a shared table fails to bind the application.",
    _given,
)
measure = _QUESTION.measure


def judge(rows: Faults, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per logical object, or one healthy one; an inconclusive one where the application's role is missing."""
    unknown = [fault for fault in rows.found if fault.kind == _UNKNOWN]
    known = Faults(rows.tenants, tuple(fault for fault in rows.found if fault.kind != _UNKNOWN))
    findings = _QUESTION.judge(known, limits, evidence)
    if not unknown or not rows.tenants:
        return findings
    why = f"There is no role {unknown[0].object!r} to tell what the application may do: name its role as app_role in the target."
    failing = tuple(finding for finding in findings if finding.outcome is Outcome.FAILING)
    return (*failing, inconclusive(CHECK, evidence, why, examined=rows.tenants, eligible=rows.tenants))


run = runner(CHECK, ", ".join(_QUESTION.statements), measure, judge)
