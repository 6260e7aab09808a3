"""Who is what in which tenant: as both owners see it in their lists of users and, with an operator URL, as the table holds it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from capliquify_ops.database import fill
from capliquify_ops.isolation.database import OwnerSession, owner_session, registry_of
from capliquify_ops.isolation.exchange import Call, objects
from capliquify_ops.isolation.paging import pages
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError
from capliquify_ops.tenants.ownership import as_owner

_AS_TENANT = "SELECT pg_catalog.set_config('app.tenant_id', %(id)s, true)"
_STORED = (
    'SELECT u.clerk_user_id::text AS who, u.role::text AS role FROM :"registry_schema".users AS u'
    " WHERE u.tenant_id = %(id)s ORDER BY 1, 2"
)
_SET_ROLE = 'UPDATE :"registry_schema".users SET role = %(role)s WHERE tenant_id = %(id)s AND clerk_user_id = %(user)s'
_REMOVE = 'DELETE FROM :"registry_schema".users WHERE tenant_id = %(id)s AND clerk_user_id = %(user)s'
Rank = tuple[str, str, str]
"""Where it was seen (listed or stored), the tenant's key, and the user's e-mail or id."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Role by place, tenant and user."""

    roles: dict[Rank, str]

    def difference(self, later: "Ranks") -> str:
        """Return who has another role than before, is new in a tenant or gone from one, "" when nobody is."""
        moved = sorted(rank for rank in self.roles.keys() | later.roles.keys() if self.roles.get(rank) != later.roles.get(rank))
        return "; ".join(
            f"{who} in {key} was {self.roles.get((place, key, who), 'nobody')}, is {later.roles.get((place, key, who), 'nobody')}"
            f" ({place})"
            for place, key, who in moved[:4]
        )


def ranks(world: World) -> Ranks:
    """Return everybody's role in both tenants. Raises CannotTell where the owners are not shown their users."""
    found: dict[Rank, str] = {}
    for key in OTHER:
        emails = {person.email: person.user_id for person in world.people.values()}
        for row in _listed(world, key):
            named = next((value for value in row.values() if isinstance(value, str) and "@" in value), str(row["id"]))
            found["listed", key, emails.get(named, named)] = str(row.get("role"))
    for key, who, role in _stored(world):
        found["stored", key, who] = role
    return Ranks(found)


def _listed(world: World, key: str) -> list[Mapping[str, object]]:
    """Return the users of a tenant as its owner sees them: all of them, since a newcomer moves others to the next page."""
    return [row for page in pages(world, f"{key}.owner", world.route("users").path) for row in objects(page.data)]


def _stored(world: World) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the users' table; nothing where it cannot be read or is called otherwise."""
    if world.target.operator_url is None:
        return
    with suppress(OpsError):
        for key in OTHER:
            for row in _rows(world, _owner(world), key):
                yield key, str(row["who"]), str(row["role"])


def why_not_stored(world: World) -> str:
    """Return why the users' table cannot be read beside the lists, "" where it can."""
    try:
        for key in OTHER:
            _rows(world, _owner(world), key)
    except OpsError as error:
        return str(error)
    return ""


def _owner(world: World) -> OwnerSession:
    """Return one session for all looks: they are many, and a new connection takes longer than the look."""
    if world.owner is None:
        world.owner = world.closing.enter_context(owner_session(world.target, "audit ranks"))
    return world.owner


def _rows(world: World, owner: OwnerSession, key: str) -> list[dict[str, object]]:
    session, about = owner.session, {"id": world.tenant(key).id}
    with session.transaction(), as_owner(session, world.target.roles):
        session.value(_AS_TENANT, about)
        return list(session.mappings(fill(_STORED, registry_of(owner)), about))


def put_back(world: World, before: Ranks) -> None:
    """Undo what an attack did to anybody's rank: in the table where it can be reached, and through the route for roles."""
    later = ranks(world)
    if not before.difference(later):
        return
    if world.target.operator_url is not None:
        with suppress(OpsError):
            _restore(world, _owner(world), before, later)
    for person in world.people.values():
        if person.tenant in OTHER and person.name not in world.missing:
            # Who was moved away comes back with a first login.
            world.send(Call("GET", world.lists()[0].path, person))
    _through_route(world, before)


def _restore(world: World, owner: OwnerSession, before: Ranks, later: Ranks) -> None:
    for place, key, who in later.roles:
        role = before.roles.get((place, key, who))
        if place != "stored" or role == later.roles[place, key, who]:
            continue
        about: dict[str, object] = {"id": world.tenant(key).id, "user": who, "role": role}
        with owner.session.transaction(), as_owner(owner.session, world.target.roles):
            owner.session.value(_AS_TENANT, about)
            owner.session.execute(fill(_REMOVE if role is None else _SET_ROLE, registry_of(owner)), about)


def _through_route(world: World, before: Ranks) -> None:
    if world.profile.route("user") is None:
        return
    with suppress(CannotTell):
        for key in OTHER:
            emails = {person.email: person for person in world.people.values() if person.tenant == key}
            for row in _listed(world, key):
                person = next((emails[value] for value in row.values() if isinstance(value, str) and value in emails), None)
                role = before.roles.get(("listed", key, person.user_id)) if person else None
                if role and role != row.get("role"):
                    path = world.route("user").path.format(id=row["id"])
                    world.send(Call("PATCH", path, world.person(f"{key}.owner"), json={"role": role}))
