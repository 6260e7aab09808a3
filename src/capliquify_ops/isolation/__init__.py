"""Tenant isolation over HTTP: the 20 security controls and the 18 integration scenarios, proven by planted secrets."""

from capliquify_ops.isolation.catalogue import Control, controls, scenarios
from capliquify_ops.isolation.run import run_control, run_scenario
from capliquify_ops.isolation.world import World, build_world, remove_run

__all__ = ["Control", "World", "build_world", "controls", "remove_run", "run_control", "run_scenario", "scenarios"]
