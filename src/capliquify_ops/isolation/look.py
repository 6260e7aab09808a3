"""The SQL with which a person looks at what a finding says: at the row whose secret was seen, and at the audit log about it."""

from collections.abc import Iterable

from capliquify_ops.database import quoted
from capliquify_ops.isolation.probe import Probe
from capliquify_ops.isolation.world_model import World


def look_at(world: World, probes: Iterable[Probe]) -> str:
    """Return a statement that shows the first foreign row that was seen, "" where the probes saw none that is known."""
    for label in (sighting.label for probe in probes for sighting in probe.foreign):
        plant = world.remembered.get(label)
        if plant is not None and plant.tenant in world.tenants:
            table = world.route(plant.route).table
            schema = world.tenants[plant.tenant].schema_name
            row = plant.id.replace("'", "''")
            return f"SELECT * FROM {quoted(schema)}.{quoted(table)} WHERE id::text = '{row}';"  # noqa: S608 -- shown
    return ""
