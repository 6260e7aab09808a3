"""ISO-00: what must hold before a green of this audit means anything."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from capliquify_ops.database import load
from capliquify_ops.isolation.database import OwnerSession, blocked_table, owner_session
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import PAGE, reads_own
from capliquify_ops.isolation.self_test import require_working_oracles
from capliquify_ops.isolation.service_role import connected_role
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

MOST_STALLS = 44
"""Twice the largest usual pool and a few more: a pool that hands out its oldest connection comes round by then."""
STALLED_S = 3.0
_PACKAGE = "capliquify_ops.isolation"


@dataclass(frozen=True, slots=True)
class _Waiting:
    pid: int


def guards(world: World) -> Probes:
    """ISO-00: the oracles see planted faults, both tenants are served, the role is bound, connections are shared."""
    require_working_oracles(world.clock)
    yield noted("the audit's oracles see planted faults, and nothing in a correct service", "")
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    try:
        with owner_session(world.target, "audit guards") as owner:
            yield from _role(world, owner)
            yield from _reuse(world, owner)
    except OpsError as error:
        is_optional = world.target.operator_url is None
        yield untried("the service's role and its connections", str(error), is_optional=is_optional)


def _role(world: World, owner: OwnerSession) -> Probes:
    """The configuration must name the role that the service really has: what is known of another one proves nothing."""
    role, expected = connected_role(world, owner), world.target.roles.app
    problem = "" if role == expected else f"the service connects as {role!r}, the configuration's app_role is {expected!r}"
    yield noted("the role of the service", problem, needs="a.owner reads own rows")


def _reuse(world: World, owner: OwnerSession) -> Probes:
    """A leak through a shared connection can only be met where connections are shared: the same one must serve both tenants."""
    seen: dict[str, set[int]] = {"a": set(), "b": set()}
    # Simple turns would give each tenant the same half of a pool for ever; this order (Thue and Morse) never repeats.
    for number in range(MOST_STALLS):
        key = "ab"[number.bit_count() % 2]
        seen[key] |= _serving(world, owner, key)
        if seen["a"] & seen["b"]:
            yield noted("one connection serves both tenants, one after the other", "")
            return
    yield untried(
        "one connection that serves both tenants",
        f"{MOST_STALLS} requests met none: the service seems to open connections anew, so nothing can stay on one",
        is_optional=True,
    )


def _serving(world: World, owner: OwnerSession, key: str) -> set[int]:
    route, schema = world.planting_route(), world.tenant(key).schema_name
    call = Call("GET", route.path + PAGE, world.person(f"{key}.owner"), may_be_busy=True)
    with ThreadPoolExecutor(1) as pool, blocked_table(world.target, schema, route.table) as lock:
        sent = pool.submit(world.send, call)
        is_held = lock.await_waiter(STALLED_S, world.clock)
        with owner.session.transaction():
            found = owner.session.rows(load(_PACKAGE, "audit_guards"), _Waiting, {"schema": schema, "table": route.table})
        lock.release()
        answer = sent.result()
    if not is_held and not answer.is_success:
        raise CannotTell(f"{call.line()} was answered {answer.status} {answer.code}".rstrip() + " and reached no table.")
    return {one.pid for one in found}
