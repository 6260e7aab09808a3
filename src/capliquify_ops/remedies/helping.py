"""Whether an action helped: the causes that its issues had before, and those that they have after it, by name; pure."""

from collections.abc import Sequence
from typing import NamedTuple

from capliquify_ops.model.diagnosis import Diagnosis

HELPED, NOT_HELPED, UNTOLD = "helped", "not helped", "cannot be told"


Diagnoses = Sequence[Diagnosis] | None
"""None is a diagnosis that could not be made, empty one that this version has not."""


class Effect(NamedTuple):
    """The causes before and after, None where nobody could say, and what follows from them.

    `is_open`: it may have been of no help. That is not so where nothing was wrong, or nothing can be asked.
    """

    before: tuple[str, ...] | None
    after: tuple[str, ...] | None
    verdict: str
    why: str
    is_open: bool = False


def effect_of(before: Diagnoses, after: Diagnoses) -> Effect:
    """Compare what was found. That a cause is gone, or none was there, counts only where all that was asked has answered."""
    was, now = causes_of(before), causes_of(after)
    if before is None or after is None:
        when = "before" if before is None else "afterwards"
        return Effect(was, now, UNTOLD, f"The diagnosis could not be made {when}.", is_open=True)
    if not before or not after:
        return Effect(None, None, UNTOLD, "This version has no diagnosis for it.")
    if was:
        verdict, why = _verdict(was, now or (), after)
        return Effect(was, now, verdict, why, is_open=verdict == UNTOLD)
    if now:
        return Effect(was, now, NOT_HELPED, f"The diagnosis found nothing before.{_new(now)}")
    if silent := _silent(before):
        return Effect(was, now, UNTOLD, f"Nothing was found before, but there was no answer from: {silent}.", is_open=True)
    return Effect(was, now, UNTOLD, "The diagnosis found nothing before, so there was nothing to help with.")


def _verdict(was: Sequence[str], now: Sequence[str], after: Sequence[Diagnosis]) -> tuple[str, str]:
    gone, new = _but(was, now), _but(now, was)
    left, more = _but(now, new), _new(new)
    if not gone:
        return NOT_HELPED, f"Still there: {', '.join(was)}.{more}"
    if new:
        return NOT_HELPED, f"Gone: {', '.join(gone)}.{more}"
    if silent := _silent(after):
        return UNTOLD, f"Not found any more, but there was no answer from: {silent}."
    return HELPED, f"Gone: {', '.join(gone)}." + (f" Still there: {', '.join(left)}." if left else "")


def causes_of(found: Diagnoses) -> tuple[str, ...] | None:
    """Return the names of causes, each with its issue, once; None where the diagnosis could not be made."""
    if found is None:
        return None
    return tuple(dict.fromkeys(f"{each.issue}: {cause.name}" for each in found for cause in each.causes))


def _silent(found: Sequence[Diagnosis]) -> str:
    names = [source.name for each in found for source in each.sources if source.is_configured and not source.answered]
    return ", ".join(dict.fromkeys(names))


def _new(names: Sequence[str]) -> str:
    return f" New: {', '.join(names)}." if names else ""


def _but(these: Sequence[str], those: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in these if each not in those)
