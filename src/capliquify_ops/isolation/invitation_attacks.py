"""Part of K2: an invitation is good for one address, in one organisation, once, until it is revoked."""

from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.made_objects import Made, make
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import REFUSED, SUCCESS, CannotTell, Probe, Probes, noted, untried
from capliquify_ops.isolation.ranks import Ranks, put_back, ranks
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import World

RAISED = "admin"
"""The role that invitations give here: whoever takes one without being meant is seen by it."""


@dataclass(frozen=True, slots=True)
class _Doors:
    """The routes that make and take invitations, and the names of their fields."""

    making: Route
    taking: Route
    email: str
    token: str

    def invite(self, world: World, key: str, guest: Person) -> Made:
        """Invite somebody, with a role higher than theirs. Raises CannotTell."""
        more: dict[str, object] = {self.email: guest.email}
        if "role" in self.making.fields:
            more["role"] = RAISED
        made = make(world, key, self.making, more=more)
        if not made.secret:
            raise CannotTell(f"{self.making.path} gives no token to take an invitation with (returns.secret).")
        return made

    def take(self, world: World, made: Made, who: Person, organization: str = "", shown: str = "") -> Exchange:
        """Take an invitation as somebody."""
        return world.send(
            Call(
                self.taking.methods[0] if "POST" not in self.taking.methods else "POST",
                self.taking.path,
                who,
                organization=organization or who.organization_id,
                json={self.token: made.secret},
                shown=f" with an invitation to {made.plant.tenant}{shown}",
            )
        )


def invitations(world: World) -> Probes:
    """An invitation taken by the right person once, and by everybody and in every way else never."""
    try:
        making = [one for one in world.surface("invitations") if "POST" in one.methods]
        taking = world.surface("invitation_acceptance")
    except CannotTell as error:
        yield untried("invitations", str(error))
        return
    if not making or not taking:
        return
    emails = [name for name, kind in making[0].fields.items() if kind == "email" or "mail" in name]
    if not emails:
        yield untried("invitations", f"no field of {making[0].path} is an address (kind email)")
        return
    doors = _Doors(making[0], taking[0], emails[0], next(iter(taking[0].fields), "token"))
    for key in OTHER:
        yield from _of_tenant(world, key, doors)


def _of_tenant(world: World, key: str, doors: _Doors) -> Probes:
    guests = [_arrived(world, key) for _ in range(3)]
    before = ranks(world)
    control = f"whom {key} invites takes the invitation"
    yield from _not_theirs(world, key, doors, guests, before)
    yield from _revoked(world, key, doors, guests[0], before)
    made = doors.invite(world, key, guests[0])
    elsewhere = doors.take(world, made, guests[0], world.tenant(OTHER[key]).organization_id, ", in the other organisation")
    yield elsewhere.probe(f"whom {key} invites, in {OTHER[key]}", REFUSED, needs=control)
    yield _nobody_moved(world, before, control, elsewhere)
    taken = doors.take(world, made, guests[0])
    yield taken.probe(control, SUCCESS, is_control=True)
    after = ranks(world)
    raised = after.roles.get(("listed", key, guests[0].email))
    problem = "" if "role" not in doors.making.fields or raised == RAISED else f"the role is {raised!r}, not {RAISED!r}"
    yield noted(f"whom {key} invites has the role", problem, is_control=True)
    for who in (guests[0], guests[1], world.person(f"{OTHER[key]}.member")):
        again = doors.take(world, made, who, shown=", a second time")
        yield again.probe(f"{who.name} takes an invitation to {key} a second time", REFUSED, needs=control)
        yield _nobody_moved(world, after, control, again)
        put_back(world, after)
    put_back(world, before)


def _arrived(world: World, key: str) -> Person:
    """Return a member who has logged in once, so that the first login is not taken for the invitation's work."""
    guest = world.newcomer(key)
    world.send(Call("GET", world.lists()[0].path, guest))
    return guest


def _not_theirs(world: World, key: str, doors: _Doors, guests: list[Person], before: Ranks) -> Probes:
    """An invitation that somebody else takes: of the other tenant, of the same one with another address, and a stranger."""
    control = f"whom {key} invites takes the invitation"
    others = (f"{OTHER[key]}.member", "n.stranger", "o.owner")
    for who in (*(world.people[name] for name in others if name in world.people and name not in world.missing), guests[1]):
        made = doors.invite(world, key, guests[2])
        answer = doors.take(world, made, who)
        yield answer.probe(f"{who.name} takes somebody else's invitation to {key}", REFUSED, needs=control)
        yield _nobody_moved(world, before, control, answer)
        if who.tenant != key:
            inside = doors.take(world, made, who, world.tenant(key).organization_id, ", in its organisation")
            yield inside.probe(f"{who.name} takes somebody else's invitation to {key} there", REFUSED, needs=control)
            yield _nobody_moved(world, before, control, inside)
        world.uproot([made.plant] if made.plant.path else [])
        put_back(world, before)


def _revoked(world: World, key: str, doors: _Doors, guest: Person, before: Ranks) -> Probes:
    control = f"whom {key} invites takes the invitation"
    made = doors.invite(world, key, guest)
    if not made.plant.path:
        yield untried(f"a revoked invitation to {key}", "the profile names no route that revokes invitations", is_optional=True)
        return
    world.uproot([made.plant])
    answer = doors.take(world, made, guest, shown=", revoked")
    yield answer.probe(f"a revoked invitation to {key}", REFUSED, needs=control)
    yield _nobody_moved(world, before, control, answer)
    put_back(world, before)


def _nobody_moved(world: World, before: Ranks, needs: str, answer: Exchange) -> Probe:
    problem = before.difference(ranks(world))
    name = f"the roles of both tenants after {answer.call.line()}"
    return noted(name, problem, request=answer.call.line(), needs=needs, is_change=True)
