"""The boxes as plain text for a terminal, on one screen."""

import unicodedata
from collections.abc import Iterator

from capliquify_ops.model.decision import BoxResult, Decision
from capliquify_ops.model.outcome import State
from capliquify_ops.rendering.driven import driven
from capliquify_ops.rendering.order import reasons_worst_first, state_shown, without_record
from capliquify_ops.rendering.text import visible
from capliquify_ops.rendering.words import STATES, cause

_COLOURS = {State.PASSED: "32", State.FAILED: "31", State.ERROR: "35", State.NOT_APPLICABLE: "2"}
_OTHER_COLOUR = "33"
_REASONS = 6
_NARROWEST = 40
_BOX_SHARE = 0.3
_READ = 500


def boxes_table(decision: Decision, width: int, colour: bool) -> str:
    """Return verdict, boxes and the worst reasons as text of at most `width` columns (40 or more) and 24 lines.

    A state is always a word too. Escape sequences and direction marks in names cannot reach the terminal.
    """
    width = max(width, _NARROWEST)
    verdict = State.PASSED if decision.ready else State.FAILED
    headline = f"{'READY' if decision.ready else 'NOT READY'}  {_safe(decision.target.name)} ({_safe(decision.target.kind)})"
    lines = [_paint(_fit(headline, width).rstrip(), verdict, colour), ""]
    lines += [text for result in decision.boxes for text in _rows(result, width, colour)]
    reasons = reasons_worst_first(decision)
    if reasons:
        lines.append("")
    lines += [_fit(f"{cause(r.code)}: {_safe(r.text)}", width).rstrip() for r in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        lines.append(f"and {len(reasons) - _REASONS:,} more reasons")
    return "\n".join(lines)


def _rows(result: BoxResult, width: int, colour: bool) -> Iterator[str]:
    """Yield the row of a box; the load that it stands for is never cut, and gets a row of its own where the first is full."""
    passed = sum(1 for record in result.records if state_shown(record) is State.PASSED)
    counts = f"{passed}/{len(result.records) + len(without_record(result))}"
    tick = "[x]" if result.state is State.PASSED else "[ ]"
    share = max(_NARROWEST - 29, int(width * _BOX_SHARE))
    left = f"{tick} {_fit(_safe(result.box.title), share)} "
    state = f"{STATES[result.state]:<14}"
    right = f" {counts:>7}"
    rest = width - share - len(tick) - len(state) - len(right) - 2
    load = _safe(driven(result))
    told = _safe(result.reasons[0]) if result.reasons else load if len(load) <= rest - len("  ") else ""
    reason = f"  {_fit(told, rest - 2)}" if told and rest > len("  reason") else ""
    yield (left + _paint(state, result.state, colour) + right + reason).rstrip()
    if load and load != told:
        yield _fit(f"{' ' * len(tick)} {load}", width).rstrip()


def _safe(text: str) -> str:
    """Return the text without anything a terminal acts on; joiners and variation selectors go, as widths depend on them."""
    shown = visible(text[:_READ])
    return "".join(character for character in shown if character not in "\u200c\u200d" and not "\ufe00" <= character <= "\ufe0f")


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _fit(text: str, width: int) -> str:
    """Return the text cut or filled to exactly this many columns."""
    if (size := sum(map(_columns, text))) <= width:
        return text + " " * (width - size)
    kept, used = "", 0
    for character in text:
        if used + _columns(character) > width - 1:
            break
        kept, used = kept + character, used + _columns(character)
    return kept + "\u2026" + " " * (width - 1 - used)


def _paint(text: str, state: State, colour: bool) -> str:
    return f"\x1b[{_COLOURS.get(state, _OTHER_COLOUR)}m{text}\x1b[0m" if colour else text
