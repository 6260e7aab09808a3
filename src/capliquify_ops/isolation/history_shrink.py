"""Delta debugging: the smallest part of a plan or a history that still fails. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Step = TypeVar("Step")


def shrink(history: Sequence[Step], is_bad: Callable[[list[Step]], bool], *, tries: int = 1_000) -> list[Step]:
    """Return a part, in the same order, that is bad still and is so no longer when any one step is left out.

    Steps are left out in halves, then quarters, down to one. After `tries` calls of `is_bad` the shortest bad part so far is
    returned, which may not be minimal. Raises ValueError when the whole is not bad.
    """
    kept = list(history)
    if not is_bad(kept):
        raise ValueError("The whole history is not bad, so there is nothing to shrink.")
    size = max(1, len(kept) // 2)
    while kept:
        length, position = len(kept), len(kept)
        while position > 0:
            if tries <= 0:
                return kept
            tries -= 1
            without = kept[: max(0, position - size)] + kept[position:]
            kept = without if is_bad(without) else kept
            position -= size
        if size == 1 and len(kept) == length:
            break
        size = max(1, size // 2)
    return kept
