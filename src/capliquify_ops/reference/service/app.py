"""The application: every route in one table, and what becomes of each kind of failure.

Switches: RAW_DB_ERROR (the database's words in the answer), SHARED_REFERENCE (one more route), STALL (nothing is answered for a
while).
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from capliquify_ops.reference.service import analytics, currencies, onboarding, openapi, own_profile, people, products, search
from capliquify_ops.reference.service.background import surfaces_of
from capliquify_ops.reference.service.edge import LOG, Edge
from capliquify_ops.reference.service.gate import Endpoint
from capliquify_ops.reference.service.metrics import exposition
from capliquify_ops.reference.service.platform_tenants import PLATFORM_ROUTES
from capliquify_ops.reference.service.refusals import JsonResponse, Refusal, busy, failure, not_found
from capliquify_ops.reference.service.resources import FORECASTS, INVENTORY, SALES, SCENARIOS
from capliquify_ops.reference.service.runtime import Service, make_service
from capliquify_ops.reference.service.settings import load_settings
from capliquify_ops.reference.service.support import visit_as_support
from capliquify_ops.reference.service.surface_routes import further_routes
from capliquify_ops.reference.service.switches import Switches

_SAMPLE_S = 1.0
_STALL_EVERY_S, _STALL_S = 10.0, 0.3


async def health(request: Request) -> Response:
    """Whether the database answers, asked now; 503 when it does not. Open to everybody."""
    service: Service = request.app.state.service
    is_alive = await service.store.is_alive()
    body = {
        "status": "healthy" if is_alive else "unhealthy",
        "database": "connected" if is_alive else "disconnected",
        "uptime": round(monotonic() - service.started_at, 3),
        "instance": service.settings.instance,
    }
    return JSONResponse(body, 200 if is_alive else 503)


async def metrics(request: Request) -> Response:
    """The Prometheus text of all workers. Open to everybody who reaches the port, as is usual behind a proxy."""
    service: Service = request.app.state.service
    service.store.sample()
    return PlainTextResponse(exposition(Path(service.settings.run_folder)), media_type="text/plain; version=0.0.4; charset=utf-8")


async def describe(request: Request) -> Response:
    """The OpenAPI document of this very table of routes. Open to everybody."""
    return JsonResponse(request.app.state.description)


ROUTES: tuple[tuple[str, dict[str, Endpoint]], ...] = (
    ("/api/health", {"GET": health}),
    ("/metrics", {"GET": metrics}),
    ("/openapi.json", {"GET": describe}),
    ("/api/products", {"GET": products.list_products, "POST": products.create_product}),
    (
        "/api/products/{id}",
        {
            "GET": products.get_product,
            "PUT": products.replace_product,
            "PATCH": products.change_product,
            "DELETE": products.delete_product,
        },
    ),
    ("/api/sales", {"GET": products.list_route(SALES), "POST": products.create_route(SALES)}),
    ("/api/inventory", {"GET": products.list_route(INVENTORY), "POST": products.create_route(INVENTORY)}),
    (
        "/api/forecasts",
        {
            "GET": products.list_route(FORECASTS, "basic_forecasting"),
            "POST": products.create_route(FORECASTS, "basic_forecasting"),
        },
    ),
    ("/api/forecasts/ai", {"GET": analytics.list_ai_forecasts, "POST": analytics.make_ai_forecast}),
    (
        "/api/scenarios",
        {"GET": products.list_route(SCENARIOS, "what_if_analysis"), "POST": products.create_route(SCENARIOS, "what_if_analysis")},
    ),
    ("/api/reports/advanced", {"GET": analytics.advanced_report}),
    ("/api/dashboard", {"GET": analytics.dashboard}),
    ("/api/working-capital", {"GET": analytics.working_capital}),
    ("/api/search", {"GET": search.search}),
    ("/api/users/profile", {"GET": people.profile, "PATCH": own_profile.change_profile}),
    ("/api/users", {"GET": people.list_users}),
    ("/api/users/{id}", {"GET": people.get_user, "PATCH": people.change_role}),
    ("/api/audit-logs", {"GET": people.list_audit_logs}),
    ("/api/session/sign-out", {"POST": people.sign_out}),
    ("/api/admin/tenants", {"POST": onboarding.create_tenant}),
    *PLATFORM_ROUTES,
)
"""Path, then what answers each method."""


def load_app(settings_file: str) -> Edge:
    """The application of one worker, made inside the worker."""
    settings = load_settings(Path(settings_file))
    routes, templates = [], {}
    switches = Switches(settings.switches, Path(settings.run_folder))
    further = further_routes(serials=settings.serials, support_and_broadcast=switches.has("SUPPORT_AND_BROADCAST"))
    table = (*ROUTES, *further, *(currencies.ROUTES if switches.has("SHARED_REFERENCE") else ()))
    for path, methods in table:
        endpoint = _by_method(methods)
        routes.append(Route(path, endpoint, methods=[*methods]))
        templates[endpoint] = path
    app = Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=_lifespan)
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.visit_as_support = visit_as_support
    app.state.description = openapi.document(table)
    app.state.edge = edge = Edge(app, templates, settings.access_log)
    return edge


def _by_method(methods: dict[str, Endpoint]) -> Endpoint:
    """One endpoint per path: the route table stays small, and a wrong method is answered with all the right ones."""
    by_method = methods | ({"HEAD": methods["GET"]} if "GET" in methods else {})

    async def endpoint(request: Request) -> Response:
        return await by_method[request.method](request)

    return endpoint


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    service = make_service(app.state.settings, os.getpid())
    app.state.service = service
    app.state.edge.series = service.series
    await service.store.open()
    watching = [asyncio.create_task(_watch(service, os.getppid())), asyncio.create_task(_stall(service))]
    try:
        async with surfaces_of(service) as app.state.surfaces:
            yield
    finally:
        for task in watching:
            task.cancel()
        await service.store.close()


async def _watch(service: Service, parent: int) -> None:
    """Keeps the gauges fresh, and ends a worker whose main process is gone: nobody else would."""
    while True:
        service.store.sample()
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        await asyncio.sleep(_SAMPLE_S)


async def _stall(service: Service) -> None:
    """STALL: as a long garbage collection would, or a computation in the event loop."""
    while service.switches.has("STALL"):
        await asyncio.sleep(_STALL_EVERY_S)
        service.switches.on("STALL")
        sleep(_STALL_S)  # noqa: ASYNC251  # standing still is what is asked for


async def _on_refusal(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refusal)
    return failure(problem)


async def _on_http(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    if problem.status_code == 405:  # noqa: PLR2004 -- the status itself
        return failure(
            Refusal(
                405, "method_not_allowed", "This path does not take that method; see the Allow header.", headers=problem.headers
            )
        )
    if problem.status_code == 404:  # noqa: PLR2004
        return failure(not_found())
    return failure(Refusal(problem.status_code, "invalid_request", "The request cannot be used; correct it."))


async def _on_database(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, psycopg.Error)
    match problem:
        case errors.UniqueViolation():
            refusal = Refusal(409, "already_exists", "Something with this name or key exists already; choose another.")
        case errors.ForeignKeyViolation():
            refusal = not_found()
        case errors.CheckViolation() | errors.NotNullViolation() | psycopg.DataError():
            refusal = Refusal(422, "validation_failed", "A value cannot be stored; correct the body.")
        case PoolTimeout() | PoolClosed() | psycopg.OperationalError():
            LOG.warning("database unavailable: %s %s", type(problem).__name__, problem.sqlstate)
            refusal = busy("database_unavailable", "The database cannot be reached at the moment; try again shortly.")
        case _:
            LOG.error("database error: %s %s", type(problem).__name__, problem.sqlstate)
            refusal = Refusal(500, "internal_error", "The service failed; the failure was logged. Try again, or contact support.")
    service: Service = request.app.state.service
    if service.switches.on("RAW_DB_ERROR"):
        where = (problem.diag.schema_name, problem.diag.table_name, problem.diag.constraint_name)
        refusal.message = f"{type(problem).__name__}: {problem} {'.'.join(filter(None, where))}"
    return failure(refusal)


_HANDLERS = {Refusal: _on_refusal, HTTPException: _on_http, psycopg.Error: _on_database}
