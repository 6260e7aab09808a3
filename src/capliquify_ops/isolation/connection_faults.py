"""What one tenant does to a connection of the service before another one gets it: use, errors, cuts, cancels, time-outs.

Each fault raises CannotTell where it was not reached: what was not done to a service proves nothing about it.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.http_client import Wire
from capliquify_ops.isolation.bodies import UNUSABLE, references
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, CannotTell, Probes
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.service_sessions import POOL, signal_waiters, stalled
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import TargetUnreachable

CUTS = 6
"""Cut-off requests of one kind: enough to meet each of a few workers, and half of the usual pool."""
STALLS = 3
NOTICED_S = 0.5
"""How long a service may take to give up the statement of a client that is gone, before the lock is let go."""
HELD_S = 12.0
"""How long a statement is stalled for its own time-out: more than the usual 10 s."""
_BEYOND = 10**30
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Fault:
    """One trouble. `apply(world, key)` does it as that tenant.

    `is_quick`: also part of a quick audit. `is_cheap`: done again before each family of probes.
    `is_of_both`: done once, as both tenants.
    """

    name: str
    apply: Callable[[World, str], Probes]
    is_quick: bool = False
    is_cheap: bool = True
    is_of_both: bool = False


def plain_use(world: World, key: str) -> Probes:
    """Use half of the connections of a usual pool, whatever worker has them."""
    for call in _calls(world, key, POOL // 2 + 1):
        with world.caller.wire(call) as wire:
            wire.send()
            world.caller.read(call, wire.answer())
    yield from ()


def unusable_input(world: World, key: str) -> Probes:
    """Send bodies of every wrong kind, also values that only the database can refuse."""
    answers = [world.send(call) for call in _unusable(world, key)]
    for answer in answers:
        row = answer.data
        if answer.call.method == "POST" and answer.is_success and isinstance(row, dict) and "id" in row:
            world.uproot([world.remember(key, _route_at(world, answer.call.path), str(row["id"]), None)])
    if all(answer.status < _REFUSED for answer in answers):
        raise CannotTell("The service refused no unusable input.")
    yield from ()


def _route_at(world: World, path: str) -> Route:
    return next(route for route in world.creatable() if route.path == path)


def _unusable(world: World, key: str) -> Iterator[Call]:
    route, person = world.planting_route(), world.person(f"{key}.owner")
    for content in UNUSABLE:
        yield Call("POST", route.path, person, json=content, may_be_busy=True)
    for one in world.creatable():
        body, _ = world.draft(key, one, "refused")
        wrong: dict[str, object] = {name: str(uuid.UUID(bytes=world.random(16), version=4)) for name in references(one.fields)}
        wrong = wrong or {name: _BEYOND for name, kind in one.fields.items() if kind == "number"}
        if wrong:
            yield Call("POST", one.path, person, json=body | wrong, may_be_busy=True)
    yield Call("GET", f"{route.path}/{world.run}", person, may_be_busy=True)


def broken_constraint(world: World, key: str) -> Probes:
    """Make a row twice where a field must be unique, so that the database refuses it inside the transaction."""
    route, person = world.planting_route(), world.person(f"{key}.owner")
    if "unique" not in route.fields.values():
        raise CannotTell(f"The collection {route.name} has no field that must be unique.")
    content, canary = world.draft(key, route, "duplicate")
    call = Call("POST", route.path, person, json=content, may_be_busy=True)
    made = world.send(call)
    row = made.data
    if not made.is_success or not isinstance(row, dict) or "id" not in row:
        raise CannotTell(f"{call.line()} made no row: {made.status} {made.code}".rstrip() + ".")
    with world.temporary(world.remember(key, route, str(row["id"]), canary)):
        again = [world.send(call) for _ in range(STALLS)]
        if all(answer.status < _REFUSED for answer in again):
            raise CannotTell(f"The service makes the same row of {route.name} twice.")
    yield from ()


def cut(where: Callable[[Wire], int | None], *, is_answered: bool = False) -> Callable[[World, str], Probes]:
    """Return a fault: requests that are sent as far as `where` says, and whose connections are then reset."""

    def apply(world: World, key: str) -> Probes:
        for call in _calls(world, key, CUTS):
            with world.caller.wire(call) as wire:
                wire.send(where(wire))
                if is_answered:
                    wire.begin()
                wire.cut()
        yield from ()

    return apply


def slow_reader(world: World, key: str) -> Probes:
    """Read an answer's first byte, let the others be served, then read the rest: it is this tenant's to the end."""
    call = Call("GET", world.planting_route().path + PAGE, world.person(f"{key}.owner"))
    with world.caller.wire(call, is_slow=True) as wire:
        wire.send()
        wire.begin()
        for _ in range(STALLS):
            world.get(f"{OTHER[key]}.owner", world.planting_route().path + PAGE)
        answer = world.caller.read(call, wire.answer())
    yield answer.probe(f"an answer to {key}.owner, read slowly", OWN_OR_REFUSED)


def cut_while_stalled(world: World, key: str) -> Probes:
    """Reset the connections of requests whose statements a held lock stalls."""
    with stalled(world, key, _calls(world, key, STALLS)) as (lock, wires):
        for wire in wires:
            wire.cut()
        lock.await_nobody(NOTICED_S, world.clock)
        lock.release()
    yield from ()


def signalled(*, is_end: bool) -> Callable[[World, str], Probes]:
    """Return a fault: the stalled statement is cancelled, or its session ended, as an administrator does."""

    def apply(world: World, key: str) -> Probes:
        with stalled(world, key, _calls(world, key, STALLS)) as (lock, wires):
            if not signal_waiters(world, lock, is_end=is_end):
                raise CannotTell("No session of the service's role waits for the held lock.")
            lock.release()
            yield from _answered(world, key, wires)

    return apply


def timed_out(world: World, _key: str) -> Probes:
    """Stall a request of each tenant at once, and hold the locks until the service gives them up by itself."""
    calls = {key: _calls(world, key, 1) for key in ("a", "b")}
    with stalled(world, "a", calls["a"]) as (_, (first,)), stalled(world, "b", calls["b"]) as (lock, (second,)):
        if not lock.await_nobody(HELD_S, world.clock):
            raise CannotTell(f"No time-out ended the stalled statement within {HELD_S:g} s.")
        yield from _answered(world, "a", [first])
        yield from _answered(world, "b", [second])


def _answered(world: World, key: str, wires: list[Wire]) -> Probes:
    """Read what the stopped requests are answered, if anything: 5xx is to be expected, another tenant's rows are not."""
    for call, wire in zip(_calls(world, key, len(wires)), wires, strict=True):
        with suppress(TargetUnreachable):
            answer = world.caller.read(call, wire.answer())
            if answer.foreign:
                yield answer.probe(f"the answer to a stopped request of {key}.owner", OWN_OR_REFUSED)


def _calls(world: World, key: str, times: int) -> list[Call]:
    """Return reads of a tenant's main table, none of which leaves anything behind."""
    route, person = world.planting_route(), world.person(f"{key}.owner")
    return [Call("GET", route.path + PAGE, person, may_be_busy=True) for _ in range(times)]


MENU = (
    Fault("plain use", plain_use, is_quick=True),
    Fault("a broken constraint", broken_constraint, is_quick=True),
    Fault("a cut after the request", cut(lambda wire: wire.length)),
    Fault("a cancelled statement", signalled(is_end=False), is_quick=True, is_cheap=False),
    Fault("a cut while a lock stalls the statement", cut_while_stalled, is_quick=True, is_cheap=False),
    Fault("unusable input", unusable_input),
    Fault("a cut after the request line", cut(lambda wire: wire.line_end), is_cheap=False),
    Fault("a cut in the head", cut(lambda wire: wire.head_end - 2), is_cheap=False),
    Fault("a cut while the answer is read", cut(lambda wire: wire.length, is_answered=True)),
    Fault("a slow reader", slow_reader, is_cheap=False),
    Fault("an ended session", signalled(is_end=True), is_cheap=False),
    Fault("a time-out", timed_out, is_cheap=False, is_of_both=True),
)
"""In order of what they cost."""
