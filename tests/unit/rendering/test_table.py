"""The boxes on one screen of a terminal."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.rendering.table import boxes_table

HOSTILE = st.text(st.characters(), min_size=1, max_size=60)


def columns(text):
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def test_every_box_has_its_tick_and_state(build):
    """A passed box is ticked, any other is open with its state in words."""
    lines = boxes_table(build.every_state(), width=100, colour=False).splitlines()
    assert lines[0] == "NOT READY  staging (staging)"
    assert lines[2].startswith("[x] All integration tests passing")
    assert "Passed" in lines[2]
    assert "3/3" in lines[2]
    assert [line[:3] for line in lines[3:9]] == ["[ ]"] * 6
    assert "Inconclusive" in lines[3]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_it_fits_one_screen(build, width):
    """No line is wider than asked, and there are at most 24."""
    text = boxes_table(build.every_state(build.hostile_mark()), width=width, colour=False)
    assert max(map(columns, text.splitlines())) <= width
    assert text.count("\n") <= 24


def test_colour_is_the_only_escape(build):
    """With colour each escape sequence is one of ours; without there is none."""
    hostile = build.every_state(build.hostile_mark())
    assert "\x1b" not in boxes_table(hostile, width=80, colour=False)
    assert boxes_table(hostile, width=80, colour=True).count("\x1b") == 2 * (1 + 7)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=12), width=st.integers(40, 160))
def test_hostile_text_stays_in_its_line(build, texts, width):
    """Whatever stands in any field, lines, width and escapes are ours."""
    text = boxes_table(build.every_state(build.hostile_mark(tuple(texts))), width=width, colour=False)
    assert len(text.splitlines()) == len(boxes_table(build.every_state(), width=width, colour=False).splitlines())
    assert max(map(columns, text.splitlines())) <= width
    assert not [c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cs"}]


def test_ready(build):
    """A ready decision says so and gives no reasons."""
    text = boxes_table(build.ready(), width=80, colour=False)
    assert text.startswith("READY  staging")
    assert text.count("[x]") == 7
