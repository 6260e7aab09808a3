"""Deletes the rows that an audit's run left in tenants that it did not make, and says exactly what stays."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.run_rows import RunRow, Search, find_rows
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, World

ROUNDS = 3
"""A request or a job that was under way when the audit was killed may still add a row: what appears is deleted too."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How many rows are gone, what stayed with the reason, and what could not be looked for."""

    removed: int
    leftovers: tuple[str, ...]
    unseen: tuple[str, ...]


def remove_rows(world: World) -> Removal:
    """Delete each row of the run that a route deletes, as its owner, and look again. Raises TargetUnreachable."""
    search = find_rows(world)
    found = set(search.rows)
    said: dict[RunRow, str] = {}
    for _ in range(ROUNDS):
        wanted = {row for row in search.rows if row.path and row not in said}
        if not wanted:
            break
        for row in sorted(wanted, key=lambda one: -one.depth):
            said[row] = _delete(world, row)
        search = find_rows(world)
        found |= set(search.rows)
    leftovers = (*_stayed(world, search, said), *search.failed)
    removed = {_identity(row) for row in found} - {_identity(row) for row in search.rows}
    return Removal(len(removed), leftovers, tuple(search.unseen))


def _identity(row: RunRow) -> tuple[str, str, str]:
    """Two lists may show one row; ids that are counted up are the same in all of them."""
    return row.tenant, row.id, row.route if len(row.id) < GUESSABLE_LENGTH else ""


def _delete(world: World, row: RunRow) -> str:
    try:
        answer = world.send(Call("DELETE", row.path, world.person(f"{row.tenant}.owner")))
    except CannotTell as error:
        return str(error)
    return f"DELETE was answered {answer.status} {answer.code}".rstrip() + ", and it is listed still"


def _stayed(world: World, search: Search, said: dict[RunRow, str]) -> Iterator[str]:
    counted = Counter((row.tenant, row.route, said.get(row, "")) for row in search.rows)
    for (key, route, answer), number in sorted(counted.items()):
        slug = world.tenants[key].slug
        if world.profile.routes[route].surface == "users":
            reason = answer or "first logins made them, and no route deletes them"
            yield f"users of tenant {slug} with {world.run} in their address ({number}): {reason}"
        else:
            yield f"rows of {route} in tenant {slug} ({number}): {answer or 'no route deletes them'}"
