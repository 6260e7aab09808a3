"""Takes away rows that a measure made, wherever a wrong service may have put them."""

from collections.abc import Collection

from capliquify_ops.isolation.exchange import Call, objects
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.world_model import World

MOST_PAGES = 5


def remove_holding(world: World, tokens: Collection[str]) -> None:
    """Delete each row of the main collection that holds one of these secrets, as the owner of the tenant where it stands."""
    item = world.item_of(world.planting_route())
    if not tokens or item is None:
        return
    for key in OTHER:
        for _ in range(MOST_PAGES):
            rows = objects(world.get(f"{key}.owner", world.planting_route().path + PAGE).data)
            found = [row for row in rows if any(token in str(value) for value in row.values() for token in tokens)]
            for row in found:
                world.send(Call("DELETE", item.path.format(id=row["id"]), world.person(f"{key}.owner"), may_be_busy=True))
            if not found:
                break
