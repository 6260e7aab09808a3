"""What was watched survives the evidence."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.load.raw import parse_document, raw_document
from capliquify_ops.load.watched import Look, ServiceLook, StatementTime, Watched, watched_of
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.finding import Limit

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
