"""Whether an action helped: the causes that its issues had before, and those that they have after it, by name; pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from capliquify_ops.model.diagnosis import Diagnosis

HELPED, NOT_HELPED, UNTOLD = "helped", "not helped", "cannot be told"


class Effect(NamedTuple):
    """The causes before and after, None where nobody was asked, and what follows from them."""

    before: tuple[str, ...] | None
    after: tuple[str, ...] | None
    verdict: str
    why: str


def effect_of(before: Sequence[Diagnosis], after: Sequence[Diagnosis]) -> Effect:
    """Compare what was found. That a cause is gone counts only where all that was asked has answered."""
    if not before or not after:
        return Effect(None, None, UNTOLD, "This version has no diagnosis for it.")
    was, now = causes_of(before), causes_of(after)
    if not was:
        return Effect(was, now, UNTOLD, "The diagnosis found nothing before, so there was nothing to help with.")
    return Effect(was, now, *_verdict(was, now, after))


def _verdict(was: Sequence[str], now: Sequence[str], after: Sequence[Diagnosis]) -> tuple[str, str]:
    gone, new = _but(was, now), _but(now, was)
    left, more = _but(now, new), f" New: {', '.join(new)}." if new else ""
    if not gone:
        return NOT_HELPED, f"Still there: {', '.join(was)}.{more}"
    if new:
        return NOT_HELPED, f"Gone: {', '.join(gone)}.{more}"
    if silent := [source.name for each in after for source in each.sources if source.is_configured and not source.answered]:
        return UNTOLD, f"Not found any more, but there was no answer from: {', '.join(dict.fromkeys(silent))}."
    return HELPED, f"Gone: {', '.join(gone)}." + (f" Still there: {', '.join(left)}." if left else "")


def causes_of(found: Iterable[Diagnosis]) -> tuple[str, ...]:
    """Return the names of causes, each with its issue, once."""
    return tuple(dict.fromkeys(f"{each.issue}: {cause.name}" for each in found for cause in each.causes))


def _but(these: Sequence[str], those: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in these if each not in those)
