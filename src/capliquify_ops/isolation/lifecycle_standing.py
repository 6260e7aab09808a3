"""Parts of ISO-06: a suspended tenant is served nothing by any credential, a half-made one nothing of others."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.broken_database import hidden_schema, hidden_table
from capliquify_ops.isolation.changes import set_status
from capliquify_ops.isolation.exchange import USUAL, Call, Exchange, Usual
from capliquify_ops.isolation.made_objects import make
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Expectation, Probes, answers, noted
from capliquify_ops.isolation.routes import BASIC_FEATURE, PAGE
from capliquify_ops.isolation.service_tenants import as_platform, fresh_tenant
from capliquify_ops.isolation.world_model import AuditTenant, World

KEY = "m"
ASKED = 8
"""Times that the main list is asked before and after: each worker of the service has then most likely answered."""
POLL_S = 0.05
NO_ANSWER = Expectation("an error, since the data is not there", frozenset(range(300, 600)))


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to come in as the tenant's owner."""

    name: str
    token: str | Usual | None = USUAL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ask(self, world: World, path: str) -> Exchange:
        """Read a path with it; a service that is short of something may say so."""
        organization = USUAL if self.token is USUAL else None
        shown = f" by {self.name}"
        who = world.person(f"{KEY}.owner")
        return world.send(Call("GET", path, who, self.token, organization, headers=self.headers, shown=shown, may_be_busy=True))


def suspension(world: World) -> Probes:
    """By the platform's route and by the registry's column: what was served a moment ago is refused within the bound."""
    with fresh_tenant(world, KEY) as tenant:
        plant = world.plant(KEY, world.planting_route())
        reads = [plant.path, *(route.path for route in _lists(world))]
        credentials = list(_credentials(world))
        ways: dict[str, Callable[[], bool]] = {
            "in the registry": lambda: _in_registry(world, tenant),
            "by the platform": lambda: _by_platform(world, tenant, "tenant_suspension"),
        }
        for how, close in ways.items():
            yield from _asked(world, credentials, reads, "before", SUCCESS)
            if close():
                _await_refusal(world, credentials)
                yield from _asked(world, credentials, reads, f"suspended {how}", answers(world.profile, "suspended"))
                _reopen(world, tenant)


def _asked(world: World, credentials: list[Credential], reads: list[str], when: str, expected: Expectation) -> Probes:
    for credential in credentials:
        for path in [*reads, *reads[1:2] * ASKED]:
            answer, control = credential.ask(world, path), f"{credential.name} reads {path} before"
            if expected is SUCCESS:
                yield answer.probe(control, SUCCESS, is_control=True)
            else:
                yield answer.probe(f"{credential.name} reads {path} {when}", expected, needs=control)


def _in_registry(world: World, tenant: AuditTenant) -> bool:
    set_status(world.target, tenant.id, "suspended")
    return True


def _credentials(world: World) -> Iterator[Credential]:
    yield Credential("a session")
    for route in world.profile.surface("api_keys"):
        if world.profile.api_key_header:
            try:
                secret = make(world, KEY, route).secret
            except CannotTell:
                return
            yield Credential("an API key", None, {world.profile.api_key_header: secret})


def _by_platform(world: World, tenant: AuditTenant, surface: str) -> bool:
    """Have the service itself suspend or resume; False where it offers no way."""
    routes = world.profile.surface(surface)
    if not routes:
        return False
    try:
        answer = as_platform(world, routes[0].methods[0], routes[0], routes[0].path.format(id=tenant.id), json={})
    except CannotTell:
        return False
    return answer.is_success


def _reopen(world: World, tenant: AuditTenant) -> None:
    set_status(world.target, tenant.id, "active")
    _await(world, lambda: Credential("a session").ask(world, world.planting_route().path).is_success)


def _await_refusal(world: World, credentials: list[Credential]) -> None:
    """A documented delay is no fault: ask until the change holds, or the profile's bound is over."""
    path = world.planting_route().path
    _await(world, lambda: not any(credential.ask(world, path).is_success for credential in credentials))


def _await(world: World, holds: Callable[[], bool]) -> None:
    end = world.clock.monotonic() + world.profile.suspension_bound_s
    while not holds() and world.clock.monotonic() < end:
        world.caller.pause(POLL_S)


def _lists(world: World) -> list[Route]:
    """Return the lists that every tier has, the planted one first; streams and logs are read elsewhere."""
    main = world.planting_route()
    others = [
        route for route in world.lists() if route.feature in {"", BASIC_FEATURE} and route.surface not in {"events", "search"}
    ]
    return [main, *(route for route in others if route.name != main.name)]


def half_made(world: World) -> Probes:
    """A tenant without one of its tables, then without its schema: an error is right, an answer made of something else is not."""
    with fresh_tenant(world, KEY) as tenant:
        route = world.planting_route()
        plant = world.plant(KEY, route)
        paths = (route.path + PAGE, plant.path)
        yield from _read(world, paths, "whole", SUCCESS, is_control=True)
        with hidden_table(world.target, tenant.schema_name, route.table):
            yield from _read(world, paths, f"without {route.table}", NO_ANSWER)
            yield from _others(world, f"without {route.table}")
        with hidden_schema(world.target, tenant.schema_name):
            yield from _read(world, paths, "without its schema", NO_ANSWER)
            yield from _others(world, "without its schema")
        yield from _read(world, paths, "whole again", SUCCESS, is_control=True)


def _read(world: World, paths: tuple[str, ...], what: str, expected: Expectation, *, is_control: bool = False) -> Probes:
    for path in paths:
        answer = Credential("a session").ask(world, path)
        needs = "" if is_control else f"a tenant that is whole is read: {path}"
        name = f"a tenant that is {what} is read: {path}"
        yield answer.probe(name, expected, is_control=is_control, needs=needs)


def _others(world: World, what: str) -> Probes:
    """The other routes may answer from what is there; nothing of anybody else may be in it."""
    for route in _lists(world)[1:]:
        answer = Credential("a session").ask(world, route.path)
        yield noted(f"a tenant {what} reads {route.path}", _seen(answer), request=answer.call.line(), is_change=True)


def _seen(answer: Exchange) -> str:
    return f"holds another tenant's secret: {answer.foreign[0].label}" if answer.foreign else ""
