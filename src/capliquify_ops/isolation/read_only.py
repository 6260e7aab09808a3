"""The world of an audit that may write nothing: two tenants that are there, users that are there, rows that are there."""

from collections.abc import Iterator, Mapping

from capliquify_ops.configuration import Target, TargetClass
from capliquify_ops.isolation.exchange import Exchange
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.routes import OTHER, planted_list
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, World
from capliquify_ops.model.errors import ConfigurationInvalid

ROLES = {"a": ("owner", "admin", "member", "viewer"), "b": ("owner", "member")}


def is_owned_production(target: Target, owned: str | None, given: tuple[str | None, str | None]) -> bool:
    """Whether a production target may be audited, by reading only: its owner named it, and two of its tenants.

    Raises TargetForbids for any other production target, ConfigurationInvalid where tenants or users would have to be made.
    """
    if target.kind is not TargetClass.PRODUCTION:
        return False
    if owned != target.name:
        target.require_harmless("The security audit")
    if None in given:
        raise ConfigurationInvalid(
            f"No tenant is made on the production target {target.name!r}, so the audit needs two that are there.",
            hint="Name them with --tenant-a and --tenant-b; they are only read.",
        )
    if target.identity.provider == "jwt":
        raise ConfigurationInvalid(
            f"A key signs tokens of anybody, and first logins make them users of the production target {target.name!r}.",
            hint='Use provider = "static" or "command", with the users SLUG-owner, SLUG-admin, SLUG-member and SLUG-viewer.',
        )
    return True


def name_people(world: World) -> None:
    """Take the users `<slug>-<role>` of both tenants for the people; whoever has no token is missing, nobody is made."""
    for key, roles in ROLES.items():
        tenant = world.tenants[key]
        for role in roles:
            user = f"{tenant.slug}-{role}"
            person = Person(f"{key}.{role}", key, user, f"{user}@example.invalid", tenant.organization_id, role)
            world.people[person.name] = person
    world.caller.wallet.fill(world.people.values(), ensure=False)
    for name, person in world.people.items():
        if not world.caller.wallet.has(person):
            world.missing[name] = f"There is no token for the user {person.user_id!r}, and none is made on a production target."


def note_rows(world: World) -> None:
    """Take the ids of the first rows of each tenant for secrets, where the other tenant does not list them too."""
    route = world.planting_route()
    rows = {key: set(_ids(planted_list(world, f"{key}.owner"))) for key in OTHER if f"{key}.owner" not in world.missing}
    for key, found in rows.items():
        for row in sorted(found - rows.get(OTHER[key], set())):
            world.remember(key, route, row, None)


def _ids(answer: Exchange) -> Iterator[str]:
    """Yield the ids of the rows themselves: what they refer to may be shared."""
    data = answer.data
    inner = list(data.values()) if isinstance(data, dict) else [data]
    rows = next((one for one in inner if isinstance(one, list)), [])
    for row in rows:
        if isinstance(row, Mapping) and len(str(row.get("id", ""))) >= GUESSABLE_LENGTH:
            yield str(row["id"])
