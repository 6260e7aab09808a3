"""Prometheus' answers, read: JSON in, frozen dataclasses out, IntegrationFailed for whatever has another shape. Pure."""

from collections.abc import Mapping

from capliquify_ops.integrations import prometheus_reading as reading
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


def data(answer: object, operation: str) -> Mapping[str, object]:
    """Return the data of an answer's envelope. Raises IntegrationFailed when it is not a success."""
    envelope = reading.table(answer, operation)
    status = reading.text(envelope, "status", operation)
    if status != "success":
        said = reading.optional_text(envelope, "error")[:200]
        raise reading.wrong(operation, f"with the status {status[:20]!r}{': ' + said if said else ''}")
    return reading.table(envelope.get("data"), operation)


def query_result(answer: object, operation: str) -> QueryResult:
    """Read the answer to a query. Raises IntegrationFailed."""
    found = data(answer, operation)
    warnings = reading.texts(reading.table(answer, operation).get("warnings"))
    match reading.text(found, "resultType", operation):
        case Kind.VECTOR:
            each, histograms = _floats(found, "histogram", operation)
            samples = tuple(_sample(one, operation) for one in each)
            return QueryResult(Kind.VECTOR, samples=samples, warnings=warnings, histograms=histograms)
        case Kind.MATRIX:
            each, histograms = _floats(found, "histograms", operation)
            series = tuple(_series(one, operation) for one in each)
            return QueryResult(Kind.MATRIX, series=series, warnings=warnings, histograms=histograms)
        case Kind.SCALAR:
            at, value = reading.point(found.get("result"), operation)
            return QueryResult(Kind.SCALAR, samples=(Sample({}, at, value),), warnings=warnings)
        case Kind.STRING:
            _, value_text = reading.pair(found.get("result"), operation)
            return QueryResult(Kind.STRING, text=reading.text({"value": value_text}, "value", operation), warnings=warnings)
        case other:
            raise reading.wrong(operation, f"a result of the unknown type {other[:20]!r}")


def _floats(found: Mapping[str, object], histogram: str, operation: str) -> tuple[list[Mapping[str, object]], int]:
    """Return the rows that have numbers, and how many have native histograms only."""
    each = [reading.table(one, operation) for one in reading.rows(found, "result", operation)]
    numbers = [one for one in each if "value" in one or "values" in one or histogram not in one]
    return numbers, sum(1 for one in each if histogram in one)


def _sample(row: Mapping[str, object], operation: str) -> Sample:
    at, value = reading.point(row.get("value"), operation)
    return Sample(reading.labels(row, "metric", operation), at, value)


def _series(row: Mapping[str, object], operation: str) -> Series:
    points = tuple(reading.point(each, operation) for each in reading.rows(row, "values", operation))
    return Series(reading.labels(row, "metric", operation), points)


def rule_groups(found: Mapping[str, object], operation: str) -> tuple[RuleGroup, ...]:
    """Read groups of rules. Raises IntegrationFailed."""
    return tuple(_group(reading.table(each, operation), operation) for each in reading.rows(found, "groups", operation))


def _group(row: Mapping[str, object], operation: str) -> RuleGroup:
    return RuleGroup(
        name=reading.text(row, "name", operation),
        file=reading.text(row, "file", operation),
        interval_s=reading.number(row, "interval", operation),
        evaluation_s=reading.number(row, "evaluationTime", operation),
        last_evaluation=reading.stamp(row, "lastEvaluation", operation),
        rules=tuple(_rule(reading.table(each, operation), operation) for each in reading.rows(row, "rules", operation)),
    )


def _rule(row: Mapping[str, object], operation: str) -> Rule:
    active = row.get("alerts")
    return Rule(
        name=reading.text(row, "name", operation),
        kind=reading.text(row, "type", operation),
        health=reading.text(row, "health", operation),
        last_error=reading.optional_text(row, "lastError"),
        state=reading.optional_text(row, "state"),
        labels=reading.optional_labels(row, "labels", operation),
        active_alerts=len(active) if isinstance(active, list) else 0,
    )


def alerts(found: Mapping[str, object], operation: str) -> tuple[Alert, ...]:
    """Read alerts. Raises IntegrationFailed."""
    return tuple(_alert(reading.table(each, operation), operation) for each in reading.rows(found, "alerts", operation))


def _alert(row: Mapping[str, object], operation: str) -> Alert:
    names = reading.labels(row, "labels", operation)
    return Alert(
        name=names.get("alertname", ""),
        state=reading.text(row, "state", operation),
        labels=names,
        annotations=reading.optional_labels(row, "annotations", operation),
        active_at=reading.stamp(row, "activeAt", operation),
        value=reading.figure(row.get("value"), operation),
    )


def targets(found: Mapping[str, object], operation: str) -> Targets:
    """Read scrape targets. Raises IntegrationFailed."""
    active = tuple(_target(reading.table(each, operation), operation) for each in reading.rows(found, "activeTargets", operation))
    counts = found.get("droppedTargetCounts")
    if not isinstance(counts, dict):
        return Targets(active, None)
    return Targets(active, sum(int(reading.number(counts, pool, operation)) for pool in counts))


def _target(row: Mapping[str, object], operation: str) -> Target:
    return Target(
        labels=reading.labels(row, "labels", operation),
        pool=reading.text(row, "scrapePool", operation),
        url=reading.without_secrets(reading.text(row, "scrapeUrl", operation)),
        health=reading.text(row, "health", operation),
        last_error=reading.without_secrets(reading.optional_text(row, "lastError")),
        last_scrape=reading.stamp(row, "lastScrape", operation),
    )


def build(found: Mapping[str, object], operation: str) -> Build:
    """Read which version answers. Raises IntegrationFailed."""
    return Build(reading.text(found, "version", operation), reading.text(found, "revision", operation))
