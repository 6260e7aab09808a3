"""Part of K2: API keys stand for their tenant alone, whether or not the service saw them before, until they are revoked."""

import dataclasses

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.made_objects import Made, id_routes, make, thing_of
from capliquify_ops.isolation.object_matrix_lists import ANSWERED, NOT_LISTS
from capliquify_ops.isolation.probe import REFUSED, SUCCESS, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, PAGE, lacks_own, own_page
from capliquify_ops.isolation.tenant_carriers import everywhere, values
from capliquify_ops.isolation.world_model import World


def api_keys(world: World) -> Probes:
    """Each tenant's key: with the other organisation first and later, beside another's session, altered, and revoked."""
    try:
        routes = [route for route in world.surface("api_keys") if "POST" in route.methods]
    except CannotTell as error:
        yield untried("API keys", str(error))
        return
    if routes and not world.profile.api_key_header:
        yield untried("API keys", "the profile names no header that takes them (http.api_key_header)")
        return
    for route in routes:
        for key in OTHER:
            yield from _key(world, key, route)


def _key(world: World, key: str, route: Route) -> Probes:
    try:
        made = make(world, key, route)
    except CannotTell as error:
        yield untried(f"an API key of {key}", str(error), is_optional=route.feature not in {"", "basic_forecasting"})
        return
    if not made.secret:
        yield untried(f"an API key of {key}", f"{route.path} gives no key (returns.secret of its route)")
        return
    yield from _elsewhere(world, key, made, "never used before")
    control = f"the key of {key} reads own rows"
    answer = _ask(world, key, made, own_page(world, f"{key}.owner"))
    yield answer.probe(control, SUCCESS, problem=lacks_own(world, f"{key}.owner", answer), is_control=True)
    for one in [one for one in world.lists() if one.surface not in NOT_LISTS]:
        answer = _ask(world, key, made, one.path)
        yield answer.probe(f"the key of {key} lists {one.path}", ANSWERED, needs=control)
    yield from _elsewhere(world, key, made, "in use", control)
    yield from _others_objects(world, key, made, control)
    yield from _beside_session(world, key, made)
    yield from _ended(world, key, made, control)


def _call(world: World, key: str, made: Made, path: str, *, organization: str | None = None) -> Call:
    """Return a read with the key alone: no session, and the organisation header only where it is given."""
    sent = {world.profile.api_key_header: made.secret}
    shown = f" with an API key of {key}"
    return Call("GET", path, world.person(f"{key}.owner"), token=None, organization=organization, headers=sent, shown=shown)


def _ask(world: World, key: str, made: Made, path: str, *, organization: str | None = None) -> Exchange:
    return world.send(_call(world, key, made, path, organization=organization))


def _elsewhere(world: World, key: str, made: Made, when: str, needs: str = "") -> Probes:
    """The key with the other organisation, in its header and in every carrier, on a list, a report and a new row."""
    other = world.tenant(OTHER[key])
    reports = [one.path for one in world.profile.surface("report")][:1]
    for path in (world.planting_route().path + PAGE, *reports):
        answer = _ask(world, key, made, path, organization=other.organization_id)
        yield answer.probe(f"the key of {key}, {when}, on {path} of {OTHER[key]}", ANSWERED, needs=needs)
        for what, value in values(other).items():
            carried, call = everywhere(what, value), _call(world, key, made, path)
            answer = world.send(dataclasses.replace(call, headers={**call.headers, **carried.headers}))
            yield answer.probe(f"the key of {key}, {when}, on {path} with {carried.name}", ANSWERED, needs=needs)
    yield from _row_elsewhere(world, key, made, when, needs)


def _row_elsewhere(world: World, key: str, made: Made, when: str, needs: str) -> Probes:
    route, other = world.planting_route(), world.tenant(OTHER[key])
    content, canary = world.draft(key, route, "by key")
    world.caller.canaries.append(canary)
    call = _call(world, key, made, route.path, organization=other.organization_id)
    call = dataclasses.replace(call, method="POST", json=content)
    answer = world.send(call)
    yield answer.probe(f"the key of {key}, {when}, makes a row in {OTHER[key]}", ANSWERED, needs=needs)
    row = next(objects(answer.data), None) if answer.is_success else None
    if row is not None:
        seen = world.get(f"{OTHER[key]}.owner", route.path + PAGE)
        yield seen.probe(f"{OTHER[key]}.owner reads rows after the key of {key}", ANSWERED)
        world.uproot([world.remember(key, route, str(row["id"]), None)])


def _others_objects(world: World, key: str, made: Made, needs: str) -> Probes:
    for route in [one for one in id_routes(world) if "GET" in one.methods]:
        try:
            path = thing_of(world, OTHER[key], route).path
        except CannotTell:
            continue
        for organization in (None, world.tenant(OTHER[key]).organization_id):
            answer = _ask(world, key, made, path, organization=organization)
            yield answer.probe(f"the key of {key} on {route.path} of {OTHER[key]}", ANSWERED, needs=needs)


def _beside_session(world: World, key: str, made: Made) -> Probes:
    """A key of one tenant and a session of the other in one request: one of them counts, or none, never both."""
    who = world.person(f"{OTHER[key]}.owner")
    sent = {world.profile.api_key_header: made.secret}
    for organization in (who.organization_id, world.tenant(key).organization_id, None):
        call = Call(
            "GET", world.planting_route().path + PAGE, who, organization=organization, headers=sent,
            shown=f" with an API key of {key}",
        )  # fmt: skip
        answer = world.send(call)
        mixed = "the answer holds rows of both tenants" if answer.own and answer.foreign else ""
        name = f"the key of {key} beside the session of {who.name}"
        yield noted(name, mixed, request=call.line(), is_change=True)


def _ended(world: World, key: str, made: Made, needs: str) -> Probes:
    """A key that was altered or revoked opens nothing."""
    path = world.planting_route().path
    altered = Made(made.plant, made.secret[:-1] + ("A" if made.secret[-1] != "A" else "B"))
    yield _ask(world, key, altered, path).probe(f"an altered key of {key}", REFUSED, needs=needs)
    if not made.plant.path:
        yield untried(f"a revoked key of {key}", "the profile names no route that revokes keys", is_optional=True)
        return
    world.plants.remove(made.plant)
    revoked = world.send(Call("DELETE", made.plant.path, world.person(f"{key}.owner")))
    control = f"{key}.owner revokes a key"
    yield revoked.probe(control, SUCCESS, is_control=True)
    for one in (path, *(route.path for route in world.profile.surface("report"))):
        yield _ask(world, key, made, one).probe(f"a revoked key of {key} on {one}", REFUSED, needs=control)
