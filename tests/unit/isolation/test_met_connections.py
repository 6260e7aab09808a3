"""How many reads it takes to meet the connections of a service, and when to stop."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from capliquify_ops.isolation import met_connections
from capliquify_ops.isolation.met_connections import Connections, budget
from capliquify_ops.isolation.service_sessions import POOL, ServiceSession
from capliquify_ops.model.errors import TargetUnreachable


@pytest.fixture
def service(monkeypatch):
    """A service with connections of its own: `use` uses some of them, the database tells."""
    used = {}

    def sessions(world, owner):
        if used is None or not used:
            raise TargetUnreachable("It is gone.")
        return [ServiceSession(pid, "idle", changed) for pid, changed in used.items()]

    monkeypatch.setattr(met_connections, "sessions", sessions)

    def use(*pids):
        for pid in pids:
            used[pid] += "x"

    def made(count, changed="x"):
        used.update(dict.fromkeys(range(count), changed))
        return Connections(None, SimpleNamespace(session=nullcontext()))

    return SimpleNamespace(made=made, use=use, used=used)


def test_the_budget():
    """n ln n + 3n, as of a collector who gets one of n at random; of one connection three."""
    assert [budget(one) for one in (1, 2, 10, 40)] == [3, 8, 54, 268]


def test_all_are_met(service):
    """As many reads more as there are connections that none has used; none where all have answered."""
    connections = service.made(4)
    before = connections.used()
    service.use(0, 1, 2)
    assert connections.left("rows", before, 4) == 1
    service.use(3)
    assert connections.left("rows", before, 5) == 0
    assert connections.told().request == "4 of the service's connections"


def test_one_that_answers_nobody(service):
    """A whole budget is spent on it once for a family, not again; another family tries for itself; the row tells of it."""
    connections = service.made(2)
    before = connections.used()
    service.use(0)
    assert connections.left("rows", before, 2) == 1
    assert connections.left("rows", before, 7) == 1
    assert connections.left("rows", before, 8) == 0
    before = connections.used()
    service.use(0)
    assert connections.left("rows", before, 2) == 0
    assert connections.left("lists", before, 2) == 1
    assert connections.told().request.endswith("; 1 answered no read (backends 1)")


def test_reads_that_use_no_connection(service):
    """Where the first ones met none at all, more will not."""
    connections = service.made(4)
    assert connections.left("open to everybody", connections.used(), 4) == 0


@pytest.mark.parametrize("is_hidden", [True, False])
def test_where_nobody_can_tell(service, is_hidden):
    """The whole budget is sent, and that is told; nobody is asked again where asking failed."""
    connections = service.made(4 if is_hidden else 0, "")
    assert connections.count == (4 if is_hidden else POOL)
    before = connections.used()
    assert connections.left("rows", before, 4) == budget(connections.count) - 4
    assert connections.left("rows", before, budget(connections.count)) == 0
    assert "whole budget" in connections.told().untried


def test_one_that_ended_need_not_be_met(service):
    """What a session that is gone remembered, nobody meets."""
    connections = service.made(2)
    before = connections.used()
    service.use(0)
    del service.used[1]
    assert connections.left("rows", before, 2) == 0
