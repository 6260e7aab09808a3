"""The error for a name that is not known, with the nearest one that is."""

from collections.abc import Iterable
from difflib import get_close_matches

from capliquify_ops.model.errors import ConfigurationInvalid


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known name, or all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names)}."


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> ConfigurationInvalid:
    """Return the error for an unknown key, naming the file and the nearest key."""
    return ConfigurationInvalid(f"{where}: unknown {kind} {name!r}.", hint=nearest(name, known))
