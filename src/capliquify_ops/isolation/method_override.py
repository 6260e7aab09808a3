"""Part of SEC-009: a harmless method that asks, in a header or parameter, to be taken for a write."""

from dataclasses import dataclass

from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, Probes, noted
from capliquify_ops.isolation.routes import WRITES, has_row_with, is_as_it_was, row_of
from capliquify_ops.isolation.world_model import Plant, World

CARRIERS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method")
"""What frameworks read; the last one is a parameter."""
SENT_AS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class Disguise:
    """A write, the method that it is sent as, and what carries its real name."""

    method: str
    sent_as: str
    carrier: str

    def __str__(self) -> str:
        return f"{self.sent_as} with {self.carrier}: {self.method}"

    def call(self, path: str, who: Person, content: object) -> Call:
        """Return the request."""
        shown = f" with {self.carrier}: {self.method}"
        if self.carrier == "_method":
            return Call(self.sent_as, f"{path}?{self.carrier}={self.method}", who, json=content, shown=shown)
        return Call(self.sent_as, path, who, headers={self.carrier: self.method}, json=content, shown=shown)


def overridden_methods(world: World, who: str, needs: str) -> Probes:
    """Ask for each write under another method: it may be answered as what it was sent as, and nothing is written."""
    for carrier in CARRIERS:
        yield from _creation(world, who, Disguise("POST", "GET", carrier), needs)
        yield from _changes(world, who, carrier, needs)


def _creation(world: World, who: str, disguise: Disguise, needs: str) -> Probes:
    route = world.planting_route()
    content, canary = world.draft("a", route, f"made with {disguise.carrier}")
    answer = world.send(disguise.call(route.path, world.person(who), content))
    yield answer.probe(f"{who} sends to {route.path} {disguise}", OWN_OR_REFUSED, needs=needs)
    problem = "the row was made" if has_row_with(world, "a.owner", canary.token) else ""
    yield noted(f"{route.name} after {disguise}", problem, request=answer.call.line(), needs=needs, is_change=True)


def _changes(world: World, who: str, carrier: str, needs: str) -> Probes:
    """A disguised request may be taken for what it was sent as, so only a changed row tells."""
    with world.temporary(world.plant("a", world.planting_route())) as victim:
        before = row_of(world, victim)
        for sent_as in SENT_AS:
            for disguise in _of_item(world, sent_as, carrier):
                yield from _change(world, who, victim, disguise, needs)
            problem = "" if is_as_it_was(world, victim, before) else "the row was changed or deleted"
            request = f"{sent_as} {victim.path} as {who} with {carrier}"
            yield noted(f"the row after {sent_as} with {carrier}", problem, request=request, needs=needs, is_change=True)
            if problem:
                return


def _of_item(world: World, sent_as: str, carrier: str) -> list[Disguise]:
    item = world.item_of(world.planting_route())
    return [Disguise(method, sent_as, carrier) for method in WRITES if item is not None and method in item.methods]


def _change(world: World, who: str, victim: Plant, disguise: Disguise, needs: str) -> Probes:
    content = None if disguise.method == "DELETE" else world.draft("a", world.route(victim.route), f"changed by {disguise}")[0]
    answer = world.send(disguise.call(victim.path, world.person(who), content))
    yield answer.probe(f"{who} sends for a row {disguise}", OWN_OR_REFUSED, needs=needs)
