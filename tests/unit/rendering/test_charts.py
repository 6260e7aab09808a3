"""Raw data becomes a chart only when it is a load run, whole and sane."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.signoff.report.charts import charts_of, load_run

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_load_run_is_read(build):
    """Rate, seconds, buckets, seconds and limit arrive as they were kept."""
    run = load_run(build.LOAD_RUN)
    assert (run.rate, run.seconds, run.series.limit_ms) == (300, 30, 200)
    assert len(run.series.buckets_ms) == 80
    assert run.series.per_second[15] == (15, 300, 258, 8)


def changed(build, **changes):
    return json.dumps({**json.loads(build.LOAD_RUN), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "load_run/9"},
        {"rate": None},
        {"buckets_ms": [[1]]},
        {"buckets_ms": [[1, "2"]]},
        {"buckets_ms": [[float("nan"), 2]]},
        {"per_second": {}},
        {"limit_ms": -1},
        {"per_second": [[0, 1, 2, float("inf")]]},
    ],
)
def test_anything_else_is_no_load_run(build, changes):
    """A wrong kind, shape or number is no load run."""
    assert load_run(changed(build, **changes)) is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"load_run/2",
        b'"load_run/2"',
        b"[" * 100_000 + b"load_run/2",
        b'{"kind": "load_run/2", "rate": 1' + b"0" * 400 + b"}",
        b"\xff load_run/2",
    ],
)
def test_foreign_bytes_are_no_load_run(content):
    """Bytes that are missing, cut, nested or too big do not end the report."""
    assert load_run(content) is None


@settings(deadline=None)
@given(
    kind=st.just("load_run/2"),
    rest=st.fixed_dictionaries(
        {"rate": VALUES, "seconds": VALUES, "buckets_ms": VALUES, "per_second": VALUES, "limit_ms": VALUES}
    ),
)
def test_no_json_ends_the_report(kind, rest):
    """Any JSON under the right kind is a load run or None."""
    load_run(json.dumps({"kind": kind, **rest}).encode())


def test_the_limit_may_be_missing(build):
    """A run without a limit is drawn without one."""
    run = json.loads(build.LOAD_RUN)
    del run["limit_ms"]
    assert load_run(json.dumps(run).encode()).series.limit_ms is None


def test_only_digests_are_asked_for(build):
    """The reader of raw data is never asked for a name that is no digest, nor twice for the same chart."""
    asked = []

    def raw(digest):
        asked.append(digest)
        return build.LOAD_RUN

    names = (build.LOAD_DIGEST, "../../etc/passwd", "x" * 5000, "\0", build.LOAD_DIGEST)
    record = build.record("request_latency", "load", "t", raw=names)
    assert len(list(charts_of((record, record), raw))) == 1
    assert asked == [build.LOAD_DIGEST]


@pytest.mark.parametrize(
    ("other", "drawn"),
    [({"limit_ms": 100}, 1), ({"samples": {"index": "b"}}, 2), ({"started_at": "2026-01-02"}, 2), ({"base_url": "http://y"}, 2)],
)
def test_a_run_that_two_checks_kept_is_drawn_once(build, other, drawn):
    """Each with its own limit: beginning, address and samples say whether it is the same."""
    one = {"started_at": "2026-01-01", "base_url": "http://x", "samples": {"index": "a"}}
    kept = {"a" * 64: changed(build, **one), "b" * 64: changed(build, **(one | other))}
    records = tuple(
        build.record(check, "load", "t", raw=(digest,)) for check, digest in zip(("api_load", "x"), kept, strict=True)
    )
    assert len(list(charts_of(records, kept.get))) == drawn


def test_runs_of_which_nothing_tells_them_apart_are_all_drawn(build):
    """Without samples two documents are two runs."""
    kept = {"a" * 64: changed(build), "b" * 64: changed(build, limit_ms=100)}
    record = build.record("api_load", "load", "t", raw=tuple(kept))
    assert len(list(charts_of((record,), kept.get))) == 2


def test_operations_are_told_with_the_limit_of_their_kind(build):
    """A row of the raw data becomes a row of the table; that of an older run has no limit."""
    row = ["POST /api/sales", "write", 1_200, 3, 4.5, 80, 120.25, 300]
    [operation] = load_run(changed(build, of_operations=[row])).operations
    assert (operation.name, operation.kind, operation.requests, operation.failed) == ("POST /api/sales", "write", "1,200", "3")
    assert (operation.p50, operation.p95, operation.limit) == ("4.5 ms", "80 ms", "300 ms")
    assert load_run(changed(build, of_operations=[row[:-1]])).operations[0].limit == ""
    assert load_run(changed(build, of_operations=[row[:-2]])) is None
