"""What an audit is given wrongly is neither a leak nor a pass: tokens of others, a wrong clock, routes that are not there."""

import dataclasses
import itertools
import re
import time
from datetime import timedelta
from email.utils import formatdate

import pytest

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.isolation import controls, families, scenarios
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.protocols import TokenVariant
from capliquify_ops.reference import tokens as embedded_tokens

CHECKS = [row.check for row in (*scenarios(), *controls(), *families())]
NEED_NO_SESSION = {"int_02_missing_authorization"}
"""What is refused without a session is refused as well when all others have ended."""
EXPIRED = b'{"success": false, "error": "session_verification_failed"}'
POSITIVE = {
    "int_01_valid_session",
    "int_08_first_login",
    "int_13_admin_creates_product",
    "int_16_a_sees_only_a",
    "int_17_b_sees_only_b",
}
"""Scenarios that claim a success: who is let in nowhere fails them."""


class Given:
    """Tokens that are not what they should be, made by `make(requests)`."""

    def __init__(self, make, inner):
        self.tokens = make
        self.forget = inner.forget


def of_another_environment(token_maker):
    """A provider whose tokens the service does not know."""
    return lambda requests: token_maker.tokens(
        [dataclasses.replace(one, variant=TokenVariant.FOREIGN_ENVIRONMENT) for one in requests]
    )


def by_another_clock(token_maker, seconds):
    """A provider whose clock goes wrong."""
    clock = SystemClock()

    class Wrong:
        def now(self):
            return clock.now() + timedelta(seconds=seconds)

        def monotonic(self):
            return clock.monotonic()

    return lambda requests: embedded_tokens.make_tokens(token_maker._folder, requests, Wrong())


@pytest.fixture(scope="module", params=["another environment", "a clock that is slow", "a clock that is fast"])
def refused(request, world_on, token_maker):
    """A world whose people are let in nowhere."""
    make = {
        "another environment": lambda: of_another_environment(token_maker),
        "a clock that is slow": lambda: by_another_clock(token_maker, -864_000),
        "a clock that is fast": lambda: by_another_clock(token_maker, 864_000),
    }[request.param]()
    with world_on(tokens=Given(make, token_maker)) as built:
        yield built
    assert built.leftovers == []


@pytest.mark.parametrize("check", CHECKS)
def test_tokens_that_are_not_the_services(check, refused, run):
    """Tokens of another provider, or by a wrong clock, let nobody in: each check could not tell, and says that nobody was let in."""
    found = run(check, refused)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert found.grade is None
    assert "401" in f"{found.why} {found.witness.lines}", found.why


def dated(forward, request, seconds):
    """The answer of a service whose clock is so many seconds ahead."""
    answer = forward(request)
    return dataclasses.replace(answer, headers=[*answer.headers, ("Date", formatdate(time.time() + seconds, usegmt=True))])


@pytest.mark.parametrize(("seconds", "says"), [(-3600, "behind"), (3600, "ahead of")])
def test_who_is_not_let_in_is_told_of_clocks(world_on, token_maker, proxy, lie, seconds, says):
    """Where the service's clock is another one, that is said beside the refusal."""
    lie(lambda request, forward: dated(forward, request, seconds))
    with world_on(proxy.url, tokens=Given(of_another_environment(token_maker), token_maker)) as built:
        told = re.search(r"(\d+) s (behind|ahead of) ours", built.missing["a.owner"])
        # A stamp has whole seconds: it may be of the second before.
        assert abs(int(told[1]) - abs(seconds)) <= 2
        assert told[2] == says
        assert "401" in built.missing["a.owner"]


@pytest.mark.whole
def test_an_expired_token_by_another_clock(world, cast, lie, run):
    """A service whose clock is behind honours tokens that ended by ours: that is no fault of it, and no pass either."""

    def slow(request, forward):
        has_ended = request.claims.get("exp", 1e12) < time.time()
        return dated(forward, cast.as_(request, cast.who(request)) if has_ended else request, -3600)

    lie(slow)
    found = run("sec_004_expired_token", world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "behind ours" in found.why
    lie(lambda request, forward: dated(forward, request, 1))
    assert run("sec_004_expired_token", world).outcome is Outcome.HEALTHY


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("at", [2, 9])
def test_tokens_that_expire_in_mid_run(check, at, world, make, lie, run):
    """From some request on every session has ended: what was refused then proves nothing, and nothing passes by it."""
    turns = itertools.count()
    ended = make.answer(401, body=EXPIRED)
    lie(lambda request, forward: ended if request.header("Authorization") and next(turns) > at else forward(request))
    found = run(check, world)
    if next(turns) <= at + 1 or check in NEED_NO_SESSION:
        assert found.outcome in {Outcome.HEALTHY, Outcome.INCONCLUSIVE}, found.why
    else:
        assert found.outcome in ({Outcome.INCONCLUSIVE, Outcome.FAILING} if check in POSITIVE else {Outcome.INCONCLUSIVE}), (
            found.why
        )
    assert found.grade is not Grade.PROOF


def moved(profile, names):
    """The profile with routes at addresses that the service does not have."""
    routes = {
        name: dataclasses.replace(route, path=f"/nowhere{route.path}") if name in names else route
        for name, route in profile.routes.items()
    }
    return dataclasses.replace(profile, routes=routes)


@pytest.fixture(scope="module")
def lost(world_on, direct_target):
    """A world by a profile all of whose tenant routes are wrong."""
    profile = direct_target.profile
    names = {name for name, route in profile.routes.items() if route.kind == "tenant"}
    with world_on(profile=moved(profile, names)) as built:
        yield built


@pytest.mark.parametrize("check", CHECKS)
def test_a_profile_of_another_service(check, lost, run):
    """Routes that do not exist are answered 404, as foreign rows are: no check passes by that."""
    found = run(check, lost)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why


@pytest.mark.parametrize(
    "names",
    [{"sales"}, {"products", "product"}, {"users"}, {"search"}],
    ids=min,
)
@pytest.mark.whole
def test_one_route_that_is_not_there(names, world_on, direct_target, run):
    """One wrong route leaves the matrix without an answer, and its address is named."""
    profile = direct_target.profile
    with world_on(profile=moved(profile, names)) as built:
        found = run("iso_01_object_matrix", built)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "/nowhere" in f"{found.why} {found.witness.lines}"
