"""The first rows of a load's tenants, and the first visit of each of its users."""

from collections.abc import Sequence

from capliquify_ops.configuration.profile_routes import Route
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.bodies import template
from capliquify_ops.load.operations import Kind, Operation
from capliquify_ops.load.plan import Caller
from capliquify_ops.model.errors import IntegrationFailed

ROWS = 3
"""Rows of each tenant at the start: enough to tell an own answer from an empty or a foreign one."""
CREATED = 201


def fill(base_url: str, callers: Sequence[Sequence[Caller]], route: Route) -> None:
    """Make the first rows of each tenant, as its owner; and let each user in once, so that no first login is measured.

    Raises IntegrationFailed when a row is not made, or is not in the list that the load will read.
    """
    row, look = Operation("POST", route.path, Kind.WRITE, template(route)), Operation("GET", route.path)
    with Client(base_url) as client:
        for owner, *others in callers:
            for number in range(-ROWS, 0):
                _send(client, owner, row, number)
            _require_rows(_send(client, owner, look, 0), owner, look)
            for other in others:
                _send(client, other, look, 0)


def _require_rows(body: bytes, owner: Caller, look: Operation) -> None:
    """A list of something else would make every answer of the load a wrong one."""
    held = sum(any(f"{owner.marker}{between}{number}".encode() in body for between in "- ") for number in range(-ROWS, 0))
    if held < ROWS:
        raise IntegrationFailed(
            f"{look.name} holds {held} of the {ROWS} rows that were just made by POST, so the load cannot tell right answers.",
            hint="Check the fields of this route in the profile: a text of each row must stand in the list.",
        )


def _send(client: Client, caller: Caller, operation: Operation, number: int) -> bytes:
    headers = {**caller.headers, "Authorization": f"Bearer {caller.token.reveal()}", "Content-Type": "application/json"}
    body = operation.body_of(caller.marker, number).encode() or None
    answer = client.request(operation.method, caller.prefix + operation.path, headers=headers, content=body)
    if answer.status not in {200, CREATED}:
        raise IntegrationFailed(f"{operation.name} answered {answer.status}, so the load has no rows to read.")
    return answer.body
