"""The issues: asked read-only, over one connection to the database, with no statement longer than two seconds."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from capliquify_ops.diagnostics import (
    connection_exhaustion,
    cross_tenant_access,
    error_rate,
    failed_deployment,
    memory,
    service_down,
    slow_responses,
)
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions
from capliquify_ops.diagnostics.sources import Sources
from capliquify_ops.model.diagnosis import Diagnosis
from capliquify_ops.model.errors import UsageError

ISSUES: Mapping[str, Issue] = MappingProxyType(
    {
        issue.name: issue
        for issue in (
            service_down.ISSUE,
            error_rate.ISSUE,
            slow_responses.ISSUE,
            connection_exhaustion.ISSUE,
            memory.ISSUE,
            cross_tenant_access.ISSUE,
            failed_deployment.ISSUE,
        )
    }
)
"""What can be asked, in the order of the runbook."""


def diagnose(inquiry: Inquiry, only: Iterable[str] = ()) -> tuple[Diagnosis, ...]:
    """Return a diagnosis for each issue, or for those that are named. What several of them want to know is asked once.

    Raises UsageError for an issue that does not exist.
    """
    names = tuple(dict.fromkeys(only)) or tuple(ISSUES)
    if strange := set(names) - set(ISSUES):
        raise UsageError(f"There is no issue {min(strange)!r}.", hint=f"One of: {', '.join(ISSUES)}")
    issues = [ISSUES[name] for name in names]
    first = {issue.name: issue.ask(inquiry) for issue in issues}
    with Sources(inquiry) as sources:
        answers = dict(sources.ask(_together(first.values())))
        closer = {issue.name: issue.closer(_of(answers, first[issue.name]), inquiry) for issue in issues}
        answers |= sources.ask(_together(closer.values()).without(answers))
    return tuple(_told(issue, _of(answers, first[issue.name] | closer[issue.name]), inquiry) for issue in issues)


def _together(questions: Iterable[Questions]) -> Questions:
    found = Questions()
    for each in questions:
        found = found | each
    return found


def _of(answers: Answers, questions: Questions) -> Answers:
    return {name: answers[name] for name in questions.names}


def _told(issue: Issue, answers: Answers, inquiry: Inquiry) -> Diagnosis:
    causes = issue.explain(answers, inquiry)
    headline = causes[0].why if causes else "Nothing of it was found, by those that answered."
    return Diagnosis(issue.name, headline, causes, issue.tell(answers))
