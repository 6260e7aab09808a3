"""The check session_pooling: behind a real PgBouncer in each of its modes, and without one."""

import time

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import Pooling, observer, pooling
from capliquify_ops.integrity import session_pooling
from capliquify_ops.integrity.session_pooling import PoolingRows, judge
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.model.secret import Secret

LIMITS = load_limits()


@pytest.fixture
def found(roles, profile):
    """Runs the check by one URL: its one finding."""

    def run(url, *, pooled=False):
        with observer(url, "test", pooled=pooled) as session:
            [finding] = session_pooling.run(session, LIMITS, SystemClock(), profile=profile, roles=roles)
        return finding

    return run


def test_a_pooler_that_swaps_sessions_is_found(found, pooler, observer_url):
    """Nothing without a pooler; behind one of transactions a critical finding with its witness; nothing again without it."""
    assert (found(observer_url).outcome, found(observer_url).measured["direct"]) == (Outcome.HEALTHY, True)
    finding = found(pooler(pool_mode="transaction"))
    assert (finding.outcome, finding.severity) == (Outcome.FAILING, Severity.CRITICAL)
    assert finding.measured["strange"] > pooling.ROUNDS / 2, "they see each other's marks, not only what follows them does"
    assert "with another client's search_path" in finding.witness.lines[0]
    assert "SET LOCAL" in finding.why
    assert found(observer_url).outcome is Outcome.HEALTHY


def test_a_target_that_says_so_is_believed_and_told(found, pooler):
    """A target that is declared pooled is not at fault for it; the answer still says what the pooler does."""
    finding = found(pooler(pool_mode="transaction"), pooled=True)
    assert finding.outcome is Outcome.HEALTHY
    assert "swaps sessions" in finding.why


@pytest.mark.parametrize("size", [1, 20])
def test_a_pool_of_any_size_shows_it(found, pooler, size):
    """One server session for all clients, or many: the last one used is the first one given out, so clients meet."""
    assert found(pooler(pool_mode="transaction", default_pool_size=size)).outcome is Outcome.FAILING


def test_a_pool_of_sessions_with_a_reset_is_sound(found, pooler):
    """A client that follows another one in its process finds nothing of it."""
    finding = found(pooler(pool_mode="session"))
    assert finding.outcome is Outcome.HEALTHY
    assert finding.measured["met"] > 0
    assert finding.measured["direct"] is False


def test_a_pool_of_sessions_without_a_reset_is_found(found, pooler):
    """The next client of a process starts in the path of the last one."""
    assert found(pooler(pool_mode="session", server_reset_query="")).outcome is Outcome.FAILING


def test_a_pooler_without_a_free_session_is_inconclusive(found, pooler, monkeypatch):
    """A pool that is too small lets clients wait for minutes; the probe does not, and says what would help."""
    monkeypatch.setattr(pooling, "PATIENCE_S", 0.5)
    started = time.monotonic()
    finding = found(pooler(pool_mode="session", default_pool_size=1))
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "no session free" in finding.why
    assert time.monotonic() - started < 20


def test_a_server_without_a_free_slot_is_inconclusive(roles, profile, observer_url, monkeypatch):
    """That the probe could not have sessions of its own says nothing about a pooler."""

    def refused(*_, **__):
        raise pooling.psycopg.OperationalError("sorry, too many clients already")

    with observer(observer_url, "test") as session:
        monkeypatch.setattr(pooling.psycopg, "connect", refused)
        [finding] = session_pooling.run(session, LIMITS, SystemClock(), profile=profile, roles=roles)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "no free connection slot" in finding.why


def test_whoever_gets_a_mark_is_none_the_worse(pooler, found):
    """After the probe every session of the pool means by its names what it meant before."""
    url = pooler(pool_mode="transaction")
    query = "SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(true), ',') || pg_catalog.current_setting('role')"

    def meanings():
        # Within a transaction of the one the other gets another session of the pool.
        with (
            observer(url, "test", pooled=True) as one,
            observer(url, "test", pooled=True) as two,
            one._connection.transaction(),
        ):
            return [each._connection.execute(query).fetchone()[0] for each in (one, two)]

    before = meanings()
    assert found(url, pooled=True).measured["strange"] > 0
    assert meanings() == before


@pytest.mark.parametrize("blanks", [0, 1, 2])
def test_a_path_that_ends_with_blanks_is_no_mark(found, observer_url, blanks):
    """A path that is written with blanks behind it, as in a configuration file, is nobody's leak."""
    url = Secret(f"{observer_url.reveal()}&options=-csearch_path%3Dpublic{'%5C%20' * blanks}")
    with observer(url, "test") as session:
        assert session._connection.execute("SHOW search_path").fetchone() == (f"public{' ' * blanks}",)
    assert found(url).outcome is Outcome.HEALTHY


class Client:
    """A client of the probe that is answered as planned."""

    def __init__(self, told, *answers):
        self.told, self.answers, self.mark, self.process = told, list(answers), None, 0

    def read(self):
        return self.answers.pop(0)


def test_a_server_keeps_the_word_of_the_login():
    """Answers of the process that the login named are direct; one of another process, or of a second one, is not."""
    for answers, is_direct in (([(7, "p"), (7, "p")], True), ([(8, "p"), (8, "p")], False), ([(7, "p"), (9, "p")], False)):
        tally, client = pooling._Tally("p"), Client(7, *answers)
        for _ in range(2):
            tally.ask(client)
        assert (tally.direct, tally.met, tally.lost) == (is_direct, 0, 0)


def test_without_a_meeting_it_is_unknown():
    """A pooler in which no two clients came upon one process may swap sessions or not: that is no pass."""
    seen = Pooling(answers=18, direct=False, met=0, moved=0, strange=0, lost=0, sees_path=False)
    [finding] = judge(PoolingRows(seen, is_declared=False), LIMITS, Evidence("x", "db", "2020-01-01T00:00:00.000Z", 1.0))
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "unknown" in finding.why


@pytest.mark.parametrize("counts", [{"strange": 1}, {"lost": 1}, {"strange": 1, "lost": 1, "met": 0}])
def test_one_wrong_path_is_enough(counts):
    """One answer of many with another path than the client's own is proof."""
    seen = Pooling(**{"answers": 18, "direct": False, "met": 5, "moved": 0, "strange": 0, "lost": 0, "sees_path": True, **counts})
    [finding] = judge(PoolingRows(seen, is_declared=False), LIMITS, Evidence("x", "db", "2020-01-01T00:00:00.000Z", 1.0))
    assert finding.outcome is Outcome.FAILING
    assert "track_extra_parameters" in finding.why
