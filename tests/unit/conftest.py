"""Builders of model values with everything filled in, so that a test names only what it is about."""

import dataclasses

import pytest

from capliquify_ops.model.finding import Evidence, Finding, Limit, Spread, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity, State
from capliquify_ops.model.record import Record, TargetRef, Tool


def make_finding(**changes):
    finding = Finding(
        check=check_id("registry_catalogue"),
        subject=Subject(SubjectKind.DATABASE, "capliquify"),
        outcome=Outcome.HEALTHY,
        severity=Severity.CRITICAL,
        evidence=Evidence("registry_catalogue", "127.0.0.1:5432/capliquify", "2026-01-02T03:04:05.678Z", 12.5, "ab" * 32),
        why="All 12 tenants have their schema.",
        examined=12,
        eligible=12,
        measured={"tenants": 12, "share": 1.0, "complete": True, "note": "x"},
        limit=Limit(0, "==", "Registry against catalogue"),
        tenants=Spread(2, ("a", "b"), "cd" * 32),
        witness=Witness(("GET /x -> 200",), "SELECT 1"),
        grade=Grade.STRONG,
    )
    return dataclasses.replace(finding, **changes)


def make_record(**changes):
    record = Record(
        id="20260102T030405-00",
        run="r1",
        box="integration",
        check=check_id("registry_catalogue"),
        title="Every tenant has a schema.",
        state=State.PASSED,
        findings=(make_finding(),),
        started_at="2026-01-02T03:04:05.000Z",
        finished_at="2026-01-02T03:04:06.000Z",
        target=TargetRef("staging", "staging", "f" * 16),
        tool=Tool("0.1.0", "3.11.7"),
    )
    return dataclasses.replace(record, **changes)


@pytest.fixture(scope="session")
def finding():
    return make_finding


@pytest.fixture(scope="session")
def record():
    return make_record
