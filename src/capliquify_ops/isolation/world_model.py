"""The world of an audit: tenants with people and planted secrets, and the only way to send requests as one of them."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from capliquify_ops.configuration import Profile, Route, Target
from capliquify_ops.isolation.bodies import body, text_fields
from capliquify_ops.isolation.canary import TOKEN_BYTES, Canary, mint
from capliquify_ops.isolation.changes import give_role
from capliquify_ops.isolation.database import OwnerSession
from capliquify_ops.isolation.exchange import Call, Caller, Exchange, objects
from capliquify_ops.isolation.mail_folder import MailFolder
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.protocols import Clock

GUESSABLE_LENGTH = 16
"""Shorter ids (serial numbers) occur by chance in other tenants' answers, so they are no canaries."""
FACTORS = {"a": 65_521, "b": 65_537}
"""Amounts are multiples of one prime for each tenant: a sum that only the other one's divides is made of its rows."""
OTHERS_FACTOR = 65_519


@dataclass(frozen=True, slots=True)
class AuditTenant:
    """One tenant of an audit. `key` is a (professional), b (enterprise), s (starter) or x (suspended)."""

    key: str
    slug: str
    organization_id: str
    id: str
    schema_name: str


@dataclass(frozen=True, slots=True)
class Plant:
    """One row made through the API, with the secrets in it. `path` is its own address, "" where the profile has none."""

    tenant: str
    route: str
    id: str
    path: str
    labels: frozenset[str]


@dataclass
class World:
    """Tenants, people and plants of one run.

    `missing` says why a tenant or person is not there, `leftovers` what could not be removed; `random` gives random bytes.
    `remembered` finds the row of a secret by the secret's label, also when it was removed. `depth` is quick or full; `seed`
    is what the plans of this audit are drawn from, so that one can be run again; `closing` is closed with the world.
    `is_read_only`: a production target, of which the checks that only read are measured. `only_parts`: of a measure that has
    parts; all of them where it is empty.
    """

    target: Target
    run: str
    clock: Clock
    caller: Caller
    tenants: dict[str, AuditTenant] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    plants: list[Plant] = field(default_factory=list)
    remembered: dict[str, Plant] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    is_throwaway: bool = False
    is_read_only: bool = False
    depth: str = "full"
    seed: int = 0
    random: Callable[[int], bytes] = os.urandom
    closing: ExitStack = field(default_factory=ExitStack)
    mail: MailFolder | None = None
    owner: OwnerSession | None = None
    only_parts: frozenset[str] = frozenset()
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Let requests be addressed to the tenants that are made later, too."""
        self.caller.addressing.tenants = self.tenants

    @property
    def profile(self) -> Profile:
        """How the target names things."""
        return self.target.profile

    def tenant(self, key: str) -> AuditTenant:
        """Return a tenant. Raises CannotTell with the reason why it is not there."""
        if key not in self.tenants:
            raise CannotTell(self.missing.get(key, f"This audit has no tenant {key!r}."))
        return self.tenants[key]

    def person(self, name: str) -> Person:
        """Return somebody who can log in. Raises CannotTell with the reason why not."""
        if name in self.missing:
            raise CannotTell(self.missing[name])
        if name not in self.people:
            raise CannotTell(self.missing.get(name.split(".", maxsplit=1)[0], f"This audit has no {name!r}."))
        return self.people[name]

    def enrolled(self, person: Person) -> Person:
        """Return somebody who was just named as the identity provider knows them, made where it gives ids of its own."""
        return self.caller.wallet.enrolled(self.run, [person])[0]

    def newcomer(self, key: str) -> Person:
        """Return a member of the organisation who has never sent a request."""
        tenant = self.tenant(key)
        user = f"user_{self.run}_{key}_new{next(self._numbers)}"
        person = self.enrolled(Person(f"{key}.newcomer", key, user, f"{user}@example.com", tenant.organization_id, "member"))
        self.caller.wallet.fill([person], ensure=True)
        return person

    def in_both(self, name: str, **roles: str) -> dict[str, Person]:
        """Return one user as a member of several tenants, by their keys. Raises CannotTell where the provider makes none."""
        user = f"user_{self.run}_{name}"
        named = {
            key: Person(f"{key}.{name}", key, user, f"{user}@example.com", self.tenant(key).organization_id, role)
            for key, role in roles.items()
        }
        people = {key: self.enrolled(person) for key, person in named.items()}
        self.caller.wallet.fill(people.values(), ensure=True)
        if not all(self.caller.wallet.has(person) for person in people.values()):
            raise CannotTell("The identity provider makes no user of two organisations.")
        for key in [key for key, person in people.items() if person != named[key]]:
            self._seat(people[key])
        return people

    def _seat(self, person: Person) -> None:
        """Let somebody in and give them the role they are to have: a provider with roles of its own may know fewer."""
        route = self.profile.route("own_profile") or self.lists()[0]
        if self.is_throwaway and self.send(Call("GET", route.path, person)).is_success:
            give_role(self.target, self.tenant(person.tenant).id, person.user_id, person.role)

    def route(self, name: str) -> Route:
        """Return a route of the profile by name or surface. Raises CannotTell where it has none of that name."""
        found = self.profile.route(name)
        if found is None:
            raise CannotTell(f"The profile {self.profile.name!r} has no [routes.{name}].")
        return found

    def surface(self, name: str) -> list[Route]:
        """Return the routes of a surface. Raises CannotTell where the profile neither has one nor says why there is none."""
        found = self.profile.surface(name)
        if not found and name not in self.profile.not_applicable:
            raise CannotTell(
                f"The profile {self.profile.name!r} names no route of the surface {name}, and does not say that there is none.",
                hint=f'Give a route surface = {name!r}, or say why there is none: [not_applicable] {name} = "...".',
            )
        return found

    def routes(self, method: str, *, with_id: bool = False) -> list[Route]:
        """Return the tenant routes that take a method, those of single rows or the others."""
        found = (route for route in self.profile.routes.values() if route.kind == "tenant" and method in route.methods)
        return [route for route in found if ("{id}" in route.path) is with_id]

    def lists(self) -> list[Route]:
        """Return the routes that are read without an id and end their answers. Raises CannotTell where there is none."""
        found = [route for route in self.routes("GET") if route.surface != "events"]
        if not found:
            raise CannotTell(
                f"The profile {self.profile.name!r} has no tenant route to read, so nothing can be probed over HTTP."
            )
        return found

    def creatable(self) -> list[Route]:
        """Return the routes through which rows can be made: their fields are known."""
        return [route for route in self.routes("POST") if route.fields and route.surface == "collection"]

    def item_of(self, route: Route) -> Route | None:
        """Return the route of one row of a collection."""
        return next((one for one in self.profile.routes.values() if one.path == f"{route.path}/{{id}}"), None)

    def planting_route(self) -> Route:
        """Return the collection that probes make rows in: the first with an address for one row. Raises CannotTell."""
        for route in self.creatable():
            if self.item_of(route) and text_fields(route):
                return route
        raise CannotTell(f"The profile {self.profile.name!r} describes no collection with fields and an item route.")

    def send(self, call: Call) -> Exchange:
        """Send one request."""
        return self.caller.send(call)

    def get(self, who: str, path: str) -> Exchange:
        """Read a path as somebody."""
        return self.send(Call("GET", path, self.person(who)))

    def draft(self, key: str, route: Route, label: str) -> tuple[dict[str, object], Canary]:
        """Return a valid body for a new row of a tenant, and the secret in it."""
        number = next(self._numbers)
        canary = mint(self.run, key, f"{label} {number} of {key}", self.random(TOKEN_BYTES))
        amount = FACTORS.get(key, OTHERS_FACTOR) * (number % 97 + 1)
        return body(route, canary.token, amount, lambda name: self._reference(key, name)), canary

    def plant(self, key: str, route: Route, who: str = "") -> Plant:
        """Make one row with a secret in each of its texts. Raises CannotTell when the service refuses it."""
        content, canary = self.draft(key, route, route.name)
        answer = self.send(Call("POST", route.path, self.person(who or f"{key}.owner"), json=content))
        made = next(objects(answer.data), None)
        if not answer.is_success or made is None:
            raise CannotTell(f"{answer.call.line()} made no row: {answer.status} {answer.code}".rstrip() + ".")
        return self.remember(key, route, str(made["id"]), canary if text_fields(route) else None)

    def remember(self, key: str, route: Route, row_id: str, canary: Canary | None) -> Plant:
        """Note a row that was made; from now on its secrets are looked for in each answer."""
        item = self.item_of(route)
        canaries = [canary] if canary else []
        if len(row_id) >= GUESSABLE_LENGTH:
            canaries.append(Canary(key, f"id of {route.name} {row_id[-6:]} of {key}", row_id.lower(), is_address=True))
        self.caller.canaries.extend(canaries)
        plant = Plant(
            key, route.name, row_id, item.path.format(id=row_id) if item else "", frozenset(one.label for one in canaries)
        )
        self.plants.append(plant)
        self.remembered |= dict.fromkeys(plant.labels, plant)
        return plant

    def planted(self, key: str, route: str) -> list[Plant]:
        """Return the rows that a tenant holds of a collection."""
        return [plant for plant in self.plants if plant.tenant == key and plant.route == route]

    @contextmanager
    def temporary(self, plant: Plant) -> Iterator[Plant]:
        """Delete a row when the block ends, also when its measure is stopped half-way."""
        try:
            yield plant
        finally:
            self.uproot([plant])

    def uproot(self, plants: Sequence[Plant]) -> None:
        """Delete rows as their owner; their secrets stay wanted, since nobody may see them afterwards either."""
        for plant in plants:
            if plant in self.plants:
                self.plants.remove(plant)
                self.send(Call("DELETE", plant.path, self.person(f"{plant.tenant}.owner")))

    def _reference(self, key: str, route: str) -> str:
        own = self.planted(key, route)
        return (own[0] if own else self.plant(key, self.route(route))).id
