"""Requests that make services fail: unusable bodies, ids, parameters, methods, paths, headers and tokens.

None of them holds what is looked for in the answers.
"""

from collections.abc import Iterator, Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.routes import NOT_WRITES
from capliquify_ops.isolation.world_model import World

TOO_LARGE = 2 * 1024 * 1024
"""Bytes of a body beyond what services take for a single row."""
IDS = ("not-an-id", "0", "-1", "99999999999999999999", "%00", "%27", "a%27%22%5C", "%ff%fe", "..%2f..", "9" * 300)
QUERIES = ("?limit=-1", "?limit=many", "?limit=99999999999999999999&offset=-5", "?sort=no_such_thing&order=sideways",
           "?page[]=1&filter[x][y]=%00", "?q=%27%22%5C%00%ff")  # fmt: skip
PATHS = ("/no-such-route", "/api/no-such-route", "/api/v0/%00", "/%ff%fe", "/api/%2e%2e/%2e%2e/", "/.env", "/.git/config",
         "/debug", "/debug/vars", "/actuator/env", "/config.json", "/swagger.json", "/openapi.json")  # fmt: skip
"""Also those where services show themselves by mistake."""
METHODS = ("PATCH", "DELETE", "PUT", "PROPFIND", "NONSENSE")
_JSON = {"Content-Type": "application/json"}
BODIES: Mapping[str, tuple[bytes, Mapping[str, str]]] = {
    "half an object": (b'{"name": ', _JSON),
    "no body": (b"", _JSON),
    "a list": (b"[[1, 2], null]", _JSON),
    "a text": (b'"text"', _JSON),
    "no JSON number": (b'{"name": NaN}', _JSON),
    "no UTF-8": (b'{"name": "\xff\xfe\x80"}', _JSON),
    "half a surrogate": (rb'{"name": "\ud800"}', _JSON),
    "deep nesting": (b"[" * 3000 + b"]" * 3000, _JSON),
    "an endless number": (b'{"name": 1e999999}', _JSON),
    "another type": (b"<a>1</a>", {"Content-Type": "application/xml"}),
    "a broken form": (b"--x\r\nContent-Disposition: form-data", {"Content-Type": "multipart/form-data; boundary=x"}),
}
_WRONG: Mapping[str, object] = {
    "NUL": "a\0b",
    "an object": {"a": {"b": [None]}},
    "a number": -1e300,
    "null": None,
    "a long text": "x" * 70_000,
}


def provocations(world: World, who: str) -> Iterator[Call]:
    """Yield every request, as somebody who may use all routes."""
    person = world.person(who)
    for route in world.profile.routes.values():
        yield from _of_route(route, person)
    main = world.planting_route()
    for name, (content, headers) in BODIES.items():
        yield Call("POST", main.path, person, content=content, headers=headers, shown=f" with {name}", may_be_busy=True)
    for route in world.creatable():
        yield from _wrong_fields(world, route, person)
    for path in PATHS:
        yield Call("GET", path, person, may_be_busy=True)
        yield Call("GET", path, may_be_busy=True)
    yield from _wrong_credentials(main, person)


def too_large(world: World, who: str) -> Call:
    """Return a body that no service needs to read to its end, and may hang up on."""
    content = b'{"name": "' + b"x" * TOO_LARGE + b'"}'
    shown = f" with {TOO_LARGE} bytes"
    return Call(
        "POST", world.planting_route().path, world.person(who), content=content, headers=_JSON, shown=shown, may_be_busy=True
    )


def _of_route(route: Route, person: Person) -> Iterator[Call]:
    """A route's own ids, parameters and methods; a public one is asked by nobody, as it stands too."""
    who = None if route.kind == "public" else person
    token: str | None = None if route.kind == "public" else "no.session.token"
    if "{id}" in route.path:
        for method in route.methods:
            content = None if method in {"GET", "DELETE"} else {"name": 1}
            for row_id in IDS if method == route.methods[0] else IDS[:5]:
                yield Call(method, route.path.format(id=row_id), who, json=content, may_be_busy=True)
        return
    if route.kind == "public":
        yield Call("GET", route.path, may_be_busy=True)
    if "GET" in route.methods:
        # Whoever is let in to a stream waits: such an answer does not end.
        for query in QUERIES if route.surface != "events" else ():
            yield Call("GET", route.path + query, who, may_be_busy=True)
    elif route.surface in NOT_WRITES:
        yield Call(route.methods[0], route.path, who, token=token, shown=" with no session", may_be_busy=True)
    else:
        yield Call(route.methods[0], route.path, who, json={"name": {}}, may_be_busy=True)
    for method in METHODS:
        if method not in route.methods:
            yield Call(method, route.path, who, json={} if method != "DELETE" else None, may_be_busy=True)


def _wrong_fields(world: World, route: Route, person: Person) -> Iterator[Call]:
    """A valid body in which one field after the other is of another kind, and one with a field too many."""
    content, _ = world.draft(person.tenant, route, f"provoked {route.name}")
    wrongs = list(_WRONG.items())
    for number, name in enumerate(content):
        for what, value in (wrongs[number % len(wrongs)], wrongs[(number + 2) % len(wrongs)]):
            shown = f" with {what} as {name}"
            yield Call("POST", route.path, person, json=content | {name: value}, shown=shown, may_be_busy=True)


def _wrong_credentials(route: Route, person: Person) -> Iterator[Call]:
    for token, shown in (
        ("x", " with a token of one letter"),
        ("a.b.c", " with three letters"),
        ("e30.e30.e30", " with empty claims"),
    ):
        yield Call("GET", route.path, person, token=token, shown=shown, may_be_busy=True)
    for scheme in ("Basic eDp5", "Bearer", "Negotiate x"):
        headers = {"Authorization": scheme}
        yield Call("GET", route.path, person, token=None, headers=headers, shown=" with another scheme", may_be_busy=True)
    for organization in ("'", "%00", "x" * 3000, "../..", '{"a": 1}'):
        yield Call("GET", route.path, person, organization=organization, may_be_busy=True)
