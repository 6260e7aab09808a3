"""From what was seen to causes: whether errors are too many, what explains most of them, and what is only near."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.diagnostics.error_rate_database import Growth
from capliquify_ops.diagnostics.error_rate_explain import explain
from capliquify_ops.diagnostics.error_rate_release import Counted, Release, deploy_in_time, together, with_series
from capliquify_ops.diagnostics.error_rate_rows import ErrorRows, reading
from capliquify_ops.diagnostics.error_rate_seen import LOG, SENTRY, Seen, counted, seen_in_log, share_of, tenants_in
from capliquify_ops.diagnostics.error_rate_symptom import Symptom, lower_bound, of_sentry, of_texts, of_traffic
from capliquify_ops.integrations.clerk import RateState
from capliquify_ops.integrations.render_logs import LogLine
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.integrations.sentry_records import Point, Series
from capliquify_ops.model.finding import Evidence, Finding, Level, Spread, Subject, SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.observation.error_texts import ErrorText, Kind, read_error_text
from capliquify_ops.observation.traffic import Route, Traffic

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
LIMITS = load_limits()
FAILS = Symptom("10 of 100 requests failed", ("/x: 10 of 100 with 500",), Level.L2)
NAMES = frozenset({"tenant_a", "tenant_b"})


def traffic(by_status, over_s=300.0, **more):
    whole = {"middleware": {}, "queries": None, "verifications": {}, "pool": {}, "memory_bytes": None} | more
    return Traffic(over_s, (Route("/x", by_status, None),), **whole)


def seen(text, count=1, source=LOG, ago_s=10.0):
    return Seen(read_error_text(text), count, source, ago_s if source == LOG else None, text)


def finding(check, name, tenants, severity=Severity.HIGH, outcome=Outcome.FAILING):
    spread = Spread(len(tenants), tuple(tenants), "") if tenants else None
    evidence, subject = Evidence(check, "", "", 0.0), Subject(SubjectKind.RELATION, name)
    return Finding(check_id(check), subject, outcome, severity, evidence, f"{name} it is.", 2, 2, tenants=spread)


MISSING = finding("registry_catalogue", "missing_schema", ["tenant_a"], Severity.CRITICAL)
ORPHAN = finding("registry_catalogue", "orphan_schema", ["tenant_a"])
DRIFT = finding("structure_equality", "column products.margin", ["tenant_b"])
EXTRA = finding("structure_equality", "column products.margin", ["tenant_b"], Severity.MEDIUM)
INDEX = finding("structure_equality", "index products_idx", ["tenant_b"])
ALIKE = finding("structure_equality", "x", (), Severity.INFO, Outcome.HEALTHY)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_bound_is_below_the_share(errors, more):
    """What is proven is never more than what was seen, grows with the number seen, and is nothing without an error."""
    of = errors + more
    bound = lower_bound(errors, of)
    assert 0 <= bound <= errors / of
    assert (bound > 1e-12) is (errors > 0)
    assert bound <= lower_bound(10 * errors, 10 * of) + 1e-12
    assert lower_bound(0, 0) == 0


@pytest.mark.parametrize(
    ("by_status", "level"),
    [
        ({200: 1000.0, 404: 500.0, 429: 500.0}, None),
        ({200: 999.0, 500: 1.0}, None),
        ({200: 99.0, 500: 1.0}, None),
        ({200: 9_930.0, 500: 70.0}, Level.L1),
        ({200: 49.0, 500: 1.0}, None),
        ({200: 40.0, 503: 10.0}, Level.L2),
        ({500: 1.0}, Level.L1),
        ({500: 2.0}, Level.L1),
        ({500: 3.0}, Level.L2),
        ({}, None),
    ],
)
def test_few_requests_prove_little(by_status, level):
    """Beyond the limits only where even the lower bound is; answers below 500 are none."""
    found = of_traffic(traffic(by_status), LIMITS)
    assert (found.level if found else None) == level
    assert of_traffic(None, LIMITS) is None


def test_the_worst_routes_come_first():
    """Routes and codes in lines, five of them, and how many more there are."""
    routes = tuple(Route(f"/r{number}", {200: 10.0, 500: float(number), 503: 1.0}, None) for number in range(1, 5))
    found = of_traffic(dataclasses.replace(traffic({}), routes=routes), LIMITS)
    assert found.told == "14 of 54 requests in 300 s failed (25.9 %)"
    assert found.lines[0] == "/r4: 4 of 15 with 500"
    assert found.lines[-1] == "3 more routes and codes"
    assert len(found.lines) == 6


def series(*counts, before=0, minutes=1):
    points = [
        Point(NOW - timedelta(minutes=minutes * (len(counts) - number)), count, before) for number, count in enumerate(counts)
    ]
    return Series(tuple(points))


@pytest.mark.parametrize(
    ("found", "since_s"),
    [
        (series(*[0] * 20), None),
        (series(*[1] * 20), None),
        (series(*[0] * 15, 1, 1, 1, 1, 1), None),
        (series(*[0] * 15, 2, 2, 2, 2, 2), 300.0),
        (series(*[0] * 15, 2, 2, 2, 2, 2, before=1), None),
        (series(*[5] * 100, *[20] * 10), 600.0),
        (series(*[0] * 10, 50, 0, minutes=5), 600.0),
        (Series(()), None),
        (None, None),
    ],
)
def test_a_spike_is_against_the_usual(found, since_s):
    """Twice as many as a day before and as in the hours before, by the lower bound, since the first unusual bucket."""
    symptom = of_sentry(found, NOW, LIMITS)
    assert (symptom.since_s if symptom else None) == since_s
    assert symptom is None or (symptom.level, symptom.lines) == (Level.L1, ())


@pytest.mark.parametrize(
    ("texts", "requests", "is_one"),
    [
        ([], None, False),
        ([seen("deadlock detected")], None, True),
        ([seen("deadlock detected", 9, SENTRY)], None, False),
        ([seen("deadlock detected", 100)], traffic({200: 1000.0}), False),
        ([seen("deadlock detected", 3)], traffic({200: 100.0}, 2.0), False),
        ([seen("deadlock detected")], traffic({200: 100.0}, 2.0), False),
        ([seen("deadlock detected", 200)], traffic({200: 100.0}, 2.0), True),
        ([seen("deadlock detected")], traffic({}, 0.0), True),
    ],
)
def test_the_log_counts_where_nothing_else_does(texts, requests, is_one):
    """Errors of the log are too many where nobody counts requests, or where the requests of seconds do not excuse them."""
    found = of_texts(texts, requests, LIMITS)
    assert bool(found) is is_one
    assert found is None or (found.level, found.since_s) == (Level.L1, 10.0)


def names(causes):
    return [cause.name for cause in causes]


TABLE, COLUMN = 'relation "products" does not exist', 'column "margin" does not exist'
ROWS = [
    ({}, ["errors"]),
    ({"findings": (MISSING,)}, ["missing schema"]),
    ({"findings": (ORPHAN,)}, ["errors"]),
    ({"findings": (DRIFT,)}, ["drift of a tenant"]),
    ({"findings": (EXTRA, INDEX)}, ["errors"]),
    ({"findings": (EXTRA,), "seen": (seen(COLUMN),)}, ["unfinished migration"]),
    ({"findings": (EXTRA,), "seen": (seen(f"tenant_b {COLUMN}"),)}, ["undefined names"]),
    ({"findings": (EXTRA,), "seen": (seen(TABLE),)}, ["undefined names"]),
    ({"findings": (MISSING, DRIFT), "seen": (seen(TABLE, 3), seen(COLUMN, 2))}, ["missing schema", "drift of a tenant"]),
    ({"findings": (MISSING, DRIFT), "seen": (seen(TABLE, 2), seen(COLUMN, 3))}, ["drift of a tenant", "missing schema"]),
    ({"findings": (DRIFT,), "seen": (seen('column "other" does not exist'),)}, ["undefined names", "drift of a tenant"]),
    ({"findings": (DRIFT,), "seen": (seen(f"tenant_a {COLUMN}"),)}, ["undefined names", "drift of a tenant"]),
    ({"findings": (MISSING,), "seen": (seen('relation "tenant_b.x" does not exist'),)}, ["undefined names", "missing schema"]),
    ({"findings": (ALIKE,), "seen": (seen(TABLE),)}, ["undefined names"]),
    ({"seen": (seen('schema "tenant_a" does not exist'),)}, ["missing schema"]),
    ({"seen": (seen("deadlock detected"),)}, ["deadlocks"]),
    ({"seen": (Seen(ErrorText(Kind.DEADLOCK), 0, LOG, 1.0, "Process 1: SELECT 1"),)}, ["errors"]),
    ({"growth": Growth(2.0, 3, 0, 9, 0, 0, 1, None)}, ["deadlocks"]),
    ({"growth": Growth(2.0, 0, 9, 9, 0, 0, 1, None)}, ["errors"]),
    ({"seen": (seen("ECONNREFUSED 10.0.0.1:6379"),)}, ["connections"]),
    ({"traffic": traffic({500: 9.0}, pool={"waiting": 3.0})}, ["connections"]),
    ({"traffic": traffic({500: 9.0}, pool={"waiting": 0.0})}, ["errors"]),
    ({"database_fault": "It cannot be reached."}, ["connections"]),
    ({"seen": (seen("canceling statement due to statement timeout"),)}, ["statement timeouts"]),
    ({"seen": (seen("canceling statement due to lock timeout"),)}, ["lock timeouts"]),
    ({"limited": RateState(is_limited=True)}, ["identity provider"]),
    ({"limited": RateState(is_limited=False)}, ["errors"]),
    ({"seen": (seen("Clerk: 429"),)}, ["identity provider"]),
    ({"seen": (seen("Too Many Requests (429)"),)}, ["rate limit of another service"]),
    ({"provider_fault": "Clerk answered with 500."}, ["identity provider"]),
    ({"traffic": traffic({500: 9.0}, verifications={"success": 1.0, "failure": 20.0})}, ["identity provider"]),
    ({"traffic": traffic({500: 9.0}, verifications={"success": 9.0, "failure": 9.0})}, ["errors"]),
    ({"releases": (Release("Render", "c1", NOW - timedelta(minutes=5)),)}, ["new release"]),
    ({"releases": (Release("Render", "c1", NOW, before=Counted(1, 9), after=Counted(1, 9)),)}, ["errors"]),
    ({"releases": (Release("Render", "c1", NOW),), "seen": (seen("deadlock detected"),)}, ["deadlocks", "new release"]),
    ({"releases": (Release("Render", "c1", NOW),), "findings": (DRIFT,)}, ["drift of a tenant", "new release"]),
]


@pytest.mark.parametrize(("given_", "expected"), ROWS)
def test_causes_of_what_was_seen(given_, expected):
    """From the same sights the same causes: what errors say before what is only near, and what is not found never told."""
    rows = ErrorRows((FAILS,), names=NAMES, now=NOW, look="read the log", **given_)
    causes = explain(rows)
    assert names(causes) == expected
    assert causes[0].evidence[:2] == (FAILS.told, *FAILS.lines)
    for cause in causes:
        assert cause.why.endswith(".")
        assert cause.next_command.endswith("Then look again: capliquify-ops diagnose error-rate")
        assert cause.level is Level.L2


@pytest.mark.parametrize(("given_", "expected"), ROWS)
def test_without_errors_there_is_no_cause(given_, expected):
    """What stands in the log, the catalogue or Sentry is no cause of errors that nobody has; but a provider that refuses is told."""
    causes = explain(ErrorRows((), names=NAMES, now=NOW, **given_))
    assert names(causes) == (["identity provider"] if given_.get("limited") == RateState(is_limited=True) else [])
    assert all(cause.level is Level.L1 for cause in causes)


def test_what_explains_most_comes_first():
    """By the share of texts, in the log or in Sentry, whichever is larger."""
    texts = (seen("deadlock detected", 2), seen("Clerk: 429", 5), seen("canceling statement due to lock timeout", 90, SENTRY))
    causes = explain(ErrorRows((FAILS,), texts, NAMES, now=NOW))
    assert names(causes) == ["lock timeouts", "identity provider", "deadlocks"]


def test_whose_errors_and_since_when():
    """A cause has the tenants that its errors name, those with most of them first, and the age of the first error."""
    drift = finding("structure_equality", "column products.margin", ["tenant_a", "tenant_b"])
    texts = (seen(f"tenant_b {COLUMN}", ago_s=90.0), seen("tenant_a: deadlock detected", ago_s=20.0))
    causes = explain(ErrorRows((FAILS,), texts, NAMES, findings=(drift,), now=NOW))
    assert [(cause.name, cause.tenants, cause.since_s) for cause in causes] == [
        ("drift of 2 tenants", ("tenant_b", "tenant_a"), 90.0),
        ("deadlocks", ("tenant_a",), 20.0),
    ]


def test_errors_that_nothing_explains_by_their_class():
    """Of a title only the class of the error is shown: what follows may hold values."""
    titles = ("TypeError: S3CR3T", "TypeError: other", "S3CR3T", "S3CR3T: x", "app.errors.PaymentException: S3CR3T")
    texts = (*(seen(title, 2, SENTRY) for title in titles), seen("KeyError: x"))
    [cause] = explain(ErrorRows((FAILS,), texts, NAMES, now=NOW, look="read"))
    assert cause.evidence[2:] == ("TypeError: 4 in Sentry", "app.errors.PaymentException: 2 in Sentry")


def test_a_missing_schema_wakes_whom_its_check_does():
    """Whatever the rate: every request of that tenant fails."""
    few = dataclasses.replace(FAILS, level=Level.L1)
    missing = dataclasses.replace(MISSING, escalation=Level.L2)
    assert [cause.level for cause in explain(ErrorRows((few,), findings=(missing, DRIFT), now=NOW))] == [Level.L2, Level.L1]


def test_tenants_are_those_of_the_registry():
    """Only a whole name that the registry knows is a tenant's, wherever it stands; what looks like one is none."""
    texts = [
        seen("tenant_a: deadlock detected", 2),
        seen("tenant_c tenant_ab xtenant_a"),
        seen('schema "tenant_b" does not exist'),
    ]
    assert tenants_in(texts, NAMES) == {"tenant_a": 2, "tenant_b": 1}
    odd = seen('schema "T"wo 😀" does not exist')
    assert tenants_in([odd], NAMES | {'T"wo 😀'}) == {'T"wo 😀': 1}
    assert counted([seen("x", 2), seen("y", 3, SENTRY)]) == "2 in the log, 3 in Sentry"
    assert share_of([], texts) == 0.0


@pytest.mark.parametrize(
    ("message", "level", "ago_s", "kinds"),
    [
        ("deadlock detected", "info", 10, [Kind.DEADLOCK]),
        ("whatever", "error", 10, [Kind.UNKNOWN]),
        ("whatever", "info", 10, []),
        ("whatever", None, 10, []),
        ("deadlock detected", "error", 400, []),
        ("Process 7: SELECT 1", "info", 10, [Kind.DEADLOCK]),
    ],
)
def test_lines_of_a_log(message, level, ago_s, kinds):
    """Errors that are known, those that their writer calls so, and what belongs to a deadlock; of the last minutes."""
    line = LogLine("1", NOW - timedelta(seconds=ago_s), message, "app", level, None)
    assert [each.said.kind for each in seen_in_log([line], NOW, 300.0)] == kinds
    assert "whatever" not in repr(seen_in_log([line], NOW, 300.0))


RELEASE = Release("Render", "c1", NOW - timedelta(minutes=10))


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        (None, Counted(1, 1), None),
        (Counted(0, 0), Counted(9, 10), None),
        (Counted(0, 1000), Counted(0, 0), None),
        (Counted(0, 1000), Counted(50, 100), True),
        (Counted(500, 1000), Counted(50, 100), False),
        (Counted(0, 60, "min"), Counted(30, 10, "min"), True),
        (Counted(60, 60, "min"), Counted(10, 10, "min"), False),
    ],
)
def test_a_release_that_made_it_worse(before, after, is_worse):
    """Told by what was counted before and after; not where nobody counted."""
    assert dataclasses.replace(RELEASE, before=before, after=after).is_worse is is_worse


def test_a_release_by_sentrys_counts():
    """Where Prometheus tells nothing, Sentry's buckets before and after do."""
    found = with_series(RELEASE, series(*[0] * 20, *[9] * 10), NOW)
    assert (found.before, found.after) == (Counted(0, 20.0, "min in Sentry"), Counted(90, 10.0, "min in Sentry"))
    assert found.is_worse
    assert not with_series(RELEASE, series(*[9] * 30), NOW).is_worse
    assert with_series(RELEASE, None, NOW) == RELEASE


def test_one_release_told_twice():
    """Render and Sentry that tell of the same minutes tell of one, of other hours of two."""
    told = Release("Sentry", "shop@2", RELEASE.at + timedelta(minutes=2), new_issues=("SHOP-1",))
    [one] = together(RELEASE, told)
    assert (one.name, one.new_issues, one.place) == ("c1 (shop@2)", ("SHOP-1",), "Render")
    assert len(together(RELEASE, dataclasses.replace(told, at=RELEASE.at - timedelta(hours=1)))) == 2


@pytest.mark.parametrize(
    ("status", "ago", "is_new"), [("live", 10, True), ("live", 61, False), ("build_failed", 10, False), ("live", None, False)]
)
def test_what_is_a_new_deploy(status, ago, is_new):
    """One that went live within the hour; one that failed, or has not ended, changed nothing."""
    at = None if ago is None else NOW - timedelta(minutes=ago)
    deploy = Deploy("dep-1", status, None, "c1", None, NOW, NOW, at)
    assert bool(deploy_in_time(deploy, NOW)) is is_new
    assert deploy_in_time(None, NOW) is None


@pytest.mark.parametrize(
    ("integrations", "command"),
    [
        ({}, "Read the service's log of the last minutes"),
        ({"sentry": {"organization": "acme"}}, "open 'https://acme.sentry.io/issues/?query=is:unresolved&statsPeriod=1h'"),
        (
            {"sentry": {}, "render": {"service": "srv-1"}},
            "render logs --resources srv-1 --level error --limit 200 --output json",
        ),
    ],
)
def test_how_errors_are_read(integrations, command, tmp_path):
    """By the log where it is configured, else by Sentry."""
    found = {name: Integration(options) for name, options in integrations.items()}
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), integrations=found)
    assert reading(target) == command
