"""What a person makes of findings: those that are accepted for a while, and what has changed since an earlier run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from capliquify_ops.configuration.suppressions import Suppression
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Sorted:
    """Findings that count, and those that a suppression holds back; suppressions past their end, and those without a finding."""

    open: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, Suppression], ...]
    expired: tuple[Suppression, ...]
    unused: tuple[Suppression, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of failing findings since an earlier run: new ones, those of more or other tenants, and those that are gone."""

    new: tuple[str, ...]
    grown: tuple[str, ...]
    gone: tuple[str, ...]


def suppress(findings: Iterable[Finding], suppressions: Sequence[Suppression], today: date) -> Sorted:
    """Hold back failing findings that a suppression names until its last day. What could not be told is never held back."""
    valid = {each.id: each for each in suppressions if today <= each.expires}
    every = tuple(findings)
    held = [each.outcome is Outcome.FAILING and each.id in valid for each in every]
    ids, told = {each.id for each in every}, _told(every)
    return Sorted(
        open=tuple(each for each, is_held in zip(every, held, strict=True) if not is_held),
        suppressed=tuple((each, valid[each.id]) for each, is_held in zip(every, held, strict=True) if is_held),
        expired=tuple(each for each in suppressions if each.id not in valid),
        unused=tuple(each for each in valid.values() if each.id not in ids and each.id.partition(":")[0] in told),
    )


def changes(findings: Iterable[Finding], earlier: object) -> Changes:
    """Compare with the document of an earlier `fleet check --json`; a check that did not run now has nothing gone.

    Raises UsageError when the document is not one.
    """
    before = _failing(earlier)
    every = tuple(findings)
    now = {each.id: each for each in every if each.outcome is Outcome.FAILING}
    told = _told(every)
    return Changes(
        new=tuple(sorted(set(now) - set(before))),
        grown=tuple(sorted(one for one in set(now) & set(before) if _has_grown(now[one], before[one]))),
        gone=tuple(sorted(one for one in set(before) - set(now) if before[one]["check"] in told)),
    )


def _told(findings: Iterable[Finding]) -> set[str]:
    """Return the checks that gave an answer."""
    return {str(each.check) for each in findings if each.outcome in {Outcome.FAILING, Outcome.HEALTHY}}


def _failing(document: object) -> dict[str, Mapping[str, object]]:
    rows = document.get("findings") if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or not all(
        isinstance(row, Mapping) and {"id", "check", "outcome"} <= row.keys() for row in rows
    ):
        raise UsageError("The earlier run is not a document of fleet check.", hint="Keep one with: fleet check --json > FILE")
    return {str(row["id"]): row for row in rows if row["outcome"] == Outcome.FAILING.value}


def _has_grown(now: Finding, before: Mapping[str, object]) -> bool:
    spread = before.get("tenants")
    if now.tenants is None or not isinstance(spread, Mapping):
        return False
    count = spread.get("count", 0)
    return bool(now.tenants.count > count or (now.tenants.count == count and now.tenants.digest != spread.get("digest")))
