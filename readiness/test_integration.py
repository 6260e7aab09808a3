"""Box: all integration tests passing. The 18 scenarios, over HTTP against the running service and its real database."""

from collections.abc import Callable

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.integrity import (
    capacity,
    migration_ledgers,
    registry_catalogue,
    sequence_health,
    structure_equality,
    unfinished_objects,
)
from capliquify_ops.isolation import World, run_scenario
from capliquify_ops.model.protocols import Clock
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("int_01_valid_session")
def test_valid_session(world: World, require: Require) -> None:
    """A valid session resolves to its user's role and tenant."""
    require(run_scenario("int_01_valid_session", world))


@check("int_02_missing_authorization")
def test_missing_authorization(world: World, require: Require) -> None:
    """A request without a usable Authorization header is refused with 401 missing_authorization, reads and writes."""
    require(run_scenario("int_02_missing_authorization", world))


@check("int_03_invalid_session")
def test_invalid_session(world: World, require: Require) -> None:
    """Garbage, altered and signed-out session tokens, also used ones, are refused with 401 session_verification_failed."""
    require(run_scenario("int_03_invalid_session", world))


@check("int_04_missing_organization")
def test_missing_organization(world: World, require: Require) -> None:
    """A tenant route without the organisation header is refused with missing_organization_id, reads and writes."""
    require(run_scenario("int_04_missing_organization", world))


@check("int_05_not_a_member")
def test_not_a_member(world: World, require: Require) -> None:
    """Somebody who is not a member of the organisation is refused with 403 not_organization_member, reads and writes."""
    require(run_scenario("int_05_not_a_member", world))


@check("int_06_no_tenant")
def test_no_tenant(world: World, require: Require) -> None:
    """An organisation without a tenant is answered 404 tenant_not_found."""
    require(run_scenario("int_06_no_tenant", world))


@check("int_07_suspended")
def test_suspended(world: World, require: Require) -> None:
    """A suspended, cancelled, deleted or expired-trial tenant is refused on every route; one past due only reads."""
    require(run_scenario("int_07_suspended", world))


@check("int_08_first_login")
def test_first_login(world: World, require: Require) -> None:
    """The first request of a new member creates the user exactly once."""
    require(run_scenario("int_08_first_login", world))


@check("int_09_tenant_schema")
def test_tenant_schema(world: World, require: Require) -> None:
    """A request runs in its tenant's own schema: what it writes stands there and nowhere else."""
    require(run_scenario("int_09_tenant_schema", world))


@check("int_10_professional_ai")
def test_professional_ai(world: World, require: Require) -> None:
    """A professional tenant may use AI forecasting."""
    require(run_scenario("int_10_professional_ai", world))


@check("int_11_starter_refused_ai")
def test_starter_refused_ai(world: World, require: Require) -> None:
    """A starter tenant is refused AI forecasting with 403 feature_not_available and an upgrade URL."""
    require(run_scenario("int_11_starter_refused_ai", world))


@check("int_12_starter_refused_reports")
def test_starter_refused_reports(world: World, require: Require) -> None:
    """A starter tenant is refused advanced reports with 403 feature_not_available and an upgrade URL."""
    require(run_scenario("int_12_starter_refused_reports", world))


@check("int_13_admin_creates_product")
def test_admin_creates_product(world: World, require: Require) -> None:
    """An admin creates a product, which can then be read and is listed."""
    require(run_scenario("int_13_admin_creates_product", world))


@check("int_14_member_refused_admin")
def test_member_refused_admin(world: World, require: Require) -> None:
    """A member is refused administrative actions with 403 insufficient_permissions."""
    require(run_scenario("int_14_member_refused_admin", world))


@check("int_15_viewer_refused_write")
def test_viewer_refused_write(world: World, require: Require) -> None:
    """A viewer is refused a write with 403 insufficient_permissions, and nothing is written."""
    require(run_scenario("int_15_viewer_refused_write", world))


@check("int_16_a_sees_only_a")
def test_a_sees_only_a(world: World, require: Require) -> None:
    """Tenant A sees its own rows and none of tenant B."""
    require(run_scenario("int_16_a_sees_only_a", world))


@check("int_17_b_sees_only_b")
def test_b_sees_only_b(world: World, require: Require) -> None:
    """Tenant B sees its own rows and none of tenant A."""
    require(run_scenario("int_17_b_sees_only_b", world))


@check("int_18_foreign_resource")
def test_foreign_resource(world: World, require: Require) -> None:
    """Tenant A asking for a resource of tenant B is answered 404, and the other way round."""
    require(run_scenario("int_18_foreign_resource", world))


@check("registry_catalogue")
def test_registry_catalogue(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """Every live tenant of the registry has its schema, owned by the owner role, and no tenant schema is without a row."""
    require(*registry_catalogue.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("structure_equality")
def test_structure_equality(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """The schemas of all live tenants have the same structure."""
    require(*structure_equality.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("unfinished_objects")
def test_unfinished_objects(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """Every index, constraint and trigger of every tenant does its work, and none is there twice."""
    require(*unfinished_objects.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("capacity")
def test_capacity(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """The server has room for the fleet: locks, connections, transaction ids, vacuum, catalogue are within limits."""
    require(*capacity.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("sequence_health")
def test_sequence_health(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """No sequence of a tenant is running out, behind the keys that it makes, or bound to repeat them."""
    require(*sequence_health.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))


@check("migration_ledgers")
def test_migration_ledgers(observer_session: Session, target: Target, limits: Limits, clock: Clock, require: Require) -> None:
    """What each tenant's ledger of migrations says is what the others' say, and what its structure shows."""
    require(*migration_ledgers.run(observer_session, limits, clock, profile=target.profile, roles=target.roles))
