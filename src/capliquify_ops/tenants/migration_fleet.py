"""What a migration finds: who has it, who lacks it, who goes first, and whether those that have it are built alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.rendering.text import clip
from capliquify_ops.tenants.fingerprint import difference, fleet_fingerprints, schemas, tenant_fingerprint
from capliquify_ops.tenants.migration_job import Job
from capliquify_ops.tenants.migration_ledger import DONE, Entry, entries
from capliquify_ops.tenants.registry import Tenant, find, list_tenants
from capliquify_ops.tenants.structure import Difference
from capliquify_ops.tenants.waves import wave_sizes

_ONE_BY_ONE = 200
"""Up to so many schemas are read one by one; more cost as much as one pass over all."""
_COMPARED = 20
_TOLD = 5
_STATEMENTS = 50
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Fleet:
    """The live tenants: those that have the migration, those that lack it (by age), those whose schema is missing.

    `canary` goes first, or went first in an earlier run; None where there is nobody.
    """

    have: tuple[Tenant, ...]
    lack: tuple[Tenant, ...]
    homeless: tuple[Tenant, ...]
    canary: Tenant | None

    @property
    def is_begun(self) -> bool:
        """Whether the canary has it already."""
        return self.canary in self.have

    @property
    def others(self) -> tuple[Tenant, ...]:
        """Those that lack it and are not the canary."""
        return tuple(tenant for tenant in self.lack if tenant != self.canary)


@dataclass(frozen=True, slots=True)
class Unequal:
    """Tenants whose structure differs from the canary's in one and the same way."""

    slugs: tuple[str, ...]
    phrases: tuple[str, ...]

    def sentence(self) -> str:
        """Say who differs in what."""
        more = f" and {len(self.slugs) - _TOLD} more" if len(self.slugs) > _TOLD else ""
        return f"{', '.join(self.slugs[:_TOLD])}{more}: {'; '.join(self.phrases)}"


def look(session: Session, job: Job) -> Fleet:
    """Read the registry, the catalogue and the ledger, within the open transaction. Deleted tenants are not part of it.

    Raises as `entries`, and TenantNotFound or TenantConflict for a canary that cannot be one.
    """
    known = entries(session, job.file)
    done = {entry.tenant_id for entry in known if entry.state == DONE}
    live = list_tenants(session, registry=job.registry)
    existing = {schema.name for schema in schemas(session)}
    housed = [tenant for tenant in live if tenant.schema_name in existing]
    have = tuple(tenant for tenant in housed if tenant.id in done)
    lack = tuple(tenant for tenant in housed if tenant.id not in done)
    homeless = tuple(tenant for tenant in live if tenant.schema_name not in existing)
    chosen = find(session, job.canary, registry=job.registry) if job.canary else None
    if chosen and chosen not in housed:
        message = f"The tenant {chosen.slug!r} cannot go first: it is deleted, or its schema does not exist."
        raise TenantConflict(message, hint="Choose another one with --canary.")
    return Fleet(have, lack, homeless, chosen or _canary(known, have, lack))


def _canary(known: Sequence[Entry], have: Sequence[Tenant], lack: Sequence[Tenant]) -> Tenant | None:
    """Who went first in an earlier run, else the youngest tenant: it has the least to lose."""
    first = [entry.tenant_id for entry in known if entry.state == DONE and entry.is_canary]
    went = [tenant for tenant in have if tenant.id in first]
    return next(iter([*went, *have, *reversed(lack)]), None)


def unequal(session: Session, canary: Tenant, tenants: Iterable[Tenant]) -> tuple[Unequal, ...]:
    """Return which tenants' structure is not the canary's, within the open transaction. Digests first, then word by word."""
    reference = tenant_fingerprint(session, canary.schema_name).digest
    groups: dict[str, list[Tenant]] = {}
    for tenant, digest in _digests(session, list(tenants)).items():
        if digest != reference:
            groups.setdefault(digest, []).append(tenant)
    found = []
    for number, group in enumerate(groups.values()):
        compared = number < _COMPARED
        differences = difference(session, canary.schema_name, group[0].schema_name) if compared else ()
        if differences or not compared:
            found.append(Unequal(tuple(tenant.slug for tenant in group), _phrases(differences, len(group))))
    return tuple(found)


def _phrases(differences: Sequence[Difference], tenants: int) -> tuple[str, ...]:
    told = [one.phrase(tenants) for one in differences[:_TOLD]]
    more = [f"and {len(differences) - _TOLD} more"] if len(differences) > _TOLD else []
    return tuple(told + more) or ("its digest differs; not compared word by word",)


def _digests(session: Session, tenants: Sequence[Tenant]) -> Mapping[Tenant, str]:
    """Return the digest of each tenant's schema; one that was dropped meanwhile has none."""
    if len(tenants) > _ONE_BY_ONE:
        of = {found.schema.name: found.digest for found in fleet_fingerprints(session)}
        return {tenant: of[tenant.schema_name] for tenant in tenants if tenant.schema_name in of}
    found = {}
    for tenant in tenants:
        try:
            found[tenant] = tenant_fingerprint(session, tenant.schema_name).digest
        except TenantConflict:
            continue
    return found


def _statements(job: Job) -> list[Step]:
    """Return the file's statements as a plan shows them: the first ones, and of each its beginning."""
    found = job.script.statements
    steps = [Step(f"in each tenant, line {one.line}", clip(" ".join(one.text.split()), _SHOWN)) for one in found[:_STATEMENTS]]
    return steps + ([Step(f"and {len(found) - _STATEMENTS} more statements")] if len(found) > _STATEMENTS else [])


def plan_migration(session: Session, job: Job) -> Plan:
    """Return what the migration would do, and what would stop it. Raises as `look`."""
    with session.transaction():
        fleet = look(session, job)
        differing = () if fleet.is_begun or not fleet.canary else unequal(session, fleet.canary, fleet.lack)
    sizes = wave_sizes(len(fleet.others), job.wave)
    steps = _statements(job)
    if fleet.canary and not fleet.is_begun:
        steps.append(Step(f"migrate the canary {fleet.canary.slug} alone"))
    steps += [Step(f"wave {number}: {size} tenants, then compare them with the canary") for number, size in enumerate(sizes, 1)]
    concerns: dict[str, Scalar] = {
        "sha256": job.file.sha256,
        "tenants": len(fleet.have) + len(fleet.lack),
        "already migrated": len(fleet.have),
        "to migrate": len(fleet.lack),
        "waves": len(sizes),
        "workers": job.workers,
    }
    warnings = [f"Not as the canary is built, so the run will stop there: {one.sentence()}." for one in differing]
    if fleet.homeless:
        slugs = ", ".join(tenant.slug for tenant in fleet.homeless[:_TOLD])
        warnings.append(f"{len(fleet.homeless)} registered tenants have no schema and are left out: {slugs}. See: fleet check")
    return Plan("fleet migrate", job.file.name, tuple(steps), MappingProxyType(concerns), tuple(warnings))
