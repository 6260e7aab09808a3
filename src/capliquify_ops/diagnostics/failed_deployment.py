"""Why did the last deploy fail, what runs instead, and what would a rollback leave behind?"""

from dataclasses import dataclass, replace
from datetime import datetime

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics import failed_deployment_questions as questions
from capliquify_ops.diagnostics.failed_deployment_deploys import Standing, between, named, standing_of
from capliquify_ops.diagnostics.failed_deployment_ledgers import Applied, rollback_lines
from capliquify_ops.diagnostics.failed_deployment_questions import APP_LOG, BUILD_LOG, DEPLOYS, ENVIRONMENT, EVENTS, LEDGERS
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions, value_of
from capliquify_ops.diagnostics.service_down_platform import how
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.integrations.render_records import Deploy, Event
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.build_texts import Kind, Problem

NAME = "failed-deployment"
_AGAIN = f"then look again: capliquify-ops diagnose {NAME}"
_NAMED = 3
_ROLL_BACK = "capliquify-ops remedy plan roll-back-deploy"
_STAGES = {
    "build_failed": "did not build",
    "pre_deploy_failed": "failed in its pre-deploy command",
    "update_failed": "was built and did not start",
}
_NEXT = {
    Kind.MIGRATION: "Look at what of it is applied and mend it: capliquify-ops fleet check migration_ledgers",
    Kind.VARIABLE: "capliquify-ops remedy plan set-environment-variable {name}",
    Kind.TYPESCRIPT: "Mend it where it says, until this passes: pnpm run build",
    Kind.MODULE: "Add it to the project's dependencies, lock file included, until this passes: pnpm install --frozen-lockfile",
    Kind.MEMORY: 'Build with less, such as NODE_OPTIONS="--max-old-space-size=2048", or on a larger plan of the build pipeline',
    Kind.PACKAGES: "Mend the dependencies and their lock file until this passes: pnpm install --frozen-lockfile",
    Kind.DOCKER: "Mend the step of the Dockerfile until this passes: docker build .",
    Kind.PYTHON: "Mend it where it says, and start it here before you push",
}


@dataclass(frozen=True, slots=True)
class DeployRows:
    """How the service stands, and of the deploy that failed: its problems by the logs, its events, variables, migrations.

    `variables` are the names that are set, None where they are not known.
    """

    standing: Standing
    now: datetime
    problems: tuple[Problem, ...] = ()
    events: tuple[Event, ...] = ()
    required: tuple[str, ...] = ()
    variables: frozenset[str] | None = None
    applied: Applied | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    """One deploy that failed, with what every cause of it says."""

    rows: DeployRows
    failed: Deploy

    @property
    def stage(self) -> str:
        """Which deploy it is, and how far it came."""
        return f"{self.failed.id} ({named(self.failed)}) {_STAGES.get(self.failed.status, self.failed.status)}"

    @property
    def how(self) -> list[str]:
        """What the platform's events tell of this deploy."""
        found = [each for each in self.rows.events if each.failure and each.deploy_id == self.failed.id]
        return [f"{each.kind}: {how(each.failure)}" for each in found]

    def cause(self, name: str, why: str, lines: list[str], command: str) -> Cause:
        """Make a cause; where nothing good runs meanwhile, it wakes somebody who can mend it."""
        running, good = self.rows.standing.running, self.rows.standing.good
        until = f"; until then the last good one runs, or: {_ROLL_BACK}" if good else ""
        wait = [f"{running.id} ({named(running)}) is {running.status}: wait for it first"] if running else []
        since_s = max(0.0, (self.rows.now - (self.failed.finished_at or self.failed.created_at)).total_seconds())
        return Cause(
            str(name),
            why,
            (*lines, *self.how, *wait),
            f"{command}; {_AGAIN}{until}",
            since_s=since_s,
            level=Level.L1 if good else Level.L2,
        )


def ask(inquiry: Inquiry) -> Questions:
    """Return what tells whether a deploy failed."""
    return Questions({DEPLOYS: questions.deploys(inquiry)})


def closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Ask for logs, events and variables of a deploy that failed, and for migrations since the last good one."""
    standing = standing_of(value_of(answers, DEPLOYS) or ())
    return questions.about(standing, inquiry) if standing.failed else Questions()


def rows_of(answers: Answers, inquiry: Inquiry) -> DeployRows:
    """Put the answers together."""
    logs = [*(value_of(answers, BUILD_LOG) or ()), *(value_of(answers, APP_LOG) or ())]
    first = {problem.kind: problem for problem in reversed(logs)}
    return DeployRows(
        standing_of(value_of(answers, DEPLOYS) or ()),
        inquiry.clock.now(),
        tuple(problem for problem in logs if first[problem.kind] is problem),
        value_of(answers, EVENTS) or (),
        inquiry.target.profile.required_environment,
        value_of(answers, ENVIRONMENT),
        value_of(answers, LEDGERS),
    )


def explain(rows: DeployRows, limits: Limits) -> tuple[Cause, ...]:
    """Return the probable causes, by the log first; none where a deploy went well after the one that failed."""
    found = [*_failure(rows), *_hanging(rows, limits.number("deploy_hangs_s")), *_canceled(rows)]
    if not found or not rows.standing.failed:
        return tuple(found)
    first, *others = found
    around = (*between(rows.standing), *rollback_lines(rows.applied))
    return (replace(first, evidence=first.evidence + around), *others)


def _failure(rows: DeployRows) -> list[Cause]:
    failed = rows.standing.failed
    if not failed:
        return []
    report = _Report(rows, failed)
    by_log = [_problem(report, problem) for problem in rows.problems]
    named_already = {name for problem in rows.problems if problem.kind is Kind.VARIABLE for name in problem.names}
    unset = [name for name in _missing(rows) if name not in named_already]
    found = [*by_log, *([_unset(report, unset)] if unset else [])]
    return found or [_unknown(report)]


def _problem(report: _Report, problem: Problem) -> Cause:
    names = ", ".join(problem.names[:_NAMED])
    name, lines = next(iter(problem.names), ""), list(problem.lines)
    if problem.kind is Kind.VARIABLE:
        set_ = report.rows.variables
        name = next((each for each in problem.names if set_ is not None and each not in set_), name)
        lines += [_set(report.rows, each) for each in problem.names[:_NAMED]]
    why = f"{report.stage}: {problem.kind}{f', {names}' if names else ''}."
    return report.cause(problem.kind, why, lines, _NEXT[problem.kind].format(name=name))


def _unset(report: _Report, unset: list[str]) -> Cause:
    are = "is" if len(unset) == 1 else "are"
    why = f"{report.stage}, and {', '.join(unset)}, which the service requires, {are} not set."
    lines = [_set(report.rows, name) for name in unset]
    return report.cause(Kind.VARIABLE, why, lines, _NEXT[Kind.VARIABLE].format(name=unset[0]))


def _unknown(report: _Report) -> Cause:
    lines = [] if report.how else ["nothing that answered says why in words that are known here"]
    return report.cause("failed deploy", f"{report.stage}.", lines, "Read its log in the platform's dashboard")


def _missing(rows: DeployRows) -> tuple[str, ...]:
    return tuple(name for name in rows.required if rows.variables is not None and name not in rows.variables)


def _set(rows: DeployRows, name: str) -> str:
    if rows.variables is None:
        return f"{name}: what is set is not known"
    if name in rows.variables:
        return f"{name} is set for the service: is it empty, or not there during the build?"
    return f"{name} is not set for the service, unless by an environment group, which Render does not list with it"


def _hanging(rows: DeployRows, limit_s: float) -> list[Cause]:
    running = rows.standing.running
    since_s = (rows.now - (running.started_at or running.created_at)).total_seconds() if running else 0.0
    if not running or since_s < limit_s:
        return []
    why = f"{running.id} ({named(running)}) is {running.status} since {age(since_s)}: it hangs."
    lines = (f"one that goes well takes minutes, at most {age(limit_s)}",)
    command = f"Cancel it in the platform's dashboard, and deploy again; {_AGAIN}"
    return [Cause("deploy hangs", why, lines, command, since_s=since_s, level=Level.L1)]


def _canceled(rows: DeployRows) -> list[Cause]:
    canceled = rows.standing.canceled
    if not canceled or rows.standing.running:
        return []
    why = f"{canceled.id} ({named(canceled)}) was canceled, and none was made since: what was pushed does not run."
    since_s = max(0.0, (rows.now - (canceled.finished_at or canceled.created_at)).total_seconds())
    command = f"Deploy again in the platform's dashboard, unless it was canceled on purpose; {_AGAIN}"
    return [Cause("canceled deploy", why, between(rows.standing), command, since_s=since_s, level=Level.L1)]


ISSUE = Issue(
    NAME,
    "Why did the last deploy fail, what runs instead, and what would a rollback leave behind?",
    ask,
    lambda answers, inquiry: explain(rows_of(answers, inquiry), inquiry.limits),
    closer=closer,
)
