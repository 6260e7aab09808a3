"""ISO-05: whoever asks first, no cache, store or idempotency key gives one tenant what another one asked for."""

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.asking_order import Order
from capliquify_ops.isolation.cached_rows import rows
from capliquify_ops.isolation.features import entitled, premium_routes, refused_feature
from capliquify_ops.isolation.idempotency import idempotency
from capliquify_ops.isolation.probe import SUCCESS, Probes, untried
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

PAGES = {"a": "limit=100", "b": "limit=99"}
"""Another address for each order: what one order has left in a cache must not answer in the other one."""
_NO_READS = frozenset({"events", "export_file", "export_state", "job_state"})
_WITHOUT_PAGES = frozenset({"report", "own_profile", "other"})


def cache_order(world: World) -> Probes:
    """ISO-05: every readable address in both orders, until its cache answers; then the keys of repeated writes."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    order = Order(world)
    for route in world.profile.routes.values():
        if "GET" in route.methods and route.kind != "platform" and route.surface not in _NO_READS:
            yield from _route(order, route)
    yield from _entitlements(world)
    yield from idempotency(world)
    yield from _proven(order)
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")


def _route(order: Order, route: Route) -> Probes:
    """Where a route cannot be asked, the others are still tried."""
    try:
        if "{id}" in route.path:
            yield from rows(order, route)
            return
        for first, page in PAGES.items():
            query = f"{route.query}=canary&{page}" if route.query else page
            is_plain = first == "a" and route.surface in _WITHOUT_PAGES
            yield from order.turn(route, first, route.path if is_plain else f"{route.path}?{query}")
        if route.surface in _WITHOUT_PAGES:
            yield from order.turn(route, "b", route.path)
    except OpsError as error:
        yield untried(f"the rest of {route.path}", str(error))


def _entitlements(world: World) -> Probes:
    """What one tenant's tier includes is not remembered for the next one, whoever asks first."""
    routes = premium_routes(world)
    if not routes or "s.owner" not in world.people or "feature_missing" not in world.profile.answers:
        yield untried("entitlements", "there is no premium feature, or no tenant without it", is_optional=True)
        return
    for route in routes:
        yield (control := entitled(world, route, "b.owner"))
        yield refused_feature(world, route, f"s.owner reads {route.path} after b.owner", control.name)
        again = world.get("b.owner", route.path)
        yield again.probe(f"b.owner reads {route.path} after s.owner", SUCCESS, needs=control.name)


def _proven(order: Order) -> Probes:
    """Say on which routes no cache was seen: there, the order of asking may have proven nothing."""
    header = order.world.profile.cache_header
    if header and not order.cached:
        yield untried("a cache", f"the profile names {header}, and no second read was answered by a cache")
    unseen = sorted(order.asked - order.cached)
    if unseen:
        yield untried("caches", f"none was seen on {', '.join(unseen)}", is_optional=True)
