"""ISO-01: every identity against every object of another tenant, on every surface that the profile names.

The parts: by id (`object_matrix_ids`), in lists, searches and reports (`object_matrix_lists`), in bodies
(`object_matrix_bodies`), and whether the profile names all that the service has (`openapi`).
"""

from capliquify_ops.isolation.made_objects import id_routes
from capliquify_ops.isolation.object_matrix_bodies import foreign_ids_in_bodies
from capliquify_ops.isolation.object_matrix_ids import by_id
from capliquify_ops.isolation.object_matrix_lists import lists, searches
from capliquify_ops.isolation.openapi import route_completeness
from capliquify_ops.isolation.parts import part
from capliquify_ops.isolation.probe import CannotTell, Probes, untried
from capliquify_ops.isolation.routes import OTHER, reads_own
from capliquify_ops.isolation.world_model import World

WANTED = (
    "item", "children", "users", "user", "own_profile", "search", "report", "lookup", "export_state", "export_file", "job_state",
    "api_keys", "api_key", "invitations", "invitation", "audit_log",
)  # fmt: skip
"""Surfaces through which objects are reached: the profile has each, or says why there is none."""


def objects(world: World) -> Probes:
    """ISO-01: no identity reads, lists, changes or deletes another tenant's object, or hangs anything on it; both ways."""
    for key in OTHER:
        yield reads_own(world, f"{key}.owner")
    yield from part(world, "completeness", _named(world))
    for route in id_routes(world):
        for key in OTHER:
            yield from part(world, f"{route.path} of {OTHER[key]}", by_id(world, key, route))
    for name, rows in (("lists", lists(world)), ("searches", searches(world)), ("bodies", foreign_ids_in_bodies(world))):
        yield from part(world, name, rows)
    for key in OTHER:
        yield reads_own(world, f"{key}.owner")


def _named(world: World) -> Probes:
    yield from _undeclared(world)
    yield from route_completeness(world)


def _undeclared(world: World) -> Probes:
    for surface in WANTED:
        try:
            world.surface(surface)
        except CannotTell as error:
            yield untried(f"the surface {surface}", str(error))
