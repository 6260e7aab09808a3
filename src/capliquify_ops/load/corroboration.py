"""Does the database confirm what the generator counted: an answer that nobody asked the database for proves no load on it."""

from collections.abc import Mapping

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.finding import Scalar

DECLARED = "database_corroboration"
"""The key under [not_applicable] of a profile whose service answers from a cache."""


def counted(run: LoadRun) -> dict[str, Scalar]:
    """Return what the database counted for each request that was answered; nothing where it was not watched."""
    watched, answered = run.watched, sum(status > 0 for status in run.samples.status)
    if watched is None or not answered:
        return {}
    found: dict[str, Scalar] = {}
    if watched.calls is not None:
        found["database_calls_per_request"] = round(watched.calls / answered, 3)
    if watched.commits is not None:
        found["database_commits_per_request"] = round(watched.commits / answered, 3)
    return found


def doubt(run: LoadRun, figures: Mapping[str, Scalar], limits: Limits) -> str:
    """Return why the database does not confirm a run, as part of a sentence; empty where it does, or need not.

    Calls and commits are counted over the warm-up too, so of a service that asks its database for each answer both exceed the
    requests that were measured. One of them is enough: a pooler or a batch may hide the other.
    """
    if run.uncorroborated:
        return ""
    seen = [figures[key] for key in ("database_calls_per_request", "database_commits_per_request") if key in figures]
    if not seen:
        why = " ".join(run.watched.unseen) if run.watched else ""
        return f"nothing corroborates it: the database was not watched. {why}".strip().rstrip(".")
    if any(holds(number, limits["load_corroborated_ratio"]) for number in seen):
        return ""
    most = max(float(number) for number in seen)
    return f"the database saw {most:g} statements or transactions for each answer: a cache, or another database, gave the others"
