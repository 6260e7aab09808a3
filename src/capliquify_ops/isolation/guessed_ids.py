"""SEC-017: another tenant's id is answered exactly as one that never existed."""

import uuid

from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.object_access import foreign_plants, foreign_user_id, victim_of
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, Probes, answers, noted, untried
from capliquify_ops.isolation.routes import reads_item, reads_own
from capliquify_ops.isolation.world_model import World

ROUNDS = 3
MASK = "<id>"
VOLATILE = ("date", "request-id", "trace", "cf-ray", "x-amzn", "ratelimit", "age", "etag", "set-cookie", "duration", "time")
"""Parts of header names whose values differ from answer to answer anywhere; that the header is there must still agree."""
SHAPELESS = (
    "0",
    "-1",
    "1",
    "null",
    "%27%20OR%201=1",
    "..%2f..",
    "9999999999999999999999",
    "00000000-0000-0000-0000-000000000000",
)


def indistinguishable(world: World) -> Probes:
    """SEC-017: status, error and headers for a foreign id equal those for an unknown id, for every method, each time."""
    unknown = answers(world.profile, "unknown_resource")
    route = world.planting_route()
    item = world.item_of(route)
    for key, other in (("a", "b"), ("b", "a")):
        who = f"{key}.owner"
        yield (control := reads_own(world, who))
        foreign = foreign_plants(world, key, route)[-1]
        yield reads_item(world, foreign)
        for method in item.methods if item else ():
            # Deleting is tried on a row that nothing else needs.
            victim = victim_of(world, key, route) if method != "GET" else foreign
            for number in range(ROUNDS):
                first, second = _both(world, who, method, route.path, victim.id, number=number)
                name = f"{method} of a row of {other}, round {number + 1}"
                yield first.probe(name, unknown, needs=control.name)
                yield second.probe(f"{method} of an unknown row, round {number + 1}", unknown, needs=control.name)
                yield noted(
                    f"{name}, compared with an unknown one",
                    _difference(first, second),
                    request=first.call.line(),
                    needs=control.name,
                )
            if victim is not foreign:
                world.uproot([victim])
        for text in SHAPELESS:
            answer = world.get(who, f"{route.path}/{text}")
            expected = OWN_OR_REFUSED if text.isdigit() else REFUSED
            yield answer.probe(f"the id {text!r}", expected, needs=control.name)
    yield from _users(world)


def _users(world: World) -> Probes:
    if "user" not in world.profile.routes or "users" not in world.profile.routes:
        return
    base = world.route("user").path.removesuffix("/{id}")
    name = "PATCH of a user of b"
    foreign = foreign_user_id(world, "a.owner", "b.member")
    if not foreign:
        yield untried(name, "no row of that user with an id of its own is listed", is_optional=True)
        return
    first, second = _both(world, "a.owner", "PATCH", base, foreign, content={"role": "member"})
    yield first.probe(name, answers(world.profile, "unknown_resource"), needs="a.owner reads own rows")
    yield noted(
        f"{name}, compared with an unknown one",
        _difference(first, second),
        request=first.call.line(),
        needs="a.owner reads own rows",
    )


def _both(
    world: World, who: str, method: str, path: str, foreign: str, *, number: int = 0, content: object = None
) -> tuple[Exchange, Exchange]:
    """Ask for the foreign and an unknown id, in alternating order, since a cache may tell the first from the second."""
    person = world.person(who)
    if content is None and method in {"PUT", "PATCH"}:
        content = world.draft(person.tenant, world.planting_route(), "guess")[0]
    pair = (foreign, unknown_like(foreign, world.random(16)))
    found = {
        row_id: world.send(Call(method, f"{path}/{row_id}", person, json=content))
        for row_id in (pair if number % 2 else pair[::-1])
    }
    return found[pair[0]], found[pair[1]]


def unknown_like(row_id: str, noise: bytes) -> str:
    """Return an id of the same shape that no row has, from 16 random bytes."""
    if row_id.isdigit():
        return str(int(row_id) + 900_000_000)
    try:
        uuid.UUID(row_id)
    except ValueError:
        return f"{row_id[:-8]}{noise.hex()[:8]}" if len(row_id) > len("12345678") else noise.hex()[: len(row_id)]
    return str(uuid.UUID(bytes=noise, version=4))


def _difference(first: Exchange, second: Exchange) -> str:
    """Return what tells the foreign answer from the unknown one, "" when nothing does."""
    one, other = _masked(first), _masked(second)
    for what, left, right in zip(("the status", "the body", "the headers"), one, other, strict=True):
        if left != right:
            return (
                f"{what} differs from that for an unknown id"
                if what != "the headers"
                else "the headers differ from those for an unknown id"
            )
    return ""


def _masked(answer: Exchange) -> tuple[object, ...]:
    row_id = answer.call.path.rsplit("/", 1)[-1]
    body = answer.response.body.decode("utf-8", "replace").replace(row_id, MASK)
    if _names_time(answer):
        body = ""
    headers = {
        name: "" if any(part in name for part in VOLATILE) else value.replace(row_id, MASK)
        for name, value in answer.response.headers.items()
    }
    headers["content-length"] = str(len(body))
    return answer.status, body, headers


def _names_time(answer: Exchange) -> bool:
    """Whether an error's body carries a stamp or request id, which differs each time: then only status and code are compared."""
    document = answer.document
    return isinstance(document, dict) and any("time" in key.lower() or "request" in key.lower() for key in document)
