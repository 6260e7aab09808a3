"""What one request of a load does, and in which order a caller's requests come."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_ORDER_SEED = 70_20_10
"""The order within a mix is drawn once for ever: two runs of one plan send the same."""
_SLOTS = 100


class Kind(StrEnum):
    """The kinds of request whose limits differ."""

    READ = "read"
    WRITE = "write"
    ANALYTICS = "analytics"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: method and path; for a write its JSON body, with `{marker}` and `{arrival}` where they are to stand.

    `holds_rows`: the answer must hold the caller's marker; a report that only adds up cannot.
    """

    method: str
    path: str
    kind: Kind = Kind.READ
    body: str = ""
    holds_rows: bool = True

    @property
    def name(self) -> str:
        """Return what reports call it."""
        return f"{self.method} {self.path}"

    def body_of(self, marker: str, arrival: int) -> str:
        """Return the body of one arrival, which no other arrival of the plan has."""
        return self.body.replace("{marker}", marker).replace("{arrival}", str(arrival))


def reads(*paths: str) -> tuple[Operation, ...]:
    """Return a GET of each path."""
    return tuple(Operation("GET", path) for path in paths)


def mixed_order(shares: Mapping[int, float]) -> tuple[int, ...]:
    """Return an order of 100 in which each operation, by its number, has its share; shares add up to one."""
    rounded = [number for number, share in shares.items() for _ in range(round(share * _SLOTS))]
    random.Random(_ORDER_SEED).shuffle(rounded)  # noqa: S311  # an order, not a secret
    return tuple(rounded)


def operation_of(order: Sequence[int], callers: int, arrival: int) -> int:
    """Return which operation an arrival is: each caller goes through the whole order, and starts at a place of its own."""
    again, turn = divmod(arrival, callers)
    return order[(again + turn) % len(order)]
