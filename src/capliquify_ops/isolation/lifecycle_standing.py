"""Parts of ISO-06: a suspended tenant is served nothing by any credential, a half-made one nothing of others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
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

KEY, BY_PLATFORM = "m", "i"
"""Tenants of these parts: the first is suspended in the registry, and half-made; the other one the service suspends."""
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

    def ask(self, world: World, path: str, key: str = KEY) -> Exchange:
        """Read a path with it; a service that is short of something may say so."""
        organization = USUAL if self.token is USUAL else None
        shown = f" by {self.name}"
        who = world.person(f"{key}.owner")
        return world.send(Call("GET", path, who, self.token, organization, headers=self.headers, shown=shown, may_be_busy=True))


@dataclass(frozen=True, slots=True)
class Closed:
    """A tenant of its own, about to be suspended: how, what is read of it, and by which credentials."""

    key: str
    tenant: AuditTenant
    how: str
    reads: list[str]
    credentials: list[Credential]


def suspension(world: World) -> Probes:
    """By the registry's column and by the platform's route: what was served a moment ago is refused within the bound."""
    ways = {KEY: "in the registry"} | ({BY_PLATFORM: "by the platform"} if world.profile.surface("tenant_suspension") else {})
    with ExitStack() as made:
        about = [_about(world, key, made.enter_context(fresh_tenant(world, key)), how) for key, how in ways.items()]
        for one in about:
            yield from _asked(world, one, SUCCESS)
        closed = [one for one in about if (_in_registry if one.key == KEY else _by_platform)(world, one.tenant)]
        _await_refusal(world, closed)
        for one in closed:
            yield from _asked(world, one, answers(world.profile, "suspended"))
            yield from _reopened(world, one)


def _about(world: World, key: str, tenant: AuditTenant, how: str) -> Closed:
    plant = world.plant(key, world.planting_route())
    return Closed(key, tenant, how, [plant.path, *(route.path for route in _lists(world))], list(_credentials(world, key)))


def _asked(world: World, about: Closed, expected: Expectation) -> Probes:
    for credential in about.credentials:
        for path in [*about.reads, *about.reads[1:2] * ASKED]:
            answer = credential.ask(world, path, about.key)
            control = f"{credential.name} reads {path} before it is suspended {about.how}"
            if expected is SUCCESS:
                yield answer.probe(control, SUCCESS, is_control=True)
            else:
                yield answer.probe(f"{credential.name} reads {path} suspended {about.how}", expected, needs=control)


def _in_registry(world: World, tenant: AuditTenant) -> bool:
    set_status(world.target, tenant.id, "suspended")
    return True


def _credentials(world: World, key: str) -> Iterator[Credential]:
    yield Credential("a session")
    for route in world.profile.surface("api_keys"):
        if world.profile.api_key_header:
            try:
                secret = make(world, key, route).secret
            except CannotTell:
                return
            yield Credential("an API key", None, {world.profile.api_key_header: secret})


def _by_platform(world: World, tenant: AuditTenant) -> bool:
    """Have the service itself suspend; False where it does not for us."""
    routes = world.profile.surface("tenant_suspension")
    try:
        answer = as_platform(world, routes[0].methods[0], routes[0], routes[0].path.format(id=tenant.id), json={})
    except CannotTell:
        return False
    return answer.is_success


def _reopened(world: World, about: Closed) -> Probes:
    """What is no longer suspended is served again within the bound."""
    set_status(world.target, about.tenant.id, "active")
    read = Credential("a session")
    _await(world, lambda: read.ask(world, about.reads[1], about.key).is_success)
    name = f"a session reads {about.reads[1]} after it was suspended {about.how}"
    yield read.ask(world, about.reads[1], about.key).probe(name, SUCCESS, is_control=True)


def _await_refusal(world: World, closed: list[Closed]) -> None:
    """A documented delay is no fault: ask until the change holds for all, or the profile's bound is over."""
    path = world.planting_route().path
    _await(
        world,
        lambda: not any(credential.ask(world, path, one.key).is_success for one in closed for credential in one.credentials),
    )


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
