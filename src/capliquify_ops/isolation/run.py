"""Runs one scenario, control or family: measure, then judge. What could not be asked becomes part of what is judged."""

import dataclasses
import importlib
from collections.abc import Callable
from contextlib import closing

from capliquify_ops.configuration import Profile
from capliquify_ops.isolation.catalogue import Control, controls, families, named, scenarios
from capliquify_ops.isolation.exchange import NEEDS_WRITES
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.look import look_at
from capliquify_ops.isolation.parts import contradicted
from capliquify_ops.isolation.probe import Probe, Probes, untried
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.finding import Evidence, Finding, Subject, SubjectKind, Witness
from capliquify_ops.model.outcome import Grade, Outcome

Measure = Callable[[World], Probes]
SEEN_TWICE = "seen in both of two measurements"


def run_control(check: str, world: World) -> Finding:
    """Measure one of the 20 security controls."""
    return _run(named(check, controls()), world)


def run_scenario(check: str, world: World) -> Finding:
    """Measure one of the 18 integration scenarios."""
    return _run(named(check, scenarios()), world)


def run_family(check: str, world: World) -> Finding:
    """Measure one family of attacks. One that a quick audit leaves out is inconclusive there."""
    found = _run(named(check, families()), world)
    return dataclasses.replace(found, measured={**found.measured, "seed": world.seed})


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
    """Measure once, and again where it failed without proof: what is not seen a second time is not held against a service.

    The second time only those parts are measured in which something contradicted, where a measure has parts.
    """
    if reason := why_not_applicable(control, world.profile):
        return _not_applicable(control, world, reason)
    if world.is_read_only and not control.is_read_only:
        return judge((untried(control.id, f"it {NEEDS_WRITES}"),), *_about(control, world, 0))
    if world.depth == "quick" and not control.is_quick:
        return judge(
            (untried(control.id, "it is left out of a quick audit; run it with --depth full"),), *_about(control, world, 0)
        )
    finding, parts = _measured(control, world)
    if finding.outcome is not Outcome.FAILING or finding.grade is Grade.PROOF:
        return finding
    again, _ = _measured(control, world, parts)
    if again.outcome is Outcome.FAILING:
        return _seen_twice(again)
    why = f"Seen once of two times, so it is not held against the service: {finding.why}"
    return dataclasses.replace(finding, outcome=Outcome.INCONCLUSIVE, why=why, grade=None, escalation=None)


def why_not_applicable(control: Control, profile: Profile) -> str:
    """Return why a profile says that a check does not apply, itself or all the surfaces that it is about, "" where it does."""
    declared = profile.not_applicable
    if control.check in declared or not control.surfaces or any(profile.surface(name) for name in control.surfaces):
        return declared.get(control.check, "")
    return "; ".join(declared[name] for name in control.surfaces) if declared.keys() >= set(control.surfaces) else ""


def _seen_twice(finding: Finding) -> Finding:
    lines = finding.witness.lines if finding.witness else ()
    return dataclasses.replace(finding, witness=Witness((*lines, SEEN_TWICE), finding.witness.look if finding.witness else ""))


def _measured(control: Control, world: World, parts: frozenset[str] = frozenset()) -> tuple[Finding, frozenset[str]]:
    """Measure a check, or parts of it; return the parts in which something contradicts, none for the whole."""
    if parts:
        world = dataclasses.replace(world, only_parts=parts)
    module, function = control.measure.split(".")
    measure: Measure = getattr(importlib.import_module(f"capliquify_ops.isolation.{module}"), function)
    since = world.clock.monotonic()
    probes = probes_of(measure, world)
    finding = judge(probes, *_about(control, world, world.clock.monotonic() - since))
    look = look_at(world, probes)
    if finding.witness is not None and look:
        finding = dataclasses.replace(finding, witness=dataclasses.replace(finding.witness, look=look))
    return finding, contradicted(probes)


def _not_applicable(control: Control, world: World, reason: str) -> Finding:
    finding = judge((), *_about(control, world, 0))
    why = f"The profile {world.profile.name!r} declares it not applicable: {reason}"
    return dataclasses.replace(finding, outcome=Outcome.NOT_APPLICABLE, why=why, witness=None)


def _about(control: Control, world: World, elapsed_s: float) -> tuple[Control, Subject, Evidence]:
    evidence = Evidence(
        asked=control.measure,
        of=world.target.base_url,
        at=world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        elapsed_ms=round(elapsed_s * 1000, 1),
    )
    return control, Subject(SubjectKind.SERVICE, world.target.name), evidence
