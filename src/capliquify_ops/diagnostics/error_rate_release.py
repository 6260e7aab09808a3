"""Whether errors came with a new release: what went live in the last hour, and how it was before and after."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from capliquify_ops.diagnostics.error_rate_symptom import lower_bound
from capliquify_ops.diagnostics.inquiry import Inquiry, Question
from capliquify_ops.diagnostics.outside import ask_prometheus, ask_render, ask_sentry
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.integrations.prometheus import Prometheus
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.integrations.sentry import Sentry
from capliquify_ops.integrations.sentry_records import Series
from capliquify_ops.observation.traffic import ERRORS_FROM

NEW_FOR = timedelta(hours=1)
BEFORE, SAME = timedelta(minutes=30), timedelta(minutes=15)
_SHORTEST_S = 60
_ISSUES = 3


@dataclass(frozen=True, slots=True)
class Counted:
    """Errors of so many requests; without `of`, errors of so many minutes."""

    errors: float
    of: float
    unit: str = "requests"


@dataclass(frozen=True, slots=True)
class Release:
    """What went live: where, under which name, when. `new_issues` are first seen in it, `back` is the deploy to go back to."""

    place: str
    name: str
    at: datetime
    service: str = ""
    new_issues: tuple[str, ...] = ()
    back: str = ""
    before: Counted | None = None
    after: Counted | None = None

    @property
    def is_worse(self) -> bool | None:
        """Whether there are more errors since then, None where nobody counted before and after."""
        if self.before is None or self.after is None or not (self.before.of and self.after.of):
            return None
        if self.after.unit == "requests":
            return lower_bound(self.after.errors, self.after.of) > self.before.errors / self.before.of
        usual = self.before.errors / self.before.of * self.after.of
        return lower_bound(self.after.errors, self.after.errors + usual) > 1 / 2


def deploy_in_time(deploy: Deploy | None, now: datetime) -> Deploy | None:
    """Return a deploy that went live within the last hour."""
    at = deploy.finished_at if deploy and deploy.status == "live" else None
    return deploy if at and timedelta(0) <= now - at <= NEW_FOR else None


def back_question(inquiry: Inquiry) -> Question | str:
    """Ask Render for the deploy to go back to. Gives its id, "" where there is none."""

    def ask(render: Render, service: str) -> tuple[str, str]:
        found = render.deploy_to_go_back_to(service)
        return (found.id, f"one can go back to {found.id}") if found else ("", "there is no deploy to go back to")

    return ask_render(inquiry, ask)


def compared_question(inquiry: Inquiry, at: datetime) -> Question | str:
    """Ask Prometheus for requests and errors before and after a time. Gives a pair of Counted, None without such a metric."""
    metric = inquiry.target.profile.metrics.get("requests_total", "")
    after_s = max(_SHORTEST_S, int((inquiry.clock.now() - at).total_seconds()))

    def ask(prometheus: Prometheus) -> tuple[tuple[Counted, Counted] | None, str]:
        before = _counted(prometheus, metric, int(BEFORE.total_seconds()), at)
        after = _counted(prometheus, metric, after_s, None)
        says = ", ".join(f"{each.errors:.0f} errors of {each.of:.0f} requests" for each in (before, after))
        return (before, after), f"before and after: {says}"

    return ask_prometheus(inquiry, ask) if metric else "the profile has no metric requests_total"


def sentry_question(inquiry: Inquiry) -> Question | str:
    """Ask Sentry for a release that went live in the last hour, and its new issues. Gives a Release or None."""

    def ask(sentry: Sentry, project: str) -> tuple[Release | None, str]:
        dated = [(each.last_deploy.finished_at if each.last_deploy else None, each) for each in sentry.releases(project).found]
        times = [(at or each.created_at, each.version) for at, each in dated if at or each.created_at]
        now = inquiry.clock.now()
        at, version = max(((at, version) for at, version in times if at and at <= now), default=(None, ""))
        if at is None or now - at > NEW_FOR:
            return None, "no release in the last hour"
        new = sentry.new_issues_of_release(project, version).found
        lines = tuple(f"{each.short_id}, first seen in it: {each.count} times" for each in new[:_ISSUES])
        return Release("Sentry", version, at, new_issues=lines), f"{version}, {age((now - at).total_seconds())} ago"

    return ask_sentry(inquiry, ask)


def together(own: Release, told: Release) -> tuple[Release, ...]:
    """Return two releases as one where they went live at about the same time."""
    if abs(own.at - told.at) > SAME:
        return own, told
    name = own.name if told.name in own.name or own.name in told.name else f"{own.name} ({told.name})"
    return (replace(own, name=name, new_issues=told.new_issues),)


def with_series(release: Release, series: Series | None, now: datetime) -> Release:
    """Return a release with Sentry's counts before and after it, where nothing better is known."""
    step = series.bucket if series else None
    if release.before or series is None or step is None:
        return release
    before = [each.count for each in series.points if each.at + step <= release.at]
    after = [each.count for each in series.points if release.at <= each.at <= now]
    minutes = step.total_seconds() / 60
    return replace(
        release,
        before=Counted(sum(before), len(before) * minutes, "min in Sentry"),
        after=Counted(sum(after), len(after) * minutes, "min in Sentry"),
    )


def _counted(prometheus: Prometheus, metric: str, over_s: int, at: datetime | None) -> Counted:
    found = prometheus.query(f"sum by (status) (increase({metric}[{over_s}s]))", at).samples
    errors = sum(each.value for each in found if _is_error(each.labels.get("status", "")))
    return Counted(errors, sum(each.value for each in found))


def _is_error(status: str) -> bool:
    return status.isascii() and status.isdigit() and int(status) >= ERRORS_FROM
