"""Prometheus' answers, read: JSON in, frozen dataclasses out. Raises IntegrationFailed for whatever has another shape. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from capliquify_ops.integrations.prometheus_model import (
    Alert,
    Build,
    Kind,
    QueryResult,
    Rule,
    RuleGroup,
    Sample,
    Series,
    Target,
    Targets,
)
from capliquify_ops.integrations.shape import SECOND, Shape

_NEVER = "0001-"
"""The year of Go's zero time: that which has not happened yet."""
_QUERY_OF_URL = re.compile(r"(?<=[^\s\"'?])\?[^\s\"']*")
_USER_OF_URL = re.compile(r"(?<=://)[^\s/@\"']+@")


def data(envelope: Shape) -> Shape:
    """Return the data of an answer's envelope. Raises IntegrationFailed when it is not a success."""
    status = envelope.at("status")
    if status.text() != "success":
        said = (envelope.at("error").maybe_text() or "")[:200]
        raise status.wrong(f"is {status.text()[:20]!r}{': ' + said if said else ''}")
    return envelope.at("data")


def query_result(envelope: Shape) -> QueryResult:
    """Read the answer to a query."""
    found, warnings = data(envelope), tuple(each.text() for each in envelope.at("warnings").maybe_items())
    kind, result = found.at("resultType"), found.at("result")
    match kind.text():
        case Kind.VECTOR:
            rows, histograms = _floats(result, "histogram")
            samples = tuple(Sample(_labels(each.at("metric")), *_point(each.at("value"))) for each in rows)
            return QueryResult(Kind.VECTOR, samples=samples, warnings=warnings, histograms=histograms)
        case Kind.MATRIX:
            rows, histograms = _floats(result, "histograms")
            return QueryResult(Kind.MATRIX, series=tuple(map(_series, rows)), warnings=warnings, histograms=histograms)
        case Kind.SCALAR:
            return QueryResult(Kind.SCALAR, samples=(Sample({}, *_point(result)),), warnings=warnings)
        case Kind.STRING:
            return QueryResult(Kind.STRING, text=result.pair()[1].text(), warnings=warnings)
        case other:
            raise kind.wrong(f"is {other[:20]!r}, which is no known kind of result")


def _floats(result: Shape, histogram: str) -> tuple[list[Shape], int]:
    """Return the rows that have, or should have, numbers, and how many have native histograms."""
    rows = [(each, not each.at(histogram).is_missing) for each in result.items()]
    numbers = [each for each, has in rows if not (has and each.at("value").is_missing and each.at("values").is_missing)]
    return numbers, sum(has for _, has in rows)


def _series(row: Shape) -> Series:
    return Series(_labels(row.at("metric")), tuple(_point(each) for each in row.at("values").items()))


def _point(shape: Shape) -> tuple[datetime, float]:
    """Read `[seconds, "number"]`; the number may be NaN or infinite."""
    at, value = shape.pair()
    return at.since_1970(at.number(), SECOND), value.figure()


def _labels(shape: Shape) -> Mapping[str, str]:
    return MappingProxyType({key: each.text() for key, each in shape.fields().items()})


def _maybe_labels(shape: Shape) -> Mapping[str, str]:
    """Prometheus leaves empty sets out."""
    return MappingProxyType({}) if shape.is_missing else _labels(shape)


def _maybe_time(shape: Shape) -> datetime | None:
    return None if (shape.maybe_text() or _NEVER).startswith(_NEVER) else shape.time(UTC)


def rule_groups(found: Shape) -> tuple[RuleGroup, ...]:
    """Read groups of rules."""
    return tuple(_group(each) for each in found.at("groups").items())


def _group(row: Shape) -> RuleGroup:
    return RuleGroup(
        name=row.at("name").text(),
        file=row.at("file").text(),
        interval_s=row.at("interval").number(),
        evaluation_s=row.at("evaluationTime").number(),
        last_evaluation=_maybe_time(row.at("lastEvaluation")),
        rules=tuple(_rule(each) for each in row.at("rules").items()),
    )


def _rule(row: Shape) -> Rule:
    return Rule(
        name=row.at("name").text(),
        kind=row.at("type").text(),
        health=row.at("health").text(),
        last_error=row.at("lastError").maybe_text() or "",
        state=row.at("state").maybe_text() or "",
        labels=_maybe_labels(row.at("labels")),
        active_alerts=len(list(row.at("alerts").maybe_items())),
    )


def alerts(found: Shape) -> tuple[Alert, ...]:
    """Read alerts."""
    return tuple(_alert(each) for each in found.at("alerts").items())


def _alert(row: Shape) -> Alert:
    names = _labels(row.at("labels"))
    return Alert(
        name=names.get("alertname", ""),
        state=row.at("state").text(),
        labels=names,
        annotations=_maybe_labels(row.at("annotations")),
        active_at=_maybe_time(row.at("activeAt")),
        value=row.at("value").figure(),
    )


def targets(found: Shape) -> Targets:
    """Read scrape targets."""
    active = tuple(_target(each) for each in found.at("activeTargets").items())
    return Targets(active, found.at("droppedTargetCounts").maybe(_sum))


def _sum(counts: Shape) -> int:
    return sum(each.count() for each in counts.fields().values())


def _target(row: Shape) -> Target:
    return Target(
        labels=_labels(row.at("labels")),
        pool=row.at("scrapePool").text(),
        url=without_secrets(row.at("scrapeUrl").text()),
        health=row.at("health").text(),
        last_error=without_secrets(row.at("lastError").maybe_text() or ""),
        last_scrape=_maybe_time(row.at("lastScrape")),
    )


def without_secrets(url: str) -> str:
    """Return text with the query and the user of every URL left out: scrape URLs carry keys there."""
    return _USER_OF_URL.sub("", _QUERY_OF_URL.sub("", url))


def build(found: Shape) -> Build:
    """Read which version answers."""
    return Build(found.at("version").text(), found.at("revision").text())
