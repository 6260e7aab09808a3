"""Jobs of two tenants in turns: what each one answers, and in whose schema it leaves its rows."""

from collections.abc import Sequence

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.background import Work, asked_by_others, beside, ended, has_failed, is_done, start
from capliquify_ops.isolation.database import owner_session
from capliquify_ops.isolation.error_texts import told_in
from capliquify_ops.isolation.exchange import Call, leaves, objects
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import PAGE
from capliquify_ops.isolation.world_model import World
from capliquify_ops.isolation.written import places_of
from capliquify_ops.model.errors import OpsError

ORDER = "abab"
UNUSABLE: tuple[object, ...] = ({}, {"label": None, "id": "no-such-row"}, [])


def jobs(world: World, route: Route) -> Probes:
    """Jobs A, B, A, B, all queued before the first is asked for, then one by one with a failing one in between."""
    works = [start(world, key, route) for key in ORDER]
    seen: set[str] = set()
    for work in works:
        yield _result(world, work, seen)
    for key in ORDER:
        yield from _failing(world, "b" if key == "a" else "a", route)
        works.append(start(world, key, route))
        yield _result(world, works[-1], seen)
    yield from _rows(world, works, seen)
    for key in ("a", "b"):
        own = [work for work in works if work.key == key]
        control = f"jobs of {key} leave their words with {key}"
        if not any(work.canary.token in seen for work in own):
            yield untried(control, "no result, list or table shows what the jobs were given")
            continue
        yield noted(control, "", is_control=True)
        yield from asked_by_others(world, own[0], beside(world, route, "job_state"), control)
    _removed(world, works)


def _result(world: World, work: Work, seen: set[str]) -> Probe:
    """The end of one job as its owner sees it; one that failed, or is not over, says nothing about where it ran."""
    try:
        answer = ended(world, work)
    except OpsError as error:
        return untried(work.name, str(error))
    if work.canary.label in answer.own:
        seen.add(work.canary.token)
    failure = has_failed(work.route, answer) or not is_done(work.route, answer)
    if failure and not answer.foreign:
        return untried(work.name, f"it did not end well: {answer.status} {answer.code}".rstrip())
    return answer.probe(f"the result of {work.name}", SUCCESS)


def _failing(world: World, key: str, route: Route) -> Probes:
    """Jobs that cannot work; where one is taken all the same, its end is waited for and looked through."""
    for content in UNUSABLE:
        answer = world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=content))
        yield answer.probe(f"an unusable {route.name} of {key}", OWN_OR_REFUSED)
        made = next(objects(answer.data), None) if answer.is_success else None
        if made is None:
            continue
        _, canary = world.draft(key, route, "unused")
        try:
            last = ended(world, Work(key, route, str(made["id"]), canary))
        except OpsError as error:
            yield untried(f"the end of an unusable {route.name} of {key}", str(error), is_optional=True)
            continue
        told = told_in("\n".join(str(value) for _, value in leaves(last.data))) if has_failed(route, last) else ()
        problem = f"it tells {', '.join(told)}" if told else ""
        yield last.probe(f"the end of an unusable {route.name} of {key}", OWN_OR_REFUSED, problem=problem)


def _rows(world: World, works: Sequence[Work], seen: set[str]) -> Probes:
    """Look for what the jobs wrote: over HTTP in every list of both owners, and in the schemas themselves."""
    tokens = {work.canary.label: work.canary.token for work in works}
    for key in ("a", "b"):
        for route in world.lists():
            if route.surface != "events":
                answer = world.get(f"{key}.owner", route.path + PAGE)
                seen |= {tokens[label] for label in answer.own & tokens.keys()}
                yield answer.probe(f"{key}.owner reads {route.path} after the jobs", OWN_OR_REFUSED)
    try:
        yield from _schemas(world, works, seen)
    except OpsError as error:
        yield untried("the schemas after the jobs", str(error), is_optional=True)


def _schemas(world: World, works: Sequence[Work], seen: set[str]) -> Probes:
    """In `public` only tables of the tenants' names count: a queue there holds what it was given by right."""
    with owner_session(world.target, "audit jobs") as owner:
        for key in ("a", "b"):
            own = {work.canary.token for work in works if work.key == key}
            seen |= {word for word, _ in places_of(owner, world.tenant(key).schema_name, own)}
            others = [(f"the schema of {other}", one.schema_name, ()) for other, one in world.tenants.items() if other != key]
            for name, schema, tables in (*others, ("public", "public", world.profile.tenant_tables)):
                strays = sorted({table for _, table in places_of(owner, schema, own, tables)})
                problem = f"rows that {key}'s jobs made stand in {', '.join(strays)}" if strays else ""
                yield noted(f"jobs of {key} in {name}", problem, is_change=True)


def _removed(world: World, works: Sequence[Work]) -> None:
    """Delete what the jobs made where a route deletes it; throwaway tenants take the rest with them."""
    words = {work.canary.token: work for work in works}
    left = set(words)
    for route in world.lists():
        item = world.item_of(route)
        if item is None or "DELETE" not in item.methods:
            continue
        for key in ("a", "b"):
            answer = world.get(f"{key}.owner", route.path + PAGE)
            for row in objects(answer.data):
                held = {word for word in words if word in str(row)}
                if held and world.send(Call("DELETE", item.path.format(id=row["id"]), world.person(f"{key}.owner"))).is_success:
                    left -= held
    if left and not world.is_throwaway:
        world.leftovers.append(f"rows made by {len(left)} jobs: no route deletes them")
