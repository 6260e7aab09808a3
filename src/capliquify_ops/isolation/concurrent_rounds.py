"""Runs the rounds of a plan: requests released together, or queued behind one that a held lock stalls.

One thread sends and reads, over a connection for each request: the order in which requests reach the service is the plan's.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack

from capliquify_ops.http_client import Wire, await_answers
from capliquify_ops.isolation.concurrent_plan import Hold, Round, Step
from capliquify_ops.isolation.concurrent_recording import Recording, Sent
from capliquify_ops.isolation.database import Lock, blocked_table
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.service_sessions import STALLED_S
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import TargetUnreachable

MARKERS = 4
"""Requests whose answers tell that the service has taken up what came before: enough for each of a few workers."""
SATURATED_S = 0.25
"""How long the stalled requests may take to use the pool up, once the first of them waits: fewer connections are no fault."""
TAKEN_UP_S = 0.3
"""How long the service may take for them: those that need a connection cannot be answered while the pool is used up."""
_Flying = list[tuple[Sent, Wire]]


def run_round(recording: Recording, planned: Round, where: str) -> None:
    """Send a round and record its answers. Raises CannotTell where a held lock cannot be had, or stalls nothing.

    What was sent by then is recorded all the same: a row that it changed or deleted would else count as lost.
    """
    released: _Flying = []
    with ExitStack() as opened:
        first = _prepared(recording, planned.stalled, opened)
        rest = _prepared(recording, planned.steps, opened)
        try:
            if planned.hold is Hold.NOTHING:
                _release(recording.world, rest, released)
            else:
                _stalled(recording.world, planned, (first, rest), released)
        finally:
            for sent, wire in released:
                recording.answered(sent, _answer(recording.world, sent, wire), recording.world.clock.monotonic(), where)


def _prepared(recording: Recording, steps: Sequence[Step], opened: ExitStack) -> _Flying:
    """Open the connections and send all but the last byte of each head: no service starts on that."""
    flying = []
    for step in steps:
        sent = recording.prepare(step)
        wire = opened.enter_context(recording.world.caller.wire(sent.call))
        wire.send(wire.head_end - 1)
        flying.append((sent, wire))
    return flying


def _release(world: World, flying: _Flying, released: _Flying) -> None:
    """Send what is left of each request, one right after the other; add them with their start to what was released."""
    for sent, wire in flying:
        released.append((dataclasses.replace(sent, start=world.clock.monotonic()), wire))
        wire.send()


def _stalled(world: World, planned: Round, flying: tuple[_Flying, _Flying], released: _Flying) -> None:
    """Hold the table; send those to stall, and when they do the others; let go when the service has taken these up."""
    table, schema = world.planting_route().table, world.tenant(planned.held).schema_name
    with blocked_table(world.target, schema, table) as lock:
        first, rest = flying
        _release(world, first, released)
        _await_stall(world, lock, planned)
        _release(world, rest, released)
        free = [wire for sent, wire in rest if sent.step.tenant != planned.held] if planned.hold is Hold.ONE else []
        _taken_up(world, free)
        lock.release()


def _await_stall(world: World, lock: Lock, planned: Round) -> None:
    if not lock.await_waiter(STALLED_S, world.clock):
        raise CannotTell(f"The held lock on tenant {planned.held} stalled no request, so the interleaving was not reached.")
    if planned.hold is Hold.POOL:
        lock.await_waiters(len(planned.stalled), SATURATED_S, world.clock)


def _taken_up(world: World, free: Sequence[Wire]) -> None:
    """Wait for the answers of the other tenant, and of requests sent behind all others that need no connection."""
    public = next((route for route in world.profile.routes.values() if route.kind == "public" and "GET" in route.methods), None)
    call = Call("GET", public.path if public else world.planting_route().path)
    with ExitStack() as opened:
        markers = [opened.enter_context(world.caller.wire(call)) for _ in range(MARKERS)]
        for marker in markers:
            marker.send()
        await_answers([*markers, *free], TAKEN_UP_S)


def _answer(world: World, sent: Sent, wire: Wire) -> Exchange | None:
    try:
        return world.caller.read(sent.call, wire.answer())
    except TargetUnreachable:
        return None
