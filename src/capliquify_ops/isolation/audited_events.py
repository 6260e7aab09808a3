"""The events of SEC-014: what a tenant's people do, fail to do and are refused, and whom and what its log must then name."""

from collections.abc import Iterator
from dataclasses import dataclass

from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import CannotTell, Probe, untried
from capliquify_ops.isolation.routes import NO_HEADER, has_feature, has_header, user_row_id
from capliquify_ops.isolation.world_model import World

REMOVED = {"api_keys": "api_key", "invitations": "invitation"}
"""Surfaces where to make something is a sensitive operation, next to deletions and roles, and where it is removed."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    `named` are groups of names: the entry holds one of each group. It holds none of `tokens`, which are secret, nor of
    `strange`: names of whoever looks, since some services write that down as well.
    """

    name: str
    request: str
    named: tuple[frozenset[str], ...] = ()
    says: str = "tells of it"
    tokens: tuple[str, ...] = ()
    strange: frozenset[str] = frozenset()


Events = Iterator[Event | Probe]


def events(world: World) -> Events:
    """Make an event of every kind, and yield it, or a row that says why not. Raises CannotTell.

    The row is optional where the service has no such thing, by its profile, or the identity provider does not help.
    """
    kinds = {
        "a role change": _role_change, "a deletion": _deletion, "keys and invitations": _made, "a sign-out": _sign_out,
        "a refused write": _refused, "a stranger": _stranger, "a failed login": _failed_login,
    }  # fmt: skip
    for kind, happen in kinds.items():
        try:
            yield from happen(world)
        except CannotTell as error:
            yield untried(kind, str(error))


def _lacks(world: World, name: str, *surfaces: str) -> Probe | None:
    """Return the row that says which surface the profile declares absent, None where it has them all.

    Raises CannotTell where it neither has nor declares one.
    """
    absent = [one for one in surfaces if not world.surface(one)]
    return untried(name, world.profile.not_applicable[absent[0]], is_optional=True) if absent else None


def _names(world: World, person: Person) -> frozenset[str]:
    """What a log may call somebody: the user's id, address, or the id of the row of users."""
    names = {person.user_id, person.email}
    if world.profile.route("users") is not None:
        names.add(user_row_id(world, "a.owner", person.name))
    return frozenset(names - {""})


def _done(world: World, name: str, answer: Exchange, *about: str) -> Event | Probe:
    """Return the event of a successful operation."""
    who = answer.call.who
    if not answer.is_success or who is None:
        return untried(name, f"{answer.call.line()} was answered {answer.status} {answer.code}".rstrip())
    named = (_names(world, who), *(frozenset({one}) for one in about))
    return Event(name, answer.call.line(), named, f"names {who.name} and what was done", (world.caller.wallet.token(who),))


def _role_change(world: World) -> Events:
    if lacking := _lacks(world, "a role change", "users", "user"):
        yield lacking
        return
    route, who = world.route("user"), "a.viewer"
    if "PATCH" not in route.methods:
        yield untried("a role change", f"{route.path} takes no PATCH", is_optional=True)
        return
    row = user_row_id(world, "a.owner", who)
    for role in ("member", "viewer"):
        call = Call(
            "PATCH", route.path.format(id=row), world.person("a.owner"), json={"role": role}, shown=f" with role {role!r}"
        )
        try:
            answer = world.send(call)
        except CannotTell:
            world.send(call)  # once more: nobody may be left with another role
            raise
        yield _done(world, f"a.owner makes {who} a {role}", answer, row)


def _deletion(world: World) -> Events:
    main = world.planting_route()
    item = world.item_of(main)
    if item is None or "DELETE" not in item.methods:
        yield untried("a deletion", f"no route deletes a row of {main.path}", is_optional=True)
        return
    plant = world.plant("a", main)
    who = "a.owner" if item.delete_role == "owner" else "a.admin"
    answer = world.send(Call("DELETE", plant.path, world.person(who)))
    if answer.is_success:
        world.plants.remove(plant)
    else:
        world.uproot([plant])
    yield _done(world, f"{who} deletes {plant.route}", answer, plant.id)


def _made(world: World) -> Events:
    """What is made on sensitive surfaces, and removed again."""
    for surface, removal in REMOVED.items():
        if lacking := _lacks(world, surface, surface):
            yield lacking
        for route in [one for one in world.profile.surface(surface) if "POST" in one.methods and has_feature(world, "a", one)]:
            content, _ = world.draft("a", route, f"audited {route.name}")
            answer = world.send(Call("POST", route.path, world.person("a.owner"), json=content))
            made = next(objects(answer.data), None)
            yield _done(world, f"a.owner makes {route.name}", answer)
            for one in world.profile.surface(removal) if made is not None else ():
                call = Call("DELETE", one.path.replace("{id}", str(made and made["id"])), world.person("a.owner"))
                yield _done(world, f"a.owner removes {route.name}", world.send(call))


def _sign_out(world: World) -> Events:
    if lacking := _lacks(world, "a sign-out", "sign_out"):
        yield lacking
        return
    person, route = world.person("a.member"), world.route("sign_out")
    try:
        token = world.caller.wallet.another_session(person)
    except CannotTell as error:
        yield untried("a sign-out", str(error), is_optional=True)
        return
    answer = world.send(Call(route.methods[0], route.path, person, token=token, shown=" with a second session"))
    yield _done(world, "a.member signs out", answer)


def _refused(world: World) -> Events:
    """A viewer who writes."""
    route, who = world.planting_route(), world.person("a.viewer")
    content, canary = world.draft("a", route, "refused to a viewer")
    answer = world.send(Call("POST", route.path, who, json=content))
    name = "a.viewer is refused a write"
    yield _turned_away(name, answer, (_names(world, who),), f"names {who.name} and the attempt")
    made = next(objects(answer.data), None) if answer.is_success else None
    if made is not None:
        world.uproot([world.remember("a", route, str(made["id"]), canary)])


def _stranger(world: World) -> Events:
    """Somebody of another tenant who asks for this one."""
    if not has_header(world):
        yield untried("a stranger", NO_HEADER, is_optional=True)
        return
    organization = world.tenant("a").organization_id
    answer = world.send(Call("GET", world.planting_route().path, world.person("b.owner"), organization=organization))
    yield _turned_away("b.owner is refused as no member", answer, (), "tells of the attempt", strange=_owner(world))


def _failed_login(world: World) -> Events:
    """A token that nobody signed, for this organisation."""
    person = world.person("a.member")
    head, _, signature = world.caller.wallet.token(person).rpartition(".")
    token = f"{head}.{signature[::-1]}"
    call = Call("GET", world.planting_route().path, person, token=token, shown=" with a wrong signature")
    says = "tells of the failed login"
    yield _turned_away("a login with a wrong signature", world.send(call), (), says, (token,), strange=_owner(world))


def _owner(world: World) -> frozenset[str]:
    return _names(world, world.person("a.owner"))


def _turned_away(
    name: str,
    answer: Exchange,
    named: tuple[frozenset[str], ...],
    says: str,
    tokens: tuple[str, ...] = (),
    *,
    strange: frozenset[str] = frozenset(),
) -> Event | Probe:
    if answer.status not in {401, 403, 404}:
        return untried(name, f"{answer.call.line()} was answered {answer.status}, so nobody was refused")
    return Event(name, answer.call.line(), named, says, tokens, strange)
