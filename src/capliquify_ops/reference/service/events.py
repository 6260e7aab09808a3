"""The tenant's own changes as they happen: server-sent events, from notifications sent in the transaction of the change.

A notification holds no more than ids: every session of the database may listen. The row is read when it is sent, in a
transaction of the stream's own session, which ends the stream of whoever may no longer read.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import LiteralString

from starlette.responses import Response, StreamingResponse

from capliquify_ops.reference.service import access
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.tokens import Session

CHANNEL: LiteralString = "reference_service_events"
EVERYBODY = "*"
HEARTBEAT_S = 2.0
"""Also how long a stream outlives the right to it."""
LONGEST_S = 300.0
"""Then the client comes back, and is asked for its credentials anew."""
_WAITING = 1000
_READ: Mapping[str, LiteralString] = {
    "products": "SELECT id, name FROM products WHERE id = %(id)s::uuid",
    "scenarios": "SELECT id, name FROM scenarios WHERE id = %(id)s::uuid",
    "sales": "SELECT id, customer AS name FROM sales WHERE id = %(id)s::uuid",
    "inventory": "SELECT id, location AS name FROM inventory WHERE id = %(id)s::uuid",
    "forecasts": "SELECT id, period AS name FROM forecasts WHERE id = %(id)s::uuid",
    "notes": "SELECT id, title AS name FROM notes WHERE id = %(id)s::bigint",
    "comments": "SELECT id, body AS name FROM reference_service.comments WHERE id = %(id)s::uuid",
}
_EVENT: LiteralString = "SELECT row_to_json(r)::text FROM (:row) AS r"
_NOTHING: LiteralString = "SELECT WHERE false"

Stream = asyncio.Queue[str]


class Hub:
    """One worker's streams by tenant. What concerns no stream's tenant goes no further than here."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, set[Stream]] = defaultdict(set)

    def heard(self, payload: str) -> None:
        """Hands a notification `<tenant> <table> <id>` to the streams of its tenant."""
        tenant, _, about = payload.partition(" ")
        for stream in [*(self._streams.get(tenant, ()) if tenant != EVERYBODY else self._all())]:
            if not stream.full():  # a client that does not read loses events, not the worker its memory
                stream.put_nowait(about)

    @contextmanager
    def subscribed(self, tenant: str) -> Iterator[Stream]:
        """A stream of one tenant's notifications, until it is left."""
        stream: Stream = asyncio.Queue(_WAITING)
        self._streams[tenant].add(stream)
        try:
            yield stream
        finally:
            self._streams[tenant].discard(stream)
            if not self._streams[tenant]:
                del self._streams[tenant]

    def _all(self) -> list[Stream]:
        return [stream for streams in self._streams.values() for stream in streams]


@tenant_route(Need("viewer"))
async def stream_events(visit: Visit) -> Response:
    """An event for each row that is made in this tenant from now on. Holds no connection of the pool."""
    hub: Hub = visit.request.app.state.surfaces.hub
    lines = _lines(visit.service, hub, visit.session, visit.row.tenant_id or "")
    return StreamingResponse(lines, media_type="text/event-stream")


async def _lines(service: Service, hub: Hub, session: Session, tenant: str) -> AsyncIterator[str]:
    ends_at = monotonic() + LONGEST_S
    with hub.subscribed(tenant) as stream:
        yield ": connected\n\n"
        while monotonic() < ends_at:
            try:
                about = await asyncio.wait_for(stream.get(), HEARTBEAT_S)
            except TimeoutError:
                about = ""
            text = await _text(service, session, about)
            if text is None:
                return
            yield text


async def _text(service: Service, session: Session, about: str) -> str | None:
    """The event's text, a heartbeat where there is nothing to say, or None for a session that may no longer read."""
    kind, _, identifier = about.partition(" ")
    async with service.store.transaction(session.session, session.organization or "", session.user) as transaction:
        if access.decide(transaction.row, Need("viewer")) is not None:
            return None
        if kind == "announcement":
            return f"event: announcement\ndata: {identifier}\n\n"
        data = await transaction.finish(
            _EVENT.replace(":row", _READ.get(kind, _NOTHING)), {"id": identifier} if kind in _READ else {}
        )
    return f"id: {kind}:{identifier}\nevent: created\ndata: {data}\n\n" if data else ": still here\n\n"
