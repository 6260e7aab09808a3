"""Untrusted text is shown, whole or cut, and never acts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.rendering.text import block, clip, line, visible

ANY = st.text(st.characters(), max_size=200)
JOINERS = "\u200c\u200d"


@given(ANY)
def test_nothing_hidden_survives(text):
    """No control, format character or surrogate is left but the joiners, and the result is UTF-8."""
    shown = visible(text)
    left = [
        c
        for c in shown
        if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}
        or (unicodedata.bidirectional(c) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"})
    ]
    assert not left
    shown.encode()


@given(ANY)
def test_showing_twice_changes_nothing(text):
    """What is visible already stays as it is."""
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x00", "[NUL]"),
        ("\x1b[31m", "[ESC][31m"),
        ("\x7f", "[U+007F]"),
        ("\u202egnp", "[U+202E]gnp"),
        ("\ud800", "[U+D800]"),
        ("a\nb", "a[LF]b"),
        ("\ufeff", "[U+FEFF]"),
    ],
)
def test_hidden_characters_are_named(hidden, shown):
    """A hidden character is shown by its name or code."""
    assert visible(hidden) == shown


def test_plain_text_and_emoji_stay():
    """Letters of any script and joined emoji are left alone."""
    text = "Größe 漢字 עברית 👨\u200d👩\u200d👧 ✅"
    assert visible(text) == text


def test_stacked_marks_are_counted_instead():
    """Marks piled on one letter cannot paint over other lines."""
    assert visible("Z" + "\u0335" * 40) == "Z" + "\u0335" * 4 + "[36 more marks]"


def test_long_text_says_what_is_missing():
    """A cut text says how much was cut."""
    assert clip("x" * 1500, 500) == "x" * 500 + "… (1,000 more characters)"


def test_lines_and_blocks():
    """A line has no newline; a block keeps its newlines and tabs only."""
    assert line("a\n\tb", 10) == "a[LF][TAB]b"
    assert block("a\n\tb\r", 10) == "a\n\tb[CR]"
