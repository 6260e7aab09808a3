"""Plans of concurrent operations, drawn from a seed: the same seed gives the same plan. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Die = Callable[[int], int]
"""Gives a number from 0 to below the one that it is given."""
WEIGHTS: tuple[tuple[str, int], ...] = (("create", 3), ("list", 4), ("item", 2), ("update", 2), ("delete", 1), ("search", 1),
                                        ("report", 1))  # fmt: skip

WRITES = frozenset({"create", "update", "delete"})


class Hold(StrEnum):
    """What a round does with a held lock: nothing, stall one request, or stall as many as use the whole pool up."""

    NOTHING = "nothing is held"
    ONE = "one request is stalled"
    POOL = "the whole pool is stalled"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a plan: what, and as whom. `slot` chooses among the rows that are there then."""

    kind: str
    tenant: str
    principal: str
    slot: int


@dataclass(frozen=True, slots=True)
class Round:
    """Operations at once. With a hold those of `stalled` come first: the table of the tenant `held` is locked meanwhile."""

    hold: Hold
    held: str
    stalled: tuple[Step, ...]
    steps: tuple[Step, ...]

    def says(self) -> str:
        """Return the round for a report."""
        return self.hold.value if self.hold is Hold.NOTHING else f"{self.hold.value}, by a lock on tenant {self.held}"


@dataclass(frozen=True, slots=True)
class Size:
    """How much a plan holds: rounds without and with a lock for each tenant, operations in one, connections of the pool."""

    free: int
    held: int
    operations: int
    pool: int


def draw(die: Die, people: Mapping[str, Sequence[str]], size: Size) -> tuple[Round, ...]:
    """Return a plan for two tenants and their people. In each round both tenants take part, in an order of the die's."""
    rounds = [_held(die, people, key, hold, size) for _ in range(size.held) for key in people for hold in (Hold.ONE, Hold.POOL)]
    for _ in range(size.free):
        rounds.insert(die(len(rounds) + 1), Round(Hold.NOTHING, "", (), _mixed(die, people, size.operations)))
    return tuple(rounds)


def _held(die: Die, people: Mapping[str, Sequence[str]], key: str, hold: Hold, size: Size) -> Round:
    """The stalled ones first: with the whole pool, twice as many as it has, since several workers share it unevenly."""
    first = [_step(die, key, people[key], ("list", "create", "list", "item", "update"))]
    if hold is Hold.POOL:
        first += [_step(die, key, people[key], ("list",)) for _ in range(2 * size.pool if size.pool > 1 else 1)]
    return Round(hold, key, tuple(first), _mixed(die, people, size.operations))


def _mixed(die: Die, people: Mapping[str, Sequence[str]], count: int) -> tuple[Step, ...]:
    """Turns of the tenants, so that each one's requests stand before and behind another's."""
    kinds = [kind for kind, weight in WEIGHTS for _ in range(weight)]
    keys = list(people)
    turn = die(len(keys))
    return tuple(_step(die, key, people[key], kinds) for key in (keys[(turn + number) % len(keys)] for number in range(count)))


def _step(die: Die, key: str, people: Sequence[str], kinds: Sequence[str]) -> Step:
    """The first of the people is the one who may write."""
    kind, who = kinds[die(len(kinds))], people[die(len(people))]
    return Step(kind, key, people[0] if kind in WRITES else who, die(1 << 16))
