"""Whether an action helped, from what was found before and after."""

import pytest

from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.remedies.acting import Options
from capliquify_ops.remedies.catalogue import REMEDIES
from capliquify_ops.remedies.helping import effect_of
from capliquify_ops.remedies.settings_advice import Budget, advice

RUNBOOK = {
    "service-down", "error-rate", "slow-responses", "connection-exhaustion", "memory", "cross-tenant-access", "failed-deployment",
}  # fmt: skip


def told(*names, answered=True, configured=True):
    causes = tuple(Cause(name, "Why.", (), "next") for name in names)
    source = Source("database", answered, "", 1.0, configured)
    return (Diagnosis("issue", "Why.", causes, (source, Source("other", True, "", 1.0))),)


@pytest.mark.parametrize(
    ("before", "after", "verdict", "word"),
    [
        (told("a"), told(), "helped", "Gone: issue: a."),
        (told("a", "b"), told("b"), "helped", "Still there: issue: b."),
        (told("a"), told("a"), "not helped", "Still there: issue: a."),
        (told("a"), told("a", "b"), "not helped", "New: issue: b."),
        (told("a"), told("b"), "not helped", "New: issue: b."),
        (told("a"), told(answered=False), "cannot be told", "no answer from: database"),
        (told("a"), told(answered=False, configured=False), "helped", "Gone"),
        (told("a"), told("a", answered=False), "not helped", "Still there"),
        (told(), told(), "cannot be told", "found nothing before"),
        (told(), told("a"), "not helped", "New: issue: a."),
        (told(), told(answered=False), "cannot be told", "nothing to help with"),
        (told(answered=False), told(), "cannot be told", "before, but there was no answer from: database"),
        (None, told("a"), "cannot be told", "could not be made before"),
        (told("a"), None, "cannot be told", "could not be made afterwards"),
        ((), (), "cannot be told", "no diagnosis"),
    ],
)
def test_effects(before, after, verdict, word):
    """A cause that is gone helps where all that was asked has answered; a new one, or the same, does not."""
    found = effect_of(before, after)
    assert found.verdict == verdict
    assert word in found.why


def test_every_remedy_belongs_to_an_issue_of_the_runbook():
    """Each remedy names issues of the runbook, what it needs, and is called by its own name."""
    for name, remedy in REMEDIES.items():
        assert set(remedy.issues) <= RUNBOOK
        assert remedy.issues
        assert remedy.name == name
        assert remedy.needs in {"operator URL", "integrations.render"}
        assert remedy.usage() is not None
    assert {issue for remedy in REMEDIES.values() for issue in remedy.issues} == RUNBOOK


def test_given_options():
    """Zero is something that was given; nothing, no and an empty list are not."""
    assert Options(over_s=0.0).given() == {"over_s"}
    assert Options(("a",), terminate=True).given() == {"arguments", "terminate"}
    assert Options().given() == frozenset()


def settings_of(**given):
    numbers = {"max_connections": 100, "reserved": 3, "database_limit": None, "role_limit": None, "others": 4, "own": 9}
    steps = advice(Budget(**(numbers | given), is_whole=True), processes=4)
    return {step.statement.partition(" = ")[0]: step for step in steps}


def test_pool_settings_follow_from_the_budget():
    """100 less 3 reserved, 4 of others and 3 to spare are 90: 70 % of them the pool, up to 80 % the reserve, each with its reason."""
    found = settings_of()
    assert found["default_pool_size"].statement == "default_pool_size = 62"
    assert found["reserve_pool_size"].statement == "reserve_pool_size = 10"
    assert found["max_db_connections"].statement == "max_db_connections = 72"
    assert found["pool size of each process"].statement == "pool size of each process = 15"
    assert "max_connections 100 less 3 reserved less 4 in use by others" in found["default_pool_size"].action
    assert found["pool_mode"].statement == "pool_mode = transaction"
    assert all(step.action.split(": ", 1)[1] for step in found.values())


@pytest.mark.parametrize("given", [{"database_limit": 40}, {"role_limit": 40}, {"database_limit": 50, "role_limit": 40}])
def test_limits_of_database_and_role_count(given):
    """The tightest limit decides, and is named."""
    found = settings_of(**given)
    assert found["default_pool_size"].statement == "default_pool_size = 28"
    assert "own limit" in found["default_pool_size"].action


def test_a_server_without_room():
    """Where others take everything, one connection is what is left, and processes beyond it are said to be too many."""
    found = settings_of(others=97)
    assert found["default_pool_size"].statement == "default_pool_size = 1"
    assert "run at most 1 processes without a pooler" in found
