"""SEC-004, 005, 006: session tokens that must not open anything."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_004_expired_token")
def test_expired_token(world: World, require: Require) -> None:
    """An expired session token is refused with 401 session_verification_failed on every route, also when accepted before."""
    require(run_control("sec_004_expired_token", world))


@check("sec_005_tampered_token")
def test_tampered_token(world: World, require: Require) -> None:
    """A token whose claims, algorithm or signature were changed is refused, for the own tenant and for another."""
    require(run_control("sec_005_tampered_token", world))


@check("sec_006_foreign_environment")
def test_foreign_environment(world: World, require: Require) -> None:
    """A well-formed token of another environment is refused on every route, by its key and by whom it was made for."""
    require(run_control("sec_006_foreign_environment", world))
