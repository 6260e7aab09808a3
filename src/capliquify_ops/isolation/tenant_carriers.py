"""Part of K2: the other tenant in everything that could carry one, beside the own token, on every kind of surface."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, urlencode, urlsplit

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.foreign_totals import foreign_total
from capliquify_ops.isolation.made_objects import id_routes, thing_of
from capliquify_ops.isolation.object_matrix_lists import ANSWERED, NOT_LISTS
from capliquify_ops.isolation.probe import CannotTell, Probe, Probes, untried
from capliquify_ops.isolation.refused_writes import clean
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.selectors import CARRIERS, PARAMETERS
from capliquify_ops.isolation.world_model import AuditTenant, World

HEADERS = (
    *CARRIERS, "X-Organisation-ID", "X-Org", "X-Org-Slug", "X-Tenant-Schema", "X-Account-ID", "X-Workspace-ID", "X-Company-ID",
    "X-Customer-ID", "Tenant-ID", "Tenant", "Organization", "X-Host", "X-Original-Host", "X-Clerk-Org-ID",
    "X-Selected-Organization",
)  # fmt: skip
COOKIES = (*PARAMETERS, "organization", "active_org", "current_tenant", "__clerk_active_org")
PREFIXES = ("/{value}", "/t/{value}", "/tenants/{value}", "/organizations/{value}")
KINDS = ("organisation", "id", "slug", "schema")
"""What may name a tenant; the first two are tried on every list, all of them on one list of each kind."""
BOTH_AT_ONCE = frozenset({"collection", "item", "users", "lookup"})
"""Surfaces on which both organisations are sent at once."""
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Carried:
    """Where the other tenant stands in one request: headers and query; `name` says it to people."""

    name: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)
    query: str = ""


def values(tenant: AuditTenant) -> dict[str, str]:
    """Return what may name a tenant, by what it is."""
    found = {"organisation": tenant.organization_id, "id": tenant.id, "slug": tenant.slug, "schema": tenant.schema_name}
    return {what: value for what, value in found.items() if value}


def everywhere(what: str, value: str) -> Carried:
    """Return the tenant in all carriers at once."""
    headers, cookie, query = _parts(value)
    return Carried(f"the other {what} in every carrier", headers | cookie, query)


def one_by_one(what: str, value: str) -> Iterator[Carried]:
    """Yield the tenant in one kind of carrier after another: what is refused for one of them may be believed for the rest."""
    headers, cookie, query = _parts(value)
    yield Carried(f"the other {what} in a cookie", cookie)
    yield Carried(f"the other {what} in the query", query=query)
    for header in headers:
        yield Carried(f"the other {what} in {header}", {header: value})


def _parts(value: str) -> tuple[dict[str, str], dict[str, str], str]:
    cookie = "; ".join(f"{name}={quote(value)}" for name in COOKIES)
    return dict.fromkeys(HEADERS, value), {"Cookie": cookie}, urlencode(dict.fromkeys(PARAMETERS, value))


def carriers(world: World) -> Probes:
    """Each list and each object of the other tenant, with that tenant in every carrier; one write; in both directions."""
    for key in OTHER:
        yield from _paths_and_hosts(world, key)
        yield from _writes(world, key)
    kinds = _kinds_of_lists(world)
    for route in [one for one in world.lists() if one.surface not in NOT_LISTS]:
        for key in OTHER:
            yield from _asked(world, key, route.path, KINDS if route in kinds else KINDS[:2])
            yield from _twice(world, key, route) if route in kinds else ()
            yield _other_header(world, key, route.path)
            yield from _contradicting(world, key, route.path)
    for route in [one for one in id_routes(world) if "GET" in one.methods]:
        for key in OTHER:
            try:
                path = thing_of(world, OTHER[key], route).path
            except CannotTell as error:
                yield untried(f"{route.path} of {OTHER[key]}", str(error))
                continue
            yield from _asked(world, key, path, KINDS)
            yield from _twice(world, key, dataclasses.replace(route, path=path))
            yield _other_header(world, key, path)
            yield from _contradicting(world, key, path)


def _kinds_of_lists(world: World) -> list[Route]:
    """Return one list of each surface, and every report."""
    found: dict[str, Route] = {}
    for route in world.lists():
        if route.surface not in NOT_LISTS:
            found.setdefault(route.name if route.surface in {"report", "other"} else route.surface, route)
    return list(found.values())


def _asked(world: World, key: str, path: str, kinds: Sequence[str]) -> Probes:
    """All carriers at once; one kind after another where that was refused, or to name the one that was believed."""
    for what, value in values(world.tenant(OTHER[key])).items():
        if what not in kinds:
            continue
        together = _ask(world, key, path, everywhere(what, value))
        yield _probe(key, together, f"{key}.owner on {path} with the other {what} in every carrier")
        if together.foreign or (not together.is_success and world.get(f"{key}.owner", path).is_success):
            for carried in one_by_one(what, value):
                yield _probe(key, _ask(world, key, path, carried), f"{key}.owner on {path} with {carried.name}")


def _ask(world: World, key: str, path: str, carried: Carried) -> Exchange:
    query = f"{'&' if '?' in path else '?'}{carried.query}" if carried.query else ""
    shown = f" with {carried.name}"
    return world.send(Call("GET", path + query, world.person(f"{key}.owner"), headers=carried.headers, shown=shown))


def _probe(key: str, answer: Exchange, name: str) -> Probe:
    problem = foreign_total(key, answer.data)
    return answer.probe(name, ANSWERED, needs=f"{key}.owner reads own rows", problem=problem)


def _other_header(world: World, key: str, path: str) -> Probe:
    call = Call("GET", path, world.person(f"{key}.owner"), organization=world.tenant(OTHER[key]).organization_id)
    return _probe(key, world.send(call), f"{key}.owner on {path} in the other organisation")


def _contradicting(world: World, key: str, path: str) -> Probes:
    """The own tenant in one place that chooses and the other one in another, where there are several."""
    own, other = world.tenant(key).organization_id, world.tenant(OTHER[key]).organization_id
    for what, organization, headers in world.caller.addressing.contradictions(own, other):
        call = Call("GET", path, world.person(f"{key}.owner"), organization=organization, headers=headers, shown=f" with {what}")
        yield _probe(key, world.send(call), f"{key}.owner on {path} with {what}")


def _twice(world: World, key: str, route: Route) -> Probes:
    """Both organisations in two headers, whose names differ in case, in either order."""
    own, other = world.tenant(key).organization_id, world.tenant(OTHER[key]).organization_id
    header, who = world.profile.organization_header, world.person(f"{key}.owner")
    path = route.path
    if not header or route.surface not in BOTH_AT_ONCE:
        return
    for name, first, second in (("own, then other", own, other), ("other, then own", other, own)):
        twice = {header.lower(): first, header.upper(): second}
        answer = world.send(Call("GET", path, who, organization=None, headers=twice, shown=f" with the header twice: {name}"))
        yield _probe(key, answer, f"{key}.owner on {path} with the header twice, {name}")


def _paths_and_hosts(world: World, key: str) -> Probes:
    """The other tenant before the path and in the name of the host, on one list."""
    path, host = world.planting_route().path, urlsplit(world.target.base_url or "").netloc
    other = world.tenant(OTHER[key])
    for value in (other.slug, other.organization_id):
        for prefix in PREFIXES:
            answer = world.send(Call("GET", prefix.format(value=quote(value)) + path, world.person(f"{key}.owner")))
            yield _probe(key, answer, f"{key}.owner below {prefix.format(value='the other')}")
        for header in ("Host", "X-Forwarded-Host"):
            name = f"{quote(value)}.{host}"
            call = Call("GET", path, world.person(f"{key}.owner"), headers={header: name}, shown=f" with {header}: {name}")
            yield _probe(key, world.send(call), f"{key}.owner with the other tenant in {header}")
    for headers in world.caller.addressing.imitations(path, other.organization_id):
        shown = " with the other tenant's address in " + ", ".join(headers)
        answer = world.send(Call("GET", path, world.person(f"{key}.owner"), headers=headers, shown=shown))
        yield _probe(key, answer, f"{key}.owner{shown}")


def _writes(world: World, key: str) -> Probes:
    """A row made with the other tenant in the organisation header, and in all else: it does not stand there."""
    route, who = world.planting_route(), world.person(f"{key}.owner")
    other = world.tenant(OTHER[key])
    tried = [(Carried("the other organisation in the header"), other.organization_id)]
    tried += [(everywhere(what, value), who.organization_id) for what, value in values(other).items()]
    addressed = world.caller.addressing.contradictions(who.organization_id, other.organization_id)
    tried += [(Carried(what, headers), organization) for what, organization, headers in addressed]
    for carried, organization in tried:
        content, canary = world.draft(key, route, "carried")
        world.caller.canaries.append(canary)
        path = f"{route.path}?{carried.query}" if carried.query else route.path
        shown = f" with {carried.name}"
        call = Call("POST", path, who, json=content, organization=organization, headers=carried.headers, shown=shown)
        answer = world.send(call)
        yield _probe(key, answer, f"{key}.owner makes a row with {carried.name}")
        if next(objects(answer.data), None) is not None and answer.is_success:
            seen = world.get(f"{OTHER[key]}.owner", route.path + PAGE)
            yield seen.probe(
                f"{OTHER[key]}.owner reads rows after {call.line()}", ANSWERED, needs=f"{OTHER[key]}.owner reads own rows"
            )
            clean(world, key, route, answer)
