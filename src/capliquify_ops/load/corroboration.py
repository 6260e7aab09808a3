"""Does the database confirm what the generator counted: an answer that nobody asked the database for proves no load on it."""

from collections.abc import Mapping

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.plan import arrivals
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.finding import Scalar

DECLARED = "database_corroboration"
"""The key under [not_applicable] of a profile whose service answers from a cache."""
_CALLS, _COMMITS = "database_calls_per_request", "database_commits_per_request"
_ASKED = (
    (_CALLS, "load_corroborated_ratio", "statements of the application's role"),
    (_COMMITS, "load_committed_ratio", "transactions"),
)


def counted(run: LoadRun) -> dict[str, Scalar]:
    """Return what the database counted for each request; nothing where it was not watched, or nobody was answered.

    It was watched over the warm-up too, so the requests of that count beside those that were measured and answered.
    """
    watched, answered = run.watched, sum(status > 0 for status in run.samples.status)
    if watched is None or not answered:
        return {}
    asked = arrivals(run.rate, run.warmup_s) + answered
    found: dict[str, Scalar] = {}
    if watched.calls is not None:
        found[_CALLS] = round(watched.calls / asked, 3)
    if watched.commits is not None:
        found[_COMMITS] = round(watched.commits / asked, 3)
    return found


def doubt(run: LoadRun, figures: Mapping[str, Scalar], limits: Limits) -> str:
    """Return why the database does not confirm a run, as part of a sentence; empty where it does, or need not.

    Both must suffice where both are known: statements are the application's own but may be many for one request, so that few
    requests make up for others; transactions are the whole database's but hardly more than one for each request.
    """
    if run.uncorroborated:
        return ""
    known = [(key, limits[limit], what) for key, limit, what in _ASKED if key in figures]
    if not known:
        why = " ".join(run.watched.unseen) if run.watched else ""
        return f"nothing corroborates it: the database was not watched. {why}".strip().rstrip(".")
    lacking = [(key, what) for key, limit, what in known if not holds(figures[key], limit)]
    if not lacking:
        return ""
    said = " and ".join(f"{figures[key]:g} {what}" for key, what in lacking)
    other = ", or the service asks as another role, such as a pooler's" if [key for key, _ in lacking] == [_CALLS] else ""
    return f"the database saw {said} for each request: a cache, or another database, gave the others{other}"
