"""What is asked of a deploy: the list of them; of one that failed its logs, events, variables, and the migrations since."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from capliquify_ops.diagnostics.failed_deployment_deploys import Standing, ended_at, named, standing_of
from capliquify_ops.diagnostics.failed_deployment_ledgers import read_applied
from capliquify_ops.diagnostics.inquiry import DatabaseQuestion, Inquiry, Question, Questions
from capliquify_ops.diagnostics.outside import ask_render
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_logs import Logs
from capliquify_ops.integrations.render_records import Deploy, Event
from capliquify_ops.observation.build_texts import Problem, classify

DEPLOYS, BUILD_LOG, APP_LOG = "deploys", "build log of the deploy", "application log of the deploy"
EVENTS, ENVIRONMENT, LEDGERS = "events of the deploy", "environment variables", "migrations since the last good deploy"
_MOST_DEPLOYS, _LINES, _MOST_EVENTS = 50, 200, 20
_ENDS = ("build_ended", "pre_deploy_ended", "deploy_ended")
_AFTER = timedelta(seconds=30)
"""What a service writes when it is ended comes a little later than the end of its deploy."""


def deploys(inquiry: Inquiry) -> Question | str:
    """Ask for the newest deploys."""

    def ask(render: Render, service: str) -> tuple[Sequence[Deploy], str]:
        found = render.deploys(service, at_most=_MOST_DEPLOYS).items
        return found, _says(standing_of(found), found)

    return ask_render(inquiry, ask)


def about(standing: Standing, inquiry: Inquiry) -> Questions:
    """Ask about a deploy that failed."""
    failed, good = standing.failed, standing.good
    if failed is None:
        return Questions()
    required = inquiry.target.profile.required_environment
    outside = {
        BUILD_LOG: ask_render(inquiry, lambda render, service: _build_log(render, service, failed, required)),
        EVENTS: ask_render(inquiry, lambda render, service: _events(render, service, failed)),
        ENVIRONMENT: ask_render(inquiry, lambda render, service: _variables(render, service, required)),
    }
    if failed.status != "build_failed":
        outside[APP_LOG] = ask_render(inquiry, lambda render, service: _app_log(render, service, failed, required))
    return Questions(outside, {LEDGERS: _ledgers(ended_at(good))} if good else {})


def _ledgers(since: datetime) -> DatabaseQuestion:
    return lambda session: read_applied(session, since)


def _build_log(render: Render, service_id: str, failed: Deploy, required: Sequence[str]) -> tuple[tuple[Problem, ...], str]:
    return _classified(render.build_logs(render.service(service_id), failed, count=_LINES), required)


def _app_log(render: Render, service_id: str, failed: Deploy, required: Sequence[str]) -> tuple[tuple[Problem, ...], str]:
    """Read what the service wrote while the deploy started it; of one that still runs there is no end."""
    end = failed.finished_at + _AFTER if failed.finished_at else None
    start = failed.started_at or failed.created_at
    return _classified(render.logs(render.service(service_id), count=_LINES, start=start, end=end), required)


def _classified(logs: Logs, required: Sequence[str]) -> tuple[tuple[Problem, ...], str]:
    found = classify((line.message for line in logs.lines), required)
    told = ", ".join(f"{each.kind}" for each in found) or "nothing in words that are known here"
    return found, f"{len(logs.lines)} lines: {told}" + ("; earlier ones were not read" if logs.has_more else "")


def _events(render: Render, service_id: str, failed: Deploy) -> tuple[tuple[Event, ...], str]:
    found = render.events(service_id, _ENDS, start=failed.created_at, at_most=_MOST_EVENTS).items
    return found, f"{len(found)} ends of builds and deploys since it began"


def _variables(render: Render, service_id: str, required: Sequence[str]) -> tuple[frozenset[str], str]:
    """Read which variables are set; their values are dropped here."""
    keys = frozenset(each.key for each in render.environment_variables(service_id).items)
    missing = [name for name in required if name not in keys]
    told = f"; not among them: {', '.join(missing)}" if missing else ""
    return keys, f"{len(keys)} are set for the service, values not looked at{told}"


def _says(standing: Standing, found: Sequence[Deploy]) -> str:
    parts = [f"{len(found)} deploys"]
    for word, deploy in (("in progress", standing.running), ("failed", standing.failed), ("canceled", standing.canceled)):
        if deploy:
            parts.append(f"{word}: {deploy.id}, {named(deploy)}, {deploy.status}")
    good = standing.good
    parts.append(f"last that went well: {good.id}, {named(good)}" if good else "none went well")
    return "; ".join(parts)
