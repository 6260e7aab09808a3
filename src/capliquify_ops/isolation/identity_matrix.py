"""ISO-02: whoever says two things about the tenant, the rank or the key is taken for what the credentials say, or refused.

The parts: what carries a tenant besides the token (`tenant_carriers`), API keys (`api_key_attacks`), a rank earned in
another tenant (`standing`), fields that would raise or
move somebody (`property_matrix`), invitations (`invitation_attacks`).
"""

from capliquify_ops.isolation.api_key_attacks import api_keys
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.invitation_attacks import invitations
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, CannotTell, Probes, untried
from capliquify_ops.isolation.property_matrix import extra_fields
from capliquify_ops.isolation.routes import OTHER, reads_own
from capliquify_ops.isolation.standing import admin_elsewhere
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
    yield from admin_elsewhere(world)
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
