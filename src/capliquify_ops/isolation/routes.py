"""Pieces that several measures share: positive controls, addresses of single rows, who may read what."""

import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Exchange, leaves, objects
from capliquify_ops.isolation.paging import ROWS, SHORTEST_PAGE, is_further_page, must_show, pages
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS, CannotTell, Expectation, Probe
from capliquify_ops.isolation.world_model import Plant, World

PAGE = f"?limit={ROWS}"
"""The first page of a list."""
OTHER = {"a": "b", "b": "a"}
BASIC_FEATURE = "basic_forecasting"
"""The feature that every tier has."""
NO_DOCUMENT = "the answer is neither JSON nor XML nor CSV"
GONE = Expectation("a row that is not there (403, 404, 410)", frozenset({403, 404, 410}))
PREMIUM = frozenset({"", BASIC_FEATURE, "ai_forecasting", "what_if_analysis"})
"""Features of tenants a, b and x (professional at least): elsewhere the tier refuses first, and nothing else is tested."""
MOVES_S = 1.1
"""After this long a member that tells the time to the second has changed."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
NOT_WRITES = frozenset({"sign_out", "own_profile", "invitation_acceptance"})
"""Surfaces that change what is one's own, whatever the role: nothing of the tenant's data."""


def planted_list(world: World, who: str) -> Exchange:
    """Read the collection that holds the plants, as somebody: the page that shows some of the own tenant's, if one does."""
    route = world.planting_route()
    first = world.get(who, route.path + PAGE)
    wanted = {label for plant in world.planted(world.person(who).tenant, route.name) for label in plant.labels}
    if not first.is_success or not wanted or wanted & first.own:
        return first
    with suppress(CannotTell):
        return next((page for page in pages(world, who, route.path) if wanted & page.own), first)
    return first


def reads_own(world: World, who: str) -> Probe:
    """Return the positive control of most negative probes: this person sees the own tenant's planted rows."""
    answer = planted_list(world, who)
    return answer.probe(f"{who} reads own rows", SUCCESS, problem=lacks_own(world, who, answer), is_control=True)


def own_page(world: World, who: str) -> str:
    """Return the path of the page that shows rows of the audit as somebody's list of the planted collection.

    The first one, unless the tenant was there before and has more rows than that.
    """
    return world.planting_route().path + PAGE if world.is_throwaway else planted_list(world, who).call.path


def lacks_own(world: World, who: str, answer: Exchange) -> str:
    """Return what is wrong with a list that should show the tenant's plants, "" when they are there, or on another page."""
    if answer.status not in SUCCESS.statuses:
        return ""
    if not answer.is_success:
        return NO_DOCUMENT
    key = world.person(who).tenant
    plants = world.planted(key, world.planting_route().name)
    absent = [plant for plant in plants if not plant.labels & answer.own]
    shown = sum(1 for _ in objects(answer.data))
    if plants and len(absent) == len(plants):
        if not world.is_throwaway and shown >= SHORTEST_PAGE and not _shows_any(plants, world.get(who, answer.call.path)):
            return ""
        return "none of the tenant's own planted rows is in the answer"
    if absent and shown < len(plants) and not is_further_page(answer.call.path):
        return f"{len(absent)} of the tenant's own {len(plants)} planted rows are not in the answer"
    return ""


def _shows_any(plants: Sequence[Plant], answer: Exchange) -> bool:
    return any(plant.labels & answer.own for plant in plants)


def reads_item(world: World, plant: Plant) -> Probe:
    """Return the positive control for one row: its owner reads it by its id."""
    answer = world.get(f"{plant.tenant}.owner", plant.path)
    problem = "" if plant.labels & answer.own or not answer.is_success else "the answer does not hold the row's own content"
    if answer.status in SUCCESS.statuses and not answer.is_success:
        problem = NO_DOCUMENT
    return answer.probe(f"{plant.tenant}.owner reads {plant.route} {plant.id[-6:]}", SUCCESS, problem=problem, is_control=True)


def shown(world: World, who: str, path: str) -> Exchange:
    """Read what a probe may have left behind, as somebody who may. Raises CannotTell when the service does not show it."""
    return must_show(world.get(who, path))


def row_of(world: World, plant: Plant) -> object:
    """Return a planted row as its owner sees it, None when it is gone. Raises CannotTell when neither is said."""
    answer = world.get(f"{plant.tenant}.owner", plant.path)
    if answer.status in GONE.statuses:
        return None
    if not answer.is_success:
        raise CannotTell(f"{answer.call.line()} was answered {answer.status}, which says neither that the row is there nor not.")
    return answer.data


def is_as_it_was(world: World, plant: Plant, before: object) -> bool:
    """Whether a planted row is what `row_of` returned before. Raises CannotTell like that.

    Members that go on changing while nobody writes (the time or id of an answer, a signed address) are left out.
    """
    after = row_of(world, plant)
    if after == before or before is None or after is None:
        return after == before
    world.caller.pause(MOVES_S)
    was, now, later = (dict(leaves(one)) for one in (before, after, row_of(world, plant)))
    moving = {path for path in now.keys() & later.keys() if now[path] != later[path]}
    return all(was.get(path) == now.get(path) for path in (was.keys() | now.keys()) - moving)


def unknown_like(row_id: str, noise: bytes) -> str:
    """Return an id of the same shape that no row has, from 16 random bytes."""
    if row_id.isdigit():
        return str(int(row_id) + 900_000_000)
    try:
        uuid.UUID(row_id)
    except ValueError:
        return f"{row_id[:-8]}{noise.hex()[:8]}" if len(row_id) > len("12345678") else noise.hex()[: len(row_id)]
    return str(uuid.UUID(bytes=noise, version=4))


def if_unknown_succeeds(world: World, answer: Exchange, row_id: str, expected: Expectation) -> Expectation:
    """Return what another tenant's row may be answered with.

    Where an id that nobody has is answered with the same success (a deletion that may be repeated, an empty answer), a success
    says nothing, and only what it holds or changed counts. Not for PUT, which may make a row under an unknown id.
    """
    if answer.status not in SUCCESS.statuses or answer.call.method == "PUT":
        return expected
    path = answer.call.path.replace(row_id, unknown_like(row_id, world.random(16)))
    unknown = world.send(dataclasses.replace(answer.call, path=path))
    return OWN_OR_REFUSED if unknown.status == answer.status and not unknown.foreign else expected


def has_feature(world: World, key: str, route: Route) -> bool:
    """Whether a route is open to a tenant's tier: by the feature's name, or because a row of the tenant was made through it."""
    return route.feature in PREMIUM or bool(world.planted(key, route.name))


NO_HEADER = "the profile names nothing that chooses the organisation (http.organization_header, tenant_host, tenant_path)"


def has_header(world: World) -> bool:
    """Whether requests choose the organisation, by header, host or path: where the token alone does, none other can be asked."""
    return any((world.profile.organization_header, world.profile.tenant_host, world.profile.tenant_path))


def listing(world: World, who: str, route: Route) -> Iterator[Exchange]:
    """Yield the answer of one list, and of the same list sorted, searched and paged differently."""
    path = route.path
    for query in (
        "",
        PAGE,
        "?limit=1&offset=1",
        "?q=canary&search=canary&filter=canary",
        "?all=true&include=all&sort=-created_at",
    ):
        yield world.get(who, path + query)


def has_row_with(world: World, who: str, text: str) -> bool:
    """Whether the planted collection, as somebody sees it, holds a text on any of its pages. Raises CannotTell as `pages`."""
    return any(text.encode() in page.response.body for page in pages(world, who, world.planting_route().path))


def own_roles(world: World, who: str, names: Sequence[str]) -> dict[str, object]:
    """Return the roles of people as an owner's or admin's list of users shows them, by person; missing ones are left out."""
    named = {world.person(name).email: name for name in names}
    found: dict[str, object] = {}
    for page in pages(world, who, world.route("users").path):
        for row in objects(page.data):
            found |= {named[email]: row.get("role") for email in named.keys() & set(map(str, row.values()))}
        if len(found) == len(named):
            break
    return found


def user_row_id(world: World, who: str, name: str) -> str:
    """Return the id of somebody's row in the list of users as `who` sees it, "" when it is not there."""
    email = world.person(name).email
    listed = pages(world, who, world.route("users").path)
    return next((str(row["id"]) for page in listed for row in objects(page.data) if email in row.values()), "")
