"""Tenants that the service itself makes, through the platform's route: made by its code, not by ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from capliquify_ops.configuration import Route
from capliquify_ops.database import operator
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.world import ACTOR, audit_tenant, new_tenant
from capliquify_ops.isolation.world_model import AuditTenant, World
from capliquify_ops.isolation.world_people import TenantKind, person_named
from capliquify_ops.model.protocols import TokenVariant
from capliquify_ops.tenants.create import create
from capliquify_ops.tenants.discard import discard
from capliquify_ops.tenants.registry import find


@contextmanager
def service_tenants(world: World, *keys: str) -> Iterator[None]:
    """Have the service make tenants, and remove them when the block ends. Raises as `made_by_service`."""
    try:
        for key in keys:
            made_by_service(world, key)
        yield
    finally:
        for key in [key for key in keys if key in world.tenants]:
            remove(world, key)


@contextmanager
def fresh_tenant(world: World, key: str) -> Iterator[AuditTenant]:
    """Give a tenant of its own for a test that harms it: the service makes it where it can, else the lifecycle functions do."""
    _require_own(world)
    try:
        made_by_service(world, key)
    except CannotTell:
        _made_here(world, key)
    try:
        yield world.tenants[key]
    finally:
        remove(world, key)


def _made_here(world: World, key: str) -> None:
    target = world.target
    new = new_tenant(world, TenantKind(key, "professional", ("owner",)))
    with operator(target.changing_url(), "audit tenants", pooled=target.pooled) as session:
        create(session, target.roles, new, actor=ACTOR, run=world.run)
    adopt(world, key, new.slug, owner_of(world, key))


def remove(world: World, key: str) -> None:
    """Remove a tenant of this audit with its schema, and forget it."""
    target, tenant = world.target, world.tenants.pop(key)
    with operator(target.changing_url(), "audit tenants", pooled=target.pooled) as session:
        discard(session, target.roles, tenant.slug, run=world.run, actor=ACTOR)
    world.plants[:] = [plant for plant in world.plants if plant.tenant != key]


def made_by_service(world: World, key: str, *, slug: str = "") -> AuditTenant:
    """Have the service make a tenant with an owner, and remember it as `key`; it is removed with the world at the latest.

    Raises CannotTell where the service has no such route, refuses, or the identity provider makes no platform administrator.
    """
    _require_own(world)
    routes = world.surface("tenants")
    if not routes:
        raise CannotTell(world.profile.not_applicable["tenants"])
    owner = owner_of(world, key)
    name = slug or f"audit-{world.run}-{key}"
    answer = as_platform(world, "POST", routes[0], routes[0].path, json=_body(routes[0], name, owner))
    if not answer.is_success:
        raise CannotTell(f"{answer.call.line()} made no tenant: {answer.status} {answer.code}".rstrip() + ".")
    return adopt(world, key, name, owner)


def adopt(world: World, key: str, slug: str, owner: Person) -> AuditTenant:
    """Remember a tenant of the registry as `key`, with its owner, so that it is removed with the world."""
    target = world.target
    with operator(target.changing_url(), "audit tenants", pooled=target.pooled) as session, session.transaction():
        row = find(session, slug, registry=target.profile.registry_table)
    world.tenants[key] = audit_tenant(key, row)
    world.people[owner.name] = owner
    world.caller.wallet.fill([owner], ensure=True)
    return world.tenants[key]


def owner_of(world: World, key: str) -> Person:
    """Return the owner-to-be of a tenant that is about to be made."""
    return world.enrolled(person_named(world.run, key, "owner", f"org_{world.run}_{key}"))


def as_platform(world: World, method: str, route: Route, path: str, *, json: object = None) -> Exchange:
    """Send one request as an administrator of the platform. Raises CannotTell where no token of one can be had."""
    token = world.caller.wallet.token(world.person("a.owner"), TokenVariant.PLATFORM_ADMIN)
    shown = f" as an administrator of the platform, on {route.name}"
    return world.send(Call(method, path, None, token=token, organization=None, json=json, shown=shown))


def _body(route: Route, slug: str, owner: Person) -> Mapping[str, object]:
    known = {
        "slug": slug,
        "text": f"Audit {slug}",
        "organization": owner.organization_id,
        "owner_user": owner.user_id,
        "owner_email": owner.email,
    }
    return {name: known.get(str(kind), kind) for name, kind in route.fields.items()}


def _require_own(world: World) -> None:
    if not world.is_throwaway:
        raise CannotTell("Only the two named tenants are used: no further ones are made, since they could not be removed.")
