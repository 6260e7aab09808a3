"""Part of K1: each object by its id, with every method that its route takes, as everybody who has no business with it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from capliquify_ops.configuration import Route
from capliquify_ops.isolation import upserts
from capliquify_ops.isolation.bodies import holds_secret
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.guessed_ids import difference
from capliquify_ops.isolation.made_objects import Thing, unmake, victim, write_child
from capliquify_ops.isolation.object_state import body_for, changed, look, steady
from capliquify_ops.isolation.probe import (
    NO_SUCCESS,
    OWN_OR_REFUSED,
    SUCCESS,
    CannotTell,
    Expectation,
    Probe,
    Probes,
    noted,
    untried,
)
from capliquify_ops.isolation.routes import OTHER, PREMIUM, WRITES, unknown_like
from capliquify_ops.isolation.world_model import World

ROLES = ("owner", "member", "viewer")
READS = ("GET", "HEAD")
ITSELF = frozenset({"item", "user"})
"""Surfaces whose answer is the object: for a foreign id there is none."""
NOT_VALID = frozenset({400, 409, 415, 422})
"""The owner's body was not what this write takes: that says nothing about who may write."""
NOT_PAID = frozenset({402, 403})
DERIVED = Expectation(OWN_OR_REFUSED.says, OWN_OR_REFUSED.statuses | NO_SUCCESS.statuses)
"""What is derived from an object may be empty for an unknown id, as long as it is for a foreign one alike."""


@dataclass(frozen=True, slots=True)
class Attacker:
    """Somebody who may not reach an object, and a call to send requests like."""

    name: str
    like: Call

    def call(self, method: str, path: str, content: object = None) -> Call:
        """Return a request of theirs."""
        return dataclasses.replace(self.like, method=method, path=path, json=content)


def attackers(world: World, key: str) -> Iterator[Attacker]:
    """Yield a tenant's people of each role, nobody (who names the victim's organisation), and an owner who is suspended."""
    for name in (*(f"{key}.{role}" for role in ROLES), "x.owner"):
        if name in world.people and name not in world.missing and world.people[name].tenant in world.tenants:
            yield Attacker(name, Call("GET", "", world.people[name]))
    organization = world.tenant(OTHER[key]).organization_id
    yield Attacker("nobody", Call("GET", "", None, organization=organization))


def by_id(world: World, key: str, route: Route) -> Probes:
    """One route with an id: the other tenant's object, read and written as everybody but its tenant, then as its owner."""
    try:
        thing = victim(world, OTHER[key], route, key)
        if route.surface == "children" and "POST" in route.methods:
            write_child(world, OTHER[key], route, thing.id)
    except CannotTell as error:
        yield untried(f"{route.path} of {OTHER[key]}", str(error))
        return
    made = [thing]
    if "GET" in route.methods:
        yield from _reads(world, key, thing)
    if any(method in route.methods for method in WRITES):
        yield from _writes(world, key, made)
    unmake(world, made)


def _control(world: World, method: str, thing: Thing, content: object = None) -> Probe:
    """Return the owner's own request as a positive control; one that is not served voids its route, not the whole matrix."""
    owner, route = f"{thing.tenant}.owner", thing.route
    name = f"{owner} {method} {route.path}"
    answer = world.send(Call(method, thing.path, world.person(owner), json=content))
    is_empty = method == "GET" and _is_empty(thing, answer)
    if answer.status in SUCCESS.statuses and not is_empty:
        return answer.probe(name, SUCCESS, is_control=True)
    what = "without the object's own content" if is_empty else f"{answer.status} {answer.code}".rstrip()
    is_optional = answer.status in NOT_VALID or (answer.status in NOT_PAID and route.feature not in PREMIUM)
    why = f"{answer.call.line()}, the object's owner, was answered {what}, so other answers prove nothing"
    return untried(name, why, is_optional=is_optional)


def _is_empty(thing: Thing, answer: Exchange) -> bool:
    """Whether the owner is shown nothing of the own words: of a row itself, or of what was just hung on it."""
    if thing.route.surface == "children":
        return "POST" in thing.route.methods and holds_secret(thing.route) and not answer.own
    return thing.route.surface == "item" and bool(thing.labels) and not thing.labels & answer.own


def _reads(world: World, key: str, thing: Thing) -> Probes:
    yield (control := _control(world, "GET", thing))
    if control.untried:
        return
    expected = NO_SUCCESS if thing.route.surface in ITSELF else DERIVED
    for attacker in attackers(world, key):
        for method in READS[:1] if world.depth == "quick" and attacker.name != f"{key}.owner" else READS:
            answer = world.send(attacker.call(method, thing.path))
            name = f"{attacker.name} {method} {thing.route.path} of {thing.tenant}"
            yield answer.probe(name, _expected(world, key, answer, thing, expected), needs=control.name)
    for method in READS:
        yield _uniform(world, key, method, thing, needs=control.name)


def _expected(world: World, key: str, answer: Exchange, thing: Thing, expected: Expectation) -> Expectation:
    """Return what an attacker may be answered; whoever is let in at all may be told the same of an id that nobody has."""
    who = answer.call.who
    if who is None or who.tenant != key:
        return expected
    return upserts.allowed(world, answer, thing.id, expected, partial(body_for, world, key, thing.route))


def _uniform(world: World, key: str, method: str, thing: Thing, *, needs: str, content: object = None) -> Probe:
    """Compare the answers for the foreign id and for one that nobody has."""
    unknown = dataclasses.replace(thing, id=unknown_like(thing.id, world.random(16)))
    person = world.person(f"{key}.owner")
    second = world.send(Call(method, unknown.path, person, json=content))
    content = body_for(world, key, thing.route) if upserts.is_put(second) else content
    first = world.send(Call(method, thing.path, person, json=content))
    if upserts.is_put(first) and upserts.is_put(second):
        told = upserts.difference(first, second)
    else:
        told = difference(first, second, (thing.id, unknown.id))
    upserts.take_back(world, *(one.call for one in (first, second) if upserts.is_put(one)))
    name = f"{key}.owner {method} {thing.route.path} of {thing.tenant}, compared with an unknown id"
    return noted(name, told, request=first.call.line(), needs=needs)


def _writes(world: World, key: str, made: list[Thing]) -> Probes:
    """Every write; after each attacker the owner looks whether the object is as it was, and a new one is made if not."""
    thing, route = made[0], made[0].route
    methods = _in_order(route)
    content = body_for(world, key, route, is_secret=True)
    for attacker in attackers(world, key):
        before, is_occupied = steady(world, thing), False
        for method in methods:
            answer = world.send(attacker.call(method, thing.path, _sent(method, content)))
            name = f"{attacker.name} {method} {route.path} of {thing.tenant}"
            is_lost = upserts.is_put(answer) and changed(world, thing, before, look(world, thing))
            expected = NO_SUCCESS if is_lost else _expected(world, key, answer, thing, NO_SUCCESS)
            yield answer.probe(name, expected, needs=_served(methods[0], thing))
            is_occupied = is_occupied or (upserts.is_put(answer) and not upserts.take_back(world, answer.call))
            if is_lost:
                break
        after = look(world, thing)
        problem = f"{attacker.name} changed or deleted it" if changed(world, thing, before, after) else ""
        name = f"the object of {thing.tenant} at {route.path} after {attacker.name}"
        yield after.probe(name, OWN_OR_REFUSED, problem=problem, is_change=True)
        if problem or after.foreign or is_occupied:
            made.append(thing := victim(world, OTHER[key], route, key))
    for method in methods:
        yield _uniform(world, key, method, thing, needs=_served(method, thing), content=_sent(method, content))
    own = body_for(world, thing.tenant, route)
    for method in methods:
        yield _control(world, method, thing, _sent(method, own))


def _in_order(route: Route) -> list[str]:
    """Return the writes of a route, DELETE last; without one, PUT, since what that makes cannot be removed."""
    methods = [one for one in WRITES if one in route.methods]
    last = "DELETE" if "DELETE" in methods else "PUT"
    return sorted(methods, key=lambda one: one == last)


def _served(method: str, thing: Thing) -> str:
    """Return the name of the owner's own write, the positive control."""
    return f"{thing.tenant}.owner {method} {thing.route.path}"


def _sent(method: str, content: object) -> object:
    return None if method == "DELETE" else content
