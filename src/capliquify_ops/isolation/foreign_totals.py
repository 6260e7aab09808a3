"""Totals of another tenant's rows: a report or dashboard names no row, but its sums are multiples of whose amounts they add."""

from decimal import Decimal, InvalidOperation

from capliquify_ops.isolation.exchange import leaves
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import FACTORS

NO_AMOUNTS = ("id", "_at", "time", "timestamp", "date", "created", "updated", "expires", "epoch", "_ms", "_ns", "version")
"""Ends of the names of numbers that add nothing up: one of so many moments is a multiple of any prime."""


def foreign_total(key: str, data: object) -> str:
    """Return which number of an answer to a tenant is a sum of the other one's amounts, "" when none is. Pure.

    A number that both primes divide proves nothing; ids and moments are no amounts. By chance one number in 65 000 would be
    taken for one.
    """
    own, other = FACTORS[key], FACTORS[OTHER[key]]
    for path, value in leaves(data):
        amount = None if path.lower().endswith(NO_AMOUNTS) else _whole(value)
        if amount and amount % other == 0 and amount % own:
            return f"{path.lstrip('.') or 'the answer'} is {amount}, which only amounts of tenant {OTHER[key]} add up to"
    return ""


def _whole(value: object) -> int | None:
    """Return a whole number, also one written as text as services write money; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and number == number.to_integral_value() and abs(number) < 10**30 else None
