"""SEC-011: features written into the tenant's row of the registry do not unlock what the tier does not include."""

from collections.abc import Mapping

from capliquify_ops.isolation.database import features_edited
from capliquify_ops.isolation.features import entitled, premium_routes, refused_feature
from capliquify_ops.isolation.probe import CannotTell, Probes, noted
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World


def edited_column(world: World) -> Probes:
    """SEC-011: whatever the column says, in each shape that services use, the starter tenant is still refused."""
    routes = premium_routes(world)
    if not routes:
        raise CannotTell(f"The profile {world.profile.name!r} names no route with a premium feature.")
    tenant = world.tenant("s")
    yield reads_own(world, "b.owner")
    yield (control := entitled(world, routes[0], "b.owner"))
    for name, features in _shapes([route.feature for route in routes]).items():
        with features_edited(world.target, tenant.id, features) as was_stored:
            yield noted(f"the column holds {name}", "" if was_stored else "the database stored something else", is_control=True)
            for route in routes:
                yield refused_feature(world, route, f"{route.path} with {name}", control.name)
    for route in routes:
        yield refused_feature(world, route, f"{route.path} with the column restored", control.name)


def _shapes(features: list[str]) -> Mapping[str, object]:
    return {
        "each feature true": dict.fromkeys(features, True),
        "each feature enabled": {name: {"enabled": True} for name in features},
        "a list of features": features,
        "a tier": {"tier": "enterprise", "subscription_tier": "enterprise", **dict.fromkeys(features, True)},
    }
