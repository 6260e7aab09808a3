"""A message for Slack, from plain text to Block Kit: escaped, and cut to the limits beyond which Slack refuses it whole. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from capliquify_ops.model.errors import UsageError

MOST_BLOCKS, MOST_FIELDS, MOST_ELEMENTS, MOST_BUTTONS = 50, 10, 10, 25
LONGEST_HEADER, LONGEST_SECTION, LONGEST_FIELD, LONGEST_BUTTON, LONGEST_URL = 150, 3000, 2000, 75, 3000
LONGEST_FALLBACK = 3000
"""A notification shows far less, and an update takes less than a post."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_NOTHING = "-"
Json = dict[str, object]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Header:
    """A title in large letters, without markup."""

    text: str

    def document(self) -> Json:
        """Return it as a block."""
        return {"type": "header", "text": {"type": "plain_text", "text": _cut(self.text, LONGEST_HEADER)}}


@dataclass(frozen=True, slots=True)
class Section:
    """A paragraph."""

    text: str

    def document(self) -> Json:
        """Return it as a block."""
        return {"type": "section", "text": _mrkdwn(escaped(self.text, LONGEST_SECTION))}


@dataclass(frozen=True, slots=True)
class Fields:
    """Labels with their values, in two columns; ten at most, the last says how many more there were."""

    pairs: tuple[tuple[str, str], ...]

    def document(self) -> Json:
        """Return it as a block."""
        shown = _at_most(_some(self.pairs), MOST_FIELDS)
        rows = [f"*{escaped(label, 200)}*\n{escaped(value, LONGEST_FIELD - 203)}" for label, value in shown]
        if left := len(self.pairs) - len(shown):
            rows.append(f"{left} more")
        return {"type": "section", "fields": [_mrkdwn(row) for row in rows]}


@dataclass(frozen=True, slots=True)
class Context:
    """Small print; ten texts at most, the last says how many more there were."""

    texts: tuple[str, ...]

    def document(self) -> Json:
        """Return it as a block."""
        shown = [*_at_most(_some(self.texts), MOST_ELEMENTS)]
        if left := len(self.texts) - len(shown):
            shown.append(f"{left} more")
        return {"type": "context", "elements": [_mrkdwn(escaped(text, LONGEST_SECTION)) for text in shown]}


@dataclass(frozen=True, slots=True)
class Links:
    """Buttons that open pages: texts with their addresses, 25 at most."""

    pairs: tuple[tuple[str, str], ...]

    def document(self) -> Json:
        """Return it as a block. Raises UsageError for an address that is too long: half an address leads elsewhere."""
        if any(len(url) > LONGEST_URL for _, url in self.pairs):
            raise UsageError(f"A link for Slack is longer than {LONGEST_URL} characters.")
        buttons = [
            {"type": "button", "text": {"type": "plain_text", "text": _cut(text, LONGEST_BUTTON)}, "url": url}
            for text, url in _some(self.pairs)[:MOST_BUTTONS]
        ]
        return {"type": "actions", "elements": buttons}


Block = Header | Section | Fields | Context | Links


@dataclass(frozen=True, slots=True)
class Message:
    """What to post: `text` is for the notification and for programs that read aloud, `blocks` are what is seen."""

    text: str
    blocks: tuple[Block, ...] = ()

    def document(self) -> Json:
        """Return the text and the blocks as Slack takes them: 50 blocks at most, the last says how many more there were.

        Raises UsageError for a message without text, and for a block that has nothing in it.
        """
        if not self.text.strip():
            raise UsageError("A message for Slack needs a text.")
        shown = [block.document() for block in _at_most(self.blocks, MOST_BLOCKS)]
        if left := len(self.blocks) - len(shown):
            shown.append(Context((f"{left} more blocks are left out.",)).document())
        return {"text": escaped(self.text, LONGEST_FALLBACK), **({"blocks": shown} if shown else {})}


def escaped(text: str, most: int) -> str:
    """Return text that Slack shows as it is, of `most` characters after escaping; no mention, link or entity can come of it."""
    letters = [_ESCAPES.get(letter, letter) for letter in text.strip() or _NOTHING]
    if sum(map(len, letters)) <= most:
        return "".join(letters)
    kept, room = 0, most - 1
    while len(letters[kept]) <= room:
        room -= len(letters[kept])
        kept += 1
    return "".join(letters[:kept]) + "…"


def _cut(text: str, most: int) -> str:
    """Plain text has no markup and needs no escaping."""
    shown = text.strip() or _NOTHING
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _mrkdwn(text: str) -> Json:
    # Without verbatim, Slack would make links and mentions of names and addresses in the text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _some(items: Sequence[Item]) -> Sequence[Item]:
    """Slack refuses the whole message for one block that is empty."""
    if not items:
        raise UsageError("A block for Slack has nothing in it.")
    return items


def _at_most(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return all, or all but enough to leave a place for a word about the rest."""
    return items if len(items) <= most else items[: most - 1]
