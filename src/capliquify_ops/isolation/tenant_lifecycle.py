"""ISO-06: making, half-making, suspending, deleting and making tenants again lets nobody into another one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from capliquify_ops.configuration.limits import load_limits
from capliquify_ops.database import observer
from capliquify_ops.integrity import cross_references, structure_equality
from capliquify_ops.isolation.exchange import Call, leaves, objects
from capliquify_ops.isolation.lifecycle_names import collisions
from capliquify_ops.isolation.lifecycle_reuse import reuse
from capliquify_ops.isolation.lifecycle_standing import half_made, suspension
from capliquify_ops.isolation.parts import part
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import MOVES_S, PAGE, reads_own
from capliquify_ops.isolation.service_tenants import service_tenants
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome

PARTS = (suspension, half_made, collisions, reuse)
OUR_OWN = (suspension, half_made)
"""Parts on tenants that the audit makes: they need no way of the service's to make or delete tenants, so they can be tried."""


def lifecycle(world: World) -> Probes:
    """ISO-06: each part on tenants of its own; what the others hold is the same before and after."""
    if not world.is_throwaway:
        raise CannotTell("Tenants are made, broken and deleted here, which needs an operator URL.")
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    before = {key: _content(world, key) for key in ("a", "b")}
    for one in PARTS:
        try:
            yield from part(world, one.__name__, one(world))
        except CannotTell as error:
            yield untried(one.__name__.replace("_", " "), str(error), is_optional=one not in OUR_OWN)
    yield from part(world, "well made", _well_made(world))
    for key, content in before.items():
        changed = _changed(world, key, content)
        problem = f"{len(changed)} of its rows are not as they were" if changed else ""
        yield noted(f"rows of {key} after the lives of others", problem, needs=f"{key}.owner reads own rows", is_change=True)


def _changed(world: World, key: str, before: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return the rows that are new, gone, or not as they were; what goes on changing while nobody writes is left out."""
    after = _content(world, key, before)
    changed = sorted(row for row in before.keys() | after.keys() if before.get(row) != after.get(row))
    if not changed:
        return []
    world.caller.pause(MOVES_S)
    later = _content(world, key, before)
    return [row for row in changed if not _only_moved(*(each.get(row, {}) for each in (before, after, later)))]


def _only_moved(before: Mapping[str, object], after: Mapping[str, object], later: Mapping[str, object]) -> bool:
    differing = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    return all(path in before and path in later and after.get(path) != later[path] for path in differing)


def _content(world: World, key: str, known: Iterable[str] = ()) -> dict[str, Mapping[str, object]]:
    """Return the rows of each list by its path. Raises CannotTell where one is refused that showed some of the known rows."""
    found: dict[str, Mapping[str, object]] = {}
    for route in world.creatable():
        if "GET" in route.methods:
            answer = world.send(Call("GET", route.path + PAGE, world.person(f"{key}.owner")))
            if not answer.is_success and any(row.startswith(f"{route.path} ") for row in known):
                raise CannotTell(f"{answer.call.line()} was answered {answer.status}, so nothing is seen.")
            found |= {f"{route.path} {row['id']}": dict(leaves(row)) for row in objects(answer.data)}
    return found


def _well_made(world: World) -> Probes:
    """A tenant that the service has made hangs on no other tenant's objects, and is made like all others."""
    with _two_made(world) as keys:
        if not keys:
            yield untried("what a new tenant consists of", "the service makes no tenants for us", is_optional=True)
            return
        schemas = {world.tenants[key].schema_name for key in keys}
        for key in keys:
            plant = world.plant(key, world.planting_route())
            yield world.get(f"{key}.owner", plant.path).probe(f"the new tenant {key} reads its own row", SUCCESS, is_control=True)
        problem = _hanging(world, schemas)
    yield noted("what new tenants consist of", problem, request="the service's own tenants, in the catalogue")


@contextmanager
def _two_made(world: World) -> Iterator[tuple[str, ...]]:
    keys = ("g", "h")
    try:
        with service_tenants(world, *keys):
            yield keys
    except CannotTell:
        if any(key in world.tenants for key in keys):
            raise
        yield ()


def _hanging(world: World, schemas: set[str]) -> str:
    """Return what `fleet check` says about what these schemas refer to or how they differ, "" when nothing is wrong."""
    target = world.target
    found: list[Finding] = []
    with observer(target.observer_url(), "audit lint", pooled=target.pooled) as session:
        for check in (cross_references, structure_equality):
            found += check.run(session, load_limits(), world.clock, profile=target.profile, roles=target.roles)
    for finding in found:
        named = set(finding.tenants.sample) if finding.tenants else set()
        if finding.outcome is Outcome.FAILING and named & schemas:
            return finding.why
    return ""
