"""The families of attacks: for any service, from its profile alone."""

from collections.abc import Callable

from capliquify_ops.isolation import World, run_family
from capliquify_ops.pytest_plugin import check

Require = Callable[..., None]


@check("iso_00_audit_guards")
def test_audit_guards(world: World, require: Require) -> None:
    """The audit works here: it catches planted faults, the service's role is bound, and connections are reused."""
    require(run_family("iso_00_audit_guards", world))


@check("iso_01_object_matrix")
def test_object_matrix(world: World, require: Require) -> None:
    """No identity of one tenant reads, lists, changes or deletes any object of another, on any surface of the service."""
    require(run_family("iso_01_object_matrix", world))


@check("iso_02_identity_matrix")
def test_identity_matrix(world: World, require: Require) -> None:
    """No second identifier, extra field, API key or invitation makes anybody more than their credentials say."""
    require(run_family("iso_02_identity_matrix", world))


@check("iso_03_poisoned_connections")
def test_poisoned_connections(world: World, require: Require) -> None:
    """A connection that one tenant used, also one whose request failed or was cut off, shows the next tenant nothing."""
    require(run_family("iso_03_poisoned_connections", world))


@check("iso_04_concurrent_history")
def test_concurrent_history(world: World, require: Require) -> None:
    """What two tenants read and wrote at once, also while a lock stalls one, is explained by each one's own writes."""
    require(run_family("iso_04_concurrent_history", world))


@check("iso_05_cache_order")
def test_cache_order(world: World, require: Require) -> None:
    """Whoever asks first, no cache, store or idempotency key gives one tenant what another one asked for."""
    require(run_family("iso_05_cache_order", world))


@check("iso_06_tenant_lifecycle")
def test_tenant_lifecycle(world: World, require: Require) -> None:
    """Making, half-making, suspending, deleting and making again a tenant never lets one into another, nor a dead one back."""
    require(run_family("iso_06_tenant_lifecycle", world))


@check("iso_07_jobs_and_exports")
def test_jobs_and_exports(world: World, require: Require) -> None:
    """Jobs, exports and event streams of one tenant carry nothing of another, also when both run at once."""
    require(run_family("iso_07_jobs_and_exports", world))


@check("iso_08_provoked_errors")
def test_provoked_errors(world: World, require: Require) -> None:
    """No provoked error tells a schema, a constraint, a statement or another tenant's value."""
    require(run_family("iso_08_provoked_errors", world))


@check("iso_09_session_residue")
def test_session_residue(world: World, require: Require) -> None:
    """No idle connection of the service keeps a temporary table, a lock or a transaction of whoever used it last."""
    require(run_family("iso_09_session_residue", world))


@check("iso_10_twin_run")
def test_twin_run(world: World, require: Require) -> None:
    """What one tenant observes is the same whether or not another one works beside it."""
    require(run_family("iso_10_twin_run", world))
