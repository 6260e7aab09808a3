"""ISO-07: jobs, exports and event streams of one tenant carry nothing of another, also when both run at once."""

from collections.abc import Callable, Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.event_streams import events
from capliquify_ops.isolation.exports import exports
from capliquify_ops.isolation.job_order import jobs
from capliquify_ops.isolation.mail_apart import messages_apart
from capliquify_ops.isolation.probe import Probes, untried
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

_PARTS: Mapping[str, Callable[[World, Route], Probes]] = {"job": jobs, "export": exports, "events": events}


def jobs_and_exports(world: World) -> Probes:
    """ISO-07: what a service does after it has answered stays with the tenant that it does it for.

    A part that cannot be asked about does not keep the others from being tried.
    """
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    for surface, part in _PARTS.items():
        try:
            routes = world.surface(surface)
        except OpsError as error:
            yield untried(surface, str(error))
            continue
        for route in routes:
            yield from _tried(world, route, part)
        if not routes:
            yield untried(surface, f"the service has none: {world.profile.not_applicable[surface]}", is_optional=True)
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    yield from messages_apart(world)


def _tried(world: World, route: Route, part: Callable[[World, Route], Probes]) -> Probes:
    try:
        yield from part(world, route)
    except OpsError as error:
        yield untried(f"the rest of {route.path}", str(error))
