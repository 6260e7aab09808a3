"""INT-09: what a request writes stands in the tenant's own schema, and in no other."""

from capliquify_ops.isolation.database import owner_session, rows_with
from capliquify_ops.isolation.probe import Probes, noted
from capliquify_ops.isolation.routes import OTHER, reads_own
from capliquify_ops.isolation.world_model import World


def request_runs_in_schema(world: World) -> Probes:
    """INT-09: a row made over HTTP is found by the database in the schema that the registry names, and only there."""
    route = world.planting_route()
    with owner_session(world.target, "audit tenant schema") as session:
        for key in ("a", "b"):
            yield reads_own(world, f"{key}.owner")
            plant = world.plant(key, route)
            token = next(canary.token for canary in world.caller.canaries if canary.label in plant.labels)
            schema, other = world.tenant(key).schema_name, world.tenant(OTHER[key]).schema_name
            found = rows_with(session, schema, route.table, token)
            yield noted(f"{route.name} of {key} in {schema}", "" if found == 1 else f"the schema holds the row {found} times")
            for stranger in (other, "public"):
                strays = rows_with(session, stranger, route.table, token)
                yield noted(f"{route.name} of {key} in {stranger}", f"{stranger} holds the row" if strays else "", is_change=True)
            world.uproot([plant])
            left = rows_with(session, schema, route.table, token)
            yield noted(f"{route.name} of {key} deleted from {schema}", "the row still stands in the schema" if left else "")
