"""INT-07: what a tenant that is not in good standing may still do, through the whole of a tenant's life."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from capliquify_ops.isolation.changes import State, set_state
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.probe import SUCCESS, Expectation, Probes, answers, noted
from capliquify_ops.isolation.refused_writes import Wrong, refused_changes, refused_creations
from capliquify_ops.isolation.routes import PREMIUM, reads_own
from capliquify_ops.isolation.world_model import Plant, World

WHO = "x.owner"
MINUTE_S, DAY_S = 60.0, 86_400.0
POLL_S = 0.1
CLOSED = (
    ("suspended", State("suspended"), "suspended"),
    ("cancelled", State("cancelled"), "cancelled"),
    ("a trial that is over", State("trial", -MINUTE_S), "suspended"),
    ("soft-deleted", State("active", is_deleted=True), "no_tenant"),
)
"""States in which nothing is open: what they are called here, what the registry says, and the situation of the profile."""


def suspended(world: World) -> Probes:
    """INT-07: suspended, cancelled, deleted or past its trial, a tenant is refused everything; past due, every write."""
    yield noted(f"{WHO} was let in before the suspension", world.missing.get(WHO, ""), is_control=True)
    yield (control := reads_own(world, "a.owner"))
    world.tenant("x")
    _await(world, lambda: not _profile(world).is_success)
    yield from _refused_lists(world, "suspended", answers(world.profile, "suspended"), control.name)
    with _reopened(world) as enter:
        enter(State("active"), lambda: _profile(world).is_success)
        yield _profile(world).probe(f"{WHO} is let in again", SUCCESS, is_control=True)
        victim = world.plant("x", world.planting_route())
        yield from _read_only(world, enter, victim)
        for what, state, situation in CLOSED:
            enter(state, lambda: not _profile(world).is_success)
            expected = answers(world.profile, situation)
            yield from _refused_lists(world, what, expected, control.name)
            yield from _refused_writes(world, victim, what, expected, control.name)
        enter(State("trial", DAY_S), lambda: _profile(world).is_success)
        yield from _open_lists(world, "in its trial")


Enter = Callable[[State, Callable[[], bool]], None]


@contextmanager
def _reopened(world: World) -> Iterator[Enter]:
    """Give the way to put the tenant into a state; at the end its rows are deleted and it is suspended, as it was."""
    target, tenant = world.target, world.tenant("x")

    def enter(state: State, is_in_force: Callable[[], bool]) -> None:
        set_state(target, tenant.id, state)
        _await(world, is_in_force)

    try:
        yield enter
    finally:
        try:
            set_state(target, tenant.id, State("active"))
            world.uproot([plant for plant in world.plants if plant.tenant == "x" and plant.path])
        finally:
            set_state(target, tenant.id, State("suspended"))


def _await(world: World, is_in_force: Callable[[], bool]) -> None:
    """A documented delay is no fault: ask until the change holds or the profile's bound is over."""
    end = world.clock.monotonic() + world.profile.suspension_bound_s
    while not is_in_force() and world.clock.monotonic() < end:
        world.caller.pause(POLL_S)


def _profile(world: World) -> Exchange:
    return world.get(WHO, world.route("own_profile").path)


def _read_only(world: World, enter: Enter, victim: Plant) -> Probes:
    """Past due: everything can be read and nothing written."""
    expected = answers(world.profile, "past_due")
    change = Call("PATCH", victim.path, world.person(WHO), json={})
    enter(State("past_due"), lambda: not world.send(change).is_success)
    yield from _open_lists(world, "past due")
    yield from _refused_writes(world, victim, "past due", expected, f"{WHO} past due reads {world.planting_route().path}")


def _open_lists(world: World, what: str) -> Probes:
    for route in world.lists():
        if route.feature in PREMIUM and route.surface != "search":
            is_control = route.path == world.planting_route().path
            name = f"{WHO} {what} reads {route.path}"
            yield world.get(WHO, route.path).probe(name, SUCCESS, is_control=is_control)


def _refused_lists(world: World, what: str, expected: Expectation, needs: str) -> Probes:
    for route in world.lists():
        yield world.get(WHO, route.path).probe(f"{WHO} {what} reads {route.path}", expected, needs=needs)


def _refused_writes(world: World, victim: Plant, what: str, expected: Expectation, needs: str) -> Probes:
    """Every write, by the owner: only the tenant's standing refuses."""
    wrong = Wrong(Call("POST", "", world.person(WHO), shown=f" while {what}"), what, expected, needs)
    yield from refused_creations(world, "x", wrong)
    yield from refused_changes(world, victim, wrong)
