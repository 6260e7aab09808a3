"""Bodies of the rows that a load writes, from what the profile says of a route's fields."""

import json
from collections.abc import Mapping

from capliquify_ops.configuration.profile_routes import Route
from capliquify_ops.model.protocols import TokenRequest

A_DATE = "2026-01-15"
_KNOWN: Mapping[str, object] = {
    "text": "{marker} {arrival}",
    "unique": "{marker}-{arrival}",
    "email": "load-{arrival}@example.com",
    "number": 1,
    "integer": 1,
    "date": A_DATE,
}


def can_be_written(route: Route) -> bool:
    """Whether rows of a route can be made from nothing, and recognised by a text of theirs."""
    kinds = [kind for kind in route.fields.values() if isinstance(kind, str)]
    return "POST" in route.methods and bool({"text", "unique"} & {*kinds}) and not any(kind.startswith("@") for kind in kinds)


def template(route: Route) -> str:
    """Return the JSON body of a new row, with {marker} and {arrival} where they are to stand."""
    return json.dumps({name: _KNOWN.get(kind, kind) if isinstance(kind, str) else kind for name, kind in route.fields.items()})


def tenant_body(route: Route, slug: str, owner: TokenRequest) -> dict[str, object]:
    """Return the body of a request that creates a tenant through the service, by the kinds that the profile names."""
    known = {
        "text": slug,
        "slug": slug,
        "organization": owner.organization_id,
        "owner_user": owner.user_id,
        "owner_email": owner.email,
    }
    return {name: known.get(kind, kind) if isinstance(kind, str) else kind for name, kind in route.fields.items()}
