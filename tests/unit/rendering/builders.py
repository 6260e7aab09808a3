"""Decisions to render: one with every state, a ready one, a huge one. Every text can be replaced by another."""

import hashlib
import json
import math
from collections.abc import Callable
from types import MappingProxyType

from capliquify_ops.model.decision import Box, BoxResult, Decision, ExitCode, Reason
from capliquify_ops.model.finding import Evidence, Finding, Level, Limit, Spread, Subject, SubjectKind, Witness
from capliquify_ops.model.names import CheckId, RemedyId
from capliquify_ops.model.outcome import Grade, Outcome, Severity, State
from capliquify_ops.model.record import Record, TargetRef, Tool

Mark = Callable[[str], str]

AT = "2026-03-14T09:26:53.589793Z"
LATER = "2026-03-14T09:27:23.846264Z"
ABC = "0123456789abcdef" * 4


def plain(text: str) -> str:
    """Leave a text as it is."""
    return text


def load_run_bytes(seconds: int = 30, rate: int = 300, limit_ms: float = 200) -> bytes:
    """Return raw data of a load run: a skewed latency distribution and a dip in the middle."""
    uppers = [round(0.8 * 1.09**step, 3) for step in range(80)]
    buckets = [
        [upper, round(900 * math.exp(-(((step - 22) / 9) ** 2)) + (3 if 60 < step < 68 else 0))]
        for step, upper in enumerate(uppers)
    ]
    per_second = [[s, rate, rate - (42 if s == seconds // 2 else s % 3), 8 if s == seconds // 2 else 0] for s in range(seconds)]
    run = {
        "kind": "load_run/2",
        "rate": rate,
        "seconds": seconds,
        "buckets_ms": buckets,
        "per_second": per_second,
        "limit_ms": limit_ms,
    }
    return json.dumps(run).encode()


LOAD_RUN = load_run_bytes()
LOAD_DIGEST = hashlib.sha256(LOAD_RUN).hexdigest()


def raw(digest: str) -> bytes | None:
    """Give the one load run that the builders refer to."""
    return LOAD_RUN if digest == LOAD_DIGEST else None


def target(mark: Mark = plain) -> TargetRef:
    """Return the measured system."""
    return TargetRef(mark("staging"), mark("staging"), mark("pg-7391882034412908123-capliquify-3f9a0c"))


def finding(
    check: str = "request_latency",
    outcome: Outcome = Outcome.HEALTHY,
    severity: Severity = Severity.INFO,
    why: str = "95 of 100 requests were answered within 48 ms.",
    mark: Mark = plain,
    **changes: object,
) -> Finding:
    """Return a finding with every field filled."""
    fields: dict[str, object] = {
        "check": CheckId(mark(check)),
        "subject": Subject(SubjectKind.ENDPOINT, mark("GET /api/products")),
        "outcome": outcome,
        "severity": severity,
        "evidence": Evidence(
            mark("9,000 requests at an even pace, open model"), mark("https://staging.example.com"), mark(AT), 30_214.2, mark(ABC)
        ),
        "why": mark(why),
        "examined": 9_000,
        "eligible": 9_000,
        "measured": MappingProxyType({mark("p50_ms"): 4.318, "p95_ms": 47.92, "requests": 9_000, "ok": True}),
        "limit": Limit(200, mark("<="), mark("runbook, performance baseline: daily p95")),
        "grade": Grade.STRONG,
    }
    return Finding(**{**fields, **changes})  # type: ignore[arg-type]


def leak(mark: Mark = plain) -> Finding:
    """Return a failing finding with spread, witness, remedy and escalation."""
    return finding(
        "sec_001_other_tenants_data",
        Outcome.FAILING,
        Severity.CRITICAL,
        "A member of acme read 3 products of globex with valid credentials of its own.",
        mark,
        subject=Subject(SubjectKind.TENANT, mark("acme")),
        measured=MappingProxyType({mark("foreign_rows"): 3, "requests": 240}),
        limit=Limit(0, mark("=="), mark("security control SEC-001")),
        examined=48,
        eligible=50,
        tenants=Spread(23, tuple(mark(f"tenant-{n:02d}") for n in range(20)), mark(ABC)),
        witness=Witness(
            (
                mark("GET /api/products?limit=50  X-Organization-ID: org_globex  -> 200, 3 rows"),
                mark("row 0193f6c0-2f4e owned by tenant_9b1c, asked by tenant_4e21"),
            ),
            mark("SELECT id, tenant\nFROM tenant_9b1c.products\nORDER BY id LIMIT 3;"),
        ),
        remedy=RemedyId(mark("quarantine_tenant")),
        escalation=Level.L3,
    )


def record(
    check: str,
    box: str,
    title: str,
    state: State = State.PASSED,
    findings: tuple[Finding, ...] | None = None,
    *,
    mark: Mark = plain,
    **changes: object,
) -> Record:
    """Return a finished record."""
    fields: dict[str, object] = {
        "id": mark(f"rec-{check}"),
        "run": mark("run-20260314"),
        "box": box,
        "check": CheckId(check),
        "title": mark(title),
        "state": state,
        "findings": (finding(check, mark=mark),) if findings is None else findings,
        "started_at": mark(AT),
        "finished_at": mark(LATER),
        "target": target(mark),
        "tool": Tool(mark("0.1.0"), mark("3.11.2")),
    }
    return Record(**{**fields, **changes})  # type: ignore[arg-type]


def _integration(mark: Mark) -> BoxResult:
    titles = {
        "int_01_valid_session": "A valid session resolves tenant and role",
        "int_02_missing_authorization": "A request without Authorization is refused",
        "int_18_foreign_resource": "Another tenant's resource is not found",
    }
    records = tuple(record(check, "integration", title, mark=mark) for check, title in titles.items())
    return BoxResult(Box("integration", mark("All integration tests passing"), tuple(titles)), State.PASSED, (), records)


def _load(mark: Mark) -> BoxResult:
    weak = finding(
        "mixed_load",
        Outcome.INCONCLUSIVE,
        Severity.MEDIUM,
        "The generator itself was late by up to 412 ms, so the latency cannot be judged.",
        mark,
        measured=MappingProxyType({mark("schedule_slip_p99_ms"): 412.0}),
        limit=Limit(50, mark("<="), mark("generator health")),
        examined=0,
    )
    records = (
        record(
            "request_latency", "load", "95 of 100 requests are answered within 200 ms", mark=mark, raw=(LOAD_DIGEST, mark(ABC))
        ),
        record(
            "mixed_load", "load", "A mix of reads, writes and analytics holds its limits", State.INCONCLUSIVE, (weak,), mark=mark
        ),
        record(
            "latency_baseline",
            "load",
            "The chain before the handler takes less than 10 ms",
            State.STALE,
            mark=mark,
            reason=mark("Measured 9 days ago; the limit is 7 days."),
        ),
    )
    reasons = (mark("mixed_load: inconclusive"), mark("latency_baseline: stale"))
    return BoxResult(
        Box("load", mark("Load tests passed (1000 RPS)"), ("request_latency", "mixed_load", "latency_baseline")),
        State.INCONCLUSIVE,
        reasons,
        records,
    )


def _security(mark: Mark) -> BoxResult:
    broken = finding(
        "sec_018_rate_limit", Outcome.ERROR, Severity.MEDIUM, "The service closed the connection after 412 requests.", mark
    )
    absent = finding("sec_020_https_enforced", Outcome.NOT_APPLICABLE, Severity.INFO, "The target has no public address.", mark)
    records = (
        record(
            "sec_001_other_tenants_data",
            "security",
            "No credential reads another tenant's data",
            State.FAILED,
            (leak(mark),),
            mark=mark,
        ),
        record(
            "sec_018_rate_limit", "security", "Requests above the limit are refused per tenant", State.ERROR, (broken,), mark=mark
        ),
        record("sec_020_https_enforced", "security", "Plain HTTP is refused", State.NOT_APPLICABLE, (absent,), mark=mark),
        record("sec_004_expired_token", "security", "An expired token is refused", finished_at=None, findings=(), mark=mark),
    )
    checks = (*(r.check for r in records), "sec_017_guessed_ids")
    reasons = (
        mark("sec_018_rate_limit: error"),
        mark("sec_001_other_tenants_data: failed"),
        mark("sec_017_guessed_ids: not run, no record of this target"),
    )
    return BoxResult(Box("security", mark("Security audit complete (0 critical)"), checks), State.ERROR, reasons, records)


def _unmeasured(mark: Mark) -> list[BoxResult]:
    titles = {
        "monitoring": "Monitoring configured (Prometheus + Grafana)",
        "alerts": "Alerts configured (Slack + Email)",
        "runbook": "Runbook created",
    }
    boxes = []
    for ident, title in titles.items():
        check = f"{ident}_exercised"
        boxes.append(
            BoxResult(
                Box(ident, mark(title), (check,)), State.NOT_RUN, (mark(f"{check}: not run, no record of this target"),), ()
            )
        )
    waiting = tuple(mark(f"{role}: awaiting approval") for role in ("Technical Lead", "DevOps Lead", "Product Owner", "CTO"))
    boxes.append(BoxResult(Box("approvals", mark("Stakeholder approval"), (), measured=False), State.NOT_RUN, waiting, ()))
    return boxes


def every_state(mark: Mark = plain) -> Decision:
    """Return a decision that is not ready, with a record in every state and checks without record."""
    reasons = (
        Reason(ExitCode.NOT_RUN, "monitoring", mark("monitoring_exercised: not run, no record of this target")),
        Reason(ExitCode.FAIL, "security", mark("sec_001_other_tenants_data: a member of acme read 3 products of globex")),
        Reason(ExitCode.ERROR, "security", mark("sec_018_rate_limit: the service closed the connection after 412 requests")),
        Reason(ExitCode.INCONCLUSIVE, "load", mark("mixed_load: the generator was late by up to 412 ms")),
        Reason(ExitCode.APPROVAL, "approvals", mark("Technical Lead: awaiting approval (and 3 more)")),
    )
    boxes = (_integration(mark), _load(mark), _security(mark), *_unmeasured(mark))
    return Decision(False, ExitCode.ERROR, reasons, target(mark), boxes, mark(LATER), mark("0.1.0"))


def ready(mark: Mark = plain) -> Decision:
    """Return a decision that is ready: every box passed."""
    boxes = []
    for result in every_state(mark).boxes:
        checks = result.box.checks or ("approval_cto",)
        records = tuple(record(check, result.box.id, f"{check} holds", mark=mark) for check in checks)
        boxes.append(
            BoxResult(Box(result.box.id, result.box.title, checks, measured=result.box.measured), State.PASSED, (), records)
        )
    return Decision(True, ExitCode.READY, (), target(mark), tuple(boxes), mark(LATER), mark("0.1.0"))


def with_findings(count: int, records: int = 1, mark: Mark = plain) -> Decision:
    """Return a decision whose security box holds `count` failing findings spread over `records` records."""
    each = count // records
    made = tuple(
        record(f"sec_{n:03d}", "security", f"Control {n} holds", State.FAILED, tuple(leak(mark) for _ in range(each)), mark=mark)
        for n in range(records)
    )
    box = BoxResult(Box("security", "Security audit complete", tuple(r.check for r in made)), State.FAILED, (), made)
    reasons = tuple(Reason(ExitCode.FAIL, "security", mark(f"{r.check}: failed")) for r in made)
    return Decision(False, ExitCode.FAIL, reasons, target(mark), (box,), LATER, "0.1.0")


HOSTILE = (
    "<script>alert(1)</script>",
    '"onload="alert(1)',
    "' onfocus='x' autofocus='",
    "</style><img src=x onerror=alert(1)>",
    "]]><!--",
    "-->",
    "&lt;b&gt; &amp; &#60;",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "a\x00b\x1b[31mred\x1b[0m\x07",
    "line\r\nbreak\u2028separator",
    "| pipe | `tick` ![x](http://x/y.png) [l](javascript:alert(1)) @someone",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f1e9\U0001f1ea",
    "\ud800 lone",
    "Z" + "\u0335\u0321\u0348" * 40,
    "x" * 10_000,
    "\u05d0\u05d1\u05d2 123 (abc)",
    "\ufeff\u200b\u2066hidden\u2069",
)


def hostile_mark(texts: tuple[str, ...] = HOSTILE) -> Mark:
    """Return a replacement that gives every text of a decision the next hostile one, numbered so that no two are equal."""
    used = [0]

    def mark(_: str) -> str:
        used[0] += 1
        return f"{texts[used[0] % len(texts)]} {used[0]}"

    return mark
