"""SEC-002, 003: whatever chooses the tenant, manipulated."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_002_organization_header")
def test_organization_header(world: World, require: Require) -> None:
    """No value, repetition or substitute of the organisation header leads to another tenant's data."""
    require(run_control("sec_002_organization_header", world))


@check("sec_003_selector_injection")
def test_selector_injection(world: World, require: Require) -> None:
    """SQL in whatever selects the tenant is refused without a server error and never run."""
    require(run_control("sec_003_selector_injection", world))
