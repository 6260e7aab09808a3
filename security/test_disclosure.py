"""SEC-013, 014, 019: what the service says and writes down, and what it does with what it was given."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_013_secrets_in_errors")
def test_secrets_in_errors(world: World, require: Require) -> None:
    """Connection strings and secrets never appear in errors or logs, and no line of a log mixes two tenants."""
    require(run_control("sec_013_secrets_in_errors", world))


@check("sec_014_audit_trail")
def test_audit_trail(world: World, require: Require) -> None:
    """Sensitive operations and failed logins are written into the tenant's audit log."""
    require(run_control("sec_014_audit_trail", world))


@check("sec_019_inert_input")
def test_inert_input(world: World, require: Require) -> None:
    """Stored and reflected input stays inert."""
    require(run_control("sec_019_inert_input", world))
