"""The run as an HdrHistogram log: one interval histogram for each second, operation and tenant group."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.errors import ConfigurationInvalid

LARGEST_US = 3_600_000_000
DIGITS = 3
"""Significant decimal digits: a percentile from the log is within one thousandth of the sample's own."""
_HEAD = '#[Histogram log format version 1.3]\n"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'


def histogram_log(run: LoadRun) -> bytes:
    """Return the log as viewers of such logs read it: microseconds from when requests were due, the longest in milliseconds.

    The same run gives the same bytes. Raises ConfigurationInvalid without the package `hdrhistogram` of the extra [load].
    """
    return f"#[{run.base_url}, {run.rate:g} requests/s from {run.started_at}]\n{_HEAD}{''.join(_lines(run))}".encode()


def _lines(run: LoadRun) -> Iterator[str]:
    try:
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415  # an extra
    except ImportError:
        raise ConfigurationInvalid("hdrhistogram is not installed.", hint="Run: pip install 'capliquify-ops[load]'") from None
    for (second, tag), latencies in sorted(_intervals(run).items()):
        histogram = HdrHistogram(1, LARGEST_US, DIGITS)
        for latency in latencies:
            histogram.record_value(max(1, latency))
        yield f"Tag={tag},{second:.3f},1.000,{max(latencies) / 1000:.3f},{histogram.encode().decode()}\n"


def _intervals(run: LoadRun) -> Mapping[tuple[int, str], list[int]]:
    found: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, latency in zip(run.samples.index, run.samples.latency_us, strict=True):
        name = f"{run.operation(index).name} {run.sender(index).group}".strip()
        found[int(index / run.rate), name.replace(" ", "_").replace(",", "_")].append(latency)
    return found
