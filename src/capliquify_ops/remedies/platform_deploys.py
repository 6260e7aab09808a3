"""Deploys as remedies look at them: the one that is live, the one on its way, and how one ended."""

from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_deploys import POLL_S, when_ended
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.remedies.acting import Acted, Context
from capliquify_ops.remedies.platform import rendering

LIVE = "live"
_UNKNOWN = "not known"


def live_deploy(render: Render, service_id: str) -> Deploy | None:
    """Return the deploy that is live."""
    return next(iter(render.deploys(service_id, statuses=(LIVE,), at_most=1).items), None)


def open_deploy(render: Render, service_id: str) -> Deploy | None:
    """Return the newest deploy where it has not ended."""
    return next((each for each in render.deploys(service_id, at_most=1).items if not each.has_ended), None)


def superseded(live: Deploy | None, now: Deploy | None) -> Acted | None:
    """Return that nothing is done, where another deploy is live now than when the plan was made."""
    if (now and now.id) == (live and live.id):
        return None
    return Acted(left=(f"another deploy is live by now: {named(now) if now else 'none'}",), is_done=False)


def named(deploy: Deploy) -> str:
    """Return a deploy as it is called: its id, its commit and the first words of that."""
    message = f" ({deploy.message.strip().splitlines()[0][:60]})" if deploy.message and deploy.message.strip() else ""
    return f"{deploy.id}, {deploy.revision or 'no revision known'}{message}"


def how_it_ended(context: Context, deploy_id: str, within_s: float) -> str:
    """Wait for a deploy, and return the status that it ended with, or why that is not known."""
    try:
        with rendering(context) as (render, service_id):
            return when_ended(
                lambda: render.deploy(service_id, deploy_id), context.clock, context.sleep, timeout_s=within_s, every_s=POLL_S
            ).status
    except IntegrationFailed as fault:
        return f"{_UNKNOWN}: {fault.what}"


def went_well(ended: str) -> bool | None:
    """Whether a deploy ended as it should, None where that is not known."""
    return None if ended.startswith(_UNKNOWN) else ended == LIVE
