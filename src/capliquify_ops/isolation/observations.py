"""What a tenant sees while it goes through a fixed script, with everything masked that differs from run to run by itself."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.canary import WORDS
from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.routes import BASIC_FEATURE, PAGE
from capliquify_ops.isolation.world_model import Plant, World

ROWS = 3
"""Made in each collection: the distances between their ids show a sequence that somebody else takes from."""
MOST_NAMED = 3
"""Values of one member that a finding names."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_INDEX = re.compile(r"\[\d+\]")
_STATED = ("x-cache", "content-range", "x-total-count", "link")
"""Headers that say something about data."""
SHARED_SEQUENCE = "separate_sequences"
"""What a profile declares not applicable where all tenants' ids come from one sequence by design."""
Observation = Mapping[str, object]
Seen = Mapping[str, Observation]
"""What one run of a script saw, by step."""


class Script:
    """The same steps each time: rows made in every collection, read back, listed, searched and added up, and removed."""

    def __init__(self, world: World, key: str) -> None:
        self._world = world
        self._who = world.person(f"{key}.owner")
        self._key = key
        self._made: list[Plant] = []
        self._first: dict[str, int] = {}
        self._steps: Iterator[tuple[str, Observation]] = self._all()

    def run(self, between: Callable[[], None]) -> dict[str, Observation]:
        """Go through all steps, with something else before each one; remove the rows; return what was seen by step."""
        try:
            return dict(self._all(between))
        finally:
            self.remove()

    def step(self) -> None:
        """Do the next step only, over and over again."""
        if next(self._steps, None) is None:
            self._steps = self._all()
            next(self._steps, None)

    def remove(self) -> None:
        """Delete the rows that the script made and has not removed."""
        self._world.uproot([plant for plant in self._made if plant.path])
        self._made.clear()

    def _all(self, between: Callable[[], None] = lambda: None) -> Iterator[tuple[str, Observation]]:
        for route in self._collections():
            for number in range(ROWS):
                between()
                yield f"makes row {number + 1} in {route.path}", self._creates(route)
        for path in self._reads():
            between()
            yield f"reads {path}", self._observed(self._world.send(Call("GET", path, self._who)))

    def _collections(self) -> list[Route]:
        return [route for route in self._world.creatable() if route.feature in {"", BASIC_FEATURE} and self._world.item_of(route)]

    def _reads(self) -> Iterator[str]:
        for plant in [plant for plant in self._made if plant.path]:
            yield plant.path
        for route in self._world.lists():
            if route.surface not in {"events", "audit_log", "users"} and route.feature in {"", BASIC_FEATURE}:
                yield route.path + (PAGE if route.surface == "collection" else f"?{route.query}=Audit" if route.query else "")

    def _creates(self, route: Route) -> Observation:
        content, canary = self._world.draft(self._key, route, "script")
        amounts = {name: number for number, (name, kind) in enumerate(route.fields.items(), 1) if kind == "number"}
        answer = self._world.send(Call("POST", route.path, self._who, json=content | amounts))
        row = next(objects(answer.data), None) if answer.is_success else None
        if row is not None:
            self._made.append(self._world.remember(self._key, route, str(row["id"]), canary))
        return self._observed(answer, route.path)

    def _observed(self, answer: Exchange, collection: str = "") -> Observation:
        stated = {name: answer.response.headers[name] for name in _STATED if name in answer.response.headers}
        found = {f"header {name}": self._masked(value, "") for name, value in stated.items()}
        columns: dict[str, list[object]] = {}
        for path, value in leaves(answer.document):
            # No service promises the order of its lists, which may follow random ids: a member is compared over all rows.
            name = _INDEX.sub("[]", path)
            is_listed = "[]" in name and not collection
            columns.setdefault(name, []).append(self._masked(value, f"{collection}{name}", is_listed=is_listed))
        found |= {name: tuple(sorted(values, key=repr)) if "[]" in name else values[-1] for name, values in columns.items()}
        return {"status": answer.status, **found}

    def _masked(self, value: object, where: str, *, is_listed: bool = False) -> object:
        """Return a value without ids, words and times of this run; a serial id as the distance from the first one there."""
        is_told = is_listed or SHARED_SEQUENCE in self._world.profile.not_applicable
        if where.endswith(".id") and str(value).isdigit() and is_told:
            return "<id>"
        if where.endswith(".id") and str(value).isdigit():
            return int(str(value)) - self._first.setdefault(where, int(str(value)))
        if not isinstance(value, str):
            return value
        return WORDS.sub("<word>", _TIME.sub("<time>", _UUID.sub("<id>", value)))


def moved(pairs: Sequence[tuple[Seen, Seen]], beside: Seen) -> dict[str, str]:
    """Return by step what differs beside another one although it was the same in both runs of each pair alone.

    Steps are compared in order. What is expected is what the first pair saw: a later pair may see what the other one left.
    """
    found: dict[str, str] = {}
    runs = [seen.values() for pair in pairs for seen in pair]
    for (step, now), *alone in zip(beside.items(), *runs, strict=False):
        known = {path for seen in alone for path in seen}
        both = list(zip(alone[::2], alone[1::2], strict=True))
        moving = {path for path in known if any(one.get(path) != two.get(path) for one, two in both)}
        for path in sorted((known | now.keys()) - moving):
            if alone[0].get(path) != now.get(path):
                found[step] = _difference(path.lstrip("."), alone[0].get(path), now.get(path))
                break
    return found


def _difference(path: str, was: object, now: object) -> str:
    if isinstance(was, tuple) and isinstance(now, tuple):
        lost, new = (list((Counter(one) - Counter(other)).elements()) for one, other in ((was, now), (now, was)))
        return f"{path} of the rows lacks {lost[:MOST_NAMED]!r} and has {new[:MOST_NAMED]!r} more"
    return f"{path} was {was!r} and is {now!r}"
