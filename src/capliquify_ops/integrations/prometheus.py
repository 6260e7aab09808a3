"""Prometheus' HTTP API, read only: what it measured, which rules and alerts it has, and whether its targets are scraped."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

from capliquify_ops.integrations import prometheus_answers as answers
from capliquify_ops.integrations.caller import BUDGET_S, Caller, Query, Service
from capliquify_ops.integrations.prometheus_model import NAME, Alert, Build, Kind, QueryResult, RuleGroup, Rules, Targets
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.model.secret import Secret

SETTING = "integrations.prometheus.token_env"
MOST_POINTS = 11_000
"""The server refuses a range query of more points for one series (web/api/v1/api.go)."""
MOST_SERIES = 2_000
"""More series than this are no diagnosis; servers that know the limit say when they left some out."""
GROUPS_A_PAGE, MOST_PAGES = 100, 20


def prometheus_service(base_url: str, credential: Secret | None = None, *, user: str = "") -> Service:
    """Return where Prometheus is: `base_url` is its root, without /api/v1.

    It has no authentication of its own: a proxy before it may want a bearer token, or with `user` a password.
    Raises ConfigurationInvalid when the address itself carries a credential, which every log would show.
    """
    if "@" in base_url:
        raise ConfigurationInvalid(f"The address of {NAME} carries a user or password.", hint=f"Use {SETTING} for it.")
    if credential is None:
        return Service(NAME, base_url, SETTING)
    secret = credential.reveal()
    pair = base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")
    header = f"Basic {pair}" if user else f"Bearer {secret}"
    return Service(NAME, base_url, SETTING, {"Authorization": header}, (secret,))


class Prometheus:
    """Reads from one Prometheus server. Every method raises IntegrationFailed, and never changes anything.

    Queries go by GET: one that is longer than what a proxy takes in an address, often 8 KiB, is refused there.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def query(self, query: str, at: datetime | None = None) -> QueryResult:
        """Evaluate an expression at one time, now where none is given. Raises UsageError for a time without a zone."""
        asked = [*_expression(query), *([("time", _seconds(at))] if at else [])]
        return answers.query_result(self._answer("query", asked))

    def query_range(self, query: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        """Evaluate an expression from `start` to `end`, both included, every `step`; the result is a matrix.

        Raises UsageError for more than 11000 points, which the server would refuse, for an empty range, and for times without
        a zone.
        """
        asked = [("start", _seconds(start)), ("end", _seconds(end)), ("step", f"{step.total_seconds():.3f}")]
        if step < timedelta(milliseconds=1) or end < start:
            raise UsageError("A range query needs an end that is not before its start, and a step of a millisecond or more.")
        if (points := (end - start) // step + 1) > MOST_POINTS:
            raise UsageError(f"A range query of {points} points is more than {MOST_POINTS}.", hint="Take a longer step.")
        answer = self._answer("query_range", [*_expression(query), *asked])
        result = answers.query_result(answer)
        if result.kind is not Kind.MATRIX:
            raise answer.wrong(f"is a {result.kind}, not a matrix")
        return result

    def alerting_rules(self, groups: Sequence[str] = ()) -> Rules:
        """Return the alerting rules of the groups of these names, of all groups where none is named; 2000 groups at most."""
        return self._rules([("type", "alert"), *(("rule_group[]", name) for name in groups)])

    def _rules(self, asked: Query) -> Rules:
        found: list[RuleGroup] = []
        token = ""
        for _ in range(MOST_PAGES):
            page = [*asked, ("group_limit", str(GROUPS_A_PAGE)), *([("group_next_token", token)] if token else [])]
            data = answers.data(self._answer("rules", page))
            found += answers.rule_groups(data)
            token = data.at("groupNextToken").maybe_text() or ""
            if not token:
                break
        return Rules(tuple(found), is_complete=not token)

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are pending or firing now."""
        return answers.alerts(answers.data(self._answer("alerts")))

    def active_targets(self) -> Targets:
        """Return the targets that are scraped, with the health of the last scrape."""
        return answers.targets(answers.data(self._answer("targets", [("state", "active")])))

    def build(self) -> Build:
        """Return the version of the server."""
        return answers.build(answers.data(self._answer("status/buildinfo")))

    def _answer(self, operation: str, query: Query = ()) -> Shape:
        return Shape(NAME, operation, self._caller.get(f"/api/v1/{operation}", query).json)


def _expression(query: str) -> Query:
    """The expression, and limits that keep a server from working longer than we listen."""
    return [("query", query), ("timeout", f"{BUDGET_S:g}s"), ("limit", str(MOST_SERIES))]


def _seconds(at: datetime) -> str:
    if at.tzinfo is None:
        raise UsageError(f"The time {at.isoformat()} has no zone.", hint="Give a time in UTC.")
    return f"{at.timestamp():.3f}"
