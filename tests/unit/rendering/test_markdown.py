"""A step summary that GitHub accepts and that nobody's names can deface."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from capliquify_ops.rendering.markdown import summary

HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("|`*_[]()<>#!\\&~@:/$-+=\n\r\t ")), min_size=1, max_size=60)
OURS = {"b", "/b", "code", "/code"}


def tokens(text):
    """Return the structure that a Markdown reader sees: block and inline token types, and HTML tags by name."""
    found = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        found.append(token.type)
        found += [
            child.content if child.type == "html_inline" else child.type
            for child in token.children or ()
            if child.type not in {"text", "text_special"}
        ]
    return found


def test_worst_comes_first(build):
    """The verdict leads, and the worst box leads the sheet and the lists."""
    text = summary(build.every_state()).decode()
    assert text.startswith("# Launch sign-off: NOT READY\n")
    assert text.index("Security audit") < text.index("Load tests passed") < text.index("All integration tests")
    assert "&#9745; | All integration tests passing | Passed | 3 of 3 |" in text


def test_checks_without_record_are_listed(build):
    """A planned check without record stands in the summary as not run."""
    assert "| Not run | <code>sec&#95;017&#95;guessed&#95;ids</code> | No record. |" in summary(build.every_state()).decode()


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=12))
def test_hostile_text_adds_no_structure(build, texts):
    """Whatever stands in any field, a Markdown reader sees the same blocks, spans and tags as with harmless text."""
    assert tokens(summary(build.every_state(build.hostile_mark(tuple(texts)))).decode()) == tokens(
        summary(build.every_state()).decode()
    )


def test_known_attacks_add_no_structure(build):
    """The collected attacks on HTML, Markdown and terminals stay text."""
    assert tokens(summary(build.every_state(build.hostile_mark())).decode()) == tokens(summary(build.every_state()).decode())


@pytest.mark.parametrize(
    "text",
    ["&lt;b&gt; &amp;", "a\\|b", "`x` *y* _z_ ~~w~~", "<b>&#60;", "www.example.com https://example.com", "$x$ @someone #1"],
)
def test_text_reads_as_it_was(build, text):
    """A reader sees the very characters that a field holds."""
    content = summary(build.every_state(lambda _: text)).decode()
    shown = [
        "".join(c.content for c in t.children if c.type.startswith("text"))
        for t in MarkdownIt("commonmark").enable("table").parse(content)
        if t.children
    ]
    assert shown.count(text) >= 7


def test_it_stays_below_the_limit_of_github(build):
    """Thousands of records with long hostile texts fit into 1 MiB, and the summary says that it was cut."""
    text = "<|`" * 4000
    content = summary(build.with_findings(3000, 3000, lambda _: text))
    assert len(content) < 2**20
    assert b"more, see the report." in content


def test_the_last_resort_cuts(build, monkeypatch):
    """Lines beyond the budget are left out, with a sentence."""
    monkeypatch.setattr("capliquify_ops.rendering.markdown._BUDGET", 700)
    content = summary(build.every_state()).decode()
    assert len(content) < 900
    assert content.rstrip().endswith("see the report.")
