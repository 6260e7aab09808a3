"""Part of ISO-06: what a deleted tenant left is dead, also for a new one that takes its name."""

from collections.abc import Iterator
from contextlib import suppress

from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.made_objects import make
from capliquify_ops.isolation.probe import NO_SUCCESS, OWN_OR_REFUSED, SUCCESS, CannotTell, Probes, noted
from capliquify_ops.isolation.routes import BASIC_FEATURE, PAGE
from capliquify_ops.isolation.service_tenants import as_platform, fresh_tenant, made_by_service, owner_of, remove
from capliquify_ops.isolation.world_model import World

OLD, NEW = "j", "k"


def reuse(world: World) -> Probes:
    """Delete a tenant, use what it was given, make one of the same name, and look for the old one's secrets in it."""
    with fresh_tenant(world, OLD) as tenant:
        plant = world.plant(OLD, world.planting_route())
        key = _api_key(world)
        for name, answer in _uses(world, key, plant.path):
            yield answer.probe(f"{name} before the deletion", SUCCESS, is_control=True)
        slug = tenant.slug
        if not _deleted(world, tenant.id):
            raise CannotTell("The service deletes no tenants for us, so nothing can take a deleted one's name.")
        for name, answer in _uses(world, key, plant.path):
            yield answer.probe(f"{name} after the deletion", NO_SUCCESS, needs=f"{name} before the deletion")
    yield from _again(world, slug, key)


def _api_key(world: World) -> str:
    for route in world.profile.surface("api_keys"):
        with suppress(CannotTell):
            return make(world, OLD, route).secret
    return ""


def _uses(world: World, key: str, path: str) -> Iterator[tuple[str, Exchange]]:
    who = world.person(f"{OLD}.owner")
    yield "the old session", world.send(Call("GET", path, who, may_be_busy=True))
    if key:
        headers = {world.profile.api_key_header: key}
        yield (
            "the old API key",
            world.send(Call("GET", path, who, None, None, headers, shown=" by its API key", may_be_busy=True)),
        )


def _deleted(world: World, tenant: str) -> bool:
    for route in world.profile.surface("tenant"):
        if "DELETE" in route.methods:
            return as_platform(world, "DELETE", route, route.path.format(id=tenant)).is_success
    return False


def _again(world: World, slug: str, key: str) -> Probes:
    """The same name and organisation again, after the old tenant is gone for good: nothing of it is there."""
    old = owner_of(world, OLD)
    try:
        made_by_service(world, NEW, slug=slug)
    except CannotTell as error:
        yield noted("a new tenant of the old name was refused", "", request=str(error))
        return
    try:
        for route in world.lists():
            if route.feature in {"", BASIC_FEATURE} and route.surface != "events":
                answer = world.send(Call("GET", route.path + PAGE, world.person(f"{NEW}.owner"), may_be_busy=True))
                yield answer.probe(
                    f"the new tenant of the old name reads {route.path}", OWN_OR_REFUSED, problem=_old(answer, old.email)
                )
        if key:
            headers = {world.profile.api_key_header: key}
            answer = world.send(Call("GET", world.planting_route().path, None, None, None, headers, shown=" by the old API key"))
            yield answer.probe("the old API key in the new tenant", NO_SUCCESS)
    finally:
        remove(world, NEW)


def _old(answer: Exchange, email: str) -> str:
    return "it names the old tenant's owner" if email.encode() in answer.response.body else ""
