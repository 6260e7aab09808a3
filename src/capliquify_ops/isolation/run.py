"""Runs one scenario or control: measure, then judge. What could not be asked becomes part of what is judged."""

import importlib
from collections.abc import Callable
from contextlib import closing

from capliquify_ops.isolation.catalogue import Control, controls, named, scenarios
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.probe import Probe, Probes, untried
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, UsageError
from capliquify_ops.model.finding import Evidence, Finding, Subject, SubjectKind

Measure = Callable[[World], Probes]


def run_control(check: str, world: World) -> Finding:
    """Measure one of the 20 security controls. Raises UsageError for one that this version does not measure."""
    return _run(named(check, controls()), world)


def run_scenario(check: str, world: World) -> Finding:
    """Measure one of the 18 integration scenarios."""
    return _run(named(check, scenarios()), world)


def probes_of(measure: Measure, world: World) -> tuple[Probe, ...]:
    """Return the probes of a measure. One that stops half-way leaves those before it, and a row saying why it stopped.

    A positive control that fails stops it: what is asked of a service that does not serve proves nothing.
    """
    found: list[Probe] = []
    try:
        with closing(measure(world)) as rows:
            for row in rows:
                found.append(row)
                if row.is_control and row.violation():
                    break
    except OpsError as error:
        found.append(untried("the rest", str(error)))
    return tuple(found)


def _run(control: Control, world: World) -> Finding:
    if not control.measure:
        raise UsageError(f"{control.id} is not measured by this version.")
    module, function = control.measure.split(".")
    measure: Measure = getattr(importlib.import_module(f"capliquify_ops.isolation.{module}"), function)
    start, since = world.clock.now(), world.clock.monotonic()
    probes = probes_of(measure, world)
    evidence = Evidence(
        asked=control.measure,
        of=world.target.base_url,
        at=start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        elapsed_ms=round((world.clock.monotonic() - since) * 1000, 1),
    )
    return judge(probes, control, Subject(SubjectKind.SERVICE, world.target.name), evidence)
