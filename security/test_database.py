"""SEC-012, 016: what separates tenants inside the database and its connections."""

from collections.abc import Callable
from typing import NoReturn

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

NotRun = Callable[[str], NoReturn]
Require = Callable[..., None]


@check("sec_012_row_level_security")
def test_row_level_security(not_run: NotRun) -> None:
    """Row-level security holds for the service's own role on every shared table that relies on it."""
    not_run("SEC-012 is not measured by this version: it has no probe of row-level security as the service's role")


@check("sec_016_concurrent_search_path")
def test_concurrent_search_path(world: World, require: Require) -> None:
    """Requests of two tenants at the same time, also when one stalls inside the database, never share a search_path."""
    require(run_control("sec_016_concurrent_search_path", world))
