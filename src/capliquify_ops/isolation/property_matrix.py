"""Part of K2: fields that would raise or move somebody, added to every write, then looked for as both owners."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, leaves
from capliquify_ops.isolation.made_objects import MAKING
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, Probe, Probes, noted, untried
from capliquify_ops.isolation.ranks import Ranks, put_back, ranks, why_not_stored
from capliquify_ops.isolation.refused_writes import clean
from capliquify_ops.isolation.routes import OTHER, PAGE, has_feature, user_row_id
from capliquify_ops.isolation.world_model import World

CHANGES = ("PATCH", "PUT", "POST")
TELLING = ("role", "tenant", "organi", "admin", "owner", "plan", "tier", "permission", "schema")
"""Parts of the names of members of the own profile that say who somebody is."""
CONTROL = "both owners see the roles"


@dataclass(frozen=True, slots=True)
class Write:
    """A write that somebody may do: method, path, valid body, and whose."""

    who: str
    method: str
    path: str
    content: Mapping[str, object]
    route: Route

    def send(self, world: World, extra: Mapping[str, object]) -> Exchange:
        """Send it with further fields."""
        shown = f" with the fields {', '.join(extra)}"
        return world.send(Call(self.method, self.path, world.person(self.who), json={**self.content, **extra}, shown=shown))


def properties(world: World, key: str) -> dict[str, object]:
    """Return the fields by name, with values that name the other tenant or the highest rank."""
    other = world.tenant(OTHER[key])
    return {
        "role": "owner", "roles": ["owner"], "is_admin": True, "is_owner": True, "permissions": ["*"], "tenant_id": other.id,
        "tenantId": other.id, "organization_id": other.organization_id, "tenant": other.slug, "schema_name": other.schema_name,
        "owner_id": world.person(f"{OTHER[key]}.owner").user_id, "plan": "enterprise", "subscription_tier": "enterprise",
        "created_at": "2001-01-01T00:00:00Z",
    }  # fmt: skip


def nested(extra: Mapping[str, object]) -> dict[str, object]:
    """Return the same fields inside the members that frameworks unpack."""
    return {name: dict(extra) for name in ("user", "data", "attributes", "membership", "metadata")}


def extra_fields(world: World) -> Probes:
    """Every write with more fields than it has: nobody's rank or tenant is another afterwards, nor what the own profile says."""
    if world.profile.route("users") is None:
        yield untried("the roles of both tenants", "the profile has no [routes.users] that shows them")
        return
    before = ranks(world)
    absent = [key for key in OTHER if ("listed", key, world.person(f"{key}.member").user_id) not in before.roles]
    if why := why_not_stored(world):
        yield untried("the roles as the table holds them", why, is_optional=True)
    yield noted(CONTROL, f"{absent[0]}.owner does not see {absent[0]}.member" if absent else "", is_control=True)
    for key in OTHER:
        for write in _about_people(world, key):
            yield from _person(world, key, write, before)
        for write in _rows(world, key):
            yield from _row(world, key, write)
    yield _unmoved(world, before, "all writes with further fields")


def _about_people(world: World, key: str) -> Iterator[Write]:
    """Yield writes on the own profile as a member, and on a member as somebody who may change roles."""
    for route in world.profile.surface("own_profile"):
        content, _ = world.draft(key, route, "own profile")
        for method in [one for one in CHANGES if one in route.methods]:
            yield Write(f"{key}.member", method, route.path, content, route)
    for route in world.profile.surface("user"):
        row_id = user_row_id(world, f"{key}.owner", f"{key}.member")
        for method in [one for one in CHANGES if one in route.methods and row_id]:
            yield Write(f"{key}.owner", method, route.path.format(id=row_id), {"role": "member"}, route)


def _person(world: World, key: str, write: Write, before: Ranks) -> Probes:
    """All fields together, then, where that is refused, one after another; looked up each time something was accepted."""
    said = _profile(world, f"{key}.member")
    kept = {name: value for name, value in properties(world, key).items() if name not in write.content}
    for extra in (kept, nested(kept)):
        together = write.send(world, extra)
        yield together.probe(f"{write.who} {write.method} {write.route.path}{together.call.shown}", OWN_OR_REFUSED, needs=CONTROL)
        accepted = [together] if together.is_success else []
        for name, value in kept.items() if not accepted and extra is kept else ():
            alone = write.send(world, {name: value})
            yield alone.probe(f"{write.who} {write.method} {write.route.path} with {name}", OWN_OR_REFUSED, needs=CONTROL)
            if alone.is_success:
                yield from _after(world, f"{key}.member", before, said, alone)
        for answer in accepted:
            yield from _after(world, f"{key}.member", before, said, answer)


def _after(world: World, who: str, before: Ranks, said: Mapping[str, object], answer: Exchange) -> Probes:
    """Look up ranks as both owners, and what the own profile says; then undo."""
    probe = _unmoved(world, before, answer.call.line())
    now = _profile(world, who)
    told = sorted(path for path in said if now.get(path) != said[path])
    problem = f"the profile of {who} now says {told[0]} = {now.get(told[0])!r}" if told else ""
    yield probe
    yield noted(f"the profile of {who} after {answer.call.line()}", problem, needs=CONTROL, is_change=True)
    if probe.problem or problem:
        put_back(world, before)


def _unmoved(world: World, before: Ranks, request: str) -> Probe:
    problem = before.difference(ranks(world))
    return noted(f"the roles of both tenants after {request}", problem, request=request, needs=CONTROL, is_change=True)


def _profile(world: World, who: str) -> dict[str, object]:
    """Return what the own profile says about rank and tenant."""
    found: dict[str, object] = {}
    for route in [one for one in world.profile.surface("own_profile") if "GET" in one.methods]:
        answer = world.get(who, route.path)
        found |= {path: value for path, value in leaves(answer.data) if any(part in path.lower() for part in TELLING)}
    return found


def _rows(world: World, key: str) -> Iterator[Write]:
    for route in world.routes("POST"):
        if route.fields and route.surface in MAKING and has_feature(world, key, route):
            yield Write(f"{key}.owner", "POST", route.path, {}, route)


def _row(world: World, key: str, write: Write) -> Probes:
    """A new row with these fields: it does not stand in the other tenant, nor under another row's id."""
    extra = properties(world, key)
    for more in (extra, *({name: extra[name]} for name in ("tenant_id", "organization_id")), nested(extra)):
        content, canary = world.draft(key, write.route, "further fields")
        world.caller.canaries.append(canary)
        new = {name: value for name, value in more.items() if name not in write.route.fields}
        if not new:
            continue
        answer = Write(write.who, "POST", write.path, content, write.route).send(world, new)
        name = f"{write.who} POST {write.path}{answer.call.shown}"
        yield answer.probe(name, OWN_OR_REFUSED, needs=f"{write.who} reads own rows")
        if answer.is_success:
            if "GET" in write.route.methods:
                seen = world.get(f"{OTHER[key]}.owner", write.path + PAGE)
                yield seen.probe(f"{OTHER[key]}.owner reads {write.path} after {answer.call.line()}", OWN_OR_REFUSED)
            clean(world, key, write.route, answer)
            if more is extra:
                return
