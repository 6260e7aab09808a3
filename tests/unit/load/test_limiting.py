"""What a load met first, by what was seen meanwhile: each answer once, in the order in which one explains the next."""

from dataclasses import replace

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.load import request_latency
from capliquify_ops.load.figures import figures
from capliquify_ops.load.limiting import NOTHING, limited_by
from capliquify_ops.load.result import Stretch
from capliquify_ops.load.watched import Look, ServiceLook, StatementTime, Watched

LIMITS = load_limits()
QUIET = Look(0, sessions=10, active=2, idle_in_transaction=0, blocked=0)
FREE = ServiceLook(0, pool_active=1, pool_idle=9, pool_waiting=0, cpu_s=0, memory_bytes=1e6)


def looks(**changed):
    """Ten looks a second apart, the first two of them as changed."""
    return tuple(replace(QUIET, at_s=at, **(changed if at < 2 else {})) for at in range(10))


def service(often=2, **changed):
    return tuple(replace(FREE, at_s=at, **(changed if at < often else {})) for at in range(10))


def busy(cores):
    return tuple(replace(FREE, at_s=at, cpu_s=cores * at) for at in range(10))


MACHINE = {"machine": tuple(Stretch(second, second + 1, 0.0, 0.0) for second in range(4))}
LOCKS = {"looks": looks(blocked=3)}
POOL = {"service": service(pool_waiting=7)}
STATEMENT = {"statements": (StatementTime("SELECT quick", 900, 100.0), StatementTime("SELECT slow", 9, 16_000.0))}
WAITS = {"looks": looks(waits=(("Client ClientRead", 90), ("LWLock WALWrite", 8)))}
CPU = {"service": busy(1.5)}


@pytest.fixture
def met(make_run):
    """What a run of ten seconds met that was watched so."""

    def ask(trouble="", machine=(), **watched):
        run = make_run(rate=10, seconds=10, machine=machine, watched=Watched(10.0, **watched))
        return limited_by(run, LIMITS, trouble)

    return ask


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"trouble": "it was late", **MACHINE}, "the generator: it was late"),
        (MACHINE, "the machine's processors, without time to spare for 4 s"),
        (LOCKS, "locks: sessions waited for others' in 2 of 10 looks"),
        (POOL, "the service's connection pool: up to 7 requests waited for a connection, in 2 of 10 looks"),
        (STATEMENT, "a statement, at work in 1.6 sessions at once: SELECT slow"),
        (WAITS, "the database's LWLock WALWrite: 1.6 sessions waited for it at once"),
        (CPU, "the service's processor time: 1.50 cores"),
        ({}, "nothing that was watched"),
        ({"looks": looks(), "service": busy(0.5)}, "nothing that was watched"),
    ],
    ids=["generator", "machine", "locks", "pool", "statement", "waits", "cpu", "unseen", "quiet"],
)
def test_each_limit_is_named_by_what_was_seen_of_it(met, seen, said):
    """With its size, or as nothing that was watched."""
    assert met(**seen) == said


@pytest.mark.parametrize(
    "seen",
    [
        {"machine": MACHINE["machine"][:1]},
        {"looks": (*looks()[:9], replace(QUIET, at_s=9, blocked=5))},
        {"service": service(1, pool_waiting=9)},
        {"statements": (StatementTime("SELECT fair", 9, 4_900.0),)},
        {"looks": looks(waits=(("Lock transactionid", 90), ("Client ClientRead", 90), ("LWLock WALWrite", 5)))},
        {"service": busy(0.9)},
        {"service": busy(1.5)[:1]},
    ],
    ids=["machine", "locks", "pool", "statement", "waits", "cpu", "one look"],
)
def test_what_was_seen_once_or_only_a_little_is_no_limit(met, seen):
    """A tenth of the looks, half of the time, one session: what does not exceed it explains nothing."""
    assert met(**seen) == "nothing that was watched"


def test_the_cause_is_named_and_not_its_consequence(met):
    """With everything at once each takes its turn when the one before it is gone."""
    causes = [MACHINE, LOCKS, POOL, STATEMENT]
    for number, cause in enumerate(causes):
        together = {key: value for each in reversed(causes[number:]) for key, value in each.items()}
        assert met(**together) == met(**cause)


def test_a_run_that_held_every_limit_met_none(make_run):
    """Though it was watched at its limits; a miss names what it met."""
    watched = Watched(30.0, **LOCKS, **POOL, calls=9_000)
    assert request_latency.judge(make_run(watched=watched), LIMITS).measured["limited_by"] == NOTHING
    slow = request_latency.judge(make_run([300_000] * 9_000, watched=watched), LIMITS)
    assert slow.measured["limited_by"].startswith("locks")


def test_figures_hold_the_most_that_was_seen(make_run):
    """Of database and service; what nobody told is not there, rather than zero."""
    told = figures(make_run(watched=Watched(30.0, looks(blocked=3, active=6), service(pool_waiting=7, pool_active=10))))
    assert (told["database_active_max"], told["database_blocked_max"]) == (6, 3)
    assert (told["pool_active_max"], told["pool_waiting_max"], told["service_memory_bytes_max"]) == (10, 7, 1e6)
    assert told["service_cpu_cores"] == 0.0
    nothing = figures(make_run(watched=None))
    assert not [key for key in nothing if key.startswith(("database", "pool", "service_cpu", "service_memory"))]
