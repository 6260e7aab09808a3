"""Clerk's Backend API, the part that makes and removes: test users, organisations, and who is a member of what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from capliquify_ops.integrations.caller import Caller, Query
from capliquify_ops.integrations.clerk import MOST_PAGES, PAGE, checked_id, shape_of
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import NotThere

SEATS = 20
"""Members that every plan of Clerk's lets an organisation have; unless asked for, it has 5."""


@dataclass(frozen=True, slots=True)
class Found:
    """A user or an organisation: its id, and what whoever made it called it ("" where they did not)."""

    id: str
    name: str


class ClerkPeople:
    """Changes to one Clerk instance. All raise IntegrationFailed; ids that cannot be ids raise UsageError.

    What makes is not repeatable: after a fault nobody knows whether it was made. What removes is, and removing what is gone
    is no fault.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def create_user(self, external_id: str, email: str) -> str:
        """Make a user without a password, known elsewhere by `external_id`, and return the id."""
        body = {"external_id": external_id, "email_address": [email], "skip_password_requirement": True}
        return shape_of("POST /users", self._caller.send("POST", "/users", body)).at("id").filled()

    def users(self, email_part: str) -> tuple[Found, ...]:
        """Return the users whose e-mail address holds this text in any case, at most 5,000, with their external ids."""
        return tuple(
            Found(row.at("id").filled(), row.at("external_id").maybe_text() or "")
            for row in self._pages("/users", [("email_address_query", email_part)], lambda page: page)
        )

    def delete_user(self, user_id: str) -> None:
        """Remove a user with all sessions and memberships."""
        self._delete("/users", user_id)

    def create_organization(self, name: str) -> str:
        """Make an organisation and return the id."""
        body = {"name": name, "max_allowed_memberships": SEATS}
        return shape_of("POST /organizations", self._caller.send("POST", "/organizations", body)).at("id").filled()

    def has_organization(self, organization_id: str) -> bool:
        """Whether there is an organisation of that id; a slug of one is not an id."""
        try:
            answer = self._caller.get(f"/organizations/{checked_id(organization_id)}")
        except NotThere:
            return False
        return shape_of("GET /organizations/{id}", answer).at("id").filled() == organization_id

    def organizations(self, name_part: str) -> tuple[Found, ...]:
        """Return the organisations whose name or slug holds this text, at most 5,000, with their names."""
        return tuple(
            Found(row.at("id").filled(), row.at("name").text())
            for row in self._pages("/organizations", [("query", name_part)], lambda page: page.at("data"))
        )

    def delete_organization(self, organization_id: str) -> None:
        """Remove an organisation with all its memberships."""
        self._delete("/organizations", organization_id)

    def add_member(self, organization_id: str, user_id: str, role: str) -> None:
        """Make a user a member of an organisation; `role` is a key such as "org:admin"."""
        path, body = f"/organizations/{checked_id(organization_id)}/memberships", {"user_id": checked_id(user_id), "role": role}
        shape_of("POST /organizations/{id}/memberships", self._caller.send("POST", path, body)).at("id").filled()

    def _pages(self, path: str, query: Query, rows_of: Callable[[Shape], Shape]) -> Iterator[Shape]:
        for number in range(MOST_PAGES):
            answer = self._caller.get(path, [*query, ("limit", str(PAGE)), ("offset", str(number * PAGE))])
            rows = tuple(rows_of(shape_of(f"GET {path}", answer)).items())
            yield from rows
            if len(rows) < PAGE:
                return

    def _delete(self, path: str, each: str) -> None:
        try:
            answer = self._caller.send("DELETE", f"{path}/{checked_id(each)}", is_repeatable=True)
        except NotThere:
            return
        deleted = shape_of(f"DELETE {path}/{{id}}", answer).at("deleted")
        if not deleted.flag():
            raise deleted.wrong("says that it was not")
