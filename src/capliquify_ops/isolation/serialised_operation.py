"""Part of ISO-04: an operation that a tenant does one at a time keeps no other tenant waiting."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.database import load
from capliquify_ops.http_client import Wire, await_answers
from capliquify_ops.isolation.bodies import body
from capliquify_ops.isolation.canary import marked
from capliquify_ops.isolation.database import Lock, owner_session
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.service_sessions import stalled
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, TargetUnreachable

ANSWERED_S = 1.0
"""Many times what the operation takes while nobody is stalled."""
TRIES = 6
_PACKAGE = "capliquify_ops.isolation"


@dataclass(frozen=True, slots=True)
class _Held:
    key: str


def serialised(world: World) -> Probes:
    """While one tenant's operation is stalled by a held lock, the other one's is answered, and takes no lock of the same key."""
    for route in world.surface("serialised"):
        calls = {key: _call(world, route, key) for key in ("a", "b")}
        for call in calls.values():
            yield world.send(call).probe(f"{call.who.name if call.who else ''} does {route.name} alone", SUCCESS, is_control=True)
        keys: dict[str, frozenset[str]] = {}
        for key in ("a", "b"):
            try:
                yield from _beside(world, key, calls, keys)
            except TargetUnreachable:
                raise
            except OpsError as error:
                yield untried(f"{route.name} beside a stalled one of {key}", str(error), is_optional=True)
        same = frozenset.intersection(*keys.values()) if len(keys) == len(OTHER) else frozenset()
        problem = f"both tenants take the advisory lock {', '.join(sorted(same))}" if same else ""
        yield noted(f"locks of {route.name}, seed {world.seed}", problem)


def _call(world: World, route: Route, key: str) -> Call:
    content = body(route, marked(world.run, "serialised"), 1, lambda name: world.planted(key, name)[0].id)
    return Call("POST", route.path, world.person(f"{key}.owner"), json=content, may_be_busy=True)


def _beside(world: World, key: str, calls: dict[str, Call], keys: dict[str, frozenset[str]]) -> Probes:
    """Stall one tenant's, then see which locks it holds, and whether the other one's is answered meanwhile."""
    other = OTHER[key]
    read = Call("GET", world.planting_route().path + PAGE, world.person(f"{other}.owner"))
    with stalled(world, key, [calls[key]]) as (lock, (first,)), ExitStack() as opened:
        keys[key] = _held(world, lock)
        sent = [first, *(opened.enter_context(world.caller.wire(read)) for _ in range(TRIES))]
        is_free = _is_answered(sent[1:])
        again = [opened.enter_context(world.caller.wire(calls[other])) for _ in range(TRIES if is_free else 0)]
        is_answered = is_free and _is_answered(again)
        lock.release()
        # What is still queued would wait for the next lock in place of what is meant to.
        for wire in [*sent, *again]:
            with suppress(TargetUnreachable):
                wire.answer()
    if not is_free:
        raise CannotTell("The stalled request uses up the pool, so no other one is answered, whatever it asks for.")
    name = f"{calls[other].line()} while the same of {key} is stalled, seed {world.seed}"
    problem = f"it waits for tenant {key}: not answered within {ANSWERED_S:g} s, while a read was"
    yield noted(name, "" if is_answered else problem)


def _is_answered(wires: Sequence[Wire]) -> bool:
    """Send the same a few times and wait for the first answer: one of several workers may be taken up by what is stalled."""
    for wire in wires:
        wire.send()
    return await_answers(wires, ANSWERED_S, wanted=1)


def _held(world: World, lock: Lock) -> frozenset[str]:
    with owner_session(world.target, "audit advisory locks") as owner, owner.session.transaction():
        values = {"role": world.target.roles.app, **lock.names}
        return frozenset(one.key for one in owner.session.rows(load(_PACKAGE, "concurrent_history_advisory"), _Held, values))
