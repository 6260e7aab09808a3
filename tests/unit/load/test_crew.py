"""A crew that cannot come together is refused before anything is started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.load import Crew
from capliquify_ops.load.crew import MOST, crew_from_wire, crew_to_wire
from capliquify_ops.model.errors import UsageError


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
