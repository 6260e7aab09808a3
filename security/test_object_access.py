"""SEC-001, 015, 017: rows of one tenant, asked for and listed with another tenant's valid credentials."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_001_other_tenants_data")
def test_other_tenants_data(world: World, require: Require) -> None:
    """A tenant's own valid credentials neither read nor change any item, collection or user of another tenant."""
    require(run_control("sec_001_other_tenants_data", world))


@check("sec_015_own_rows_only")
def test_own_rows_only(world: World, require: Require) -> None:
    """Every list and total is made of the tenant's own rows, and no other tenant's write moves it."""
    require(run_control("sec_015_own_rows_only", world))


@check("sec_017_guessed_ids")
def test_guessed_ids(world: World, require: Require) -> None:
    """Another tenant's resource id is answered exactly as an id that never existed, for every method."""
    require(run_control("sec_017_guessed_ids", world))
