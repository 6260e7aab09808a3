"""Which deploy to go back to, and how a deploy is waited for."""

from collections.abc import Callable, Sequence

from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.model.protocols import Clock

WAIT_S = 900.0
"""A build and a rollout of a service of this kind take minutes; after a quarter of an hour a person should look."""
POLL_S = 5.0
"""Twelve reads a minute of the 400 that Render allows."""


def deploy_to_go_back_to(deploys: Sequence[Deploy]) -> Deploy | None:
    """Return the deploy that was live before the live one, None where none is among these, or which one is not certain.

    Where the live one is itself a rollback, the newest of the others is what was left for being bad: the search then goes on
    behind the deploy that the rollback returned to.
    """
    newest_first = sorted(deploys, key=lambda deploy: deploy.created_at, reverse=True)
    live = next((deploy for deploy in newest_first if deploy.status == "live"), None)
    if live is None:
        return None
    earlier = [each for each in newest_first if each.status == "deactivated" and each.created_at < live.created_at]
    if live.trigger != "rollback":
        return next(iter(earlier), None)
    if live.revision is None:
        return None
    places = [
        number for number, deploy in enumerate(earlier) if deploy.revision == live.revision and deploy.trigger != "rollback"
    ]
    return next(iter(earlier[places[0] + 1 :]), None) if places else None


def when_ended(
    read: Callable[[], Deploy],
    clock: Clock,
    sleep: Callable[[float], None],
    *,
    timeout_s: float = WAIT_S,
    every_s: float = POLL_S,
) -> Deploy:
    """Read a deploy until its status will not change by itself, and return it, whether it went well or not.

    Raises IntegrationFailed when it has not ended in time; it goes on without us.
    """
    end = clock.monotonic() + timeout_s
    while not (deploy := read()).has_ended:
        if clock.monotonic() + every_s > end:
            raise IntegrationFailed(
                f"Render's deploy {deploy.id} is still {deploy.status} after {timeout_s:g} s.", hint="Look at its dashboard."
            )
        sleep(every_s)
    return deploy
