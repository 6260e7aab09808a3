"""A value that must never be printed."""

from typing import Final

MASK: Final = "********"


class Secret:
    """Text whose every representation is a mask; only `reveal()` gives it.

    It compares by content, refuses to be pickled and to be formatted, so that it cannot leave by accident.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for the connection that needs it, and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
