"""SEC-010, 011: a tier's features are not had by asking, nor by editing the database."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_control
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("sec_010_starter_premium")
def test_starter_premium(world: World, require: Require) -> None:
    """A starter tenant is refused every premium feature, whatever it claims in headers, parameters or path."""
    require(run_control("sec_010_starter_premium", world))


@check("sec_011_feature_column")
def test_feature_column(world: World, require: Require) -> None:
    """Features written into the tenant's database row do not unlock what its tier does not include."""
    require(run_control("sec_011_feature_column", world))
