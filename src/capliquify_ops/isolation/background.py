"""Work that goes on after its request, such as jobs and exports: started, waited for, asked for by others."""

from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, CannotTell, Probes
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, World

DONE_S = 10.0
"""After this nothing is said about a piece of work: what is missing is not leaked."""
POLL_S = 0.03
DONE = frozenset({"done", "completed", "complete", "succeeded", "success", "finished", "ready"})
FAILED = frozenset({"failed", "failure", "error", "errored", "cancelled", "canceled", "dead", "aborted"})


@dataclass(frozen=True, slots=True)
class Work:
    """One job or export of a tenant, and the secret that was given to it."""

    key: str
    route: Route
    id: str
    canary: Canary

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"{self.route.name} {self.id[-6:]} of {self.key}"

    def path(self, route: Route) -> str:
        """The address of this work on a route with an id."""
        return route.path.format(id=self.id)


def beside(world: World, route: Route, surface: str) -> Route:
    """Return the route of a surface that belongs to another: under its path, else the first. Raises CannotTell without one."""
    found = world.surface(surface)
    under = [one for one in found if one.path.startswith(f"{route.path}/")]
    if not found:
        raise CannotTell(f"The profile {world.profile.name!r} has {route.path} and says that there is no {surface}.")
    return (under or found)[0]


def start(world: World, key: str, route: Route) -> Work:
    """Start one piece of work with a secret in each of its texts. Raises CannotTell where the service refuses it."""
    content, canary = world.draft(key, route, route.name)
    world.caller.canaries.append(canary)
    answer = world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=content))
    made = next(objects(answer.data), None)
    if not answer.is_success or made is None:
        raise CannotTell(f"{answer.call.line()} started nothing: {answer.status} {answer.code}".rstrip() + ".")
    world.remember(key, route, str(made["id"]), None)
    return Work(key, route, str(made["id"]), canary)


def ended(world: World, work: Work) -> Exchange:
    """Ask for the state until the work has ended, and return that answer. Raises CannotTell when it has not in time."""
    path = work.path(beside(world, work.route, f"{work.route.surface}_state"))
    end = world.clock.monotonic() + DONE_S
    while True:
        answer = world.get(f"{work.key}.owner", path)
        if not answer.is_success or is_done(work.route, answer) or has_failed(work.route, answer):
            return answer
        if world.clock.monotonic() > end:
            raise CannotTell(f"{work.name} had not ended after {DONE_S:g} s, so what it does is not known.")
        world.caller.pause(POLL_S)


def is_done(route: Route, answer: Exchange) -> bool:
    """Whether an answer says that the work went well."""
    return _state(route, answer) in ({route.returns["done"].lower()} if "done" in route.returns else DONE)


def has_failed(route: Route, answer: Exchange) -> bool:
    """Whether an answer says that the work failed."""
    return _state(route, answer) in ({route.returns["failed"].lower()} if "failed" in route.returns else FAILED)


def asked_by_others(world: World, work: Work, route: Route, needs: str) -> Probes:
    """Ask for a tenant's work by its id, as the other tenant and as nobody.

    A serial id may be the other tenant's own as well: only what an answer holds then counts.
    """
    path, other = work.path(route), f"{OTHER[work.key]}.owner"
    expected = REFUSED if len(work.id) >= GUESSABLE_LENGTH else OWN_OR_REFUSED
    yield world.get(other, path).probe(f"{other} asks for {work.name}: {route.path}", expected, needs=needs)
    organization = world.tenant(work.key).organization_id
    for call in (Call("GET", path), Call("GET", path, organization=organization)):
        yield world.send(call).probe(f"nobody asks for {work.name}: {route.path}{call.shown}", REFUSED, needs=needs)


def _state(route: Route, answer: Exchange) -> str:
    name = route.returns.get("state", "state")
    found = [value for path, value in leaves(answer.data) if path.rpartition(".")[2] in {name, "status"}]
    return str(found[0]).lower() if found else ""
