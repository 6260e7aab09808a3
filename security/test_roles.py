"""SEC-007, 008, 009: nobody does more than the own role allows."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_007_member_to_admin")
def test_member_to_admin(world: World, require: Require) -> None:
    """A member cannot become an admin: not by a role change, a field or a header, nor by having been one here or there."""
    require(run_control("sec_007_member_to_admin", world))


@check("sec_008_admin_to_owner")
def test_admin_to_owner(world: World, require: Require) -> None:
    """An admin can neither make, unmake nor remain an owner, and no tenant's user reaches the platform's routes."""
    require(run_control("sec_008_admin_to_owner", world))


@check("sec_009_viewer_writes")
def test_viewer_writes(world: World, require: Require) -> None:
    """A viewer is refused every write of every route, under any method's name, and nothing has changed afterwards."""
    require(run_control("sec_009_viewer_writes", world))
