"""What an audit makes, and that nothing of it stays."""

import dataclasses
import itertools
import time

import pytest

from capliquify_ops.configuration import TargetClass
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import operator
from capliquify_ops.isolation import build_world, controls, remove_run, run_control, scenarios
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError, TargetForbids, TargetUnreachable
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.protocols import TokenVariant
from capliquify_ops.tenants.registry import list_tenants

BUILT = [row.check for row in (*scenarios(), *controls()) if row.measure]
NEEDS_MORE_THAN_TWO = {
    "int_06_no_tenant", "int_07_suspended", "int_09_tenant_schema", "int_11_starter_refused_ai", "int_12_starter_refused_reports",
    "sec_010_starter_premium", "sec_011_feature_column", "sec_012_row_level_security", "sec_018_rate_limit",
}  # fmt: skip


def slugs(target):
    with operator(target.changing_url(), "test") as session, session.transaction():
        return {tenant.slug for tenant in list_tenants(session, deleted=None)}


def schemas(target):
    query = "SELECT n.nspname::text FROM pg_catalog.pg_namespace AS n WHERE n.nspname LIKE 'tenant%%'"
    with operator(target.changing_url(), "test") as session, session.transaction():
        return {row["nspname"] for row in session.mappings(query)}


def test_a_world_and_what_is_left_of_it(world_on, direct_target):
    """A world holds four tenants named after its run, with people and rows, and leaves no tenant, schema or user behind."""
    before = slugs(direct_target), schemas(direct_target)
    with world_on() as world:
        made = slugs(direct_target) - before[0]
        assert made == {f"audit-{world.run}-{key}" for key in "absx"}
        assert {tenant.organization_id for tenant in world.tenants.values()} == {f"org_{world.run}_{key}" for key in "absx"}
        assert world.people["a.owner"].user_id == f"user_{world.run}_a_owner"
        assert len(world.planted("a", "products")) == 3
        assert len(world.planted("b", "products")) == 5
        assert {plant.route for plant in world.plants} == {
            "products",
            "sales",
            "inventory",
            "forecasts",
            "ai_forecasts",
            "scenarios",
            "comments",
            "invitations",
            "api_keys",
        }
        assert {canary.tenant for canary in world.caller.canaries if "working_capital" in canary.label} == {"a", "b"}
    assert (slugs(direct_target), schemas(direct_target)) == before
    assert world.leftovers == []


def test_an_exception_leaves_nothing_either(world_on, direct_target):
    """A suite that is interrupted leaves no tenant and no schema behind."""
    before = slugs(direct_target), schemas(direct_target)
    with pytest.raises(KeyboardInterrupt), world_on():
        raise KeyboardInterrupt
    assert (slugs(direct_target), schemas(direct_target)) == before


def test_a_world_that_cannot_be_finished_is_removed(world_on, direct_target, proxy, lie):
    """When the service goes away while the world is built, what was made is removed."""
    before = slugs(direct_target), schemas(direct_target)
    left = itertools.count(3, -1)
    lie(lambda request, forward: forward(request) if next(left) > 0 else None)
    with pytest.raises(TargetUnreachable), world_on(proxy.url):
        raise AssertionError("the world cannot have been built")
    assert (slugs(direct_target), schemas(direct_target)) == before


class Stubborn:
    """A token source that cannot forget."""

    def __init__(self, inner):
        self._inner = inner

    def tokens(self, requests):
        return self._inner.tokens(requests)

    def forget(self, run):
        raise OpsError(f"The users of {run} cannot be removed.")


def test_what_cannot_be_removed_is_reported(direct_target, token_maker):
    """What could not be removed is named, all else is removed, and removing the run later works."""
    before = slugs(direct_target)
    with build_world(direct_target, Stubborn(token_maker), new_run(), SystemClock()) as world:
        pass
    assert len(world.leftovers) == 1
    assert world.run in world.leftovers[0]
    assert slugs(direct_target) == before
    assert remove_run(direct_target, token_maker, world.run) == ()


def test_production_is_refused(direct_target, token_maker):
    """A target of class production is never attacked: the refusal comes before anything is made."""
    target = dataclasses.replace(direct_target, kind=TargetClass.PRODUCTION)
    with pytest.raises(TargetForbids), build_world(target, token_maker, new_run(), SystemClock()):
        raise AssertionError("the world cannot have been built")


def test_without_operator_and_tenants(direct_target, token_maker):
    """Without an operator URL and without two named tenants, the sentence says what to give."""
    target = dataclasses.replace(direct_target, operator_url=None)
    with pytest.raises(ConfigurationInvalid, match="--tenant-a"), build_world(target, token_maker, new_run(), SystemClock()):
        raise AssertionError("the world cannot have been built")


@pytest.fixture(scope="module")
def two_tenants(world_on):
    """A world on two existing tenants, without an operator URL. Its people stay in them, so they are nobody else's."""
    with world_on() as own, world_on(operator_url=None, tenants=(own.tenants["a"].slug, own.tenants["b"].slug)) as built:
        yield built
    assert any("first logins made them" in left for left in built.leftovers)
    assert any("no route deletes them" in left for left in built.leftovers)


@pytest.mark.parametrize("check", BUILT)
def test_two_given_tenants(check, two_tenants, run):
    """With two tenants only, what needs more is inconclusive and says so; all else is measured."""
    found = run(check, two_tenants)
    if check in NEEDS_MORE_THAN_TWO - {"int_06_no_tenant"}:
        assert found.outcome is Outcome.INCONCLUSIVE, found.why
        assert "operator URL" in found.why
    else:
        assert found.outcome is Outcome.HEALTHY, found.why
    if check == "sec_016_concurrent_search_path":
        assert found.grade is Grade.WEAK
        assert found.examined < found.eligible


class Poor:
    """A token source that makes valid tokens and nothing else."""

    def __init__(self, inner):
        self._inner = inner

    def tokens(self, requests):
        made = self._inner.tokens([one for one in requests if one.variant is TokenVariant.VALID])
        found = iter(made)
        return [next(found) if one.variant is TokenVariant.VALID else None for one in requests]

    def forget(self, run):
        self._inner.forget(run)


@pytest.fixture(scope="module")
def poor(world_on, token_maker):
    with world_on(tokens=Poor(token_maker)) as built:
        yield built


@pytest.mark.parametrize("check", ["sec_004_expired_token", "sec_006_foreign_environment"])
def test_a_variant_that_the_provider_cannot_make(check, poor, run):
    """A control whose tokens cannot be had is inconclusive and names the variant."""
    found = run(check, poor)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "makes no" in found.why


@pytest.mark.parametrize("check", ["sec_005_tampered_token", "int_03_invalid_session"])
def test_what_can_do_without_a_variant(check, poor, run):
    """Controls that forge their own tokens are measured without the provider's, and graded weaker."""
    found = run(check, poor)
    assert found.outcome is Outcome.HEALTHY
    assert found.grade is Grade.WEAK


def test_requests_are_marked_and_paced(world, lie, monkeypatch):
    """Each request carries the run, and no tenant gets more than half of the profile's rate limit in any second."""
    seen = []

    def watch(request, forward):
        seen.append((time.monotonic(), request.organization, request.header("X-Audit-Run")))
        return forward(request)

    limit = 120
    monkeypatch.setattr(world.caller, "_pace", Pace(limit, world.clock, time.sleep))
    lie(watch)
    found = run_control("sec_016_concurrent_search_path", world)
    assert found.outcome is Outcome.HEALTHY
    assert {mark for _, _, mark in seen} == {world.run}
    for organization in {each for _, each, _ in seen}:
        times = [at for at, sent, _ in seen if sent == organization]
        assert max(sum(1 for other in times if at <= other < at + 1) for at in times) <= limit / 2 + 2
