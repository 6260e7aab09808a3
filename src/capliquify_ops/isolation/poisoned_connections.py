"""ISO-03: a connection that one tenant used, or broke, shows nothing of it to whoever gets it next."""

from collections.abc import Sequence
from itertools import chain

from capliquify_ops.isolation.connection_faults import MENU, Fault
from capliquify_ops.isolation.met_connections import Connections, service_connections
from capliquify_ops.isolation.probe import Probe, Probes, noted, untried
from capliquify_ops.isolation.probe_sweep import Asked, sweep, sweep_of
from capliquify_ops.isolation.routes import OTHER, lacks_own, planted_list, reads_own
from capliquify_ops.isolation.service_sessions import left_open
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, TargetUnreachable


def poisoned(world: World) -> Probes:
    """ISO-03: after each fault of the menu, as A and as B, the other one and a stranger read everything they can.

    Each family of routes is read until it has met every connection of the service. A fault that led to a proof is the last
    one: what is known to leak need not leak again.
    """
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    sweeps = {key: sweep_of(world, key) for key in ("a", "b")}
    with service_connections(world) as connections:
        yield from _faults(world, sweeps, connections)


def _faults(world: World, sweeps: dict[str, dict[str, list[Asked]]], connections: Connections) -> Probes:
    for fault in MENU:
        if world.depth == "quick" and not fault.is_quick:
            continue
        orders = {"a": ("a", "b")} if fault.is_of_both else OTHER
        proofs = 0
        for key, readers in orders.items():
            for probe in _after(world, fault, key, [sweeps[reader] for reader in readers], connections):
                proofs += probe.is_proof()
                yield probe
        if proofs:
            return
    yield connections.told()
    yield _none_left_open(world)


def _after(world: World, fault: Fault, key: str, readers: Sequence[dict[str, list[Asked]]], connections: Connections) -> Probes:
    """Do it, then probe; what families do themselves may cure a connection, so a cheap fault is done again before each."""
    name = f"after {fault.name} of {'both' if fault.is_of_both else key}"
    is_reached = False
    for family, asked in chain.from_iterable(families.items() for families in readers):
        if fault.is_cheap or not is_reached:
            try:
                yield from fault.apply(world, key)
            except OpsError as error:
                yield untried(name, str(error), is_optional=True)
                return
            if not is_reached:
                yield noted(f"{name.removeprefix('after ')} was reached", "", is_control=True)
            is_reached = True
        for probe in sweep(world, name, family, asked, connections):
            yield probe
            if probe.is_proof():
                return
    yield from _still_served(world, name, connections.count)


def _still_served(world: World, name: str, times: int) -> Probes:
    """Both tenants are served again once the connections that a fault broke were handed out and replaced."""
    for key in ("a", "b"):
        yield _served(world, f"{name}: {key}.owner is served", f"{key}.owner", times)


def _served(world: World, name: str, who: str, times: int) -> Probe:
    status = 0
    for _ in range(times + 1):
        try:
            answer = planted_list(world, who)
        except OpsError as error:
            if isinstance(error, TargetUnreachable):
                raise
            continue
        status = answer.status
        if answer.is_success and not lacks_own(world, who, answer):
            return noted(name, "")
    if not status:
        return untried(name, f"{times + 1} reads of the own rows met a service that could not answer then, one after the other")
    return noted(name, f"{times + 1} reads of the own rows failed one after the other (last {status})")


def _none_left_open(world: World) -> Probe:
    """No session of the service stays inside a transaction: whoever gets it would go on in it."""
    try:
        left = left_open(world)
    except OpsError as error:
        return untried("transactions left open", str(error), is_optional=True)
    return noted("transactions left open", f"{len(left)} sessions of the service stay {left[0]}" if left else "")
