"""Takes away rows that a measure made, wherever a wrong service may have put them."""

from collections.abc import Collection
from contextlib import suppress

from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.paging import pages, rows_of
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import World


def remove_holding(world: World, tokens: Collection[str]) -> None:
    """Delete each row of the main collection that holds one of these secrets, as the owner of the tenant where it stands.

    A list that is not shown to its end is left at that: the end of the audit looks once more, and says so.
    """
    item = world.item_of(world.planting_route())
    if not tokens or item is None:
        return
    for key in OTHER:
        found: list[str] = []
        with suppress(CannotTell):
            for page in pages(world, f"{key}.owner", world.planting_route().path):
                found += [
                    str(row["id"])
                    for row in rows_of(page.data)
                    if any(token in str(value) for value in row.values() for token in tokens)
                ]
        for row_id in found:
            world.send(Call("DELETE", item.path.format(id=row_id), world.person(f"{key}.owner"), may_be_busy=True))
