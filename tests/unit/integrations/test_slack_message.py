"""A message for Slack holds any text there is: nothing in it becomes markup, a mention or a reason to refuse all of it."""

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.integrations.slack_message import Context, Fields, Header, Links, Message, Section, escaped
from capliquify_ops.model.errors import UsageError

from .fake_slack import wrong_in

TEXT = st.text(max_size=20) | st.text("&<>a\n", min_size=2990, max_size=3010) | st.just("&" * 3000)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12).map(tuple)
BLOCKS = st.one_of(
    st.builds(Header, TEXT),
    st.builds(Section, TEXT),
    st.builds(Fields, PAIRS),
    st.builds(Context, st.lists(TEXT, min_size=1, max_size=12).map(tuple)),
    st.just(Links((("Runbook", "https://runbook.test"),) * 30)),
)


def test_each_block_is_what_slack_takes():
    """Title, paragraph, columns, small print and buttons have the form of Block Kit."""
    message = Message(
        "DB down",
        (Header("Down"), Section("a < b"), Fields((("Tenant", "t&1"),)), Context(("x",)), Links((("Run", "https://r.test"),))),
    )
    assert message.document() == {
        "text": "DB down",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Down"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "a &lt; b", "verbatim": True}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Tenant*\nt&amp;1", "verbatim": True}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "x", "verbatim": True}]},
            {
                "type": "actions",
                "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Run"}, "url": "https://r.test"}],
            },
        ],
    }


@given(st.text(min_size=1, max_size=20).filter(str.strip), st.lists(BLOCKS, max_size=3), st.integers(0, 60))
@settings(max_examples=30)
def test_whatever_is_in_it_slack_takes_it(text, blocks, more):
    """Texts of every length and kind, and any number of blocks, make a message within Slack's limits."""
    message = Message(text, (*blocks, *[Section("x")] * more)).document()
    assert wrong_in(message) == []


@given(st.text(), st.integers(10, 40))
def test_escaped_text_is_the_text(text, most):
    """Slack shows what was given, or its beginning and a mark that there was more; never half an entity."""
    shown = escaped(text, most)
    assert len(shown) <= most
    assert not {"<", ">"} & set(shown)
    back = html.unescape(shown) if "&" in shown else shown
    wanted = text.strip() or "-"
    assert escaped(text, 10**6) == shown or (back.endswith("…") and escaped(wanted, 10**6).startswith(shown[:-1]))


def test_a_log_line_calls_nobody():
    """Text that looks like a mention or a link of Slack stays text: it neither wakes a channel nor hides an address."""
    text = "<!channel> <@U123> <https://evil.test|https://good.test>"
    assert "<" not in Section(text).document()["text"]["text"]
    assert "<" not in Message(text).document()["text"]


def test_an_entity_is_not_cut_in_two():
    """At the limit an escaped sign is left out whole."""
    assert escaped("aa&b", 6) == "aa…"
    assert escaped("aa&", 7) == "aa&amp;"
    assert escaped("", 5) == "-"


def test_what_does_not_fit_is_counted():
    """More fields, small print or blocks than Slack takes are left out, and the message says how many."""
    fields = Fields(tuple((str(number), "x") for number in range(12))).document()["fields"]
    assert (len(fields), fields[-1]["text"]) == (10, "3 more")
    small = Context(("x",) * 11).document()["elements"]
    assert (len(small), small[-1]["text"]) == (10, "2 more")
    assert len(Context(("x",) * 10).document()["elements"]) == 10
    blocks = Message("x", (Section("x"),) * 60).document()["blocks"]
    assert (len(blocks), blocks[-1]["elements"][0]["text"]) == (50, "11 more blocks are left out.")
    assert len(Message("x", (Section("x"),) * 50).document()["blocks"]) == 50


def test_what_cannot_be_meant_is_refused():
    """No text, a block with nothing in it, and half an address are errors of the call."""
    for message in (
        Message(" "),
        Message("x", (Fields(()),)),
        Message("x", (Context(()),)),
        Message("x", (Links(()),)),
        Message("x", (Links((("x", "https://" + "x" * 3000),)),)),
    ):
        with pytest.raises(UsageError):
            message.document()
