"""SEC-017: another tenant's id is answered exactly as one that never existed."""

import re
from collections.abc import Sequence

from capliquify_ops.isolation import upserts
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.object_access import foreign_plants, foreign_user_id, victim_of
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, Probes, answers, noted, untried
from capliquify_ops.isolation.routes import reads_item, reads_own, unknown_like
from capliquify_ops.isolation.world_model import Plant, World

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
    route = world.planting_route()
    item = world.item_of(route)
    for key in ("a", "b"):
        who = f"{key}.owner"
        yield (control := reads_own(world, who))
        yield reads_item(world, foreign_plants(world, key, route)[-1])
        for method in item.methods if item else ():
            # Tried on a row that nothing else needs.
            with world.temporary(victim_of(world, key, route)) as victim:
                yield from _compared(world, who, method, victim)
        for text in SHAPELESS:
            answer = world.get(who, f"{route.path}/{text}")
            expected = OWN_OR_REFUSED if text.isdigit() else REFUSED
            yield answer.probe(f"the id {text!r}", expected, needs=control.name)
    yield from _users(world)


def _compared(world: World, who: str, method: str, victim: Plant) -> Probes:
    unknown, needs = answers(world.profile, "unknown_resource"), f"{who} reads own rows"
    base = victim.path.rpartition("/")[0]
    for number in range(ROUNDS):
        first, second = _both(world, who, method, base, victim.id, number=number)
        name = f"{method} of a row of {victim.tenant}, round {number + 1}"
        puts = [one for one in (first, second) if upserts.is_put(one)]
        if puts == [first, second]:
            differing = upserts.difference(first, second)
        else:
            yield first.probe(name, unknown, needs=needs)
            yield second.probe(f"{method} of an unknown row, round {number + 1}", unknown, needs=needs)
            differing = _difference(first, second)
        yield noted(f"{name}, compared with an unknown one", differing, request=first.call.line(), needs=needs)
        if not upserts.take_back(world, *(one.call for one in puts)):
            return


def _users(world: World) -> Probes:
    if world.profile.route("user") is None or world.profile.route("users") is None:
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
    person, pair = world.person(who), (foreign, unknown_like(foreign, world.random(16)))
    is_drawn = content is None and method in {"PUT", "PATCH"}
    found: dict[str, Exchange] = {}
    for row_id in pair if number % 2 else pair[::-1]:
        if is_drawn and (content is None or any(upserts.is_put(one) for one in found.values())):
            content = world.draft(person.tenant, world.planting_route(), "guess")[0]
        found[row_id] = world.send(Call(method, f"{path}/{row_id}", person, json=content))
    return found[pair[0]], found[pair[1]]


def _difference(first: Exchange, second: Exchange) -> str:
    return difference(first, second, [answer.call.path.rsplit("/", 1)[-1] for answer in (first, second)])


def difference(first: Exchange, second: Exchange, ids: Sequence[str]) -> str:
    """Return what tells the answer for a foreign id from that for an unknown one, "" when nothing does but these ids."""
    masks = re.compile("|".join(rf"(?<!\w){re.escape(row_id)}(?!\w)" for row_id in ids))
    if first.status != second.status:
        return f"answered {first.status}, an unknown id {second.status}"
    if _body(first, masks) != _body(second, masks):
        return "the body differs from that for an unknown id"
    one, other = _headers(first, masks), _headers(second, masks)
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return f"the headers differ from those for an unknown id: {', '.join(differing)}" if differing else ""


def _body(answer: Exchange, masks: re.Pattern[str]) -> str:
    if _names_time(answer):
        return answer.code
    return masks.sub(MASK, answer.response.body.decode("utf-8", "replace"))


def _headers(answer: Exchange, masks: re.Pattern[str]) -> dict[str, str]:
    """Return the headers that can be compared; the length follows from the body, which is compared by itself."""
    kept = {name: value for name, value in answer.response.headers.items() if name != "content-length"}
    return {name: "" if any(part in name for part in VOLATILE) else masks.sub(MASK, value) for name, value in kept.items()}


def _names_time(answer: Exchange) -> bool:
    """Whether an error's body carries a stamp or request id, which differs each time: then only status and code are compared."""
    document = answer.document
    return isinstance(document, dict) and any("time" in key.lower() or "request" in key.lower() for key in document)
