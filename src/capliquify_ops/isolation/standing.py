"""Parts of SEC-007 and 008: a role is what the database says now and in this tenant, not what it was or is elsewhere."""

from collections.abc import Iterator

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.changes import role_changed
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, answers, noted, untried
from capliquify_ops.isolation.refused_writes import Wrong, refused_writes
from capliquify_ops.isolation.routes import reads_own, row_of, user_row_id
from capliquify_ops.isolation.world_model import World

ADMIN_ROLES = frozenset({"admin", "owner"})
NEEDS_OPERATOR = "roles are changed in throwaway tenants only, and those need an operator URL"


def admin_routes(world: World) -> Iterator[Route]:
    """Yield the lists that need an admin."""
    return (route for route in world.lists() if route.least_role in ADMIN_ROLES)


def demoted_admin(world: World) -> Probes:
    """An admin is made a viewer in the database: what worked a moment ago is refused from the next request on.

    A viewer and not a member, since on some services members delete too.
    """
    if not world.is_throwaway:
        yield untried("an admin who was demoted", NEEDS_OPERATOR, is_optional=True)
        return
    who, expected = "a.admin", answers(world.profile, "role_too_low")
    for route in admin_routes(world):
        yield world.get(who, route.path).probe(f"{who} reads {route.path}", SUCCESS, is_control=True)
    yield from _deletes(world, who)
    with world.temporary(world.plant("a", world.planting_route())) as victim:
        with role_changed(world.target, world.tenant("a").id, world.person(who).user_id, "viewer"):
            for route in admin_routes(world):
                answer = world.get(who, route.path)
                yield answer.probe(f"{who}, now a viewer, reads {route.path}", expected, needs=f"{who} reads {route.path}")
            yield reads_own(world, who)
            answer = world.send(Call("DELETE", victim.path, world.person(who)))
            yield answer.probe(f"{who}, now a viewer, deletes a row", expected, needs=f"{who} deletes a row")
        gone = "" if row_of(world, victim) is not None else "the row is gone"
        yield noted("the row that a demoted admin deletes", gone, request=answer.call.line(), is_change=True)


def _deletes(world: World, who: str) -> Probes:
    plant = world.plant("a", world.planting_route())
    with world.temporary(plant):
        answer = world.send(Call("DELETE", plant.path, world.person(who)))
        yield answer.probe(f"{who} deletes a row", SUCCESS, is_control=True)


def demoted_owner(world: World) -> Probes:
    """An owner is made an admin in the database, and cannot take the old role back."""
    if not world.is_throwaway:
        yield untried("an owner who was demoted", NEEDS_OPERATOR, is_optional=True)
        return
    who = "a.coowner"
    path = world.route("user").path.format(id=user_row_id(world, "a.owner", who))
    call = Call("PATCH", path, world.person(who), json={"role": "owner"}, shown=" with role 'owner'")
    yield (control := world.send(call).probe(f"{who} confirms the own role", SUCCESS, is_control=True))
    with role_changed(world.target, world.tenant("a").id, world.person(who).user_id, "admin"):
        answer = world.send(call)
        yield answer.probe(
            f"{who}, now an admin, takes the role back", answers(world.profile, "role_too_low"), needs=control.name
        )
        yield reads_own(world, who)


def admin_elsewhere(world: World) -> Probes:
    """Somebody who is an admin of one tenant and a viewer of the other is a viewer there, whichever was asked for first."""
    if not world.is_throwaway:
        yield untried("an admin of another tenant", NEEDS_OPERATOR, is_optional=True)
        return
    try:
        both = world.in_both("elsewhere", a="admin", b="viewer")
    except CannotTell as error:
        yield untried("an admin of another tenant", str(error), is_optional=True)
        return
    expected, path = answers(world.profile, "role_too_low"), world.planting_route().path
    yield (control := world.send(Call("GET", path, both["b"])).probe("b.elsewhere reads rows", SUCCESS, is_control=True))
    for route in admin_routes(world):
        yield world.send(Call("GET", route.path, both["a"])).probe(f"a.elsewhere reads {route.path}", SUCCESS, is_control=True)
        answer = world.send(Call("GET", route.path, both["b"]))
        yield answer.probe(f"b.elsewhere, admin of a, reads {route.path}", expected, needs=control.name)
    like = Call("POST", "", both["b"], shown=" being admin of a")
    yield from refused_writes(world, "b", Wrong(like, "a role in a", expected, control.name))
