"""Box: security audit. What the catalogue alone shows: no tenant's objects reach into another tenant's schema."""

from collections.abc import Callable

import pytest

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.integrity import (
    access_rights,
    cross_references,
    function_safety,
    identifier_safety,
    session_pooling,
    shadowed_objects,
)
from capliquify_ops.model.protocols import Clock
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]
pytestmark = pytest.mark.usefixtures("inhabited")


@check("cross_references")
def test_cross_references(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """Nothing outside a tenant's schema hangs on what is in it, and no function of another schema names it."""
    require(*cross_references.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("function_safety")
def test_function_safety(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """Every function that runs with its owner's rights decides itself what its names mean, and no function is bound to fail."""
    require(*function_safety.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("shadowed_objects")
def test_shadowed_objects(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """No tenant reads a shared object in place of its own, and no name means a tenant's object here and a shared one there."""
    require(*shadowed_objects.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("identifier_safety")
def test_identifier_safety(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """No setting makes sessions start in one tenant's schema, and the name of every tenant's schema names it alone."""
    require(*identifier_safety.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("session_pooling")
def test_session_pooling(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """What a session sets reaches no other one: nothing between client and server swaps sessions unsaid."""
    require(*session_pooling.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("access_rights")
def test_access_rights(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """The application holds what its work needs, nobody else reaches several tenants, and row security of shared tables binds."""
    require(*access_rights.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))
