"""How a service stands with its deploys: what runs, what failed since, what lies between. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.observation.shown import shown

FAILED = frozenset({"build_failed", "update_failed", "pre_deploy_failed"})
GOOD = frozenset({"live", "deactivated"})
CANCELED = "canceled"
_REVISION, _MESSAGE, _BETWEEN = 12, 72, 10


@dataclass(frozen=True, slots=True)
class Standing:
    """`failed` is the newest deploy that failed and none went well after it; `canceled` that of a person, where none failed.

    `running` is in progress. `good` is the newest before them that went live, `commits` are what lies between, the newest first.
    """

    failed: Deploy | None = None
    canceled: Deploy | None = None
    running: Deploy | None = None
    good: Deploy | None = None
    commits: tuple[Deploy, ...] = ()


def standing_of(deploys: Sequence[Deploy]) -> Standing:
    """Tell how a service stands, from its deploys in any order."""
    newest_first = sorted(deploys, key=lambda deploy: (deploy.created_at, deploy.id), reverse=True)
    places = [number for number, deploy in enumerate(newest_first) if deploy.status in GOOD]
    since = newest_first[: places[0]] if places else newest_first
    ended = [deploy for deploy in since if deploy.has_ended]
    failed = next((deploy for deploy in ended if deploy.status in FAILED), None)
    newest = next(iter(ended), None)
    return Standing(
        failed=failed,
        canceled=newest if newest and newest.status == CANCELED and not failed else None,
        running=next((deploy for deploy in since if not deploy.has_ended), None),
        good=newest_first[places[0]] if places else None,
        commits=tuple(deploy for number, deploy in enumerate(since) if deploy.revision not in _revisions(since[:number])),
    )


def _revisions(deploys: Sequence[Deploy]) -> frozenset[str]:
    """Return what was deployed before; what has no revision is never the same."""
    return frozenset(deploy.revision for deploy in deploys if deploy.revision is not None)


def named(deploy: Deploy) -> str:
    """Return a deploy's commit and the first line of its message."""
    lines = (deploy.message or "").strip().splitlines()
    first = "".join(letter if letter.isprintable() else " " for letter in shown(lines[0])[:_MESSAGE]) if lines else ""
    revision = deploy.revision[:_REVISION] if deploy.revision else "no revision known"
    return revision + (f" {first}" if first else "")


def between(standing: Standing) -> tuple[str, ...]:
    """Return lines of the last good deploy and of the commits since then."""
    good = standing.good
    since = f"last good deploy: {good.id}, {named(good)}, of {_at(good)}" if good else "no deploy of those listed went well"
    more = len(standing.commits) - _BETWEEN
    return (
        since,
        *(f"not live: {named(each)} ({each.status})" for each in standing.commits[:_BETWEEN]),
        *([f"and {more} commits more"] if more > 0 else []),
    )


def ended_at(deploy: Deploy) -> datetime:
    """Return when a deploy ended, as far as is known."""
    return deploy.finished_at or deploy.started_at or deploy.created_at


def _at(deploy: Deploy) -> str:
    return f"{ended_at(deploy):%Y-%m-%d %H:%M} UTC"
