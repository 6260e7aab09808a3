"""ISO-02: whoever says two things about the tenant, the rank or the key is taken for what the credentials say, or refused.

The parts: what carries a tenant besides the token (`tenant_carriers`), API keys (`api_key_attacks`), fields that would raise or
move somebody (`property_matrix`), invitations (`invitation_attacks`).
"""

from collections.abc import Iterator

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.api_key_attacks import api_keys
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.invitation_attacks import invitations
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, SUCCESS, CannotTell, Probes, answers, untried
from capliquify_ops.isolation.property_matrix import extra_fields
from capliquify_ops.isolation.routes import OTHER, PREMIUM, reads_own
from capliquify_ops.isolation.standing import ADMIN_ROLES, NEEDS_OPERATOR
from capliquify_ops.isolation.tenant_carriers import carriers
from capliquify_ops.isolation.world_model import World

WITHOUT_TENANT = ("n.stranger", "o.owner")
"""Somebody who is no member of the organisation of the own token, and the owner of an organisation that is no tenant."""


def identities(world: World) -> Probes:
    """ISO-02: no second identifier, field, key or invitation makes anybody more than their credentials say."""
    for key in OTHER:
        yield reads_own(world, f"{key}.owner")
    yield from carriers(world)
    yield from _without_tenant(world)
    yield from _rank_elsewhere(world)
    yield from api_keys(world)
    yield from extra_fields(world)
    yield from invitations(world)
    for key in OTHER:
        yield reads_own(world, f"{key}.owner")


def _without_tenant(world: World) -> Probes:
    for name in WITHOUT_TENANT:
        try:
            person = world.person(name)
        except CannotTell as error:
            yield untried(name, str(error), is_optional=True)
            continue
        for route in [one for one in world.lists() if one.surface != "events"]:
            answer = world.send(Call("GET", route.path, person))
            # Who somebody is may be told to anybody with a session; what it holds of others counts all the same.
            expected = OWN_OR_REFUSED if route.surface == "own_profile" else REFUSED
            yield answer.probe(f"{name} reads {route.path}", expected, needs="a.owner reads own rows")


def _rank_elsewhere(world: World) -> Probes:
    """An admin of A who is a member in B is a member there, on every route that needs more."""
    if not world.is_throwaway:
        yield untried("an admin elsewhere", NEEDS_OPERATOR, is_optional=True)
        return
    user = f"user_{world.run}_ranks"
    roles = {"a": "admin", "b": "member"}
    people = {
        key: Person(f"{key}.ranked", key, user, f"{user}@example.com", world.tenant(key).organization_id, role)
        for key, role in roles.items()
    }
    world.caller.wallet.fill(people.values(), ensure=True)
    if not all(world.caller.wallet.has(person) for person in people.values()):
        yield untried("an admin elsewhere", "the identity provider makes no user of two tenants", is_optional=True)
        return
    control = "b.ranked reads own rows"
    main = world.planting_route().path
    yield world.send(Call("GET", main, people["a"])).probe("a.ranked reads own rows", SUCCESS, is_control=True)
    yield world.send(Call("GET", main, people["b"])).probe(control, SUCCESS, is_control=True)
    expected = answers(world.profile, "role_too_low")
    for route in _for_admins(world):
        for key in OTHER if "GET" in route.methods else ():
            answer = world.send(Call("GET", route.path, people[key]))
            if key == "a":
                yield answer.probe(f"a.ranked reads {route.path}", SUCCESS, is_control=True)
            else:
                yield answer.probe(f"b.ranked, admin of a, reads {route.path}", expected, needs=control)
        if "POST" in route.methods and route.fields:
            content, _ = world.draft("b", route, "by rank elsewhere")
            answer = world.send(Call("POST", route.path, people["b"], json=content))
            yield answer.probe(f"b.ranked, admin of a, POST {route.path}", expected, needs=control)


def _for_admins(world: World) -> Iterator[Route]:
    routes = (one for one in world.profile.routes.values() if one.kind == "tenant" and "{id}" not in one.path)
    return (one for one in routes if one.least_role in ADMIN_ROLES and one.feature in PREMIUM)
