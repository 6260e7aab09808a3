"""One Clerk instance, and the users and organisations that a run made in it: found again by what they are called there."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.clerk import MINUTE, Clerk
from capliquify_ops.integrations.clerk_people import ClerkPeople
from capliquify_ops.model.errors import ConfigurationInvalid, NotThere, OpsError, UsageError
from capliquify_ops.model.protocols import TokenRequest

OWNER = "capliquify-ops"
TEST = "+clerk_test@"
"""Clerk sends no mail to such addresses."""
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,}")
"""Less than this is part of too many names to look for."""
Key = tuple[str, str]
"""A run, and the id that it gave."""


class Instance:
    """Makes what a run asks for by ids of its own, and knows which of Clerk's ids they stand for.

    A user's `external_id` and an organisation's name hold the run and the id that it gave, so that another process finds
    them. Each batch has a connection of its own: `open_caller` opens one.
    """

    def __init__(self, open_caller: Callable[[], Caller], roles: Mapping[str, str]) -> None:
        self._open_caller = open_caller
        self._roles = roles
        self._users: dict[Key, str] = {}
        self._organizations: dict[Key, str] = {}
        self._known: set[str] = set()
        self._members: set[tuple[str, str]] = set()
        self._outsiders: set[tuple[str, str]] = set()
        self._lent: list[str] = []

    def enrol(self, run: str, request: TokenRequest) -> TokenRequest:
        """Make what is missing of user, organisation and membership; return the request with Clerk's ids and the address used.

        An organisation whose id does not hold the run is somebody's, and must be there. Raises ConfigurationInvalid.
        """
        with self._people() as people:
            email = address_for_tests(request.email)
            user = self._user(people, (run, request.user_id), email)
            organization = self._organization(people, (run, request.organization_id))
            if request.ensure and (organization, user) not in self._members:
                people.add_member(organization, user, self._roles.get(request.role, request.role))
                self._members.add((organization, user))
            if (organization, user) not in self._members:
                self._outsiders.add((organization, user))
            else:
                self._outsiders.discard((organization, user))
        return replace(request, user_id=user, email=email, organization_id=organization)

    def made_for(self, user_id: str) -> Key | None:
        """Return the run and the id that a user was made for here, None for anybody else."""
        return next((key for key, made in self._users.items() if made == user_id), None)

    def is_outsider(self, organization_id: str, user_id: str) -> bool:
        """Whether this user was to be no member of that organisation: Clerk opens no session in it for them."""
        return (organization_id, user_id) in self._outsiders

    def tokens(self, user_id: str, organization_id: str | None, *lives: timedelta) -> list[str] | None:
        """Sign somebody in and return a token for each life; None where Clerk knows no such user or organisation."""
        with self._open_caller() as caller:
            session = self._session(clerk := Clerk(caller), user_id, organization_id)
            return [clerk.session_token(session, life).reveal() for life in lives] if session else None

    def signed_out(self, user_id: str, organization_id: str | None) -> str | None:
        """Return the token of a session that was ended; None as above."""
        with self._open_caller() as caller:
            session = self._session(clerk := Clerk(caller), user_id, organization_id)
            token = clerk.session_token(session, MINUTE).reveal() if session else None
            if session:
                clerk.revoke_session(session)
            return token

    def forget(self, run: str) -> None:
        """Remove what a run made, also what another process made for it. Tries all; raises the first failure.

        Raises UsageError for a text that is no run.
        """
        if not _RUN.fullmatch(run):
            raise UsageError(f"{run!r} is no run, so nobody is removed.", hint="Give the run's id as its output names it.")
        with self._open_caller() as caller:
            failures = [failure for act, one in self._removals(caller, run) if (failure := _failure(act, one))]
        if failures:
            raise failures[0]
        self._lent.clear()
        for made in (self._users, self._organizations):
            for key in [key for key in made if key[0] == run]:
                del made[key]

    def _removals(self, caller: Caller, run: str) -> list[tuple[Callable[[str], object], str]]:
        """What was found, together with what this process made: a list may lag behind. Sessions of others are ended."""
        people = ClerkPeople(caller)
        organizations = {one.id for one in people.organizations(run) if one.name.startswith(_title(run, ""))}
        users = {one.id for one in people.users(run) if one.name.startswith(_external(run, ""))}
        return [
            *((people.delete_organization, one) for one in sorted(organizations | _of(run, self._organizations))),
            *((people.delete_user, one) for one in sorted(users | _of(run, self._users))),
            *((Clerk(caller).revoke_session, one) for one in self._lent),
        ]

    def _session(self, clerk: Clerk, user_id: str, organization_id: str | None) -> str | None:
        try:
            session = clerk.create_session(user_id, organization_id)
        except (NotThere, UsageError):
            return None
        if self.made_for(user_id) is None:
            self._lent.append(session.id)
        return session.id

    @contextmanager
    def _people(self) -> Iterator[ClerkPeople]:
        with self._open_caller() as caller:
            yield ClerkPeople(caller)

    def _user(self, people: ClerkPeople, key: Key, email: str) -> str:
        if key not in self._users:
            self._users[key] = people.create_user(_external(*key), email)
        return self._users[key]

    def _organization(self, people: ClerkPeople, key: Key) -> str:
        run, given = key
        if key not in self._organizations and run in given:
            self._organizations[key] = people.create_organization(_title(run, given))
        elif key not in self._organizations and given not in self._known | set(self._organizations.values()):
            _require(people, given)
            self._known.add(given)
        return self._organizations.get(key, given)


def address_for_tests(email: str) -> str:
    """Return the address as one of Clerk's for tests; such a one stays as it is."""
    name, _, host = email.partition("@")
    return email if TEST in email else f"{name}{TEST}{host}".lower()


def _require(people: ClerkPeople, organization: str) -> None:
    try:
        is_there = people.has_organization(organization)
    except UsageError:
        is_there = False
    if not is_there:
        raise ConfigurationInvalid(
            f"Clerk knows no organisation {organization!r}, so nobody can be made a member of it.",
            hint="Name tenants whose organisation is of the instance that identity.secret_key_env belongs to.",
        )


def _external(run: str, given: str) -> str:
    return f"{OWNER}/{run}/{given}"


def _title(run: str, given: str) -> str:
    return f"{OWNER} {run} {given}"


def _of(run: str, made: Mapping[Key, str]) -> set[str]:
    return {each for (of, _), each in made.items() if of == run}


def _failure(act: Callable[[str], object], one: str) -> OpsError | None:
    try:
        act(one)
    except OpsError as error:
        return error
    return None
