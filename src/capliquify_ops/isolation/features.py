"""Scenarios and SEC-010: what a tier includes, and that nothing else opens the rest."""

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, leaves
from capliquify_ops.isolation.probe import NO_SUCCESS, SUCCESS, CannotTell, Probe, Probes, answers
from capliquify_ops.isolation.refused_writes import clean
from capliquify_ops.isolation.routes import BASIC_FEATURE, PREMIUM, WRITES, reads_own
from capliquify_ops.isolation.world_model import World

CLAIMS = ("X-Tier", "X-Subscription-Tier", "X-Plan", "X-Features", "X-Feature-Flags")


def professional_may(world: World) -> Probes:
    """INT-10: every member of a professional tenant reads AI forecasts."""
    path = world.route("ai_forecasts").path
    for who in ("a.viewer", "a.member", "a.owner"):
        yield reads_own(world, who)
        yield _used(world.get(who, path), f"{who} reads AI forecasts", is_control=False)


def starter_may_not_forecast(world: World) -> Probes:
    """INT-11: a starter tenant is refused AI forecasts with a way to upgrade."""
    yield from _refused(world, world.route("ai_forecasts"), "a.owner")


def starter_may_not_report(world: World) -> Probes:
    """INT-12: a starter tenant is refused advanced reports with a way to upgrade."""
    yield from _refused(world, world.route("advanced_reports"), "b.owner")


def starter_premium(world: World) -> Probes:
    """SEC-010: a starter tenant is refused every premium feature by every method, whatever headers, parameters or path claim."""
    found, made = premium_routes(world), _premium_writes(world)
    if not found and not made:
        raise CannotTell(f"The profile {world.profile.name!r} names no route with a premium feature.")
    for route in made:
        yield reads_own(world, "b.owner")
        yield from _refused_writes(world, route, "b.owner")
    for route in found:
        yield from _refused(world, route, "b.owner")
        yield from _claimed(world, route)
        if route.feature not in PREMIUM:
            name = f"a.owner, a tier below, reads {route.path}"
            yield refused_feature(world, route, name, f"b.owner reads {route.path}", "a.owner")


def _refused_writes(world: World, route: Route, entitled_person: str) -> Probes:
    """Valid writes: with a body that the route would refuse anyway, a missing check does not show."""
    key = entitled_person.partition(".")[0]
    for method in [one for one in WRITES if one in route.methods and route.fields]:
        content, _ = world.draft(key, route, "entitled")
        proper = world.send(Call(method, route.path, world.person(entitled_person), json=content))
        yield (control := _used(proper, f"{entitled_person} {method} {route.path}", is_control=True))
        clean(world, key, route, proper)
        content, _ = world.draft("s", route, "not entitled")
        answer = world.send(Call(method, route.path, world.person("s.owner"), json=content, shown=" with a valid body"))
        expected = answers(world.profile, "feature_missing")
        problem = _no_upgrade(world, answer)
        yield answer.probe(f"s.owner {method} {route.path}", expected, problem=problem, needs=control.name)


def premium_routes(world: World) -> list[Route]:
    """Return the readable routes that need more than the feature of every tier."""
    return [route for route in world.lists() if route.feature not in {"", BASIC_FEATURE}]


def _premium_writes(world: World) -> list[Route]:
    """Return the routes that need such a feature and are not read."""
    made = [one for one in world.routes("POST") if one.fields and "GET" not in one.methods]
    return [one for one in made if one.feature not in {"", BASIC_FEATURE}]


def refused_feature(world: World, route: Route, name: str, needs: str, who: str = "s.owner") -> Probe:
    """Return the probe of somebody, usually the starter tenant's owner, on a route that the tier does not include."""
    answer = world.get(who, route.path)
    return answer.probe(name, answers(world.profile, "feature_missing"), problem=_no_upgrade(world, answer), needs=needs)


def entitled(world: World, route: Route, who: str) -> Probe:
    """Return the positive control: a tenant whose tier has the feature uses it."""
    return _used(world.get(who, route.path), f"{who} reads {route.path}", is_control=True)


def _refused(world: World, route: Route, entitled_person: str) -> Probes:
    yield reads_own(world, entitled_person)
    yield (control := entitled(world, route, entitled_person))
    basic = next(one for one in world.lists() if one.feature in {"", BASIC_FEATURE})
    yield _used(world.get("s.owner", basic.path), f"s.owner reads {basic.path}", is_control=True)
    yield refused_feature(world, route, f"s.owner reads {route.path}", control.name)
    yield from _refused_writes(world, route, entitled_person)


def _used(answer: Exchange, name: str, *, is_control: bool) -> Probe:
    problem = "the answer is not JSON" if answer.status in SUCCESS.statuses and not answer.is_success else ""
    return answer.probe(name, SUCCESS, problem=problem, is_control=is_control)


def _no_upgrade(world: World, answer: Exchange) -> str:
    """Return what is wrong about a refusal without a way to upgrade; other statuses are judged by themselves."""
    if answer.status not in world.profile.answers["feature_missing"].statuses:
        return ""
    links = [value for path, value in leaves(answer.document) if "upgrade" in path.lower() and isinstance(value, str)]
    return "" if any(links) else "the refusal names no upgrade URL"


def _claimed(world: World, route: Route) -> Probes:
    needs, person = f"b.owner reads {route.path}", world.person("s.owner")
    for header in CLAIMS:
        value = route.feature if "Feature" in header else "enterprise"
        answer = world.send(Call("GET", route.path, person, headers={header: value}, shown=f" with {header}: {value}"))
        yield answer.probe(f"{header}: {value} on {route.path}", answers(world.profile, "feature_missing"), needs=needs)
    answer = world.get("s.owner", f"{route.path}?tier=enterprise&plan=enterprise&features={route.feature}&preview=true")
    yield answer.probe(f"tier as parameter of {route.path}", NO_SUCCESS, needs=needs)
    for path in (
        f"{route.path}/",
        route.path.upper(),
        f"{route.path}%2F",
        f"{route.path}.json",
        f"/{route.path}",
        f"{route.path};a=b",
    ):
        yield world.get("s.owner", path).probe(f"the spelling {path}", NO_SUCCESS, needs=needs)
    answer = world.send(Call("HEAD", route.path, person))
    yield answer.probe(f"HEAD of {route.path}", NO_SUCCESS, needs=needs)
    answer = world.send(Call("POST", route.path, person, json={"tier": "enterprise", "features": [route.feature]}))
    yield answer.probe(f"POST to {route.path}", NO_SUCCESS, needs=needs)
