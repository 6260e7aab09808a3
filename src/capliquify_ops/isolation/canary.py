"""Canaries: secret words that only their writer ever sends, so that meeting one elsewhere proves a leak."""

from dataclasses import dataclass, field

TOKEN_BYTES = 12
"""96 random bits: no answer holds one by chance, and nobody guesses it from the run's public id."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret word, the tenant whose content it stands in, and what a report calls it.

    `is_address` marks a row's id: it is a secret only until somebody else sends it, since what was sent may be repeated.
    """

    tenant: str
    label: str
    token: str = field(repr=False)
    is_address: bool = False


def mint(tenant: str, label: str, noise: bytes) -> Canary:
    """Make a secret word of random bytes: lower case letters and digits only, which no sanitiser has a reason to change."""
    return Canary(tenant, label, f"canary{noise.hex()}")
