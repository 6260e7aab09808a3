"""SEC-012, 016: what separates tenants inside the database and its connections."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_012_row_level_security")
def test_row_level_security(world: World, require: Require) -> None:
    """Row-level security holds for the service's own role on every shared table that relies on it."""
    require(run_control("sec_012_row_level_security", world))


@check("sec_016_concurrent_search_path")
def test_concurrent_search_path(world: World, require: Require) -> None:
    """Requests of two tenants at the same time, also when one stalls inside the database, never share a search_path."""
    require(run_control("sec_016_concurrent_search_path", world))
