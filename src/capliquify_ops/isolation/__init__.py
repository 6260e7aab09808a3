"""Tenant isolation over HTTP: 20 security controls, 18 integration scenarios, ten families of attacks, proven by secrets."""

from capliquify_ops.isolation.catalogue import Control, controls, families, scenarios
from capliquify_ops.isolation.run import run_control, run_family, run_scenario
from capliquify_ops.isolation.world import World, build_world, remove_run

__all__ = [
    "Control",
    "World",
    "build_world",
    "controls",
    "families",
    "remove_run",
    "run_control",
    "run_family",
    "run_scenario",
    "scenarios",
]
