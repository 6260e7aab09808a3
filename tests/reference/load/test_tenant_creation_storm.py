"""`tenant_creation_storm` on the reference stack: tenants made through its service, read back by their owners, and gone again."""

from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from capliquify_ops.configuration import TargetClass, load_limits, load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.load.tenant_creation_storm import judge, measure, raw_storm, recompute_storm
from capliquify_ops.model.errors import TargetForbids, UsageError
from capliquify_ops.model.outcome import Outcome

RATE, SECONDS, MANY = 600, 0.5, 5
LIMITS = load_limits(
    {"storm_required_seconds": SECONDS, "storm_p95_ms": 8_000, "storm_read_back_ms": 4_000, "generator_slip_p99_ms": 30_000},
    "tests",
)
"""A short storm on processors that other tests share."""
SCENARIO = replace(LIMITS, by_key={**LIMITS.by_key, "storm_required_seconds": load_limits()["storm_required_seconds"]})


@pytest.fixture(scope="module")
def target(whole_stack):
    return load_settings(whole_stack.config, environment={}).targets["running"]


@pytest.fixture(scope="module")
def statement(whole_stack):
    """Runs statements as superuser, names composed."""
    with psycopg.connect(whole_stack.superuser_url, autocommit=True) as connection:

        def run(text, *names, values=None):
            cursor = connection.execute(sql.SQL(text).format(*map(sql.Identifier, names)), values)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def blow(target, statement):
    """Runs a short storm, after which none of its tenants is left."""
    runs = []

    def run(of=None, rate=RATE, seconds=SECONDS):
        runs.append(new_run())
        return measure(of or target, token_source(target.identity, SystemClock()), runs[-1], rate_per_min=rate, seconds=seconds)

    yield run
    for each in runs:
        [(left,)] = statement("SELECT count(*) FROM public.tenants WHERE slug LIKE %(slug)s", values={"slug": f"%{each}%"})
        assert left == 0


@contextmanager
def without_privilege(statement, role):
    """The role may not create a tenant's schema."""
    statement("REVOKE EXECUTE ON FUNCTION public.create_tenant_schema(uuid) FROM {}", role)
    try:
        yield
    finally:
        statement("GRANT EXECUTE ON FUNCTION public.create_tenant_schema(uuid) TO {}", role)


def test_a_privilege_taken_away_turns_it_red_and_given_back_green_again(blow, target, statement):
    """0 -> 1 -> 0: without EXECUTE each creation fails, is named, and leaves nothing behind; half a second is no minute."""
    storm = blow()
    found = judge(storm, LIMITS)
    assert found.outcome is Outcome.HEALTHY, found
    assert (storm.how, found.examined, found.eligible) == ("POST /api/admin/tenants", MANY, MANY)
    assert recompute_storm(raw_storm(storm)) == found.measured
    assert judge(storm, SCENARIO).outcome is Outcome.INCONCLUSIVE
    with without_privilege(statement, target.roles.operator):
        found = judge(blow(), LIMITS)
    assert found.outcome is Outcome.FAILING, found
    assert found.measured["failed"] == MANY
    assert "tenant 0: POST /api/admin/tenants answered 500" in found.witness.lines
    assert judge(blow(), LIMITS).outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_an_insert_that_waits_misses_the_p95_limit(blow, statement):
    """A trigger of 1.2 s on the registry is charged to the creations, from when they were due."""
    limits = replace(LIMITS, by_key={**LIMITS.by_key, "storm_p95_ms": replace(LIMITS["storm_p95_ms"], value=1_000)})
    assert judge(blow(), limits).outcome is Outcome.HEALTHY
    statement("CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END'")
    try:
        statement("CREATE TRIGGER waits BEFORE INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION public.waits()")
        found = judge(blow(), limits)
    finally:
        statement("DROP FUNCTION public.waits() CASCADE")
    assert found.outcome is Outcome.FAILING, found
    assert found.limit == limits["storm_p95_ms"]
    assert found.measured["failed"] == 0


@pytest.mark.whole
def test_without_a_route_tenants_are_made_by_the_library_and_read_back_all_the_same(blow, target):
    """A profile without a route that creates tenants: the operator creates them."""
    routes = {name: route for name, route in target.profile.routes.items() if route.surface != "tenants"}
    bare = replace(target, profile=replace(target.profile, routes=routes))
    storm = blow(bare)
    assert storm.how == "capliquify-ops tenant create"
    assert judge(storm, LIMITS).outcome is Outcome.HEALTHY, storm


def test_a_storm_that_cannot_be_is_refused_before_any_tenant(blow, target):
    """Amounts that are none, and production."""
    for rate, seconds in ((0, 1), (-5, 1), (float("nan"), 1), (50, 0), (50, float("inf"))):
        with pytest.raises(UsageError, match="cannot blow"):
            blow(rate=rate, seconds=seconds)
    with pytest.raises(TargetForbids):
        blow(replace(target, kind=TargetClass.PRODUCTION))
