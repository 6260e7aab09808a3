"""The rows of a new world: secrets through every route that makes rows, and figures that no route makes."""

from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.changes import add_metric
from capliquify_ops.isolation.world_model import FACTORS, World
from capliquify_ops.model.errors import OpsError

PLANTS = {"a": 3, "b": 5}
"""Rows planted in the main collection: numbers without a common factor, so that counts tell whose rows they count."""
METRIC_ROUTE = "working_capital"


def plant_rows(world: World) -> None:
    """Plant rows for both tenants; a tenant where that fails is missing, with the reason."""
    for key in (one for one in PLANTS if one in world.tenants and f"{one}.owner" not in world.missing):
        try:
            _plant(world, key)
        except OpsError as error:
            world.missing.setdefault(key, f"Nothing could be planted in tenant {key.upper()}: {error}")


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
