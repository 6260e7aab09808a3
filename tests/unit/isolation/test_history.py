"""The history checker, against a checker that tries every order, and against histories of a correct service."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.isolation.history import check
from capliquify_ops.isolation.history_model import Anomaly, Kind, Operation, Result
from capliquify_ops.isolation.history_shrink import shrink
from capliquify_ops.isolation.history_witness import lines, shown
from capliquify_ops.model.outcome import Grade

TENANTS = ("a", "b")
TOKENS = ("t0", "t1", "t2-\N{PILE OF POO}", "t3-\0", "t4-e\N{COMBINING ACUTE ACCENT}")
PLANTED_TOKENS = ("p0", "p1-\N{PILE OF POO}\0", "p2")
UNKNOWN = "never written"
EVERY_TOKEN = (*TOKENS, *PLANTED_TOKENS, UNKNOWN)
OK, FAIL, INFO = Result


def op(start, end, tenant="a", outcome=OK, **rest):
    return Operation(start, end, tenant, f"{tenant}.owner", rest.pop("process", "w1"), outcome, **rest)


def keys(anomalies):
    found = [(anomaly.kind, anomaly.tenants, anomaly.token) for anomaly in anomalies]
    assert len(found) == len(set(found))
    return set(found)


# --- the definition: every order of a token's write, its deletes and one read that their times allow


def orders(events):
    """Each order of events, those of unknown effect left out or taken late, that contradicts no `ended before it started`."""
    unsure = [event for event in events if event.outcome is INFO]
    for number in range(len(unsure) + 1):
        for left_out in itertools.combinations(unsure, number):
            kept = [event for event in events if not any(event is one for one in left_out)]
            for order in itertools.permutations(kept):
                if all(one.start <= until(two) for one, two in itertools.combinations(order, 2)):
                    yield order


def until(event):
    return math.inf if event.outcome is INFO else event.end


def possible(token, tenant, read, history, planted):
    """What a read can have seen of its tenant's token: the set of True (the row) and False (none)."""
    about = [
        one
        for one in history
        if one.tenant == tenant and one.outcome is not FAIL and token in {one.written, one.deleted} and one is not read
    ]
    seen = set()
    probe = replace(read, outcome=OK)
    for order in orders([*about, probe]):
        stands = planted.get(token) == tenant
        for event in order:
            if event is probe:
                seen.add(stands)
                break
            stands = event.written == token or (stands and event.deleted != token)
    return seen


def brute_force(history, planted, scan):
    """The anomalies by trying everything; no sweep, no counting."""
    written = {one.written: one for one in history if one.written is not None}
    owner = planted | {token: one.tenant for token, one in written.items()}
    found = set()
    for read in history:
        if read.read is None:
            continue
        for token in read.read:
            if owner.get(token, read.tenant) not in {read.tenant, ""}:
                found.add((Kind.FOREIGN_READ, (read.tenant, owner[token]), token))
            elif read.outcome is OK and owner.get(token) != "":
                kind = wrong_presence(token, read, history, planted, owner)
                found |= {(kind, (read.tenant,), token)} if kind else set()
        for token in must_list(read, written, planted) if read.outcome is OK else ():
            is_missed = token not in read.read and owner[token] == read.tenant
            if is_missed and possible(token, read.tenant, read, history, planted) == {True}:
                found.add((Kind.LOST_WRITE, (read.tenant,), token))
    return found | scanned(history, planted, scan, owner, written)


def wrong_presence(token, read, history, planted, owner):
    if token not in owner:
        return Kind.GARBAGE_READ
    own = [one for one in history if one.written == token]
    if own and own[0].outcome is FAIL:
        return Kind.ABORTED_READ
    if True in possible(token, read.tenant, read, history, planted) or read in own:
        return None
    never_deleted = [replace(one, deleted=None) if one is not read else one for one in history]
    return Kind.RESURRECTED_READ if True in possible(token, read.tenant, read, never_deleted, planted) else Kind.FUTURE_READ


def must_list(read, written, planted):
    everything = [token for token, one in written.items() if one.collection == read.collection and one is not read]
    everything += planted if not read.collection else ()
    return {*(everything if read.is_complete else ()), *({read.expected} & (written.keys() | planted.keys()))}


def scanned(history, planted, scan, owner, written):
    if scan is None:
        return set()
    found = set()
    for token, tenant in owner.items():
        there = [schema for schema, rows in scan.items() if token in rows]
        if tenant == "":
            continue
        found |= {(Kind.WRONG_SCHEMA, (schema, tenant), token) for schema in there if schema != tenant}
        if tenant in there and token in written and written[token].outcome is FAIL:
            found.add((Kind.ABORTED_READ, (tenant,), token))
        last = op(math.inf, math.inf, tenant, read=())
        if tenant in scan and not there and possible(token, tenant, last, history, planted) == {True}:
            found.add((Kind.LOST_WRITE, (tenant,), token))
    return found


# --- histories that anything can be wrong with


@st.composite
def histories(draw, most=7):
    """Few operations at few moments, so that ties and overlaps are the rule."""
    times, written, history = st.integers(0, 5), list(TOKENS), []
    some = st.sets(st.sampled_from(EVERY_TOKEN), max_size=5)
    for _ in range(draw(st.integers(0, most))):
        start, end = sorted((draw(times), draw(times)))
        kinds = draw(st.sampled_from(("write", "delete", "read", "list", "list", "update", "get", "echo")))
        token = written.pop(0) if kinds in {"write", "update", "echo"} and written else None
        history.append(
            op(
                start,
                end,
                draw(st.sampled_from(TENANTS)),
                draw(st.sampled_from((OK, OK, OK, FAIL, INFO))),
                process=draw(st.sampled_from(("w1", "w2"))),
                collection=draw(st.sampled_from(("", "", "", "orders"))),
                written=token,
                deleted=draw(st.sampled_from([one for one in EVERY_TOKEN if one != token]))
                if kinds in {"delete", "update"}
                else None,
                read=draw(st.one_of(some, some.map(tuple), some.map(frozenset)))
                if kinds in {"read", "list", "get", "echo"}
                else None,
                is_complete=kinds == "list",
                expected=draw(st.sampled_from(EVERY_TOKEN)) if kinds == "get" else None,
            )
        )
    return draw(st.permutations(history))


PLANTED = st.dictionaries(st.sampled_from(PLANTED_TOKENS), st.sampled_from((*TENANTS, "")))
SCANS = st.none() | st.dictionaries(st.sampled_from((*TENANTS, "")), st.sets(st.sampled_from(EVERY_TOKEN), max_size=5))


@settings(max_examples=150, deadline=None)
@given(histories(), PLANTED, SCANS)
def test_equal_to_brute_force(history, planted, scan):
    """The same anomalies are found as by trying every order; each witness shows its own by itself, and not with less."""
    found = check(history, planted=planted, scan=scan)
    assert keys(found) == brute_force(history, planted, scan)
    assert [one.kind for one in found] == sorted((one.kind for one in found), key=list(Kind).index)
    for anomaly in found:
        _is_witness(anomaly, history, planted, scan)


def _is_witness(anomaly, history, planted, scan):
    key = next(iter(keys([anomaly])))
    operations = list(anomaly.operations)
    assert all(any(one is other for other in history) for one in operations)
    assert operations == sorted(operations, key=lambda one: (one.start, one.end))
    looked = scan if anomaly.schema is not None else None
    needed = shrink(operations, lambda part: key in keys(check(part, planted=planted, scan=looked)))
    assert len(operations) - len(needed) <= (anomaly.kind in {Kind.FOREIGN_READ, Kind.WRONG_SCHEMA, Kind.LOST_WRITE})
    for line in lines(anomaly):
        assert line.isprintable()
        assert not any(token in line for token in EVERY_TOKEN)


@settings(max_examples=50, deadline=None)
@given(histories(most=9), PLANTED, st.randoms(use_true_random=False))
def test_the_order_of_recording_is_nothing(history, planted, random):
    """A history is a set: shuffled, or with its clock moved and stretched, it has the same anomalies."""
    expected = keys(check(history, planted=planted))
    moved = [replace(one, start=one.start * 0.25 - 7, end=one.end * 0.25 - 7) for one in history]
    random.shuffle(moved)
    assert keys(check(moved, planted=planted)) == expected


# --- histories of a correct service


@st.composite
def plans(draw):
    """Operations with the moment at which each takes effect: inside its time, for those of unknown effect later too, or never."""
    times, written, planned = st.integers(0, 8), [f"{token}{number}" for number in range(3) for token in TOKENS], []
    planted = draw(PLANTED)
    for _ in range(draw(st.integers(0, 14))):
        start, end = sorted((draw(times), draw(times)))
        outcome = draw(st.sampled_from((OK, OK, OK, FAIL, INFO)))
        kind = draw(st.sampled_from(("write", "delete", "list", "get", "update")))
        moment = None if outcome is FAIL else draw(st.integers(start, end if outcome is OK else 9))
        if outcome is INFO and draw(st.booleans()):
            moment = None
        token = written.pop(0)
        target = draw(st.sampled_from([*written, *PLANTED_TOKENS, *(one[0].written for one in planned if one[0].written)]))
        planned.append(
            (
                op(
                    start,
                    end,
                    draw(st.sampled_from(TENANTS)),
                    outcome,
                    written=token if kind in {"write", "update"} else None,
                    deleted=target if kind in {"delete", "update"} else None,
                    is_complete=kind == "list",
                    expected=target if kind == "get" else None,
                    collection=draw(st.sampled_from(("", "orders"))),
                ),
                moment,
                draw(st.integers(0, 99)),
            )
        )
    return planned, planted


def executed(planned, planted):
    """Run a plan on tenants that are what they should be; return the history and the final rows."""
    rows = {tenant: {token: "" for token, owner in planted.items() if owner == tenant} for tenant in TENANTS}
    shared = {token for token, owner in planted.items() if owner == ""}
    answers = {}
    for one, moment, _ in sorted((step for step in planned if step[1] is not None), key=lambda step: step[1:]):
        own = rows[one.tenant]
        own.pop(one.deleted, None)
        if one.written:
            own[one.written] = one.collection
        listed = {token for token, collection in own.items() if collection == one.collection} | shared
        found = {one.expected} & own.keys()
        is_answered = one.outcome is OK or moment <= one.end
        answers[id(one)] = (
            (listed if one.is_complete else found if one.expected else {one.written} - {None}) if is_answered else None
        )
    echo = [replace(one, read=answers.get(id(one), {one.written} - {None})) for one, *_ in planned]
    return echo, {tenant: set(own) for tenant, own in rows.items()} | {"": shared}


@settings(max_examples=120, deadline=None)
@given(plans())
def test_no_false_alarm(plan):
    """Whatever order a correct service took inside the overlaps, whatever timed out or was refused: nothing is found."""
    history, rows = executed(*plan)
    assert check(history, planted=plan[1], scan=rows) == []


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_one_row_too_many_or_too_few(plan, data):
    """In a correct history, one answer made to show another tenant's row, or to miss a row that was surely there, is found."""
    history, _ = executed(*plan)
    planted = {**plan[1], "secret": "b", "own": "a"}
    read = op(0, 9, read={"own"}, expected="own")
    place = data.draw(st.integers(0, len(history)))
    for content, expected in (
        ({"own"}, []),
        ({"own", "secret"}, [(Kind.FOREIGN_READ, ("a", "b"), "secret")]),
        (set(), [(Kind.LOST_WRITE, ("a",), "own")]),
    ):
        changed = [replace(one, is_complete=False) for one in history]
        changed.insert(place, replace(read, read=content))
        assert keys(check(changed, planted=planted)) == set(expected)


# --- single cases


def only(history, planted=(), scan=None):
    [anomaly] = check(history, planted=dict(planted), scan=scan)
    return anomaly


def test_nothing_and_one_operation():
    """An empty history, and a single write, have nothing wrong."""
    assert check([], planted={}) == check([], planted={}, scan={}) == []
    assert check([op(1, 1, written="t0")], planted={}, scan={"a": ["t0"]}) == []


@pytest.mark.parametrize(
    "history",
    [
        [op(0, 1, written="twice-" * 9), op(2, 3, "b", written="twice-" * 9)],
        [op(0, 1, outcome=FAIL, written="twice-" * 9), op(2, 3, written="twice-" * 9)],
        [op(0, 1, written="planted-" * 9)],
    ],
)
def test_a_token_has_one_writer(history):
    """A token written twice, or planted and written, is refused without showing it."""
    with pytest.raises(ValueError, match="a token of its own") as caught:
        check(history, planted={"planted-" * 9: "b"})
    assert "twice-twice" not in str(caught.value) + repr(history)
    assert "planted-planted" not in str(caught.value) + repr(history)


def test_a_row_is_not_made_and_removed_at_once():
    """An operation that writes and deletes one token says nothing of its end, so it is refused."""
    with pytest.raises(ValueError, match="writes and deletes the same token"):
        check([op(0, 1, written="t0", deleted="t0")], planted={})


@pytest.mark.parametrize(("start", "end"), [(2, 1), (math.nan, 1), (1, math.nan)])
def test_times_that_cannot_be(start, end):
    """An operation that ends before it starts, or at no time, is refused."""
    with pytest.raises(ValueError, match=r"Operation 0 of a\.owner ends before it starts"):
        check([op(start, end, written="t0")], planted={})


@pytest.mark.parametrize("outcome", Result)
def test_a_foreign_token_is_a_proof_in_any_answer(outcome):
    """An error or a broken answer that holds a foreign token proves as much as a success, and whatever the order."""
    write, read = op(5, 6, written="t0"), op(0, 1, "b", outcome, read=["t0"])
    anomaly = only([write, read])
    assert (anomaly.kind, anomaly.tenants, anomaly.grade) == (Kind.FOREIGN_READ, ("b", "a"), Grade.PROOF)
    assert only([replace(write, outcome=outcome), read]).kind is Kind.FOREIGN_READ
    assert check([write, replace(read, read=["shared"])], planted={"shared": ""}) == []


def test_grades():
    """Content of another tenant is a proof; what depends on the order of operations is strong."""
    proofs = {kind for kind in Kind if kind.grade is Grade.PROOF}
    assert proofs == {Kind.FOREIGN_READ, Kind.WRONG_SCHEMA}
    assert {kind.grade for kind in set(Kind) - proofs} == {Grade.STRONG}


@pytest.mark.parametrize(
    ("delete", "is_lost"),
    [
        (None, True),
        (op(5, 6, deleted="t0"), False),
        (op(0, 0, deleted="t0"), True),
        (op(0, 1, deleted="t0"), False),
        (op(0, 0, outcome=INFO, deleted="t0"), False),
        (op(4, 4, outcome=INFO, deleted="t0"), False),
        (op(2, 3, outcome=FAIL, deleted="t0"), True),
        (op(2, 3, "b", deleted="t0"), True),
        (op(8, 9, deleted="t0"), False),
        (op(9, 9, deleted="t0"), True),
    ],
)
def test_what_excuses_a_missing_row(delete, is_lost):
    """Only a delete of the tenant's own that can have come between write and end of read does, one of unknown effect too."""
    history = [op(1, 2, written="t0"), op(5, 8, read=(), is_complete=True), *([delete] if delete else [])]
    assert [one.kind for one in check(history, planted={})] == [Kind.LOST_WRITE] * is_lost
    single = [replace(one, is_complete=False, expected="t0") if one.is_complete else one for one in history]
    assert [one.kind for one in check(single, planted={})] == [Kind.LOST_WRITE] * is_lost


@pytest.mark.parametrize("changes", [{"outcome": FAIL}, {"outcome": INFO}, {"end": 5}, {"collection": "orders"}, {"tenant": "b"}])
def test_writes_that_need_not_be_seen(changes):
    """A write that failed, is unknown, still ran as the read began, or was elsewhere, is not missed."""
    history = [replace(op(1, 2, written="t0"), **changes), op(5, 8, read=(), is_complete=True)]
    assert check(history, planted={}) == []


def test_a_row_listed_twice_hides_no_lost_one():
    """Rows are told apart, not counted: a list that repeats one and misses another is wrong."""
    history = [op(0, 1, written="t0"), op(0, 1, written="t1"), op(2, 3, read=("t0", "t0"), is_complete=True)]
    assert only(history).token == "t1"


def test_every_lost_row_is_named_once():
    """Rows lost at different times are each found, with the first read that misses them."""
    rows = [op(number, number, written=f"t{number}") for number in range(40)]
    reads = [
        op(50 + number, 50 + number, read={f"t{n}" for n in range(40) if n % 8 >= number % 8}, is_complete=True)
        for number in range(16)
    ]
    found = check([*rows, *reads], planted={})
    lost = {anomaly.token: anomaly.operations[-1].start for anomaly in found}
    assert lost == {f"t{number}": 51 + number % 8 for number in range(40) if number % 8 < 7}


@pytest.mark.parametrize("others", [[], [op(4, 5, deleted="t0")]])
def test_a_read_of_a_deleted_row(others):
    """Acknowledged deletes bind, unless the write can have come after them."""
    write, delete, read = op(0, 1, written="t0"), op(2, 3, deleted="t0"), op(4, 5, read=["t0"])
    anomaly = only([write, delete, read, *others])
    assert anomaly.kind is Kind.RESURRECTED_READ
    assert anomaly.operations == (write, delete, read)
    assert only([delete, read], {"t0": "a"}).operations == (delete, read)
    for changed in (
        [replace(write, end=2), delete, read],
        [replace(write, outcome=INFO), delete, read],
        [write, replace(delete, end=4), read],
        [write, replace(delete, outcome=INFO), read],
        [write, replace(delete, tenant="b"), read],
    ):
        assert check([*changed, *others], planted={}) == []


def test_the_final_scan():
    """A row in a wrong schema names both tenants; rows lost and failed are told; where nobody looked, nothing is said."""
    history = [op(0, 1, written="t0"), op(0, 1, "b", written="t1"), op(2, 3, "b", FAIL, written="t2")]
    assert check(history, planted={}, scan={"a": iter(["t0"]), "b": iter(["t1"])}) == []
    wrong = only(history, scan={"a": [], "b": ["t0", "t1"]})
    assert (wrong.kind, wrong.tenants, wrong.schema, wrong.grade) == (Kind.WRONG_SCHEMA, ("b", "a"), "b", Grade.PROOF)
    assert wrong.operations == (history[0], history[1])
    public = only(history, scan={"a": [], "b": ["t1"], "": ["t0"]})
    assert (public.kind, public.tenants, public.operations) == (Kind.WRONG_SCHEMA, ("", "a"), (history[0],))
    assert "stands in the schema public" in lines(public)[0]
    lost = only(history, scan={"a": [], "b": ["t1"]})
    assert (lost.kind, lost.token, lost.schema) == (Kind.LOST_WRITE, "t0", "a")
    assert "stands in no schema" in lines(lost)[0]
    failed = only(history, scan={"a": ["t0"], "b": ["t1", "t2"]})
    assert (failed.kind, failed.token, failed.schema) == (Kind.ABORTED_READ, "t2", "b")
    assert lines(failed)[0] == "aborted read (strong): t… stands in the schema of b, whose write had failed"
    assert check(history, planted={}, scan={"b": ["t1"]}) == []
    planted = only([], {"p0": "a"}, {"b": ["p0"]})
    assert (planted.tenants, planted.operations) == (("b", "a"), ())
    assert lines(planted) == [
        "row in a wrong schema (proof): p… of a stands in the schema of b, planted before the first operation"
    ]


def test_witness_of_a_foreign_read():
    """Two operations that overlap are the interleaving; else what the other tenant last did on the reader's process is told too."""
    write = op(0, 2, written="t0", process="w9")
    early, across = op(5, 6, "b", read=["t0"]), op(2, 9, "b", read=["t0"])
    assert only([early, across, write]).operations == (write, across)
    last = op(3, 4, read=())
    history = [op(1, 2, read=()), last, op(3, 4, process="w2"), op(3, 4, "c"), op(7, 8), early, write]
    assert only(history).operations == (write, last, early)
    assert only([replace(write, process="w1"), early]).operations == (replace(write, process="w1"), early)
    assert only([early, write]).operations == (write, early)
    assert only([op(6, 6), early], {"t0": "a"}).operations == (early, op(6, 6))


def test_witness_of_a_lost_write():
    """The operation of another tenant that ran across the write is told; one that did not meet it is not."""
    write, read = op(2, 4, written="t0"), op(6, 7, read=(), is_complete=True)
    across = op(1, 2, "b")
    crowd = [op(0, 1, "b"), op(5, 6, "b"), op(2, 4)]
    assert only([write, read, across, *crowd]).operations == (across, write, read)
    assert only([write, read, *crowd]).operations == (write, read)


# --- shrinking


@given(st.lists(st.integers(0, 30), unique=True, max_size=25), st.data())
def test_shrinking(steps, data):
    """What is left is just what was needed, in the same order."""
    needed = set(data.draw(st.lists(st.sampled_from(steps), unique=True, max_size=4))) if steps else set()
    assert shrink(steps, lambda part: needed <= set(part)) == [step for step in steps if step in needed]


def test_shrinking_where_steps_stand_for_each_other():
    """Nothing can be left out of the result, even where the parts of the whole that are bad are not nested."""
    for is_bad in (
        lambda part: len(part) >= 3 and 8 in part,
        lambda part: sum(part) >= 11,
        lambda part: len(part) % 2 == 1 and 4 in part,
    ):
        left = shrink(range(1, 10), is_bad)
        assert is_bad(left)
        assert not any(is_bad([one for one in left if one is not step]) for step in left)


def test_shrinking_stops():
    """A plan that takes long to run is tried only so often; a whole that is not bad is refused."""
    calls = []

    def is_bad(part):
        calls.append(part)
        return 99 in part

    assert len(shrink(range(100), is_bad, tries=3)) < 100
    assert len(calls) == 4
    with pytest.raises(ValueError, match="not bad"):
        shrink([1], lambda _: False)


def test_shrinking_a_history():
    """A long history shrinks to the two operations that show its anomaly."""
    noise = [op(number, number + 2, TENANTS[number % 2], written=f"n{number}") for number in range(60)]
    write, read = op(3, 5, written="t0"), op(40, 41, "b", read=["t0"])
    history = [*noise[:30], write, *noise[30:50], read, *noise[50:]]
    shows = lambda part: any(one.kind is Kind.FOREIGN_READ for one in check(part, planted={}))  # noqa: E731
    assert shrink(history, shows) == [write, read]


# --- what a person reads


def test_lines_of_a_witness():
    """Who did what when, with the token by its label."""
    token = "5b1e0c9a77f34d1e"
    write = op(1000.5, 1000.512, outcome=INFO, written=token, label="POST /items")
    read = op(1000.504, 1000.509, "b", read=["x", token], label="GET /items", process="w2")
    anomaly = only([write, read, op(1, 2, "b", written="x")])
    assert lines(anomaly, {token: "items 3 of a"}) == [
        "foreign read (proof): an answer to b held items 3 of a of a",
        "  +0.0 to +12.0 ms  a  a.owner  w1  POST /items: writes items 3 of a                 info: effect unknown",
        "  +4.0 to +9.0 ms   b  b.owner  w2  GET /items: reads 2 token(s), with items 3 of a  ok",
    ]
    assert "5b1e0c…" in lines(anomaly)[0]
    assert "+0.0 to +0.0 ms" in lines(anomaly, unit_s=1e-9)[1]


@pytest.mark.parametrize(
    ("token", "text"),
    [("", "…"), ("s", "…"), ("abcd", "ab…"), ("0123456789abcdef", "012345…"), ("\0\n\u202e12345678", "\\x00\\n\\u202e12…")],
)
def test_tokens_are_not_shown_whole(token, text):
    """At most six characters and at most half; what would change a terminal's line is escaped."""
    assert shown(token, {}) == text
    assert shown(token, {token: "row\n1"}) == "row\\n1"


def test_no_repr_shows_a_token():
    """Neither an operation nor an anomaly in a traceback shows a secret."""
    one = op(0, 1, written="secret-w", deleted="secret-d", read=["secret-r"], expected="secret-e")
    assert "secret" not in repr(one)
    assert "secret" not in repr(Anomaly(Kind.GARBAGE_READ, ("a",), "secret-t", (one,)))
