"""A crew that cannot come together is refused before anything is started."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.load import Caller, Crew, Plan, reads
from capliquify_ops.load.crew import MOST, crew_from_wire, crew_to_wire
from capliquify_ops.load.figures import unoffered
from capliquify_ops.load.master import Master
from capliquify_ops.load.receipt import Receipt
from capliquify_ops.load.samples import Samples, Verdict
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

PLAN = Plan("http://127.0.0.1:8000", 100, 1, (Caller(Secret("t"), {}, "sku-a-"),), reads("/"), connections=10)


class Runner:
    """Locust's master, whose workers do at once what they are told; `sent` are its messages."""

    def __init__(self, *workers):
        self.clients = type("Clients", (dict,), {"missing": ()})(dict.fromkeys(workers))
        closed = SimpleNamespace(context=SimpleNamespace(term=lambda: None), close=lambda linger: None)
        self.server = SimpleNamespace(port=1, socket=closed)
        self.answers, self.sent = {}, []

    def register_message(self, name, answer):
        self.answers[name] = answer

    def send_message(self, name, data, client_id=None):
        self.sent.append((name, client_id))
        for worker in [client_id] if client_id else self.clients:
            if name == "plan":
                self.answers["armed"](None, SimpleNamespace(node_id=worker))
            if name == "start":
                self.answers["said"](None, SimpleNamespace(node_id=worker, data={"kind": "result"}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"local": -1}, "-1 of 1 generators"),
        ({"local": 2, "size": 1}, "2 of 1 generators"),
        ({"local": 0, "size": 0}, "0 of 0 generators"),
        ({"local": 0, "size": -1}, "0 of -1 generators"),
        ({"size": MOST + 1}, f"1 of {MOST + 1} generators"),
        ({"wait_s": 0}, "to arrive"),
        ({"wait_s": -1}, "to arrive"),
        ({"wait_s": float("nan")}, "to arrive"),
        ({"wait_s": float("inf")}, "to arrive"),
        ({"port": -1}, "port -1"),
        ({"port": 65_536}, "port 65536"),
    ],
)
def test_amounts_that_cannot_be_are_refused(wrong, said):
    """Each as one UsageError that names the amount."""
    with pytest.raises(UsageError, match=said):
        Crew(**wrong)


@given(st.integers(0, MOST), st.integers(1, MOST), st.sampled_from(["127.0.0.1", "::", "10.0.0.7"]), st.integers(0, 65_535))
def test_a_crew_crosses_the_pipe_whole(local, more, bind, port):
    """As one line, whatever its numbers."""
    size = min(MOST, max(1, local + more))
    crew = Crew(local, size, bind, port, 12.5)
    line = crew_to_wire(crew)
    assert crew_from_wire(line) == crew
    assert line.count(b"\n") == 1


@pytest.mark.parametrize(("crew", "alone"), [(Crew(), True), (Crew(0, 1), False), (Crew(1, 2), False), (Crew(2, 2), False)])
def test_only_one_generator_of_this_machine_needs_no_master(crew, alone):
    """One that is waited for from elsewhere does."""
    assert crew.is_alone is alone


@pytest.mark.parametrize(
    ("bind", "local"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("*", "127.0.0.1"), ("10.0.0.7", "10.0.0.7")]
)
def test_members_of_this_machine_join_where_the_master_listens(bind, local):
    """Any address is no address to connect to."""
    assert Crew(bind=bind).local_address == local


def test_a_worker_that_nobody_waited_for_is_let_go_before_the_start():
    """It has no share: it is told that there is nothing to do, and never to start."""
    runner, said = Runner("one", "two", "three"), []
    Master(PLAN, Crew(0, 2), runner, said.append, lambda _: None).run()
    assert [name for name, to in runner.sent if to == "three"] == ["over"]
    assert {to for name, to in runner.sent if name == "start"} == {"one", "two"}
    assert [line["kind"] for line in said] == ["gathering", "ready", "result", "result"]


def block(indices):
    samples = Samples()
    for index in indices:
        samples.add(index, slip_us=0, latency_us=9, service_us=9, status=200, verdict=Verdict.OK)
    figures = {"cpu_s": 0.1, "wall_s": 1.0, "memory_bytes": 1, "opened": 5}
    return {"kind": "samples", "samples": samples.pack(), "lags_us": Samples().pack()["index"], "machine": [], **figures}


@pytest.mark.parametrize(("waiting", "own"), [((5, 0), 0), ((4, 0), 36), ((0, 0), 40)])
def test_what_a_generator_without_a_free_connection_did_not_send_is_not_its_own(waiting, own):
    """Also when another one, which sent all of its share, has every connection free."""
    receipt = Receipt(PLAN, 2)
    for number, indices in enumerate((range(0, 20, 2), range(1, 100, 2))):
        receipt.take(json.dumps(block(indices) | {"generator": number}))
        result = {"kind": "result", "offered": 100, "cut": None, "witnesses": [], "in_flight": waiting[number]}
        receipt.take(json.dumps(result | {"generator": number}))
    assert unoffered(receipt.load_run("", 1.0, None)) == own
