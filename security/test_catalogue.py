"""Box: security audit. What the catalogue alone shows: no tenant's objects reach into another tenant's schema."""

from collections.abc import Callable

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.integrity import cross_references
from capliquify_ops.model.protocols import Clock
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("cross_references")
def test_cross_references(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """Nothing outside a tenant's schema hangs on what is in it, and no function of another schema names it."""
    require(*cross_references.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))
