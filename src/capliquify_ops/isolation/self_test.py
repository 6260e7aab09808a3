"""The audit tried on itself: each oracle must catch a planted fault, and be silent without it, before any green counts."""

import dataclasses
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import cast

from capliquify_ops.configuration import Target, load_profile
from capliquify_ops.configuration.target import TargetClass
from capliquify_ops.http_client import Client
from capliquify_ops.isolation.addressing import Addressing
from capliquify_ops.isolation.concurrent_writes import concurrent_writes
from capliquify_ops.isolation.exchange import Caller
from capliquify_ops.isolation.faulty_service import Badges, Fault, FaultyService
from capliquify_ops.isolation.guessed_ids import indistinguishable
from capliquify_ops.isolation.own_rows import a_sees_only_a
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.isolation.people import Person, Wallet
from capliquify_ops.isolation.probe import CannotTell, Probe, Probes
from capliquify_ops.isolation.world_model import AuditTenant, World
from capliquify_ops.model.protocols import Clock

UNLIMITED = 10_000_000
_ROUTES = ("products", "product")
_ORACLES: dict[Fault, Callable[[World], Probes]] = {
    Fault.FOREIGN_ROW: a_sees_only_a,
    Fault.LOST_WRITE: concurrent_writes,
    Fault.TELLING_404: indistinguishable,
}

_fit: list[bool] = []


def require_working_oracles(clock: Clock) -> None:
    """Raise CannotTell where an oracle of the audit is blind, or sees what is not there: it must not judge a service then.

    Tried once in a process: the code does not change while it runs.
    """
    if not _fit:
        _try_oracles(clock)
        _fit.append(True)


def _try_oracles(clock: Clock) -> None:
    for fault, oracle in _ORACLES.items():
        for given in (Fault.NONE, fault):
            seen = bool(_violations(oracle, given, clock))
            if seen is (given is Fault.NONE):
                what = "does not see" if given is fault else "sees a fault in a correct service instead of"
                raise CannotTell(
                    f"The audit is not fit to judge: {oracle.__name__} {what} {fault.value!r} in a service made for the trial.",
                    hint="This installation is broken or changed: install it again.",
                )


def _violations(oracle: Callable[[World], Probes], fault: Fault, clock: Clock) -> list[Probe]:
    world = _little_world(fault, clock)
    for key in ("a", "b"):
        for _ in range(2):
            world.plant(key, world.planting_route())
    return [probe for probe in oracle(world) if probe.violation() and not probe.is_control]


def _little_world(fault: Fault, clock: Clock) -> World:
    profile = load_profile("capliquify", Path())
    routes = {name: profile.routes[name] for name in _ROUTES}
    profile = dataclasses.replace(profile, routes=routes, rate_limit=UNLIMITED)
    wallet = Wallet(Badges(), clock)
    pace = Pace(UNLIMITED, clock, _never)
    service = FaultyService(fault, profile.organization_header)
    caller = Caller(cast("Client", service), wallet, pace, Addressing.of(profile), "trial", sleep=_never)
    numbers = count(1)
    world = World(
        Target("trial", TargetClass.LOOPBACK, profile), "trial", clock, caller, random=lambda size: next(numbers).to_bytes(size)
    )
    for key in ("a", "b"):
        world.tenants[key] = AuditTenant(key, key, f"org_{key}", key, f"t_{key}")
        world.people[f"{key}.owner"] = Person(f"{key}.owner", key, f"user_{key}", f"{key}@example.com", f"org_{key}", "owner")
    return world


def _never(_seconds: float) -> None:
    """The trial has nothing to wait for."""
