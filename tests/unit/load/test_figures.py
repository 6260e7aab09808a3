"""Figures are exact: compared with counting by hand."""

import json
import math
import statistics
from array import array
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.load import Kind, Operation, mixed_load, request_latency
from capliquify_ops.load.figures import buckets, cohorts, figures, percentile, unoffered
from capliquify_ops.load.raw import parse_document, raw_document, recompute
from capliquify_ops.load.result import Cut, Health, Sender, Side
from capliquify_ops.load.samples import TYPES, Samples, Verdict, unpack_samples
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.finding import Limit
from capliquify_ops.model.outcome import Outcome

LIMIT = Limit(200, "<", "Monitoring checklist")
HEALTH = Health(3.0, 30.0, 60_000_000, 0, array("i", [100] * 100), 100)
microseconds = st.integers(0, 20_000_000)


@given(st.lists(microseconds, min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values, share):
    """At least the share is at or below it, and one value lower that would no longer hold."""
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@given(st.lists(microseconds, min_size=1, max_size=99).filter(lambda values: len(values) % 2 == 1))
def test_p50_of_an_odd_number_is_the_median(values):
    """The oracle is the standard library's."""
    assert percentile(sorted(values), 0.5) == statistics.median(values)


@settings(max_examples=50)
@given(st.data(), st.integers(1, 40), st.integers(1, 5))
def test_cohorts_add_up_to_the_run(make_run, data, rate, seconds):
    """Every arrival belongs to the second it was due in, and nothing is counted twice or lost."""
    planned = rate * seconds
    latencies = data.draw(st.lists(microseconds, max_size=planned))
    run = make_run(latencies, rate=rate, seconds=seconds)
    rows = cohorts(run)
    assert sum(row.offered for row in rows) == planned
    assert sum(row.started for row in rows) == len(latencies)
    assert sum(row.failed for row in rows) == planned - len(latencies) == figures(run)["failed"]
    for row in rows:
        due = [index for index in range(planned) if row.second <= index / rate < row.second + 1]
        assert row.offered == len(due)
        assert row.started == sum(index < len(latencies) for index in due)
        assert row.in_time == sum(latencies[index] <= 1_000_000 for index in due if index < len(latencies))


@given(st.lists(microseconds, max_size=200))
def test_the_histogram_counts_every_request_once(latencies):
    """Each bucket holds what is above the bound before it and not above its own."""
    samples = Samples(latency_us=array("i", latencies))
    rows = buckets(samples)
    assert sum(count for _, count in rows) == len(latencies)
    lower = -1.0
    for upper, count in rows:
        assert count == sum(lower < latency / 1000 <= upper for latency in latencies)
        lower = upper


def test_a_run_without_samples_has_counts_and_no_percentiles(make_run):
    """Nothing measured is not zero milliseconds."""
    found = figures(make_run([], health=Health()))
    assert found["failed"] == 9000
    assert not [key for key in found if key.startswith("p")]


def test_arrivals_that_the_generator_never_sent_are_its_own_unless_all_connections_waited(make_run):
    """With a free connection a missing request is the generator's; with none, the service's."""
    latencies = [5_000] * 8_000
    assert unoffered(make_run(latencies, health=Health(in_flight=0))) == 1_000
    assert unoffered(make_run(latencies, health=Health(in_flight=100))) == 0


def test_arrivals_that_one_of_several_generators_had_no_connection_for_are_the_services(make_run):
    """Free connections of another generator do not help it."""
    run = make_run([5_000] * 8_000, health=Health(in_flight=60, crowded_out=900))
    assert unoffered(run) == 40
    assert recompute(raw_document(run, LIMIT)) == figures(run)


def test_connections_that_the_service_dropped_are_not_opened_again_by_the_generators_fault(make_run, limits):
    """After each request without an answer a new one is needed: such a run fails, it is not inconclusive."""
    dropping = make_run(status=0, verdict=Verdict.TIMED_OUT, health=replace(HEALTH, opened=9_100))
    assert figures(dropping)["reused_ratio"] == 1.0
    assert request_latency.judge(dropping, limits).outcome is Outcome.FAILING
    closing = make_run(health=replace(HEALTH, opened=9_100))
    assert figures(closing)["reused_ratio"] == 0.0
    assert request_latency.judge(closing, limits).outcome is Outcome.INCONCLUSIVE


@given(st.lists(st.tuples(*[st.integers(0, 2**31 - 1)] * 4, st.integers(0, 599), st.sampled_from(Verdict)), max_size=50))
def test_samples_survive_packing(rows):
    """What is unpacked is what was packed, to the bit."""
    samples = Samples()
    for index, slip, latency, service, status, verdict in rows:
        samples.add(index, slip_us=slip, latency_us=latency, service_us=service, status=status, verdict=verdict)
    assert unpack_samples(samples.pack()) == samples


def test_the_raw_document_gives_the_run_back(make_run):
    """Every figure can be computed from the document alone, which is small and the same each time."""
    run = make_run([1_000 + 7 * number for number in range(9_000)], cut=Cut(Side.TARGET, "it went away"), witnesses=("GET /",))
    content = raw_document(run, LIMIT)
    assert content == raw_document(run, LIMIT)
    assert parse_document(content) == run
    assert recompute(content) == figures(run)
    assert len(content) < 100_000


def test_each_operation_stands_beside_the_limit_of_its_kind(make_run, limits):
    """Reads, writes and reports each have one of their own; where a run only reads there is one."""
    operations = (
        Operation("GET", "/r"),
        Operation("POST", "/w", Kind.WRITE),
        Operation("GET", "/a", Kind.ANALYTICS, holds_rows=False),
    )
    run = make_run(
        [1_000, 2_000, 3_000] * 10, rate=10, seconds=3, operations=operations, order=(0, 1, 2), senders=(Sender("sku-a-"),)
    )
    rows = json.loads(raw_document(run, limits["mixed_p95_ms"], mixed_load.limits_of_kinds(limits)))["of_operations"]
    assert [row[-1] for row in rows] == [limits.number(f"mixed_{kind.value}_p95_ms") for kind in Kind]
    assert [row[:4] for row in rows] == [["GET /r", "read", 10, 0], ["POST /w", "write", 10, 0], ["GET /a", "analytics", 10, 0]]
    assert json.loads(raw_document(make_run(), LIMIT))["of_operations"] == [["GET /api/products", "read", 9_000, 0, 5, 5, 5, 200]]


def test_the_raw_document_says_what_a_chart_draws(make_run):
    """Rate, seconds, histogram, one row per second and the limit stand in it as plain numbers."""
    document = json.loads(raw_document(make_run(), LIMIT))
    assert (document["kind"], document["rate"], document["seconds"], document["limit_ms"]) == ("load_run/2", 300, 30, 200)
    assert document["per_second"] == [[second, 300, 300, 0] for second in range(30)]
    assert sum(count for _, count in document["buckets_ms"]) == 9_000
    assert math.isclose(document["buckets_ms"][-1][0], 5.0)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"kind": "other/1"}', b"\xff"])
def test_other_bytes_are_damaged_evidence(content):
    """Whatever is not a whole raw document is refused as such."""
    with pytest.raises(EvidenceDamaged, match="not a load run"):
        recompute(content)


@pytest.mark.parametrize("column", TYPES)
def test_a_damaged_column_is_damaged_evidence(make_run, column):
    """A column that is cut, lost or of another length does not pass for data."""
    document = json.loads(raw_document(make_run(), LIMIT))
    for broken in ("", "AAAA", "not base64!", document["samples"]["status" if column != "status" else "index"]):
        samples = document["samples"] | {column: broken}
        with pytest.raises(EvidenceDamaged):
            recompute(json.dumps(document | {"samples": samples}).encode())
    del document["samples"][column]
    with pytest.raises(EvidenceDamaged):
        recompute(json.dumps(document).encode())
