"""How far the service's clock is from ours: tokens end by its clock, and an audit that does not know it sees ghosts."""

from email.utils import parsedate_to_datetime

from capliquify_ops.http_client import Response
from capliquify_ops.isolation.exchange import Exchange
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.protocols import Clock

NOTABLE_S = 5.0
"""Services grant clocks so much. The header Date counts whole seconds, and the answer was on its way."""


def skew_s(response: Response, clock: Clock) -> float:
    """Return how many seconds the service's clock is ahead of ours, negative behind; 0 where it does not say the time."""
    try:
        said = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return 0.0
    return (said - clock.now()).total_seconds() if said.tzinfo else 0.0


def skew_note(response: Response, clock: Clock) -> str:
    """Return a sentence about clocks that differ by more than services grant, "" otherwise."""
    found = skew_s(response, clock)
    if abs(found) <= NOTABLE_S:
        return ""
    return f"Its clock is {abs(found):.0f} s {'ahead of' if found > 0 else 'behind'} ours, by which tokens start and end."


def require_same_clock(answer: Exchange, clock: Clock) -> None:
    """Raise CannotTell where the clocks differ by more than services grant."""
    if note := skew_note(answer.response, clock):
        raise CannotTell(f"When a token ends cannot be told. {note}", hint="Set both clocks, then run it again.")
