"""The people of a world: who they are, how their tokens are had, and their first logins."""

from contextlib import suppress
from dataclasses import dataclass

from capliquify_ops.isolation.changes import give_role
from capliquify_ops.isolation.clock_skew import skew_note
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import own_roles
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError


@dataclass(frozen=True, slots=True)
class TenantKind:
    """One tenant of the world: its tier and its people, each named after the role."""

    key: str
    tier: str
    people: tuple[str, ...]


ROLES = frozenset({"owner", "admin", "member", "viewer"})
KINDS = (
    TenantKind("a", "professional", ("owner", "coowner", "admin", "member", "viewer")),
    TenantKind("b", "enterprise", ("owner", "member")),
    TenantKind("s", "starter", ("owner",)),
    TenantKind("x", "professional", ("owner",)),
)


def person_named(run: str, key: str, name: str, organization: str) -> Person:
    """Return a person of a tenant, called after the role, a second owner apart."""
    user = f"user_{run}_{key}_{name}"
    role = "owner" if name == "coowner" else name
    return Person(f"{key}.{name}", key, user, f"{user}@example.com", organization, role)


def make_people(world: World) -> None:
    """Name everybody and get all their tokens in one batch; a stranger is asked for apart, since a source may refuse one."""
    for kind in KINDS:
        if kind.key in world.tenants:
            organization = world.tenants[kind.key].organization_id
            people = [person_named(world.run, kind.key, name, organization) for name in kind.people]
            world.people |= {person.name: person for person in world.caller.wallet.enrolled(world.run, people)}
    world.people["o.owner"] = world.enrolled(person_named(world.run, "o", "owner", f"org_{world.run}_o"))
    world.caller.wallet.fill(world.people.values(), ensure=True)
    stand_ins(world)
    organization = world.tenants["a"].organization_id if "a" in world.tenants else ""
    user = f"user_{world.run}_n_stranger"
    stranger = Person("n.stranger", "n", user, f"{user}@example.com", organization, "member", is_member=False)
    world.people["n.stranger"] = world.enrolled(stranger)
    for name, person in world.people.items():
        try:
            world.caller.wallet.token(person)
        except OpsError as error:
            world.missing[name] = str(error)


def stand_ins(world: World) -> None:
    """Tokens written down in a configuration are for users of the deployment's own: `<slug>-<role>` is their user id then."""
    for name, person in list(world.people.items()):
        if world.caller.wallet.has(person) or person.tenant not in world.tenants:
            continue
        own = Person(
            name,
            person.tenant,
            f"{world.tenants[person.tenant].slug}-{person.role}",
            person.email,
            person.organization_id,
            person.role,
        )
        world.caller.wallet.fill([own], ensure=False)
        if world.caller.wallet.has(own):
            world.people[name] = own


def first_logins(world: World) -> None:
    """Let everybody in once; whoever is not is missing, with the reason."""
    route = world.profile.route("own_profile") or world.lists()[0]
    for name, person in world.people.items():
        if person.tenant in world.tenants and name not in world.missing:
            try:
                answer = world.send(Call("GET", route.path, person))
            except CannotTell as error:
                world.missing[name] = str(error)
                continue
            if not answer.is_success:
                said = f"{name} was not let in at first login: {answer.status} {answer.code}".rstrip()
                world.missing[name] = f"{said}. {skew_note(answer.response, world.clock)}".rstrip()


def settle_roles(world: World) -> None:
    """See that everybody has the role they are called after: an identity provider may know fewer roles than the service.

    In throwaway tenants the database is corrected; elsewhere, and where the service says another one still, the person is
    missing, with the reason. A service that shows no roles, or calls them by other words, is believed.
    """
    for key, tenant in world.tenants.items():
        others = _of_another_role(world, key)
        if others and world.is_throwaway:
            with suppress(OpsError):  # what could not be changed is seen at the second look
                for name, _ in others:
                    give_role(world.target, tenant.id, world.people[name].user_id, world.people[name].role)
            others = _of_another_role(world, key)
        for name, shown in others:
            world.missing[name] = (
                f"{name} is {shown} in the service, not {world.people[name].role}: the identity provider gave another role,"
                " or the same one for both."
            )


def _of_another_role(world: World, key: str) -> list[tuple[str, str]]:
    names = [name for name, person in world.people.items() if person.tenant == key and name not in world.missing]
    try:
        shown = own_roles(world, f"{key}.owner", names)
    except CannotTell:
        return []
    return [(name, str(role)) for name, role in shown.items() if role in ROLES and role != world.people[name].role]
