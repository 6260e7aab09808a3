"""What was watched survives the evidence, and a watch survives what it cannot see."""

import json
import time
from contextlib import contextmanager
from dataclasses import asdict
from types import MappingProxyType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.load import watching
from capliquify_ops.load.raw import parse_document, raw_document
from capliquify_ops.load.watched import Look, ServiceLook, StatementTime, Watched, watched_of
from capliquify_ops.model.errors import EvidenceDamaged, StatementTimedOut
from capliquify_ops.model.finding import Limit
from capliquify_ops.observation.statements import Counted, Statistics
from capliquify_ops.observation.transactions import Transactions

numbers = st.integers(0, 10**9)
amounts = st.floats(0, 1e12)
maybe = st.none() | amounts
texts = st.text(max_size=20)
waits = st.lists(st.tuples(texts, numbers), max_size=3).map(tuple)
rows = {
    "looks": st.builds(Look, amounts, numbers, numbers, numbers, numbers, waits),
    "service": st.builds(ServiceLook, amounts, maybe, maybe, maybe, maybe, maybe),
    "statements": st.builds(StatementTime, texts, numbers, amounts),
    "unseen": texts,
}
watches = st.builds(
    Watched,
    seconds=amounts,
    calls=st.none() | numbers,
    commits=st.none() | numbers,
    **{name: st.lists(each, max_size=3).map(tuple) for name, each in rows.items()},
)


@given(watches)
def test_what_was_watched_comes_back_from_json_as_it_was(watched):
    """Tuples too, and None where nobody counts."""
    assert watched_of(json.loads(json.dumps(asdict(watched)))) == watched


@given(watches)
def test_it_stands_in_the_raw_document_of_its_run(make_run, watched):
    """With the reason why the database need not confirm it."""
    run = make_run([5_000] * 20, rate=10, seconds=2, watched=watched, uncorroborated="a cache")
    assert parse_document(raw_document(run, Limit(200, "<", "tests"))) == run


@pytest.mark.parametrize("watched", [5, "x", ["looks"], {"looks": []}, {"looks": [5]}, {"looks": [{"at_s": 1}]}, {"other": 1}])
def test_what_is_no_watch_is_damaged_evidence(make_run, watched):
    """Other values in its place do not pass for one."""
    document = json.loads(raw_document(make_run([5_000] * 20, rate=10, seconds=2), Limit(200, "<", "tests")))
    with pytest.raises(EvidenceDamaged):
        parse_document(json.dumps(document | {"watched": watched}).encode())


class Database:
    """A session that is read by scripts: each read gives the next of its values, the last one for ever, or raises it."""

    def __init__(self):
        self.looks = [SimpleNamespace(backends=())]
        self.commits = [100, 900]
        self.calls = [0, 2_000]
        self.reads = 0

    @contextmanager
    def transaction(self):
        yield self

    def activity(self, _):
        self.reads += 1
        return _next(self.looks)

    def transactions(self, _):
        return Transactions(_next(self.commits), 0)

    def statistics(self, *_):
        counted = Counted(1, is_app=True, calls=_next(self.calls), total_ms=1.0, rows=1)
        return Statistics(MappingProxyType({(1, True): counted}), 1.0, is_cut=False)


def _next(values):
    found = values.pop(0) if len(values) > 1 else values[0]
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture
def database(monkeypatch):
    """The database that is watched, every hundredth of a second."""
    found = Database()
    for name, value in {
        "observer": lambda *_, **__: found.transaction(),
        "read_activity": found.activity,
        "read_transactions": found.transactions,
        "find_statistics": lambda _: SimpleNamespace(),
        "read_statistics": found.statistics,
        "read_texts": lambda *_: (),
        "EVERY_S": 0.01,
        "SETTLE_S": 0.01,
        "AGAIN_S": 0.01,
        "LONGEST_S": 0.1,
    }.items():
        monkeypatch.setattr(watching, name, value)
    return found


def watched_meanwhile(database):
    profile = SimpleNamespace(routes={}, metrics={})
    target = SimpleNamespace(
        database_url="x", base_url="http://127.0.0.1:9", pooled=False, profile=profile, roles=SimpleNamespace(app="app")
    )
    with watching.watching(target, SystemClock()) as watch:
        for _ in range(100):
            if database.reads < 5:
                time.sleep(0.005)
    return watch.result


def test_a_look_that_the_server_cut_short_ends_neither_the_watch_nor_the_count(database):
    """It is said once, however often."""
    late = StatementTimedOut("The server gave up.")
    database.looks = [late, late, *database.looks]
    found = watched_meanwhile(database)
    assert found.unseen == ("The server gave up.",)
    assert len(found.looks) >= 3
    assert (found.calls, found.commits) == (2_000, 800)


def test_one_count_that_cannot_be_read_leaves_the_other(database):
    """Before the load and after it."""
    database.commits = [StatementTimedOut("No commits."), 5]
    found = watched_meanwhile(database)
    assert (found.calls, found.commits, found.unseen) == (2_000, None, ("No commits.",))
    database.commits, database.calls, database.reads = [100, 900], [0, StatementTimedOut("No calls.")], 0
    found = watched_meanwhile(database)
    assert (found.calls, found.commits, found.unseen) == (None, 800, ("No calls.",))


def test_what_nobody_foresaw_is_said_without_its_text(database):
    """The thread does not end in silence."""
    database.looks = [RuntimeError("postgresql://user:secret@host")]
    found = watched_meanwhile(database)
    assert found.unseen == ("The watch ended by RuntimeError.",)


@pytest.mark.parametrize(("commits", "said"), [([100, 500, 700, 900, 900, 950], 800), ([100, *range(200, 9_000)], None)])
def test_commits_are_counted_when_two_reads_agree_or_the_wait_is_over(database, commits, said):
    """Sessions report what they did late: the count grows after the load has ended, at most so long."""
    database.commits = commits
    found = watched_meanwhile(database)
    assert found.commits == said if said else 100 < found.commits < 1_000
    assert found.seconds < 1
