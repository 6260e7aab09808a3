"""SEC-019: what is stored comes back as it was sent, what is reflected does nothing: no markup, template, header or error."""

import json
from collections.abc import Mapping
from urllib.parse import quote

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import text_fields
from capliquify_ops.isolation.exchange import UNWELL, Call, Exchange, objects
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import Expectation, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import PAGE, is_as_it_was, reads_own, row_of
from capliquify_ops.isolation.world_model import Plant, World

MARK = "x-audit-split"
"""A header that only an injected line end makes."""
FACTORS = (31_337, 27_183)
PRODUCT = str(FACTORS[0] * FACTORS[1])
"""What an evaluated expression gives; nothing else in an answer does."""
_SUM = f"{FACTORS[0]}*{FACTORS[1]}"
MARKUP = "<script>alert(1)</script>"
_LINES = f"one\r\n{MARK}: 1\r\n\r\n<b>two"
STORED: Mapping[str, str] = {
    "markup": f"{MARKUP}<img src=x onerror=alert(1)>",
    "SQL": "a' OR 1=1; DROP TABLE x; --",
    "a template": "a {{%s}} ${%s} #{%s} <%%= %s %%> {%% print(%s) %%} z" % ((_SUM,) * 5),
    "a formula": f"={_SUM}",
    "a command": '=cmd|"/c calc"!A1',
    "line ends": _LINES,
    "right to left and emoji": "\u202eabc\u202c \u05d0\u05d1 \U0001f9d1\u200d\U0001f680 \u0301e",
    "a path": "../../../etc/hosts",
    "a format": "%s%n%x {0} {__class__}",
    "a prototype": "__proto__",
}
"""Texts that a service takes and gives back unchanged. None begins or ends with a space, which may be cut."""
REFUSABLE: Mapping[str, str] = {"NUL": "a\0b", "half a character": "a\ud83db", "a very long text": "x" * 100_000}
"""Texts that may be refused, but not fail."""
_JSON = ("application/json", "+json")
_NOT_SNIFFED = ("text/csv", "text/event-stream", "application/octet-stream")
NO_ERROR = Expectation("no server error", frozenset(range(200, 500)))


def stored_and_reflected(world: World) -> Probes:
    """SEC-019: hostile texts in each field of each collection, then in parameters and paths; the tenant's rows stand."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    plants = [plant for plant in world.planted("a", world.planting_route().name) if plant.path]
    before = {plant.id: row_of(world, plant) for plant in plants}
    for route in world.creatable():
        if text_fields(route) and world.item_of(route):
            for name, text in {**STORED, **REFUSABLE}.items():
                yield from _stored(world, route, name, text)
    for name, text in STORED.items():
        yield from _reflected(world, name, text)
    for plant in plants:
        problem = "" if is_as_it_was(world, plant, before[plant.id]) else "it was changed or deleted"
        yield noted(f"{plant.route} {plant.id[-6:]} afterwards", problem, request="hostile texts as a.owner", is_change=True)


def _stored(world: World, route: Route, name: str, text: str) -> Probes:
    """Make a row with the text in every field of text, and read it alone and in its list."""
    content, _ = world.draft("a", route, f"hostile {name}")
    content |= dict.fromkeys(text_fields(route), text)
    answer = world.send(_post(route, world.person("a.owner"), content, f" with {name}"))
    yield _harmless(f"{name} into {route.name}", answer)
    made = next(objects(answer.data), None) if answer.is_success else None
    if made is None:
        if answer.status not in UNWELL and name in STORED:
            yield untried(
                f"{name} in {route.name}", f"it was refused with {answer.status} {answer.code}".rstrip(), is_optional=True
            )
        return
    with world.temporary(world.remember("a", route, str(made["id"]), None)) as plant:
        for seen in (world.get("a.owner", plant.path), world.get("a.owner", route.path + PAGE)):
            problem = _differs(seen, plant, route, text) if name in STORED else ""
            yield _harmless(f"{name} from {seen.call.path}", seen, problem)


def _post(route: Route, who: Person, content: object, shown: str) -> Call:
    """Return a request whose body is ASCII: half a character can be sent as an escape only."""
    body = json.dumps(content).encode("ascii")
    return Call(
        "POST", route.path, who, headers={"Content-Type": "application/json"}, content=body, shown=shown, may_be_busy=True
    )


def _differs(seen: Exchange, plant: Plant, route: Route, text: str) -> str:
    """Return which fields are not what was sent, "" where all are or the answer does not show the row."""
    row = next((one for one in objects(seen.data) if str(one["id"]) == plant.id), {})
    fields = [field for field in text_fields(route) if field in row and row[field] != text]
    return f"{', '.join(fields)} came back as something else than was sent" if fields else ""


def _reflected(world: World, name: str, text: str) -> Probes:
    """Send the text as a parameter of lists, as an id and as an unknown path."""
    route, sent = world.planting_route(), quote(text, safe="")
    item = world.item_of(route)
    paths = [f"{route.path}?q={sent}&search={sent}&sort={sent}&callback={sent}", f"/{sent}", f"{route.path}-{sent}"]
    if item is not None:
        paths.append(item.path.format(id=sent))
    for path in paths:
        for who in ("a.owner", "") if path.startswith("/%") else ("a.owner",):
            call = Call("GET", path, world.person(who) if who else None, may_be_busy=True)
            yield _harmless(f"{name} in GET {path[:40]} as {who or 'nobody'}", world.send(call))


def _harmless(name: str, answer: Exchange, problem: str = "") -> Probe:
    if answer.status in UNWELL:
        return untried(name, f"it was answered {answer.status}: the service could not answer then")
    return answer.probe(name, NO_ERROR, problem=problem or _danger(answer), needs="a.owner reads own rows")


def _danger(answer: Exchange) -> str:
    """Return what an answer does with a text beyond showing it, "" for nothing."""
    headers, body = answer.response.headers, answer.response.body.decode("utf-8", "replace")
    if MARK in headers:
        return "a line end in the text made a header"
    if PRODUCT in body or any(PRODUCT in value for value in headers.values()):
        return "an expression in the text was evaluated"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if MARKUP not in body or kind.endswith(_JSON) or kind in _NOT_SNIFFED:
        return ""
    if kind == "text/plain" and headers.get("x-content-type-options", "").strip().lower() == "nosniff":
        return ""
    return f"markup stands unescaped in an answer of type {kind or 'unknown'!r}, which a browser may run"
