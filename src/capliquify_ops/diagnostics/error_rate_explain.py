"""From all that was seen to causes, what explains most errors first; pure."""

from dataclasses import replace

from capliquify_ops.diagnostics import error_rate_causes as causes
from capliquify_ops.diagnostics.error_rate_release import Release, with_series
from capliquify_ops.diagnostics.error_rate_rows import AGAIN, ErrorRows, Weighed
from capliquify_ops.diagnostics.error_rate_seen import classes_of
from capliquify_ops.diagnostics.error_rate_tenants import of_tenants
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.model.diagnosis import Cause

_WORSE, _NEW = 0.35, 0.2
"""That a release was lately explains less than what errors say themselves."""


def explain(rows: ErrorRows) -> tuple[Cause, ...]:
    """Return the probable causes, what explains most errors first; none where there are no errors and nobody refuses us."""
    if not rows.symptoms:
        refused = rows.limited is not None and rows.limited.is_limited
        return tuple(each.cause for each in causes.of_identity(rows)) if refused else ()
    looks = (causes.of_identity, causes.of_connections, causes.of_deadlocks, causes.of_timeouts, of_releases)
    found: list[Weighed] = [*of_tenants(rows), *(each for look in looks for each in look(rows))]
    found.sort(key=lambda each: -each.weight)
    ranked = [each.cause for each in found] or [_unexplained(rows)]
    return (replace(ranked[0], evidence=(*_symptoms(rows), *ranked[0].evidence)), *ranked[1:])


def of_releases(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return what went live within the last hour, unless it was as bad before."""
    if rows.now is None:
        return ()
    return tuple(
        _release(rows, each, (rows.now - each.at).total_seconds())
        for each in (with_series(each, rows.series, rows.now) for each in rows.releases)
        if each.is_worse is not False
    )


def _release(rows: ErrorRows, found: Release, ago_s: float) -> Weighed:
    lines = [f"{found.place}: {found.name} went live {age(ago_s)} ago", *found.new_issues]
    for when, counts in (("before", found.before), ("after", found.after)):
        lines += [f"{when}: {counts.errors:.0f} errors of {counts.of:.0f} {counts.unit}"] if counts else []
    fits = "errors are more since then" if found.is_worse else "whether it was well before is not known"
    back = (
        f"capliquify-ops remedy plan roll-back-deploy --deploy {found.back}"
        if found.back
        else "Roll back to the release before in the dashboard of the host"
    )
    weight = _WORSE if found.is_worse or found.new_issues else _NEW
    cause = Cause(
        "new release", f"A release went live {age(ago_s)} ago; {fits}.", tuple(lines), f"{back}. {AGAIN}", (), ago_s, rows.level
    )
    return Weighed(weight, cause)


def _symptoms(rows: ErrorRows) -> tuple[str, ...]:
    return tuple(line for each in rows.symptoms for line in (each.told, *each.lines))


def _unexplained(rows: ErrorRows) -> Cause:
    why = f"{rows.symptoms[0].told}; nothing that was asked explains it."
    since = [each.since_s for each in rows.symptoms if each.since_s is not None]
    return Cause(
        "errors", why, classes_of(rows.seen), f"{rows.look}. {AGAIN}", since_s=max(since, default=None), level=rows.level
    )
