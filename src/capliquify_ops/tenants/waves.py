"""How a change goes over a fleet: one schema alone, then growing waves; each waits a little for a lock, and again later."""

from collections.abc import Callable
from dataclasses import dataclass

LOCK_MS = 2_000
"""How long a statement that blocks others waits for its lock: whoever comes after it waits as long."""
STATEMENT_MS = 30_000
"""How long such a statement may take once it has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a lock is waited for again, and how long before: doubled each time, less a random part. `random` gives [0, 1)."""

    times: int
    random: Callable[[], float]
    first_s: float = 0.5
    most_s: float = 20.0

    def wait_s(self, attempt: int) -> float:
        """Return how long to wait after so many attempts."""
        longest = min(self.first_s * 2.0 ** (attempt - 1), self.most_s)
        return longest * (0.5 + self.random() / 2)


def wave_size(number: int, schemas: int, wave: int | None) -> int:
    """Return how many of so many schemas the wave of that number takes; number 0 is the canary, alone.

    `wave` None: ten schemas or one in a hundred, then ten times as many each time; else always as many as it says.
    """
    if number == 0:
        return 1
    return wave or max(10, schemas // 100) * 10 ** (number - 1)


def wave_sizes(tenants: int, wave: int | None) -> list[int]:
    """Return how many of so many tenants each wave after the canary takes."""
    sizes, left = list[int](), tenants
    while left > 0:
        sizes.append(min(wave_size(len(sizes) + 1, tenants, wave), left))
        left -= sizes[-1]
    return sizes
