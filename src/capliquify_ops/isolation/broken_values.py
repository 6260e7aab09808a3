"""Values that break what a database holds to: types, lengths, ranges, keys. None of them holds what is looked for in answers."""

import uuid
from collections.abc import Iterator, Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import references
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.provocations import BODIES, IDS
from capliquify_ops.isolation.routes import NOT_WRITES
from capliquify_ops.isolation.world_model import World

_BEYOND = 2**63
_TEXTS: Mapping[str, object] = {"NUL": "a\0b", "300 letters": "x" * 300, "70000 letters": "x" * 70_000, "an object": {"a": [1]}}
_NUMBERS: Mapping[str, object] = {"a word": "many", "a huge number": 10**30, "2^63": _BEYOND, "minus one": -1, "a list": [1]}
_DATES: Mapping[str, object] = {
    "30 February": "2026-02-30",
    "a year of nine digits": "999999999-01-01",
    "a word": "yesterday",
    "year zero": "0000-00-00",
    "a number": 10**12,
}
_BY_KIND = {"text": _TEXTS, "unique": _TEXTS, "number": _NUMBERS, "integer": _NUMBERS, "date": _DATES}
_PAGES = (
    "?limit=-1",
    "?limit=2147483648",
    "?limit=many&offset=%27",
    "?offset=9223372036854775808",
    "?page=-1&per_page=0",
    "?sort=no_such_column&order=sideways",
    "?order_by=no_such_column%20desc%2C%20pg_sleep(0)",
    "?filter[no_such_column]=%00",
)
_ROW_IDS = (*IDS[:6], "9223372036854775808")


def broken_fields(world: World, route: Route, key: str) -> Iterator[Call]:
    """Yield valid bodies in which one field after the other breaks its rule."""
    content, _ = world.draft(key, route, f"broken {route.name}")
    who = world.person(f"{key}.owner")
    for name, kind in route.fields.items():
        for what, value in _values(world, route, name, kind).items():
            shown = f" with {what} as {name}"
            yield Call("POST", route.path, who, json=content | {name: value}, shown=shown, may_be_busy=True)


def broken_bodies(route: Route, who: Person) -> Iterator[Call]:
    """Yield bodies that are no bodies."""
    for what, (content, headers) in BODIES.items():
        yield Call("POST", route.path, who, content=content, headers=headers, shown=f" with {what}", may_be_busy=True)


def broken_addresses(world: World, route: Route, who: Person) -> Iterator[Call]:
    """Yield unusable ids for a route of single rows, unusable pages and orders for the others."""
    if "{id}" in route.path:
        unknown = [str(uuid.UUID(bytes=world.random(16), version=4))]
        for method in route.methods:
            json = {"name": 1} if method in {"POST", "PUT", "PATCH"} else None
            for row_id in (*_ROW_IDS, *unknown):
                yield Call(method, route.path.format(id=row_id), who, json=json, may_be_busy=True)
    elif "GET" in route.methods and route.surface != "events":
        for page in _PAGES:
            yield Call("GET", route.path + page, who, may_be_busy=True)
        if route.query:
            yield Call("GET", f"{route.path}?{route.query}=%00%27%22%5C%25", who, may_be_busy=True)
    elif "POST" in route.methods and route.surface not in NOT_WRITES and not route.fields:
        yield Call("POST", route.path, who, json={"id": 10**30, "name": "a\0b"}, may_be_busy=True)


def _values(world: World, route: Route, name: str, kind: object) -> Mapping[str, object]:
    if name in references(route.fields):
        unknown = str(uuid.UUID(bytes=world.random(16), version=4))
        return {"an unknown id": unknown, "a serial id that nothing has": 2**31 - 7, "no id": "not-an-id", "null": None}
    known = _BY_KIND.get(kind if isinstance(kind, str) else "", {"an object": {"a": [1]}, "NUL": "a\0b"})
    return {**known, "null": None}
