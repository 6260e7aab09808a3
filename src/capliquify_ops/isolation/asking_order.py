"""One address asked by both tenants and by nobody, in an order: whoever asks second gets nothing of the first one's answer."""

from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.cache_signs import is_hit, shared_storage
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.foreign_totals import foreign_total
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, SUCCESS, Probe, Probes
from capliquify_ops.isolation.routes import OTHER, lacks_own
from capliquify_ops.isolation.world_model import World

WARM = 6
"""Reads until a cache is seen to answer: with several workers each one has a cache of its own."""


@dataclass(slots=True)
class Order:
    """Asks in an order, and remembers on which routes a cache was seen."""

    world: World
    cached: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def warm(self, route: Route, key: str, path: str) -> Exchange:
        """Read as a tenant until a cache answers, twice at least; only where caches say so is it read more often."""
        header = self.world.profile.cache_header
        self.asked.add(route.name)
        answer = self.world.get(f"{key}.owner", path)
        for _ in range(WARM):
            answer = self.world.get(f"{key}.owner", path)
            if is_hit(answer.response.headers, header):
                self.cached.add(route.name)
            if route.name in self.cached or header.lower() not in answer.response.headers:
                break
        return answer

    def first(self, route: Route, key: str, path: str) -> Probe:
        """Return the row of whoever asks first. Served, it is the control of what follows; refused, of nothing."""
        answer = self.warm(route, key, path)
        problem = shared_storage(answer.response.headers) if answer.is_success and answer.own else ""
        if problem:
            return answer.probe(f"the storage of {path.partition('?')[0]}", SUCCESS, problem=problem)
        return answer.probe(f"{key}.owner reads {path} first", OWN_OR_REFUSED, is_control=answer.is_success)

    def second(self, route: Route, key: str, path: str, control: str) -> Probe:
        """Return the row of the other tenant on the same address: own data, or a refusal."""
        answer = self.world.get(f"{key}.owner", path)
        problem = foreign_total(key, answer.data)
        if not problem and route.name == self.world.planting_route().name and "{id}" not in route.path:
            problem = lacks_own(self.world, f"{key}.owner", answer)
        return answer.probe(f"{key}.owner reads {path} after {OTHER[key]}.owner", OWN_OR_REFUSED, problem=problem, needs=control)

    def nobody(self, key: str, path: str, control: str) -> Probes:
        """Yield the rows of nobody on the address that a tenant has just been answered on."""
        for organization in (None, self.world.tenant(key).organization_id):
            answer = self.world.send(Call("GET", path, organization=organization))
            yield answer.probe(f"nobody reads {path} after {key}.owner", REFUSED, needs=control)

    def turn(self, route: Route, first: str, path: str) -> Probes:
        """Yield one address in one order: a tenant until the cache answers, the other one, nobody, the first one again."""
        other = OTHER[first]
        yield (asked := self.first(route, first, path))
        control = asked.name if asked.is_control else ""
        yield self.second(route, other, path, control)
        if route.kind == "tenant":
            yield from self.nobody(first, path, control)
        yield self.second(route, other, path, control)
        yield self.second(route, first, path, control)
