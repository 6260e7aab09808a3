"""Scenarios and controls about roles: what admins may, and what members and viewers may not."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, objects
from capliquify_ops.isolation.made_objects import Thing, make, makes, source_of, unmake
from capliquify_ops.isolation.method_override import overridden_methods
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Expectation, Probes, answers, noted, untried
from capliquify_ops.isolation.refused_writes import clean
from capliquify_ops.isolation.routes import (
    NOT_WRITES,
    PAGE,
    WRITES,
    has_feature,
    has_row_with,
    is_as_it_was,
    reads_item,
    reads_own,
    row_of,
    shown,
    user_row_id,
)
from capliquify_ops.isolation.standing import ADMIN_ROLES, admin_routes
from capliquify_ops.isolation.world_model import World

POLL_S = 0.25


def admin_creates(world: World) -> Probes:
    """INT-13: a row that an admin makes is acknowledged, can be read, and is listed for the tenant."""
    route = world.planting_route()
    content, canary = world.draft("a", route, "made by a.admin")
    answer = world.send(Call("POST", route.path, world.person("a.admin"), json=content))
    made = next(objects(answer.data), None)
    problem = (
        "" if made is not None or answer.status not in SUCCESS.statuses else "the answer does not hold the new row with its id"
    )
    yield answer.probe(f"a.admin makes a {route.name} row", SUCCESS, problem=problem)
    if made is None:
        return
    with world.temporary(world.remember("a", route, str(made["id"]), canary)) as plant:
        for who in ("a.admin", "a.viewer"):
            seen = world.get(who, plant.path)
            problem = "" if plant.labels & seen.own else "the answer does not hold the new row"
            yield seen.probe(f"{who} reads the new row", SUCCESS, problem=problem)
        yield noted("the list holds the new row", _unlisted(world, canary.token))


def _unlisted(world: World, token: str) -> str:
    """Return what is wrong where a list does not show a row within the bound of lists that are kept for a time."""
    bound = world.profile.cache_bound_s
    end = world.clock.monotonic() + bound
    while True:
        # What is asked for after the bound has passed tells: the answer before it may be the last kept one.
        is_last = world.clock.monotonic() >= end
        if has_row_with(world, "a.owner", token):
            return ""
        if is_last:
            break
        world.caller.pause(min(POLL_S, bound))
    if bound:
        return f"the new row is not listed after {bound:g} s (http.cache_bound_s of the profile)"
    return "the new row is not listed; where lists are kept for a time, declare for how long: http.cache_bound_s in the profile"


def member_refused(world: World) -> Probes:
    """INT-14: a member is refused what needs an admin: administrative reads, and deleting a row, which then still stands."""
    yield reads_own(world, "a.member")
    expected = answers(world.profile, "role_too_low")
    for route in admin_routes(world):
        yield (control := world.get("a.admin", route.path).probe(f"a.admin reads {route.path}", SUCCESS, is_control=True))
        yield world.get("a.member", route.path).probe(f"a.member reads {route.path}", expected, needs=control.name)
    item = world.item_of(world.planting_route())
    if item is None or item.delete_role not in ADMIN_ROLES:
        yield untried("a.member deletes a row", "the profile says that members may (delete_role)", is_optional=True)
        return
    with world.temporary(world.plant("a", world.planting_route(), "a.admin")) as victim:
        yield (seen := reads_item(world, victim))
        answer = world.send(Call("DELETE", victim.path, world.person("a.member")))
        yield answer.probe("a.member deletes a row", expected, needs=seen.name)
        gone = "" if row_of(world, victim) is not None else "the row is gone"
        yield noted("the row afterwards", gone, request=answer.call.line(), needs=seen.name, is_change=True)
        allowed = world.send(Call("DELETE", victim.path, world.person("a.admin")))
        yield allowed.probe("a.admin deletes the row", SUCCESS, is_control=True)


def viewer_refused(world: World) -> Probes:
    """INT-15: a viewer reads, and is refused to make or change a row, which is then as it was."""
    yield (control := reads_own(world, "a.viewer"))
    yield from _refused_writes(world, control.name)


def viewer_writes(world: World) -> Probes:
    """SEC-009: a viewer is refused every write of every route, and nothing has changed afterwards."""
    yield (control := reads_own(world, "a.viewer"))
    yield from _refused_writes(world, control.name)
    yield from _refused_elsewhere(world, control.name)
    yield from overridden_methods(world, "a.viewer", control.name)


def _refused_writes(world: World, needs: str) -> Probes:
    for route in world.creatable():
        if route.surface not in NOT_WRITES and has_feature(world, "a", route):
            yield from _refused_creation(world, route, needs)
    yield from _refused_changes(world, needs)


def _refused_creation(world: World, route: Route, needs: str) -> Probes:
    before = _row_ids(world, route)
    content, canary = world.draft("a", route, "made by a.viewer")
    answer = world.send(Call("POST", route.path, world.person("a.viewer"), json=content))
    yield answer.probe(f"a.viewer makes a {route.name} row", answers(world.profile, "role_too_low"), needs=needs)
    made = (
        bool(_row_ids(world, route) - before) or canary.token.encode() in shown(world, "a.owner", route.path + PAGE).response.body
    )
    yield noted(
        f"{route.name} afterwards", "the row was made" if made else "", request=answer.call.line(), needs=needs, is_change=True
    )
    proper, _ = world.draft("a", route, "made by a.member")
    allowed = world.send(Call("POST", route.path, world.person("a.member"), json=proper))
    yield allowed.probe(f"a.member makes a {route.name} row", SUCCESS, is_control=True)
    clean(world, "a", route, allowed)


def _row_ids(world: World, route: Route) -> set[str]:
    """Return the ids of the rows that the tenant's list shows: rows without a text hold no secret to look for."""
    return (
        {str(row["id"]) for row in objects(shown(world, "a.owner", route.path + PAGE).data)} if "GET" in route.methods else set()
    )


def _refused_elsewhere(world: World, needs: str) -> Probes:
    """Every other write that the profile names, on a row of the tenant where there is one."""
    main = world.planting_route()
    known = {main.path, f"{main.path}/{{id}}", *(route.path for route in world.creatable())}
    for route in world.profile.routes.values():
        methods = [one for one in WRITES if one in route.methods]
        if route.kind != "tenant" or route.path in known or route.surface in NOT_WRITES or not methods:
            continue
        with _own_path(world, route) as (path, expected):
            for method in methods:
                content = None if method == "DELETE" else {"role": "member"} if route.surface == "user" else {}
                answer = world.send(Call(method, path, world.person("a.viewer"), json=content))
                yield answer.probe(f"a.viewer {method} {route.path}", expected, needs=needs)


@contextmanager
def _own_path(world: World, route: Route) -> Iterator[tuple[str, Expectation]]:
    """Return a route's path for an object of the tenant, so that the role is what refuses; an unknown one where it has none.

    The object is made for this, and removed: a wrong service really changes it, and the audit's other ones are still wanted.
    """
    too_low = answers(world.profile, "role_too_low")
    if "{id}" not in route.path:
        yield route.path, too_low
        return
    if route.surface == "user":
        yield route.path.format(id=user_row_id(world, "a.owner", "a.member")), too_low
        return
    try:
        source = source_of(world, route)
        made = Thing("a", route, make(world, "a", source).plant.id) if makes(source) else None
    except CannotTell:
        made = None
    if made is None:
        unknown = route.path.format(id=uuid.UUID(bytes=world.random(16), version=4))
        yield unknown, answers(world.profile, "role_too_low", "unknown_resource")
        return
    try:
        yield made.path, too_low
    finally:
        unmake(world, [made])


def _refused_changes(world: World, needs: str) -> Probes:
    route = world.planting_route()
    item = world.item_of(route)
    for method in [one for one in (item.methods if item else ()) if one in {"PUT", "PATCH", "DELETE"}]:
        with world.temporary(world.plant("a", route)) as victim:
            before = row_of(world, victim)
            content = None if method == "DELETE" else world.draft("a", route, "changed by a.viewer")[0]
            answer = world.send(Call(method, victim.path, world.person("a.viewer"), json=content))
            yield answer.probe(f"a.viewer {method} on a {route.name} row", answers(world.profile, "role_too_low"), needs=needs)
            problem = "" if is_as_it_was(world, victim, before) else "the row was changed or deleted"
            yield noted(f"the row after {method}", problem, request=answer.call.line(), needs=needs, is_change=True)
