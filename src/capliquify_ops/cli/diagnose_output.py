"""The screen of `diagnose`: what is wrong first and whole, what is fine in one line each, what was not asked at the end."""

from collections.abc import Iterable, Sequence

from capliquify_ops.cli.output import line
from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.model.finding import Level

_NAMED = 5
_LONGEST = 160
_WAKE = {Level.L1: "Slack", Level.L2: "PagerDuty", Level.L3: "phone"}
_MINUTES_FROM_S, _HOURS_FROM_S = 120, 7200


def show(found: Sequence[Diagnosis]) -> None:
    """Print the diagnoses: wrong ones by whom to wake, then what could not be told, then the fine ones."""
    wrong = sorted((each for each in found if each.is_wrong), key=lambda each: -_rank(each.level))
    for each in wrong:
        _show_wrong(each)
        # Of one issue all is shown; of all seven only what a person must act upon, or it is no screen any more.
        if len(found) == 1:
            _show_asked(each.sources)
    for each in found:
        if not each.is_wrong and not each.is_certain:
            line(f"UNKNOWN  {each.issue}: {_why_unknown(each)}")
    for each in found:
        if not each.is_wrong and each.is_certain:
            line(f"fine     {each.issue}: {_cut('; '.join(source.says for source in each.sources if source.answered))}")
    _show_silent(found)
    _show_missing(found)


def _show_wrong(found: Diagnosis) -> None:
    wake = f": wake {found.level.value.upper()} ({_WAKE[found.level]})" if found.level else ""
    line(f"WRONG    {found.issue}{wake}")
    for number, cause in enumerate(found.causes, 1):
        _show_cause(number, cause, wakes=cause.level is not found.level)


def _show_cause(number: int, cause: Cause, *, wakes: bool) -> None:
    since = f", for {_age(cause.since_s)}" if cause.since_s is not None else ""
    wake = f", {cause.level.value.upper()} ({_WAKE[cause.level]})" if wakes and cause.level else ""
    line(f"  {number}. {cause.name}{since}{wake}")
    line(f"     {cause.why}")
    for each in cause.evidence:
        line(f"       {each}")
    if cause.tenants:
        more = f" and {len(cause.tenants) - _NAMED} more" if len(cause.tenants) > _NAMED else ""
        line(f"     tenants: {', '.join(cause.tenants[:_NAMED])}{more}")
    line(f"     next: {cause.next_command}")


def _show_asked(sources: Iterable[Source]) -> None:
    for source in sources:
        if source.answered:
            line(f"  asked {source.name} ({source.elapsed_ms:.0f} ms): {_cut(source.says)}")


def _why_unknown(found: Diagnosis) -> str:
    silent = [source.name for source in found.sources if source.is_configured and not source.answered]
    if not silent:
        return "nothing that could tell it is configured"
    return f"nothing was found, without an answer from {', '.join(silent)}"


def _show_silent(found: Iterable[Diagnosis]) -> None:
    """Show each reason once with all the sources that gave it: one fault, such as a database that is away, silences many."""
    silent = {source.name: source for each in found for source in each.sources if source.is_configured and not source.answered}
    for says, names in _by_reason(silent.values()).items():
        line(f"NO ANSWER from {', '.join(names)} ({max(silent[name].elapsed_ms for name in names):.0f} ms): {says}")


def _show_missing(found: Iterable[Diagnosis]) -> None:
    missing = {source.name: source for each in found for source in each.sources if not source.is_configured}
    for says, names in _by_reason(missing.values()).items():
        line(f"not asked: {', '.join(names)}: {says}")


def _by_reason(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Return the names of sources by what they say."""
    found: dict[str, list[str]] = {}
    for source in sources:
        found.setdefault(source.says, []).append(source.name)
    return found


def _rank(level: Level | None) -> int:
    return list(Level).index(level) + 1 if level else 0


def _age(seconds: float) -> str:
    if seconds < _MINUTES_FROM_S:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < _HOURS_FROM_S else f"{seconds / 3600:.0f} h"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
