"""What the owner sees of an object, before and after others tried to write it."""

from collections.abc import Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Exchange, leaves, objects
from capliquify_ops.isolation.made_objects import Thing, source_of
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import GONE, MOVES_S, PAGE
from capliquify_ops.isolation.world_model import World

MOVING = ("last_", "seen", "accessed")
"""Parts of the names of members that move when somebody looks or logs in."""


def body_for(world: World, key: str, route: Route, *, is_secret: bool = False) -> dict[str, object]:
    """Return a valid body for a write on one object; `is_secret`: its words are looked for from then on."""
    source = source_of(world, route)
    described = route if route.fields else source
    if route.surface == "user" and not route.fields:
        return {"role": world.person(f"{key}.member").role}
    content, canary = world.draft(key, described, f"{route.name} written by")
    if is_secret:
        world.caller.canaries.append(canary)
    return content


def look(world: World, thing: Thing) -> Exchange:
    """Read an object as its owner: itself, the row that it belongs to, or the list that holds it. Raises CannotTell."""
    source = source_of(world, thing.route)
    item = world.item_of(source)
    path = source.path + PAGE
    for route in (thing.route, item):
        if route is not None and "GET" in route.methods:
            path = route.path.format(id=thing.id)
            break
    else:
        if "GET" not in source.methods:
            raise CannotTell(f"No route shows {thing.path} to its owner, so a change of it would not be seen.")
    answer = world.get(f"{thing.tenant}.owner", path)
    if not answer.is_success and answer.status not in GONE.statuses and answer.status // 100 != 2:  # noqa: PLR2004 -- 2xx
        raise CannotTell(f"{answer.call.line()} was answered {answer.status}, which says neither that it is there nor not.")
    return answer


def steady(world: World, thing: Thing) -> Mapping[str, object]:
    """Return what an object holds and does not change by itself. Raises CannotTell where its owner does not see it."""
    first, second = (_seen(thing, look(world, thing)) for _ in range(2))
    if not first or not second:
        raise CannotTell(f"{thing.tenant}.owner does not see {thing.path}, so a change of it would not be seen.")
    return {path: value for path, value in second.items() if first.get(path) == value}


def changed(world: World, thing: Thing, before: Mapping[str, object], after: Exchange) -> bool:
    """Whether an object is not as it was. What goes on changing while nobody writes is left out. Raises CannotTell."""
    now = _seen(thing, after)
    differing = [path for path, value in before.items() if path not in now or now[path] != value]
    if not now or not differing:
        return bool(differing)
    world.caller.pause(MOVES_S)
    later = _seen(thing, look(world, thing))
    return any(path not in now or path not in later or now[path] == later[path] for path in differing)


def _seen(thing: Thing, answer: Exchange) -> dict[str, object]:
    """Return an object's members by path, a file's content as one; empty when it is gone."""
    if answer.status in GONE.statuses:
        return {}
    if answer.document is None:
        return {"": answer.response.body}
    is_list = thing.id not in answer.call.path
    row = next((one for one in objects(answer.data) if str(one["id"]) == thing.id), None) if is_list else answer.data
    found = {path: value for path, value in leaves(row) if not any(part in path.rpartition(".")[2] for part in MOVING)}
    return found or ({"": "nothing"} if row is not None else {})
