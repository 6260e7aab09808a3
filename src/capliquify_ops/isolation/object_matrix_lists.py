"""Part of K1: every list, report and search, as everybody of a tenant, in all orders, pages, filters and formats."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.foreign_totals import foreign_total
from capliquify_ops.isolation.object_matrix_ids import ROLES
from capliquify_ops.isolation.probe import NO_SUCCESS, OWN_OR_REFUSED, Expectation, Probes, untried
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.world_model import World

NOT_LISTS = frozenset({"events", "search"})
"""A stream does not end, and a search is asked with words."""
ABSENT = frozenset({404, 405, 501})
ANSWERED = Expectation(OWN_OR_REFUSED.says, OWN_OR_REFUSED.statuses | NO_SUCCESS.statuses)
_NONE: Mapping[str, str] = MappingProxyType({})
FORMATS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("", MappingProxyType({"Accept": "text/csv"})),
    ("", MappingProxyType({"Accept": "application/xml, text/xml;q=0.9"})),
    ("?format=csv", _NONE),
)
SECRET_PART = slice(8, 20)
"""Of another tenant's secret word, what is searched for: enough to find it by, and not the word itself."""


def lists(world: World) -> Probes:
    """Every list and report in turns of A and B: nothing of the other tenant stands in it, nor is a total made of its amounts."""
    for route in world.lists():
        if route.surface in NOT_LISTS:
            continue
        for key in OTHER:
            answer = world.get(f"{key}.owner", route.path)
            if answer.status in ABSENT:
                yield untried(f"{key}.owner lists {route.path}", f"{answer.call.line()} was answered {answer.status}")
                continue
            for one in (answer, *_others(world, key, route), *_variants(world, key, route)):
                yield one.probe(
                    f"{_who(one)} lists {one.call.path}{one.call.shown}",
                    ANSWERED,
                    needs=f"{key}.owner reads own rows",
                    problem=foreign_total(key, one.data),
                )


def _who(answer: Exchange) -> str:
    return answer.call.who.name if answer.call.who else "nobody"


def _others(world: World, key: str, route: Route) -> Iterator[Exchange]:
    """The same list as people with less (a quick audit: with least), and as nobody in the other tenant's name."""
    less = [f"{key}.{role}" for role in ROLES[1:] if f"{key}.{role}" in world.people and f"{key}.{role}" not in world.missing]
    for name in less[-1:] if world.depth == "quick" else less:
        yield world.get(name, route.path)
    yield world.send(Call("GET", route.path, None, organization=world.tenant(OTHER[key]).organization_id))


def _variants(world: World, key: str, route: Route) -> Iterator[Exchange]:
    """The same list in other pages, orders and formats, and filtered by what names the other tenant."""
    other, who = world.tenant(OTHER[key]), world.person(f"{key}.owner")
    for query in (
        PAGE,
        "?limit=100&offset=1&sort=-id&order=desc",
        "?page=2&per_page=2&page_size=2&sort_by=created_at",
        f"?tenant_id={other.id}&organization_id={other.organization_id}&tenant={other.slug}&all=true&include=all",
    ):
        yield world.send(Call("GET", route.path + query, who))
    for query, headers in FORMATS:
        shown = f" with Accept: {headers['Accept']}" if headers else ""
        yield world.send(Call("GET", route.path + query, who, headers=headers, shown=shown))


def searches(world: World) -> Probes:
    """Search for part of the other tenant's words, and for everything: the whole words do not come back."""
    routes = [route for route in world.profile.surface("search") if "GET" in route.methods]
    for route in routes:
        for key in OTHER:
            yield from _search(world, key, route)


def _search(world: World, key: str, route: Route) -> Probes:
    who = f"{key}.owner"
    control = f"{who} finds own words with {route.path}"
    yield from _finds_own(world, key, route, control)
    for name, text in (*_parts(world, OTHER[key]), ("everything", ""), ("a wildcard", "%25"), ("a star", "*"), ("a vowel", "a")):
        answer = world.get(who, f"{route.path}?{route.query}={text}")
        yield answer.probe(f"{who} searches for {name} with {route.path}", ANSWERED, needs=control)


def _finds_own(world: World, key: str, route: Route, control: str) -> Probes:
    for _, text in _parts(world, key):
        answer = world.get(f"{key}.owner", f"{route.path}?{route.query}={text}")
        if answer.is_success and answer.own:
            yield answer.probe(control, OWN_OR_REFUSED, is_control=True)
            return
    yield untried(control, "none of the tenant's own words is found, so that others' are not proves nothing")


def _parts(world: World, key: str) -> list[tuple[str, str]]:
    """Return name and distinctive part of one secret word of each kind of row."""
    labelled = {label: plant.route for plant in world.plants if plant.tenant == key for label in plant.labels}
    found: dict[str, tuple[str, str]] = {}
    for canary in world.caller.canaries:
        kind = labelled.get(canary.label, "" if canary.is_address or canary.tenant != key else canary.label.partition(" ")[0])
        if canary.tenant == key and not canary.is_address and kind:
            found.setdefault(kind, (f"a word of {kind} of {key}", canary.token[SECRET_PART]))
    return list(found.values())
