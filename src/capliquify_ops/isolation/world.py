"""Builds the world of an audit and takes it down again, whatever happened in between."""

import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from capliquify_ops.configuration import Target
from capliquify_ops.database import observer, operator
from capliquify_ops.http_client import Client
from capliquify_ops.isolation.addressing import Addressing
from capliquify_ops.isolation.changes import set_status
from capliquify_ops.isolation.exchange import Caller
from capliquify_ops.isolation.mail_folder import MailFolder
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.isolation.people import Wallet
from capliquify_ops.isolation.planting import plant_rows
from capliquify_ops.isolation.read_only import is_owned_production, name_people, note_rows
from capliquify_ops.isolation.run_removal import remove_rows
from capliquify_ops.isolation.run_rows import has_removal, listed
from capliquify_ops.isolation.self_test import require_working_oracles
from capliquify_ops.isolation.world_model import AuditTenant, World
from capliquify_ops.isolation.world_people import KINDS, TenantKind, first_logins, make_people, person_named, settle_roles
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.protocols import Clock, TokenSource
from capliquify_ops.tenants.create import FirstUser, NewTenant, create, provision_of
from capliquify_ops.tenants.discard import discard, made_by_run
from capliquify_ops.tenants.registry import Tenant, find

__all__ = ["World", "build_world", "remove_run"]

ACTOR = "capliquify-ops audit"
CONNECTIONS = 64
"""More than the controls ever have open at once."""
_LOG = logging.getLogger("capliquify_ops.isolation")


@contextmanager
def build_world(
    target: Target,
    tokens: TokenSource,
    run: str,
    clock: Clock,
    *,
    tenant_a: str | None = None,
    tenant_b: str | None = None,
    depth: str = "full",
    seed: int = 0,
    own_production: str | None = None,
) -> Iterator[World]:
    """Make tenants, people and planted rows, and remove them at the end; `leftovers` then names what stayed.

    With an operator URL the tenants are throwaway ones; without, `tenant_a` and `tenant_b` are the slugs of two existing
    tenants that may be written to, and what needs more is inconclusive. A production target that `own_production` names is
    only read, in these two tenants. Raises TargetForbids for any other, ConfigurationInvalid, TargetUnreachable.
    """
    is_read_only = is_owned_production(target, own_production, (tenant_a, tenant_b))
    if is_read_only:
        target = dataclasses.replace(target, operator_url=None)
    require_working_oracles(clock)
    if not target.base_url or not target.profile.has_http:
        raise ConfigurationInvalid(f"Target {target.name!r} has no base_url or no HTTP profile, so no request can be audited.")
    with Client(target.base_url, connections=CONNECTIONS) as client, ExitStack() as removals:
        pace = Pace(target.profile.rate_limit, clock, time.sleep)
        caller = Caller(client, Wallet(tokens, clock), pace, Addressing.of(target.profile), run, sleep=time.sleep)
        world = World(target, run, clock, caller, depth=depth, seed=seed, is_read_only=is_read_only)
        world.mail = MailFolder(target.mail_folder) if target.mail_folder else None
        caller.is_read_only = is_read_only
        if not is_read_only:
            removals.callback(_forget, world, tokens)
        removals.enter_context(world.closing)
        _tenants(world, removals, tenant_a, tenant_b)
        _populate(world)
        yield world


def _populate(world: World) -> None:
    if world.is_read_only:
        name_people(world)
        first_logins(world)
        note_rows(world)
        return
    make_people(world)
    first_logins(world)
    settle_roles(world)
    _suspend(world)
    plant_rows(world)


def remove_run(target: Target, tokens: TokenSource, run: str) -> tuple[str, ...]:
    """Remove what an audit left behind, such as one that was killed; return what could not be removed.

    Without an operator URL no audit makes tenants: what it made then is at the identity provider.
    """
    leftovers: list[str] = []
    if target.operator_url is not None:
        _remove_tenants(target, run, leftovers)
    return (*leftovers, *forget_users(tokens, run))


def forget_users(tokens: TokenSource, run: str) -> tuple[str, ...]:
    """Have the identity provider forget a run's users; return what could not be done."""
    leftovers: list[str] = []
    _removed(leftovers, f"users of the identity provider for run {run}", partial(tokens.forget, run))
    return tuple(leftovers)


def _remove_tenants(target: Target, run: str, leftovers: list[str]) -> None:
    with operator(target.changing_url(), "audit clean", pooled=target.pooled) as session:
        with session.transaction():
            found = made_by_run(session, run)
        for tenant in found:
            _removed(
                leftovers, f"tenant {tenant.slug}", partial(discard, session, target.roles, tenant.slug, run=run, actor=ACTOR)
            )


def _tenants(world: World, removals: ExitStack, tenant_a: str | None, tenant_b: str | None) -> None:
    given = {key: slug for key, slug in (("a", tenant_a), ("b", tenant_b)) if slug}
    if given:
        use_existing(world, given)
    elif world.target.operator_url is not None:
        removals.callback(_discard, world)
        world.is_throwaway = True
        _throwaway(world)
    else:
        raise ConfigurationInvalid(
            f"Target {world.target.name!r} has no operator URL, and no tenants to use instead were named.",
            hint="Set operator_url_env, or name two tenants that may be written to (--tenant-a, --tenant-b).",
        )


def _throwaway(world: World) -> None:
    target = world.target
    with operator(target.changing_url(), "audit tenants", pooled=target.pooled) as session:
        for kind in KINDS:
            new = new_tenant(world, kind)
            made = create(session, target.roles, new, actor=ACTOR, run=world.run)
            world.tenants[kind.key] = audit_tenant(kind.key, made)


def new_tenant(world: World, kind: TenantKind) -> NewTenant:
    """Return what a throwaway tenant of this audit is created from."""
    run, noise = world.run, world.random(16)
    owner = world.enrolled(person_named(run, kind.key, "owner", f"org_{run}_{kind.key}"))
    return NewTenant(
        id=TenantId(uuid.UUID(bytes=noise, version=4)),
        slug=f"audit-{run}-{kind.key}",
        name=f"Audit {run} {kind.key}",
        organization=owner.organization_id,
        tier=kind.tier,
        status="active",
        owner=FirstUser(owner.user_id, owner.email, "Audit Owner"),
        company=f"Audit company {kind.key}",
        provision=provision_of(world.profile.provision),
    )


def use_existing(world: World, given: dict[str, str]) -> None:
    """Take the tenants of the registry with these slugs, by key. Raises TenantNotFound, TargetUnreachable."""
    target = world.target
    why = "Only the two named tenants are used; {} needs a tenant made for the audit, and with that an operator URL."
    world.missing |= {"s": why.format("a starter tenant"), "x": why.format("a suspended tenant")}
    with observer(target.observer_url(), "audit tenants", pooled=target.pooled) as session, session.transaction():
        for key, slug in given.items():
            world.tenants[key] = audit_tenant(key, find(session, slug, registry=target.profile.registry_table))
    world.missing |= {key: f"No tenant {key.upper()} was named." for key in ("a", "b") if key not in given}


def audit_tenant(key: str, row: Tenant) -> AuditTenant:
    """Return a tenant of the registry as the audit knows it."""
    return AuditTenant(key, row.slug, row.clerk_organization_id, str(row.id), row.schema_name)


def _suspend(world: World) -> None:
    if "x" in world.tenants and "x.owner" not in world.missing:
        set_status(world.target, world.tenants["x"].id, "suspended")


def _discard(world: World) -> None:
    target = world.target
    try:
        with operator(target.changing_url(), "audit tenants", pooled=target.pooled) as session:
            for tenant in world.tenants.values():
                _removed(
                    world.leftovers,
                    f"tenant {tenant.slug}",
                    partial(discard, session, target.roles, tenant.slug, run=world.run, actor=ACTOR),
                )
    except OpsError as error:
        world.leftovers.append(f"tenants of run {world.run}: {error}")


def _forget(world: World, tokens: TokenSource) -> None:
    if world.tenants and not world.is_throwaway:
        shown = {route.name for route in listed(world)}
        for plant in [one for one in world.plants if one.route not in shown and has_removal(world, one)]:
            _removed(world.leftovers, f"row {plant.id} of tenant {plant.tenant}", partial(world.uproot, [plant]))
        _removed(world.leftovers, f"rows of run {world.run}", partial(_remove_rows, world))
    world.leftovers.extend(forget_users(tokens, world.run))


def _remove_rows(world: World) -> None:
    removal = remove_rows(world)
    world.leftovers.extend((*removal.leftovers, *removal.unseen))


def _removed(leftovers: list[str], what: str, action: Callable[[], object]) -> None:
    """Run a removal; one that fails is noted and logged, and the next one still runs."""
    try:
        action()
    except OpsError as error:
        leftovers.append(f"{what}: {error}")
        _LOG.warning("not removed: %s: %s", what, error)
