"""SEC-016: requests of two tenants at the same time never meet in one schema."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from capliquify_ops.isolation import overload
from capliquify_ops.isolation.bodies import UNUSABLE
from capliquify_ops.isolation.concurrent_writes import concurrent_writes
from capliquify_ops.isolation.database import blocked_table
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, lacks_own, own_page, reads_own
from capliquify_ops.isolation.service_sessions import POOL, STALLED_S
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, TargetUnreachable

ROUNDS = 6


def concurrent_requests(world: World) -> Probes:
    """SEC-016: interleaved, poisoned and stalled requests of A and B each get their own tenant's rows."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    yield from _bursts(world)
    yield from concurrent_writes(world)
    yield from _after_failures(world)
    for key in ("a", "b"):
        yield from _stalled(world, key)
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")


def _bursts(world: World) -> Probes:
    """As many requests at once as two pools hold, in turns of A and B, released together."""
    for number in range(ROUNDS):
        sent = _burst(world, ("a.owner", "b.owner"))
        is_alone = _has_failed(sent) and _fails_alone(world)
        yield from _judged(world, f"burst {number + 1}", sent, is_excused=is_alone)


def _burst(world: World, people: Sequence[str]) -> list[Future[Exchange]]:
    paths = {who: own_page(world, who) for who in people}
    order = [people[index % len(people)] for index in range(2 * POOL)]
    barrier = threading.Barrier(len(order))
    with ThreadPoolExecutor(len(order)) as pool:
        return [pool.submit(_released, world, barrier, who, paths[who]) for who in order]


def _has_failed(sent: Sequence[Future[Exchange]]) -> bool:
    return any(overload.failed(one.result()) for one in sent if one.exception() is None)


def _fails_alone(world: World) -> bool:
    """Whether as many requests of one tenant alone fail as well: then it is their number, and not the other tenant."""
    return any(_has_failed(_burst(world, (who,))) for who in ("a.owner", "b.owner"))


def _released(world: World, barrier: threading.Barrier, who: str, path: str) -> Exchange:
    call = Call("GET", path, world.person(who), may_be_busy=True)
    barrier.wait(timeout=10)
    return world.send(call)


def _judged(world: World, name: str, sent: Sequence[Future[Exchange]], *, is_excused: bool = True) -> Probes:
    """Whoever is turned away as busy was not shown anything; somebody of each tenant must be served, else nothing was tried."""
    served: dict[str, int] = {}
    for future in sent:
        answer = future.result()
        who = answer.call.who
        assert who is not None
        served[who.tenant] = served.get(who.tenant, 0) + answer.is_success
        row = overload.excused(world, f"{name}: {who.name}", answer) if is_excused or not overload.failed(answer) else None
        problem = lacks_own(world, who.name, answer)
        yield row or answer.probe(f"{name}: {who.name}", SUCCESS, problem=problem, needs=f"{who.name} reads own rows")
    for key in [key for key, times in served.items() if not times]:
        yield untried(f"{name}: tenant {key}", "none of its requests was served")


def _after_failures(world: World) -> Probes:
    """Failing requests of one tenant, then as many of the other as a pool has connections."""
    route = world.planting_route()
    for key in ("a", "b"):
        victim = f"{OTHER[key]}.owner"
        path = own_page(world, victim)
        for content in UNUSABLE:
            world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=content))
        duplicate, _ = world.draft(key, route, "duplicate")
        made = [world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=duplicate)) for _ in range(2)]
        for _ in range(POOL):
            answer = world.get(victim, path)
            problem = lacks_own(world, victim, answer)
            yield answer.probe(
                f"after failures of {key}.owner: {victim}", SUCCESS, problem=problem, needs=f"{victim} reads own rows"
            )
        _remove(world, key, made)


def _remove(world: World, key: str, made: Sequence[Exchange]) -> None:
    item = world.item_of(world.planting_route())
    for answer in made:
        row = answer.data
        if answer.is_success and item is not None and isinstance(row, dict):
            world.send(Call("DELETE", item.path.format(id=row.get("id")), world.person(f"{key}.owner")))


def _stalled(world: World, key: str) -> Probes:
    """Hold a lock on one tenant's table: its request stalls inside the database, the other tenant's come in between.

    This meets a shared "current tenant" without luck, which no number of requests in a row does.
    """
    other, route = OTHER[key], world.planting_route()
    name = f"lock on {route.name} of {key}"
    paths = {one: own_page(world, f"{one}.owner") for one in OTHER}
    try:
        with ThreadPoolExecutor(POOL) as pool, blocked_table(world.target, world.tenant(key).schema_name, route.table) as lock:
            first = pool.submit(_read, world, f"{key}.owner", paths[key])
            if not lock.await_waiter(STALLED_S, world.clock):
                raise CannotTell("The held lock stalled no request, so the interleaving was not reached.")
            others = [pool.submit(_read, world, f"{other}.owner", paths[other]) for _ in range(POOL // 2)]
            reader = f"{key}.viewer" if f"{key}.viewer" in world.people else f"{key}.owner"
            second = pool.submit(_read, world, reader, paths[key])
            _await_some(others)
            lock.release()
            answers = list(_judged(world, name, [first, *others, second]))
    except TargetUnreachable:
        raise
    except OpsError as error:
        yield untried(name, str(error), is_optional=True)
        return
    yield noted(f"{name} stalled a request", "", is_control=True)
    yield from (probe if not probe.needs.endswith("viewer reads own rows") else _without_needs(probe) for probe in answers)


def _read(world: World, who: str, path: str) -> Exchange:
    return world.send(Call("GET", path, world.person(who), may_be_busy=True))


def _without_needs(probe: Probe) -> Probe:
    return Probe(probe.name, probe.request, probe.expected, probe.status, probe.code, probe.foreign, probe.problem)


def _await_some(futures: Sequence[Future[Exchange]]) -> None:
    """Give the other tenant's requests time to be answered; with a pool of one they cannot be, until the lock goes."""
    for future in futures:
        try:
            future.result(timeout=0.5)
        except TimeoutError:
            return
