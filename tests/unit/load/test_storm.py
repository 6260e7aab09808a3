"""A storm of creations as a pure function: which pass, fail, or tell nothing."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.load.read_back import examine
from capliquify_ops.load.storm import _remove, _require_names
from capliquify_ops.load.storm_rows import Creation, Storm
from capliquify_ops.load.tenant_creation_storm import REQUIRED_SECONDS_EMBEDDED, figures, judge, raw_storm, recompute_storm
from capliquify_ops.model.errors import ConfigurationInvalid, EvidenceDamaged, TargetUnreachable
from capliquify_ops.model.outcome import Outcome, Severity

LIMITS = load_limits()


def storm(many=50, rate=50.0, seconds=60.0, **each):
    """A storm whose creations are all alike: 300 ms each, read back after 20."""
    row = {"slip_ms": 1.0, "latency_ms": 300.0, "read_back_ms": 20.0, **each}
    rows = tuple(Creation(number, round(number * 60 / rate, 4), **row) for number in range(many))
    return Storm(
        "http://127.0.0.1:8000",
        "POST /api/admin/tenants",
        rate,
        seconds,
        50,
        10,
        "2026-01-01T00:00:00+00:00",
        61.0,
        sum(row.made for row in rows),
        rows,
    )


def with_rows(whole, *rows, **changed):
    """The same storm with some creations changed."""
    return replace(whole, creations=tuple(replace(row, **changed) if row.index in rows else row for row in whole.creations))


FAILED = {"failure": "POST /api/admin/tenants answered 500", "read_back_ms": None, "made": False}
WRONG = {"failure": "it was served 3 rows", "wrong": "it was served 3 rows", "read_back_ms": None}


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (storm(), Outcome.HEALTHY, "At 50 tenants a minute for 60 s: p95 300.0 ms, read back after 20.0 ms (p95)."),
        (storm(0), Outcome.INCONCLUSIVE, "No tenant was created."),
        (with_rows(storm(), 7, slip_ms=25.0), Outcome.INCONCLUSIVE, "sent up to 25.0 ms late: this machine, not the service"),
        (with_rows(storm(), 7, **FAILED), Outcome.FAILING, "1 of 50 creations failed; the limit is < 0.01"),
        (storm(**FAILED), Outcome.FAILING, "50 of 50 creations failed"),
        (storm(latency_ms=2000.0), Outcome.FAILING, "p95 was 2000.0 ms; the limit is < 2000"),
        (storm(read_back_ms=500.0), Outcome.FAILING, "read back after 500.0 ms (p95); the limit is < 500"),
        (storm(rate=49), Outcome.INCONCLUSIVE, "50 of 50 tenants, 49 of 50 a minute for 60 of 60 s only"),
        (storm(seconds=59), Outcome.INCONCLUSIVE, "50 of 50 a minute for 59 of 60 s only"),
        (storm(49), Outcome.INCONCLUSIVE, "49 of 50 tenants"),
        (replace(storm(), registered=48), Outcome.FAILING, "2 of 50 creations were answered, and not in the registry"),
        (
            with_rows(storm(200), 7, slip_ms=25.0, **WRONG),
            Outcome.FAILING,
            "tenant 7 was read back wrongly: it was served 3 rows",
        ),
        (storm(10, seconds=12, latency_ms=2500.0), Outcome.FAILING, "p95 was 2500.0 ms"),
    ],
    ids=[
        "good",
        "none",
        "late",
        "one",
        "all",
        "slow",
        "read back",
        "rate",
        "time",
        "fewer",
        "unregistered",
        "wrong",
        "a small one fails",
    ],
)
def test_each_outcome_says_why(found, outcome, said):
    """Within limits, beyond one of them, too little, or this machine's own doing."""
    finding = judge(found, LIMITS, raw="sha")
    assert finding.outcome is outcome
    assert said in finding.why
    assert (finding.examined, finding.eligible) == (len(found.creations), 50)
    assert finding.evidence.raw == "sha"


def test_only_what_is_anothers_is_critical():
    """A tenant that is served rows which nobody gave it weighs more than a slow one."""
    assert judge(with_rows(storm(), 7, **WRONG), LIMITS).severity is Severity.CRITICAL
    assert judge(storm(latency_ms=2000.0), LIMITS).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("body", "failure", "is_wrong"),
    [
        (b"[]", None, False),
        (b'{"items": [], "total": 0, "tenant": "audit-run-1"}', None, False),
        (b'{"tags": ["a"], "items": []}', None, False),
        (b"<html>", "its owner was answered 200 and no JSON", False),
        (b"", "its owner was answered 200 and no JSON", False),
        (b"[" * 100_000, "its owner was answered 200 and no JSON", False),
        (b'[{"id": 1}, {"id": 2}]', "its owner was served 2 rows of a tenant that has none", True),
        (b'{"data": {"items": [{"id": 1}]}}', "its owner was served 1 rows of a tenant that has none", True),
        (b'{"items": [], "owner": "org_run-12"}', "its owner was served what belongs to tenant 12", True),
    ],
)
def test_a_new_tenants_list_is_json_and_empty(body, failure, is_wrong):
    """Whatever its form; another newcomer's name in it is another's."""
    found = examine(body, "audit-run-1")
    assert (found and found.failure) == failure
    assert bool(found and found.wrong) is is_wrong


@pytest.mark.parametrize("template", [{"tenant_host": "{id}.example.com"}, {"tenant_path": "/t/{schema}"}])
def test_tenants_that_are_named_by_what_a_new_one_lacks_are_refused_before_anything(template):
    """In a sentence that names it; by slug or organisation a new one can be named."""
    named = next(iter(template.values())).split("{")[1].split("}")[0]
    bare = {"tenant_host": "", "tenant_path": ""}
    with pytest.raises(ConfigurationInvalid, match=f"by their {named}, which"):
        _require_names(SimpleNamespace(**bare | template))
    _require_names(SimpleNamespace(tenant_host="{slug}.example.com", tenant_path="/t/{organization}"))
    _require_names(SimpleNamespace(**bare))


def test_users_go_also_where_the_database_refuses(monkeypatch):
    """The removal's failure is still told."""
    forgotten = []
    monkeypatch.setattr("capliquify_ops.load.storm.operator", lambda *_, **__: raises())
    target = SimpleNamespace(changing_url=lambda: "postgresql://nobody@127.0.0.1:1/none", pooled=False)
    with pytest.raises(TargetUnreachable):
        _remove(target, SimpleNamespace(forget=forgotten.append), "run")
    assert forgotten == ["run"]


def raises():
    raise TargetUnreachable("gone")


def test_a_demonstration_asks_for_less_and_names_it():
    """On the embedded target fifteen seconds are enough, by a limit of their own."""
    short = storm(50, seconds=15)
    assert judge(short, LIMITS, required_seconds=REQUIRED_SECONDS_EMBEDDED).outcome is Outcome.HEALTHY
    assert judge(short, LIMITS).outcome is Outcome.INCONCLUSIVE


def test_failures_are_named_by_their_tenant_and_no_more_than_ten():
    """The witness holds why each failed."""
    lines = judge(with_rows(storm(), *range(12), **FAILED), LIMITS).witness.lines
    assert lines[0] == "tenant 0: POST /api/admin/tenants answered 500"
    assert len(lines) == 10
    assert judge(storm(), LIMITS).witness is None


def test_a_storm_whose_failures_are_allowed_has_no_read_back_and_still_a_verdict():
    """A deployment's own generous limit leads to no crash, and what was not read back does not pass."""
    limits = load_limits({"storm_failed_ratio": 2}, "test")
    finding = judge(storm(**FAILED), limits)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "read back" in finding.why


rows = st.builds(
    Creation,
    st.integers(0, 10**6),
    due_s=st.floats(0, 1e6),
    slip_ms=st.floats(0, 1e6),
    latency_ms=st.floats(0, 1e6),
    read_back_ms=st.none() | st.floats(0, 1e6),
    failure=st.sampled_from(["", "it failed"]),
    made=st.booleans(),
    wrong=st.sampled_from(["", "rows of others"]),
)


@settings(max_examples=60)
@given(st.lists(rows, max_size=60))
def test_every_figure_can_be_computed_again_and_a_pass_means_that_all_held(creations):
    """From the raw bytes alone, which are the same each time; HEALTHY only with everything driven, in time and read back."""
    found = replace(storm(), creations=tuple(creations))
    content = raw_storm(found)
    assert content == raw_storm(found)
    finding = judge(found, LIMITS)
    assert recompute_storm(content) == figures(found) == finding.measured
    if finding.outcome is Outcome.HEALTHY:
        assert len(creations) >= 50
        assert sum(bool(row.failure) for row in creations) * 100 < len(creations)
        assert not any(row.wrong for row in creations)
        assert sorted(row.latency_ms for row in creations)[int(len(creations) * 0.94)] < 2000


DOCUMENT = json.loads(raw_storm(storm(2)))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"3", b"null", b'"text"', b"{}", b'{"kind": "other/1"}']
    + [
        json.dumps(DOCUMENT | changed).encode()
        for changed in ({"kind": "load_run/2"}, {"creations": 5}, {"creations": ["x"]}, {"creations": [{}]}, {"more": 1})
    ]
    + [json.dumps({key: value for key, value in DOCUMENT.items() if key != gone}).encode() for gone in DOCUMENT],
)
def test_other_bytes_are_damaged_evidence(content):
    """Whatever is not a whole storm is refused as such."""
    with pytest.raises(EvidenceDamaged, match="not a creation storm"):
        recompute_storm(content)
