"""Which connections of the service the reads of a sweep have met, so that no more are sent than it takes to meet them all."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from capliquify_ops.isolation.database import OwnerSession, owner_session
from capliquify_ops.isolation.probe import Probe, noted, untried
from capliquify_ops.isolation.service_sessions import MOST_CONNECTIONS, POOL, sessions
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

MARGIN = 3
"""Reads for each connection beyond n ln n: of n connections chosen at random, all are met with 95 % then."""
MOST_NAMED = 5
Used = Mapping[int, str]
"""When each connection was last used, by the id of its backend; none where that cannot be seen."""


def budget(connections: int) -> int:
    """Return how many reads meet all of so many connections with 95 %, whichever worker and connection answers each."""
    return math.ceil(connections * math.log(connections) + MARGIN * connections)


class Connections:
    """The service's connections, as the database sees when each was last used.

    `count`: how many there were at first, the usual pool where nobody can be asked. One that a whole budget of a family's reads
    did not meet is not waited for again by that family: some answer nobody, and some reads need no connection.
    """

    def __init__(self, world: World, owner: OwnerSession | None) -> None:
        self._world, self._owner = world, owner
        self.count = min(len(self.used()), MOST_CONNECTIONS) or POOL
        self._met: set[int] = set()
        self._given_up: dict[str, set[int]] = {}

    def used(self) -> Used:
        """Return when each was last used."""
        if self._owner is None:
            return {}
        try:
            return {one.pid: one.changed for one in sessions(self._world, self._owner)}
        except OpsError:
            self._owner = None
            return {}

    def left(self, family: str, before: Used, sent: int) -> int:
        """Return how many reads of a family it takes at least, after so many since `before`: 0 when no more are to be sent."""
        unspent = max(0, budget(self.count) - sent)
        if not any(before.values()):
            return unspent
        now = self.used()
        unmet = {pid for pid in before if now.get(pid) == before[pid]}
        self._met |= now.keys() & before.keys() - unmet
        given_up = self._given_up.setdefault(family, set())
        if len(unmet) == len(before) or not unspent:
            given_up |= unmet
        return min(len(unmet - given_up), unspent)

    def told(self) -> Probe:
        """Return the row of what was met: where a tenant is remembered on another one, nobody would have seen it."""
        name = "connections that reads met"
        if not self._met:
            return untried(name, "the database does not show which were used, so the whole budget was sent", is_optional=True)
        unseen = sorted(set().union(*self._given_up.values()) - self._met)
        more = f"; {len(unseen)} answered no read (backends {', '.join(map(str, unseen[:MOST_NAMED]))})" if unseen else ""
        return noted(name, "", request=f"{len(self._met)} of the service's connections{more}")


@contextmanager
def service_connections(world: World) -> Iterator[Connections]:
    """Watch the service's connections from one session of the operator's, where there is one."""
    with ExitStack() as opened:
        owner = None
        with suppress(OpsError):
            owner = opened.enter_context(owner_session(world.target, "audit sessions"))
        yield Connections(world, owner)
