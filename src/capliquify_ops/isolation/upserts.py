"""A PUT may make a row under an id that nobody has (RFC 9110, 9.3.4): made in the own tenant, that is no leak.

Whether it is one tells the other tenant's row, which is looked at first, and a difference from the answer for an unknown id.
"""

import dataclasses
from collections.abc import Callable

from capliquify_ops.isolation.exchange import Call, Exchange, leaves
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS_STATUSES, Expectation
from capliquify_ops.isolation.routes import if_unknown_succeeds, unknown_like
from capliquify_ops.isolation.world_model import World

SHORTEST = 12
"""Texts of a body that are shorter stand in other rows as well."""


def is_put(answer: Exchange) -> bool:
    """Whether this is a PUT that was taken, which may have made a row."""
    return answer.call.method == "PUT" and answer.call.who is not None and answer.status in SUCCESS_STATUSES


def allowed(world: World, answer: Exchange, row_id: str, expected: Expectation, another: Callable[[], object]) -> Expectation:
    """Return what another tenant's row, seen to be as it was, may be answered with: what an unknown id is answered with.

    What a PUT made in the own tenant is removed. `another` gives a second valid body: values may be unique.
    """
    if not is_put(answer):
        return if_unknown_succeeds(world, answer, row_id, expected)
    path = answer.call.path.replace(row_id, unknown_like(row_id, world.random(16)))
    unknown = world.send(dataclasses.replace(answer.call, path=path, json=another()))
    told = difference(answer, unknown)
    take_back(world, answer.call, unknown.call)
    return expected if told or unknown.foreign else OWN_OR_REFUSED


def difference(first: Exchange, second: Exchange) -> str:
    """Return what tells the answers of two PUTs that each made a row apart: the rows themselves differ in ids and times."""
    if first.status != second.status:
        return f"answered {first.status}, an unknown id {second.status}"
    shapes = [frozenset(path for path, _ in leaves(one.document)) for one in (first, second)]
    return "" if shapes[0] == shapes[1] else "the members of the body differ from those for an unknown id"


def take_back(world: World, *calls: Call) -> bool:
    """Delete what PUTs made in the sender's own tenant, as its owner; return whether none of it stands there any longer.

    It is known by the texts that were sent: a row without them is somebody else's.
    """
    left = 0
    for call in [one for one in calls if one.who is not None]:
        owner = world.person(f"{call.who.tenant if call.who else ''}.owner")
        read = Call("GET", call.path, owner)
        if _is_made(world.send(read), call):
            world.send(Call("DELETE", call.path, owner))
            left += _is_made(world.send(read), call)
    return not left


def _is_made(seen: Exchange, call: Call) -> bool:
    sent = {value for _, value in leaves(call.json) if isinstance(value, str) and len(value) >= SHORTEST}
    shown = {value for _, value in leaves(seen.document)} if seen.is_success and not seen.foreign else set()
    return bool(sent & shown)
