"""The rows of a new world: secrets through every route that makes something and in people's names, and figures."""

from contextlib import suppress

from capliquify_ops.isolation.bodies import text_fields
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.changes import add_metric
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.made_objects import make, write_child
from capliquify_ops.isolation.world_model import FACTORS, World
from capliquify_ops.model.errors import OpsError

PLANTS = {"a": 3, "b": 5}
"""Rows planted in the main collection: numbers without a common factor, so that counts tell whose rows they count."""
METRIC_ROUTE = "working_capital"
STANDING = ("api_keys", "invitations")
"""Surfaces whose objects stay as they are; jobs and exports, which go on by themselves, are made when they are wanted."""
NAMED = ("owner", "member")


def plant_rows(world: World) -> None:
    """Plant rows for both tenants; a tenant where that fails is missing, with the reason."""
    for key in (one for one in PLANTS if one in world.tenants and f"{one}.owner" not in world.missing):
        try:
            _plant(world, key)
        except OpsError as error:
            world.missing.setdefault(key, f"Nothing could be planted in tenant {key.upper()}: {error}")
            continue
        _plant_elsewhere(world, key)
        _plant_people(world, key)


def _plant(world: World, key: str) -> None:
    main = world.planting_route()
    for _ in range(PLANTS[key]):
        world.plant(key, main)
    for route in world.creatable():
        if route.name != main.name:
            world.plant(key, route)
    if world.is_throwaway and METRIC_ROUTE in world.profile.routes:
        row = add_metric(world.target, world.tenant(key).schema_name, FACTORS[key])
        # A service may call its rows otherwise than the database does: this id need not be seen by its owner.
        world.caller.canaries.append(Canary(key, f"id of {METRIC_ROUTE} {row[-6:]} of {key}", row.lower(), is_address=True))


def _plant_elsewhere(world: World, key: str) -> None:
    """What hangs on a row, keys and invitations: one that cannot be made is said by the check that needs it."""
    routes = world.profile.routes.values()
    for route in [one for one in routes if one.surface in STANDING and "POST" in one.methods]:
        with suppress(OpsError):
            make(world, key, route)
    for route in [one for one in routes if one.surface == "children" and "POST" in one.methods]:
        with suppress(OpsError):
            write_child(world, key, route)


def _plant_people(world: World, key: str) -> None:
    """Addresses of e-mail are secret from other tenants; where people write texts into their own profile, secrets stand there."""
    people = [person for name, person in world.people.items() if person.tenant == key and name not in world.missing]
    world.caller.canaries.extend(Canary(key, f"e-mail of {one.name}", one.email.lower(), is_address=True) for one in people)
    for route in world.profile.surface("own_profile"):
        method = next((one for one in ("PATCH", "PUT") if one in route.methods), "")
        for person in people if method and text_fields(route) else ():
            if person.name.partition(".")[2] in NAMED:
                content, canary = world.draft(key, route, f"profile of {person.name}")
                world.caller.canaries.append(canary)
                with suppress(OpsError):
                    world.send(Call(method, route.path, person, json=content))
