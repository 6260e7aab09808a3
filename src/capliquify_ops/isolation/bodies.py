"""Valid request bodies, built from what the profile says about a route's fields.

A field's value in the profile is its kind: `text` (any text; canaries stand here), `unique` (a text that must differ from
row to row), `email` (an address that a canary names), `number`, `integer`, `date`, `@route` (the id of a row made through that
route); anything else is sent as it is.
"""

from collections.abc import Callable, Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.canary import code_for

A_DATE = "2026-01-15"
UNUSABLE: tuple[object, ...] = ({}, {"sku": None}, [], {"unit_price": "many"})
"""Bodies that no collection takes."""


def body(route: Route, text: str, amount: int, reference: Callable[[str], str]) -> dict[str, object]:
    """Return a valid body of a create request. `reference` gives the id of a row of the named route."""
    return {name: _value(kind, text, amount, reference) for name, kind in route.fields.items()}


def text_fields(route: Route) -> list[str]:
    """Return the names of the fields that can hold a canary."""
    return [name for name, kind in route.fields.items() if kind == "text"]


def holds_secret(route: Route) -> bool:
    """Whether a canary stands in a body for this route: in a text, or in the name of an address of e-mail."""
    return any(kind in {"text", "email"} for kind in route.fields.values())


def references(fields: Mapping[str, object]) -> dict[str, str]:
    """Return the fields that hold another row's id, with the route of that row."""
    return {name: kind[1:] for name, kind in fields.items() if isinstance(kind, str) and kind.startswith("@")}


def _value(kind: object, text: str, amount: int, reference: Callable[[str], str]) -> object:
    if not isinstance(kind, str):
        return kind
    if kind.startswith("@"):
        return reference(kind[1:])
    known: dict[str, object] = {
        "text": f"Audit {text}",
        "unique": code_for(text),
        "email": f"{text if text.isalnum() else code_for(text)}@example.com",
        "number": amount,
        "integer": 1,
        "date": A_DATE,
    }
    return known.get(kind, kind)
