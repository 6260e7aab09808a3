"""Part of ISO-06: two tenants whose names differ only in what a database or a sanitiser forgets are refused, or stay two."""

from collections.abc import Iterator

from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import PAGE
from capliquify_ops.isolation.service_tenants import made_by_service, remove
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import TenantNotFound

FIRST, SECOND = "v", "w"
LONG = 63
"""Bytes that PostgreSQL keeps of a name."""


def collisions(world: World) -> Probes:
    """Each pair: the second one is refused, or both have schemas and rows of their own."""
    for what, first, second in _pairs(f"audit-{world.run}-{FIRST}"):
        try:
            made_by_service(world, FIRST, slug=first)
            yield from _pair(world, what, second)
        except CannotTell as error:
            yield untried(f"two tenants that differ in {what}", str(error), is_optional=True)
        finally:
            for key in [key for key in (SECOND, FIRST) if key in world.tenants]:
                remove(world, key)


def _pairs(stem: str) -> Iterator[tuple[str, str, str]]:
    yield "letter case", stem, stem.upper()
    yield "a hyphen and an underscore", f"{stem}-x", f"{stem}_x"
    yield "a dot and a hyphen", f"{stem}-y", f"{stem}.y"
    yield "a space at the end", f"{stem}-z", f"{stem}-z "
    yield "the letter after 63 bytes", f"{stem:x<{LONG}}1", f"{stem:x<{LONG}}2"
    yield "a letter of full width", f"{stem}-a", f"{stem}-\uff41"


def _pair(world: World, what: str, second: str) -> Probes:
    name = f"two tenants that differ in {what}"
    try:
        made_by_service(world, SECOND, slug=second)
    except (CannotTell, TenantNotFound) as error:
        yield noted(f"{name}: the second was refused", "", request=str(error))
        return
    schemas = {world.tenants[key].schema_name for key in (FIRST, SECOND)}
    yield noted(name, "" if len(schemas) > 1 else "both have one schema", is_change=True)
    for key in (FIRST, SECOND):
        world.plant(key, world.planting_route())
    for key in (FIRST, SECOND):
        answer = world.get(f"{key}.owner", world.planting_route().path + PAGE)
        yield answer.probe(f"{name}: {key}.owner lists", SUCCESS)
