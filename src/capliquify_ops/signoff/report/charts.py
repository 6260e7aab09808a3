"""From the raw data of a load run to its charts."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from markupsafe import Markup

from capliquify_ops.model.record import Record
from capliquify_ops.rendering.latency_svg import (
    Percentile,
    SecondLatency,
    over_time,
    over_time_sentence,
    percentiles,
    percentiles_sentence,
)
from capliquify_ops.rendering.series import LoadSeries, PerSecond
from capliquify_ops.rendering.svg import latency, latency_sentence, throughput, throughput_sentence
from capliquify_ops.rendering.words import number

RawReader = Callable[[str], bytes | None]
"""Gives the raw bytes of a digest, or None where they are not kept."""

KIND = "load_run/2"
_LARGEST = 200_000_000
"""A soak of hours keeps every sample; what is larger is left to other tools."""
_DIGEST = re.compile("[0-9a-f]{64}")
_PER_SECOND_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its heading, the SVG, and the same in words."""

    heading: str
    chart: Markup
    words: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation of a run, ready to be shown."""

    name: str
    kind: str
    requests: str
    failed: str
    p50: str
    p95: str
    p99: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class LoadCharts:
    """The charts and the table of one load run with the check they belong to; the markup is made here and safe."""

    title: str
    caption: str
    figures: tuple[Figure, ...]
    operations: tuple[OperationRow, ...]


def charts_of(records: tuple[Record, ...], raw: RawReader) -> Iterator[LoadCharts]:
    """Yield charts for every load run among the raw data of these records, in their order.

    A run that serves several checks is kept once for each, with the limit of that check: it is drawn with the first.
    """
    read: set[str] = set()
    drawn: set[str] = set()
    for record in records:
        for digest in record.raw:
            wanted = digest not in read and _DIGEST.fullmatch(digest)
            run = load_run(raw(digest)) if wanted else None
            if run is None:
                continue
            read.add(digest)
            if (identity := run.identity or digest) not in drawn:
                drawn.add(identity)
                yield _charts(record, run, f"load{len(drawn)}")


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A load run as kept: what was asked for, and the series; `identity` is the same for one run kept twice, "" if unknown."""

    rate: float
    seconds: float
    series: LoadSeries
    percentiles: tuple[Percentile, ...] = ()
    per_second: tuple[SecondLatency, ...] = ()
    operations: tuple[OperationRow, ...] = ()
    identity: str = ""


def load_run(content: bytes | None) -> LoadRun | None:
    """Return the load run in raw bytes, or None where they hold anything else."""
    if content is None or len(content) > _LARGEST or KIND.encode() not in content:
        return None
    try:
        return _parsed(json.loads(content, parse_constant=_refused))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _parsed(found: dict[str, object]) -> LoadRun | None:
    if found["kind"] != KIND:
        return None
    limit = found.get("limit_ms")
    series = LoadSeries(
        buckets_ms=tuple(sorted((_number(upper), _count(count)) for upper, count in _rows(found["buckets_ms"], 2))),
        per_second=tuple(sorted(_second(row) for row in _rows(found["per_second"], _PER_SECOND_COLUMNS))),
        limit_ms=None if limit is None else _number(limit),
    )
    return LoadRun(
        _number(found["rate"]),
        _number(found["seconds"]),
        series,
        tuple((_number(share), _number(ms)) for share, ms in _rows(found.get("percentiles_ms", []), 2)),
        tuple(_second_latency(row) for row in _rows(found.get("latency_per_second_ms", []), 4)),
        tuple(_operation(row) for row in _rows(found.get("of_operations", []), 7, 8)),
        _identity(found),
    )


def _identity(found: dict[str, object]) -> str:
    told = [found.get(key) for key in ("started_at", "base_url", "samples")]
    return "" if None in told else hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _rows(found: object, *columns: int) -> list[list[object]]:
    if not isinstance(found, list) or not all(isinstance(row, list) and len(row) in columns for row in found):
        raise ValueError(f"expected rows of {columns}")
    return found


def _second_latency(row: list[object]) -> SecondLatency:
    second, median, p95, slowest = map(_number, row)
    return int(second), median, p95, slowest


def _operation(row: list[object]) -> OperationRow:
    name, kind, *numbers = row
    requests, failed, *marks = map(_number, numbers)
    return OperationRow(str(name), str(kind), f"{requests:,.0f}", f"{failed:,.0f}", *(f"{number(mark)} ms" for mark in marks))


def _second(row: list[object]) -> PerSecond:
    second, offered, completed, failed = map(_count, row)
    return second, offered, completed, failed


def _number(found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError("expected a number")
    value = float(found)
    if not math.isfinite(value) or value < 0:
        raise ValueError("expected a finite number of 0 or more")
    return value


def _count(found: object) -> int:
    return int(_number(found))


def _charts(record: Record, run: LoadRun, ident: str) -> LoadCharts:
    series, limit = run.series, run.series.limit_ms
    slow = (percentiles(run.percentiles, f"{ident}-percentiles", limit), percentiles_sentence(run.percentiles))
    timely = (over_time(run.per_second, f"{ident}-time", limit), over_time_sentence(run.per_second))
    drawn = (
        ("How long requests took", latency(series, f"{ident}-latency"), latency_sentence(series)),
        ("How long the slowest took", *slow),
        ("Requests per second", throughput(series, f"{ident}-throughput"), throughput_sentence(series)),
        ("How long requests took over time", *timely),
    )
    return LoadCharts(
        title=record.title,
        caption=f"{run.rate:,.6g} requests per second for {run.seconds:,.6g} s{_limited(record)}",
        figures=tuple(Figure(heading, Markup(chart), words) for heading, chart, words in drawn),  # noqa: S704 - all text is escaped
        operations=run.operations,
    )


def _limited(record: Record) -> str:
    """Return what the load met first, where the record says so."""
    met = [each.measured["limited_by"] for each in record.findings if "limited_by" in each.measured]
    if not met:
        return ""
    return "; every limit held" if str(met[0]).startswith("none") else f"; limited by {met[0]}"
