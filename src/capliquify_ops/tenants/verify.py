"""Verify one tenant: is what the registry says there, is it ours, is it built like the others, and could it be brought back?"""

from collections.abc import Iterable
from dataclasses import dataclass

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import PrivilegeMissing, TenantConflict
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.concerns import schema_size, shared_rows
from capliquify_ops.tenants.fingerprint import Fingerprint, difference, tenant_fingerprint
from capliquify_ops.tenants.history import History, Remembered, history_of
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, find, registry_names
from capliquify_ops.tenants.structure import Difference

_NEIGHBOURS = 5
"""Live tenants that one tenant is compared with when no template is named: the price stays that of a few tenants."""
_TOLD = 10
BESIDE = ("last backup", "last restore drill")
"""Questions about what was done for the tenant, not about the tenant."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question about the tenant: `holds` is None where nothing could be compared."""

    question: str
    holds: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was asked about one tenant. `differences` is empty unless its structure differs from `baseline`."""

    tenant: Tenant
    answers: tuple[Answer, ...]
    baseline: str
    differences: tuple[Difference, ...]

    @property
    def is_sound(self) -> bool:
        """Whether everything that a tenant must be was looked at and holds; how its backups stand is told beside it."""
        return all(answer.holds is True for answer in self.answers if answer.question not in BESIDE)


def verify(
    session: Session, roles: Roles, key: str, *, template: str | None = None, registry: str = PRODUCT_REGISTRY
) -> Verification:
    """Verify one tenant against a template schema, or else against the structure that most of a few live neighbours have.

    Raises TenantNotFound; what is wrong with a tenant that exists is an answer, not an error.
    """
    with session.transaction():
        tenant = find(session, key, registry=registry)
        remembered = _remembered(history_of(session, tenant))
        try:
            found = tenant_fingerprint(session, tenant.schema_name)
        except TenantConflict:
            missing = Answer("schema exists", False, f"the schema {tenant.schema_name} does not exist")
            return Verification(tenant, (_live(tenant), missing, *remembered), "", ())
        baseline = template or _usual(session, tenant, registry)
        unequal = _differences(session, baseline, found)
        content = _content(session, tenant, registry)
    answers = (
        _live(tenant),
        Answer("schema exists", True, _counted(found)),
        Answer("owner", found.schema.owner == roles.owner, f"owned by {found.schema.owner}"),
        _structure(baseline, unequal),
        content,
        *remembered,
    )
    return Verification(tenant, answers, baseline, unequal)


def _live(tenant: Tenant) -> Answer:
    return Answer("registered", tenant.deleted_at is None, "soft-deleted" if tenant.deleted_at else tenant.subscription_status)


def _content(session: Session, tenant: Tenant, registry: str) -> Answer:
    try:
        with session.transaction():
            shared = [f"{table} {number}" for table, number in shared_rows(session, tenant, registry=registry).items()]
    except PrivilegeMissing as error:
        return Answer("rows", None, error.what)
    size = schema_size(session, tenant.schema_name)
    told = ", ".join(
        [*shared, f"about {size.rows_estimated} rows and {size.bytes_estimated} bytes in {size.tables} tables of the schema"]
    )
    return Answer("rows", True, told)


def _remembered(history: History | None) -> tuple[Answer, ...]:
    """Say what our ledgers know: a backup or a drill that never was leaves its question open."""
    if history is None:
        why = "no ledgers of ours can be read here; see: capliquify-ops tenant install --ops-only"
        return tuple(Answer(question, None, why) for question in ("nothing unfinished", "last backup", "last restore drill"))
    standing = history.sequence
    away = [f"{one.schema_name} ({one.reason}, since {one.since:%Y-%m-%d})" for one in history.quarantined]
    kept = f"; in quarantine: {', '.join(away)}" if away else ""
    return (
        Answer("nothing unfinished", standing is None, (standing.sentence() if standing else "nothing") + kept),
        _last("last backup", history.backup),
        _last("last restore drill", history.drill),
    )


def _last(question: str, found: Remembered | None) -> Answer:
    if found is None:
        return Answer(question, None, "never")
    noted = ", ".join(f"{key} {found.noted[key]}" for key in ("path", "bytes", "sha256") if key in (found.noted or {}))
    return Answer(question, True, f"{found.verb} at {found.at:%Y-%m-%d %H:%M} UTC{f': {noted}' if noted else ''}")


def _counted(found: Fingerprint) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in sorted(found.parts.items())) or "empty"


def _differences(session: Session, baseline: str, found: Fingerprint) -> tuple[Difference, ...]:
    if not baseline or tenant_fingerprint(session, baseline).digest == found.digest:
        return ()
    return difference(session, baseline, found.schema.name)


def _structure(baseline: str, unequal: Iterable[Difference]) -> Answer:
    phrases = [one.phrase() for one in unequal]
    if not baseline:
        return Answer("structure", None, "no other tenant to compare with; name a template schema")
    if not phrases:
        return Answer("structure", True, f"equal to {baseline}")
    more = f" and {len(phrases) - _TOLD} more" if len(phrases) > _TOLD else ""
    return Answer("structure", False, f"against {baseline}: {'; '.join(phrases[:_TOLD])}{more}")


def _usual(session: Session, tenant: Tenant, registry: str) -> str:
    """Return a neighbour with the structure that most of the neighbours have; empty without neighbours."""
    query = fill(
        'SELECT t.schema_name::text FROM :"registry_schema".:"registry_table" AS t'
        " JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = t.schema_name::text"
        " WHERE t.id <> %(id)s AND t.deleted_at IS NULL ORDER BY t.created_at, t.id LIMIT %(limit)s",
        registry_names(registry),
    )
    neighbours = session.rows(query, str, {"id": tenant.id, "limit": _NEIGHBOURS})
    digests = {name: tenant_fingerprint(session, name).digest for name in neighbours}
    common = list(digests.values())
    return max(digests, key=lambda name: common.count(digests[name]), default="")
