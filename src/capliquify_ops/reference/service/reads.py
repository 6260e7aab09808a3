"""Routes that only read: who asks and what is read travel together, and nothing is shown before it is known who asks."""

from collections.abc import Callable, Mapping
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import gate
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import page_of, resource_id
from capliquify_ops.reference.service.gate import Endpoint, Sent, Visit, Work, tenant_route
from capliquify_ops.reference.service.refusals import Refusal, not_found, success
from capliquify_ops.reference.service.round_trip import numbered
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Parameters, Query

Asking = Callable[[Request], Parameters]
"""The parameters of a request; Refusal for what cannot be used."""
Answering = Callable[[str | None, Parameters], Response]
"""The answer made of the JSON text that was read, None for no row, and of the parameters."""


def read_route(need: Need, query: Query, asks: Asking, answers: Answering) -> Endpoint:
    """GET of what one statement reads in the tenant's schema: its only row's first column, as JSON text."""
    statement = numbered(query)

    async def read_in_turn(visit: Visit) -> Response:
        given = asks(visit.request)
        return answers(await visit.finish(query, dict(given)), given)

    async def read_at_once(service: Service, request: Request, need: Need, work: Work, sent: Sent) -> Response | None:
        # What costs a tier of its own is not computed for those who have not paid for it.
        if need.feature or not service.store.reads_at_once:
            return await gate.visit_tenant(service, request, need, work, sent)
        session, organization, _ = sent
        started = perf_counter()
        given = _asked(asks, request)
        read = None if isinstance(given, Refusal) else (statement, given)
        found = await service.store.read(session.session, organization, session.user, read)
        if gate.admitted(service, found.row, need, started) is None:
            return None
        service.series.observe("middleware_latency_seconds", 'middleware_name="chain"', perf_counter() - started)
        if isinstance(given, Refusal):
            raise given
        return answers(found.shown(), given)

    return tenant_route(need, read_at_once)(read_in_turn)


def _asked(asks: Asking, request: Request) -> Parameters | Refusal:
    """What is wrong with a request is told to those only who may make it."""
    try:
        return asks(request)
    except Refusal as refusal:
        return refusal


def page_route(need: Need, query: Query, asks: Asking = page_of) -> Endpoint:
    """GET of one page, newest first."""
    return read_route(need, query, asks, _page)


def row_route(need: Need, query: Query, asks: Asking = lambda _: {}) -> Endpoint:
    """GET of one row; 404 where there is none."""
    return read_route(need, query, asks, lambda text, _: found(text))


def by_id(request: Request) -> Parameters:
    """The id in the path."""
    return {"id": resource_id(request)}


def found(data: str | None, status: int = 200) -> Response:
    """The row, or the one answer for a row that is not there."""
    if data is None:
        raise not_found()
    return success(data, status)


def _page(text: str | None, given: Mapping[str, object]) -> Response:
    return success(text or "[]", pagination={name: given[name] for name in ("limit", "offset")})
