"""A production target whose owner names it: two of its tenants are read, and nothing of them is changed."""

import dataclasses
from contextlib import contextmanager

import pytest

from capliquify_ops.configuration import TargetClass
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.configuration.target import Identity
from capliquify_ops.isolation import (
    build_world,
    controls,
    families,
    read_only,
    run_control,
    run_family,
    run_scenario,
    scenarios,
)
from capliquify_ops.isolation.database import blocked_table
from capliquify_ops.isolation.exchange import NEEDS_WRITES, Call
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.errors import ConfigurationInvalid, TargetForbids
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.protocols import TokenVariant

TABLES = ((run_scenario, scenarios()), (run_control, controls()), (run_family, families()))
ROWS = [(measure, row) for measure, table in TABLES for row in table]


class Written:
    """Tokens that stand in a configuration: of users that there are, by `<slug>-<role>`."""

    def __init__(self, world):
        self._tokens = {
            f"{world.tenants[key].slug}-{person.role}": world.caller.wallet.token(person)
            for key in "ab"
            for person in world.people.values()
            if person.tenant == key
        }

    def tokens(self, requests):
        assert not any(one.ensure for one in requests)
        return [self._tokens.get(one.user_id) if one.variant is TokenVariant.VALID else None for one in requests]

    def forget(self, run):
        raise AssertionError("nothing was made")


@pytest.fixture(scope="module")
def production(world, proxy):
    """Opens the two tenants of the world as those of a production target."""

    @contextmanager
    def build(owned="ours", tenants=(world.tenants["a"].slug, world.tenants["b"].slug), **changes):
        target = dataclasses.replace(world.target, name="ours", kind=TargetClass.PRODUCTION, base_url=proxy.url, **changes)
        a, b = tenants
        with build_world(target, Written(world), new_run(), SystemClock(), tenant_a=a, tenant_b=b, own_production=owned) as built:
            yield built

    return build


READING = {row.check for _, row in ROWS if row.is_read_only}
PARTLY = {"sec_015_own_rows_only"}
"""Reads lists, and looks at the end at what a write of the other tenant moves."""


@pytest.fixture(scope="module")
def shop(production):
    """The two tenants, opened for all tests."""
    with production() as built:
        yield built
    assert built.leftovers == []


@pytest.mark.parametrize(("measure", "row"), ROWS, ids=[row.check for _, row in ROWS])
def test_only_what_reads_is_measured(measure, row, shop, lie):
    """Checks that only read are healthy, all others inconclusive; the service sees no request but reads, and none of theirs."""
    seen = []

    def watch(request, forward):
        seen.append(request.method)
        return forward(request)

    lie(watch)
    found = measure(row.check, shop)
    if row.check in READING - PARTLY:
        assert found.outcome is Outcome.HEALTHY, found.why
    else:
        assert found.outcome is Outcome.INCONCLUSIVE, found.why
        assert NEEDS_WRITES in found.why
    assert set(seen) <= {"GET", "HEAD"}
    assert bool(seen) is (row.check in READING)


def test_a_leak_is_proven_by_rows_that_are_there(production, cast, lie):
    """A list that shows a row of the other tenant fails by its id, where nobody of the own tenant had asked for that."""

    def fault(request, forward):
        is_list = cast.who(request).startswith("a.") and request.route == "/api/products"
        return forward(cast.as_(request, "b.owner") if is_list else request)

    with production() as built:
        lie(fault)
        found = run_scenario("int_16_a_sees_only_a", built)
        lie(None)
        assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why
        assert "id of products" in " ".join(found.witness.lines)
        assert run_scenario("int_18_foreign_resource", built).outcome is Outcome.HEALTHY
        assert run_scenario("int_16_a_sees_only_a", built).outcome is Outcome.HEALTHY


def test_nothing_is_written(shop):
    """Whatever a measure asks for: a write is not sent, by none of the ways to send."""
    path = shop.planting_route().path
    call = Call("POST", path, shop.person("a.owner"), json={})
    for send in (shop.send, shop.caller.send_at_once, shop.caller.wire):
        with pytest.raises(CannotTell, match=NEEDS_WRITES):
            send(call)
    with pytest.raises(CannotTell, match="no operator URL"), blocked_table(shop.target, shop.tenant("a").schema_name, "products"):
        raise AssertionError("nothing may be locked")


@pytest.mark.parametrize("owned", [None, "", "theirs"])
def test_another_name_is_refused(production, owned):
    """Without the option, or with another target's name, a production target is refused before anything is asked."""
    with pytest.raises(TargetForbids), production(owned):
        raise AssertionError("nothing may be built")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tenants": ("one", None)}, "--tenant-a and --tenant-b"),
        ({"tenants": (None, None)}, "--tenant-a and --tenant-b"),
        ({"identity": Identity("jwt")}, "first logins make them users"),
    ],
)
def test_what_would_have_to_be_made(production, changes, says):
    """Tenants and users of a production target are there or named as missing; none is made."""
    with pytest.raises(ConfigurationInvalid) as refused, production(**changes):
        raise AssertionError("nothing may be built")
    assert says in f"{refused.value}"


def test_a_user_without_a_token_is_missing(production, monkeypatch):
    """Whom no token is written down for is missing, with the user's id; what needs nobody else is measured."""
    monkeypatch.setattr(read_only, "ROLES", {"a": ("owner", "auditor"), "b": ("owner",)})
    with production() as built:
        assert "a-auditor" in built.missing["a.auditor"]
        assert run_family("iso_00_audit_guards", built).outcome is Outcome.HEALTHY
