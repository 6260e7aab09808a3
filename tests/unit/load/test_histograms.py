"""The histogram log, read back by the reader of the package that everybody reads such logs with."""

import re
from array import array
from collections import defaultdict
from dataclasses import replace

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.load.figures import percentile
from capliquify_ops.load.histograms import DIGITS, LARGEST_US, histogram_log
from capliquify_ops.load.operations import reads
from capliquify_ops.load.result import Sender
from capliquify_ops.load.samples import TYPES, Samples

SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)
GROUPS = {"senders": tuple(Sender(f"sku-{letter}-", group) for letter, group in (("a", "starter"), ("b", "professional")))}
PATHS = {"operations": reads("/api/products", "/api/sales"), "order": (0, 1)}


@pytest.fixture(scope="session")
def read(tmp_path_factory):
    """Reads logs and adds their intervals up by tag; also gives the number of intervals."""
    path = tmp_path_factory.mktemp("log") / "run.hlog"

    def by_tag(*logs):
        found, intervals = defaultdict(lambda: HdrHistogram(1, LARGEST_US, DIGITS)), 0
        for log in logs:
            path.write_bytes(log)
            reader = HistogramLogReader(str(path), HdrHistogram(1, LARGEST_US, DIGITS))
            while (interval := reader.get_next_interval_histogram()) is not None:
                found[interval.get_tag()].add(interval)
                intervals += 1
            reader.close()
        return found, intervals

    return by_tag


def exact(run):
    """The latencies by tag, from the samples."""
    found = defaultdict(list)
    for index, latency in zip(run.samples.index, run.samples.latency_us, strict=True):
        tag = f"{run.operation(index).name} {run.sender(index).group}".strip().replace(" ", "_")
        found[tag].append(max(1, latency))
    return found


def value_at(histogram, share):
    """The value of the same rank as `percentile`'s: the package rounds ranks, which for few values is another value."""
    wanted, seen = -(-histogram.get_total_count() * round(share * 100) // 100), 0
    for item in histogram.get_recorded_iterator():
        seen += item.count_added_in_this_iter_step
        if seen >= wanted:
            return item.value_iterated_to
    raise AssertionError(share)


def assert_same(histograms, latencies):
    assert {*histograms} == {*latencies}
    for tag, values in latencies.items():
        assert histograms[tag].get_total_count() == len(values)
        for share in SHARES:
            wanted = percentile(sorted(values), share)
            assert value_at(histograms[tag], share) == pytest.approx(wanted, rel=0.001, abs=1)


latencies_us = st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 50_000), min_size=1, max_size=120)


@settings(max_examples=8, deadline=None)
@given(latencies_us)
def test_the_log_gives_back_counts_and_percentiles_of_each_tag(make_run, read, latencies):
    """Counts to the last one, percentiles to a thousandth, for each operation and group of tenants."""
    run = make_run(latencies, rate=40, seconds=3, **GROUPS, **PATHS)
    histograms, _ = read(histogram_log(run))
    assert_same(histograms, exact(run))


def test_each_second_operation_and_group_is_an_interval_of_its_own(make_run, read):
    """Intervals come in order of time, their tags hold no blank or comma, and the longest stands beside each."""
    run = make_run(
        [5_000 + index for index in range(120)],
        rate=40,
        seconds=3,
        **GROUPS,
        operations=reads("/api/a,b", "/api/c"),
        order=(0, 1, 1),
    )
    log = histogram_log(run).decode()
    lines = [re.fullmatch(r"Tag=([^, ]+),(\d\.000),1\.000,(\d+\.\d{3}),\S+", line) for line in log.splitlines()[3:]]
    assert all(lines)
    assert [line[2] for line in lines] == sorted(line[2] for line in lines)
    assert {line[1] for line in lines} == {
        f"GET_/api/{path}_{group}" for path in ("a_b", "c") for group in ("starter", "professional")
    }
    assert len(lines) == 3 * 4 == read(log.encode())[1]
    assert max(float(line[3]) for line in lines) == 5.119


def test_the_same_run_gives_the_same_bytes(make_run):
    """The log is evidence, named by its digest."""
    run = make_run([5_000 + index for index in range(120)], rate=40, seconds=3)
    assert histogram_log(run) == histogram_log(run)
    assert b"#[http://127.0.0.1:8000, 40 requests/s from 2026-01-01" in histogram_log(run)


def test_a_run_without_samples_is_a_log_without_intervals(make_run, read):
    """And no error."""
    assert read(histogram_log(make_run([], rate=40, seconds=3))) == ({}, 0)


def half(run, number, of):
    """What generator `number` of several would have measured."""
    rows = [row for row, index in enumerate(run.samples.index) if index % of == number]
    columns = {name: array(kind, (getattr(run.samples, name)[row] for row in rows)) for name, kind in TYPES.items()}
    return replace(run, samples=Samples(**columns))


@settings(max_examples=6, deadline=None)
@given(latencies_us, st.integers(2, 4))
def test_the_shares_of_several_generators_merge_to_the_whole(make_run, read, latencies, of):
    """Added up, the logs of the shares are the log of the whole: the same counts in every bucket, so the same percentiles."""
    run = make_run(latencies, rate=40, seconds=3, **GROUPS, **PATHS)
    parts, _ = read(*(histogram_log(half(run, number, of)) for number in range(of)))
    whole, _ = read(histogram_log(run))
    assert {tag: each.encode() for tag, each in parts.items()} == {tag: each.encode() for tag, each in whole.items()}
    assert_same(parts, exact(run))
