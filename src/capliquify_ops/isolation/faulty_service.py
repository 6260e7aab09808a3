"""A service in this process, two tenants and one collection, that can do one thing wrong: what the audit tries itself on."""

import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum

from capliquify_ops.http_client import Response
from capliquify_ops.model.protocols import TokenRequest, TokenVariant

COLLECTION = "/api/products"


class Fault(StrEnum):
    """What the service does wrong."""

    NONE = "nothing"
    FOREIGN_ROW = "another tenant's row in a list"
    LOST_WRITE = "a row that was acknowledged and is not kept"
    TELLING_404 = "another tenant's row answered 403, an unknown one 404"


class FaultyService:
    """Answers what a `Client` would send; a token is `<organisation>`."""

    def __init__(self, fault: Fault, header: str) -> None:
        self._fault = fault
        self._header = header
        self._rows: dict[str, dict[str, dict[str, object]]] = {}

    def request(
        self, method: str, path: str, *, json: object = None, headers: Mapping[str, str] | None = None, **_rest: object
    ) -> Response:
        """Answer one request."""
        organization = (headers or {}).get(self._header, "")
        if (headers or {}).get("Authorization") != f"Bearer {organization}":
            return _answer(method, path, 403, {"error": "not_organization_member"})
        own = self._rows.setdefault(organization, {})
        found = path.partition("?")[0].removeprefix(COLLECTION).strip("/")
        if found:
            return self._item(method, path, own, found)
        if method == "POST" and isinstance(json, dict):
            row: dict[str, object] = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(sorted(json.items())))), **json}
            if self._fault is not Fault.LOST_WRITE:
                own[str(row["id"])] = row
            return _answer(method, path, 201, {"data": row})
        return _answer(method, path, 200, {"data": self._listed(organization)})

    def _listed(self, organization: str) -> list[dict[str, object]]:
        others = [row for name, rows in self._rows.items() if name != organization for row in rows.values()]
        return [*self._rows[organization].values(), *(others[:1] if self._fault is Fault.FOREIGN_ROW else [])]

    def _item(self, method: str, path: str, own: dict[str, dict[str, object]], row: str) -> Response:
        if row not in own:
            is_told = self._fault is Fault.TELLING_404 and any(row in rows for rows in self._rows.values())
            return _answer(method, path, 403 if is_told else 404, {"error": "not_found"})
        if method == "DELETE":
            return _answer(method, path, 200, {"data": own.pop(row)})
        return _answer(method, path, 200, {"data": own[row]})


class Badges:
    """The tokens of that service: the organisation's name for everybody in it."""

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return a token for each request; only valid ones are made."""
        return [one.organization_id if one.variant is TokenVariant.VALID else None for one in requests]

    def forget(self, run: str) -> None:
        """Nothing is kept."""


def _answer(method: str, path: str, status: int, document: object) -> Response:
    return Response(method, path, status, {"content-type": "application/json"}, json.dumps(document).encode())
