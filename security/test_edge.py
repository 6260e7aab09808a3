"""SEC-018, 020: limits and encryption at the edge of the service."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_018_rate_limit")
def test_rate_limit(world: World, require: Require) -> None:
    """One tenant's requests beyond its rate limit are answered 429, and other tenants do not notice."""
    require(run_control("sec_018_rate_limit", world))


@check("sec_020_https_enforced")
def test_https_enforced(world: World, require: Require) -> None:
    """A request that came over plain HTTP is redirected or refused."""
    require(run_control("sec_020_https_enforced", world))
