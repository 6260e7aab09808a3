"""Streams of events: what one tenant is told while another one acts, also with wildcards and when it resumes."""

import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, CannotTell, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import Plant, World

HEARD_S = 5.0
"""How long an event of the own tenant may take before nothing is said about a stream."""
OPEN_S = 1.0
"""How long the first words of all streams are waited for; a service may say nothing until something happens."""
RESUME = "Last-Event-ID"
WIDE = "?channel=*&channels=*&topic=*&topics=*&tenant=*&all=true&replay=true&since=0"
_EVENT_ID = re.compile(rb"^id:[ \t]*(\S{1,200})[ \t]*\r?$", re.MULTILINE)


@dataclass(slots=True)
class Ear:
    """Somebody who listens until one word is heard. `is_open` is set when the stream says something."""

    name: str
    call: Call
    until: str
    is_open: threading.Event = field(default_factory=threading.Event)

    def is_enough(self, body: bytes) -> bool:
        """Whether the awaited word, or the end of what is read, has come."""
        if body:
            self.is_open.set()
        return self.until.encode() in body


@dataclass(frozen=True, slots=True)
class Row:
    """A row to be made while others listen, and the secret in it."""

    key: str
    content: Mapping[str, object]
    canary: Canary


def events(world: World, route: Route) -> Probes:
    """Each tenant listens while the other one acts, then both change places."""
    for key in ("a", "b"):
        yield from _heard(world, route, key)


def _heard(world: World, route: Route, key: str) -> Probes:
    """`key` acts, then the listener's own tenant does: what should not come would have come before that."""
    actor, other = world.person(f"{key}.owner"), world.person(f"{OTHER[key]}.owner")
    rows = [_drafted(world, each) for each in (key, OTHER[key], key)]
    last, fence = rows[2].canary.token, rows[1].canary.token
    control = f"{actor.name} hears own events on {route.path}"
    ears = [
        Ear(actor.name, Call("GET", route.path, actor), last),
        Ear(other.name, Call("GET", route.path, other), fence),
        Ear(f"{other.name} with wildcards", Call("GET", route.path + WIDE, other), fence),
        Ear(f"{other.name} from the start", Call("GET", route.path, other, headers={RESUME: "0"}), fence),
    ]
    heard = _listened(world, ears, rows)
    is_heard = bool(heard[0].own)
    yield noted(control, "", is_control=True) if is_heard else untried(control, f"no own event came within {HEARD_S:g} s")
    yield from (_judged(ear, answer, control) for ear, answer in zip(ears, heard, strict=True))
    ids = [found.decode("latin-1") for found in _EVENT_ID.findall(heard[0].response.body)]
    if ids:
        rows = [_drafted(world, each) for each in (key, OTHER[key])]
        ears = [
            Ear(f"{other.name} resumes {key}'s", Call("GET", route.path, other, headers={RESUME: one}), rows[-1].canary.token)
            for one in dict.fromkeys((ids[0], ids[-1]))
        ]
        heard = _listened(world, ears, rows)
        yield from (_judged(ear, answer, control) for ear, answer in zip(ears, heard, strict=True))


def _judged(ear: Ear, answer: Exchange, control: str) -> Probe:
    name = f"{ear.name} listens to {answer.call.path.partition('?')[0]}"
    if answer.status // 100 == 2 and not answer.own and not answer.foreign:  # noqa: PLR2004 -- 2xx
        return untried(name, f"no own event came within {HEARD_S:g} s")
    return answer.probe(name, OWN_OR_REFUSED, needs=control)


def _drafted(world: World, key: str) -> Row:
    content, canary = world.draft(key, world.planting_route(), "an event")
    world.caller.canaries.append(canary)
    return Row(key, content, canary)


def _listened(world: World, ears: Sequence[Ear], rows: Sequence[Row]) -> list[Exchange]:
    """Make the rows, one after the other, while everybody listens; they are deleted when all have heard enough."""
    plants: list[Plant] = []
    with ThreadPoolExecutor(len(ears)) as pool:
        heard = [pool.submit(world.caller.listen, ear.call, ear.is_enough, HEARD_S) for ear in ears]
        end = world.clock.monotonic() + OPEN_S
        for ear in ears:
            ear.is_open.wait(max(0.0, end - world.clock.monotonic()))
        try:
            plants.extend(_made(world, row) for row in rows)
            return [each.result() for each in heard]
        finally:
            world.uproot(plants)


def _made(world: World, row: Row) -> Plant:
    route = world.planting_route()
    answer = world.send(Call("POST", route.path, world.person(f"{row.key}.owner"), json=row.content))
    made = next(objects(answer.data), None)
    if not answer.is_success or made is None:
        raise CannotTell(f"{answer.call.line()} made no row: {answer.status} {answer.code}".rstrip() + ".")
    return world.remember(row.key, route, str(made["id"]), None)
