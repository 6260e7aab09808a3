"""SEC-007 and 008: nobody gets a higher role by asking for it, in whatever place it can be asked."""

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, objects
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS, Expectation, Probes, answers, noted
from capliquify_ops.isolation.routes import own_roles, reads_own, user_row_id
from capliquify_ops.isolation.standing import admin_elsewhere, demoted_admin, demoted_owner
from capliquify_ops.isolation.world_model import World

ROLE_HEADERS = ("X-Role", "X-User-Role", "X-Clerk-Role", "X-Organization-Role", "X-Admin", "X-Forwarded-Role")
NOT_OPEN = Expectation("a refusal (401, 403, 404)", frozenset({401, 403, 404}))


def member_to_admin(world: World) -> Probes:
    """SEC-007: a member cannot become an admin: by a change, a field or a header, having been one, or being one elsewhere."""
    yield from _escalation(world, "a.member", "admin", ("a.member", "a.viewer"))
    yield from _refused_change(world, "a.member", "a.member", "owner")
    yield from _still_refused(world, "a.member", "users")
    yield from demoted_admin(world)
    yield from admin_elsewhere(world)


def admin_to_owner(world: World) -> Probes:
    """SEC-008: an admin cannot make or unmake an owner, stay one after a demotion, nor reach the platform's routes."""
    yield from _escalation(world, "a.admin", "owner", ("a.admin", "a.member"))
    yield from _refused_change(world, "a.admin", "a.coowner", "member")
    yield from demoted_owner(world)
    yield from _platform(world)


def _escalation(world: World, who: str, wanted: str, targets: tuple[str, ...]) -> Probes:
    yield reads_own(world, who)
    before = own_roles(world, "a.owner", targets)
    lost = [name for name in targets if name not in before]
    yield noted("a.owner sees the roles", f"the list of users lacks {lost[0]}" if lost else "", is_control=True)
    for target in targets:
        yield from _refused_change(world, who, target, wanted)
    yield from _mass_assignment(world, who, wanted)
    yield from _headers(world, who, wanted)
    after = own_roles(world, "a.owner", targets)
    raised = [f"{name} is now {after.get(name)!r}" for name in targets if after.get(name) != before.get(name)]
    yield noted("the roles afterwards", "; ".join(raised), needs="a.owner sees the roles", is_change=True)
    _restore(world, targets)


def _refused_change(world: World, who: str, target: str, role: str) -> Probes:
    before = own_roles(world, "a.owner", (target,)).get(target)
    path = world.route("user").path.format(id=user_row_id(world, "a.owner", target))
    answer = world.send(Call("PATCH", path, world.person(who), json={"role": role}, shown=f" with role {role!r}"))
    yield answer.probe(f"{who} makes {target} {role}", answers(world.profile, "role_too_low"), needs=f"{who} reads own rows")
    now = own_roles(world, "a.owner", (target,)).get(target)
    yield noted(
        f"the role of {target}", "" if now == before else f"it is now {now!r}", request=answer.call.line(), is_change=True
    )
    _restore(world, (target,))


def _mass_assignment(world: World, who: str, wanted: str) -> Probes:
    """The role as one more field of bodies that the person may send, and of the own profile."""
    needs, person = f"{who} reads own rows", world.person(who)
    claims = {"role": wanted, "roles": [wanted], "is_admin": True, "user": {"role": wanted}, "permissions": ["*"]}
    route = world.planting_route()
    for name, value in claims.items():
        content, canary = world.draft("a", route, f"with {name}")
        answer = world.send(Call("POST", route.path, person, json=content | {name: value}, shown=f" with the field {name!r}"))
        yield answer.probe(f"{who} sends {name!r} in a new row", OWN_OR_REFUSED, needs=needs)
        made = next(objects(answer.data), None) if answer.is_success else None
        if made is not None:
            world.uproot([world.remember("a", route, str(made["id"]), canary)])
    for method in ("PUT", "PATCH", "POST"):
        answer = world.send(
            Call(method, world.route("own_profile").path, person, json={"role": wanted}, shown=f" with role {wanted!r}")
        )
        yield answer.probe(f"{who} {method} on the own profile", OWN_OR_REFUSED, needs=needs)


def _headers(world: World, who: str, wanted: str) -> Probes:
    """The role in a header, on a route that it would open."""
    route, body = ("users", None) if wanted == "admin" else ("user", {"role": "owner"})
    path = world.route(route).path.format(id=user_row_id(world, "a.owner", who))
    for header in ROLE_HEADERS:
        asked = Call(
            "PATCH" if body else "GET",
            path,
            world.person(who),
            headers={header: wanted},
            json=body,
            shown=f" with {header}: {wanted}",
        )
        yield world.send(asked).probe(
            f"{header}: {wanted}", answers(world.profile, "role_too_low"), needs=f"{who} reads own rows"
        )


def _still_refused(world: World, who: str, route: str) -> Probes:
    path = world.route(route).path
    yield (control := world.get("a.admin", path).probe(f"a.admin reads {path}", SUCCESS, is_control=True))
    yield world.get(who, path).probe(f"{who} reads {path} afterwards", answers(world.profile, "role_too_low"), needs=control.name)


def _platform(world: World) -> Probes:
    """An owner or admin of a tenant is nobody on the platform."""
    slug = f"audit-{world.run}-platform"
    content = {"slug": slug, "name": slug, "clerk_organization_id": f"org_{world.run}_platform", "subscription_tier": "starter"}
    for route, method in _platform_routes(world):
        path = route.path.replace("{id}", world.tenants["s"].id if "s" in world.tenants else slug)
        for who in ("a.admin", "a.owner"):
            for organization in (world.tenant("a").organization_id, None):
                answer = world.send(Call(method, path, world.person(who), organization=organization, json=content))
                yield answer.probe(f"{who} on {method} {route.path}", NOT_OPEN, needs="a.admin reads own rows")


def _platform_routes(world: World) -> list[tuple[Route, str]]:
    return [(route, method) for route in world.profile.routes.values() if route.kind == "platform" for method in route.methods]


def _restore(world: World, names: tuple[str, ...]) -> None:
    """Undo what succeeded: later checks of the same run need the roles as they were."""
    now = own_roles(world, "a.owner", names)
    for name in names:
        if now.get(name) not in {None, world.person(name).role}:
            path = world.route("user").path.format(id=user_row_id(world, "a.owner", name))
            world.send(Call("PATCH", path, world.person("a.owner"), json={"role": world.person(name).role}))
