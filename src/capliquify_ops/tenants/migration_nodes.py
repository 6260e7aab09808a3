"""The parser's trees: what kind a node is, and everything in a tree, in its order, however deep."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A node, or a list in a node, and where it stands: the node that holds it and under which name."""

    value: Any
    holder: Any
    member: str

    @property
    def at(self) -> tuple[str, str]:
        """Where it stands: the kind of the holder, and the name."""
        return kind(self.holder), self.member


def kind(node: object) -> str:
    """Return what PostgreSQL calls the node; "" for none."""
    return "" if node is None else type(node).__name__


def walk(tree: object) -> Iterator[Place]:
    """Yield every node and list below a tree and itself, without recursion."""
    todo = [Place(tree, None, "")]
    while todo:
        place = todo.pop()
        yield place
        if isinstance(place.value, tuple):
            todo += [Place(each, place.holder, place.member) for each in reversed(place.value) if _is_part(each)]
        else:
            members = [(name, getattr(place.value, name)) for name in place.value]
            todo += [Place(value, place.value, name) for name, value in reversed(members) if _is_part(value)]


def strings(value: object) -> tuple[str, ...]:
    """Return the texts of a list that holds nothing else; () for every other value."""
    if isinstance(value, tuple) and all(kind(each) == "String" for each in value):
        return tuple(each.sval or "" for each in value)
    return ()


def words(text: str) -> frozenset[str]:
    """Return the words of a text: a set that is easy to read."""
    return frozenset(text.split())


def _is_part(value: object) -> bool:
    return isinstance(value, tuple) or type(value).__module__ == "pglast.ast"
