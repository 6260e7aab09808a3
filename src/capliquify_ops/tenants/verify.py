"""Verify one tenant: is what the registry says there, is it ours, and is it built like the others?"""

from collections.abc import Iterable
from dataclasses import dataclass

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.fingerprint import Fingerprint, difference, tenant_fingerprint
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, find, registry_names
from capliquify_ops.tenants.structure import Difference

_NEIGHBOURS = 5
"""Live tenants that one tenant is compared with when no template is named: the price stays that of a few tenants."""
_TOLD = 10


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
        """Whether every question was answered with yes."""
        return all(answer.holds is True for answer in self.answers)


def verify(
    session: Session, roles: Roles, key: str, *, template: str | None = None, registry: str = PRODUCT_REGISTRY
) -> Verification:
    """Verify one tenant against a template schema, or else against the structure that most of a few live neighbours have.

    Raises TenantNotFound; what is wrong with a tenant that exists is an answer, not an error.
    """
    with session.transaction():
        tenant = find(session, key, registry=registry)
        try:
            found = tenant_fingerprint(session, tenant.schema_name)
        except TenantConflict:
            missing = Answer("schema exists", False, f"the schema {tenant.schema_name} does not exist")
            return Verification(tenant, (_live(tenant), missing), "", ())
        baseline = template or _usual(session, tenant, registry)
        unequal = _differences(session, baseline, found)
    answers = (
        _live(tenant),
        Answer("schema exists", True, _counted(found)),
        Answer("owner", found.schema.owner == roles.owner, f"owned by {found.schema.owner}"),
        _structure(baseline, unequal),
    )
    return Verification(tenant, answers, baseline, unequal)


def _live(tenant: Tenant) -> Answer:
    return Answer("registered", tenant.deleted_at is None, "soft-deleted" if tenant.deleted_at else tenant.subscription_status)


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
